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
#include "am/store_disk.h"
#include "am/vertex.h"
#include "am/wal.h"
#include "miscadmin.h"
#include "utils/float.h"

/* How often to start over when a plain list changes while it is being read. */
#define PLAIN_RETRIES 3

/* A list of neighbours and behind it the one to be added, for one list after another. */
typedef struct Pruning
{
	HnrIndex   *index;
	int			level;
	const HnrLinkTarget *to;
	int			n;
	char	   *slots;			/* n slots, the last the new one */
	int		   *order;			/* nearest first */
	int		   *kept;			/* scratch of choose_victim */
	float	   *distance;		/* from the vertex, by slot */
	HnrArm	   *arms;
	float	   *vectors;		/* plain slots: n vectors */
} Pruning;

static HnrSlot *
pruning_slot(const Pruning *p, int i)
{
	return (HnrSlot *) (p->slots + (Size) i * p->index->layout.slot_size);
}

static Pruning *
pruning_create(HnrIndex *index, int level)
{
	int			n = hnr_layout_shape(&index->layout, level)->slots + 1;
	Pruning    *p = palloc0(sizeof(Pruning));

	p->index = index;
	p->level = level;
	p->slots = palloc((Size) n * index->layout.slot_size);
	p->order = palloc(sizeof(int) * n);
	p->kept = palloc(sizeof(int) * n);
	p->distance = palloc(sizeof(float) * n);
	p->arms = palloc(sizeof(HnrArm) * n);
	return p;
}

/* Copies the list of a locked vertex and, behind it, the new slot. */
static void
pruning_fill(Pruning *p, HnrLockedVertex *locked, const HnrSlot *added)
{
	p->n = locked->vertex->degree + 1;
	hnr_vertex_get_slots(locked, p->slots);
	memcpy(pruning_slot(p, p->n - 1), added, p->index->layout.slot_size);
}

/* Whether the list has the new neighbour already. */
static bool
has_neighbor(const Pruning *p)
{
	for (int i = 0; i < p->n - 1; i++)
		if (hnr_same_tid(&pruning_slot(p, i)->vertex, &pruning_slot(p, p->n - 1)->vertex))
			return true;
	return false;
}

/* Distance of two neighbours, as those from the vertex are measured. */
static float
pair_distance(const Pruning *p, int i, int j)
{
	Size		dims = p->index->layout.dims;

	if (p->vectors == NULL)
		return hnr_codec_arms_l2_squared(p->index->codec, &p->arms[i], &p->arms[j]);
	return hnr_metric_distance(p->index->metric, dims, p->vectors + i * dims, p->vectors + j * dims);
}

static void
sort_by_distance(Pruning *p)
{
	for (int i = 0; i < p->n; i++)
	{
		int			j = i;

		for (; j > 0 && p->distance[p->order[j - 1]] > p->distance[i]; j--)
			p->order[j] = p->order[j - 1];
		p->order[j] = i;
	}
}

/* Whether a neighbour is nearer to the vertex than to any of those kept. */
static bool
is_diverse(const Pruning *p, int candidate, int nkept)
{
	for (int i = 0; i < nkept; i++)
		if (pair_distance(p, candidate, p->kept[i]) < p->distance[candidate])
			return false;
	return true;
}

/* Whether the new neighbour leads to one of the list itself. */
static bool
is_led_to(const Pruning *p, int neighbor)
{
	for (int i = 0; i < p->to->nneighbors; i++)
		if (hnr_same_tid(&p->to->neighbors[i].from, &pruning_slot(p, neighbor)->vertex))
			return true;
	return false;
}

/*
 * The neighbour that a measured list can do without, as hnr_select_neighbors would
 * have it: the farthest that lies in the direction of a nearer one, which leads
 * there; else the farthest.  But the new one takes the place of one that it leads to
 * itself where it can, which then has as many links to it as before.  With force the
 * victim is never the new one.
 */
static int
choose_victim(Pruning *p)
{
	int			new = p->n - 1;
	int			victim = -1;
	int			led_to = -1;
	int			nkept = 0;

	sort_by_distance(p);
	for (int i = 0; i < p->n; i++)
	{
		int			candidate = p->order[i];

		if (is_diverse(p, candidate, nkept))
			p->kept[nkept++] = candidate;
		else if (candidate != new || !p->to->force)
		{
			victim = candidate;
			if (candidate != new && is_led_to(p, candidate))
				led_to = candidate;
		}
	}
	if (victim < 0)
		victim = p->order[new] != new || !p->to->force ? p->order[new] : p->order[new - 1];
	return victim != new && led_to >= 0 ? led_to : victim;
}

static void
measure_coded(Pruning *p)
{
	for (int i = 0; i < p->n; i++)
	{
		hnr_codec_measure_arm(p->index->codec, pruning_slot(p, i), &p->arms[i]);
		p->distance[i] = p->arms[i].length * p->arms[i].length;
	}
}

