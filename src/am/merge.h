/*-------------------------------------------------------------------------
 *
 * merge.h
 *		Rows of the pending list go into the graph.
 *
 * Who merges a page of the list has claimed it, by a heavyweight lock on the page; so
 * several processes merge different pages at the same time, and rows come meanwhile.  The
 * caller has RowExclusiveLock on the index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_MERGE_H
#define HNR_MERGE_H

#include "am/pending.h"

/*
 * Merges up to `most` rows, of pages that nobody else has claimed, until the clock shows
 * `until` (0: whenever); returns how many.  Who says until when works for nobody who waits, and
 * pauses between rows unless the list is long, or others interrupt this process at once.
 */
extern int64 hnr_merge_some(HnrIndex *index, int64 most, int64 until);
extern bool hnr_merge_gives_way;

/*
 * Merges all rows that are in the list when it begins, waits for others that are at them,
 * and for another that does the same; returns how many it merged.
 */
extern int64 hnr_merge_all(HnrIndex *index);

/* Whether the list is long for its merge_threshold, by the metapage as it was read last. */
extern bool hnr_merge_is_long(const HnrIndex *index);

/* Whether anybody merges rows of the index just now. */
extern bool hnr_merge_runs(Relation index);

/*
 * An insertion with the option deferred: appends the row, or, where the list is long
 * enough, merges some first, or inserts the row where others do so.
 */
extern void hnr_merge_defer(HnrIndex *index, const HnrRow *row, bool known);

/* ---- merge_request.c: the background worker ---- */

/*
 * To be called when there are pending rows: has a worker started unless there is one, or by
 * the commit if others do not see the index before.  Cheap; no error where none can be had.
 */
extern void hnr_merger_request(HnrIndex *index);

/*
 * Likewise for any index that the caller has a lock on, where rows are pending.
 * Whether there are such rows, or may be later.  A damaged one is left alone.
 */
extern bool hnr_merger_request_where_due(Relation rel);

/* Whether no worker was to be had when this process last asked. */
extern bool hnr_merger_was_refused(void);

/* Has one started in another database; that none can be had is logged. */
extern void hnr_merger_start(Oid database);

/* Whether a worker of this database is there, which serves its indexes in turn. */
extern bool hnr_merger_is_there(void);

#endif							/* HNR_MERGE_H */
