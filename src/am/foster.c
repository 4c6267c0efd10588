/*-------------------------------------------------------------------------
 *
 * foster.c
 *		Links to a vertex that no neighbour has a place for.  See foster.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/foster.h"
#include "am/idset.h"
#include "am/node.h"
#include "am/vertex.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "utils/memutils.h"

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
	if (made)
		hnr_foster_evicted(w->index, &to, &w->link, 1, &child->tid);
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
static void
foster_evicted(HnrIndex *index, const HnrFosterChild *child, const HnrNewLink *lost, HnrNodeId last)
{
	Walk		w;

	HNR_DEBUG_POINT("insert_evicted");
	begin_walk(&w, index, child);
	(void) hnr_idset_add(&w.known, last);
	add_place(&w, hnr_node_of_tid(&lost->from), 0);
	if (!walk(&w))
		(void) try_place(&w, last);
}

/* What may have been found by a lost link alone, or only through what was: to be gone through. */
typedef struct Lost
{
	HnrIdSet	known;
	int			n;
	HnrNodeId	id[MAX_STEPS];
} Lost;

static void
add_lost(Lost *lost, HnrNodeId id)
{
	if (lost->n < MAX_STEPS && hnr_idset_add(&lost->known, id))
		lost->id[lost->n++] = id;
}

static void
add_lost_slots(Lost *lost, const HnrIndex *index, const HnrWays *ways, const char *slots, int n)
{
	for (int i = 0; i < n; i++)
	{
		HnrNodeId	id = hnr_node_of_tid(&((const HnrSlot *) (slots + (Size) i * index->layout.slot_size))->vertex);

		if (!hnr_ways_two(ways, id))
			add_lost(lost, id);
	}
}

/*
 * Adds what a deleted vertex leads to, and what the search for the new one did not find
 * otherwise: until vacuum removes it, searches go through it.
 */
static void
add_lost_beyond(Lost *lost, HnrIndex *index, const HnrWays *ways, HnrNodeId id)
{
	const HnrShape *shape = &index->layout.ground;
	BlockNumber block = (BlockNumber) (id >> 16);
	Buffer		buf = hnr_buffer_read(index->rel, block, BUFFER_LOCK_SHARE, HNR_KIND_BIT(shape->kind));
	const HnrVertex *v = hnr_vertex_standing(shape, BufferGetPage(buf), (OffsetNumber) (id & 0xFFFF));
	HnrLaterSlots later = {.index = index,.shape = shape,.block = block,.vertex = v};

	if (v)
	{
		const HnrPartLayout *pl = &shape->part[0];

		add_lost_slots(lost, index, ways, (const char *) v + pl->slot_offset, Min(pl->slot_count, (int) v->degree));
		while (hnr_vertex_later_slots(&later))
			if (later.same)
				add_lost_slots(lost, index, ways, later.slots, later.n);
	}
	hnr_buffer_release(buf);
}

/* Of a deleted vertex that was evicted: does it for what it leads to, through other deleted ones too. */
static void
foster_beyond(HnrIndex *index, const HnrLinkTarget *to, const HnrNewLink *lost, HnrNodeId by)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw foster", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Lost		all = {.n = 0};

	hnr_idset_init(&all.known, 64);
	(void) hnr_idset_add(&all.known, by);
	(void) hnr_idset_add(&all.known, hnr_node_of_tid(&lost->from));
	(void) hnr_idset_add(&all.known, hnr_node_of_tid(&lost->evicted));
	add_lost_beyond(&all, index, to->ways, hnr_node_of_tid(&lost->evicted));
	for (int i = 0; i < all.n; i++)
	{
		HnrFosterChild child = {.ways = to->ways,.paths = to->paths};

		hnr_tid_of_node(all.id[i], &child.tid);
		if (read_child(index, &child))
			foster_evicted(index, &child, lost, by);
		else
			add_lost_beyond(&all, index, to->ways, all.id[i]);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* A vertex that was evicted and is found by nothing else. */
static void
foster_one(HnrIndex *index, const HnrLinkTarget *to, const HnrNewLink *lost, const ItemPointerData *by)
{
	HnrFosterChild child = {.tid = lost->evicted,.ways = to->ways,.paths = to->paths};

	if (read_child(index, &child))
		foster_evicted(index, &child, lost, hnr_node_of_tid(by));
	else if (index->metric->kind == HNR_METRIC_IP)
		foster_beyond(index, to, lost, hnr_node_of_tid(by));
}

/*
 * Whether a list that the search saw beside the one that gave a vertex up leads there still.  Somebody
 * else may have given that link up meanwhile, relying on the one given up here; who does so looks
 * afterwards, as is done here, so whoever is the second to look sees it.
 */
static bool
is_found_still(HnrIndex *index, HnrWays *ways, const HnrNewLink *lost)
{
	HnrNodeId	from = hnr_node_of_tid(&lost->from);
	HnrNodeId	id = hnr_node_of_tid(&lost->evicted);
	HnrWay		other;

	while (hnr_ways_other(ways, from, id, &other))
	{
		if (hnr_link_stands(index, &other, &lost->evicted))
			return true;
		hnr_ways_lose(ways, other.from, id);
	}
	return false;
}

/* A link made for one of these may take another's place; each is looked after by the ways it has, which grow fewer. */
void
hnr_foster_evicted(HnrIndex *index, const HnrLinkTarget *to, const HnrNewLink *links, int n,
				   const ItemPointerData *by)
{
	for (int i = 0; i < n; i++)
		if (ItemPointerIsValid(&links[i].evicted) && !is_found_still(index, to->ways, &links[i]))
			foster_one(index, to, &links[i], by);
}
