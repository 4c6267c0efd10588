/*-------------------------------------------------------------------------
 *
 * stitch.c
 *		A graph too large for memory: the links that its vertices have, and writing it.
 *		See shards.h.
 *
 * By now it is known which links were chosen, and where each vertex will stand.  A
 * shard's vertices are brought into memory again, as many as fit together with the
 * vectors of those that they are linked to, then joined with those who chose them (links.c),
 * and written.  The levels above come at the end, all at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/attach.h"
#include "am/grow.h"
#include "am/shards.h"
#include "am/slots.h"
#include "am/team.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* The share of the time that the levels above take, and that finding what no path leads to takes. */
#define UPPER_SHARE		0.02
#define ATTACH_SHARE	0.03

/* What is linked to and no vertex of the batch: ids and, later, their nodes. */
typedef struct Neighbor
{
	uint32		id;				/* HNR_MEM_NONE: an empty place */
	uint32		node;
} Neighbor;

/* Vertices of a shard that are next to each other. */
typedef struct Batch
{
	HnrShards  *s;
	HnrShard   *shard;
	BlockNumber first_chunk_block;
	uint32		from;			/* positions in the shard */
	uint32		to;
	uint32	   *node;			/* by row; HNR_MEM_NONE: of another batch, or no vertex */
	uint64		nlinks;
	uint32	   *count;			/* links, by node */
	Neighbor   *neighbor;		/* hash table */
	uint32		mask;
	uint32		nneighbors;
	HnrArena   *arena;
	HnrMemGraph *graph;
	HnrWeave   *w;
	uint32	   *order;
	uint64	   *chunk;
	char	   *record;			/* scratch */
} Batch;

static Neighbor *
find_neighbor(Batch *b, uint32 id)
{
	uint32		i = id * 0x9E3779B1U & b->mask;

	while (b->neighbor[i].id != id && b->neighbor[i].id != HNR_MEM_NONE)
		i = (i + 1) & b->mask;
	return &b->neighbor[i];
}

static void
grow_neighbors(Batch *b)
{
	Neighbor   *old = b->neighbor;
	uint32		size = old ? (b->mask + 1) * 2 : 1024;

	b->neighbor = palloc_extended(sizeof(Neighbor) * (Size) size, MCXT_ALLOC_HUGE);
	memset(b->neighbor, 0xFF, sizeof(Neighbor) * (Size) size);
	b->mask = size - 1;
	for (uint32 i = 0; old && i < size / 2; i++)
		if (old[i].id != HNR_MEM_NONE)
			*find_neighbor(b, old[i].id) = old[i];
	if (old)
		pfree(old);
}

static void
add_neighbor(Batch *b, uint32 id)
{
	Neighbor   *place;

	if (b->neighbor == NULL || b->nneighbors > b->mask / 2)
		grow_neighbors(b);
	place = find_neighbor(b, id);
	if (place->id == id)
		return;
	place->id = id;
	b->nneighbors++;
}

static bool
in_batch(const Batch *b, uint32 position)
{
	return position != HNR_MEM_NONE && position - b->shard->first_position >= b->from &&
		position - b->shard->first_position < b->to;
}

/* The node of the batch that an id is; HNR_MEM_NONE: none. */
static uint32
own_node(const Batch *b, uint32 id)
{
	if (id < b->shard->first_id || id - b->shard->first_id >= b->shard->nrows)
		return HNR_MEM_NONE;
	return b->node[id - b->shard->first_id];
}

