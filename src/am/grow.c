/*-------------------------------------------------------------------------
 *
 * grow.c
 *		Making the graph in memory row by row.
 *
 * Insertion is Malkov & Yashunin's algorithm 1 on exact distances.  Edges keep
 * their distance, so that pruning a full list measures pairs of neighbours only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/grow.h"
#include "am/search.h"
#include "am/select.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* What a node takes at least (us), for the throttle. */
#define LINK_US		20

struct HnrGrowth
{
	HnrStore	store;
	HnrMemGraph *graph;
	uint32	   *seen;			/* by node: the round that saw it */
	uint32		maxseen;
	uint32		round;
	int			lowest;			/* level */
	float	   *upper;			/* vectors of nodes above the ground, by the place of their edges */
	float	   *decoded;		/* to search a graph of another encoding: a node's vector, and the query */
	const float *query;
	HnrSearch  *search;
	float	   *distances;		/* scratch for selection */
	uint32	   *candidates;
	int		   *chosen;
};

static void
mem_begin(HnrStore *store)
{
	HnrGrowth  *g = (HnrGrowth *) store;

	if (++g->round == 0)
	{
		memset(g->seen, 0, sizeof(uint32) * g->maxseen);
		g->round = 1;
	}
}

static bool
mem_mark(HnrStore *store, HnrNodeId node)
{
	HnrGrowth  *g = (HnrGrowth *) store;

	if (g->seen[node] == g->round)
		return false;
	g->seen[node] = g->round;
	return true;
}

static const float *
vector_of(HnrGrowth *g, uint32 node)
{
	if (g->upper)
		return g->upper + (Size) hnr_mem_graph_node(g->graph, node)->upper *
			g->graph->index->layout.dims;
	if (g->decoded == NULL)
		return hnr_mem_graph_floats(g->graph, node);
	hnr_mem_graph_decode(g->graph, node, g->decoded);
	return g->decoded;
}

static float
distance_to(HnrGrowth *g, const float *a, uint32 node)
{
	return hnr_metric_distance(g->graph->index->metric, g->graph->index->layout.dims,
							   a, vector_of(g, node));
}

/* Cache lines of a vector worth fetching ahead; the hardware follows from there. */
#define PREFETCH_LINES 4

static void
prefetch_vector(HnrGrowth *g, uint32 node)
{
	const char *vec = g->upper ? (const char *) vector_of(g, node) : hnr_mem_graph_encoded(g->graph, node);

	for (int i = 0; i < PREFETCH_LINES; i++)
		__builtin_prefetch(vec + i * 64);
}

static HnrVisit
mem_visit(HnrStore *store, HnrNodeId node, int level, HnrCandidate *neighbors)
{
	HnrGrowth  *g = (HnrGrowth *) store;
	HnrMemEdges *edges = hnr_mem_graph_edges(g->graph, (uint32) node, level);
	HnrVisit	visit = {.present = true,.live = true,.ref = (uint32) node};

	visit.distance = distance_to(g, g->query, node);
	for (int i = 0; i < edges->count; i++)
	{
		uint32		other = edges->edge[i].node;

		if (!mem_mark(store, other))
			continue;
		prefetch_vector(g, other);
		neighbors[visit.nneighbors++].id = other;
	}
	for (int i = 0; i < visit.nneighbors; i++)
		neighbors[i].distance = distance_to(g, g->query, neighbors[i].id);
	return visit;
}

static HnrNodeId
mem_down(HnrStore *store, const HnrCandidate *found)
{
	return found->id;
}

HnrGrowth *
hnr_growth_create(HnrMemGraph *graph)
{
	HnrGrowth  *g = palloc0(sizeof(HnrGrowth));
	const HnrIndex *index = graph->index;
	int			slots = Max(index->layout.ground.slots, index->layout.upper.slots);
	int			most = Max(slots + 1, index->meta.ef_construction * 4);

	g->store.max_neighbors = slots;
	g->store.products = index->metric->kind == HNR_METRIC_IP;
	g->store.begin = mem_begin;
	g->store.mark = mem_mark;
	g->store.visit = mem_visit;
	g->store.down = mem_down;
	g->graph = graph;
	g->search = hnr_search_create(&g->store, index->meta.ef_construction);
	g->distances = palloc(sizeof(float) * most);
	g->candidates = palloc(sizeof(uint32) * most);
	g->chosen = palloc(sizeof(int) * most);
	return g;
}

