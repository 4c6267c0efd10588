/*-------------------------------------------------------------------------
 *
 * check.h
 *		Checks that every vector type shares: dimensions, type modifier,
 *		coordinates.
 *
 * `type` is the name of the SQL type, for the message.  A check returns true, or
 * reports an error.  Where escontext is an ErrorSaveContext the error is left
 * there and false returned (PostgreSQL 16 and later, input functions); with NULL
 * it is thrown, so that the result needs no look.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_CHECK_H
#define HNR_CHECK_H

#include <math.h>

#include "nodes/nodes.h"
#include "utils/array.h"

/* 1 <= dims <= max_dims, or ERRCODE_DATA_EXCEPTION / PROGRAM_LIMIT_EXCEEDED. */
extern bool hnr_check_dims(const char *type, int dims, int max_dims, Node *escontext);

/* nonzeros <= max_nonzeros, or ERRCODE_PROGRAM_LIMIT_EXCEEDED. */
extern bool hnr_check_nonzeros(const char *type, int nonzeros, int max_nonzeros,
							   Node *escontext);

/* typmod is -1 (any) or equals dims, else ERRCODE_DATA_EXCEPTION. */
extern bool hnr_check_typmod(const char *type, int dims, int32 typmod, Node *escontext);

/* Both vectors have the same dimensions, else ERRCODE_DATA_EXCEPTION is thrown. */
extern void hnr_check_same_dims(const char *type, int dims_a, int dims_b);

/* The error of hnr_check_finite: NaN or infinity, ERRCODE_DATA_EXCEPTION. */
extern void hnr_not_finite_error(const char *type, double value, Node *escontext);

static inline bool
hnr_check_finite(const char *type, double value, Node *escontext)
{
	if (likely(isfinite(value)))
		return true;
	hnr_not_finite_error(type, value, escontext);
	return false;
}

/*
 * -limit < value < limit, or ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE is thrown: limit is
 * where the type's coordinates end.
 */
extern void hnr_out_of_range_error(const char *type, float value);

static inline void
hnr_check_range(const char *type, float value, float limit)
{
	if (unlikely(fabsf(value) >= limit))
		hnr_out_of_range_error(type, value);
}

/*
 * The type modifier that the array of a typmod_in function names: one number of
 * dimensions, 1 .. max_dims.  ERRCODE_INVALID_PARAMETER_VALUE is thrown.
 */
extern int32 hnr_typmod_in(const char *type, ArrayType *modifiers, int max_dims);

#endif							/* HNR_CHECK_H */
