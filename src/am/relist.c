/*-------------------------------------------------------------------------
 *
 * relist.c
 *		A ground vertex's list of neighbours, chosen anew on its pages.  See relist.h.
 *
 * The vertex is read; its neighbours are visited, and perhaps what a search finds that
 * begins with them; then it chooses as a new vertex does, by exact distances, and joins that with
 * what it has.  The new list is written if the old one is still there.  Vertices that are new
 * to the list are asked for a link back.
 *
 * Locks: no more than one page's, and its later parts', at a time; none during the
 * search.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/choice.h"
#include "am/link.h"
#include "am/relist.h"
#include "am/search.h"
#include "am/store_disk.h"
#include "am/vertex.h"
#include "am/wal.h"
#include "am/weaving.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

/*
 * The pool of the search around a vertex.  It need not find the way there, as an
 * insertion's must.
 */
#define POOL	40

/* A code is another vector's if that is by more than this part nearer or farther. */
#define CODE_TOLERANCE	0.05f

struct HnrRelist
{
	HnrIndex   *index;
	HnrStore   *store;
	HnrSearch  *search;
	HnrCandidate *entries;		/* room for those of a vertex */
	HnrCandidate *seen;			/* neighbours that a visit lists */
	int			slots;
	MemoryContext scratch;		/* reset for each vertex */
	HnrRelistFigures figures;

	/* the vertex at work */
	ItemPointerData tid;
	uint32		generation;
	uint8		flags;
	int			degree;
	char	   *old;			/* slots */
	float	   *vec;
	HnrChoices	choices;
	HnrNewLink *back;			/* links back to ask for */
	int			nback;
};

static int
most_entries(const HnrRelist *r)
{
	return r->slots + HNR_RELIST_MOST_FAR;
}

HnrRelist *
hnr_relist_create(HnrIndex *index)
{
	HnrRelist  *r = palloc0(sizeof(HnrRelist));

	r->index = index;
	r->slots = index->layout.ground.slots;
	r->store = hnr_disk_store_create(index, true);
	r->search = hnr_search_create(r->store, Max(POOL, most_entries(r)));
	r->entries = palloc(sizeof(HnrCandidate) * most_entries(r));
	r->seen = palloc(sizeof(HnrCandidate) * r->store->max_neighbors);
	r->old = palloc((Size) r->slots * index->layout.slot_size);
	r->vec = palloc(sizeof(float) * index->layout.dims);
	r->scratch = AllocSetContextCreate(CurrentMemoryContext, "hnsw relist", ALLOCSET_DEFAULT_SIZES);
	return r;
}

const HnrRelistFigures *
hnr_relist_figures(const HnrRelist *r)
{
	return &r->figures;
}

static HnrSlot *
slot_at(const HnrRelist *r, char *slots, int i)
{
	return (HnrSlot *) (slots + (Size) i * r->index->layout.slot_size);
}

static bool
read_vertex(HnrRelist *r)
{
	HnrLockedVertex locked;

	if (!hnr_vertex_lock(r->index, &r->tid, 0, &locked))
		return false;
	r->generation = locked.vertex->generation;
	r->flags = locked.vertex->flags;
	r->degree = locked.vertex->degree;
	hnr_vertex_get_vector(&locked, r->vec);
	hnr_vertex_get_slots(&locked, r->old);
	hnr_vertex_unlock(&locked);
	return true;
}

/* ---- what there is to choose from ---- */

/* Visits the entries and nothing else. */
static int
visit_entries(HnrRelist *r, int nentries)
{
	HnrStore   *store = r->store;
	int			n = 0;
	int			found = 0;

	store->begin(store);
	for (int i = 0; i < nentries; i++)
		if (store->mark(store, r->entries[i].id))
			r->entries[n++] = r->entries[i];
	for (int i = 0; i < n; i++)
	{
		HnrNodeId	id = r->entries[i].id;
		HnrVisit	visit;

		if (i + 1 < n)
			store->prefetch(store, r->entries[i + 1].id, 0);
		visit = store->visit(store, id, 0, r->seen);
		if (!visit.present || !visit.live)
			continue;
		r->entries[found].id = id;
		r->entries[found].distance = visit.distance;
		r->entries[found++].ref = visit.ref;
	}
	hnr_sort_candidates(r->entries, found);
	return found;
}

static void
add_choice(HnrRelist *r, const HnrCandidate *found, const HnrNodeId *far, int nfar)
{
	const HnrVisited *v = hnr_disk_store_visited(r->store, found->ref);
	HnrChoice  *c = &r->choices.choice[r->choices.n++];

	memset(c, 0, sizeof(HnrChoice));
	c->id = found->id;
	c->generation = v->generation;
	c->distance = found->distance;
	c->vec = v->vec;
	for (int i = 0; i < r->degree && c->slot == NULL; i++)
		if (hnr_node_of_tid(&slot_at(r, r->old, i)->vertex) == c->id)
			c->slot = slot_at(r, r->old, i);
	for (int i = 0; i < nfar; i++)
		c->far |= far[i] == c->id;
}

