/*-------------------------------------------------------------------------
 *
 * vector_cast.c
 *		Casts of vector: to its own type modifier, from and to arrays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "types/array.h"
#include "types/check.h"
#include "types/vector.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(hnr_vector_to_typmod);
PG_FUNCTION_INFO_V1(hnr_array_to_vector);
PG_FUNCTION_INFO_V1(hnr_vector_to_float4);
PG_FUNCTION_INFO_V1(hnr_vector_to_float8);
PG_FUNCTION_INFO_V1(hnr_vector_to_int4);
PG_FUNCTION_INFO_V1(hnr_vector_to_numeric);

/* vector(vector, typmod, bool): the value itself, where it has the dimensions. */
Datum
hnr_vector_to_typmod(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	hnr_check_typmod("vector", v->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(v);
}

/*
 * array_to_vector(array, typmod, bool), for arrays of int4, float4, float8 and
 * numeric.  Errors as in array.h, and for other dimensions than typmod's.
 */
Datum
hnr_array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			dim = hnr_array_length("vector", array);
	HnrVector  *v;

	hnr_check_dims("vector", dim, HNR_VECTOR_MAX_DIM, NULL);
	hnr_check_typmod("vector", dim, PG_GETARG_INT32(1), NULL);
	v = hnr_vector_new(dim);
	hnr_array_to_floats("vector", array, dim, v->x);
	PG_RETURN_POINTER(v);
}

/* The coordinates as Datums of float4, in the current memory context. */
static Datum *
float4_datums(const HnrVector *v)
{
	Datum	   *datums = palloc(sizeof(Datum) * v->dim);

	for (int i = 0; i < v->dim; i++)
		datums[i] = Float4GetDatum(v->x[i]);
	return datums;
}

/* Likewise of whatever `convert`, a cast function of core, makes of a float4. */
static Datum *
converted_datums(const HnrVector *v, PGFunction convert)
{
	Datum	   *datums = float4_datums(v);

	for (int i = 0; i < v->dim; i++)
		datums[i] = DirectFunctionCall1(convert, datums[i]);
	return datums;
}

/* vector_to_float4(vector, typmod, bool) */
Datum
hnr_vector_to_float4(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	PG_RETURN_POINTER(construct_array(float4_datums(v), v->dim, FLOAT4OID,
									  sizeof(float4), true, TYPALIGN_INT));
}

/* vector_to_float8(vector): the same numbers, exactly. */
Datum
hnr_vector_to_float8(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, ftod), v->dim, FLOAT8OID,
									  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* vector_to_int4(vector): rounded; ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE. */
Datum
hnr_vector_to_int4(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, ftoi4), v->dim, INT4OID,
									  sizeof(int32), true, TYPALIGN_INT));
}

/* vector_to_numeric(vector): to six digits, as core's cast from real. */
Datum
hnr_vector_to_numeric(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, float4_numeric), v->dim, NUMERICOID,
									  -1, false, TYPALIGN_INT));
}
