/*-------------------------------------------------------------------------
 *
 * dense_op.inc.h
 *		Arithmetic, parts, bits and order of a dense type: part of the template
 *		that dense.inc.h tells of.
 *
 * Arithmetic is coordinate by coordinate, on operands of the same dimensions (else
 * ERRCODE_DATA_EXCEPTION), with real's rules: a result that a coordinate cannot
 * hold is ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(DENSE_FN(dims));
PG_FUNCTION_INFO_V1(DENSE_FN(add));
PG_FUNCTION_INFO_V1(DENSE_FN(sub));
PG_FUNCTION_INFO_V1(DENSE_FN(mul));
PG_FUNCTION_INFO_V1(DENSE_FN(concat));
PG_FUNCTION_INFO_V1(DENSE_FN(subvector));
PG_FUNCTION_INFO_V1(DENSE_FN(binary_quantize));
PG_FUNCTION_INFO_V1(DENSE_FN(lt));
PG_FUNCTION_INFO_V1(DENSE_FN(le));
PG_FUNCTION_INFO_V1(DENSE_FN(eq));
PG_FUNCTION_INFO_V1(DENSE_FN(ne));
PG_FUNCTION_INFO_V1(DENSE_FN(ge));
PG_FUNCTION_INFO_V1(DENSE_FN(gt));
PG_FUNCTION_INFO_V1(DENSE_FN(cmp));

/* dims(type): the number of dimensions. */
Datum
DENSE_FN(dims)(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(DENSE_GETARG(0)->dim);
}

static void
check_overflow(const DENSE *v)
{
	for (int i = 0; i < v->dim; i++)
		if (unlikely(isinf(DENSE_GET(v, i))))
			float_overflow_error();
}

/* add(type, type), operator + */
Datum
DENSE_FN(add)(PG_FUNCTION_ARGS)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	DENSE	   *sum;

	hnr_check_same_dims(DENSE_TYPE, a->dim, b->dim);
	sum = DENSE_FN(new)(a->dim);
	for (int i = 0; i < sum->dim; i++)
		DENSE_PUT(sum, i, DENSE_GET(a, i) + DENSE_GET(b, i));
	check_overflow(sum);
	PG_RETURN_POINTER(sum);
}

/* sub(type, type), operator - */
Datum
DENSE_FN(sub)(PG_FUNCTION_ARGS)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	DENSE	   *difference;

	hnr_check_same_dims(DENSE_TYPE, a->dim, b->dim);
	difference = DENSE_FN(new)(a->dim);
	for (int i = 0; i < difference->dim; i++)
		DENSE_PUT(difference, i, DENSE_GET(a, i) - DENSE_GET(b, i));
	check_overflow(difference);
	PG_RETURN_POINTER(difference);
}

/* mul(type, type), operator *; a product that vanishes is an error. */
Datum
DENSE_FN(mul)(PG_FUNCTION_ARGS)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	DENSE	   *product;

	hnr_check_same_dims(DENSE_TYPE, a->dim, b->dim);
	product = DENSE_FN(new)(a->dim);
	for (int i = 0; i < product->dim; i++)
		DENSE_PUT(product, i, DENSE_GET(a, i) * DENSE_GET(b, i));
	check_overflow(product);
	for (int i = 0; i < product->dim; i++)
		if (unlikely(DENSE_GET(product, i) == 0 &&
					 DENSE_GET(a, i) != 0 && DENSE_GET(b, i) != 0))
			float_underflow_error();
	PG_RETURN_POINTER(product);
}

/*
 * concat(type, type), operator ||: the coordinates of both in a row,
 * together at most DENSE_MAX_DIM (else ERRCODE_PROGRAM_LIMIT_EXCEEDED).
 */
Datum
DENSE_FN(concat)(PG_FUNCTION_ARGS)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	DENSE	   *both;

	hnr_check_dims(DENSE_TYPE, a->dim + b->dim, DENSE_MAX_DIM, NULL);
	both = DENSE_FN(new)(a->dim + b->dim);
	memcpy(both->x, a->x, sizeof(DENSE_ELEMENT) * a->dim);
	memcpy(both->x + a->dim, b->x, sizeof(DENSE_ELEMENT) * b->dim);
	PG_RETURN_POINTER(both);
}

/*
 * subvector(type, start, count): coordinates start .. start + count - 1, the
 * first one being 1, as substring() has it: what lies outside is cut off.
 * ERRCODE_DATA_EXCEPTION where nothing is left.
 */
Datum
DENSE_FN(subvector)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = Min(start + PG_GETARG_INT32(2), (int64) v->dim + 1);
	DENSE	   *part;

	start = Max(start, 1);
	hnr_check_dims(DENSE_TYPE, Max(end - start, 0), DENSE_MAX_DIM, NULL);
	part = DENSE_FN(new)(end - start);
	memcpy(part->x, v->x + start - 1, sizeof(DENSE_ELEMENT) * part->dim);
	PG_RETURN_POINTER(part);
}

/* binary_quantize(type): one bit per coordinate, set where it is above zero. */
Datum
DENSE_FN(binary_quantize)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);
	VarBit	   *bits = palloc0(VARBITTOTALLEN(v->dim));

	SET_VARSIZE(bits, VARBITTOTALLEN(v->dim));
	VARBITLEN(bits) = v->dim;
	for (int i = 0; i < v->dim; i++)
		if (DENSE_GET(v, i) > 0)
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
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	int			shorter = Min(a->dim, b->dim);
	int			result = (a->dim > b->dim) - (a->dim < b->dim);

	for (int i = 0; i < shorter; i++)
	{
		if (DENSE_GET(a, i) != DENSE_GET(b, i))
		{
			result = DENSE_GET(a, i) < DENSE_GET(b, i) ? -1 : 1;
			break;
		}
	}
	/* btree support functions must not leak */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/* lt(type, type), operator < */
Datum
DENSE_FN(lt)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

/* le(type, type), operator <= */
Datum
DENSE_FN(le)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

/* eq(type, type), operator = */
Datum
DENSE_FN(eq)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

/* ne(type, type), operator <> */
Datum
DENSE_FN(ne)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

/* ge(type, type), operator >= */
Datum
DENSE_FN(ge)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

/* gt(type, type), operator > */
Datum
DENSE_FN(gt)(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

/* cmp(type, type): -1, 0 or 1 */
Datum
DENSE_FN(cmp)(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}
