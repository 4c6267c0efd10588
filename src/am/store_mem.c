/*-------------------------------------------------------------------------
 *
 * store_mem.c
 *		The graph in memory, as a store, and insertion into it.
 *
 * Insertion is Malkov & Yashunin's algorithm 1 on exact distances.  Edges keep
 * their distance, so that pruning a full list measures pairs of neighbours only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/search.h"
#include "am/select.h"
#include "am/store_mem.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define NODES_PER_CHUNK 256

struct HnrMemGraph
{
	HnrStore	store;
	HnrIndex   *index;
	MemoryContext context;
	HnrMemNode *nodes;
	uint32		nnodes;
	uint32		maxnodes;
	float	   *vec_chunk;		/* of the last NODES_PER_CHUNK nodes */
	char	   *edge_chunk;
	HnrMemTid  *tids;
	uint32		ntids;
	uint32		maxtids;
	uint32	   *by_vector;		/* hash table of nodes by their vector */
	uint32		by_vector_mask;
	uint32	   *seen;			/* by node: the round that saw it */
	uint32		round;
	uint32		entry;
	int			entry_level;	/* -1: empty */
	Size		ground_size;	/* bytes of a node's HnrMemEdges, by level */
	Size		upper_size;
	const float *query;
	HnrSearch  *search;
	float	   *distances;		/* scratch for selection */
	uint32	   *candidates;
	int		   *chosen;
};

int
hnr_random_level(int m)
{
	double		u = 1.0 - pg_prng_double(&pg_global_prng_state);	/* (0, 1] */
	int			level = (int) (-log(u) / log(HNR_LEVEL_FACTOR * m));

	return Min(level, HNR_MAX_LEVEL);
}

HnrMemNode *
hnr_mem_graph_node(const HnrMemGraph *graph, uint32 node)
{
	Assert(node < graph->nnodes);
	return &graph->nodes[node];
}

HnrMemEdges *
hnr_mem_graph_edges(const HnrMemGraph *graph, const HnrMemNode *node, int level)
{
	Assert(level <= node->level);
	if (level == 0)
		return node->edges;
	return (HnrMemEdges *) ((char *) node->edges + graph->ground_size +
							(level - 1) * graph->upper_size);
}

uint32
hnr_mem_graph_count(const HnrMemGraph *graph)
{
	return graph->nnodes;
}

const HnrMemTid *
hnr_mem_graph_tid(const HnrMemGraph *graph, uint32 i)
{
	return &graph->tids[i];
}

bool
hnr_mem_graph_entry(const HnrMemGraph *graph, uint32 *node, int *level)
{
	*node = graph->entry;
	*level = graph->entry_level;
	return graph->entry_level >= 0;
}

Size
hnr_mem_graph_size(const HnrMemGraph *graph)
{
	return MemoryContextMemAllocated(graph->context, true);
}

static void
mem_begin(HnrStore *store)
{
	HnrMemGraph *graph = (HnrMemGraph *) store;

	if (++graph->round == 0)
	{
		memset(graph->seen, 0, sizeof(uint32) * graph->maxnodes);
		graph->round = 1;
	}
}

static bool
mem_mark(HnrStore *store, HnrNodeId node)
{
	HnrMemGraph *graph = (HnrMemGraph *) store;

	if (graph->seen[node] == graph->round)
		return false;
	graph->seen[node] = graph->round;
	return true;
}

static float
distance_to(HnrMemGraph *graph, const float *a, uint32 node)
{
	return hnr_metric_distance(graph->index->metric, graph->index->layout.dims,
							   a, graph->nodes[node].vec);
}

/* Cache lines of a vector worth fetching ahead; the hardware follows from there. */
#define PREFETCH_LINES 4

static void
prefetch_vector(const float *vec)
{
	for (int i = 0; i < PREFETCH_LINES; i++)
		__builtin_prefetch((const char *) vec + i * 64);
}

static HnrVisit
mem_visit(HnrStore *store, HnrNodeId node, int level, HnrCandidate *neighbors)
{
	HnrMemGraph *graph = (HnrMemGraph *) store;
	HnrMemNode *n = hnr_mem_graph_node(graph, node);
	HnrMemEdges *edges = hnr_mem_graph_edges(graph, n, level);
	HnrVisit	visit = {.present = true,.live = true,.ref = (uint32) node};

	visit.distance = distance_to(graph, graph->query, node);
	for (int i = 0; i < edges->count; i++)
	{
		uint32		other = edges->edge[i].node;

		if (!mem_mark(store, other))
			continue;
		prefetch_vector(graph->nodes[other].vec);
		neighbors[visit.nneighbors++].id = other;
	}
	for (int i = 0; i < visit.nneighbors; i++)
		neighbors[i].distance = distance_to(graph, graph->query, neighbors[i].id);
	return visit;
}

