/*-------------------------------------------------------------------------
 *
 * arrange.h
 *		Which vertices of a graph in memory share a page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ARRANGE_H
#define HNR_ARRANGE_H

#include "am/store_mem.h"

/*
 * The first n nodes in the order of their places, per_page to a page; in the current
 * context.  Sorts their edges of the ground level, nearest first.
 */
extern uint32 *hnr_arrange_nodes(HnrMemGraph *graph, uint32 n, int per_page);

#endif							/* HNR_ARRANGE_H */
