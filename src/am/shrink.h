/*-------------------------------------------------------------------------
 *
 * shrink.h
 *		Pages at the end of an index that hold nothing are cut off.
 *
 * In three steps, between which the caller (rebuild/compacting.c) waits for others.
 * README ("The end of the file") tells why nobody knows of a page that is cut off.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SHRINK_H
#define HNR_SHRINK_H

#include "storage/block.h"
#include "utils/rel.h"

/*
 * The first of the pages at the end that hold nothing; *blocks is how many pages there are.
 * Reads them from behind, up to the last that holds something.  The caller has the table
 * locked against VACUUM, here and until the end.
 */
extern BlockNumber hnr_index_idle_from(Relation index, BlockNumber *blocks);

/* Whether the last page does. */
extern bool hnr_index_ends_idle(Relation index);

/* Has the free space map name only the first of the pages from there on, lest rows come to the others. */
extern void hnr_index_withhold_end(Relation index, BlockNumber from);

/*
 * The first page from there on to which nothing leads, by one pass over all pages before it;
 * whoever was inserting when hnr_index_idle_from had returned is through.
 */
extern BlockNumber hnr_index_unreferenced_from(Relation index, BlockNumber from);

/*
 * Cuts off what holds nothing, from there on, and returns how many pages that are.  Looks at
 * them again for about so long; what is left then is for another call.  The caller has
 * AccessExclusiveLock.
 */
extern BlockNumber hnr_index_cut(Relation index, BlockNumber from, int ms);

/*
 * Has the free space map name again so many pages of what has not been cut off, and returns where
 * to go on; invalid at the end.
 */
extern BlockNumber hnr_index_keep_end(Relation index, BlockNumber from, int pages);

#endif							/* HNR_SHRINK_H */
