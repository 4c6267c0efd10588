/*-------------------------------------------------------------------------
 *
 * sparsevec.h
 *		The SQL type sparsevec: a varlena of the coordinates that are not zero.
 *
 * The datum format on disk and the binary wire format are the field's common ones:
 * int32 dim, int32 nnz, int32 zero, then nnz indices (int32, from 0, ascending),
 * then nnz values (float4), in network order on the wire.  Every value is finite
 * and not zero, every index is below dim, 1 <= dim <= HNR_SPARSEVEC_MAX_DIM and
 * 0 <= nnz <= HNR_SPARSEVEC_MAX_NNZ.  In text, indices count from 1.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SPARSEVEC_H
#define HNR_SPARSEVEC_H

#include "fmgr.h"

#define HNR_SPARSEVEC_MAX_DIM 1000000000
#define HNR_SPARSEVEC_MAX_NNZ 16000

typedef struct HnrSparsevec
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int32		dim;			/* number of coordinates */
	int32		nnz;			/* of them not zero */
	int32		unused;			/* always zero */
	int32		indices[FLEXIBLE_ARRAY_MEMBER]; /* nnz of them, then the values */
} HnrSparsevec;

#define HNR_SPARSEVEC_SIZE(nnz) \
	(offsetof(HnrSparsevec, indices) + (sizeof(int32) + sizeof(float)) * (nnz))
#define DatumGetHnrSparsevec(d)	((HnrSparsevec *) PG_DETOAST_DATUM(d))
#define PG_GETARG_HNR_SPARSEVEC(n)	DatumGetHnrSparsevec(PG_GETARG_DATUM(n))

static inline float *
hnr_sparsevec_values(const HnrSparsevec *v)
{
	return (float *) (v->indices + v->nnz);
}

/*
 * A value of dim coordinates and nnz indices and values, which are yet to be filled
 * in, in the current memory context.
 */
extern HnrSparsevec *hnr_sparsevec_new(int dim, int nnz);

/*
 * Likewise one of dim finite coordinates.  ERRCODE_PROGRAM_LIMIT_EXCEEDED where too
 * many are not zero; dim is checked too.
 */
extern HnrSparsevec *hnr_sparsevec_from_floats(int dim, const float *x);

/* Writes its dim coordinates to x. */
extern void hnr_sparsevec_to_floats(const HnrSparsevec *v, float *x);

/* The input function, by which the SQL type is told from others. */
extern PGDLLEXPORT Datum hnr_sparsevec_in(PG_FUNCTION_ARGS);

#endif							/* HNR_SPARSEVEC_H */
