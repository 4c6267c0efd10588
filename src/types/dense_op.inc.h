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

PG_FUNCTION_INFO_V1(TYPE_FN(dims));
PG_FUNCTION_INFO_V1(TYPE_FN(add));
PG_FUNCTION_INFO_V1(TYPE_FN(sub));
PG_FUNCTION_INFO_V1(TYPE_FN(mul));
PG_FUNCTION_INFO_V1(TYPE_FN(concat));
PG_FUNCTION_INFO_V1(TYPE_FN(subvector));
PG_FUNCTION_INFO_V1(TYPE_FN(binary_quantize));

/* dims(type): the number of dimensions. */
Datum
TYPE_FN(dims)(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(TYPE_GETARG(0)->dim);
}

/* What combine makes of a and b, coordinate by coordinate, rounded once. */
static TYPE *
combined(const TYPE *a, const TYPE *b,
		 void (*combine) (int n, const float *x, const float *y, float *out))
{
	TYPE	   *result;
	float	   *x;

	hnr_check_same_dims(TYPE_NAME, a->dim, b->dim);
	result = TYPE_FN(new)(a->dim);
	x = DENSE_ROOM(result);
	combine(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b), x);
	for (int i = 0; i < a->dim; i++)
		if (unlikely(fabsf(x[i]) >= DENSE_LIMIT))
			float_overflow_error();
	DENSE_ROUND(a->dim, x, result->x);
	return result;
}

/* add(type, type), operator + */
Datum
TYPE_FN(add)(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(combined(TYPE_GETARG(0), TYPE_GETARG(1), hnr_add));
}

/* sub(type, type), operator - */
Datum
TYPE_FN(sub)(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(combined(TYPE_GETARG(0), TYPE_GETARG(1), hnr_subtract));
}

/* mul(type, type), operator *; a product that vanishes is an error. */
Datum
TYPE_FN(mul)(PG_FUNCTION_ARGS)
{
	TYPE	   *a = TYPE_GETARG(0);
	TYPE	   *b = TYPE_GETARG(1);
	TYPE	   *product = combined(a, b, hnr_multiply);

	for (int i = 0; i < product->dim; i++)
		if (unlikely(DENSE_GET(product, i) == 0 &&
					 DENSE_GET(a, i) != 0 && DENSE_GET(b, i) != 0))
			float_underflow_error();
	PG_RETURN_POINTER(product);
}

/*
 * concat(type, type), operator ||: the coordinates of both in a row,
 * together at most TYPE_MAX_DIM (else ERRCODE_PROGRAM_LIMIT_EXCEEDED).
 */
Datum
TYPE_FN(concat)(PG_FUNCTION_ARGS)
{
	TYPE	   *a = TYPE_GETARG(0);
	TYPE	   *b = TYPE_GETARG(1);
	TYPE	   *both;

	hnr_check_dims(TYPE_NAME, a->dim + b->dim, TYPE_MAX_DIM, NULL);
	both = TYPE_FN(new)(a->dim + b->dim);
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
TYPE_FN(subvector)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);
	int64		start = PG_GETARG_INT32(1);
	int64		end = Min(start + PG_GETARG_INT32(2), (int64) v->dim + 1);
	TYPE	   *part;

	start = Max(start, 1);
	if (end <= start)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("type %s needs at least 1 dimension", TYPE_NAME),
				 errdetail("The vector has coordinates 1 to %d; from %d on, %d were asked for.",
						   v->dim, PG_GETARG_INT32(1), PG_GETARG_INT32(2))));
	part = TYPE_FN(new)(end - start);
	memcpy(part->x, v->x + start - 1, sizeof(DENSE_ELEMENT) * part->dim);
	PG_RETURN_POINTER(part);
}

/* binary_quantize(type): one bit per coordinate, set where it is above zero. */
Datum
TYPE_FN(binary_quantize)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);
	VarBit	   *bits = palloc0(VARBITTOTALLEN(v->dim));

	SET_VARSIZE(bits, VARBITTOTALLEN(v->dim));
	VARBITLEN(bits) = v->dim;
	for (int i = 0; i < v->dim; i++)
		if (DENSE_GET(v, i) > 0)
			VARBITS(bits)[i / BITS_PER_BYTE] |= HIGHBIT >> (i % BITS_PER_BYTE);
	PG_RETURN_VARBIT_P(bits);
}

static int
compare(const TYPE *a, const TYPE *b)
{
	int			shorter = Min(a->dim, b->dim);

	for (int i = 0; i < shorter; i++)
		if (DENSE_GET(a, i) != DENSE_GET(b, i))
			return DENSE_GET(a, i) < DENSE_GET(b, i) ? -1 : 1;
	return (a->dim > b->dim) - (a->dim < b->dim);
}
