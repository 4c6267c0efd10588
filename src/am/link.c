/*-------------------------------------------------------------------------
 *
 * link.c
 *		Links from a vertex on disk to another.
 *
 * The slot is encoded before the vertex is locked; under the lock it is verified
 * that the vertex still holds the vector that the code is relative to.  Which
 * neighbour a full list gives up is decided from the codes alone: no other page is
 * read.  Plain slots have no codes, so there the vectors are read, without a lock
 * on the list, and the list is checked to be unchanged before it is replaced.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/link.h"
#include "am/select.h"
#include "am/store_disk.h"
#include "am/vertex.h"
#include "utils/float.h"

/* How often to start over when a plain list changes while it is being read. */
#define PLAIN_RETRIES 3

/* Neighbours of a full list and the one to be added, for selection. */
typedef struct Pruning
{
	HnrIndex   *index;
	int			n;
	char	   *slots;			/* n slots, the last the new one */
	int		   *order;			/* nearest first */
	float	   *distance;		/* from the vertex, in that order */
	float	   *by_slot;
	float	   *vectors;		/* plain slots: n vectors */
} Pruning;

static HnrSlot *
pruning_slot(const Pruning *p, int i)
{
	return (HnrSlot *) (p->slots + (Size) i * p->index->layout.slot_size);
}

static float
coded_pair(void *context, int i, int j)
{
	Pruning    *p = context;

	return hnr_codec_pair_l2_squared(p->index->codec, pruning_slot(p, p->order[i]),
									 pruning_slot(p, p->order[j]));
}

static float
plain_pair(void *context, int i, int j)
{
	Pruning    *p = context;
	int			dims = p->index->layout.dims;

	return hnr_metric_distance(p->index->metric, dims,
							   p->vectors + (Size) p->order[i] * dims,
							   p->vectors + (Size) p->order[j] * dims);
}

static Pruning *
pruning_create(HnrIndex *index, int n)
{
	Pruning    *p = palloc0(sizeof(Pruning));

	p->index = index;
	p->n = n;
	p->slots = palloc((Size) n * index->layout.slot_size);
	p->order = palloc(sizeof(int) * n);
	p->distance = palloc(sizeof(float) * n);
	p->by_slot = palloc(sizeof(float) * n);
	return p;
}

/*
 * Chooses n - 1 of the n neighbours and returns the one left out.  With force that
 * is never the last, the new one.
 */
static int
choose_victim(Pruning *p, HnrPairDistance pair, bool force)
{
	int		   *chosen = palloc(sizeof(int) * p->n);
	int			victim;
	uint64		sum = 0;

	for (int i = 0; i < p->n; i++)
	{
		int			j = i;

		for (; j > 0 && p->by_slot[p->order[j - 1]] > p->by_slot[i]; j--)
			p->order[j] = p->order[j - 1];
		p->order[j] = i;
	}
	for (int i = 0; i < p->n; i++)
		p->distance[i] = p->by_slot[p->order[i]];
	hnr_select_neighbors(p->distance, p->n, p->n - 1, pair, p, chosen);
	for (int i = 0; i < p->n - 1; i++)
		sum += p->order[chosen[i]];
	victim = (int) ((uint64) p->n * (p->n - 1) / 2 - sum);
	if (force && victim == p->n - 1)
		victim = p->order[chosen[p->n - 2]];
	pfree(chosen);
	return victim;
}

/* Whether a locked vertex still is what the link was made for. */
static bool
same_vector(HnrLockedVertex *locked, const HnrEnd *end)
{
	Size		size = sizeof(float) * locked->index->layout.dims;
	float	   *now = palloc(size);
	bool		same;

	hnr_vertex_get_vector(locked, now);
	same = memcmp(now, end->vec, size) == 0;
	pfree(now);
	return same;
}

static bool
has_neighbor(const Pruning *p, int degree, const ItemPointerData *tid)
{
	for (int i = 0; i < degree; i++)
		if (hnr_same_tid(&pruning_slot(p, i)->vertex, tid))
			return true;
	return false;
}

/* Copies the list of a locked vertex and, behind it, the new slot. */
static void
pruning_fill(Pruning *p, HnrLockedVertex *locked, const HnrSlot *added)
{
	p->n = locked->vertex->degree + 1;
	hnr_vertex_get_slots(locked, p->slots);
	memcpy(pruning_slot(p, p->n - 1), added, p->index->layout.slot_size);
}