/* How many neighbours the vertex has: a crash between two parts may leave one twice. */
static int
count_old(const HnrRelist *r)
{
	int			n = 0;

	for (int i = 0; i < r->degree; i++)
	{
		int			j = 0;

		while (!hnr_same_tid(&slot_at(r, r->old, j)->vertex, &slot_at(r, r->old, i)->vertex))
			j++;
		n += j == i;
	}
	return n;
}

/*
 * Finds the choices.  False if a neighbour is deleted or gone: that is for vacuum, which
 * knows what is found through it alone.
 */
static bool
gather(HnrRelist *r, bool search, const HnrNodeId *far, int nfar)
{
	HnrCandidate *found = r->entries;
	int			nentries = 0;
	int			nfound;
	int			kept = 0;

	/* nearer than anything that comes up: all of them are visited */
	for (int i = 0; i < r->degree; i++)
		r->entries[nentries++] = (HnrCandidate) {.id = hnr_node_of_tid(&slot_at(r, r->old, i)->vertex)};
	for (int i = 0; i < nfar; i++)
		r->entries[nentries++] = (HnrCandidate) {.id = far[i]};
	for (int i = 0; i < nentries; i++)
		r->entries[i].distance = -get_float4_infinity();
	hnr_disk_store_set_query(r->store, r->vec);
	if (search)
		nfound = hnr_search_run(r->search, r->entries, nentries, 0, hnr_breadth(Max(POOL, nentries)), &found);
	else
		nfound = visit_entries(r, nentries);
	r->choices.choice = palloc(sizeof(HnrChoice) * Max(nfound, 1));
	r->choices.n = 0;
	for (int i = 0; i < nfound; i++)
		if (found[i].id != hnr_node_of_tid(&r->tid))
			add_choice(r, &found[i], far, nfar);
	for (int i = 0; i < r->choices.n; i++)
		if (r->choices.choice[i].slot)
			kept++;
	return kept == r->degree || kept == count_old(r);
}

/* ---- what must not be lost ---- */

/* Whether the vertex keeps a link to one, or to what was seen to lead there. */
static bool
is_kept(HnrRelist *r, const HnrChoice *c)
{
	HnrWays    *ways = hnr_disk_store_ways(r->store);

	for (int i = 0; i < r->choices.nchosen; i++)
		if (r->choices.chosen[i] == c || hnr_ways_leads(ways, r->choices.chosen[i]->id, c->id))
			return true;
	return false;
}

/* Puts a neighbour back into the list, in the place of the last that is new there. */
static bool
put_back(HnrRelist *r, HnrChoice *c)
{
	int			victim = r->choices.nchosen - 1;

	while (victim >= 0 && r->choices.chosen[victim]->slot != NULL)
		victim--;
	if (victim < 0)
		return false;
	r->choices.chosen[victim]->taken = false;
	r->choices.chosen[victim] = c;
	c->taken = true;
	return true;
}

/* Puts back what would be lost; false if the list is to stay as it is. */
static bool
keep_needed(HnrRelist *r)
{
	bool		again;

	do
	{
		again = false;
		for (int i = 0; i < r->choices.n; i++)
		{
			HnrChoice  *c = &r->choices.choice[i];

			if (c->slot == NULL || is_kept(r, c))
				continue;
			if (!put_back(r, c))
				return false;
			/* what it took the place of may have led to others */
			again = true;
		}
	} while (again);
	return true;
}

/* ---- writing ---- */

/* Whether a slot's code is that of the vector that its vertex has. */
static bool
code_fits(HnrRelist *r, const HnrChoice *c)
{
	float		length;
	float		coded;

	if (r->index->codec->quantizer == NULL)
		return true;
	length = hnr_weave_separation(r->index, r->vec, c->vec);
	coded = hnr_codec_length(r->index->codec, c->slot);
	return fabsf(coded - length) <= CODE_TOLERANCE * Max(coded, length);
}

/* Makes the slot of a choice that is new in the list, and asks for a link back. */
static void
encode(HnrRelist *r, const HnrChoice *c, HnrSlot *slot, float *rotated)
{
	HnrCodec   *codec = r->index->codec;
	HnrCodecPoint here = {r->vec, hnr_disk_store_rotated_query(r->store)};
	HnrCodecPoint there = {c->vec, rotated};
	HnrNewLink *back = &r->back[r->nback];

	back->slot = palloc(r->index->layout.slot_size);
	hnr_codec_rotate(codec, c->vec, rotated);
	hnr_codec_encode_both(codec, here, there, slot, back->slot);
	hnr_tid_of_node(c->id, &slot->vertex);
	back->slot->vertex = r->tid;
	back->from = slot->vertex;
	back->generation = c->generation;
	back->vec = c->vec;
	back->mutual = true;
	if (!hnr_ways_leads(hnr_disk_store_ways(r->store), c->id, hnr_node_of_tid(&r->tid)))
		r->nback++;
}

