/*-------------------------------------------------------------------------
 *
 * adopt.c
 *		Vertices that no path leads to, in a graph in memory.
 *
 * Pruning full lists can leave a node, or several that hang together, without any
 * edge from the rest of the graph; no search would find them.  A walk through the
 * ground level from the entry point makes a tree of what can be reached.  What it
 * does not come to gets an edge from one of its own neighbours that is in the tree:
 * the nearest that has room, else in the place of the farthest that is no edge of the
 * tree, so that nothing is lost by it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/adopt.h"
#include "miscadmin.h"

/* Nodes to look at for the nearest to a part that leads to none of the others. */
#define SAMPLE 1000

typedef struct Adoption
{
	const HnrIndex *index;
	HnrMemGraph *graph;
	uint32		n;
	uint32	   *parent;			/* in the tree, by node; HNR_MEM_NONE: not reached */
	uint32	   *queue;			/* nodes reached, in that order */
	uint32		nreached;
} Adoption;

static HnrMemEdges *
edges_of(Adoption *a, uint32 node)
{
	return hnr_mem_graph_node(a->graph, node)->edges;
}

/* Adds a node and whatever it leads to to the tree. */
static void
reach(Adoption *a, uint32 node, uint32 parent)
{
	uint32		next = a->nreached;

	a->parent[node] = parent;
	a->queue[a->nreached++] = node;
	for (; next < a->nreached; next++)
	{
		HnrMemEdges *edges = edges_of(a, a->queue[next]);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < edges->count; i++)
		{
			uint32		to = edges->edge[i].node;

			if (a->parent[to] != HNR_MEM_NONE)
				continue;
			a->parent[to] = a->queue[next];
			a->queue[a->nreached++] = to;
		}
	}
}

/* The place of the farthest neighbour of a node that the tree does not need, or -1. */
static int
spare_edge(Adoption *a, uint32 node)
{
	HnrMemEdges *edges = edges_of(a, node);
	int			spare = -1;

	for (int i = 0; i < edges->count; i++)
		if (a->parent[edges->edge[i].node] != node &&
			(spare < 0 || edges->edge[i].distance > edges->edge[spare].distance))
			spare = i;
	return spare;
}

/* An edge to a node from one in the tree; false if that has none to spare. */
static bool
adopt(Adoption *a, uint32 node, const HnrMemEdge *to_parent)
{
	HnrMemEdges *edges = edges_of(a, to_parent->node);
	int			place = edges->count;

	if (place < a->index->layout.ground.slots)
		edges->count++;
	else
		place = spare_edge(a, to_parent->node);
	if (place < 0)
		return false;
	edges->edge[place].node = node;
	edges->edge[place].distance = to_parent->distance;
	reach(a, node, to_parent->node);
	return true;
}

/* Joins a node to one of its own neighbours. */
static bool
join_to_neighbor(Adoption *a, uint32 node)
{
	HnrMemEdges *edges = edges_of(a, node);

	/* they are written in this order anyway */
	qsort(edges->edge, edges->count, sizeof(HnrMemEdge), hnr_mem_compare_edges);
	for (int full = 0; full <= 1; full++)
		for (int i = 0; i < edges->count; i++)
		{
			uint32		parent = edges->edge[i].node;

			if (a->parent[parent] != HNR_MEM_NONE &&
				(full || edges_of(a, parent)->count < a->index->layout.ground.slots) &&
				adopt(a, node, &edges->edge[i]))
				return true;
		}
	return false;
}

/* Joins a node to the nearest of some in the tree that have an edge to give. */
static bool
join_to_any(Adoption *a, uint32 node)
{
	const float *vec = hnr_mem_graph_node(a->graph, node)->vec;
	uint32		step = Max(a->nreached / SAMPLE, 1);
	HnrMemEdge	best = {HNR_MEM_NONE, 0};

	for (uint32 i = 0; i < a->nreached; i += step)
	{
		uint32		parent = a->queue[i];
		float		d = hnr_metric_distance(a->index->metric, a->index->layout.dims, vec,
											hnr_mem_graph_node(a->graph, parent)->vec);

		if ((best.node == HNR_MEM_NONE || d < best.distance) &&
			(edges_of(a, parent)->count < a->index->layout.ground.slots ||
			 spare_edge(a, parent) >= 0))
		{
			best.node = parent;
			best.distance = d;
		}
	}
	return best.node != HNR_MEM_NONE && adopt(a, node, &best);
}

void
hnr_adopt_orphans(const HnrIndex *index, HnrMemGraph *graph)
{
	uint32		n = hnr_mem_graph_count(graph);
	Adoption	a = {.index = index,.graph = graph,.n = n};
	uint32		entry;
	int			level;

	if (!hnr_mem_graph_entry(graph, &entry, &level))
		return;
	a.parent = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	a.queue = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < n; i++)
		a.parent[i] = HNR_MEM_NONE;
	reach(&a, entry, entry);
	/* first those that lead to what is reached: they may lead to the others as well */
	for (int any = 0; any <= 1; any++)
		for (uint32 i = 0; i < n && a.nreached < n; i++)
			if (a.parent[i] == HNR_MEM_NONE && !join_to_neighbor(&a, i) && any)
				join_to_any(&a, i);
	pfree(a.queue);
	pfree(a.parent);
}
