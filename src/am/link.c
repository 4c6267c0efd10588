/*-------------------------------------------------------------------------
 *
 * link.c
 *		Links from a vertex on disk to another.
 *
 * Slots are encoded before vertices are locked; under the lock it is verified that
 * the vertex still holds the vector that the code is relative to.  Which neighbour a
 * full list gives up is decided from the codes alone: no other page is read.  Plain
 * slots have no codes, so there the vectors are read, without a lock on the list, and
 * the list is checked to be unchanged before it is replaced.
 *
 * Links from several vertices to one are made by fours of pages, which are locked in
 * the order of their blocks and changed by one WAL record.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/link.h"
#include "am/prune.h"
#include "am/vertex.h"
#include "am/wal.h"
#include "miscadmin.h"
#include "utils/float.h"

/* How often to start over when a plain list changes while it is being read. */
#define PLAIN_RETRIES 3

/*
 * Adds a slot to a locked vertex that has room or coded slots; as part of a change,
 * or of one of its own.
 */
static HnrLinkResult
link_locked(HnrPruning *p, HnrLockedVertex *locked, HnrNewLink *link, HnrChange *change)
{
	int			at = locked->vertex->degree;

	hnr_pruning_fill(p, locked, link->slot);
	if (hnr_pruning_has_neighbor(p))
		return HNR_LINK_MADE;
	if (at == locked->shape->slots)
	{
		hnr_pruning_measure(p, locked);
		at = hnr_pruning_choose(p);
		if (at == p->n - 1)
			return HNR_LINK_DECLINED;
		hnr_pruning_replaced(p, at, link);
	}
	if (change)
		hnr_vertex_change_slot(change, locked, at, link->slot);
	else
		hnr_vertex_put_slot(locked, at, link->slot);
	return HNR_LINK_MADE;
}

/* Reads the vector of a neighbour; false if it is gone. */
static bool
read_neighbor(HnrIndex *index, int level, ItemPointer tid, float *vec)
{
	HnrLockedVertex other;

	if (!hnr_vertex_lock(index, tid, level, &other))
		return false;
	hnr_vertex_get_vector(&other, vec);
	hnr_vertex_unlock(&other);
	return true;
}

/* A list of wide vectors is megabytes, and an insertion prunes many. */
static void
free_vectors(HnrPruning *p)
{
	for (int i = 0; i < p->nvectors; i++)
		pfree(p->vectors[i]);
	p->nvectors = 0;
}

/* With no lock held: measures the neighbours of a plain list; a dead one is far. */
static void
measure_plain(HnrPruning *p, const float *from, const float *to)
{
	const HnrMetric *metric = p->index->metric;
	int			dims = p->index->layout.dims;

	free_vectors(p);
	for (int i = 0; i < p->n; i++)
	{
		const float *vec = to;

		if (i < p->n - 1)
			vec = read_neighbor(p->index, p->level, &hnr_pruning_slot(p, i)->vertex, p->room) ?
				p->room : NULL;
		p->distance[i] = vec ? hnr_metric_distance(metric, dims, from, vec) : get_float4_infinity();
		/* which one stands for a dead one does not matter */
		p->vectors[p->nvectors++] = hnr_metric_copy(metric, dims, vec ? vec : to);
	}
}

/* Whether the list of a locked vertex is the one that p holds. */
static bool
list_is_unchanged(HnrPruning *p, HnrLockedVertex *locked)
{
	Size		size = (Size) (p->n - 1) * p->index->layout.slot_size;
	char	   *now;
	bool		same;

	if (locked->vertex->degree != p->n - 1)
		return false;
	now = palloc(size);
	hnr_vertex_get_slots(locked, now);
	same = memcmp(now, p->slots, size) == 0;
	pfree(now);
	return same;
}

