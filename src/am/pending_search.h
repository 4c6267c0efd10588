/*-------------------------------------------------------------------------
 *
 * pending_search.h
 *		What a scan finds in the pending list.
 *
 * The list is looked at before the graph, by codes alone: which rows there are, and how
 * near each can be.  When the graph has been searched, those that can be as near as what was
 * found there are measured, and, if the scan goes on, all others.  A row that has got into the
 * graph meanwhile may be found there as well: the scan tells rows by their heap TIDs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PENDING_SEARCH_H
#define HNR_PENDING_SEARCH_H

#include "am/pending.h"
#include "am/results.h"
#include "am/store_disk.h"

typedef struct HnrPendingSearch HnrPendingSearch;

/*
 * Looks at the list, without the row of a heap TID if it is valid, for the query of a store.
 * NULL: there is none.  The index's entry point is read again afterwards.  In the current
 * memory context.
 */
extern HnrPendingSearch *hnr_pending_search(HnrIndex *index, HnrStore *store, ItemPointer left_out);

/* Tells it what was found in the graph: n rows, nearest first. */
extern void hnr_pending_search_graph(HnrPendingSearch *search, const HnrCandidate *found, int n);

/*
 * Measures the rows that may be among the nearest k of themselves and of what was found in the
 * graph, and holds them in the results.  What was measured before is not held again.  All
 * rows, if k is HNR_PENDING_ALL.
 */
#define HNR_PENDING_ALL		0

extern void hnr_pending_search_hold(HnrPendingSearch *search, int k, HnrResults *results);

#endif							/* HNR_PENDING_SEARCH_H */
