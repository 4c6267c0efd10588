/*-------------------------------------------------------------------------
 *
 * stored.c
 *		Vectors as an index stores them.  See stored.h.
 *
 * The exponent of halves brings the largest coordinate to just below 2^15, half of what a
 * half can hold: so neither the range of the data matters nor a constant factor, and
 * integers up to 2048 are stored as they are, whatever they stand beside.
 *
 * The exponent of bytes is the least with which all coordinates, and zero, are within
 * 255 steps, but not below zero for integers; the bias is how many steps are below zero.  So
 * the bytes of images and of features counted in bytes are stored as they are, whatever
 * the range of each vector.
 *
 * The exponent of shorts is the least with which no coordinate is more than 32767 steps from
 * zero.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "am/stored.h"
#include "distance/distance.h"
#include "distance/half.h"

#define LARGEST_EXPONENT	15

/* The scale has to be a normal float. */
#define LEAST_EXPONENT		(-126)

#define LANES				8

const char *
hnr_encoding_name(HnrEncoding encoding)
{
	switch (encoding)
	{
		case HNR_ENCODING_FLOAT:
			return "float";
		case HNR_ENCODING_HALF:
			return "half";
		case HNR_ENCODING_BYTE:
			return "byte";
		case HNR_ENCODING_SHORT:
			return "short";
	}
	return NULL;
}

/* How a vector is rounded: to what is a half or an integer of few digits times the step. */
typedef struct Rounding
{
	HnrEncoding encoding;
	double		inverse;
	float		step;
} Rounding;

static Rounding
rounding_with(HnrEncoding encoding, int exponent)
{
	/* in double: the inverse of the least scale is no float */
	Rounding	r = {encoding, ldexp(1.0, -exponent), ldexpf(1.0f, exponent)};

	return r;
}

static int
half_exponent(float largest)
{
	int			exponent;

	if (largest == 0)
		return 0;
	(void) frexpf(largest, &exponent);
	return Max(exponent - LARGEST_EXPONENT, LEAST_EXPONENT);
}

/* The least with which a range is within so many steps. */
static int
steps_exponent(float least, float largest, int steps)
{
	int			exponent;

	if (least == largest)
		return 0;				/* both are zero */
	(void) frexp(((double) largest - least) / steps, &exponent);
	/* at the power of two itself, and not above it, frexp's exponent is one more */
	for (exponent = Max(exponent - 1, LEAST_EXPONENT);; exponent++)
	{
		double		inverse = ldexp(1.0, -exponent);

		if (rint(largest * inverse) - rint(least * inverse) <= steps)
			return exponent;
	}
}

static int
byte_exponent(float least, float largest)
{
	return steps_exponent(least, largest, UINT8_MAX);
}

static int
short_exponent(float largest)
{
	return steps_exponent(0, largest, INT16_MAX);
}

/* One coordinate; the largest float of all must not be rounded up to infinity. */
static float
round_to_half(const Rounding *r, float x)
{
	uint16		half = hnr_half_encode((float) (x * r->inverse));
	float		rounded = hnr_half_decode(half) * r->step;

	return isinf(rounded) ? hnr_half_decode(half - 1) * r->step : rounded;
}

static float
round_to_step(const Rounding *r, float x)
{
	/* no negative zero, which an integer does not keep */
	double		steps = rint(x * r->inverse) + 0.0;
	float		rounded = (float) (steps * r->step);

	return isinf(rounded) ? (float) ((steps - copysign(1, steps)) * r->step) : rounded;
}

static float
round_one(const Rounding *r, float x)
{
	return r->encoding == HNR_ENCODING_HALF ? round_to_half(r, x) : round_to_step(r, x);
}

