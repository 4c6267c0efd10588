/*-------------------------------------------------------------------------
 *
 * results.h
 *		What a scan has visited: held until nearer ones are not to be expected,
 *		then taken to be told to the executor, nearest first.
 *
 * Rows come in order.  So nothing is taken that is, or for all that rounding leaves
 * open may be, nearer than a row that the executor has let go; and no row is told to
 * be farther than the least that one of those held may be (order.h).  Where the order
 * may be relaxed, nothing is left out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_RESULTS_H
#define HNR_RESULTS_H

#include "am/order.h"
#include "am/store_disk.h"

/*
 * A search comes by farther vertices before it has seen all of the nearer ones, and what
 * is nearer than a row returned can not be returned any more: so where it goes on, only
 * the nearest of what was visited are, one for so many visits at least.  How many it
 * takes differs with the vectors: what comes late raises them.
 */
#define HNR_VISITS_PER_ROW 2.5
#define HNR_VISITS_PER_ROW_RELAXED 2
#define HNR_VISITS_PER_ROW_MOST 6
#define HNR_VISITS_FOR_LATE 100		/* of all rows, one for each hundredth that is late */

typedef struct HnrResults
{
	HnrIndex   *index;
	HnrStore   *store;
	double		query_length;
	bool		relaxed;		/* what is visited late is returned, out of order */
	HnrCandidate *held;
	int			nheld;
	int			maxheld;
	int			nsorted;		/* the first of the held, in order */
	HnrCandidate *taken;		/* the last ones */
	HnrOrder   *order;			/* of these */
	HnrBounds  *bounds;
	int			ntaken;
	int			maxtaken;
	int64		visited;		/* in all */
	int64		returned;		/* of these, taken so far */
	int64		late;			/* of these, nearer than what the executor had let go */
	double		last;			/* no row that the executor has let go is farther */
	double		most;			/* no row that it was told of is farther */
} HnrResults;

/* In the current memory context, of a query of that length; store is the search's. */
extern HnrResults *hnr_results_create(HnrIndex *index, HnrStore *store, double query_length,
									  bool relaxed);

/* Holds n more, nearest first. */
extern void hnr_results_hold(HnrResults *results, const HnrCandidate *visited, int n);

/*
 * Likewise rows of the pending list, which is all looked at: they do not count as visited.
 * Leaves out those whose distance is not known any more where that may be out of order.
 */
extern void hnr_results_hold_pending(HnrResults *results, const HnrCandidate *found, int n);

/* How many of the held can be taken before the search ends. */
extern int64 hnr_results_sure(const HnrResults *results);

/*
 * Takes the n nearest of the held, and up to limit those that the executor has to compare
 * with these.  None may be left of them; false then.
 */
extern bool hnr_results_take(HnrResults *results, int n, int limit);

/* The executor is told of the ith taken. */
extern void hnr_results_told(HnrResults *results, int i);

static inline const HnrVisited *
hnr_results_visited(HnrResults *results, int i)
{
	return hnr_disk_store_visited(results->store, results->taken[i].ref);
}

#endif							/* HNR_RESULTS_H */
