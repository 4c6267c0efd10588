/*-------------------------------------------------------------------------
 *
 * halve.h
 *		Cells, each of the points nearest to it, in parts of about the same weight and of
 *		cells near each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_HALVE_H
#define HNR_HALVE_H

#include "am/index.h"
#include "am/points.h"

typedef struct HnrHalving
{
	const HnrMetric *metric;
	const HnrPoints *cells;		/* their leaders */
	const uint32 *weight;		/* of each cell */
	int		   *first_part;		/* of each cell, out */
	int		   *parts;			/* how many it has, out: several where it is heavy */
} HnrHalving;

/* Halves the cells again and again, between the two that are farthest apart. */
extern void hnr_halve_cells(const HnrHalving *halving, int ncells, int parts);

#endif							/* HNR_HALVE_H */
