/*-------------------------------------------------------------------------
 *
 * store_mem.c
 *		The graph in memory: rows come in, equal vectors share a node.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/store_mem.h"
#include "common/hashfn.h"
#include "utils/memutils.h"

static int
random_level(int m, pg_prng_state *prng)
{
	double		u = 1.0 - pg_prng_double(prng); /* (0, 1] */
	int			level = (int) (-log(u) / log(HNR_LEVEL_FACTOR * m));

	return Min(level, HNR_MAX_LEVEL);
}

int
hnr_random_level(int m)
{
	return random_level(m, &pg_global_prng_state);
}

static Size
edges_size(int slots)
{
	return offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * slots;
}

static HnrMemGraph *
new_graph(HnrIndex *index, bool floats, HnrArena *arena)
{
	HnrMemGraph *graph = palloc0(sizeof(HnrMemGraph));
	const HnrLayout *layout = &index->layout;

	graph->index = index;
	graph->encoding = floats ? HNR_ENCODING_FLOAT : layout->encoding;
	graph->vector_size = MAXALIGN(hnr_coordinates_size(graph->encoding, layout->dims));
	graph->encoded = palloc0(graph->vector_size);
	graph->entry_level = -1;
	graph->alike = -1;
	graph->arena = arena;
	if (layout->room > 0)
		graph->varying = GenerationContextCreate(CurrentMemoryContext, "hnsw vectors",
												 ALLOCSET_DEFAULT_SIZES);
	return graph;
}

HnrMemGraph *
hnr_mem_graph_create(HnrIndex *index, bool floats, HnrArena *arena)
{
	HnrMemGraph *graph = new_graph(index, floats, arena);

	hnr_array_init(&graph->nodes, arena, sizeof(HnrMemNode));
	hnr_array_init(&graph->vectors, arena, graph->varying ? sizeof(char *) : graph->vector_size);
	hnr_array_init(&graph->ground, arena, edges_size(index->layout.ground.slots));
	hnr_array_init(&graph->upper, arena, edges_size(index->layout.upper.slots));
	hnr_array_init(&graph->tids, arena, sizeof(HnrMemTid));
	/* the same rows make the same index */
	pg_prng_seed(&graph->prng, index->meta.seed);
	return graph;
}

HnrMemGraph *
hnr_mem_graph_attach(HnrIndex *index, HnrArena *arena)
{
	HnrMemGraph *graph = new_graph(index, false, arena);
	HnrArray   *arrays[HNR_MEM_ARRAYS] = {
		&graph->nodes, &graph->vectors, &graph->ground, &graph->upper, &graph->tids
	};

	for (int i = 0; i < HNR_MEM_ARRAYS; i++)
		hnr_array_attach(arrays[i], arena, i);
	return graph;
}

void
hnr_mem_graph_free(HnrMemGraph *graph)
{
	hnr_mem_graph_complete(graph);
	if (graph->varying)
		MemoryContextDelete(graph->varying);
	pfree(graph->encoded);
	pfree(graph);
}

void
hnr_mem_graph_complete(HnrMemGraph *graph)
{
	if (graph->by_vector)
		pfree(graph->by_vector);
	graph->by_vector = NULL;
	graph->by_vector_mask = 0;
}

Size
hnr_mem_graph_size(const HnrMemGraph *graph)
{
	Size		table = graph->by_vector ? sizeof(uint32) * ((Size) graph->by_vector_mask + 1) : 0;

	if (graph->varying)
		table += MemoryContextMemAllocated(graph->varying, true);
	return hnr_arena_size(graph->arena) + table;
}

uint32
hnr_mem_graph_rows(const HnrMemGraph *graph, uint32 node)
{
	uint32		n = 0;

	for (uint32 i = hnr_mem_graph_node(graph, node)->first_tid; i != HNR_MEM_NONE;
		 i = hnr_mem_graph_tid(graph, i)->next)
		n++;
	return n;
}

/* Bytes of a vector as it is encoded here. */
static Size
encoded_size(const HnrMemGraph *graph, const char *encoded)
{
	if (graph->varying)
		return sizeof(float) * hnr_layout_words(&graph->index->layout, (const float *) encoded);
	return graph->vector_size;
}

void
hnr_mem_graph_decode(const HnrMemGraph *graph, uint32 node, float *vec)
{
	if (graph->varying)
		memcpy(vec, hnr_mem_graph_encoded(graph, node),
			   encoded_size(graph, hnr_mem_graph_encoded(graph, node)));
	else
		hnr_stored_decode(graph->encoding, hnr_mem_graph_encoded(graph, node),
						  graph->index->layout.dims, hnr_mem_graph_node(graph, node)->scale, vec);
}

static bool
same_scale(HnrScale a, HnrScale b)
{
	return a.exponent == b.exponent && a.bias == b.bias;
}

bool
hnr_mem_graph_bytes_alike(HnrMemGraph *graph)
{
	if (graph->encoding != HNR_ENCODING_BYTE)
		return false;
	if (graph->alike >= 0)
		return graph->alike;
	graph->alike = true;
	for (uint32 i = 1; i < graph->nnodes && graph->alike; i++)
		graph->alike = same_scale(hnr_mem_graph_node(graph, i)->scale,
								  hnr_mem_graph_node(graph, 0)->scale);
	return graph->alike;
}