/* The least and the largest coordinate, or zero; some at a time, in registers. */
static void
range_of(int n, const float *vec, float *least, float *largest)
{
	float		low[LANES] = {0};
	float		high[LANES] = {0};

	for (int i = 0; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
		{
			low[j] = Min(low[j], vec[i + j]);
			high[j] = Max(high[j], vec[i + j]);
		}
	for (int i = n - n % LANES; i < n; i++)
	{
		low[0] = Min(low[0], vec[i]);
		high[0] = Max(high[0], vec[i]);
	}
	*least = *largest = 0;
	for (int j = 0; j < LANES; j++)
	{
		*least = Min(*least, low[j]);
		*largest = Max(*largest, high[j]);
	}
}

/* How to round a vector; one that was rounded so stays as it is. */
static Rounding
rounding_for(HnrEncoding encoding, int n, const float *vec)
{
	float		least;
	float		largest;
	Rounding	r;

	range_of(n, vec, &least, &largest);
	if (encoding == HNR_ENCODING_BYTE)
		return rounding_with(encoding, byte_exponent(least, largest));
	largest = Max(largest, -least);
	if (encoding == HNR_ENCODING_SHORT)
		return rounding_with(encoding, short_exponent(largest));
	r = rounding_with(encoding, half_exponent(largest));
	/* rounding may carry the largest coordinate to the next power of two */
	return rounding_with(encoding, half_exponent(round_one(&r, largest)));
}

static bool
are_integers(int n, const float *vec)
{
	for (int i = 0; i < n; i++)
		if (vec[i] != rintf(vec[i]))
			return false;
	return true;
}

HnrScale
hnr_stored_scale(HnrEncoding encoding, int n, const float *vec)
{
	HnrScale	scale = {0, 0};
	float		least;
	float		largest;

	if (encoding == HNR_ENCODING_FLOAT)
		return scale;
	range_of(n, vec, &least, &largest);
	switch (encoding)
	{
		case HNR_ENCODING_HALF:
			scale.exponent = half_exponent(Max(largest, -least));
			break;
		case HNR_ENCODING_SHORT:
			scale.exponent = short_exponent(Max(largest, -least));
			break;
		default:
			scale.exponent = byte_exponent(least, largest);
			if (scale.exponent < 0 && are_integers(n, vec))
				scale.exponent = 0;
			scale.bias = (uint8) -rint(ldexp(least, -scale.exponent));
	}
	return scale;
}

void
hnr_stored_encode(HnrEncoding encoding, const float *vec, int count, HnrScale scale, char *stored)
{
	double		inverse = ldexp(1.0, -scale.exponent);

	switch (encoding)
	{
		case HNR_ENCODING_FLOAT:
			memcpy(stored, vec, sizeof(float) * count);
			break;
		case HNR_ENCODING_HALF:
			for (int i = 0; i < count; i++)
				((uint16 *) stored)[i] = hnr_half_encode((float) (vec[i] * inverse));
			break;
		case HNR_ENCODING_BYTE:
			for (int i = 0; i < count; i++)
				((uint8 *) stored)[i] = (uint8) ((int) (vec[i] * inverse) + scale.bias);
			break;
		case HNR_ENCODING_SHORT:
			for (int i = 0; i < count; i++)
				((int16 *) stored)[i] = (int16) (vec[i] * inverse);
			break;
	}
}

void
hnr_stored_decode(HnrEncoding encoding, const char *stored, int count, HnrScale scale, float *vec)
{
	float		step = ldexpf(1.0f, scale.exponent);

	switch (encoding)
	{
		case HNR_ENCODING_FLOAT:
			memcpy(vec, stored, sizeof(float) * count);
			break;
		case HNR_ENCODING_HALF:
			hnr_distance->from_half(count, (const uint16 *) stored, step, vec);
			break;
		case HNR_ENCODING_BYTE:
			hnr_distance->from_bytes(count, (const uint8 *) stored, scale.bias, step, vec);
			break;
		case HNR_ENCODING_SHORT:
			hnr_distance->from_short(count, (const uint16 *) stored, step, vec);
			break;
	}
}

/*
 * Half a step, which may have been twice that of the result; a whole one where that leads from
 * FLT_MAX out of range, and so down instead of up.
 */
static double
most_lost_to_steps(int bits, int exponent, int n)
{
	return n * ldexp(1.0, exponent + bits < FLT_MAX_EXP ? exponent : exponent + 1);
}

double
hnr_stored_most_lost(HnrEncoding encoding, HnrScale scale, int n, double sum)
{
	switch (encoding)
	{
		case HNR_ENCODING_HALF:
			/* eleven digits, fewer below the normal ones */
			return ldexp(sum, -11) + n * ldexp(1.0, scale.exponent - 25);
		case HNR_ENCODING_BYTE:
		case HNR_ENCODING_SHORT:
			return most_lost_to_steps(encoding == HNR_ENCODING_BYTE ? 8 : 15, scale.exponent, n);
		default:
			return 0;
	}
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
	Rounding	r;

	if (metric->type->error)
		return metric->type->error(metric, n, vec);
	if (encoding == HNR_ENCODING_FLOAT)
		/* of unit length, in float: not quite the row's direction */
		return metric->kind == HNR_METRIC_COSINE ? (float) summing_error(n) : 0;
	r = rounding_for(encoding, n, vec);
	for (int i = 0; i < n; i++)
	{
		float		rounded = round_one(&r, vec[i]);
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
	return nextafterf((float) (lost * (1 + 1e-6)), INFINITY);
}

bool
hnr_stored_form_row(const HnrMetric *metric, const HnrLayout *layout, Datum value, HnrRow *row)
{
	if (!hnr_metric_form_vector(metric, value, layout->column_dims, row->vec))
		return false;
	row->error = hnr_stored_round(metric, layout->encoding, layout->dims, row->vec);
	return true;
}
