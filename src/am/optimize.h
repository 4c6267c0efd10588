/*-------------------------------------------------------------------------
 *
 * optimize.h
 *		An index's graph made better where it stands.
 *
 * README ("Optimising in place") tells what is looked for and why nothing is lost.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_OPTIMIZE_H
#define HNR_OPTIMIZE_H

#include "utils/rel.h"

typedef struct HnrOptimizeFigures
{
	int64		vertices;		/* of the ground, live */
	int64		due;			/* whose lists have suffered */
	int64		relisted;		/* lists looked at: of these, and for far links */
	int64		changed;		/* and changed */
	int64		links_added;
	int64		links_dropped;
	int64		far_links;		/* of those added: between clusters */
	int64		codes;			/* renewed */
	int64		attached;		/* vertices that nothing led to */
	int64		left;			/* still due: more than the share that was asked for */
	/* The file (shrink.h). */
	int64		pages;			/* as it began, then before pages are cut off */
	int64		pages_cut;		/* off its end */
	int64		pages_left;		/* there that hold nothing, or seem to, when it was last looked */
} HnrOptimizeFigures;

/*
 * Makes the graph better, by choosing anew the lists of up to such a share (0 .. 1) of all
 * vertices, those first that have suffered most.  The caller holds locks that keep vacuum,
 * other callers and DROP away (ShareUpdateExclusiveLock on table and index); reads and
 * inserts go on.  An interrupt may end it at any point: what was done stays, and the next
 * call goes on with the rest; figures, which are 0 before, tell what was done up to then.
 * Reports tuples and blocks as a build does.
 */
extern void hnr_index_optimize(Relation index, double share, HnrOptimizeFigures *figures);

#endif							/* HNR_OPTIMIZE_H */