/* Prunes the full plain list that p holds, of a vertex no longer locked. */
static HnrLinkResult
prune_plain(HnrPruning *p, HnrNewLink *link)
{
	HnrLinkResult result = HNR_LINK_DECLINED;

	p->vectors = palloc(sizeof(float *) * (hnr_layout_shape(&p->index->layout, p->level)->slots + 1));
	p->room = palloc(sizeof(float) * p->index->layout.dims);
	for (int try = 0; try < PLAIN_RETRIES; try++)
	{
		HnrLockedVertex locked;
		ItemPointerData from = link->from;
		int			n = p->n;
		int			victim;
		bool		unchanged;

		measure_plain(p, link->vec, p->to->vec);
		victim = hnr_pruning_choose(p);
		if (!hnr_vertex_lock(p->index, &from, p->level, &locked))
		{
			result = HNR_LINK_GONE;
			break;
		}
		unchanged = list_is_unchanged(p, &locked);
		if (!unchanged)
			hnr_pruning_fill(p, &locked, link->slot);
		else if (victim < n - 1)
		{
			hnr_vertex_put_slot(&locked, victim, link->slot);
			hnr_pruning_replaced(p, victim, link);
			result = HNR_LINK_MADE;
		}
		hnr_vertex_unlock(&locked);
		if (unchanged || p->n < n)
			break;				/* fewer: vacuum is at it */
		if (hnr_pruning_has_neighbor(p))
		{
			/* vacuum has made the link meanwhile */
			result = HNR_LINK_MADE;
			break;
		}
	}
	free_vectors(p);
	pfree(p->room);
	pfree(p->vectors);
	p->vectors = NULL;
	return result;
}

/* Makes a link from a vertex that is locked, and unlocked here. */
static HnrLinkResult
link_and_unlock(HnrPruning *p, HnrLockedVertex *locked, HnrNewLink *link)
{
	HnrLinkResult result;

	if (p->index->codec->quantizer || locked->vertex->degree < locked->shape->slots)
	{
		result = link_locked(p, locked, link, NULL);
		hnr_vertex_unlock(locked);
		return result;
	}
	hnr_pruning_fill(p, locked, link->slot);
	hnr_vertex_unlock(locked);
	return hnr_pruning_has_neighbor(p) ? HNR_LINK_MADE : prune_plain(p, link);
}

static HnrLinkResult
add_one(HnrPruning *p, HnrNewLink *link)
{
	HnrLockedVertex locked;

	if (!hnr_vertex_lock(p->index, &link->from, p->level, &locked))
		return HNR_LINK_GONE;
	if (locked.vertex->generation == link->generation)
		return link_and_unlock(p, &locked, link);
	hnr_vertex_unlock(&locked);
	return HNR_LINK_GONE;
}

/*
 * Makes links in the order given, which is that of their vertices' blocks, from as
 * many pages as one record can change.  Returns how many links it tried.
 */
static int
add_group(HnrPruning *p, HnrNewLink **link, int n)
{
	int			kinds = HNR_KIND_BIT(hnr_layout_shape(&p->index->layout, p->level)->kind);
	HnrChange	change;
	Buffer		bufs[MAX_GENERIC_XLOG_PAGES];
	int			nbufs = 0;
	int			i = 0;

	hnr_change_begin(&change, p->index->rel, p->index->building);
	while (i < n && nbufs < MAX_GENERIC_XLOG_PAGES)
	{
		BlockNumber block = ItemPointerGetBlockNumberNoCheck(&link[i]->from);
		Buffer		buf = hnr_buffer_read(p->index->rel, block, BUFFER_LOCK_EXCLUSIVE, kinds);

		bufs[nbufs++] = buf;
		for (; i < n && ItemPointerGetBlockNumberNoCheck(&link[i]->from) == block; i++)
		{
			HnrLockedVertex locked;

			link[i]->result = HNR_LINK_GONE;
			if (hnr_vertex_on_locked_page(p->index, &link[i]->from, p->level, buf, &locked) &&
				locked.vertex->generation == link[i]->generation)
				link[i]->result = link_locked(p, &locked, link[i], &change);
		}
	}
	if (change.npages > 0)
		hnr_change_end(&change);
	for (int j = 0; j < nbufs; j++)
		hnr_buffer_release(bufs[j]);
	return i;
}

