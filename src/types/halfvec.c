/*-------------------------------------------------------------------------
 *
 * halfvec.c
 *		The SQL type halfvec: the template dense.inc.h for half-precision
 *		coordinates, and the casts between halfvec and vector.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/distance.h"
#include "distance/half.h"
#include "port/pg_bswap.h"
#include "types/halfvec.h"
#include "types/vector.h"

const float *
hnr_halfvec_floats(const HnrHalfvec *v)
{
	float	   *x = palloc(sizeof(float) * v->dim);

	hnr_distance->from_half(v->dim, v->x, 1.0f, x);
	return x;
}

#define TYPE				HnrHalfvec
#define TYPE_NAME			"halfvec"
#define TYPE_FN(name)		hnr_halfvec_##name
#define TYPE_GETARG(n)		PG_GETARG_HNR_HALFVEC(n)
#define TYPE_MAX_DIM		HNR_HALFVEC_MAX_DIM
#define DENSE_ELEMENT		uint16
#define DENSE_SIZE(dim)		HNR_HALFVEC_SIZE(dim)
#define DENSE_GET(v, i)		hnr_half_decode((v)->x[i])
#define DENSE_PUT(v, i, f)	((v)->x[i] = hnr_half_encode(f))
#define DENSE_FLOATS(v)		hnr_halfvec_floats(v)
#define DENSE_ROUND(n, f, out)	hnr_distance->to_half(n, f, out)
#define DENSE_ROOM(v)		((float *) palloc(sizeof(float) * (v)->dim))
#define DENSE_LIMIT			HNR_HALF_LIMIT
#define DENSE_WIRE			uint16
#define DENSE_RECEIVE(wire)	pg_ntoh16(wire)
#define DENSE_TRANSMIT(buf, x)	pq_sendint16(buf, x)
#define DENSE_KERNEL(name)	hnr_distance->half_##name

#include "types/dense.inc.h"

PG_FUNCTION_INFO_V1(hnr_halfvec_to_vector);
PG_FUNCTION_INFO_V1(hnr_vector_to_halfvec);

/* halfvec_to_vector(halfvec, typmod, bool): the same numbers, exactly. */
Datum
hnr_halfvec_to_vector(PG_FUNCTION_ARGS)
{
	HnrHalfvec *half = PG_GETARG_HNR_HALFVEC(0);
	HnrVector  *v;

	hnr_check_typmod("vector", half->dim, PG_GETARG_INT32(1), NULL);
	v = hnr_vector_new(half->dim);
	hnr_distance->from_half(half->dim, half->x, 1.0f, v->x);
	PG_RETURN_POINTER(v);
}

/*
 * vector_to_halfvec(vector, typmod, bool): each coordinate rounded to the nearest
 * half; ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE.
 */
Datum
hnr_vector_to_halfvec(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	hnr_check_typmod("halfvec", v->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(hnr_halfvec_from_floats(v->dim, v->x));
}