/* Brings the batch's own vertices into memory. */
static void
load_own(Batch *b)
{
	HnrShards  *s = b->s;
	HnrShardNode *record = (HnrShardNode *) b->record;
	uint32		n = b->to - b->from;

	b->arena = hnr_arena_create(s->nworkers > 0);
	b->graph = hnr_mem_graph_create(s->index, false, b->arena);
	b->order = palloc_extended(sizeof(uint32) * (Size) n, MCXT_ALLOC_HUGE);
	b->chunk = palloc_extended(sizeof(uint64) * (Size) n, MCXT_ALLOC_HUGE);
	b->count = palloc_extended(sizeof(uint32) * (Size) n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	b->node = palloc_extended(sizeof(uint32) * (Size) b->shard->nrows, MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < b->shard->nrows; i++)
	{
		uint32		node;

		CHECK_FOR_INTERRUPTS();
		hnr_spill_read_at(s->nodes, b->shard->first_id + i, record);
		b->node[i] = HNR_MEM_NONE;
		if (!in_batch(b, record->position))
			continue;
		b->node[i] = node = hnr_mem_graph_put(b->graph, (char *) (record + 1), record->scale, 0, true);
		b->order[record->position - b->shard->first_position - b->from] = node;
		b->chunk[node] = record->chunk;
		/* the newest come first, as they were added */
		for (int t = record->ntids - 1; t >= 0; t--)
			hnr_mem_graph_add_tid(b->graph, node, &record->tids[t], record->error);
	}
}

/* Goes back to the first link of the shard; returns how many there are. */
static uint64
rewind_links(Batch *b)
{
	hnr_spill_rewind(b->shard->links);
	return hnr_spill_count(b->shard->links);
}

/* The next link of one of the batch's vertices, of *left that are left; false: none is. */
static bool
next_link(Batch *b, uint64 *left, HnrShardLink *link, uint32 *node)
{
	while (*left > 0)
	{
		CHECK_FOR_INTERRUPTS();
		(*left)--;
		hnr_spill_read(b->shard->links, link);
		*node = b->node[link->owner & ~HNR_LINK_KEPT];
		if (*node != HNR_MEM_NONE)
			return true;
	}
	return false;
}

/* Counts the links of the batch's vertices, and to how many others. */
static void
count_links(Batch *b)
{
	uint64		left = rewind_links(b);
	HnrShardLink link;
	uint32		node;

	while (next_link(b, &left, &link, &node))
	{
		b->count[node]++;
		b->nlinks++;
		if (own_node(b, link.other) == HNR_MEM_NONE)
			add_neighbor(b, link.other);
	}
}

/*
 * Bytes that the batch takes.  What there is for each row with a vector that is there already
 * does not count: a smaller batch needs it as well.
 */
static Size
memory_needed(const Batch *b)
{
	const HnrLayout *layout = &b->s->index->layout;
	Size		all = (Size) b->graph->nnodes + b->nneighbors;

	return all * (sizeof(HnrMemNode) + b->graph->vector_size + sizeof(uint32) + sizeof(uint64) +
				  sizeof(float) * hnr_codec_rotated_dims(b->s->index->codec)) +
		b->graph->nnodes * (offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * layout->ground.slots +
							sizeof(HnrMemTid) * HNR_INLINE_TIDS + 5 * sizeof(uint32)) +
		sizeof(HnrMemEdge) * b->nlinks + sizeof(Neighbor) * ((Size) b->mask + 1 + b->nneighbors) +
		sizeof(uint32) * b->shard->nnodes;
}

static int
compare_ids(const void *a, const void *b)
{
	uint32		x = ((const Neighbor *) a)->id;
	uint32		y = ((const Neighbor *) b)->id;

	return (x > y) - (x < y);
}

/* Brings the vectors of neighbours into memory, in the order of their ids: near ones stand together. */
static void
load_neighbors(Batch *b, uint32 *position)
{
	HnrShardNode *record = (HnrShardNode *) b->record;
	Neighbor   *sorted = palloc_extended(sizeof(Neighbor) * (Size) Max(b->nneighbors, 1), MCXT_ALLOC_HUGE);
	uint32		n = 0;

	for (uint32 i = 0; b->neighbor && i <= b->mask; i++)
		if (b->neighbor[i].id != HNR_MEM_NONE)
			sorted[n++] = b->neighbor[i];
	qsort(sorted, n, sizeof(Neighbor), compare_ids);
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_spill_read_at(b->s->nodes, sorted[i].id, record);
		position[i] = record->position;
		find_neighbor(b, sorted[i].id)->node =
			hnr_mem_graph_put(b->graph, (char *) (record + 1), record->scale, 0, false);
	}
	pfree(sorted);
}

/* Lists the links of each of the batch's vertices. */
static void
load_links(Batch *b)
{
	uint64		left = rewind_links(b);
	HnrShardLink link;
	uint32		node;

	for (uint32 i = 0; i < b->to - b->from; i++)
		hnr_links_count(b->w, i, b->count[i]);
	hnr_links_begin_lists(b->w);
	while (next_link(b, &left, &link, &node))
	{
		HnrMemEdge	edge;

		edge.distance = link.distance;
		edge.node = own_node(b, link.other);
		if (edge.node == HNR_MEM_NONE)
			edge.node = find_neighbor(b, link.other)->node;
		edge.node |= link.owner & HNR_LINK_KEPT;
		hnr_links_put(b->w, node, edge);
	}
}

/* Joins and writes a batch that has its own vertices and has counted their links. */
static void
write_batch(Batch *b)
{
	HnrShards  *s = b->s;
	uint32		nown = b->graph->nnodes;
	uint32	   *position = palloc_extended(sizeof(uint32) * (Size) Max(b->nneighbors, 1), MCXT_ALLOC_HUGE);
	HnrFlushPart part = {.order = b->order,.chunk = b->chunk,.first_chunk_block = b->first_chunk_block};
	HnrTeam    *team;

	load_neighbors(b, position);
	part.graph = b->graph;
	part.weave = b->w = hnr_weave_create_join(b->graph, nown, b->nlinks);
	b->w->state->first_position = b->shard->first_position + b->from;
	for (uint32 i = 0; i < b->nneighbors; i++)
		hnr_slots_set_position(b->w, nown + i, position[i]);
	pfree(position);
	load_links(b);
	team = hnr_team_start(b->w, s->nworkers);
	hnr_links_join_all(b->w, 0);
	hnr_flush_ground(s->index, &part);
	if (team)
		hnr_team_end(team, b->w);
}

static void
end_batch(Batch *b)
{
	hnr_mem_graph_free(b->graph);
	hnr_arena_free(b->arena);
}

/*
 * How many vertices fit into memory, by a batch whose memory is known: whole pages, one at
 * least.
 */
