/*-------------------------------------------------------------------------
 *
 * foster.c
 *		Links to a vertex that no neighbour has a place for.  See foster.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/foster.h"
#include "am/idset.h"
#include "am/node.h"
#include "am/vertex.h"
#include "debug_point.h"
#include "miscadmin.h"

/* How many vertices to try. */
#define MAX_STEPS 64

/* The same where nearly all have a link to spare, and the last resort is to have none. */
#define MAX_FORCED_STEPS 1000

typedef struct Place
{
	HnrNodeId	id;
	float		distance;		/* squared, about */
} Place;

typedef struct Walk
{
	HnrIndex   *index;
	const HnrFosterChild *child;
	HnrIdSet	known;
	int			n;				/* places to try, in no order */
	int			max;
	Place	   *place;
	HnrNewLink	link;			/* from the place being tried */
	float	   *vec;			/* its vector */
	float	   *rotated;
	char	   *slots;			/* its neighbours */
	int			degree;
} Walk;

static void
add_place(Walk *w, HnrNodeId id, float distance)
{
	const HnrPaths *paths = w->child->paths;

	if (!hnr_idset_add(&w->known, id) || (paths && !paths->leads(id, paths->state)))
		return;
	if (w->n == w->max)
	{
		w->max *= 2;
		w->place = repalloc(w->place, sizeof(Place) * w->max);
	}
	w->place[w->n].id = id;
	w->place[w->n++].distance = distance;
}

static Place
take_nearest(Walk *w)
{
	int			nearest = 0;
	Place		place;

	for (int i = 1; i < w->n; i++)
		if (w->place[i].distance < w->place[nearest].distance)
			nearest = i;
	place = w->place[nearest];
	w->place[nearest] = w->place[--w->n];
	return place;
}

/* Reads a place and encodes the link from there; false if it is gone. */
static bool
read_place(Walk *w, HnrNodeId id)
{
	HnrCodecPoint here = {w->vec, w->rotated};
	HnrCodecPoint there = {w->child->vec, w->child->rotated};
	ItemPointerData tid = w->child->tid;
	HnrLockedVertex locked;

	hnr_tid_of_node(id, &w->link.from);
	if (!hnr_vertex_lock(w->index, &w->link.from, 0, &locked))
		return false;
	w->link.generation = locked.vertex->generation;
	w->degree = locked.vertex->degree;
	hnr_vertex_get_vector(&locked, w->vec);
	hnr_vertex_get_slots(&locked, w->slots);
	hnr_vertex_unlock(&locked);
	hnr_codec_rotate(w->index->codec, w->vec, w->rotated);
	hnr_codec_encode(w->index->codec, here, there, &tid, w->link.slot);
	return true;
}

/* Adds the neighbours of the place that was tried; plain slots do not tell how far. */
static void
add_neighbors(Walk *w, float distance)
{
	HnrCodec   *codec = w->index->codec;

	for (int i = 0; i < w->degree; i++)
	{
		HnrSlot    *slot = (HnrSlot *) (w->slots + (Size) i * w->index->layout.slot_size);

		add_place(w, hnr_node_of_tid(&slot->vertex), codec->quantizer == NULL ? distance :
				  hnr_codec_pair_l2_squared(codec, slot, w->link.slot));
	}
}

static void
begin_walk(Walk *w, HnrIndex *index, const HnrFosterChild *child)
{
	memset(w, 0, sizeof(*w));
	w->index = index;
	w->child = child;
	hnr_idset_init(&w->known, 1024);
	w->max = 256;
	w->place = palloc(sizeof(Place) * w->max);
	w->slots = palloc((Size) index->layout.ground.slots * index->layout.slot_size);
	w->vec = palloc(sizeof(float) * index->layout.dims);
	w->rotated = palloc(sizeof(float) * Max(hnr_codec_rotated_dims(index->codec), 1));
	w->link.vec = w->vec;
	w->link.slot = palloc(index->layout.slot_size);
	hnr_idset_add(&w->known, hnr_node_of_tid(&child->tid));
}

/*
 * Makes the link from the place that was read.  Vacuum may have taken the child since
 * that was read, and have gone through this list before the link was in it: then nobody
 * else would ever take it out.  So no interrupt may come between.
 */
