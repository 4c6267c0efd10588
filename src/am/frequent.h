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

/*
 * How many links are to lead to a node in any case, by its rows and what nodes have in the mean; 0
 * where it has less than that twice.
 */
extern int	hnr_frequent_links(const HnrMemGraph *graph, uint32 node, double mean);

/* Bytes that hnr_link_frequent() needs for a while, a node: the search's marks, doubled as they grow, and two counts. */
#define HNR_FREQUENT_NODE	(2 * sizeof(uint32) + sizeof(uint16) + sizeof(uint8))

/* To be called when all rows are in and linked.  May take the last path to a vertex away. */
extern void hnr_link_frequent(HnrMemGraph *graph);

#endif							/* HNR_FREQUENT_H */
