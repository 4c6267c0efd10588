/*-------------------------------------------------------------------------
 *
 * bridge.c
 *		Links between clusters that a graph on pages lacks.  See bridge.h.
 *
 * A sample of the vertices comes into memory as a graph, and samples of that as in a build
 * (weave.c) give each vertex some that are near in a sparser set.  Those that have no link to
 * what is far off are to get some, and what they are linked with is to lead back.
 *
 * Locks: a share lock on one page at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/bridge.h"
#include "am/buffer.h"
#include "am/node.h"
#include "am/relist.h"
#include "am/weave.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* One vertex in so many is looked at, in a larger index fewer: see hnr_bridges_create. */
#define SAMPLED		6

/* Fewer vertices in the sample have no clusters between them. */
#define LEAST_NODES	64

/* Links that a vertex is to get, the nearest of the smallest sample among them. */
#define MOST_OWN	5

#define PAGE_US		2
#define NODE_US		20

typedef struct Bridge
{
	HnrNodeId	id;
	float		limit;			/* what is farther is far off; 0: it has such links */
	int			nfar;
	HnrNodeId	far[HNR_RELIST_MOST_FAR];
} Bridge;

struct HnrBridges
{
	HnrIndex   *index;
	HnrArena   *arena;
	HnrMemGraph *graph;
	uint32		every;
	uint32		n;
	uint32		max;
	Bridge	   *bridge;			/* by node; in the order of their ids */
	float	   *length;			/* scratch: of a vertex's links */
	char	   *page;			/* a copy */
	float	   *vec;
	float	   *other;
};

/* Bytes that a node of the sample takes. */
static Size
node_memory(const HnrIndex *index)
{
	return sizeof(Bridge) + sizeof(HnrMemNode) + hnr_weave_sample_memory() +
		hnr_coordinates_size(index->layout.encoding, index->layout.dims) +
		offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * index->layout.ground.slots;
}

static int
compare_lengths(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x > y) - (x < y);
}

/* From where on a vertex finds others far off; 0: it leads to some. */
static float
limit_of(HnrBridges *b, const HnrVertex *v)
{
	const HnrIndex *index = b->index;
	const HnrPartLayout *pl = &index->layout.ground.part[0];
	int			new_degree = hnr_new_degree(&index->layout, 0, index->meta.m);
	int			n = Min(pl->slot_count, (int) v->degree);
	float		limit;

	if (index->codec->quantizer == NULL || n < new_degree)
		return INFINITY;
	for (int i = 0; i < n; i++)
		b->length[i] = hnr_codec_length(index->codec, (const HnrSlot *) ((const char *) v + pl->slot_offset +
																		 (Size) i * index->layout.slot_size));
	qsort(b->length, n, sizeof(float), compare_lengths);
	limit = b->length[new_degree - 1] * HNR_FAR_BEYOND;
	return b->length[n - 1] > limit ? 0 : limit;
}

/* Whether a vertex is in the sample. */
static bool
is_sampled(const HnrBridges *b, HnrNodeId id)
{
	return (uint32) ((id >> 16) * 0x9E3779B1U + (id & 0xFFFF) * 0x85EBCA6BU) >> 8 < PG_UINT32_MAX / 256 / b->every;
}

static void
load_page(HnrBridges *b, BlockNumber block)
{
	const HnrShape *shape = &b->index->layout.ground;

	for (OffsetNumber pos = 1; pos <= shape->per_page && b->n < b->max; pos++)
	{
		const HnrVertex *v = hnr_vertex_at(shape, (Page) b->page, pos);
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;

		if (v->state != HNR_VERTEX_LIVE || !is_sampled(b, id))
			continue;
		hnr_mem_graph_put(b->graph, (const char *) v + shape->part[0].vec_offset, v->scale, 0, true);
		b->bridge[b->n].id = id;
		b->bridge[b->n].nfar = 0;
		b->bridge[b->n++].limit = limit_of(b, v);
	}
}

static void
load_sample(HnrBridges *b, BlockNumber blocks)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);

	for (BlockNumber block = HNR_METAPAGE + 1; block < blocks; block++)
	{
		Buffer		buf;
		bool		ground;

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(PAGE_US);
		buf = hnr_buffer_read_any(b->index->rel, block, BUFFER_LOCK_SHARE, strategy);
		ground = !PageIsNew(BufferGetPage(buf)) && hnr_page_head(BufferGetPage(buf))->kind == HNR_PAGE_GROUND;
		if (ground)
			memcpy(b->page, BufferGetPage(buf), BLCKSZ);
		hnr_buffer_release(buf);
		if (ground)
			load_page(b, block);
	}
	FreeAccessStrategy(strategy);
}

