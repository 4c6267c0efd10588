/*-------------------------------------------------------------------------
 *
 * stored.h
 *		Vectors as an index stores them: as floats, or as bytes, shorts or in half precision
 *		times a power of two.
 *
 * These take less room and are chosen by a build that finds them to cost
 * nothing that matters (encoding.c).  A vector is rounded once, when a row is added; from then on the graph is one of
 * the rounded vectors, which pages hold exactly.  What the rounding lost is kept as
 * a number, so that a scan knows how far from the row's distance the stored vector's
 * can be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_STORED_H
#define HNR_STORED_H

#include "am/layout.h"
#include "am/metric.h"
#include "storage/itemptr.h"

/*
 * Rounds n coordinates to what can be stored and returns a bound of how much the
 * metric's distances from the vector change, per unit of length of the query under
 * inner product and cosine: 0 if nothing was lost.
 */
extern float hnr_stored_round(const HnrMetric *metric, HnrEncoding encoding, int n, float *vec);

/* As users see it. */
extern const char *hnr_encoding_name(HnrEncoding encoding);

/* The scale that belongs to a rounded vector. */
extern HnrScale hnr_stored_scale(HnrEncoding encoding, int n, const float *vec);

/* Writes count coordinates of a rounded vector with that scale, exactly. */
extern void hnr_stored_encode(HnrEncoding encoding, const float *vec, int count, HnrScale scale,
							  char *stored);

/* Reads them back. */
extern void hnr_stored_decode(HnrEncoding encoding, const char *stored, int count, HnrScale scale,
							  float *vec);

/*
 * The farthest that rounding to the scale can move n coordinates, all together, whose magnitudes
 * add up to sum.
 */
extern double hnr_stored_most_lost(HnrEncoding encoding, HnrScale scale, int n, double sum);

/* A row as it enters an index. */
typedef struct HnrRow
{
	float	   *vec;			/* rounded */
	float		error;			/* what hnr_stored_round returned */
	ItemPointerData tid;
} HnrRow;

/* Fills row->vec (layout->dims floats) and error from a column value; false: not indexed. */
extern bool hnr_stored_form_row(const HnrMetric *metric, const HnrLayout *layout,
								Datum value, HnrRow *row);

#endif							/* HNR_STORED_H */
