/*-------------------------------------------------------------------------
 *
 * search.h
 *		Best-first search of one level of a graph.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SEARCH_H
#define HNR_SEARCH_H

#include "am/graph.h"

typedef struct HnrSearch HnrSearch;

/*
 * How much a search visits: the `enough` nearest, and of the `most` nearest those that are not
 * farther than the last of these by more than the part `margin` of its distance.  Where there
 * are many about as near as these, the right ones may be among any of them; where the next
 * are far, they are not what is looked for.
 */
typedef struct HnrBreadth
{
	int			most;			/* size of the pool */
	int			enough;
	float		margin;
	float		kept;			/* likewise, >= margin: what is farther does not get into the pool */
} HnrBreadth;

/* A margin for distances that grow from zero: squares, or such as are like squares. */
#define HNR_SEARCH_MARGIN 0.05f

/* The ef nearest, whatever they are like. */
static inline HnrBreadth
hnr_breadth(int ef)
{
	HnrBreadth	breadth = {ef, ef, 0, 0};

	return breadth;
}

/* A search over a store, for pools of up to max_ef; in the current context. */
extern HnrSearch *hnr_search_create(HnrStore *store, int max_ef);

/*
 * Searches a level from n entry vertices.  The live vertices visited, with exact
 * distances, nearest first, are then in *found, valid until the next run.  Returns how
 * many: where the graph has them, and VACUUM has taken none away, at least breadth.enough.
 */
extern int	hnr_search_run(HnrSearch *search, const HnrCandidate *entries, int n,
						   int level, HnrBreadth breadth, HnrCandidate **found);

/*
 * Goes on after the last run, at the same level, with the ef nearest of what has not been
 * visited; the search must have been created to be continued.  What is found now was not
 * found before, but may be nearer.  Returns 0 when all that the graph leads to has been
 * visited.
 */
extern void hnr_search_keep_rest(HnrSearch *search);
extern int	hnr_search_continue(HnrSearch *search, int ef, HnrCandidate **found);

/* Where to go on from when that came to the end: a vertex of the ground; false: it was come by. */
extern bool hnr_search_go_on_from(HnrSearch *search, HnrNodeId id);

/* Nearest first; of equals, the lower id. */
extern void hnr_sort_candidates(HnrCandidate *candidates, size_t n);

/*
 * Descends from an entry at level from to level to (> to is searched with a small
 * pool, for the nearest and those not much farther) and leaves the vertices to enter
 * level `to` with in entries (room for HNR_DESCENT_WIDE).  Returns how many; 0 where the
 * entry is gone.
 *
 * The pool is narrow, and wide on the level below one where the nearest were all
 * about as near: a query's cluster that no vertex of a level belongs to looks like
 * that, and narrow pools pass by some of them; see README ("Search").
 */
#define HNR_DESCENT_NARROW 6
#define HNR_DESCENT_WIDE 24

extern int	hnr_search_descend(HnrSearch *search, HnrNodeId entry, int from, int to,
							   HnrCandidate *entries);

#endif							/* HNR_SEARCH_H */
