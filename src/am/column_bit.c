/*-------------------------------------------------------------------------
 *
 * column_bit.c
 *		Columns of core's type bit, as metric.h has them.
 *
 * A vector is the value's bytes, those of the last word that the value does not have
 * being zero.  Core keeps the bits zero that fill its last byte.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/metric.h"
#include "compat.h"
#include "distance/distance.h"
#include "utils/fmgrprotos.h"
#include "utils/varbit.h"

#define MAX_BITS		64000
#define BITS_PER_WORD	(BITS_PER_BYTE * (int) sizeof(float))

static int
width(int dims)
{
	return (dims + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

static bool
form(const HnrMetric *metric, const struct varlena *value, int dims, float *out)
{
	const VarBit *bits = (const VarBit *) value;

	if (VARBITLEN(bits) != dims)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("bit operands differ in length: %d and %d", VARBITLEN(bits), dims),
				 errdetail("The index holds bit strings of %d bits.", dims)));
	out[width(dims) - 1] = 0;
	memcpy(out, VARBITS(bits), VARBITBYTES(bits));
	return true;
}

/* Up to this length, different fractions are different floats. */
#define EXACT_BITS		2048

/* A fraction becomes a float; counts are exact. */
static float
error(const HnrMetric *metric, int n, const float *vec)
{
	return metric->kind == HNR_METRIC_JACCARD && n * BITS_PER_WORD > EXACT_BITS ? 2e-7f : 0;
}

static const char *
problem(const HnrMetric *metric, int dims, int n, const float *vec)
{
	const uint8 *byte = (const uint8 *) vec;

	for (int bit = dims; bit < n * BITS_PER_WORD; bit++)
		if ((byte[bit / BITS_PER_BYTE] >> (BITS_PER_BYTE - 1 - bit % BITS_PER_BYTE) & 1) != 0)
			return "a bit string has bits set behind its end";
	return NULL;
}

float
hnr_bits_hamming(int n, const float *a, const float *b)
{
	return (float) hnr_distance->bits_different(n * sizeof(float), (const uint8 *) a,
												(const uint8 *) b);
}

float
hnr_bits_jaccard(int n, const float *a, const float *b)
{
	int64		both,
				any;
	double		exact;
	float		distance;

	hnr_distance->bits_shared(n * sizeof(float), (const uint8 *) a, (const uint8 *) b,
							  &both, &any);
	/* where no bit is set at all, as the operator has it */
	exact = both == 0 ? 1.0 : 1.0 - both / (double) any;
	distance = (float) exact;
	/* where the executor compares rows, none may be nearer than it is told */
	return distance > exact ? nextafterf(distance, 0) : distance;
}

const HnrColumnType hnr_column_bit = {
	HNR_ELEMENT_BIT, "bit", bit_in, "bit", MAX_BITS, false, width, NULL, form, NULL,
	error, problem
};
