/*-------------------------------------------------------------------------
 *
 * bytes.h
 *		Kernels on vectors of bytes, several times as fast as those on floats.
 *
 * Sums are integers, so exact, for up to HNR_BYTES_MOST coordinates.  What is true of
 * distance.h is true here, too, but that not every processor has such kernels: hnr_bytes
 * is NULL then, and the callers turn bytes into floats.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_BYTES_H
#define HNR_BYTES_H

#include "distance/distance.h"

#define HNR_BYTES_MOST	16384

/* Coordinates that are multiplied together: block_products wants a multiple of it. */
#define HNR_BYTES_GROUP	4

typedef struct HnrByteKernels
{
	/* sum (a-b)^2 */
	int32		(*l2_squared) (int n, const uint8 *a, const uint8 *b);

	/*
	 * out[r][c] = the product of rows[r] with column c less 128 in each coordinate, for
	 * HNR_BLOCK_ROWS rows and HNR_BLOCK_COLUMNS columns; coordinate 4 k + i of column c
	 * less 128 is columns[k][c][i]
	 */
	void		(*block_products) (int n, const uint8 *const *rows, const int8 *columns,
								   int32 *out);
} HnrByteKernels;

/* Set by hnr_distance_init; NULL: none. */
extern const HnrByteKernels *hnr_bytes;

#endif							/* HNR_BYTES_H */
