/*-------------------------------------------------------------------------
 *
 * insert.h
 *		Adding a row to the graph on pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_INSERT_H
#define HNR_INSERT_H

#include "am/graph.h"
#include "am/index.h"
#include "am/link.h"
#include "am/search.h"
#include "am/store_disk.h"
#include "am/stored.h"

/*
 * Adds one row; known: there is likely to be another with that vector, as when an
 * update has not changed it.  Works in the current memory context, which the caller
 * resets.  Needs no lock on the index beyond the one that any user of it holds.  Where
 * index->mark names the row in the pending list, marks it there.
 */
extern void hnr_insert_row(HnrIndex *index, const HnrRow *row, bool known);

/*
 * Where a search of the ground that hnr_enter_graph began has come to the end: has it go on from
 * the vertex below the entry point.  Everything can be reached from there ("Vacuum"), and
 * inner products can keep it from being reached from elsewhere.  False: it was come by.
 */
extern bool hnr_go_on_from_entry(HnrIndex *index, HnrSearch *search);

/*
 * Goes on with an insertion that was cut short after the ground vertex was written: gives
 * it links and makes those back to it, unless it has been replaced.  To do so twice does no
 * harm.
 */
extern void hnr_insert_links(HnrIndex *index, const HnrRow *row, ItemPointer tid, uint32 generation);

/*
 * Links a live ground vertex anew, by a search for its own vector, with vertices that
 * paths lead to: for one that none leads to any more.  No path to another is lost by it.
 * Returns one that leads to it now; the vertex itself, if it is where searches begin;
 * HNR_NO_NODE, if it is gone, or nobody has a link to spare.
 */
extern HnrNodeId hnr_relink_vertex(HnrIndex *index, ItemPointer tid, const HnrPaths *paths);

/*
 * Enters the graph for a search of the given level, from the present entry point.
 * Fills entries (HNR_DESCENT_WIDE) and *entry; returns how many, 0 for an empty
 * graph.
 */
extern int	hnr_enter_graph(HnrIndex *index, HnrSearch *search, int level,
							HnrEntry *entry, HnrCandidate *entries);

#endif							/* HNR_INSERT_H */