void
hnr_mem_graph_to_floats(HnrMemGraph *graph)
{
	HnrArray	floats;

	if (graph->encoding == HNR_ENCODING_FLOAT)
		return;
	hnr_array_init(&floats, graph->arena, sizeof(float) * graph->index->layout.dims);
	hnr_array_reserve(&floats, graph->nnodes);
	for (uint32 i = 0; i < graph->nnodes; i++)
		hnr_mem_graph_decode(graph, i, hnr_array_at(&floats, i));
	hnr_array_replace(&graph->vectors, &floats);
	graph->encoding = HNR_ENCODING_FLOAT;
}

static bool
same_vector(const HnrMemGraph *graph, uint32 node, const char *encoded, HnrScale scale)
{
	return same_scale(hnr_mem_graph_node(graph, node)->scale, scale) &&
		encoded_size(graph, hnr_mem_graph_encoded(graph, node)) == encoded_size(graph, encoded) &&
		memcmp(hnr_mem_graph_encoded(graph, node), encoded, encoded_size(graph, encoded)) == 0;
}

/* The hash table's place for a vector: its node's, or an empty one. */
static uint32 *
vector_place(HnrMemGraph *graph, const char *encoded, HnrScale scale)
{
	uint32		i = hash_bytes((const unsigned char *) encoded, encoded_size(graph, encoded));

	for (i &= graph->by_vector_mask; graph->by_vector[i] != HNR_MEM_NONE;
		 i = (i + 1) & graph->by_vector_mask)
		if (same_vector(graph, graph->by_vector[i], encoded, scale))
			break;
	return &graph->by_vector[i];
}

static void
grow_vector_table(HnrMemGraph *graph)
{
	uint32		size = graph->by_vector ? (graph->by_vector_mask + 1) * 2 : 2048;

	if (graph->by_vector)
		pfree(graph->by_vector);
	graph->by_vector = MemoryContextAllocHuge(GetMemoryChunkContext(graph),
											  sizeof(uint32) * (Size) size);
	memset(graph->by_vector, 0xFF, sizeof(uint32) * (Size) size);
	graph->by_vector_mask = size - 1;
	for (uint32 i = 0; i < graph->nnodes; i++)
		*vector_place(graph, hnr_mem_graph_encoded(graph, i),
					  hnr_mem_graph_node(graph, i)->scale) = i;
}

/* Makes a vector, as it is encoded, that of a node. */
static void
put_encoded(HnrMemGraph *graph, uint32 node, const char *encoded)
{
	Size		size = encoded_size(graph, encoded);
	char	   *to = hnr_array_at(&graph->vectors, node);

	if (graph->varying)
	{
		*(char **) to = MemoryContextAlloc(graph->varying, size);
		to = *(char **) to;
	}
	memcpy(to, encoded, size);
}

uint32
hnr_mem_graph_put(HnrMemGraph *graph, const char *encoded, HnrScale scale, int level, bool linked)
{
	uint32		n = graph->nnodes;
	HnrMemNode *node;

	hnr_array_reserve(&graph->nodes, n + 1);
	hnr_array_reserve(&graph->vectors, n + 1);
	if (linked)
		hnr_array_reserve(&graph->ground, n + 1);
	put_encoded(graph, n, encoded);
	node = hnr_mem_graph_node(graph, n);
	node->first_tid = HNR_MEM_NONE;
	node->error = 0;
	node->scale = scale;
	node->level = level;
	graph->alike = -1;
	node->upper = graph->nupper;
	graph->nupper += node->level;
	hnr_array_reserve(&graph->upper, graph->nupper);
	return graph->nnodes++;
}

void
hnr_mem_graph_add_tid(HnrMemGraph *graph, uint32 node, const ItemPointerData *tid, float error)
{
	HnrMemNode *n = hnr_mem_graph_node(graph, node);
	HnrMemTid  *t;

	hnr_array_reserve(&graph->tids, graph->ntids + 1);
	t = hnr_mem_graph_tid(graph, graph->ntids);
	t->tid = *tid;
	t->next = n->first_tid;
	n->first_tid = graph->ntids++;
	n->error = Max(n->error, error);
}

uint32
hnr_mem_graph_find(HnrMemGraph *graph, const char *encoded, HnrScale scale, bool linked)
{
	uint32	   *place;

	if (graph->by_vector == NULL || graph->nnodes > graph->by_vector_mask / 2)
		grow_vector_table(graph);
	place = vector_place(graph, encoded, scale);
	if (*place == HNR_MEM_NONE)
		*place = hnr_mem_graph_put(graph, encoded, scale,
								   random_level(graph->index->meta.m, &graph->prng), linked);
	return *place;
}

uint32
hnr_mem_graph_add_node(HnrMemGraph *graph)
{
	HnrScale	none = {0};

	return hnr_mem_graph_put(graph, graph->encoded, none,
							 random_level(graph->index->meta.m, &graph->prng), true);
}

uint32
hnr_mem_graph_add(HnrMemGraph *graph, const HnrRow *row)
{
	HnrScale	scale = hnr_stored_scale(graph->encoding, graph->index->layout.dims, row->vec);
	uint32		before = graph->nnodes;
	uint32		node;

	hnr_stored_encode(graph->encoding, row->vec, hnr_layout_words(&graph->index->layout, row->vec),
					  scale, graph->encoded);
	node = hnr_mem_graph_find(graph, graph->encoded, scale, true);
	hnr_mem_graph_add_tid(graph, node, &row->tid, row->error);
	return node == before ? node : HNR_MEM_NONE;
}

int
hnr_mem_compare_edges(const void *a, const void *b)
{
	const HnrMemEdge *x = a;
	const HnrMemEdge *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}
