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

#define PARTS	HNR_SUM_PARTS

#define DEFINE_SUM(name, term) \
double \
name(int n, const float *a, const float *b) \
{ \
	double		part[PARTS] = {0}; \
	int			i = 0; \
\
	for (; i + PARTS <= n; i += PARTS) \
		for (int j = 0; j < PARTS; j++) \
			part[j] += term((double) a[i + j], (double) b[i + j]); \
	for (int j = 0; i < n; i++, j++) \
		part[j] += term((double) a[i], (double) b[i]); \
	return hnr_sum_of_parts(part); \
}

#define SQUARED_DIFFERENCE(x, y)	(((x) - (y)) * ((x) - (y)))
#define PRODUCT(x, y)				((x) * (y))
#define ABSOLUTE_DIFFERENCE(x, y)	fabs((x) - (y))

DEFINE_SUM(hnr_exact_l2_squared, SQUARED_DIFFERENCE)
DEFINE_SUM(hnr_exact_inner_product, PRODUCT)
DEFINE_SUM(hnr_exact_l1, ABSOLUTE_DIFFERENCE)

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

	if (!(norm > 0))
	{
		memset(out, 0, sizeof(float) * n);
		return false;
	}
	for (int i = 0; i < n; i++)
		out[i] = (float) (x[i] / norm);
	return true;
}
