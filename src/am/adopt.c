/*-------------------------------------------------------------------------
 *
 * adopt.c
 *		Vertices that no path leads to, in a graph in memory.
 *
 * Pruning full lists can leave a node, or several that hang together, without any
 * edge from the rest of the graph; no search would find them.  A walk through the
 * ground level from the entry point makes a tree of what can be reached.  What it
 * does not come to gets an edge from a node in the tree: one of its own neighbours that
 * has room, else one of theirs, else one of its own in the place of the farthest that is
 * no edge of the tree, so that nothing is lost by it.
 *
 * Under the inner product half of the nodes may be short vectors that nothing leads to,
 * and the neighbours of all of them the same few long ones.  These lose no edge to short
 * ones while anything else has room: all searches go through them.
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
	float	   *vec;			/* scratch */
	float	   *parent_vec;
} Adoption;

static HnrMemEdges *
edges_of(Adoption *a, uint32 node)
{
	return hnr_mem_graph_edges(a->graph, node, 0);
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

static bool
in_tree(Adoption *a, uint32 node)
{
	return a->parent[node] != HNR_MEM_NONE;
}

static bool
has_room(Adoption *a, uint32 node)
{
	return edges_of(a, node)->count < a->index->layout.ground.slots;
}

/* Takes another parent if it is nearer. */
static void
consider(Adoption *a, uint32 node, uint32 parent, HnrMemEdge *best)
{
	float		d;

	hnr_mem_graph_decode(a->graph, node, a->vec);
	hnr_mem_graph_decode(a->graph, parent, a->parent_vec);
	d = hnr_metric_distance(a->index->metric, a->index->layout.dims, a->vec, a->parent_vec);
	if (best->node == HNR_MEM_NONE || d < best->distance)
	{
		best->node = parent;
		best->distance = d;
	}
}

/* Joins a node to the nearest of its own neighbours, else of theirs, that has room. */
static bool
join_near(Adoption *a, uint32 node)
{
	HnrMemEdges *edges = edges_of(a, node);
	HnrMemEdge	best = {HNR_MEM_NONE, 0};

	/* they are written in this order anyway */
	qsort(edges->edge, edges->count, sizeof(HnrMemEdge), hnr_mem_compare_edges);
	for (int i = 0; i < edges->count; i++)
		if (in_tree(a, edges->edge[i].node) && has_room(a, edges->edge[i].node))
			return adopt(a, node, &edges->edge[i]);
	for (int i = 0; i < edges->count; i++)
	{
		HnrMemEdges *theirs = edges_of(a, edges->edge[i].node);

		for (int j = 0; j < theirs->count; j++)
			if (in_tree(a, theirs->edge[j].node) && has_room(a, theirs->edge[j].node))
				consider(a, node, theirs->edge[j].node, &best);
	}
	return best.node != HNR_MEM_NONE && adopt(a, node, &best);
}

/* Joins a node to the nearest of its neighbours, in the place of another. */
static bool
join_full(Adoption *a, uint32 node)
{
	HnrMemEdges *edges = edges_of(a, node);

	for (int i = 0; i < edges->count; i++)
		if (in_tree(a, edges->edge[i].node) && adopt(a, node, &edges->edge[i]))
			return true;
	return false;
}

/* Joins a node to the nearest of some in the tree that have room, or an edge to give. */
static bool
join_far(Adoption *a, uint32 node, bool full)
{
	uint32		step = Max(a->nreached / SAMPLE, 1);
	HnrMemEdge	best = {HNR_MEM_NONE, 0};

	for (uint32 i = node % step; i < a->nreached; i += step)
	{
		uint32		parent = a->queue[i];

		if (has_room(a, parent) || (full && spare_edge(a, parent) >= 0))
			consider(a, node, parent, &best);
	}
	return best.node != HNR_MEM_NONE && adopt(a, node, &best);
}

static bool
join(Adoption *a, uint32 node, bool far)
{
	if (join_near(a, node))
		return true;
	if (a->index->metric->kind != HNR_METRIC_IP)
		return join_full(a, node) || (far && join_far(a, node, true));
	return far && (join_far(a, node, false) || join_full(a, node) || join_far(a, node, true));
}

void
hnr_adopt_orphans(const HnrIndex *index, HnrMemGraph *graph)
{
	uint32		n = graph->nnodes;
	Adoption	a = {.index = index,.graph = graph,.n = n};

	if (graph->entry_level < 0)
		return;
	a.parent = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	a.queue = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	a.vec = palloc(sizeof(float) * index->layout.dims);
	a.parent_vec = palloc(sizeof(float) * index->layout.dims);
	for (uint32 i = 0; i < n; i++)
		a.parent[i] = HNR_MEM_NONE;
	reach(&a, graph->entry, graph->entry);
	/* first those that lead to what is reached: they may lead to the others as well */
	for (int far = 0; far <= 1; far++)
		for (uint32 i = 0; i < n && a.nreached < n; i++)
			if (!in_tree(&a, i))
				join(&a, i, far);
	pfree(a.vec);
	pfree(a.parent_vec);
	pfree(a.queue);
	pfree(a.parent);
}
