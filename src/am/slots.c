/*-------------------------------------------------------------------------
 *
 * slots.c
 *		The slots of vertices of a graph in memory.  See slots.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "am/slots.h"
#include "am/store_disk.h"
#include "miscadmin.h"
#include "throttle.h"

/* Nodes of a task. */
#define ROTATE_TASK		512
#define FILL_TASK		8

/* Nodes of a batch: as many as have so many bytes of slots, within limits. */
#define BATCH_BYTES		((Size) 1024 * 1024)
#define LEAST_BATCH		16
#define MOST_BATCH		512

HnrSlotMaker *
hnr_slot_maker_create(const HnrIndex *index, HnrMemGraph *graph, HnrPlaceFn place,
					  void *place_state)
{
	HnrSlotMaker *m = palloc0(sizeof(HnrSlotMaker));
	int			rdims = hnr_codec_rotated_dims(index->codec);

	m->index = index;
	m->graph = graph;
	m->place = place;
	m->place_state = place_state;
	m->is_known = palloc(sizeof(bool) * index->layout.ground.slots);
	m->before = palloc(sizeof(uint8) * index->layout.ground.slots);
	m->self = palloc(sizeof(float) * index->layout.dims);
	m->other = palloc(sizeof(float) * index->layout.dims);
	m->rotated_self = palloc(sizeof(float) * Max(rdims, 1));
	m->rotated_other = palloc(sizeof(float) * Max(rdims, 1));
	return m;
}

void
hnr_slot_maker_rotate(HnrSlotMaker *m, HnrArray *rotated, uint32 from, uint32 to)
{
	for (uint32 i = from; i < to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_mem_graph_decode(m->graph, i, m->self);
		hnr_codec_rotate(m->index->codec, m->self, hnr_array_at(rotated, i));
	}
}

static const float *
rotated_of(HnrSlotMaker *m, uint32 node, const float *vec, float *scratch)
{
	if (hnr_codec_rotated_dims(m->index->codec) == 0)
		return NULL;
	if (m->rotated)
		return hnr_array_at(m->rotated, node);
	hnr_codec_rotate(m->index->codec, vec, scratch);
	return scratch;
}

/* Slots that say nothing but where the neighbours are. */
static void
fill_plain(HnrSlotMaker *m, const HnrMemEdges *edges, int level, char *slots)
{
	Size		size = m->index->layout.slot_size;

	memset(slots, 0, size * edges->count);
	for (int i = 0; i < edges->count; i++)
		m->place(m->place_state, edges->edge[i].node, level, (ItemPointer) (slots + i * size));
}

/* Takes over the codes of links that have stayed. */
static void
take_old(HnrSlotMaker *m, const HnrMemEdges *edges, char *slots)
{
	Size		size = m->index->layout.slot_size;
	uint8		last[256] = {0};	/* places of edges, plus 1, by the last byte of their nodes */

	StaticAssertStmt(2 * HNR_MAX_M <= PG_UINT8_MAX - 1, "places of edges have to fit into a byte");
	memset(m->is_known, 0, sizeof(bool) * edges->count);
	for (int i = 0; i < edges->count; i++)
	{
		m->before[i] = last[edges->edge[i].node & 0xFF];
		last[edges->edge[i].node & 0xFF] = i + 1;
	}
	for (int s = 0; s < m->old->count; s++)
	{
		const char *old = m->old->slot + s * size;
		uint32		to = ItemPointerGetBlockNumberNoCheck((const ItemPointerData *) old);

		for (int i = last[to & 0xFF] - 1; i >= 0; i = m->before[i] - 1)
			if (edges->edge[i].node == to)
			{
				memcpy(slots + i * size, old, size);
				m->is_known[i] = true;
				break;
			}
	}
}

int
hnr_slot_maker_fill(HnrSlotMaker *m, uint32 node, int level, char *slots)
{
	HnrMemEdges *edges = hnr_mem_graph_edges(m->graph, node, level);
	HnrCodecPoint self = {NULL, NULL};

	qsort(edges->edge, edges->count, sizeof(HnrMemEdge), hnr_mem_compare_edges);
	if (m->index->codec->quantizer == NULL)
	{
		fill_plain(m, edges, level, slots);
		return edges->count;
	}
	if (m->old)
		take_old(m, edges, slots);
	for (int i = 0; i < edges->count; i++)
	{
		uint32		other = edges->edge[i].node;
		HnrSlot    *slot = (HnrSlot *) (slots + (Size) i * m->index->layout.slot_size);
		HnrCodecPoint there = {m->other, NULL};
		ItemPointerData tid;

		m->place(m->place_state, other, level, &tid);
		if (m->old && m->is_known[i])
		{
			slot->vertex = tid;
			continue;
		}
		if (self.vec == NULL)
		{
			hnr_mem_graph_decode(m->graph, node, m->self);
			self.vec = m->self;
			self.rotated = rotated_of(m, node, m->self, m->rotated_self);
		}
		hnr_mem_graph_decode(m->graph, other, m->other);
		there.rotated = rotated_of(m, other, m->other, m->rotated_other);
		hnr_codec_encode(m->index->codec, self, there, &tid, slot);
	}
	return edges->count;
}

static Size
bytes_of_node(const HnrIndex *index)
{
	return (Size) index->layout.slot_size * index->layout.ground.slots;
}

/* A multiple of what stands on a page. */
uint32
hnr_slots_batch(const HnrIndex *index)
{
	int			per_page = index->layout.ground.per_page;
	Size		bytes = Min(BATCH_BYTES, (Size) maintenance_work_mem * 1024 / 32);
	uint32		n = Min(Max(bytes / bytes_of_node(index), LEAST_BATCH), MOST_BATCH);

	return Max(n / per_page, 1) * per_page;
}

