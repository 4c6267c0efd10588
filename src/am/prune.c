/*-------------------------------------------------------------------------
 *
 * prune.c
 *		Which neighbour a full list gives up.  See prune.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/node.h"
#include "am/prune.h"

static bool
measures_product(const HnrPruning *p)
{
	return p->index->metric->kind == HNR_METRIC_IP && p->index->codec->quantizer != NULL;
}

HnrPruning *
hnr_pruning_create(HnrIndex *index, int level, const HnrLinkTarget *to)
{
	int			n = hnr_layout_shape(&index->layout, level)->slots + 1;
	HnrPruning *p = palloc0(sizeof(HnrPruning));

	p->index = index;
	p->level = level;
	p->to = to;
	p->slots = palloc((Size) n * index->layout.slot_size);
	p->order = palloc(sizeof(int) * n);
	p->kept = palloc(sizeof(int) * n);
	p->diverse = palloc(sizeof(bool) * n);
	p->apart = p->distance = palloc(sizeof(float) * n);
	if (measures_product(p))
	{
		p->distance = palloc(sizeof(float) * n);
		p->vec = palloc(sizeof(float) * index->layout.dims);
		p->self = palloc(sizeof(float) * hnr_codec_rotated_dims(index->codec));
	}
	p->arms = palloc(sizeof(HnrArm) * n);
	return p;
}

void
hnr_pruning_fill(HnrPruning *p, HnrLockedVertex *locked, const HnrSlot *added)
{
	p->id = hnr_node_of_tid(&locked->tid);
	p->n = locked->vertex->degree + 1;
	hnr_vertex_get_slots(locked, p->slots);
	memcpy(hnr_pruning_slot(p, p->n - 1), added, p->index->layout.slot_size);
}

bool
hnr_pruning_has_neighbor(const HnrPruning *p)
{
	for (int i = 0; i < p->n - 1; i++)
		if (hnr_same_tid(&hnr_pruning_slot(p, i)->vertex, &hnr_pruning_slot(p, p->n - 1)->vertex))
			return true;
	return false;
}

/* Distance of two neighbours, as `apart` has those from the vertex. */
static float
pair_distance(const HnrPruning *p, int i, int j)
{
	Size		dims = p->index->layout.dims;

	if (p->vectors == NULL)
		return hnr_codec_arms_l2_squared(p->index->codec, &p->arms[i], &p->arms[j]);
	return hnr_metric_distance(p->index->metric, dims, p->vectors[i], p->vectors[j]);
}

static void
sort_by_distance(HnrPruning *p)
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
is_diverse(const HnrPruning *p, int candidate, int nkept)
{
	for (int i = 0; i < nkept; i++)
		if (pair_distance(p, candidate, p->kept[i]) < p->apart[candidate])
			return false;
	return true;
}

typedef bool (*Suits) (const HnrPruning *p, int neighbor);

/* Whether the new neighbour leads to one of the list itself. */
static bool
is_led_to(const HnrPruning *p, int neighbor)
{
	for (int i = 0; i < p->to->nneighbors; i++)
		if (p->to->neighbors[i].mutual &&
			hnr_same_tid(&p->to->neighbors[i].from, &hnr_pruning_slot(p, neighbor)->vertex))
			return true;
	return false;
}

/* Whether the search came by another way to one of the list. */
static bool
is_found_otherwise(const HnrPruning *p, int neighbor)
{
	HnrWay		other;

	return p->to->ways == NULL ||
		hnr_ways_other(p->to->ways, p->id, hnr_node_of_tid(&hnr_pruning_slot(p, neighbor)->vertex), &other);
}

static bool
is_any(const HnrPruning *p, int neighbor)
{
	return true;
}

/* Whether nothing is known that the link to one of the list is needed for. */
static bool
may_go(const HnrPruning *p, int neighbor)
{
	const HnrPaths *paths = p->to->paths;

	return paths == NULL || paths->spare(p->id, hnr_node_of_tid(&hnr_pruning_slot(p, neighbor)->vertex), paths->state);
}

/*
 * The farthest of the old neighbours, diverse ones or others, that suits; -1: none.
 * Nothing nearer than `least`, a place in the order.
 */
static int
farthest(const HnrPruning *p, bool diverse, int least, Suits suits)
{
	for (int i = p->n - 1; i >= least; i--)
	{
		int			neighbor = p->order[i];

		if (neighbor < p->n - 1 && p->diverse[neighbor] == diverse && suits(p, neighbor) && may_go(p, neighbor))
			return neighbor;
	}
	return -1;
}

/* The farthest that nobody misses: what the new one leads to, or others as well. */
static int
farthest_safe(const HnrPruning *p, bool diverse, int least)
{
	int			victim = farthest(p, diverse, least, is_led_to);

	return victim >= 0 ? victim : farthest(p, diverse, least, is_found_otherwise);
}

/*
 * Marks in a measured list what hnr_select_neighbors would choose first.  Returns the
 * place in the order of the last of the others or, without any, of all.
 */
static int
mark_diverse(HnrPruning *p)
{
	int			nkept = 0;
	int			last = -1;

	sort_by_distance(p);
	for (int i = 0; i < p->n; i++)
	{
		int			neighbor = p->order[i];

		p->diverse[neighbor] = is_diverse(p, neighbor, nkept);
		if (p->diverse[neighbor])
			p->kept[nkept++] = neighbor;
		else
			last = i;
	}
	return last >= 0 ? last : p->n - 1;
}

/*
 * As hnr_select_neighbors would have it, that is the farthest that lies in the
 * direction of a nearer one, which leads there; else the farthest of all.  But it is
 * one that is found without this link, too, if there is any: best one that the new one
 * leads to, which then has as many links to it as before.  Where paths are known, none
 * that is needed is given up, whatever is asked.
 */
int
hnr_pruning_choose(HnrPruning *p)
{
	int			new = p->n - 1;
	int			last = mark_diverse(p);
	bool		diverse = p->diverse[p->order[last]];
	int			least = 0;
	int			victim;

	if (p->order[last] == new && !p->to->force)
		return new;
	while (diverse && p->order[least] != new && !p->to->force)
		least++;
	victim = farthest_safe(p, diverse, least);
	if (victim < 0 && p->to->force)
		victim = farthest_safe(p, !diverse, 0);
	if (victim >= 0)
		return victim;
	if (p->to->gentle)
		return new;
	victim = farthest(p, diverse, least, is_any);
	if (victim < 0)
		victim = farthest(p, !diverse, 0, is_any);
	return victim >= 0 ? victim : new;
}

void
hnr_pruning_replaced(HnrPruning *p, int victim, HnrNewLink *link)
{
	ItemPointer tid = &hnr_pruning_slot(p, victim)->vertex;

	if (p->to->ways == NULL)
		return;
	hnr_ways_lose(p->to->ways, p->id, hnr_node_of_tid(tid));
	if (!is_led_to(p, victim))
		link->evicted = *tid;
}

void
hnr_pruning_measure(HnrPruning *p, HnrLockedVertex *locked)
{
	bool		product = measures_product(p);

	if (product)
	{
		hnr_vertex_get_vector(locked, p->vec);
		hnr_codec_rotate(p->index->codec, p->vec, p->self);
	}
	for (int i = 0; i < p->n; i++)
	{
		HnrSlot    *slot = hnr_pruning_slot(p, i);

		hnr_codec_measure_arm(p->index->codec, slot, &p->arms[i]);
		p->apart[i] = p->arms[i].length * p->arms[i].length;
		if (product)
			p->distance[i] = hnr_codec_product(p->index->codec, slot, p->self);
	}
}
