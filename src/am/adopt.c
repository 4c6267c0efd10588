/*-------------------------------------------------------------------------
 *
 * adopt.c
 *		Vertices that no edge leads to, in a graph in memory.
 *
 * Pruning full lists can leave a node without any edge to it; no search would find
 * it.  Each gets one from the nearest of its own neighbours that has room, or an edge
 * to a node that others lead to as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/adopt.h"
#include "miscadmin.h"

typedef struct Adoption
{
	const HnrIndex *index;
	HnrMemGraph *graph;
	uint16	   *in_degree;		/* by node, at the ground level */
} Adoption;

/* The farthest neighbour that other edges lead to as well, or -1. */
static int
spare_edge(const HnrMemEdges *edges, const uint16 *in_degree)
{
	int			spare = -1;

	for (int i = 0; i < edges->count; i++)
		if (in_degree[edges->edge[i].node] > 1 &&
			(spare < 0 || edges->edge[i].distance > edges->edge[spare].distance))
			spare = i;
	return spare;
}

/* An edge from a neighbour to the orphan; false if it has none to spare. */
static bool
adopt(Adoption *a, uint32 orphan, const HnrMemEdge *to_parent)
{
	HnrMemEdges *edges = hnr_mem_graph_node(a->graph, to_parent->node)->edges;
	int			place = edges->count;

	if (place == a->index->layout.ground.slots)
	{
		place = spare_edge(edges, a->in_degree);
		if (place < 0)
			return false;
		a->in_degree[edges->edge[place].node]--;
	}
	else
		edges->count++;
	edges->edge[place].node = orphan;
	edges->edge[place].distance = to_parent->distance;
	a->in_degree[orphan]++;
	return true;
}

void
hnr_adopt_orphans(const HnrIndex *index, HnrMemGraph *graph)
{
	uint32		n = hnr_mem_graph_count(graph);
	Adoption	a = {.index = index,.graph = graph};

	a.in_degree = palloc_extended(sizeof(uint16) * Max(n, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < n; i++)
	{
		HnrMemEdges *edges = hnr_mem_graph_node(graph, i)->edges;

		for (int j = 0; j < edges->count; j++)
			if (a.in_degree[edges->edge[j].node] < PG_UINT16_MAX)
				a.in_degree[edges->edge[j].node]++;
	}
	for (uint32 i = 0; i < n; i++)
	{
		HnrMemEdges *edges = hnr_mem_graph_node(graph, i)->edges;

		CHECK_FOR_INTERRUPTS();
		if (a.in_degree[i] > 0)
			continue;
		/* they are written in this order anyway */
		qsort(edges->edge, edges->count, sizeof(HnrMemEdge), hnr_mem_compare_edges);
		for (int j = 0; j < edges->count; j++)
			if (adopt(&a, i, &edges->edge[j]))
				break;
	}
	pfree(a.in_degree);
}
