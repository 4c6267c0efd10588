/*-------------------------------------------------------------------------
 *
 * reach.c
 *		Which vertices paths from the entry point lead to.  See reach.h.
 *
 * Paths are those at the ground, from below the entry point: only there do others see to it that
 * what is found stays so (foster.h).  Pages are gone through in their order, not in that of the
 * paths.  So some vertices are looked at before, that paths begin in many places; what stands before the
 * first page that is led to is gone through in a second time, and the rest vertex by vertex.
 *
 * The links by which vertices were first come to make a tree of paths to all of them.  Three
 * bits of where such a link comes from are kept: what does not fit them is none of the tree, so a
 * list can give it up for a link to what no path leads to, and nothing is lost by it.
 *
 * Others change lists meanwhile, but nothing that was found is lost by it.  Vertices that
 * came after vacuum began are not known here, and what is led to by them alone is linked
 * again for nothing.
 *
 * Locks: a share lock on one page at a time, and one of its later parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/insert.h"
#include "am/reach.h"
#include "am/vacuum.h"
#include "am/vertex.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "utils/memutils.h"

#define LIVE		0x01		/* known to stay */
#define REACHED		0x02
#define DONE		0x04		/* what it leads to is reached, too */
#define TOO_FEW		0x08		/* links lead from it */
#define FROM		0xE0		/* three bits of where it was come to from */

struct HnrReach
{
	HnrVacuum  *vac;
	BlockNumber blocks;
	uint8	   *place;
	bool		begun;			/* something is reached */
	bool		deep;			/* keep what is reached to be gone through at once */
	bool		ahead;			/* keep it, though it is not known yet to stay */
	int64		nwaiting;
	int64		maxwaiting;
	HnrNodeId  *waiting;
};

/* NULL: not a vertex that vacuum knows. */
static uint8 *
place_of(HnrReach *r, HnrNodeId id)
{
	BlockNumber block = (BlockNumber) (id >> 16);
	int			pos = (int) (id & 0xFFFF);

	if (block >= r->blocks || pos < 1 || pos > r->vac->places)
		return NULL;
	return &r->place[(Size) block * r->vac->places + pos - 1];
}

/* Three bits of a vertex's name, at their place. */
static uint8
bits_of(HnrNodeId id)
{
	return (uint8) ((id * UINT64CONST(0x9E3779B97F4A7C15)) >> 56) & FROM;
}

/* A vertex is come to from another. */
static void
reach(HnrReach *r, HnrNodeId id, HnrNodeId from)
{
	uint8	   *place = place_of(r, id);

	if (place == NULL || (*place & REACHED) != 0 || hnr_vacuum_is_dead(r->vac, id))
		return;
	*place |= REACHED | bits_of(from);
	if (!r->ahead && (!r->deep || (*place & LIVE) == 0))
		return;
	if (r->nwaiting == r->maxwaiting)
	{
		r->maxwaiting *= 2;
		r->waiting = repalloc_huge(r->waiting, sizeof(HnrNodeId) * r->maxwaiting);
	}
	r->waiting[r->nwaiting++] = id;
}

static bool
is_reached(HnrReach *r, HnrNodeId id)
{
	uint8	   *place = place_of(r, id);

	return place && (*place & REACHED) != 0;
}

void
hnr_reach_live(HnrReach *r, HnrNodeId id)
{
	uint8	   *place = place_of(r, id);

	if (place)
		*place |= LIVE;
	if (r->vac->live.level < 0)
	{
		hnr_tid_of_node(id, &r->vac->live.tid);
		r->vac->live.level = 0;
	}
}

void
hnr_reach_too_few(HnrReach *r, HnrNodeId id)
{
	uint8	   *place = place_of(r, id);

	if (place)
		*place |= TOO_FEW;
}

void
hnr_reach_neighbors(HnrReach *r, HnrNodeId id, const char *slots, int n)
{
	if (!is_reached(r, id))
		return;
	for (int i = 0; i < n; i++)
		reach(r, hnr_node_of_tid(&((const HnrSlot *) (slots + (Size) i * r->vac->index->layout.slot_size))->vertex), id);
}

