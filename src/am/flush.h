/*-------------------------------------------------------------------------
 *
 * flush.h
 *		Writing a graph in memory to pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_FLUSH_H
#define HNR_FLUSH_H

#include "am/weave.h"

/* Bytes that it needs beside the graph, a node: what stands where. */
#define HNR_FLUSH_NODE	32

/* Called now and then with the share that is written. */
typedef void (*HnrFlushProgress) (void *state, double done);

/*
 * Appends the graph to the relation, which holds only its metapage, and sets the
 * entry point.  Nothing is logged: see build.c.  Who made the graph, if at once, makes
 * the slots of its ground level.
 */
extern void hnr_flush_graph(HnrIndex *index, HnrMemGraph *graph, HnrWeave *weave,
							HnrFlushProgress progress, void *state);

#endif							/* HNR_FLUSH_H */
