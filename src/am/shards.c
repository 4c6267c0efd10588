/*-------------------------------------------------------------------------
 *
 * shards.c
 *		Shards of a graph too large for memory: in each, its vertices choose their links.
 *		See shards.h.
 *
 * A shard's own vertices find candidates among themselves and the guests as those of a
 * whole graph do (weave.c); guests look for none, as they do that where they are at home.
 * What a vertex chose is written down for its own shard and for that of the chosen one.
 * When that is done, it is settled where each vertex will stand.
 *
 * Links between clusters: samples of a shard see those within; a sample of all
 * shards, all of it in memory at once, sees the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/arrange.h"
#include "am/frequent.h"
#include "am/shards.h"
#include "am/team.h"
#include "am/weave.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* The share of the time that the sample of all shards takes. */
#define SAMPLE_SHARE	0.03

/* A shard being worked on. */
typedef struct Choosing
{
	HnrShards  *s;
	HnrShard   *shard;
	MemoryContext context;		/* reset after each */
	HnrArena   *arena;
	HnrMemGraph *graph;
	HnrWeave   *w;
	HnrTeam    *team;
	uint32		nown;			/* vertices of the shard; guests have higher numbers */
	uint32	   *id;				/* by node */
	uint32	   *node;			/* by row */
	char	   *record;			/* scratch */
	double		progress_from;
	double		progress_share;
} Choosing;

static Size
graph_memory(const HnrIndex *index)
{
	/* of the table of vectors, between two and four entries are for each */
	return sizeof(HnrMemNode) + MAXALIGN(hnr_coordinates_size(index->layout.encoding, index->layout.dims)) +
		4 * sizeof(uint32);
}

Size
hnr_shards_node_memory(const HnrIndex *index)
{
	return graph_memory(index) + sizeof(HnrMemTid) +
		offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * index->layout.ground.slots +
		hnr_weave_memory(index) + sizeof(HnrShardNode) + 3 * sizeof(uint32) + sizeof(bool);
}

Size
hnr_shards_guest_memory(const HnrIndex *index)
{
	return graph_memory(index) + (sizeof(uint16) + sizeof(uint32)) * HNR_OVERLAP + sizeof(uint64) +
		2 * sizeof(uint32) + sizeof(bool);
}

Size
hnr_shards_sample_memory(const HnrIndex *index)
{
	return graph_memory(index) + hnr_weave_sample_memory() + sizeof(uint32);
}

static void
begin(Choosing *c, uint32 nodes)
{
	HnrShards  *s = c->s;

	c->arena = hnr_arena_create(s->nworkers > 0);
	c->graph = hnr_mem_graph_create(s->index, false, c->arena);
	c->id = palloc_extended(sizeof(uint32) * (Size) Max(nodes, 1), MCXT_ALLOC_HUGE);
	c->record = palloc(Max(sizeof(HnrShardNode), sizeof(HnrShardRow)) + s->vector_size);
}

static void
report(void *state, double done)
{
	Choosing   *c = state;

	if (c->s->progress)
		c->s->progress(c->s->progress_state, c->progress_from + c->progress_share * done);
}

static void
begin_weave(Choosing *c, uint32 sampling)
{
	HnrShards  *s = c->s;

	hnr_mem_graph_complete(c->graph);
	c->w = hnr_weave_create_part(c->graph, c->nown, sampling);
	c->w->progress = report;
	c->w->progress_state = c;
	c->team = hnr_team_start(c->w, s->nworkers);
	if (hnr_arena_problem(c->arena) && s->problem == NULL)
	{
		s->problem = MemoryContextStrdup(GetMemoryChunkContext(s), hnr_arena_problem(c->arena));
		s->nworkers = 0;
	}
}

static void
end(Choosing *c)
{
	if (c->team)
		hnr_team_end(c->team, c->w);
	c->team = NULL;
	hnr_mem_graph_free(c->graph);
	hnr_arena_free(c->arena);
	MemoryContextReset(c->context);
}

/* Writes down a link for the shard of its owner. */
static void
write_link(Choosing *c, uint32 owner, uint32 other, float distance, bool kept)
{
	HnrShard   *shard = hnr_shard_of(c->s, owner);
	HnrShardLink link = {.owner = owner - shard->first_id,.other = other,.distance = distance};

	if (kept)
		link.owner |= HNR_LINK_KEPT;
	hnr_spill_write(shard->links, &link);
}

/* The same for both ends. */
static void
write_links(Choosing *c, uint32 a, uint32 b, float distance, bool kept)
{
	write_link(c, a, b, distance, kept);
	write_link(c, b, a, distance, kept);
}

/* Adds rows of other shards as vertices. */
static void
load_guests(Choosing *c, HnrSpill *guests)
{
	uint64		n = hnr_spill_count(guests);
	HnrShardGuest *guest = (HnrShardGuest *) c->record;

	hnr_spill_rewind(guests);
	for (uint64 i = 0; i < n; i++)
	{
		uint32		before = c->graph->nnodes;

		CHECK_FOR_INTERRUPTS();
		hnr_spill_read(guests, c->record);
		if (hnr_mem_graph_find(c->graph, c->record + sizeof(HnrShardGuest), guest->scale, false) == before)
			c->id[before] = guest->id;
	}
}

