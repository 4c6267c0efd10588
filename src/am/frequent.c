/*-------------------------------------------------------------------------
 *
 * frequent.c
 *		More links to vertices of many rows, in a graph in memory.
 *
 * Rows with equal vectors are one vertex, with as many links as that of a single row.  But as
 * far as queries are like rows it is looked for that much more often, and a search that misses it
 * misses all that it should return.  So for each doubling of its rows, beyond what vertices have in
 * the mean, as many links as a quarter of m are to lead to it, from the vertices that a search
 * finds nearest to it.  These give up the last link of their list that leads to one with more than
 * it should have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/frequent.h"
#include "am/grow.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* What a search takes at least (us), for the throttle. */
#define FIND_US		20

typedef struct Frequent
{
	HnrMemGraph *graph;
	uint8	   *wanted;			/* by node: links that are to lead to it, 1 where its rows are few */
	uint16	   *leading;		/* links that do, up to PG_UINT16_MAX */
} Frequent;

int
hnr_frequent_links(const HnrMemGraph *graph, uint32 node, double mean)
{
	int			step = (graph->index->meta.m + 3) / 4;
	int			links = 0;

	for (double rows = hnr_mem_graph_rows(graph, node); rows >= 2 * mean; rows /= 2)
		links += step;
	return links;
}

/* Returns for how many nodes this is so. */
static uint32
count_wanted(Frequent *f)
{
	double		mean = (double) f->graph->ntids / f->graph->nnodes;
	uint32		frequent = 0;

	for (uint32 i = 0; i < f->graph->nnodes; i++)
	{
		int			wanted = hnr_frequent_links(f->graph, i, mean);

		CHECK_FOR_INTERRUPTS();
		frequent += wanted > 0;
		f->wanted[i] = Min(Max(wanted, 1), PG_UINT8_MAX);
	}
	return frequent;
}

static void
count_leading(Frequent *f)
{
	for (uint32 i = 0; i < f->graph->nnodes; i++)
	{
		const HnrMemEdges *edges = hnr_mem_graph_edges(f->graph, i, 0);

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < edges->count; j++)
		{
			uint16	   *leading = &f->leading[edges->edge[j].node];

			*leading += *leading < PG_UINT16_MAX;
		}
	}
}

/* A place in a list for another link, or -1: it has room, or one that can be spared. */
static int
find_place(Frequent *f, HnrMemEdges *edges)
{
	int			place = edges->count - 1;

	if (edges->count < f->graph->index->layout.ground.slots)
		return edges->count++;
	while (place >= 0 && f->leading[edges->edge[place].node] <= f->wanted[edges->edge[place].node])
		place--;
	if (place >= 0)
		f->leading[edges->edge[place].node]--;
	return place;
}

static void
lead_to(Frequent *f, uint32 node, const HnrCandidate *from)
{
	HnrMemEdges *edges = hnr_mem_graph_edges(f->graph, (uint32) from->id, 0);
	int			place;

	for (int i = 0; i < edges->count; i++)
		if (edges->edge[i].node == node)
			return;
	place = find_place(f, edges);
	if (place < 0)
		return;
	edges->edge[place].node = node;
	edges->edge[place].distance = from->distance;
	f->leading[node]++;
}

static void
link_all(Frequent *f)
{
	HnrGrowth  *growth = hnr_growth_create_to_search(f->graph);

	for (uint32 i = 0; i < f->graph->nnodes; i++)
	{
		HnrCandidate *found;
		int			n;

		if (f->wanted[i] == 1 || f->leading[i] >= f->wanted[i])
			continue;
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(FIND_US);
		n = hnr_growth_find(growth, i, &found);
		for (int j = 0; j < n && f->leading[i] < f->wanted[i]; j++)
			if (found[j].id != i)
				lead_to(f, i, &found[j]);
	}
}

void
hnr_link_frequent(HnrMemGraph *graph)
{
	MemoryContext context;
	MemoryContext old;
	Frequent	f = {.graph = graph};

	if (graph->entry_level < 0 || graph->ntids == graph->nnodes)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw frequent vectors", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	f.wanted = palloc_extended(sizeof(uint8) * graph->nnodes, MCXT_ALLOC_HUGE);
	if (count_wanted(&f) > 0)
	{
		f.leading = palloc_extended(sizeof(uint16) * graph->nnodes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		count_leading(&f);
		link_all(&f);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
