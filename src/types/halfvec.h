/*-------------------------------------------------------------------------
 *
 * halfvec.h
 *		The SQL type halfvec: a varlena of half-precision coordinates.
 *
 * The datum format on disk and the binary wire format are those of vector with
 * IEEE 754 binary16 for float4: int16 dim, int16 zero, then dim halves (network
 * order on the wire).  Every stored coordinate is finite, and
 * 1 <= dim <= HNR_HALFVEC_MAX_DIM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_HALFVEC_H
#define HNR_HALFVEC_H

#include "fmgr.h"

#define HNR_HALFVEC_MAX_DIM 16000

typedef struct HnrHalfvec
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int16		dim;			/* number of coordinates */
	int16		unused;			/* always zero */
	uint16		x[FLEXIBLE_ARRAY_MEMBER];
} HnrHalfvec;

#define HNR_HALFVEC_SIZE(dim)	(offsetof(HnrHalfvec, x) + sizeof(uint16) * (dim))
#define DatumGetHnrHalfvec(d)	((HnrHalfvec *) PG_DETOAST_DATUM(d))
#define PG_GETARG_HNR_HALFVEC(n)	DatumGetHnrHalfvec(PG_GETARG_DATUM(n))

/* A zeroed value of dim coordinates in the current memory context. */
extern HnrHalfvec *hnr_halfvec_new(int dim);

/*
 * Likewise one of dim finite floats, each rounded to the nearest half.
 * ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE where that is infinity; dim is checked too.
 */
extern HnrHalfvec *hnr_halfvec_from_floats(int dim, const float *x);

/* The coordinates as floats, in the current memory context. */
extern const float *hnr_halfvec_floats(const HnrHalfvec *v);

/* The input function, by which the SQL type is told from others. */
extern PGDLLEXPORT Datum hnr_halfvec_in(PG_FUNCTION_ARGS);

#endif							/* HNR_HALFVEC_H */