static Size
bytes_of_old(const HnrIndex *index)
{
	return MAXALIGN(offsetof(HnrOldSlots, slot) + bytes_of_node(index));
}

Size
hnr_slots_memory(const HnrIndex *index, bool old)
{
	return (bytes_of_node(index) + (old ? bytes_of_old(index) : 0)) * 2 * hnr_slots_batch(index);
}

/* What the graph's making no longer needs has room for these. */
static HnrArray *
rank_array(HnrWeave *w)
{
	return &w->counts;
}

static HnrArray *
order_array(HnrWeave *w)
{
	return &w->members;
}

static Size
rotated_size(HnrWeave *w)
{
	return sizeof(float) * hnr_codec_rotated_dims(w->graph->index->codec);
}

/* NULL: there is no room for all. */
static HnrArray *
rotated_array(HnrWeave *w)
{
	if (!w->state->joining && rotated_size(w) <= w->near.item)
		return &w->near;
	return w->rotated.nblocks > 0 ? &w->rotated : NULL;
}

/* Whether codes can be taken from an old index. */
static bool
has_old(const HnrWeave *w)
{
	return w->state->mending && w->graph->index->codec->quantizer != NULL;
}

void
hnr_slots_make_arrays(HnrWeave *w, bool any, Size beside)
{
	HnrArena   *arena = w->graph->arena;
	Size		rotated = rotated_size(w);
	Size		all = rotated * w->graph->nnodes;

	w->batch = hnr_slots_batch(w->graph->index);
	hnr_array_init(&w->slots, arena, bytes_of_node(w->graph->index));
	if (any)
		hnr_array_reserve(&w->slots, 2 * w->batch);
	hnr_array_init(&w->rotated, arena, Max(rotated, 1));
	hnr_array_init(&w->old_slots, arena, bytes_of_old(w->graph->index));
	if (has_old(w))
		hnr_array_reserve(&w->old_slots, 2 * w->batch);
	/* last, for it is what can be done without */
	if (any && (w->state->joining || rotated > w->near.item) &&
		hnr_mem_graph_size(w->graph) + beside + all <= (Size) maintenance_work_mem * 1024)
		hnr_array_reserve(&w->rotated, w->graph->nnodes);
}

static void
place_at_ground(void *state, uint32 node, int level, ItemPointer tid)
{
	HnrWeave   *w = state;

	Assert(level == 0);
	hnr_place_of_position(&w->graph->index->layout.ground, HNR_METAPAGE + 1,
						  *(uint32 *) hnr_array_at(rank_array(w), node), tid);
}

/* A process's own, made when first needed. */
static HnrSlotMaker *
get_maker(HnrWeave *w)
{
	if (w->maker == NULL)
	{
		w->maker = hnr_slot_maker_create(w->graph->index, w->graph, place_at_ground, w);
		w->maker->rotated = rotated_array(w);
	}
	return w->maker;
}

void
hnr_slots_rotate(HnrWeave *w, uint32 task)
{
	uint32		from = task * ROTATE_TASK;

	hnr_throttle(ROTATE_TASK);
	hnr_slot_maker_rotate(get_maker(w), rotated_array(w), from,
						  Min(from + ROTATE_TASK, w->graph->nnodes));
}

static uint32
node_at(HnrWeave *w, uint32 position)
{
	return *(uint32 *) hnr_array_at(order_array(w), position);
}

static HnrOldSlots *
old_at(HnrWeave *w, uint32 position)
{
	return hnr_array_at(&w->old_slots, position % (2 * w->batch));
}

void
hnr_slots_fill(HnrWeave *w, uint32 task)
{
	uint32		end = Min(w->state->position + w->batch, w->state->nlisted);
	uint32		from = w->state->position + task * FILL_TASK;
	uint32		to = Min(from + FILL_TASK, end);

	for (uint32 i = from; i < to; i++)
	{
		HnrSlotMaker *m = get_maker(w);

		if (has_old(w))
			m->old = old_at(w, i);
		hnr_slot_maker_fill(m, node_at(w, i), 0, unconstify(char *, hnr_slots_at(w, i)));
	}
	hnr_throttle(FILL_TASK);
}

void
hnr_slots_set_position(HnrWeave *w, uint32 node, uint32 position)
{
	*(uint32 *) hnr_array_at(rank_array(w), node) = position;
}

void
hnr_slots_begin(HnrWeave *w, const uint32 *order)
{
	for (uint32 i = 0; i < w->state->nlisted; i++)
	{
		*(uint32 *) hnr_array_at(order_array(w), i) = order[i];
		hnr_slots_set_position(w, order[i], w->state->first_position + i);
	}
	w->progress = NULL;
	if (rotated_size(w) > 0 && rotated_array(w))
		hnr_weave_step(w, HNR_STEP_ROTATE, (w->graph->nnodes - 1) / ROTATE_TASK + 1, 0);
}

void
hnr_slots_read_old(HnrWeave *w, uint32 position)
{
	uint32		end = Min(position + w->batch, w->state->nlisted);

	for (; has_old(w) && position < end; position++)
		w->read_old(w->read_old_state, node_at(w, position), old_at(w, position));
}

void
hnr_slots_ask(HnrWeave *w, uint32 position)
{
	uint32		count = Min(w->batch, w->state->nlisted - position);

	w->state->position = position;
	hnr_weave_begin_step(w, HNR_STEP_FILL, (count - 1) / FILL_TASK + 1);
}

void
hnr_slots_wait(HnrWeave *w)
{
	hnr_weave_end_step(w);
}

const char *
hnr_slots_at(HnrWeave *w, uint32 position)
{
	return hnr_array_at(&w->slots, position % (2 * w->batch));
}
