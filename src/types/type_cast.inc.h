/*-------------------------------------------------------------------------
 *
 * type_cast.inc.h
 *		A type's modifier, and casts from arrays: part of the template that
 *		type.inc.h tells of.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(TYPE_FN(typmod_in));
PG_FUNCTION_INFO_V1(TYPE_FN(to_typmod));
PG_FUNCTION_INFO_V1(TYPE_FN(from_array));

/* typmod_in(cstring[]): the number of dimensions. */
Datum
TYPE_FN(typmod_in)(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(hnr_typmod_in(TYPE_NAME, PG_GETARG_ARRAYTYPE_P(0), TYPE_MAX_DIM));
}

/* type(type, typmod, bool): the value itself, where it has the dimensions. */
Datum
TYPE_FN(to_typmod)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);

	hnr_check_typmod(TYPE_NAME, v->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(v);
}

/*
 * from_array(array, typmod, bool), for arrays of int4, float4, float8 and
 * numeric.  Errors as in array.h, and for other dimensions than typmod's.
 */
Datum
TYPE_FN(from_array)(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			dim = hnr_array_length(TYPE_NAME, array);
	float	   *x;

	hnr_check_dims(TYPE_NAME, dim, TYPE_MAX_DIM, NULL);
	hnr_check_typmod(TYPE_NAME, dim, PG_GETARG_INT32(1), NULL);
	x = palloc(sizeof(float) * dim);
	hnr_array_to_floats(TYPE_NAME, array, dim, x);
	PG_RETURN_POINTER(TYPE_FN(from_floats)(dim, x));
}
