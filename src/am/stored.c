/*-------------------------------------------------------------------------
 *
 * stored.c
 *		Vectors as an index stores them.  See stored.h.
 *
 * The exponent of halves brings the largest coordinate to just below 2^15, half of what a
 * half can hold: so neither the range of the data matters nor a constant factor, and
 * integers up to 2048 are stored as they are, whatever they stand beside.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/stored.h"
#include "distance/distance.h"
#include "distance/half.h"

#define LARGEST_EXPONENT	15

/* The scale has to be a normal float. */
#define LEAST_EXPONENT		(-126)

static int
half_exponent(int n, const float *vec)
{
	float		largest = 0;
	int			exponent;

	for (int i = 0; i < n; i++)
		largest = Max(largest, fabsf(vec[i]));
	if (largest == 0)
		return 0;
	(void) frexpf(largest, &exponent);
	return Max(exponent - LARGEST_EXPONENT, LEAST_EXPONENT);
}

int
hnr_stored_exponent(HnrEncoding encoding, int n, const float *vec)
{
	return encoding == HNR_ENCODING_HALF ? half_exponent(n, vec) : 0;
}

void
hnr_stored_encode(HnrEncoding encoding, const float *vec, int count, int exponent, char *stored)
{
	/* in double: the inverse of the least scale is no float */
	double		inverse = ldexp(1.0, -exponent);

	if (encoding == HNR_ENCODING_FLOAT)
		memcpy(stored, vec, sizeof(float) * count);
	else
		for (int i = 0; i < count; i++)
			((uint16 *) stored)[i] = hnr_half_encode((float) (vec[i] * inverse));
}

void
hnr_stored_decode(HnrEncoding encoding, const char *stored, int count, int exponent, float *vec)
{
	if (encoding == HNR_ENCODING_FLOAT)
		memcpy(vec, stored, sizeof(float) * count);
	else
		hnr_distance->from_half(count, (const uint16 *) stored, ldexpf(1.0f, exponent), vec);
}

/* One coordinate; the largest float of all must not be rounded up to infinity. */
static float
round_one(float x, double inverse, float scale)
{
	uint16		half = hnr_half_encode((float) (x * inverse));
	float		rounded = hnr_half_decode(half) * scale;

	return isinf(rounded) ? hnr_half_decode(half - 1) * scale : rounded;
}

/*
 * What sums of n products in float precision can be off by, relative to the product
 * of the lengths; generous, for an estimate above the truth would be an error.
 */
static double
summing_error(int n)
{
	return 1e-6 + n * 1e-8;
}

float
hnr_stored_round(const HnrMetric *metric, HnrEncoding encoding, int n, float *vec)
{
	double		lost = 0;
	double		length = 0;
	int			exponent = half_exponent(n, vec);
	float		largest = 0;
	double		inverse;
	float		scale;

	if (encoding == HNR_ENCODING_FLOAT)
		/* of unit length, in float: not quite the row's direction */
		return metric->kind == HNR_METRIC_COSINE ? (float) summing_error(n) : 0;
	/* rounding may carry the largest coordinate to the next power of two */
	for (int i = 0; i < n; i++)
		largest = Max(largest, fabsf(vec[i]));
	largest = round_one(largest, ldexp(1.0, -exponent), ldexpf(1.0f, exponent));
	exponent = half_exponent(1, &largest);
	inverse = ldexp(1.0, -exponent);
	scale = ldexpf(1.0f, exponent);
	for (int i = 0; i < n; i++)
	{
		float		rounded = round_one(vec[i], inverse, scale);
		double		d = (double) vec[i] - rounded;

		lost += metric->kind == HNR_METRIC_L1 ? fabs(d) : d * d;
		length += (double) rounded * rounded;
		vec[i] = rounded;
	}
	/* under cosine the vector is of unit length, in float: not quite the row's direction */
	if (lost == 0 && metric->kind != HNR_METRIC_COSINE)
		return 0;
	if (metric->kind != HNR_METRIC_L1)
		lost = sqrt(lost);
	if (metric->kind == HNR_METRIC_IP || metric->kind == HNR_METRIC_COSINE)
		lost += summing_error(n) * sqrt(length);
	return (float) (lost * (1 + 1e-6));
}

bool
hnr_stored_form_row(const HnrMetric *metric, const HnrLayout *layout, Datum value, HnrRow *row)
{
	if (!hnr_metric_form_vector(metric, value, layout->dims, row->vec))
		return false;
	row->error = hnr_stored_round(metric, layout->encoding, layout->dims, row->vec);
	return true;
}
