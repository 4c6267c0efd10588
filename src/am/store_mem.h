/*-------------------------------------------------------------------------
 *
 * store_mem.h
 *		The graph in memory, as a store, for builds.
 *
 * A node is a distinct vector: rows with the same vector share one.  Nodes are
 * numbered from 0 in the order they came; a node has the same number at all its
 * levels.  All memory is in the graph's own context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_STORE_MEM_H
#define HNR_STORE_MEM_H

#include "am/graph.h"
#include "am/index.h"
#include "am/stored.h"
#include "storage/itemptr.h"

typedef struct HnrMemEdge
{
	uint32		node;
	float		distance;
} HnrMemEdge;

typedef struct HnrMemEdges
{
	int			count;
	HnrMemEdge	edge[FLEXIBLE_ARRAY_MEMBER];	/* in no order */
} HnrMemEdges;

/* Heap TIDs of a node, newest first. */
typedef struct HnrMemTid
{
	ItemPointerData tid;
	uint32		next;			/* in the graph's tids, or HNR_MEM_NONE */
} HnrMemTid;

#define HNR_MEM_NONE	PG_UINT32_MAX

typedef struct HnrMemNode
{
	float	   *vec;
	HnrMemEdges *edges;			/* of level 0, those of upper levels behind it */
	uint32		first_tid;
	float		error;			/* the most of its rows */
	int			level;
} HnrMemNode;

typedef struct HnrMemGraph HnrMemGraph;

/* For qsort: nearest first. */
extern int	hnr_mem_compare_edges(const void *a, const void *b);

extern HnrMemGraph *hnr_mem_graph_create(HnrIndex *index);
extern void hnr_mem_graph_free(HnrMemGraph *graph);

/* Adds a row; it is copied. */
extern void hnr_mem_graph_add(HnrMemGraph *graph, const HnrRow *row);

/* Bytes held. */
extern Size hnr_mem_graph_size(const HnrMemGraph *graph);

extern uint32 hnr_mem_graph_count(const HnrMemGraph *graph);
extern HnrMemNode *hnr_mem_graph_node(const HnrMemGraph *graph, uint32 node);
extern HnrMemEdges *hnr_mem_graph_edges(const HnrMemGraph *graph, const HnrMemNode *node, int level);
extern const HnrMemTid *hnr_mem_graph_tid(const HnrMemGraph *graph, uint32 i);

/* The entry point; false if the graph is empty. */
extern bool hnr_mem_graph_entry(const HnrMemGraph *graph, uint32 *node, int *level);

/*
 * A random level for a new vertex: HNR_LEVEL_FACTOR m to the power of -level of all
 * reach it.
 */
#define HNR_LEVEL_FACTOR 4

extern int	hnr_random_level(int m);

#endif							/* HNR_STORE_MEM_H */