static bool
make_link(Walk *w)
{
	const HnrFosterChild *child = w->child;
	HnrLinkTarget to = {child->vec, child->neighbors, child->nneighbors, child->ways,
	.gentle = !child->force,.force = child->force,.paths = child->paths};
	HnrNewLink	other_end = {.from = child->tid,.generation = child->generation};
	bool		made;

	HOLD_INTERRUPTS();
	made = hnr_link_add_all(w->index, 0, &w->link, 1, &to) > 0;
	if (made && child->generation != 0 && !hnr_link_end_stands(w->index, 0, &other_end))
		hnr_link_remove(w->index, 0, &w->link.from, &other_end.from);
	/* only one that is forced evicts, and only for those that are not */
	if (made && child->force && ItemPointerIsValid(&w->link.evicted))
		hnr_foster_evicted(w->index, &to, &w->link, &child->tid);
	RESUME_INTERRUPTS();
	return made;
}

static bool
try_place(Walk *w, HnrNodeId id)
{
	return read_place(w, id) && make_link(w);
}

static bool
walk(Walk *w)
{
	int			most = w->child->force ? MAX_FORCED_STEPS : MAX_STEPS;

	for (int steps = 0; w->n > 0 && steps < most; steps++)
	{
		Place		place = take_nearest(w);

		CHECK_FOR_INTERRUPTS();
		w->degree = 0;
		if (try_place(w, place.id))
			return true;
		add_neighbors(w, place.distance);
	}
	return false;
}

bool
hnr_foster(HnrIndex *index, const HnrFosterChild *child, ItemPointer from)
{
	Walk		w;

	Assert(!child->force || child->paths);
	begin_walk(&w, index, child);
	for (int i = 0; i < child->nneighbors; i++)
		add_place(&w, hnr_node_of_tid(&child->neighbors[i].from), 0);
	if (!walk(&w))
		return false;
	*from = w.link.from;
	return true;
}

/* Reads a vertex; false if it is gone. */
static bool
read_child(HnrIndex *index, HnrFosterChild *child)
{
	Size		slot_size = index->layout.slot_size;
	float	   *vec = palloc(sizeof(float) * index->layout.dims);
	float	   *rotated = palloc(sizeof(float) * Max(hnr_codec_rotated_dims(index->codec), 1));
	char	   *slots = palloc((Size) index->layout.ground.slots * slot_size);
	HnrLockedVertex locked;
	HnrNewLink *neighbors;

	if (!hnr_vertex_lock(index, &child->tid, 0, &locked))
		return false;
	child->generation = locked.vertex->generation;
	child->nneighbors = locked.vertex->degree;
	hnr_vertex_get_vector(&locked, vec);
	hnr_vertex_get_slots(&locked, slots);
	hnr_vertex_unlock(&locked);
	neighbors = palloc0(sizeof(HnrNewLink) * Max(child->nneighbors, 1));
	for (int i = 0; i < child->nneighbors; i++)
	{
		neighbors[i].from = ((HnrSlot *) (slots + i * slot_size))->vertex;
		neighbors[i].mutual = true;
	}
	hnr_codec_rotate(index->codec, vec, rotated);
	child->vec = vec;
	child->rotated = rotated;
	child->neighbors = neighbors;
	return true;
}

/*
 * Its own neighbours may be found through it alone, so the walk begins where it was
 * evicted.  The one that took its place is the last resort, for it has room as a rule,
 * and a place near the few that all others want to be led to from.
 */
bool
hnr_foster_evicted(HnrIndex *index, const HnrLinkTarget *to, const HnrNewLink *lost,
				   const ItemPointerData *by)
{
	HnrFosterChild child = {.tid = lost->evicted,.ways = to->ways,.paths = to->paths};
	HnrNodeId	last = hnr_node_of_tid(by);
	Walk		w;

	if (!read_child(index, &child))
		return true;
	HNR_DEBUG_POINT("insert_evicted");
	begin_walk(&w, index, &child);
	(void) hnr_idset_add(&w.known, last);
	add_place(&w, hnr_node_of_tid(&lost->from), 0);
	return walk(&w) || try_place(&w, last);
}