void
hnr_reach_done(HnrReach *r, HnrNodeId id)
{
	if (is_reached(r, id))
		*place_of(r, id) |= DONE;
}

/* The neighbours of a vertex on a page that nobody changes meanwhile; false if it was replaced. */
static bool
go_through_vertex(HnrReach *r, HnrNodeId id, const HnrVertex *v)
{
	const HnrShape *shape = &r->vac->index->layout.ground;
	const HnrPartLayout *pl = &shape->part[0];
	HnrLaterSlots later = {.index = r->vac->index, .shape = shape,
	.block = (BlockNumber) (id >> 16), .vertex = v};
	bool		same = true;

	hnr_reach_neighbors(r, id, (const char *) v + pl->slot_offset, Min(pl->slot_count, (int) v->degree));
	while (hnr_vertex_later_slots(&later))
	{
		same = same && later.same;
		if (same)
			hnr_reach_neighbors(r, id, later.slots, later.n);
	}
	return same;
}

void
hnr_reach_vertex(HnrReach *r, HnrNodeId id, const HnrVertex *v)
{
	if (go_through_vertex(r, id, v))
		hnr_reach_done(r, id);
}

/* Goes through the lists of a page's vertices that are reached, or of the one at `only`. */
static void
go_through_page(HnrReach *r, BlockNumber block, OffsetNumber only)
{
	Buffer		buf = hnr_buffer_read(r->vac->index->rel, block, BUFFER_LOCK_SHARE, HNR_KIND_BIT(HNR_PAGE_GROUND));
	Page		page = BufferGetPage(buf);
	const HnrShape *shape = &r->vac->index->layout.ground;

	for (OffsetNumber pos = only > 0 ? only : 1; pos <= (only > 0 ? only : shape->per_page); pos++)
	{
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;
		HnrVertex  *v = hnr_vertex_at(shape, page, pos);

		if ((*place_of(r, id) & (LIVE | REACHED | DONE)) != (LIVE | REACHED) ||
			v->state != HNR_VERTEX_LIVE)
			continue;
		hnr_reach_vertex(r, id, v);
	}
	hnr_buffer_release(buf);
}

static bool
page_waits(HnrReach *r, BlockNumber block)
{
	const uint8 *place = &r->place[(Size) block * r->vac->places];

	for (int i = 0; i < r->vac->places; i++)
		if ((place[i] & (LIVE | REACHED | DONE)) == (LIVE | REACHED))
			return true;
	return false;
}

/* Goes through a vertex that is reached, and whatever can be from there. */
static void
go_deep(HnrReach *r, HnrNodeId id)
{
	r->deep = true;
	r->waiting[r->nwaiting++] = id;
	while (r->nwaiting > 0)
	{
		id = r->waiting[--r->nwaiting];
		hnr_vacuum_delay_point();
		go_through_page(r, (BlockNumber) (id >> 16), (OffsetNumber) (id & 0xFFFF));
	}
	r->deep = false;
}

/* What one vertex leads to, whatever is known of it; true if it is live. */
static bool
look_ahead(HnrReach *r, HnrNodeId id)
{
	/* a damaged link is not for us to complain of */
	Buffer		buf = hnr_buffer_read_any(r->vac->index->rel, (BlockNumber) (id >> 16), BUFFER_LOCK_SHARE, NULL);
	const HnrVertex *v = hnr_vertex_standing(&r->vac->index->layout.ground, BufferGetPage(buf), id & 0xFFFF);
	bool		live = v && v->state == HNR_VERTEX_LIVE;

	if (v)
		(void) go_through_vertex(r, id, v);
	hnr_buffer_release(buf);
	return live;
}

/*
 * Goes some way from where paths begin, so that they come to places all over before the
 * pages are gone through in their order.  A live vertex's links to live ones stay.  Where a
 * vacuum that did not finish has left deleted ones, searches go through them, and they may be
 * what paths begin with (attach.c); to a vacuum they are dead.
 */
