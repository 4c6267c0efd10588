/*-------------------------------------------------------------------------
 *
 * frequent.h
 *		More links to vertices of many rows, in a graph in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_FREQUENT_H
#define HNR_FREQUENT_H

#include "am/store_mem.h"

/* Bytes that this needs for a while, a node. */
#define HNR_FREQUENT_NODE	(sizeof(uint32) + sizeof(uint16) + sizeof(uint8))

/* To be called when all rows are in and linked.  May take the last path to a vertex away. */
extern void hnr_link_frequent(HnrMemGraph *graph);

#endif							/* HNR_FREQUENT_H */