static HnrLinkResult
replace_victim(Pruning *p, HnrLockedVertex *locked, int victim, const HnrSlot *added)
{
	if (victim == p->n - 1)
		return HNR_LINK_DECLINED;
	hnr_vertex_put_slot(locked, victim, added);
	return HNR_LINK_MADE;
}

static HnrLinkResult
prune_coded(Pruning *p, HnrLockedVertex *locked, const HnrSlot *added, bool force)
{
	for (int i = 0; i < p->n; i++)
	{
		float		length = hnr_codec_length(p->index->codec, pruning_slot(p, i));

		p->by_slot[i] = length * length;
	}
	return replace_victim(p, locked, choose_victim(p, coded_pair, force), added);
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
measure_plain(Pruning *p, int level, const HnrEnd *from, const HnrEnd *to)
{
	int			dims = p->index->layout.dims;

	p->vectors = palloc_extended(sizeof(float) * (Size) dims * p->n, MCXT_ALLOC_HUGE);
	for (int i = 0; i < p->n; i++)
	{
		float	   *vec = p->vectors + (Size) i * dims;

		if (i == p->n - 1)
			memcpy(vec, to->vec, sizeof(float) * dims);
		else if (!read_neighbor(p->index, level, &pruning_slot(p, i)->vertex, vec))
		{
			memset(vec, 0, sizeof(float) * dims);
			p->by_slot[i] = get_float4_infinity();
			continue;
		}
		p->by_slot[i] = hnr_metric_distance(p->index->metric, dims, from->vec, vec);
	}
}

static HnrLinkResult
prune_plain(Pruning *p, int level, const HnrEnd *from, const HnrEnd *to,
			const HnrSlot *added, bool force)
{
	for (int try = 0; try < PLAIN_RETRIES; try++)
	{
		Pruning    *now = pruning_create(p->index, p->n);
		HnrLockedVertex locked;
		HnrLinkResult result;
		int			victim;

		measure_plain(p, level, from, to);
		victim = choose_victim(p, plain_pair, force);
		/* a list of wide vectors is megabytes, and an insertion prunes many */
		pfree(p->vectors);
		p->vectors = NULL;
		if (!hnr_vertex_lock(p->index, unconstify(ItemPointerData *, &from->tid), level, &locked))
			return HNR_LINK_GONE;
		pruning_fill(now, &locked, added);
		if (now->n == p->n &&
			memcmp(now->slots, p->slots, (Size) p->n * p->index->layout.slot_size) == 0)
		{
			result = replace_victim(p, &locked, victim, added);
			hnr_vertex_unlock(&locked);
			return result;
		}
		hnr_vertex_unlock(&locked);
		if (now->n < p->n)
			return HNR_LINK_DECLINED;	/* vacuum is at it */
		p = now;
	}
	return HNR_LINK_DECLINED;
}

HnrLinkResult
hnr_link_add(HnrIndex *index, int level, const HnrEnd *from, const HnrEnd *to, bool force)
{
	const HnrShape *shape = hnr_layout_shape(&index->layout, level);
	HnrCodecPoint at = {from->vec, from->rotated};
	HnrCodecPoint neighbor = {to->vec, to->rotated};
	HnrSlot    *slot = palloc(index->layout.slot_size);
	Pruning    *p = pruning_create(index, shape->slots + 1);
	HnrLockedVertex locked;
	HnrLinkResult result = HNR_LINK_MADE;

	hnr_codec_encode(index->codec, at, neighbor, unconstify(ItemPointerData *, &to->tid), slot);
	if (!hnr_vertex_lock(index, unconstify(ItemPointerData *, &from->tid), level, &locked))
		return HNR_LINK_GONE;
	if (!same_vector(&locked, from))
	{
		hnr_vertex_unlock(&locked);
		return HNR_LINK_GONE;
	}
	pruning_fill(p, &locked, slot);
	if (has_neighbor(p, locked.vertex->degree, &to->tid))
		hnr_vertex_unlock(&locked);
	else if (locked.vertex->degree < shape->slots)
	{
		hnr_vertex_put_slot(&locked, locked.vertex->degree, slot);
		hnr_vertex_unlock(&locked);
	}
	else if (index->codec->quantizer)
	{
		result = prune_coded(p, &locked, slot, force);
		hnr_vertex_unlock(&locked);
	}
	else
	{
		hnr_vertex_unlock(&locked);
		result = prune_plain(p, level, from, to, slot, force);
	}
	return result;
}

void
hnr_link_remove(HnrIndex *index, int level, ItemPointer from, ItemPointer to)
{
	const HnrShape *shape = hnr_layout_shape(&index->layout, level);
	Pruning    *p = pruning_create(index, shape->slots + 1);
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
