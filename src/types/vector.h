/*-------------------------------------------------------------------------
 *
 * vector.h
 *		The SQL type vector: a varlena of float4 coordinates.
 *
 * The datum format on disk and the binary wire format are the field's common
 * ones: int16 dim, int16 zero, then dim float4 (network order on the wire).
 * Every stored coordinate is finite, and 1 <= dim <= HNR_VECTOR_MAX_DIM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_VECTOR_H
#define HNR_VECTOR_H

#include "fmgr.h"

#define HNR_VECTOR_MAX_DIM 16000

typedef struct HnrVector
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int16		dim;			/* number of coordinates */
	int16		unused;			/* always zero */
	float		x[FLEXIBLE_ARRAY_MEMBER];
} HnrVector;

#define HNR_VECTOR_SIZE(dim)	(offsetof(HnrVector, x) + sizeof(float) * (dim))
#define DatumGetHnrVector(d)	((HnrVector *) PG_DETOAST_DATUM(d))
#define PG_GETARG_HNR_VECTOR(n)	DatumGetHnrVector(PG_GETARG_DATUM(n))

/* A zeroed vector of dim coordinates in the current memory context. */
extern HnrVector *hnr_vector_new(int dim);

/* Likewise one of dim finite coordinates; dim is checked. */
extern HnrVector *hnr_vector_from_floats(int dim, const float *x);

/* The input function, by which the SQL type is told from others. */
extern PGDLLEXPORT Datum hnr_vector_in(PG_FUNCTION_ARGS);

#endif							/* HNR_VECTOR_H */