static HnrNodeId
mem_down(HnrStore *store, const HnrCandidate *found)
{
	return found->id;
}

HnrMemGraph *
hnr_mem_graph_create(HnrIndex *index)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrMemGraph *graph = palloc0(sizeof(HnrMemGraph));
	int			ground = index->layout.ground.slots;
	int			upper = index->layout.upper.slots;
	int			most = Max(Max(ground, upper) + 1, index->meta.ef_construction * 4);

	graph->store.max_neighbors = Max(ground, upper);
	graph->store.begin = mem_begin;
	graph->store.mark = mem_mark;
	graph->store.visit = mem_visit;
	graph->store.down = mem_down;
	graph->index = index;
	graph->context = context;
	graph->entry_level = -1;
	graph->ground_size = offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * ground;
	graph->upper_size = offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * upper;
	graph->search = hnr_search_create(&graph->store, index->meta.ef_construction);
	graph->distances = palloc(sizeof(float) * most);
	graph->candidates = palloc(sizeof(uint32) * most);
	graph->chosen = palloc(sizeof(int) * most);
	MemoryContextSwitchTo(old);
	return graph;
}

void
hnr_mem_graph_free(HnrMemGraph *graph)
{
	MemoryContextDelete(graph->context);
}

/* Grows an array of the graph to hold one more than used, doubling. */
static void *
grow(HnrMemGraph *graph, void *array, uint32 used, uint32 *max, Size size)
{
	uint32		old = *max;
	void	   *grown;

	if (used < old)
		return array;
	*max = Max(old * 2, 1024);
	grown = MemoryContextAllocExtended(graph->context, size * *max,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (array)
	{
		memcpy(grown, array, size * old);
		pfree(array);
	}
	return grown;
}

/* The hash table's place for a vector: its node's, or an empty one. */
static uint32 *
vector_place(HnrMemGraph *graph, const float *vec)
{
	Size		size = sizeof(float) * graph->index->layout.dims;
	uint32		i = hash_bytes((const unsigned char *) vec, size) & graph->by_vector_mask;

	while (graph->by_vector[i] != HNR_MEM_NONE &&
		   memcmp(graph->nodes[graph->by_vector[i]].vec, vec, size) != 0)
		i = (i + 1) & graph->by_vector_mask;
	return &graph->by_vector[i];
}

static void
grow_vector_table(HnrMemGraph *graph)
{
	uint32		size = graph->by_vector ? (graph->by_vector_mask + 1) * 2 : 2048;

	if (graph->by_vector)
		pfree(graph->by_vector);
	graph->by_vector = MemoryContextAllocHuge(graph->context, sizeof(uint32) * (Size) size);
	memset(graph->by_vector, 0xFF, sizeof(uint32) * (Size) size);
	graph->by_vector_mask = size - 1;
	for (uint32 i = 0; i < graph->nnodes; i++)
		*vector_place(graph, graph->nodes[i].vec) = i;
}

static void
add_row(HnrMemGraph *graph, HnrMemNode *node, const HnrRow *row)
{
	graph->tids = grow(graph, graph->tids, graph->ntids, &graph->maxtids, sizeof(HnrMemTid));
	graph->tids[graph->ntids].tid = row->tid;
	graph->tids[graph->ntids].next = node->first_tid;
	node->first_tid = graph->ntids++;
	node->error = Max(node->error, row->error);
}

/* Adds a node without edges. */
static uint32
add_node(HnrMemGraph *graph, const float *vec, int level)
{
	int			dims = graph->index->layout.dims;
	uint32		in_chunk = graph->nnodes % NODES_PER_CHUNK;
	uint32		max = graph->maxnodes;
	HnrMemNode *node;

	graph->nodes = grow(graph, graph->nodes, graph->nnodes, &graph->maxnodes, sizeof(HnrMemNode));
	graph->seen = grow(graph, graph->seen, graph->nnodes, &max, sizeof(uint32));
	if (in_chunk == 0)
	{
		graph->vec_chunk = MemoryContextAllocHuge(graph->context,
												  sizeof(float) * (Size) dims * NODES_PER_CHUNK);
		graph->edge_chunk = MemoryContextAllocHuge(graph->context,
												   graph->ground_size * NODES_PER_CHUNK);
	}
	node = &graph->nodes[graph->nnodes];
	node->vec = graph->vec_chunk + (Size) in_chunk * dims;
	memcpy(node->vec, vec, sizeof(float) * dims);
	node->level = level;
	node->first_tid = HNR_MEM_NONE;
	node->error = 0;
	if (level == 0)
		node->edges = (HnrMemEdges *) (graph->edge_chunk + in_chunk * graph->ground_size);
	else
		node->edges = MemoryContextAlloc(graph->context,
										 graph->ground_size + level * graph->upper_size);
	for (int l = 0; l <= level; l++)
		hnr_mem_graph_edges(graph, node, l)->count = 0;
	return graph->nnodes++;
}

static float
pair_distance(void *context, int i, int j)
{
	HnrMemGraph *graph = context;

	return distance_to(graph, graph->nodes[graph->candidates[i]].vec, graph->candidates[j]);
}

/*
 * Adds an edge from a node whose list is full: of its neighbours and the new one,
 * keeps the best.
 */
static void
prune(HnrMemGraph *graph, HnrMemEdges *edges, HnrMemEdge added, int max)
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
		graph->candidates[i] = all[i].node;
		graph->distances[i] = all[i].distance;
	}
	n = hnr_select_neighbors(graph->distances, n, max, pair_distance, graph, graph->chosen);
	for (int i = 0; i < n; i++)
		edges->edge[i] = all[graph->chosen[i]];
	edges->count = n;
	pfree(all);
}

