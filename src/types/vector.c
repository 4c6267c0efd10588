/*-------------------------------------------------------------------------
 *
 * vector.c
 *		The SQL type vector: the template dense.inc.h for float4 coordinates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "types/vector.h"

/* f may be out, room for it in the value itself. */
static inline void
put_floats(int n, const float *f, float *out)
{
	if (f != out)
		memcpy(out, f, sizeof(float) * n);
}

#define TYPE				HnrVector
#define TYPE_NAME			"vector"
#define TYPE_FN(name)		hnr_vector_##name
#define TYPE_GETARG(n)		PG_GETARG_HNR_VECTOR(n)
#define TYPE_MAX_DIM		HNR_VECTOR_MAX_DIM
#define DENSE_ELEMENT		float
#define DENSE_SIZE(dim)		HNR_VECTOR_SIZE(dim)
#define DENSE_GET(v, i)		((v)->x[i])
#define DENSE_PUT(v, i, f)	((v)->x[i] = (f))
#define DENSE_FLOATS(v)		((const float *) (v)->x)
#define DENSE_ROUND(n, f, out)	put_floats(n, f, out)
#define DENSE_ROOM(v)		((v)->x)
#define DENSE_LIMIT			INFINITY
#define DENSE_WIRE			uint32
#define DENSE_RECEIVE(wire)	pg_ntoh32(wire)
#define DENSE_TRANSMIT(buf, x)	pq_sendfloat4(buf, x)
#define DENSE_KERNEL(name)	hnr_distance->name

#include "types/dense.inc.h"
