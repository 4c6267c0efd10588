/*-------------------------------------------------------------------------
 *
 * grow.h
 *		Making the graph in memory row by row: each new node searches what there is
 *		for its neighbours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_GROW_H
#define HNR_GROW_H

#include "am/search.h"
#include "am/store_mem.h"

typedef struct HnrGrowth HnrGrowth;

/* For a graph of floats; in the current memory context. */
extern HnrGrowth *hnr_growth_create(HnrMemGraph *graph);

/* Links a node just added, at all its levels. */
extern void hnr_growth_link(HnrGrowth *growth, uint32 node);

/*
 * The nodes nearest to one, itself among them, by a search of a graph that is complete, of whatever
 * encoding: how many, and nearest first in *found, until the next search.  None where, by the
 * inner product, another is nearer to it than itself.
 */
extern HnrGrowth *hnr_growth_create_to_search(HnrMemGraph *graph);
extern int	hnr_growth_find(HnrGrowth *growth, uint32 node, HnrCandidate **found);

/*
 * Links all nodes of a graph, of whatever encoding, that stand above the ground, at the
 * levels there, and sets the entry point.
 */
extern void hnr_growth_link_upper(HnrMemGraph *graph);

/* Bytes that this needs, a node of the graph. */
extern Size hnr_growth_upper_memory(const HnrIndex *index);

#endif							/* HNR_GROW_H */
