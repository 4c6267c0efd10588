/*-------------------------------------------------------------------------
 *
 * points.h
 *		Vectors of a graph in memory laid side by side, for the distances of many to
 *		many.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_POINTS_H
#define HNR_POINTS_H

#include "am/byte_points.h"
#include "am/store_mem.h"
#include "distance/distance.h"

typedef struct HnrPoints
{
	const HnrMemGraph *graph;
	int			dims;
	int			stride;			/* floats from a vector to the next */
	int			max;
	int			n;
	float	   *vec;
	float	   *square;			/* of the lengths; only for squared L2 */
	float	   *packed;			/* in blocks of columns, or NULL */
	HnrBytePoints *bytes;		/* instead of vectors as floats, or NULL */
} HnrPoints;

/* Distances stand in rows of this many floats: those behind the last are infinite. */
static inline int
hnr_points_width(int n)
{
	return TYPEALIGN(HNR_BLOCK_COLUMNS, n);
}

/*
 * For up to max vectors, in the current memory context.  Those of the graph's nodes, which
 * are all there, or as floats, which others may be put beside.
 */
typedef enum HnrPointsOf
{
	HNR_POINTS_OF_NODES,
	HNR_POINTS_OF_FLOATS
} HnrPointsOf;

extern HnrPoints *hnr_points_create(HnrMemGraph *graph, int max, bool columns,
									HnrPointsOf of);

/*
 * Takes n nodes.  Squared L2 is made of products, which lose digits far from the origin:
 * so the vectors are moved by the centre (dims floats, as hnr_points_center makes it
 * of points that were not moved), or NULL.
 */
extern void hnr_points_load(HnrPoints *points, const uint32 *nodes, int n, const float *center);
extern void hnr_points_center(const HnrPoints *points, float *center);

/* Whether they are to be moved by their centre. */
static inline bool
hnr_points_have_center(const HnrPoints *points)
{
	return points->graph->index->metric->kind == HNR_METRIC_L2 && points->bytes == NULL;
}

/* Moves vectors that have been loaded without a centre. */
extern void hnr_points_move(HnrPoints *points, const float *center);

/* The distances of `count` rows from row `first` on from all columns. */
extern void hnr_points_distances(const HnrPoints *rows, int first, int count,
								 const HnrPoints *columns, float *out);

/*
 * The distances of all columns from all, in as many rows of hnr_points_width(n).  Each pair
 * is measured once.  Does so many rows, from `first` on, that are not done yet; HNR_POINTS_STRIP
 * divides first, and count unless it is the rest.
 */
#define HNR_POINTS_STRIP 64

extern void hnr_points_all(const HnrPoints *columns, int first, int count, float *all);

/*
 * The k least, and perhaps some more, of `width` distances, which HNR_BLOCK_COLUMNS
 * divides, that are finite and at most `bound`, in no order.  Room for HNR_POINTS_MOST.
 */
#define HNR_POINTS_MOST 256

extern int	hnr_points_nearest(const float *distances, int width, int k, float bound,
							   HnrMemEdge *nearest);

#endif							/* HNR_POINTS_H */
