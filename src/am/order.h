/*-------------------------------------------------------------------------
 *
 * order.h
 *		Which rows of a search's result are in exact order, and which to check.
 *
 * A stored vector may be off by a known error, so its distance tells an interval
 * that the rows' distances lie in.  Where intervals do not meet, the order is
 * certain; where they do, the executor is told to compare the rows' own distances.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ORDER_H
#define HNR_ORDER_H

#include "am/metric.h"

/* Distances as the ordering operator returns them. */
typedef struct HnrBounds
{
	double		least;
	double		most;
	bool		several;		/* rows that may differ among themselves */
} HnrBounds;

/* What one result tells the executor. */
typedef struct HnrOrder
{
	bool		recheck;		/* compare rows by their own distances */
	double		value;			/* the distance; to recheck: no later one is below */
} HnrOrder;

/*
 * The interval of a vertex at a distance (as hnr_metric_distance has it) from a
 * query of n coordinates and that length, with that error.
 */
extern HnrBounds hnr_order_bounds(const HnrMetric *metric, int n, double query_length,
								  float distance, float error);

/*
 * Fills order from n intervals that come in order of their distances.  The executor was
 * told of others before, none of which is farther than most, and may be told of others
 * later, none nearer than least.
 */
extern void hnr_order_results(const HnrBounds *bounds, int n, double most, double least,
							  HnrOrder *order);

#endif							/* HNR_ORDER_H */
