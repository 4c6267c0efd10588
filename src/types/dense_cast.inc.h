/*-------------------------------------------------------------------------
 *
 * dense_cast.inc.h
 *		Casts of a dense type to arrays: part of the template that dense.inc.h tells of.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(TYPE_FN(to_float4));
PG_FUNCTION_INFO_V1(TYPE_FN(to_float8));
PG_FUNCTION_INFO_V1(TYPE_FN(to_int4));
PG_FUNCTION_INFO_V1(TYPE_FN(to_numeric));

/* The coordinates as Datums of float4, in the current memory context. */
static Datum *
float4_datums(const TYPE *v)
{
	Datum	   *datums = palloc(sizeof(Datum) * v->dim);

	for (int i = 0; i < v->dim; i++)
		datums[i] = Float4GetDatum(DENSE_GET(v, i));
	return datums;
}

/* Likewise of whatever `convert`, a cast function of core, makes of a float4. */
static Datum *
converted_datums(const TYPE *v, PGFunction convert)
{
	Datum	   *datums = float4_datums(v);

	for (int i = 0; i < v->dim; i++)
		datums[i] = DirectFunctionCall1(convert, datums[i]);
	return datums;
}

/* to_float4(type, typmod, bool) */
Datum
TYPE_FN(to_float4)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);

	PG_RETURN_POINTER(construct_array(float4_datums(v), v->dim, FLOAT4OID,
									  sizeof(float4), true, TYPALIGN_INT));
}

/* to_float8(type): the same numbers, exactly. */
Datum
TYPE_FN(to_float8)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, ftod), v->dim, FLOAT8OID,
									  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* to_int4(type): rounded; ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE. */
Datum
TYPE_FN(to_int4)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, ftoi4), v->dim, INT4OID,
									  sizeof(int32), true, TYPALIGN_INT));
}

/* to_numeric(type): to six digits, as core's cast from real. */
Datum
TYPE_FN(to_numeric)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);

	PG_RETURN_POINTER(construct_array(converted_datums(v, float4_numeric), v->dim, NUMERICOID,
									  -1, false, TYPALIGN_INT));
}
