/*-------------------------------------------------------------------------
 *
 * flush.h
 *		Writing a graph in memory to pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_FLUSH_H
#define HNR_FLUSH_H

#include "am/slots.h"
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

/*
 * A graph that does not fit into memory is written in parts (stitch.c).  A part of its
 * ground: as many nodes as the weave lists, which stand from its first position on, in
 * this order.  The relation ends there.
 */
typedef struct HnrFlushPart
{
	HnrMemGraph *graph;
	HnrWeave   *weave;
	uint32	   *order;
	const uint64 *chunk;		/* the first one of each node, or HNR_NO_CHUNK */
	BlockNumber first_chunk_block;
} HnrFlushPart;

extern void hnr_flush_ground(HnrIndex *index, const HnrFlushPart *part);

/*
 * The levels above, from this block on, and the entry point, of a graph of the nodes that
 * stand there, which have these positions at the ground.
 */
extern void hnr_flush_upper(HnrIndex *index, HnrMemGraph *graph, uint32 *positions,
							BlockNumber block);

#endif							/* HNR_FLUSH_H */
