/*-------------------------------------------------------------------------
 *
 * dense_cast.inc.h
 *		Casts of a dense type to its own type modifier, from and to arrays: part
 *		of the template that dense.inc.h tells of.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(DENSE_FN(to_typmod));
PG_FUNCTION_INFO_V1(DENSE_FN(from_array));
PG_FUNCTION_INFO_V1(DENSE_FN(to_float4));
PG_FUNCTION_INFO_V1(DENSE_FN(to_float8));
PG_FUNCTION_INFO_V1(DENSE_FN(to_int4));
PG_FUNCTION_INFO_V1(DENSE_FN(to_numeric));

/* type(type, typmod, bool): the value itself, where it has the dimensions. */
Datum
DENSE_FN(to_typmod)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);

	hnr_check_typmod(DENSE_TYPE, v->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(v);
}

/*
 * from_array(array, typmod, bool), for arrays of int4, float4, float8 and
 * numeric.  Errors as in array.h, and for other dimensions than typmod's.
 */
Datum
DENSE_FN(from_array)(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			dim = hnr_array_length(DENSE_TYPE, array);
	float	   *x;

	hnr_check_dims(DENSE_TYPE, dim, DENSE_MAX_DIM, NULL);
	hnr_check_typmod(DENSE_TYPE, dim, PG_GETARG_INT32(1), NULL);
	x = palloc(sizeof(float) * dim);
	hnr_array_to_floats(DENSE_TYPE, array, dim, x);
	PG_RETURN_POINTER(DENSE_FN(from_floats)(dim, x));
}

/* The coordinates as Datums of float4, in the current memory context. */
static Datum *
float4_datums(const DENSE *v)
{
	Datum	   *datums = palloc(sizeof(Datum) * v->dim);

	for (int i = 0; i < v->dim; i++)
		datums[i] = Float4GetDatum(DENSE_GET(v, i));
	return datums;
}

/* Likewise of whatever `convert`, a cast function of core, makes of a float4. */
static Datum *
converted_datums(const DENSE *v, PGFunction convert)
{
	Datum	   *datums = float4_datums(v);

	for (int i = 0; i < v->dim; i++)
		datums[i] = DirectFunctionCall1(convert, datums[i]);
	return datums;
}

/* to_float4(type, typmod, bool) */
Datum
DENSE_FN(to_float4)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);

	PG_RETURN_POINTER(construct_array(float4_datums(v), v->dim, FLOAT4OID,
									  sizeof(float4), true, TYPALIGN_INT));
}

/* to_float8(type): the same numbers, exactly. */
Datum
DENSE_FN(to_float8)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, ftod), v->dim, FLOAT8OID,
									  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* to_int4(type): rounded; ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE. */
Datum
DENSE_FN(to_int4)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, ftoi4), v->dim, INT4OID,
									  sizeof(int32), true, TYPALIGN_INT));
}

/* to_numeric(type): to six digits, as core's cast from real. */
Datum
DENSE_FN(to_numeric)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, float4_numeric), v->dim, NUMERICOID,
									  -1, false, TYPALIGN_INT));
}
