/*-------------------------------------------------------------------------
 *
 * vector_distance.c
 *		Distances between vectors, and the norm.
 *
 * All take vectors of the same dimensions (else ERRCODE_DATA_EXCEPTION) and give
 * a float8.  The kernels sum in float4.  Where such a sum left the range in which
 * float4 is accurate, above or below, it is taken again in double, which no sum
 * of 16000 products of two float4 can leave.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "distance/distance.h"
#include "types/check.h"
#include "types/vector.h"

PG_FUNCTION_INFO_V1(hnr_vector_l2_distance);
PG_FUNCTION_INFO_V1(hnr_vector_l2_squared_distance);
PG_FUNCTION_INFO_V1(hnr_vector_inner_product);
PG_FUNCTION_INFO_V1(hnr_vector_negative_inner_product);
PG_FUNCTION_INFO_V1(hnr_vector_cosine_distance);
PG_FUNCTION_INFO_V1(hnr_vector_spherical_distance);
PG_FUNCTION_INFO_V1(hnr_vector_l1_distance);
PG_FUNCTION_INFO_V1(hnr_vector_norm);
PG_FUNCTION_INFO_V1(hnr_l2_normalize);

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
double_l2_squared(int n, const float *a, const float *b)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

static double
double_inner_product(int n, const float *a, const float *b)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static double
double_l1(int n, const float *a, const float *b)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += fabs((double) a[i] - b[i]);
	return sum;
}

static double
l2_squared(FunctionCallInfo fcinfo)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	float		sum;

	hnr_vector_check_same_dim(a, b);
	sum = hnr_distance->l2_squared(a->dim, a->x, b->x);
	if (likely(accurate_squares(sum)))
		return sum;
	return double_l2_squared(a->dim, a->x, b->x);
}

static double
inner_product(FunctionCallInfo fcinfo)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	float		sum;

	hnr_vector_check_same_dim(a, b);
	sum = hnr_distance->inner_product(a->dim, a->x, b->x);
	if (likely(isfinite(sum)))
		return sum;
	return double_inner_product(a->dim, a->x, b->x);
}

/* l2_distance(vector, vector), operator <->: the Euclidean distance. */
Datum
hnr_vector_l2_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(l2_squared(fcinfo)));
}

/* vector_l2_squared_distance(vector, vector): orders as l2_distance does. */
Datum
hnr_vector_l2_squared_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(l2_squared(fcinfo));
}

/* inner_product(vector, vector) */
Datum
hnr_vector_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(inner_product(fcinfo));
}

/*
 * vector_negative_inner_product(vector, vector), operator <#>: negative, because
 * an ordering operator sorts the smallest first.
 */
Datum
hnr_vector_negative_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(-inner_product(fcinfo));
}

/*
 * cosine_distance(vector, vector), operator <=>: 1 - cos of the angle, 0 .. 2.
 * NaN where one of them is a zero vector, so that such rows sort last.
 */
Datum
hnr_vector_cosine_distance(PG_FUNCTION_ARGS)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	float		ab,
				aa,
				bb;
	double		cosine;

	hnr_vector_check_same_dim(a, b);
	hnr_distance->products(a->dim, a->x, b->x, &ab, &aa, &bb);
	if (likely(accurate_squares(aa) && accurate_squares(bb) && isfinite(ab)))
		cosine = ab / sqrt((double) aa * bb);
	else
		cosine = double_inner_product(a->dim, a->x, b->x) /
			(hnr_norm(a->dim, a->x) * hnr_norm(b->dim, b->x));
	if (isnan(cosine))
		PG_RETURN_FLOAT8(cosine);
	PG_RETURN_FLOAT8(1.0 - Max(-1.0, Min(1.0, cosine)));
}

/*
 * vector_spherical_distance(vector, vector): the angle between two unit vectors,
 * in units of pi: 0 .. 1.
 */
Datum
hnr_vector_spherical_distance(PG_FUNCTION_ARGS)
{
	double		cosine = inner_product(fcinfo);

	PG_RETURN_FLOAT8(acos(Max(-1.0, Min(1.0, cosine))) / M_PI);
}

/* l1_distance(vector, vector), operator <+>: the sum of |a - b|. */
Datum
hnr_vector_l1_distance(PG_FUNCTION_ARGS)
{
	HnrVector  *a = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *b = PG_GETARG_HNR_VECTOR(1);
	float		sum;

	hnr_vector_check_same_dim(a, b);
	sum = hnr_distance->l1(a->dim, a->x, b->x);
	if (likely(isfinite(sum)))
		PG_RETURN_FLOAT8(sum);
	PG_RETURN_FLOAT8(double_l1(a->dim, a->x, b->x));
}

double
hnr_norm(int n, const float *x)
{
	return sqrt(double_inner_product(n, x, x));
}

bool
hnr_normalize(int n, const float *x, float *out)
{
	double		norm = hnr_norm(n, x);

	for (int i = 0; i < n; i++)
		out[i] = norm > 0 ? (float) (x[i] / norm) : 0.0f;
	return norm > 0;
}

/* vector_norm(vector): the Euclidean norm. */
Datum
hnr_vector_norm(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	PG_RETURN_FLOAT8(hnr_norm(v->dim, v->x));
}

/* l2_normalize(vector): the unit vector of its direction; zero for zero. */
Datum
hnr_l2_normalize(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);
	HnrVector  *unit = hnr_vector_new(v->dim);

	hnr_normalize(v->dim, v->x, unit->x);
	PG_RETURN_POINTER(unit);
}