static uint32
how_many_fit(const Batch *b, Size needed)
{
	uint32		per_page = b->s->index->layout.ground.per_page;
	double		n = 0.9 * (b->to - b->from) * b->s->budget / needed;

	return Max((uint32) Min(n, b->s->nrows) / per_page, 1) * per_page;
}

/*
 * Writes a shard's vertices from a position on, as many as fit: *most is how many that
 * are likely to be, by what the last ones took.  Returns how many were written.
 *
 * What others may have chosen one of them is in the shards that it is in, four at most,
 * so even the vertices of a single page do not need much more than a shard did.
 */
static uint32
write_some(const Batch *all, uint32 from, uint32 *most)
{
	uint32		per_page = all->s->index->layout.ground.per_page;

	for (;;)
	{
		Batch		b = *all;
		Size		needed;

		b.from = from;
		b.to = from + Min(*most, b.shard->nnodes - from);
		b.record = palloc(sizeof(HnrShardNode) + b.s->vector_size);
		load_own(&b);
		count_links(&b);
		needed = memory_needed(&b);
		*most = how_many_fit(&b, needed);
		if (needed <= b.s->budget || b.to - b.from <= per_page)
		{
			write_batch(&b);
			end_batch(&b);
			return b.to - b.from;
		}
		end_batch(&b);
		MemoryContextReset(CurrentMemoryContext);
	}
}

static void
report(HnrShards *s, double done)
{
	if (s->progress)
		s->progress(s->progress_state, done);
}

/* Writes the ground; returns the block behind it. */
static void
write_ground(HnrShards *s, BlockNumber first_chunk_block)
{
	uint32		done = 0;
	uint32		most = s->nrows;

	for (int i = 0; i < s->nshards; i++)
	{
		Batch		b = {.s = s,.shard = &s->shard[i],.first_chunk_block = first_chunk_block};

		for (uint32 from = 0; from < b.shard->nnodes;)
		{
			uint32		n = write_some(&b, from, &most);

			MemoryContextReset(CurrentMemoryContext);
			from += n;
			done += n;
			report(s, (1 - UPPER_SHARE - ATTACH_SHARE) * done / s->nrows);
		}
		hnr_spill_free(b.shard->links);
		HNR_DEBUG_POINT("build_stitch");
	}
}

/* The levels above the ground, from a block on. */
static void
write_upper(HnrShards *s, BlockNumber block)
{
	uint32		n = hnr_spill_count(s->upper);
	HnrArena   *arena = hnr_arena_create(false);
	HnrMemGraph *graph = hnr_mem_graph_create(s->index, false, arena);
	uint32	   *positions = palloc_extended(sizeof(uint32) * (Size) Max(n, 1), MCXT_ALLOC_HUGE);
	HnrShardNode *record = palloc(sizeof(HnrShardNode) + s->vector_size);

	hnr_spill_rewind(s->upper);
	/* without any, the entry point is one of the ground */
	for (uint32 i = 0; i < Max(n, 1); i++)
	{
		uint32		id = 0;

		CHECK_FOR_INTERRUPTS();
		if (n > 0)
			hnr_spill_read(s->upper, &id);
		hnr_spill_read_at(s->nodes, id, record);
		positions[i] = record->position;
		hnr_mem_graph_put(graph, (char *) (record + 1), record->scale, record->level, false);
	}
	hnr_growth_link_upper(graph);
	hnr_flush_upper(s->index, graph, positions, block);
	hnr_mem_graph_free(graph);
	hnr_arena_free(arena);
}

static void
write_chunks(HnrShards *s, BlockNumber block)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKWRITE);
	HnrChunkWriter w;
	HnrShardTid tid;

	hnr_chunks_begin(&w, s->index, strategy, block);
	hnr_spill_rewind(s->tids);
	for (uint64 i = hnr_spill_count(s->tids); i > 0; i--)
	{
		ItemPointerData owner;

		CHECK_FOR_INTERRUPTS();
		hnr_spill_read(s->tids, &tid);
		hnr_place_of_position(&s->index->layout.ground, HNR_METAPAGE + 1, tid.position, &owner);
		hnr_chunks_add(&w, &owner, &tid.tid, tid.left);
	}
	hnr_chunks_end(&w);
	FreeAccessStrategy(strategy);
}

void
hnr_shards_write(HnrShards *s)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw stitching", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BlockNumber upper = HNR_METAPAGE + 1 + hnr_shape_blocks(&s->index->layout.ground, s->npositions);
	BlockNumber chunks = upper;

	for (int level = 1; level <= HNR_MAX_LEVEL; level++)
		chunks += hnr_shape_blocks(&s->index->layout.upper, s->level_count[level]);
	write_ground(s, chunks);
	write_upper(s, upper);
	MemoryContextReset(context);
	write_chunks(s, chunks);
	report(s, 1 - ATTACH_SHARE);
	hnr_spill_free(s->nodes);
	hnr_spill_free(s->upper);
	hnr_spill_free(s->tids);
	(void) hnr_attach_unreached(s->index);
	report(s, 1);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