/* The place of a choice's slot in the old list; -1: it was not there. */
static int
old_place(const HnrRelist *r, const HnrChoice *c)
{
	return c->slot ? ((const char *) c->slot - r->old) / (int) r->index->layout.slot_size : -1;
}

/*
 * Puts the new list in the order of the old one, the others where there is room: so little is
 * logged, and what a crash leaves between two parts lacks no link that stays.
 */
static void
keep_places(HnrRelist *r)
{
	int			n = r->choices.nchosen;
	HnrChoice **at = palloc0(sizeof(HnrChoice *) * (n + 1));
	int			free = 0;

	for (int i = 0; i < n; i++)
	{
		int			place = old_place(r, r->choices.chosen[i]);

		if (place >= 0 && place < n)
			at[place] = r->choices.chosen[i];
	}
	for (int i = 0; i < n; i++)
	{
		int			place = old_place(r, r->choices.chosen[i]);

		if (place >= 0 && place < n)
			continue;
		while (at[free] != NULL)
			free++;
		at[free] = r->choices.chosen[i];
	}
	r->choices.chosen = at;
}

/* Makes the slots of the new list; whether it is another one. */
static bool
make_slots(HnrRelist *r, char *slots)
{
	float	   *rotated = palloc(sizeof(float) * Max(hnr_codec_rotated_dims(r->index->codec), 1));
	int			kept = 0;
	bool		changed = false;

	keep_places(r);
	r->back = palloc0(sizeof(HnrNewLink) * (r->choices.nchosen + 1));
	r->nback = 0;
	for (int i = 0; i < r->choices.nchosen; i++)
	{
		HnrChoice  *c = r->choices.chosen[i];
		bool		fits = c->slot != NULL && code_fits(r, c);

		if (c->slot)
			kept++;
		if (fits)
		{
			memcpy(slot_at(r, slots, i), c->slot, r->index->layout.slot_size);
			continue;
		}
		encode(r, c, slot_at(r, slots, i), rotated);
		changed = true;
		if (c->slot)
			r->figures.codes++;
		else
		{
			r->figures.added++;
			r->figures.far += c->far;
		}
	}
	r->figures.dropped += r->degree - kept;
	return changed || kept < r->degree;
}

/* Says that the list has been chosen; the vertex is locked. */
static void
clear_losses(HnrRelist *r, HnrLockedVertex *locked)
{
	uint8		flags = locked->vertex->flags & ~HNR_VERTEX_LOST;
	HnrChange	change;

	if (flags == locked->vertex->flags)
		return;
	hnr_change_begin(&change, r->index->rel, false);
	hnr_change_put(&change, locked->buf, &locked->vertex->flags, &flags, sizeof(flags));
	hnr_change_end(&change);
}

/* False if another list is there by now. */
static bool
write_list(HnrRelist *r, const char *slots, bool changed, bool searched)
{
	Size		size = (Size) r->degree * r->index->layout.slot_size;
	char	   *now = palloc(Max(size, 1));
	HnrLockedVertex locked;
	bool		same;

	if (!hnr_vertex_lock(r->index, &r->tid, 0, &locked))
		return false;
	same = locked.vertex->generation == r->generation && locked.vertex->degree == r->degree;
	if (same)
	{
		hnr_vertex_get_slots(&locked, now);
		same = memcmp(now, r->old, size) == 0;
	}
	if (same && changed)
		hnr_vertex_put_slots(&locked, slots, r->choices.nchosen);
	if (same && searched)
		clear_losses(r, &locked);
	hnr_vertex_unlock(&locked);
	return same;
}

static void
link_back(HnrRelist *r)
{
	HnrLinkTarget to = {
		.vec = r->vec,
		.neighbors = r->back,
		.nneighbors = r->nback,
		.ways = hnr_disk_store_ways(r->store),
		.gentle = true
	};

	if (r->nback > 0)
		(void) hnr_link_add_all(r->index, 0, r->back, r->nback, &to);
}

static void
relist(HnrRelist *r, bool search, const HnrNodeId *far, int nfar)
{
	char	   *slots = palloc((Size) r->slots * r->index->layout.slot_size);
	bool		changed;

	if (!read_vertex(r))
		return;
	r->figures.looked++;
	if (!gather(r, search, far, nfar))
	{
		r->figures.refused++;
		return;
	}
	hnr_choose_list(r->index, &r->choices);
	if (!keep_needed(r))
	{
		r->figures.refused++;
		return;
	}
	changed = make_slots(r, slots);
	HNR_DEBUG_POINT("optimize_chosen");
	if (changed || (search && (r->flags & HNR_VERTEX_LOST) != 0))
	{
		if (!write_list(r, slots, changed, search))
			return;
		r->figures.changed += changed;
	}
	link_back(r);
}

void
hnr_relist_vertex(HnrRelist *r, ItemPointer tid, bool search, const HnrNodeId *far, int nfar)
{
	MemoryContext old = MemoryContextSwitchTo(r->scratch);

	CHECK_FOR_INTERRUPTS();
	r->tid = *tid;
	relist(r, search, far, Min(nfar, HNR_RELIST_MOST_FAR));
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->scratch);
}
