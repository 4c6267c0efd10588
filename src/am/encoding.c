/*-------------------------------------------------------------------------
 *
 * encoding.c
 *		The choice of how a new index stores vectors.  See encoding.h.
 *
 * Sixteen bits are plenty for embeddings, but not for, say, vectors that lie close together far
 * from the origin.  So what they lose is compared with the distances in a sample: if what rounding
 * moves a vector by is small beside the way to its nearest other there, it is small
 * beside the way to those nearer ones that the whole table has.  Half precision keeps eleven
 * digits of each coordinate, a short sixteen of the largest: it moves vectors less, as a rule, but
 * not those of which few coordinates are much larger than the others.
 *
 * A byte keeps what is counted in bytes.  Of other vectors it keeps enough to find them
 * by, but the rows have to be compared in the end; that costs little where they are at
 * hand in the table, and more than the search where they are in its TOAST table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/encoding.h"
#include "am/stored.h"
#include "distance/distance.h"
#include "miscadmin.h"

/* Fewer rows than this tell nothing of the distances to come. */
#define LEAST_SAMPLE	64

/* Below this, sums of squares may have lost digits, or all. */
#define LEAST_SQUARE	1e-30f

/* Below this a vector is the smaller part of its vertex anyway. */
#define LEAST_DIMS		32

/* The nearest in the sample has to be this many times farther than the rounding. */
#define NARROW_MARGIN	128		/* to sixteen bits */
#define BYTE_MARGIN		64

/* Rows up to these dimensions are mostly not in the TOAST table. */
#define INLINE_DIMS		448

/* In how many of a hundred it may be otherwise. */
#define TOLERATED		5

/* Where squares leave the range of floats, they are taken in double. */
static double
distance_between(const HnrMetric *metric, int dims, const float *a, const float *b)
{
	float		squared;
	double		sum = 0;

	if (metric->kind == HNR_METRIC_L1)
		return hnr_distance->l1(dims, a, b);
	squared = hnr_distance->l2_squared(dims, a, b);
	if (squared > LEAST_SQUARE && isfinite(squared))
		return sqrt(squared);
	for (int i = 0; i < dims; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sqrt(sum);
}

/* The way to the nearest other vector that is not the same. */
static double
nearest_other(const HnrMetric *metric, int dims, const float *vectors, int n, int self)
{
	const float *v = vectors + (Size) self * dims;
	double		nearest = INFINITY;

	for (int i = 0; i < n; i++)
	{
		const float *other = vectors + (Size) i * dims;

		if (i != self && memcmp(v, other, sizeof(float) * dims) != 0)
			nearest = Min(nearest, distance_between(metric, dims, v, other));
	}
	return nearest;
}

/* How far rounding moves a vector; with room for one. */
static double
moved_by(HnrEncoding encoding, const HnrMetric *metric, int dims, const float *v, float *rounded)
{
	memcpy(rounded, v, sizeof(float) * dims);
	(void) hnr_stored_round(metric, encoding, dims, rounded);
	return distance_between(metric, dims, v, rounded);
}

/*
 * Whether the encoding is exact for, or moves by less than 1/margin of the way to the
 * nearest other, nearly all vectors; margin 0: only exact will do.
 */
static bool
encoding_fits(HnrEncoding encoding, int margin, const HnrMetric *metric, int dims,
			  const float *vectors, int n)
{
	float	   *rounded = palloc(sizeof(float) * dims);
	int			bad = 0;

	for (int i = 0; i < n; i++)
	{
		double		moved = moved_by(encoding, metric, dims, vectors + (Size) i * dims, rounded);

		CHECK_FOR_INTERRUPTS();
		/* written so that what is not finite is bad */
		if (moved != 0 &&
			(margin == 0 || !(moved * margin <= nearest_other(metric, dims, vectors, n, i))))
			bad++;
	}
	pfree(rounded);
	return bad * 100 <= n * TOLERATED;
}

/* Which encoding in sixteen bits moves the vectors less, all together; half, if both are exact. */
static HnrEncoding
better_narrow(const HnrMetric *metric, int dims, const float *vectors, int n)
{
	float	   *rounded = palloc(sizeof(float) * dims);
	double		gain = 0;

	for (int i = 0; i < n; i++)
	{
		const float *v = vectors + (Size) i * dims;

		CHECK_FOR_INTERRUPTS();
		gain += moved_by(HNR_ENCODING_HALF, metric, dims, v, rounded) -
			moved_by(HNR_ENCODING_SHORT, metric, dims, v, rounded);
	}
	pfree(rounded);
	return gain > 0 ? HNR_ENCODING_SHORT : HNR_ENCODING_HALF;
}

HnrEncoding
hnr_choose_encoding(const HnrMetric *metric, int dims, const float *vectors, int n)
{
	HnrEncoding narrow;

	if (n < LEAST_SAMPLE || dims < LEAST_DIMS)
		return HNR_ENCODING_FLOAT;
	if (encoding_fits(HNR_ENCODING_BYTE, dims <= INLINE_DIMS ? BYTE_MARGIN : 0,
					  metric, dims, vectors, n))
		return HNR_ENCODING_BYTE;
	narrow = better_narrow(metric, dims, vectors, n);
	if (encoding_fits(narrow, NARROW_MARGIN, metric, dims, vectors, n))
		return narrow;
	/* what moves them less all together may do so for a few long ones only */
	narrow = narrow == HNR_ENCODING_SHORT ? HNR_ENCODING_HALF : HNR_ENCODING_SHORT;
	return encoding_fits(narrow, NARROW_MARGIN, metric, dims, vectors, n) ? narrow :
		HNR_ENCODING_FLOAT;
}
