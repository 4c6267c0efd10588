/*-------------------------------------------------------------------------
 *
 * order.c
 *		Which rows of a search's result are in exact order.  See order.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/order.h"
#include "utils/float.h"

/* What the operator's own sum can differ by from ours, relative; generous. */
static double
rounding(int n)
{
	return 1e-6 + n * 1e-8;
}

/* Below this, squares may have lost digits; the operator then sums them in double. */
#define LEAST_SQUARE 1e-30

/* What two products of floats that are nearly zero can lose to underflow, generous. */
#define LEAST_FLOATS 1e-44

HnrBounds
hnr_order_bounds(const HnrMetric *metric, int n, double query_length,
				 float distance, float error)
{
	HnrBounds	b;
	double		d = distance;
	double		off = error;

	if (metric->kind == HNR_METRIC_L2)
		d = sqrt(d);
	if (error > 0)
	{
		if (metric->kind == HNR_METRIC_IP || metric->kind == HNR_METRIC_COSINE)
			off = off * query_length + n * LEAST_FLOATS;
		else if (!metric->type->dense)
			off *= d;
		else
			off += d * rounding(n);
	}
	b.least = d - off;
	b.most = d + off;
	b.several = false;
	if (metric->kind == HNR_METRIC_L2 && distance < LEAST_SQUARE)
	{
		b.least = 0;
		b.most = 1.1 * sqrt(LEAST_SQUARE) + off;
	}
	/* distances beyond the range of float: nothing is known */
	if (!isfinite(b.least) || !isfinite(b.most))
	{
		b.least = -get_float8_infinity();
		b.most = get_float8_infinity();
	}
	return b;
}

void
hnr_order_results(const HnrBounds *bounds, int n, double most, double least,
				  HnrOrder *order)
{
	for (int i = 0; i < n; i++)
	{
		order[i].recheck = bounds[i].least < most || bounds[i].several || isinf(bounds[i].least);
		most = Max(most, bounds[i].most);
	}
	for (int i = n - 1; i >= 0; i--)
	{
		if (bounds[i].most > least)
			order[i].recheck = true;
		least = Min(least, bounds[i].least);
		order[i].value = order[i].recheck ? least : (bounds[i].least + bounds[i].most) / 2;
	}
}
