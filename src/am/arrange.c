/*-------------------------------------------------------------------------
 *
 * arrange.c
 *		Which vertices of a graph in memory share a page.
 *
 * A search ends among vertices that are near each other, so these should stand together:
 * it then asks for fewer different pages.  A page begins with the first node, in the
 * order of the rows, that has no place yet, and takes in nodes near it: its nearest
 * neighbours, then theirs.  What is left in the end, with no neighbour that is left as
 * well, fills pages as it comes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/arrange.h"
#include "miscadmin.h"

typedef struct Arrangement
{
	HnrMemGraph *graph;
	uint32	   *order;
	uint32		nplaced;
	bool	   *placed;			/* by node */
} Arrangement;

static void
place(Arrangement *a, uint32 node)
{
	a->placed[node] = true;
	a->order[a->nplaced++] = node;
}

/* Places the neighbours of a node that have no place yet, up to so many in all. */
static void
place_neighbors(Arrangement *a, uint32 node, uint32 end)
{
	HnrMemEdges *edges = hnr_mem_graph_edges(a->graph, node, 0);

	for (int i = 0; i < edges->count && a->nplaced < end; i++)
		if (!a->placed[edges->edge[i].node])
			place(a, edges->edge[i].node);
}

uint32 *
hnr_arrange_nodes(HnrMemGraph *graph, uint32 n, int per_page)
{
	Arrangement a = {.graph = graph};
	uint32		seed = 0;

	a.order = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	a.placed = palloc_extended(sizeof(bool) * graph->nnodes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	memset(a.placed + n, true, sizeof(bool) * (graph->nnodes - n));
	for (uint32 i = 0; i < n; i++)
	{
		HnrMemEdges *edges = hnr_mem_graph_edges(graph, i, 0);

		CHECK_FOR_INTERRUPTS();
		qsort(edges->edge, edges->count, sizeof(HnrMemEdge), hnr_mem_compare_edges);
	}
	while (a.nplaced < n)
	{
		uint32		first = a.nplaced;
		uint32		end = Min(first - first % per_page + per_page, n);

		CHECK_FOR_INTERRUPTS();
		while (a.placed[seed])
			seed++;
		place(&a, seed);
		for (uint32 i = first; i < a.nplaced && a.nplaced < end; i++)
			place_neighbors(&a, a.order[i], end);
	}
	pfree(a.placed);
	return a.order;
}