static float
pair_distance(void *context, int i, int j)
{
	HnrGrowth  *g = context;

	return distance_to(g, vector_of(g, g->candidates[i]), g->candidates[j]);
}

/*
 * Adds an edge from a node whose list is full: of its neighbours and the new one,
 * keeps the best.
 */
static void
prune(HnrGrowth *g, HnrMemEdges *edges, HnrMemEdge added, int max)
{
	HnrMemEdge *all = palloc(sizeof(HnrMemEdge) * (max + 1));
	int			n;

	/* insertion sort by distance: lists are short and nearly in order */
	for (n = 0; n <= max; n++)
	{
		HnrMemEdge	e = n < max ? edges->edge[n] : added;
		int			i = n;

		for (; i > 0 && all[i - 1].distance > e.distance; i--)
			all[i] = all[i - 1];
		all[i] = e;
	}
	for (int i = 0; i < n; i++)
	{
		g->candidates[i] = all[i].node;
		g->distances[i] = all[i].distance;
	}
	n = hnr_select_neighbors(g->distances, n, max, pair_distance, g, g->chosen);
	for (int i = 0; i < n; i++)
		edges->edge[i] = all[g->chosen[i]];
	edges->count = n;
	pfree(all);
}

static void
add_edge(HnrGrowth *g, uint32 from, uint32 to, float distance, int level)
{
	HnrMemEdges *edges = hnr_mem_graph_edges(g->graph, from, level);
	int			max = hnr_layout_shape(&g->graph->index->layout, level)->slots;
	HnrMemEdge	added = {.node = to,.distance = distance};

	if (edges->count < max)
		edges->edge[edges->count++] = added;
	else
		prune(g, edges, added, max);
}

/* Chooses the new node's neighbours from what the search found; links both ways. */
static void
connect(HnrGrowth *g, uint32 node, int level, const HnrCandidate *found, int n)
{
	/* a new vertex takes m at every level and leaves the rest to later ones */
	int			max = hnr_new_degree(&g->graph->index->layout, level, g->graph->index->meta.m);
	HnrMemEdges *edges = hnr_mem_graph_edges(g->graph, node, level);

	n = Min(n, g->graph->index->meta.ef_construction);
	for (int i = 0; i < n; i++)
	{
		g->candidates[i] = (uint32) found[i].id;
		g->distances[i] = found[i].distance;
	}
	n = hnr_select_neighbors(g->distances, n, max, pair_distance, g, g->chosen);
	for (int i = 0; i < n; i++)
	{
		edges->edge[i].node = (uint32) found[g->chosen[i]].id;
		edges->edge[i].distance = found[g->chosen[i]].distance;
	}
	edges->count = n;
	for (int i = 0; i < n; i++)
		add_edge(g, edges->edge[i].node, node, edges->edge[i].distance, level);
}

/* Where to begin at a level; returns how many. */
static int
descend(HnrGrowth *g, int level, HnrCandidate *entries)
{
	const HnrMemGraph *graph = g->graph;
	int			n = hnr_search_descend(g->search, graph->entry, graph->entry_level, level, entries);

	if (n == 1)
		entries[0].distance = distance_to(g, g->query, (uint32) entries[0].id);
	return n;
}

static void
insert_node(HnrGrowth *g, uint32 node)
{
	HnrMemGraph *graph = g->graph;
	HnrCandidate entries[HNR_DESCENT_WIDE];
	int			nentries;
	int			top = Min(hnr_mem_graph_node(graph, node)->level, graph->entry_level);

	g->query = vector_of(g, node);
	nentries = descend(g, top, entries);
	for (int level = top; level >= g->lowest; level--)
	{
		HnrCandidate *found;
		int			nfound = hnr_search_run(g->search, entries, nentries, level,
											hnr_breadth(graph->index->meta.ef_construction), &found);

		nentries = Min(nfound, HNR_DESCENT_NARROW);
		memcpy(entries, found, sizeof(HnrCandidate) * nentries);
		connect(g, node, level, found, nfound);
	}
}

