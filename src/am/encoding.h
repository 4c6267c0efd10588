/*-------------------------------------------------------------------------
 *
 * encoding.h
 *		The choice of how a new index stores vectors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ENCODING_H
#define HNR_ENCODING_H

#include "am/metric.h"
#include "am/page.h"

/* How many of a table's first rows the choice is made from. */
#define HNR_ENCODING_SAMPLE 256

/*
 * Chooses for vectors like these n (n * dims floats): the smallest encoding whose
 * rounding is nothing beside the way to a vector's neighbours.
 */
extern HnrEncoding hnr_choose_encoding(const HnrMetric *metric, int dims,
									   const float *vectors, int n);

#endif							/* HNR_ENCODING_H */
