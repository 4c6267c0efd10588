/*-------------------------------------------------------------------------
 *
 * vector_op.c
 *		Arithmetic, parts, bits and order of vectors.
 *
 * Arithmetic is coordinate by coordinate, on vectors of the same dimensions (else
 * ERRCODE_DATA_EXCEPTION), with real's rules: a result that float4 cannot hold
 * is ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "types/check.h"
#include "types/vector.h"
#include "utils/float.h"
#include "utils/varbit.h"

PG_FUNCTION_INFO_V1(hnr_vector_dims);
PG_FUNCTION_INFO_V1(hnr_vector_add);
PG_FUNCTION_INFO_V1(hnr_vector_sub);
PG_FUNCTION_INFO_V1(hnr_vector_mul);
PG_FUNCTION_INFO_V1(hnr_vector_concat);
PG_FUNCTION_INFO_V1(hnr_vector_subvector);
PG_FUNCTION_INFO_V1(hnr_vector_binary_quantize);
PG_FUNCTION_INFO_V1(hnr_vector_lt);
PG_FUNCTION_INFO_V1(hnr_vector_le);
PG_FUNCTION_INFO_V1(hnr_vector_eq);
PG_FUNCTION_INFO_V1(hnr_vector_ne);
PG_FUNCTION_INFO_V1(hnr_vector_ge);
PG_FUNCTION_INFO_V1(hnr_vector_gt);
PG_FUNCTION_INFO_V1(hnr_vector_cmp);

/* vector_dims(vector): the number of dimensions. */
Datum
hnr_vector_dims(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_HNR_VECTOR(0)->dim);
}

static void
check_overflow(const HnrVector *v)
{
	for (int i = 0; i < v->dim; i++)
		if (unlikely(isinf(v->x[i])))
			float_overflow_error();
}

/* vector_add(vector, vector), operator + */
Datum
hnr_vector_add(PG_FUNCTION_ARGS)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	HnrVector  *sum;

	hnr_vector_check_same_dim(a, b);
	sum = hnr_vector_new(a->dim);
	for (int i = 0; i < sum->dim; i++)
		sum->x[i] = a->x[i] + b->x[i];
	check_overflow(sum);
	PG_RETURN_POINTER(sum);
}

/* vector_sub(vector, vector), operator - */
Datum
hnr_vector_sub(PG_FUNCTION_ARGS)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	HnrVector  *difference;

	hnr_vector_check_same_dim(a, b);
	difference = hnr_vector_new(a->dim);
	for (int i = 0; i < difference->dim; i++)
		difference->x[i] = a->x[i] - b->x[i];
	check_overflow(difference);
	PG_RETURN_POINTER(difference);
}

/* vector_mul(vector, vector), operator *; a product that vanishes is an error. */
Datum
hnr_vector_mul(PG_FUNCTION_ARGS)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	HnrVector  *product;

	hnr_vector_check_same_dim(a, b);
	product = hnr_vector_new(a->dim);
	for (int i = 0; i < product->dim; i++)
		product->x[i] = a->x[i] * b->x[i];
	check_overflow(product);
	for (int i = 0; i < product->dim; i++)
		if (unlikely(product->x[i] == 0 && a->x[i] != 0 && b->x[i] != 0))
			float_underflow_error();
	PG_RETURN_POINTER(product);
}

/*
 * vector_concat(vector, vector), operator ||: the coordinates of both in a row,
 * together at most HNR_VECTOR_MAX_DIM (else ERRCODE_PROGRAM_LIMIT_EXCEEDED).
 */
Datum
hnr_vector_concat(PG_FUNCTION_ARGS)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	HnrVector  *both;

	hnr_check_dims("vector", a->dim + b->dim, HNR_VECTOR_MAX_DIM, NULL);
	both = hnr_vector_new(a->dim + b->dim);
	memcpy(both->x, a->x, sizeof(float) * a->dim);
	memcpy(both->x + a->dim, b->x, sizeof(float) * b->dim);
	PG_RETURN_POINTER(both);
}

/*
 * subvector(vector, start, count): coordinates start .. start + count - 1, the
 * first one being 1, as substring() has it: what lies outside is cut off.
 * ERRCODE_DATA_EXCEPTION where nothing is left.
 */
Datum
hnr_vector_subvector(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = Min(start + PG_GETARG_INT32(2), (int64) v->dim + 1);
	HnrVector  *part;

	start = Max(start, 1);
	hnr_check_dims("vector", Max(end - start, 0), HNR_VECTOR_MAX_DIM, NULL);
	part = hnr_vector_new(end - start);
	memcpy(part->x, v->x + start - 1, sizeof(float) * part->dim);
	PG_RETURN_POINTER(part);
}

/* binary_quantize(vector): one bit per coordinate, set where it is above zero. */
Datum
hnr_vector_binary_quantize(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);
	VarBit	   *bits = palloc0(VARBITTOTALLEN(v->dim));

	SET_VARSIZE(bits, VARBITTOTALLEN(v->dim));
	VARBITLEN(bits) = v->dim;
	for (int i = 0; i < v->dim; i++)
		if (v->x[i] > 0)
			VARBITS(bits)[i / BITS_PER_BYTE] |= HIGHBIT >> (i % BITS_PER_BYTE);
	PG_RETURN_VARBIT_P(bits);
}

/*
 * The order of arrays: by the first coordinate that differs, else the one with
 * fewer dimensions is less.
 */
static int
compare(FunctionCallInfo fcinfo)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	int			shorter = Min(a->dim, b->dim);
	int			result = (a->dim > b->dim) - (a->dim < b->dim);

	for (int i = 0; i < shorter; i++)
	{
		if (a->x[i] != b->x[i])
		{
			result = a->x[i] < b->x[i] ? -1 : 1;
			break;
		}
	}
	/* btree support functions must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/* vector_lt(vector, vector), operator < */
Datum
hnr_vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

/* vector_le(vector, vector), operator <= */
Datum
hnr_vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

/* vector_eq(vector, vector), operator = */
Datum
hnr_vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

/* vector_ne(vector, vector), operator <> */
Datum
hnr_vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

/* vector_ge(vector, vector), operator >= */
Datum
hnr_vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

/* vector_gt(vector, vector), operator > */
Datum
hnr_vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

/* vector_cmp(vector, vector): -1, 0 or 1 */
Datum
hnr_vector_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}
