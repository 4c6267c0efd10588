/*-------------------------------------------------------------------------
 *
 * array.h
 *		SQL arrays of numbers to float4 coordinates, for every vector type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ARRAY_H
#define HNR_ARRAY_H

#include "utils/array.h"

/*
 * The number of elements of an array that is to become a value of `type`: it has
 * one dimension (or none: 0 elements) and no NULL.  ERRCODE_DATA_EXCEPTION or
 * ERRCODE_NULL_VALUE_NOT_ALLOWED is thrown.
 */
extern int	hnr_array_length(const char *type, ArrayType *array);

/*
 * Writes the elements of an array that passed hnr_array_length, of type int4,
 * float4, float8 or numeric, to out.  NaN and infinity are refused
 * (ERRCODE_DATA_EXCEPTION), and so is what float4 cannot hold
 * (ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE).
 */
extern void hnr_array_to_floats(const char *type, ArrayType *array, int n, float *out);

#endif							/* HNR_ARRAY_H */