static void
add_edge(HnrMemGraph *graph, uint32 from, uint32 to, float distance, int level)
{
	HnrMemEdges *edges = hnr_mem_graph_edges(graph, hnr_mem_graph_node(graph, from), level);
	int			max = hnr_layout_shape(&graph->index->layout, level)->slots;
	HnrMemEdge	added = {.node = to,.distance = distance};

	if (edges->count < max)
		edges->edge[edges->count++] = added;
	else
		prune(graph, edges, added, max);
}

/* Chooses the new node's neighbours from what the search found; links both ways. */
static void
connect(HnrMemGraph *graph, uint32 node, int level, const HnrCandidate *found, int n)
{
	/* a new vertex takes m at every level and leaves the rest to later ones */
	int			max = hnr_new_degree(&graph->index->layout, level, graph->index->meta.m);
	HnrMemEdges *edges = hnr_mem_graph_edges(graph, hnr_mem_graph_node(graph, node), level);

	n = Min(n, graph->index->meta.ef_construction);
	for (int i = 0; i < n; i++)
	{
		graph->candidates[i] = (uint32) found[i].id;
		graph->distances[i] = found[i].distance;
	}
	n = hnr_select_neighbors(graph->distances, n, max, pair_distance, graph, graph->chosen);
	for (int i = 0; i < n; i++)
	{
		edges->edge[i].node = (uint32) found[graph->chosen[i]].id;
		edges->edge[i].distance = found[graph->chosen[i]].distance;
	}
	edges->count = n;
	for (int i = 0; i < n; i++)
		add_edge(graph, edges->edge[i].node, node, edges->edge[i].distance, level);
}

static void
insert_node(HnrMemGraph *graph, uint32 node)
{
	HnrMemNode *n = hnr_mem_graph_node(graph, node);
	HnrCandidate entries[HNR_DESCENT_WIDTH];
	int			nentries;
	int			top = Min(n->level, graph->entry_level);

	graph->query = n->vec;
	nentries = hnr_search_descend(graph->search, graph->entry, graph->entry_level, top, entries);
	if (nentries == 1)
		entries[0].distance = distance_to(graph, graph->query, entries[0].id);
	for (int level = top; level >= 0; level--)
	{
		HnrCandidate *found;
		int			nfound = hnr_search_run(graph->search, entries, nentries, level,
											graph->index->meta.ef_construction, &found);

		nentries = Min(nfound, HNR_DESCENT_WIDTH);
		memcpy(entries, found, sizeof(HnrCandidate) * nentries);
		connect(graph, node, level, found, nfound);
	}
}

void
hnr_mem_graph_add(HnrMemGraph *graph, const HnrRow *row)
{
	uint32	   *place;
	uint32		node;
	int			level;

	if (graph->by_vector == NULL || graph->nnodes > graph->by_vector_mask / 2)
		grow_vector_table(graph);
	place = vector_place(graph, row->vec);
	if (*place != HNR_MEM_NONE)
	{
		add_row(graph, &graph->nodes[*place], row);
		return;
	}
	level = hnr_random_level(graph->index->meta.m);
	node = add_node(graph, row->vec, level);
	*place = node;
	add_row(graph, &graph->nodes[node], row);
	if (graph->entry_level >= 0)
		insert_node(graph, node);
	if (level > graph->entry_level)
	{
		graph->entry = node;
		graph->entry_level = level;
	}
}

int
hnr_mem_compare_edges(const void *a, const void *b)
{
	float		x = ((const HnrMemEdge *) a)->distance;
	float		y = ((const HnrMemEdge *) b)->distance;

	return (x > y) - (x < y);
}
