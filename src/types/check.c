/*-------------------------------------------------------------------------
 *
 * check.c
 *		Checks that every vector type shares.  See check.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "compat.h"
#include "types/check.h"

bool
hnr_check_dims(const char *type, int dims, int max_dims, Node *escontext)
{
	if (dims < 1)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("type %s needs at least 1 dimension", type)));
	if (dims > max_dims)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("type %s is limited to %d dimensions", type, max_dims)));
	return true;
}

bool
hnr_check_nonzeros(const char *type, int nonzeros, int max_nonzeros, Node *escontext)
{
	if (nonzeros > max_nonzeros)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("type %s is limited to %d coordinates other than zero",
						type, max_nonzeros)));
	return true;
}

bool
hnr_check_typmod(const char *type, int dims, int32 typmod, Node *escontext)
{
	if (typmod != -1 && dims != typmod)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s of dimension %d where dimension %d is expected",
						type, dims, typmod)));
	return true;
}

void
hnr_check_same_dims(const char *type, int dims_a, int dims_b)
{
	if (unlikely(dims_a != dims_b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s operands differ in dimension: %d and %d", type, dims_a, dims_b)));
}

void
hnr_not_finite_error(const char *type, double value, Node *escontext)
{
	errsave(escontext,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 isnan(value) ?
			 errmsg("NaN cannot be a coordinate of type %s", type) :
			 errmsg("infinity cannot be a coordinate of type %s", type)));
}

void
hnr_out_of_range_error(const char *type, float value)
{
	char		text[FLOAT_SHORTEST_DECIMAL_LEN];

	float_to_shortest_decimal_buf(value, text);
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%s\" is out of range for a coordinate of type %s", text, type)));
}

int32
hnr_typmod_in(const char *type, ArrayType *modifiers, int max_dims)
{
	int			n;
	int32	   *values = ArrayGetIntegerTypmods(modifiers, &n);

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type %s takes one modifier, its number of dimensions", type)));
	if (values[0] < 1 || values[0] > max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions of type %s must be between 1 and %d", type, max_dims)));
	return values[0];
}