/* Room for a mark on each node, doubling. */
static void
reserve_seen(HnrGrowth *g, uint32 n)
{
	uint32		max = Max(g->maxseen, 1024);
	uint32	   *seen;

	if (n <= g->maxseen)
		return;
	while (max < n)
		max *= 2;
	seen = MemoryContextAllocExtended(GetMemoryChunkContext(g), sizeof(uint32) * (Size) max,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (g->seen)
	{
		memcpy(seen, g->seen, sizeof(uint32) * (Size) g->maxseen);
		pfree(g->seen);
	}
	g->seen = seen;
	g->maxseen = max;
}

void
hnr_growth_link(HnrGrowth *g, uint32 node)
{
	HnrMemGraph *graph = g->graph;
	int			level = hnr_mem_graph_node(graph, node)->level;

	/* which has one vector at a time, where pairs are to be compared */
	Assert(g->decoded == NULL);
	reserve_seen(g, graph->nnodes);
	if (graph->entry_level >= 0)
		insert_node(g, node);
	if (level > graph->entry_level)
	{
		graph->entry = node;
		graph->entry_level = level;
	}
}

HnrGrowth *
hnr_growth_create_to_search(HnrMemGraph *graph)
{
	HnrGrowth  *g = hnr_growth_create(graph);

	if (graph->encoding != HNR_ENCODING_FLOAT)
		g->decoded = palloc(sizeof(float) * 2 * graph->index->layout.dims);
	reserve_seen(g, graph->nnodes);
	return g;
}

int
hnr_growth_find(HnrGrowth *g, uint32 node, HnrCandidate **found)
{
	const HnrIndex *index = g->graph->index;
	HnrCandidate entries[HNR_DESCENT_WIDE];
	int			n;

	g->query = vector_of(g, node);
	if (g->decoded)
		g->query = memcpy(g->decoded + index->layout.dims, g->query, sizeof(float) * index->layout.dims);
	n = descend(g, 0, entries);
	n = hnr_search_run(g->search, entries, n, 0, hnr_breadth(index->meta.ef_construction), found);
	if (g->store.products && n > 0 && (*found)[0].distance < distance_to(g, g->query, node))
		return 0;
	return n;
}

Size
hnr_growth_upper_memory(const HnrIndex *index)
{
	return sizeof(uint32) +
		(sizeof(float) * index->layout.dims + sizeof(uint32)) / (HNR_LEVEL_FACTOR * index->meta.m - 1) + 1;
}

/*
 * The nodes above the ground, *n of them, in a random order: what is near each other often comes
 * together, from the table or a shard, and clusters that came one by one are hardly linked.
 */
static uint32 *
shuffled_upper(HnrMemGraph *graph, uint32 *n)
{
	uint32	   *nodes = palloc_extended(sizeof(uint32) * (Size) Max(graph->nupper, 1), MCXT_ALLOC_HUGE);

	*n = 0;
	for (uint32 i = 0; i < graph->nnodes; i++)
		if (hnr_mem_graph_node(graph, i)->level > 0)
		{
			uint32		at = (uint32) pg_prng_uint64_range(&graph->prng, 0, *n);

			nodes[(*n)++] = nodes[at];
			nodes[at] = i;
		}
	return nodes;
}

void
hnr_growth_link_upper(HnrMemGraph *graph)
{
	HnrGrowth  *g = hnr_growth_create(graph);
	int			dims = graph->index->layout.dims;
	uint32		n;
	uint32	   *nodes = shuffled_upper(graph, &n);

	g->lowest = 1;
	g->upper = palloc_extended(sizeof(float) * dims * (Size) Max(graph->nupper, 1), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < n; i++)
	{
		const HnrMemNode *node = hnr_mem_graph_node(graph, nodes[i]);

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(LINK_US);
		hnr_mem_graph_decode(graph, nodes[i], g->upper + (Size) node->upper * dims);
		hnr_growth_link(g, nodes[i]);
	}
	if (graph->entry_level < 0 && graph->nnodes > 0)
	{
		graph->entry = 0;
		graph->entry_level = 0;
	}
	pfree(nodes);
	pfree(g->upper);
	if (g->seen)
		pfree(g->seen);
	pfree(g);
}