/*
 * Links a member of the sample of all shards to others in any case: the nearest in the
 * smallest sample that it is in, which comes first, and the nearest HNR_FAR_BEYOND
 * times as far as the nearest.
 */
static void
link_far(Choosing *c, uint32 member, float *vec, float *other)
{
	const HnrFar *far = hnr_weave_far(c->w, member);
	const HnrIndex *index = c->s->index;
	HnrMemEdge	edge[HNR_FAR];
	float		limit = INFINITY;
	int			n = 0;

	hnr_mem_graph_decode(c->graph, member, vec);
	for (; n < HNR_FAR && far->member[n] != HNR_MEM_NONE; n++)
	{
		edge[n].node = far->member[n];
		hnr_mem_graph_decode(c->graph, edge[n].node, other);
		edge[n].distance = hnr_weave_separation(index, vec, other);
		limit = Min(limit, HNR_FAR_BEYOND * edge[n].distance);
	}
	if (n > 1)
		hnr_weave_sort(edge + 1, n - 1, member);
	for (int i = 0, kept = 0; i < n && kept < HNR_FAR_KEPT; i++)
	{
		if (i > 0 && edge[i].distance <= limit)
			continue;
		kept++;
		hnr_mem_graph_decode(c->graph, edge[i].node, other);
		write_links(c, c->id[member], c->id[edge[i].node],
					hnr_metric_distance(index->metric, index->layout.dims, vec, other), true);
	}
}

/* Links between shards, by a sample of all. */
static void
link_sample(Choosing *c)
{
	HnrShards  *s = c->s;
	float	   *vec = palloc(sizeof(float) * s->index->layout.dims);
	float	   *other = palloc(sizeof(float) * s->index->layout.dims);

	begin(c, hnr_spill_count(s->sample));
	load_guests(c, s->sample);
	c->nown = c->graph->nnodes;
	begin_weave(c, 1);
	hnr_weave_run_samples(c->w);
	for (uint32 i = 0; i < c->nown; i++)
	{
		CHECK_FOR_INTERRUPTS();
		link_far(c, i, vec, other);
	}
	hnr_spill_free(s->sample);
	end(c);
}

/* Adds the shard's own rows; of equal vectors, the first row stands for the vertex. */
static void
load_rows(Choosing *c)
{
	HnrShard   *shard = c->shard;
	HnrShardRow *row = (HnrShardRow *) c->record;

	pg_prng_seed(&c->graph->prng, c->s->index->meta.seed + shard->first_id);
	c->node = palloc_extended(sizeof(uint32) * (Size) shard->nrows, MCXT_ALLOC_HUGE);
	hnr_spill_rewind(shard->rows);
	for (uint32 i = 0; i < shard->nrows; i++)
	{
		uint32		before = c->graph->nnodes;
		uint32		node;

		CHECK_FOR_INTERRUPTS();
		hnr_spill_read(shard->rows, c->record);
		node = hnr_mem_graph_find(c->graph, c->record + sizeof(HnrShardRow), row->scale, true);
		hnr_mem_graph_add_tid(c->graph, node, &row->tid, row->error);
		c->node[i] = HNR_MEM_NONE;
		if (node < before)
			continue;
		c->id[node] = shard->first_id + i;
		c->node[i] = node;
		if (pg_prng_uint64_range(&c->graph->prng, 0, c->s->sparser - 1) != 0)
			hnr_mem_graph_node(c->graph, node)->level = 0;
	}
	c->nown = shard->nnodes = c->graph->nnodes;
}

/* Writes down that those nearest to a node of many rows lead to it in any case. */
static void
write_frequent(Choosing *c, uint32 node)
{
	int			n;
	const HnrMemEdge *near = hnr_weave_near(c->w, node, &n);

	n = Min(n, hnr_frequent_links(c->graph, node, (double) c->graph->ntids / c->nown));
	for (int i = 0; i < n; i++)
		write_link(c, c->id[near[i].node], c->id[node], near[i].distance, true);
}

static void
write_choice(Choosing *c)
{
	for (uint32 i = 0; i < c->nown; i++)
	{
		const HnrMemEdges *edges = hnr_mem_graph_edges(c->graph, i, 0);

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(1);
		for (int j = 0; j < edges->count; j++)
			write_links(c, c->id[i], c->id[edges->edge[j].node], edges->edge[j].distance,
						hnr_links_kept(c->w, i, edges->edge[j].node));
		if (c->graph->ntids > c->nown)
			write_frequent(c, i);
	}
}

