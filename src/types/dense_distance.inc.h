/*-------------------------------------------------------------------------
 *
 * dense_distance.inc.h
 *		Distances and norm of a dense type: part of the template that dense.inc.h
 *		tells of.
 *
 * The kernels sum in float4.  Where such a sum left the range in which float4 is
 * accurate, above or below, it is taken again in double, which no sum of 16000
 * products of two float4 can leave.
 *
 *-------------------------------------------------------------------------
 */

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
l2_squared(const TYPE *a, const TYPE *b)
{
	float		sum = DENSE_KERNEL(l2_squared)(a->dim, a->x, b->x);

	if (likely(accurate_squares(sum)))
		return sum;
	return hnr_exact_l2_squared(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b));
}

static double
inner_product(const TYPE *a, const TYPE *b)
{
	float		sum = DENSE_KERNEL(inner_product)(a->dim, a->x, b->x);

	if (likely(isfinite(sum)))
		return sum;
	return hnr_exact_inner_product(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b));
}

static double
l1(const TYPE *a, const TYPE *b)
{
	float		sum = DENSE_KERNEL(l1)(a->dim, a->x, b->x);

	if (likely(isfinite(sum)))
		return sum;
	return hnr_exact_l1(a->dim, DENSE_FLOATS(a), DENSE_FLOATS(b));
}

static double
cosine_distance(const TYPE *a, const TYPE *b)
{
	float		ab,
				aa,
				bb;
	const float *x,
			   *y;

	DENSE_KERNEL(products)(a->dim, a->x, b->x, &ab, &aa, &bb);
	if (likely(accurate_squares(aa) && accurate_squares(bb) && isfinite(ab)))
		return hnr_cosine_distance(ab, aa, bb);
	x = DENSE_FLOATS(a);
	y = DENSE_FLOATS(b);
	return hnr_cosine_distance(hnr_exact_inner_product(a->dim, x, y),
							   hnr_exact_inner_product(a->dim, x, x),
							   hnr_exact_inner_product(a->dim, y, y));
}

static double
norm(const TYPE *v)
{
	return hnr_norm(v->dim, DENSE_FLOATS(v));
}

static TYPE *
normalized(const TYPE *v)
{
	float	   *unit = palloc(sizeof(float) * v->dim);

	hnr_normalize(v->dim, DENSE_FLOATS(v), unit);
	return TYPE_FN(from_floats)(v->dim, unit);
}

PG_FUNCTION_INFO_V1(TYPE_FN(spherical_distance));

/*
 * spherical_distance(type, type): the angle between two unit vectors, in units of
 * pi: 0 .. 1.
 */
Datum
TYPE_FN(spherical_distance)(PG_FUNCTION_ARGS)
{
	TYPE	   *a = TYPE_GETARG(0);
	TYPE	   *b = TYPE_GETARG(1);

	hnr_check_same_dims(TYPE_NAME, a->dim, b->dim);
	PG_RETURN_FLOAT8(acos(Max(-1.0, Min(1.0, inner_product(a, b)))) / M_PI);
}
