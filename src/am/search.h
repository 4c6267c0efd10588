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

/* A search over a store, for pools of up to max_ef; in the current context. */
extern HnrSearch *hnr_search_create(HnrStore *store, int max_ef);

/*
 * Searches a level from n entry vertices with a pool of ef.  The live vertices
 * visited, with exact distances, nearest first, are then in *found, valid until
 * the next run.  Returns how many: where the graph has them, at least ef.
 */
extern int	hnr_search_run(HnrSearch *search, const HnrCandidate *entries, int n,
						   int level, int ef, HnrCandidate **found);

/*
 * Goes on after the last run, at the same level and pool size, with what did not get
 * into its pool; the search must have been created to be continued.  What is found
 * now was not found before, but may be nearer.  Returns 0 when all that the graph
 * leads to has been visited.
 */
extern void hnr_search_keep_rest(HnrSearch *search);
extern int	hnr_search_continue(HnrSearch *search, HnrCandidate **found);

/* Nearest first; of equals, the lower id. */
extern void hnr_sort_candidates(HnrCandidate *candidates, size_t n);

/*
 * Descends from an entry at level from to level to (> to is searched with a small
 * pool) and leaves the vertices to enter level `to` with in entries (room for
 * HNR_DESCENT_WIDE).  Returns how many; 0 where the entry is gone.
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
