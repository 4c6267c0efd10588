/*-------------------------------------------------------------------------
 *
 * dense_distance.inc.h
 *		Distances, norm and normalisation of a dense type: part of the template
 *		that dense.inc.h tells of.
 *
 * All take values of the same dimensions (else ERRCODE_DATA_EXCEPTION) and give
 * a float8.  The kernels sum in float4.  Where such a sum left the range in which
 * float4 is accurate, above or below, it is taken again in double, which no sum
 * of 16000 products of two float4 can leave.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(DENSE_FN(l2_distance));
PG_FUNCTION_INFO_V1(DENSE_FN(l2_squared_distance));
PG_FUNCTION_INFO_V1(DENSE_FN(inner_product));
PG_FUNCTION_INFO_V1(DENSE_FN(negative_inner_product));
PG_FUNCTION_INFO_V1(DENSE_FN(cosine_distance));
PG_FUNCTION_INFO_V1(DENSE_FN(spherical_distance));
PG_FUNCTION_INFO_V1(DENSE_FN(l1_distance));
PG_FUNCTION_INFO_V1(DENSE_FN(norm));
PG_FUNCTION_INFO_V1(DENSE_FN(l2_normalize));

/*
 * A sum of squares below this may have lost terms to underflow: those that did
 * are less than 1e-45 each.
 */
#define LEAST_ACCURATE_SQUARES 1e-30f

static bool
accurate_squares(float sum)
{
	return sum >= LEAST_ACCURATE_SQUARES && isfinite(sum);
}

static double
l2_squared(FunctionCallInfo fcinfo)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	float		sum;

	hnr_check_same_dims(DENSE_TYPE, a->dim, b->dim);
	sum = DENSE_KERNEL(l2_squared)(a->dim, a->x, b->x);
	if (likely(accurate_squares(sum)))
		return sum;
	return hnr_exact_l2_squared(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b));
}

static double
inner_product(FunctionCallInfo fcinfo)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	float		sum;

	hnr_check_same_dims(DENSE_TYPE, a->dim, b->dim);
	sum = DENSE_KERNEL(inner_product)(a->dim, a->x, b->x);
	if (likely(isfinite(sum)))
		return sum;
	return hnr_exact_inner_product(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b));
}

/* l2_distance(type, type), operator <->: the Euclidean distance. */
Datum
DENSE_FN(l2_distance)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(l2_squared(fcinfo)));
}

/* l2_squared_distance(type, type): orders as l2_distance does. */
Datum
DENSE_FN(l2_squared_distance)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(l2_squared(fcinfo));
}

/* inner_product(type, type) */
Datum
DENSE_FN(inner_product)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(inner_product(fcinfo));
}

/*
 * negative_inner_product(type, type), operator <#>: negative, because
 * an ordering operator sorts the smallest first.
 */
Datum
DENSE_FN(negative_inner_product)(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(-inner_product(fcinfo));
}

/*
 * cosine_distance(type, type), operator <=>: 1 - cos of the angle, 0 .. 2.
 * NaN where one of them is a zero vector, so that such rows sort last.
 */
Datum
DENSE_FN(cosine_distance)(PG_FUNCTION_ARGS)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	float		ab,
				aa,
				bb;
	double		cosine;

	hnr_check_same_dims(DENSE_TYPE, a->dim, b->dim);
	DENSE_KERNEL(products)(a->dim, a->x, b->x, &ab, &aa, &bb);
	if (likely(accurate_squares(aa) && accurate_squares(bb) && isfinite(ab)))
		cosine = ab / sqrt((double) aa * bb);
	else
		cosine = hnr_exact_inner_product(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b)) /
			(hnr_norm(a->dim, DENSE_FLOATS(a)) * hnr_norm(b->dim, DENSE_FLOATS(b)));
	if (isnan(cosine))
		PG_RETURN_FLOAT8(cosine);
	PG_RETURN_FLOAT8(1.0 - Max(-1.0, Min(1.0, cosine)));
}

/*
 * spherical_distance(type, type): the angle between two unit vectors,
 * in units of pi: 0 .. 1.
 */
Datum
DENSE_FN(spherical_distance)(PG_FUNCTION_ARGS)
{
	double		cosine = inner_product(fcinfo);

	PG_RETURN_FLOAT8(acos(Max(-1.0, Min(1.0, cosine))) / M_PI);
}

/* l1_distance(type, type), operator <+>: the sum of |a - b|. */
Datum
DENSE_FN(l1_distance)(PG_FUNCTION_ARGS)
{
	DENSE	   *a = DENSE_GETARG(0);
	DENSE	   *b = DENSE_GETARG(1);
	float		sum;

	hnr_check_same_dims(DENSE_TYPE, a->dim, b->dim);
	sum = DENSE_KERNEL(l1)(a->dim, a->x, b->x);
	if (likely(isfinite(sum)))
		PG_RETURN_FLOAT8(sum);
	PG_RETURN_FLOAT8(hnr_exact_l1(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b)));
}

/* norm(type): the Euclidean norm. */
Datum
DENSE_FN(norm)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);

	PG_RETURN_FLOAT8(hnr_norm(v->dim, DENSE_FLOATS(v)));
}

/* l2_normalize(type): the unit vector of its direction; zero for zero. */
Datum
DENSE_FN(l2_normalize)(PG_FUNCTION_ARGS)
{
	DENSE	   *v = DENSE_GETARG(0);
	float	   *unit = palloc(sizeof(float) * v->dim);

	hnr_normalize(v->dim, DENSE_FLOATS(v), unit);
	PG_RETURN_POINTER(DENSE_FN(from_floats)(v->dim, unit));
}
