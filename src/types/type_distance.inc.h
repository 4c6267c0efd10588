/*-------------------------------------------------------------------------
 *
 * type_distance.inc.h
 *		Distances, norm and normalisation of a type in SQL: part of the template
 *		that type.inc.h tells of.
 *
 * All distances take values of the same dimensions (else ERRCODE_DATA_EXCEPTION)
 * and give a float8.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(TYPE_FN(l2_distance));
PG_FUNCTION_INFO_V1(TYPE_FN(l2_squared_distance));
PG_FUNCTION_INFO_V1(TYPE_FN(inner_product));
PG_FUNCTION_INFO_V1(TYPE_FN(negative_inner_product));
PG_FUNCTION_INFO_V1(TYPE_FN(cosine_distance));
PG_FUNCTION_INFO_V1(TYPE_FN(l1_distance));
PG_FUNCTION_INFO_V1(TYPE_FN(norm));
PG_FUNCTION_INFO_V1(TYPE_FN(l2_normalize));

/* What measure says of both arguments. */
static pg_attribute_always_inline double
measured(FunctionCallInfo fcinfo, double (*measure) (const TYPE *a, const TYPE *b))
{
	TYPE	   *a = TYPE_GETARG(0);
	TYPE	   *b = TYPE_GETARG(1);

	hnr_check_same_dims(TYPE_NAME, a->dim, b->dim);
	return measure(a, b);
}

/* l2_distance(type, type), operator <->: the Euclidean distance. */
Datum
TYPE_FN(l2_distance)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(measured(fcinfo, l2_squared)));
}

/* l2_squared_distance(type, type): orders as l2_distance does. */
Datum
TYPE_FN(l2_squared_distance)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(measured(fcinfo, l2_squared));
}

/* inner_product(type, type) */
Datum
TYPE_FN(inner_product)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(measured(fcinfo, inner_product));
}

/*
 * negative_inner_product(type, type), operator <#>: negative, because an ordering
 * operator sorts the smallest first.
 */
Datum
TYPE_FN(negative_inner_product)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(-measured(fcinfo, inner_product));
}

/*
 * cosine_distance(type, type), operator <=>: 1 - cos of the angle, 0 .. 2.  NaN
 * where one of them is a zero vector, so that such rows sort last.
 */
Datum
TYPE_FN(cosine_distance)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(measured(fcinfo, cosine_distance));
}

/* l1_distance(type, type), operator <+>: the sum of |a - b|. */
Datum
TYPE_FN(l1_distance)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(measured(fcinfo, l1));
}

/* norm(type): the Euclidean norm. */
Datum
TYPE_FN(norm)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(norm(TYPE_GETARG(0)));
}

/* l2_normalize(type): the unit vector of its direction; zero for zero. */
Datum
TYPE_FN(l2_normalize)(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(normalized(TYPE_GETARG(0)));
}