/*
 * Adds a slot to a locked vertex that has room or coded slots; as part of a change,
 * or of one of its own.
 */
static HnrLinkResult
link_locked(Pruning *p, HnrLockedVertex *locked, const HnrSlot *added, HnrChange *change)
{
	int			at = locked->vertex->degree;

	pruning_fill(p, locked, added);
	if (has_neighbor(p))
		return HNR_LINK_MADE;
	if (at == locked->shape->slots)
	{
		measure_coded(p);
		at = choose_victim(p);
		if (at == p->n - 1)
			return HNR_LINK_DECLINED;
	}
	if (change)
		hnr_vertex_change_slot(change, locked, at, added);
	else
		hnr_vertex_put_slot(locked, at, added);
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

/* With no lock held: measures the neighbours of a plain list; a dead one is far. */
static void
measure_plain(Pruning *p, const float *from, const float *to)
{
	Size		dims = p->index->layout.dims;

	for (int i = 0; i < p->n; i++)
	{
		float	   *vec = p->vectors + i * dims;

		if (i == p->n - 1)
			memcpy(vec, to, sizeof(float) * dims);
		else if (!read_neighbor(p->index, p->level, &pruning_slot(p, i)->vertex, vec))
		{
			memset(vec, 0, sizeof(float) * dims);
			p->distance[i] = get_float4_infinity();
			continue;
		}
		p->distance[i] = hnr_metric_distance(p->index->metric, dims, from, vec);
	}
}

/* Whether the list of a locked vertex is the one that p holds. */
static bool
list_is_unchanged(Pruning *p, HnrLockedVertex *locked)
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
prune_plain(Pruning *p, const HnrNewLink *link)
{
	HnrLinkResult result = HNR_LINK_DECLINED;

	p->vectors = palloc_extended(sizeof(float) * (Size) p->index->layout.dims * p->n, MCXT_ALLOC_HUGE);
	for (int try = 0; try < PLAIN_RETRIES; try++)
	{
		HnrLockedVertex locked;
		ItemPointerData from = link->from;
		int			n = p->n;
		int			victim;
		bool		unchanged;

		measure_plain(p, link->vec, p->to->vec);
		victim = choose_victim(p);
		if (!hnr_vertex_lock(p->index, &from, p->level, &locked))
		{
			result = HNR_LINK_GONE;
			break;
		}
		unchanged = list_is_unchanged(p, &locked);
		if (!unchanged)
			pruning_fill(p, &locked, link->slot);
		else if (victim < n - 1)
		{
			hnr_vertex_put_slot(&locked, victim, link->slot);
			result = HNR_LINK_MADE;
		}
		hnr_vertex_unlock(&locked);
		if (unchanged || p->n < n)
			break;				/* fewer: vacuum is at it */
		if (has_neighbor(p))
		{
			/* vacuum has made the link meanwhile */
			result = HNR_LINK_MADE;
			break;
		}
	}
	/* a list of wide vectors is megabytes, and an insertion prunes many */
	pfree(p->vectors);
	p->vectors = NULL;
	return result;
}

/* Makes a link from a vertex that is locked, and unlocked here. */
static HnrLinkResult
link_and_unlock(Pruning *p, HnrLockedVertex *locked, const HnrNewLink *link)
{
	HnrLinkResult result;

	if (p->index->codec->quantizer || locked->vertex->degree < locked->shape->slots)
	{
		result = link_locked(p, locked, link->slot, NULL);
		hnr_vertex_unlock(locked);
		return result;
	}
	pruning_fill(p, locked, link->slot);
	hnr_vertex_unlock(locked);
	return has_neighbor(p) ? HNR_LINK_MADE : prune_plain(p, link);
}

static HnrLinkResult
add_one(Pruning *p, HnrNewLink *link)
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
add_group(Pruning *p, HnrNewLink **link, int n)
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
				link[i]->result = link_locked(p, &locked, link[i]->slot, &change);
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
	Pruning    *p = pruning_create(index, level);
	HnrNewLink **sorted = sort_by_block(links, n);
	bool		single = index->codec->quantizer == NULL ||
		hnr_layout_shape(&index->layout, level)->parts > 1;
	int			made = 0;

	p->to = to;
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
	Pruning    *p = pruning_create(index, level);
	HnrLockedVertex locked;
	int			degree;
	int			kept = 0;

	if (!hnr_vertex_lock(index, from, level, &locked))
		return;
	degree = locked.vertex->degree;
	hnr_vertex_get_slots(&locked, p->slots);
	for (int i = 0; i < degree; i++)
	{
		if (hnr_same_tid(&pruning_slot(p, i)->vertex, to))
			continue;
		if (kept != i)
			memcpy(pruning_slot(p, kept), pruning_slot(p, i), index->layout.slot_size);
		kept++;
	}
	if (kept < degree)
		hnr_vertex_put_slots(&locked, p->slots, kept);
	hnr_vertex_unlock(&locked);
}
