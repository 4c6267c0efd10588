/*-------------------------------------------------------------------------
 *
 * sums.c
 *		Arithmetic on float4 coordinates, and sums over them taken in double.  See
 *		sums.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "types/sums.h"

double
hnr_exact_l2_squared(int n, const float *a, const float *b)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

double
hnr_exact_inner_product(int n, const float *a, const float *b)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

double
hnr_exact_l1(int n, const float *a, const float *b)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += fabs((double) a[i] - b[i]);
	return sum;
}

void
hnr_add(int n, const float *x, const float *y, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = x[i] + y[i];
}

void
hnr_subtract(int n, const float *x, const float *y, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = x[i] - y[i];
}

void
hnr_multiply(int n, const float *x, const float *y, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = x[i] * y[i];
}

double
hnr_cosine_distance(double ab, double aa, double bb)
{
	double		cosine = ab / sqrt(aa * bb);

	if (isnan(cosine))
		return cosine;
	return 1.0 - Max(-1.0, Min(1.0, cosine));
}

double
hnr_norm(int n, const float *x)
{
	return sqrt(hnr_exact_inner_product(n, x, x));
}

bool
hnr_normalize(int n, const float *x, float *out)
{
	double		norm = hnr_norm(n, x);

	for (int i = 0; i < n; i++)
		out[i] = norm > 0 ? (float) (x[i] / norm) : 0.0f;
	return norm > 0;
}
