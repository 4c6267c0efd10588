/*-------------------------------------------------------------------------
 *
 * store_mem.h
 *		The graph in memory, for builds: rows, vectors, edges.
 *
 * A node is a distinct vector: rows with the same vector share one.  Nodes are
 * numbered from 0 in the order they came; a node has the same number at all its
 * levels.  Who makes the edges: weave.c, when all rows are in, or grow.c, row by row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_STORE_MEM_H
#define HNR_STORE_MEM_H

#include "am/array.h"
#include "am/index.h"
#include "am/stored.h"
#include "common/pg_prng.h"
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
	uint32		first_tid;
	uint32		upper;			/* its edges of level 1 in the graph's, the others behind */
	float		error;			/* the most of its rows */
	HnrScale	scale;			/* of its vector */
	uint8		level;
} HnrMemNode;

typedef struct HnrMemGraph
{
	HnrIndex   *index;
	HnrEncoding encoding;		/* of the vectors here: the index's, or floats */
	HnrArena   *arena;
	HnrArray	nodes;			/* HnrMemNode */
	HnrArray	vectors;		/* encoded; pointers to them, where vectors vary */
	MemoryContext varying;		/* then: what they are in, else NULL */
	HnrArray	ground;			/* HnrMemEdges of level 0, by node */
	HnrArray	upper;			/* of the levels above */
	HnrArray	tids;			/* HnrMemTid */
	uint32		nnodes;
	uint32		nupper;
	uint32		ntids;
	uint32		entry;
	int			entry_level;	/* -1: empty */
	Size		vector_size;
	int			alike;			/* what hnr_mem_graph_bytes_alike has found; -1: not looked */
	uint32	   *by_vector;		/* hash table of nodes by their vector */
	uint32		by_vector_mask;
	char	   *encoded;		/* scratch: a row's vector */
	pg_prng_state prng;
} HnrMemGraph;

/* For qsort: nearest first. */
extern int	hnr_mem_compare_edges(const void *a, const void *b);

/*
 * In the current memory context, what grows in an arena; with floats, vectors can be
 * read where they are.
 */
extern HnrMemGraph *hnr_mem_graph_create(HnrIndex *index, bool floats, HnrArena *arena);

/* In another process: the graph in an attached arena, to read vectors and write edges. */
extern HnrMemGraph *hnr_mem_graph_attach(HnrIndex *index, HnrArena *arena);

/* Arrays that a graph has in its arena: the first ones. */
#define HNR_MEM_ARRAYS 5
extern void hnr_mem_graph_free(HnrMemGraph *graph);

/*
 * Adds a row; it is copied.  Returns the new node, which has no edges yet, or
 * HNR_MEM_NONE where there was one with its vector.
 */
extern uint32 hnr_mem_graph_add(HnrMemGraph *graph, const HnrRow *row);

/*
 * For a part of a larger graph.  The node with a vector that is stored as the graph has
 * it (graph->vector_size bytes); if there is none, one is added, with edges at the ground
 * if it is to have any: such nodes come first.  TIDs are added apart.
 */
extern uint32 hnr_mem_graph_find(HnrMemGraph *graph, const char *encoded, HnrScale scale,
								 bool linked);
extern void hnr_mem_graph_add_tid(HnrMemGraph *graph, uint32 node, const ItemPointerData *tid,
								  float error);

/* The same for vectors that are known to be new, up to which level is known, too. */
extern uint32 hnr_mem_graph_put(HnrMemGraph *graph, const char *encoded, HnrScale scale, int level,
								bool linked);

/* Adds a node without a vector, rows or edges, for a vertex that is there already. */
extern uint32 hnr_mem_graph_add_node(HnrMemGraph *graph);

/* Says that all rows were added: what only serves to add more is freed. */
extern void hnr_mem_graph_complete(HnrMemGraph *graph);

/* Has the vectors as floats from now on. */
extern void hnr_mem_graph_to_floats(HnrMemGraph *graph);

/* Bytes held. */
extern Size hnr_mem_graph_size(const HnrMemGraph *graph);

/* Counts the heap TIDs of a node, one by one. */
extern uint32 hnr_mem_graph_rows(const HnrMemGraph *graph, uint32 node);

/* Copies a node's vector. */
extern void hnr_mem_graph_decode(const HnrMemGraph *graph, uint32 node, float *vec);

static inline HnrMemNode *
hnr_mem_graph_node(const HnrMemGraph *graph, uint32 node)
{
	return hnr_array_at(&graph->nodes, node);
}

static inline HnrMemTid *
hnr_mem_graph_tid(const HnrMemGraph *graph, uint32 i)
{
	return hnr_array_at(&graph->tids, i);
}

/* A node's vector as it is encoded. */
static inline char *
hnr_mem_graph_encoded(const HnrMemGraph *graph, uint32 node)
{
	char	   *at = hnr_array_at(&graph->vectors, node);

	return graph->varying ? *(char **) at : at;
}

/*
 * Whether all vectors are bytes that stand for coordinates by the same scale, so that bytes
 * can be compared with bytes.  Looks at every node, once for the nodes that there are.
 */
extern bool hnr_mem_graph_bytes_alike(HnrMemGraph *graph);

/* Only where vectors are floats here. */
static inline const float *
hnr_mem_graph_floats(const HnrMemGraph *graph, uint32 node)
{
	Assert(graph->encoding == HNR_ENCODING_FLOAT);
	return (const float *) hnr_mem_graph_encoded(graph, node);
}

static inline HnrMemEdges *
hnr_mem_graph_edges(const HnrMemGraph *graph, uint32 node, int level)
{
	if (level == 0)
		return hnr_array_at(&graph->ground, node);
	Assert(level <= hnr_mem_graph_node(graph, node)->level);
	return hnr_array_at(&graph->upper, hnr_mem_graph_node(graph, node)->upper + level - 1);
}

/*
 * A random level for a new vertex: HNR_LEVEL_FACTOR m to the power of -level of all
 * reach it.
 */
#define HNR_LEVEL_FACTOR 4

extern int	hnr_random_level(int m);

#endif							/* HNR_STORE_MEM_H */