static void
go_ahead(HnrReach *r)
{
	int64		most = hnr_index_looks_ahead(r->blocks);
	bool		live = false;

	r->ahead = true;
	for (int64 next = 0; next < r->nwaiting && (next < most || !live); next++)
	{
		hnr_vacuum_delay_point();
		live |= look_ahead(r, r->waiting[next]);
	}
	r->nwaiting = 0;
	r->ahead = false;
}

static void
begin_at(HnrReach *r, HnrEntry entry)
{
	ItemPointerData ground;
	HnrNodeId	id;

	if (r->begun || entry.level < 0 || hnr_vacuum_is_dead(r->vac, hnr_node_of_tid(&entry.tid)))
		return;
	if (!hnr_index_below_entry(r->vac->index, entry, &ground))
		return;
	id = hnr_node_of_tid(&ground);
	reach(r, id, id);
	r->begun = is_reached(r, id);
}

HnrReach *
hnr_reach_create(HnrVacuum *vac)
{
	HnrReach   *r = palloc0(sizeof(HnrReach));

	r->vac = vac;
	r->blocks = vac->blocks;
	r->place = palloc_extended((Size) r->blocks * vac->places, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	r->maxwaiting = 1024;
	r->waiting = palloc(sizeof(HnrNodeId) * r->maxwaiting);
	r->ahead = true;
	/* as it is now, not as it was before the first pass */
	vac->index->entry_known = false;
	begin_at(r, hnr_index_entry(vac->index));
	begin_at(r, vac->live);
	go_ahead(r);
	return r;
}

void
hnr_reach_free(HnrReach *r)
{
	pfree(r->place);
	pfree(r->waiting);
	pfree(r);
}

static bool
leads(HnrNodeId id, void *state)
{
	return is_reached(state, id);
}

static bool
spare(HnrNodeId from, HnrNodeId to, void *state)
{
	return is_reached(state, to) && (*place_of(state, to) & FROM) != bits_of(from);
}

static void
link_again(HnrReach *r, HnrNodeId id)
{
	const HnrPaths paths = {leads, spare, r};
	ItemPointerData tid;
	MemoryContext old = MemoryContextSwitchTo(r->vac->scratch);
	HnrNodeId	from;

	hnr_vacuum_delay_point();
	hnr_tid_of_node(id, &tid);
	from = hnr_relink_vertex(r->vac->index, &tid, &paths);
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->vac->scratch);
	if (from == HNR_NO_NODE)
		return;
	r->vac->nlinked++;
	reach(r, id, from);
	go_deep(r, id);
}

/* Goes through what was reached too late. */
static void
go_through_rest(HnrReach *r)
{
	for (BlockNumber block = HNR_METAPAGE + 1; block < r->blocks; block++)
		if (page_waits(r, block))
		{
			hnr_vacuum_page_begun(block);
			go_through_page(r, block, 0);
		}
	for (BlockNumber block = HNR_METAPAGE + 1; block < r->blocks; block++)
		for (int pos = 1; page_waits(r, block) && pos <= r->vac->places; pos++)
		{
			HnrNodeId	id = ((HnrNodeId) block << 16) | pos;

			if ((*place_of(r, id) & (LIVE | REACHED | DONE)) == (LIVE | REACHED))
				go_deep(r, id);
		}
}

void
hnr_reach_finish(HnrReach *r)
{
	begin_at(r, r->vac->live);
	go_through_rest(r);
	for (BlockNumber block = HNR_METAPAGE + 1; block < r->blocks; block++)
		for (int pos = 1; pos <= r->vac->places; pos++)
		{
			HnrNodeId	id = ((HnrNodeId) block << 16) | pos;
			uint8		place = *place_of(r, id);

			if ((place & (LIVE | REACHED)) == LIVE || (place & TOO_FEW) != 0)
				link_again(r, id);
		}
}