static void
add_far(HnrBridges *b, uint32 from, uint32 to)
{
	Bridge	   *f = &b->bridge[from];

	for (int i = 0; i < f->nfar; i++)
		if (f->far[i] == b->bridge[to].id)
			return;
	if (f->nfar < HNR_RELIST_MOST_FAR)
		f->far[f->nfar++] = b->bridge[to].id;
}

/* Links a node with the first of its candidates and the nearest of those beyond its limit. */
static void
choose_far(HnrBridges *b, uint32 node, const uint32 *candidate)
{
	HnrMemEdge	edge[HNR_FAR];
	int			n = 0;

	hnr_mem_graph_decode(b->graph, node, b->vec);
	for (int i = 0; i < HNR_FAR && candidate[i] != HNR_MEM_NONE; i++)
	{
		HnrMemEdge	e = {.node = candidate[i]};

		hnr_mem_graph_decode(b->graph, e.node, b->other);
		e.distance = hnr_weave_separation(b->index, b->vec, b->other);
		if (i == 0)
			e.distance = 0;
		if (i == 0 || e.distance > b->bridge[node].limit)
			edge[n++] = e;
	}
	hnr_weave_sort(edge, n, node);
	for (int i = 0; i < Min(n, MOST_OWN); i++)
	{
		add_far(b, node, edge[i].node);
		add_far(b, edge[i].node, node);
	}
}

static void
poll(void *state, double done)
{
	CHECK_FOR_INTERRUPTS();
	hnr_throttle(NODE_US);
}

static void
find_far(HnrBridges *b)
{
	HnrWeave   *w;

	hnr_mem_graph_complete(b->graph);
	w = hnr_weave_create_part(b->graph, b->n, 1);
	w->progress = poll;
	hnr_weave_run_samples(w);
	for (uint32 i = 0; i < b->n; i++)
	{
		const HnrFar *far = hnr_weave_far(w, i);

		poll(NULL, 0);
		if (far != NULL && b->bridge[i].limit > 0)
			choose_far(b, i, far->member);
	}
}

HnrBridges *
hnr_bridges_create(HnrIndex *index, BlockNumber blocks)
{
	const HnrShape *ground = &index->layout.ground;
	uint64		places = (uint64) blocks * ground->per_page / ground->parts;
	HnrBridges *b;

	if (index->metric->kind == HNR_METRIC_IP || !index->metric->type->dense ||
		ground->part[0].vec_count < index->layout.stored)
		return NULL;
	b = palloc0(sizeof(HnrBridges));
	b->index = index;
	b->max = Min((Size) maintenance_work_mem * 1024 / node_memory(index), PG_INT32_MAX / 2);
	b->every = Max(SAMPLED, places / Max(b->max, 1) + 1);
	b->max = Min(b->max, places / b->every * 2 + LEAST_NODES);
	b->bridge = palloc_extended(sizeof(Bridge) * (Size) b->max, MCXT_ALLOC_HUGE);
	b->length = palloc(sizeof(float) * ground->slots);
	b->page = palloc(BLCKSZ);
	b->vec = palloc(sizeof(float) * index->layout.dims);
	b->other = palloc(sizeof(float) * index->layout.dims);
	b->arena = hnr_arena_create(false);
	b->graph = hnr_mem_graph_create(index, false, b->arena);
	load_sample(b, blocks);
	if (b->n >= LEAST_NODES)
		find_far(b);
	/* what follows takes only the links */
	hnr_mem_graph_free(b->graph);
	hnr_arena_free(b->arena);
	return b;
}

void
hnr_bridges_free(HnrBridges *b)
{
	if (b == NULL)
		return;
	pfree(b->bridge);
	pfree(b);
}

int64
hnr_bridges_count(const HnrBridges *b)
{
	int64		n = 0;

	for (uint32 i = 0; i < b->n; i++)
		if (b->bridge[i].nfar > 0)
			n++;
	return n;
}

int
hnr_bridges_of(const HnrBridges *b, HnrNodeId id, const HnrNodeId **far)
{
	uint32		low = 0;
	uint32		high = b->n;

	if (!is_sampled(b, id))
		return 0;
	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (b->bridge[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == b->n || b->bridge[low].id != id)
		return 0;
	*far = b->bridge[low].far;
	return b->bridge[low].nfar;
}
