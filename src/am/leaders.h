/*-------------------------------------------------------------------------
 *
 * leaders.h
 *		Some of the rows in a temporary file, which stand for those near them.
 *
 * All memory is that of the context in which they are chosen, but for their arena.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_LEADERS_H
#define HNR_LEADERS_H

#include "am/points.h"
#include "am/shards.h"

typedef struct HnrLeaders
{
	HnrIndex   *index;			/* these three are the caller's */
	HnrSpill   *rows;			/* HnrShardRow, with the vectors */
	char	   *row;			/* has room for one */
	HnrArena   *arena;
	HnrMemGraph *graph;			/* the leaders, as nodes */
	int			n;
	HnrPoints  *columns;		/* they */
	HnrPoints  *strip;			/* HNR_POINTS_STRIP rows to be measured */
	const float *center;		/* that vectors are moved by, or NULL */
	float	   *distances;		/* of the strip's rows, in rows of hnr_points_width(n) */
} HnrLeaders;

/*
 * Chooses up to n, all different: half of them at random, then such as are far from these; but
 * all at random under the inner product, which has no such thing.
 */
extern void hnr_leaders_choose(HnrLeaders *leaders, int n);

/* Loads the row in leaders->row as row i of the strip. */
extern void hnr_leaders_load(HnrLeaders *leaders, int i);

/* The distances of the strip's first n rows from all leaders. */
extern void hnr_leaders_measure(HnrLeaders *leaders, int n);

extern void hnr_leaders_free(HnrLeaders *leaders);

#endif							/* HNR_LEADERS_H */