/* The links by the blocks of their vertices. */
static HnrNewLink **
sort_by_block(HnrNewLink *links, int n)
{
	HnrNewLink **sorted = palloc(sizeof(HnrNewLink *) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		BlockNumber block = ItemPointerGetBlockNumberNoCheck(&links[i].from);
		int			j = i;

		for (; j > 0 && ItemPointerGetBlockNumberNoCheck(&sorted[j - 1]->from) > block; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = &links[i];
	}
	return sorted;
}

int
hnr_link_add_all(HnrIndex *index, int level, HnrNewLink *links, int n,
				 const HnrLinkTarget *to)
{
	HnrPruning *p = hnr_pruning_create(index, level, to);
	HnrNewLink **sorted = sort_by_block(links, n);
	bool		single = index->codec->quantizer == NULL ||
		hnr_layout_shape(&index->layout, level)->parts > 1;
	int			made = 0;

	for (int i = 0; i < n; i++)
		ItemPointerSetInvalid(&links[i].evicted);
	for (int i = 0; i < n;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!single)
			i += add_group(p, sorted + i, n - i);
		else
		{
			sorted[i]->result = add_one(p, sorted[i]);
			i++;
		}
	}
	for (int i = 0; i < n; i++)
		if (links[i].result == HNR_LINK_MADE)
			made++;
	return made;
}

/* Whether n slots lead to a vertex; one that was seen to do so is looked at first. */
static bool
lead_to(const HnrIndex *index, const char *slots, int n, int first, const ItemPointerData *to)
{
	Size		size = index->layout.slot_size;

	if (first < n && hnr_same_tid(&((const HnrSlot *) (slots + first * size))->vertex, to))
		return true;
	for (int i = 0; i < n; i++)
		if (hnr_same_tid(&((const HnrSlot *) (slots + i * size))->vertex, to))
			return true;
	return false;
}

bool
hnr_link_stands(HnrIndex *index, const HnrWay *way, const ItemPointerData *to)
{
	const HnrShape *shape = &index->layout.ground;
	const HnrPartLayout *pl = &shape->part[0];
	BlockNumber block = (BlockNumber) (way->from >> 16);
	Buffer		buf = hnr_buffer_read(index->rel, block, BUFFER_LOCK_SHARE, HNR_KIND_BIT(shape->kind));
	const HnrVertex *v = hnr_vertex_standing(shape, BufferGetPage(buf), (OffsetNumber) (way->from & 0xFFFF));
	HnrLaterSlots later = {.index = index,.shape = shape,.block = block,.vertex = v};
	bool		stands = false;

	if (v && v->state == HNR_VERTEX_LIVE)
	{
		stands = lead_to(index, (const char *) v + pl->slot_offset, Min(pl->slot_count, (int) v->degree),
						 way->at, to);
		while (hnr_vertex_later_slots(&later))
			stands |= later.same && lead_to(index, later.slots, later.n, 0, to);
	}
	hnr_buffer_release(buf);
	return stands;
}

bool
hnr_link_end_stands(HnrIndex *index, int level, const HnrNewLink *link)
{
	const HnrShape *shape = hnr_layout_shape(&index->layout, level);
	Buffer		buf = hnr_buffer_read(index->rel, ItemPointerGetBlockNumberNoCheck(&link->from),
									  BUFFER_LOCK_SHARE, HNR_KIND_BIT(shape->kind));
	ItemPointerData tid = link->from;
	HnrVertex  *vertex;
	bool		stands;

	hnr_vertex_check_position(index, shape, &tid);
	vertex = hnr_vertex_at(shape, BufferGetPage(buf), ItemPointerGetOffsetNumber(&tid));
	stands = vertex->state == HNR_VERTEX_LIVE && vertex->level == level &&
		vertex->generation == link->generation;
	hnr_buffer_release(buf);
	return stands;
}

void
hnr_link_remove(HnrIndex *index, int level, ItemPointer from, ItemPointer to)
{
	HnrPruning *p = hnr_pruning_create(index, level, NULL);
	HnrLockedVertex locked;
	int			degree;
	int			kept = 0;

	if (!hnr_vertex_lock(index, from, level, &locked))
		return;
	degree = locked.vertex->degree;
	hnr_vertex_get_slots(&locked, p->slots);
	for (int i = 0; i < degree; i++)
	{
		if (hnr_same_tid(&hnr_pruning_slot(p, i)->vertex, to))
			continue;
		if (kept != i)
			memcpy(hnr_pruning_slot(p, kept), hnr_pruning_slot(p, i), index->layout.slot_size);
		kept++;
	}
	if (kept < degree)
		hnr_vertex_put_slots(&locked, p->slots, kept);
	hnr_vertex_unlock(&locked);
}
