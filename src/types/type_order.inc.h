/*-------------------------------------------------------------------------
 *
 * type_order.inc.h
 *		The order of a type in SQL: part of the template that type.inc.h tells of.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(TYPE_FN(lt));
PG_FUNCTION_INFO_V1(TYPE_FN(le));
PG_FUNCTION_INFO_V1(TYPE_FN(eq));
PG_FUNCTION_INFO_V1(TYPE_FN(ne));
PG_FUNCTION_INFO_V1(TYPE_FN(ge));
PG_FUNCTION_INFO_V1(TYPE_FN(gt));
PG_FUNCTION_INFO_V1(TYPE_FN(cmp));

/* compare() of both arguments. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	TYPE	   *a = TYPE_GETARG(0);
	TYPE	   *b = TYPE_GETARG(1);
	int			result = compare(a, b);

	/* btree support functions must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/* lt(type, type), operator < */
Datum
TYPE_FN(lt)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

/* le(type, type), operator <= */
Datum
TYPE_FN(le)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

/* eq(type, type), operator = */
Datum
TYPE_FN(eq)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

/* ne(type, type), operator <> */
Datum
TYPE_FN(ne)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

/* ge(type, type), operator >= */
Datum
TYPE_FN(ge)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

/* gt(type, type), operator > */
Datum
TYPE_FN(gt)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

/* cmp(type, type): -1, 0 or 1 */
Datum
TYPE_FN(cmp)(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}