/* Writes down a node's heap TIDs that its vertex has no place for. */
static void
write_tids(Choosing *c, uint32 node, uint32 position, HnrShardNode *record)
{
	uint32		at = hnr_mem_graph_node(c->graph, node)->first_tid;
	uint32		n = hnr_mem_graph_rows(c->graph, node);

	record->ntids = Min(n, HNR_INLINE_TIDS);
	record->chunk = n > HNR_INLINE_TIDS ? c->s->nchunks : HNR_NO_CHUNK;
	c->s->nchunks += hnr_chunks_for(n);
	for (uint32 i = 0; i < n; i++, at = hnr_mem_graph_tid(c->graph, at)->next)
	{
		HnrShardTid tid = {.position = position,.left = n - 1 - i,.tid = hnr_mem_graph_tid(c->graph, at)->tid};

		if (i < HNR_INLINE_TIDS)
			record->tids[i] = tid.tid;
		else
			hnr_spill_write(c->s->tids, &tid);
	}
}

/* Writes down the shard's vertices, by id, with the places that they will have. */
static void
write_nodes(Choosing *c)
{
	HnrShards  *s = c->s;
	int			per_page = s->index->layout.ground.per_page;
	uint32	   *order = hnr_arrange_nodes(c->graph, c->nown, per_page);
	HnrShardNode *nodes = palloc_extended(sizeof(HnrShardNode) * (Size) c->nown, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	c->shard->first_position = s->npositions;
	for (uint32 i = 0; i < c->nown; i++)
	{
		HnrShardNode *record = &nodes[order[i]];
		const HnrMemNode *node = hnr_mem_graph_node(c->graph, order[i]);

		record->position = s->npositions + i;
		record->error = node->error;
		record->scale = node->scale;
		record->level = node->level;
		write_tids(c, order[i], record->position, record);
		for (int level = 1; level <= node->level; level++)
			s->level_count[level]++;
		if (node->level > 0)
			hnr_spill_write(s->upper, &c->id[order[i]]);
	}
	for (uint32 i = 0; i < c->shard->nrows; i++)
	{
		HnrShardNode *record = (HnrShardNode *) c->record;

		memset(record, 0, sizeof(HnrShardNode) + s->vector_size);
		record->position = HNR_MEM_NONE;
		if (c->node[i] != HNR_MEM_NONE)
		{
			*record = nodes[c->node[i]];
			memcpy(record + 1, hnr_array_at(&c->graph->vectors, c->node[i]), s->vector_size);
		}
		hnr_spill_write(s->nodes, record);
	}
	s->npositions += (c->nown + per_page - 1) / per_page * per_page;
}

static void
choose_shard(Choosing *c)
{
	HnrShard   *shard = c->shard;

	begin(c, shard->nrows + shard->nguests);
	load_rows(c);
	load_guests(c, shard->guests);
	hnr_spill_free(shard->rows);
	hnr_spill_free(shard->guests);
	if (c->nown > 0)
	{
		begin_weave(c, HNR_SAMPLED);
		hnr_weave_choose(c->w, NULL);
		write_choice(c);
		write_nodes(c);
	}
	end(c);
}

/*
 * The levels above the ground have to fit into memory as a whole, which they have to
 * themselves: with many dimensions or a small m, fewer vertices stand there.
 */
static void
settle_levels(HnrShards *s)
{
	const HnrLayout *layout = &s->index->layout;
	double		memory = maintenance_work_mem * 1024.0 * 7 / 8;
	double		node = graph_memory(s->index) + sizeof(float) * layout->dims +
		offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * layout->upper.slots + 32;
	double		nodes = (double) s->nrows / (HNR_LEVEL_FACTOR * s->index->meta.m - 1);

	s->sparser = (uint32) Min(node * nodes / memory, (double) PG_INT32_MAX) + 1;
}

void
hnr_shards_choose(HnrShards *s)
{
	Choosing	c = {.s = s};
	MemoryContext old;
	uint32		done = 0;

	c.context = AllocSetContextCreate(CurrentMemoryContext, "hnsw shard", ALLOCSET_DEFAULT_SIZES);
	settle_levels(s);
	s->nodes = hnr_spill_create(sizeof(HnrShardNode) + s->vector_size);
	s->upper = hnr_spill_create(sizeof(uint32));
	s->tids = hnr_spill_create(sizeof(HnrShardTid));
	for (int i = 0; i < s->nshards; i++)
		s->shard[i].links = hnr_spill_create(sizeof(HnrShardLink));
	old = MemoryContextSwitchTo(c.context);
	c.progress_share = SAMPLE_SHARE;
	link_sample(&c);
	for (int i = 0; i < s->nshards; i++)
	{
		c.shard = &s->shard[i];
		c.progress_from = SAMPLE_SHARE + (1 - SAMPLE_SHARE) * done / s->nrows;
		c.progress_share = (1 - SAMPLE_SHARE) * c.shard->nrows / s->nrows;
		choose_shard(&c);
		HNR_DEBUG_POINT("build_shard");
		done += c.shard->nrows;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(c.context);
}
