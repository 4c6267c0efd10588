/*-------------------------------------------------------------------------
 *
 * survey.c
 *		What an index in use looks like.  See survey.h.
 *
 * A byte for each place of a vertex tells what is known of it.  Paths are those at the ground,
 * from below the entry point, as vacuum counts them (reach.h).  Some vertices are looked at
 * before, so that paths begin in many places.  Then every page is read in order: what a vertex
 * leads to is marked, as reached if the vertex itself is by then.  What is reached after its page
 * was read is gone through in further passes, in alternating directions, over the pages that
 * have such; few do.
 *
 * Others insert and vacuum meanwhile.  A link that moves from a page not yet read to one
 * that was can make a vertex seem to be cut off, so a second survey has to find the
 * same; it also knows the pages that were added during the first one.
 *
 * Locks: share, one page at a time, while it is copied.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/graph.h"
#include "am/index.h"
#include "am/node.h"
#include "am/pending.h"
#include "am/survey.h"
#include "am/vertex.h"
#include "debug_point.h"
#include "elapsed.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* What is known of a place. */
#define LIVE		0x01		/* a live vertex; without it, if known at all, a deleted one */
#define LINKED		0x04		/* another live vertex leads to it */
#define REACHED		0x08
#define DONE		0x10		/* what it leads to is reached, too */
#define THIN		0x20
#define SUSPECT		0x40		/* the first survey found it cut off */

/* What a look at a page takes (us), for the throttle. */
#define PAGE_US		5

/* The part of m that a vertex ought to have as neighbours, as vacuum sees to it. */
#define FLOOR		0.5

typedef struct Surveyor
{
	HnrIndex   *index;
	HnrSurvey  *result;
	void		(*every_page) (void *arg);
	void	   *arg;
	BufferAccessStrategy strategy;
	BlockNumber blocks;
	int			places;			/* of a page of the ground */
	uint8	   *place;
	bool		counting;		/* the first pass of the first survey */
	HnrNodeId  *ahead;			/* not NULL: what is reached is to be looked at before */
	int64		nahead;
	int64		maxahead;
	double		needed;			/* pages that would do */
	PGAlignedBlock page;
	PGAlignedBlock part;
} Surveyor;

/* NULL: no place that is surveyed. */
static uint8 *
place_of(Surveyor *s, HnrNodeId id)
{
	BlockNumber block = (BlockNumber) (id >> 16);
	int			pos = (int) (id & 0xFFFF);

	if (block >= s->blocks || pos < 1 || pos > s->places)
		return NULL;
	return &s->place[(Size) block * s->places + pos - 1];
}

static void
reach(Surveyor *s, HnrNodeId id)
{
	uint8	   *place = place_of(s, id);

	if (place == NULL || (*place & REACHED) != 0)
		return;
	*place |= REACHED;
	if (s->ahead && s->nahead < s->maxahead)
		s->ahead[s->nahead++] = id;
}

/* Copies a page; its kind, or 0 if it is new. */
static int
copy_page(Surveyor *s, BlockNumber block, PGAlignedBlock *copy)
{
	Buffer		buf;
	Page		page = (Page) copy->data;

	if (s->every_page)
		s->every_page(s->arg);
	CHECK_FOR_INTERRUPTS();
	hnr_throttle(PAGE_US);
	buf = hnr_buffer_read_any(s->index->rel, block, BUFFER_LOCK_SHARE, s->strategy);
	memcpy(page, BufferGetPage(buf), BLCKSZ);
	hnr_buffer_release(buf);
	return PageIsNew(page) ? 0 : hnr_page_head(page)->kind;
}

/* Some of a vertex's slots. */
static void
follow_slots(Surveyor *s, HnrNodeId id, uint8 place, const char *slots, int n)
{
	for (int i = 0; i < n; i++)
	{
		const HnrSlot *slot = (const HnrSlot *) (slots + (Size) i * s->index->layout.slot_size);
		HnrNodeId	neighbor = hnr_node_of_tid(&slot->vertex);
		uint8	   *other = place_of(s, neighbor);

		if (other == NULL || neighbor == id)
			continue;
		if ((place & LIVE) != 0)
			*other |= LINKED;
		if ((place & REACHED) != 0)
			reach(s, neighbor);
	}
}

/* The slots of a vertex in later parts; one that was replaced meanwhile has none. */
static void
follow_parts(Surveyor *s, HnrNodeId id, uint8 place, const HnrVertex *v)
{
	const HnrShape *shape = &s->index->layout.ground;
	BlockNumber block = (BlockNumber) (id >> 16);

	for (int p = 1; p < shape->parts && block + p < s->blocks; p++)
	{
		const HnrPartLayout *pl = &shape->part[p];
		int			n = Min(pl->slot_count, v->degree - pl->slot_first);
		char	   *part = hnr_page_contents((Page) s->part.data);

		if (n <= 0)
			continue;
		if (copy_page(s, block + p, &s->part) != HNR_PAGE_PART ||
			((HnrPart *) part)->generation != v->generation)
			break;
		follow_slots(s, id, place, part + pl->slot_offset, n);
	}
}

/* Where a vertex in use leads. */
static void
follow_vertex(Surveyor *s, HnrNodeId id, const HnrVertex *v)
{
	const HnrPartLayout *pl = &s->index->layout.ground.part[0];
	uint8	   *place = place_of(s, id);

	follow_slots(s, id, *place, (const char *) v + pl->slot_offset, Min(pl->slot_count, (int) v->degree));
	follow_parts(s, id, *place, v);
	if ((*place & REACHED) != 0)
		*place |= DONE;
}

/* Says of a vertex in use what it is. */
static void
note_vertex(Surveyor *s, uint8 *place, const HnrVertex *v)
{
	bool		live = v->state == HNR_VERTEX_LIVE;

	if (live)
		*place |= LIVE;
	if (!s->counting)
		return;
	if (!live)
	{
		s->result->half_removed++;
		return;
	}
	s->result->vertices++;
	s->result->entries += Min(v->ntids, HNR_INLINE_TIDS);
	if (v->degree < s->result->degree_floor)
		*place |= THIN;
}

/* A copied page of vertices, of which every one at the ground is looked at. */
static void
survey_vertices(Surveyor *s, BlockNumber block, const HnrShape *shape)
{
	int			used = 0;

	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;
		const HnrVertex *v = hnr_vertex_standing(shape, (Page) s->page.data, pos);

		if (v == NULL)
			continue;
		used++;
		if (shape->kind != HNR_PAGE_GROUND)
			continue;
		note_vertex(s, place_of(s, id), v);
		follow_vertex(s, id, v);
	}
	s->needed += (double) used * shape->parts / shape->per_page;
}

/* Rows of a copied page of pending ones that have no vertex yet. */
static int
count_pending(Surveyor *s)
{
	const HnrLayout *layout = &s->index->layout;
	Page		page = (Page) s->page.data;
	int			rows = Min(hnr_page_pending(page)->count, hnr_pending_per_page(layout));
	int			n = 0;

	for (int i = 0; i < rows; i++)
		n += (hnr_pending_entry(layout, page, i)->flags &
			  (HNR_PENDING_IN_GRAPH | HNR_PENDING_DONE)) == 0;
	return n;
}

/* A copied page of chunks, pieces or pending rows. */
static void
survey_rest(Surveyor *s, int kind)
{
	Page		page = (Page) s->page.data;
	int			used = 0;

	if (kind == HNR_PAGE_TIDS)
	{
		for (OffsetNumber pos = 1; pos <= HNR_CHUNKS_PER_PAGE; pos++)
			if (ItemPointerIsValid(&hnr_page_chunk(page, pos)->owner))
			{
				used++;
				if (s->counting)
					s->result->entries += Min(hnr_page_chunk(page, pos)->ntids, HNR_CHUNK_TIDS);
			}
		s->needed += (double) used / HNR_CHUNKS_PER_PAGE;
	}
	if (kind == HNR_PAGE_PENDING && s->counting)
		s->result->pending += count_pending(s);
	s->needed += kind == HNR_PAGE_PENDING || kind == HNR_PAGE_PENDING_DATA;
	if (kind == HNR_PAGE_TAIL)
	{
		for (OffsetNumber pos = 1; pos <= HNR_PIECES_PER_PAGE; pos++)
			used += ItemPointerIsValid(&hnr_page_piece(page, pos)->owner);
		s->needed += (double) used / HNR_PIECES_PER_PAGE;
	}
}

/* Every page in order. */
static void
first_pass(Surveyor *s)
{
	s->needed = 1;
	for (BlockNumber block = HNR_METAPAGE + 1; block < s->blocks; block++)
	{
		int			kind = copy_page(s, block, &s->page);

		if (kind == HNR_PAGE_GROUND)
			survey_vertices(s, block, &s->index->layout.ground);
		else if (kind == HNR_PAGE_UPPER)
			survey_vertices(s, block, &s->index->layout.upper);
		else
			survey_rest(s, kind);
	}
}

static bool
waits(uint8 place)
{
	return (place & (REACHED | DONE)) == REACHED;
}

/* Goes through the vertices of a page that are reached, and were not by then. */
static void
catch_up_on(Surveyor *s, BlockNumber block)
{
	(void) copy_page(s, block, &s->page);
	for (OffsetNumber pos = 1; pos <= s->places; pos++)
	{
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;
		const HnrVertex *v;

		if (!waits(*place_of(s, id)))
			continue;
		v = hnr_vertex_standing(&s->index->layout.ground, (Page) s->page.data, pos);
		if (v)
			follow_vertex(s, id, v);
		/* what is no vertex, or none any more, leads nowhere */
		*place_of(s, id) |= DONE;
	}
}

static bool
page_waits(Surveyor *s, BlockNumber block)
{
	const uint8 *place = &s->place[(Size) block * s->places];

	for (int i = 0; i < s->places; i++)
		if (waits(place[i]))
			return true;
	return false;
}

/* One pass over the pages that have something reached too late; whether there was any. */
static bool
catch_up(Surveyor *s, bool forward)
{
	bool		any = false;

	for (BlockNumber i = HNR_METAPAGE + 1; i < s->blocks; i++)
	{
		BlockNumber block = forward ? i : s->blocks - i;

		if (!page_waits(s, block))
			continue;
		any = true;
		catch_up_on(s, block);
	}
	return any;
}

/* Goes some way from below the entry point. */
static void
look_ahead(Surveyor *s)
{
	HnrEntry	entry = hnr_index_entry(s->index);
	ItemPointerData ground;

	if (entry.level < 0 || !hnr_index_below_entry(s->index, entry, &ground))
		return;
	s->nahead = 0;
	s->maxahead = hnr_index_looks_ahead(s->blocks);
	s->ahead = palloc(sizeof(HnrNodeId) * s->maxahead);
	reach(s, hnr_node_of_tid(&ground));
	for (int64 next = 0; next < s->nahead; next++)
		if (waits(*place_of(s, s->ahead[next])))
			catch_up_on(s, (BlockNumber) (s->ahead[next] >> 16));
	pfree(s->ahead);
	s->ahead = NULL;
}

/* All passes over the pages that there are now. */
static void
survey(Surveyor *s)
{
	BlockNumber before = s->blocks;
	bool		forward = false;

	s->blocks = RelationGetNumberOfBlocks(s->index->rel);
	s->place = repalloc_huge(s->place, Max((Size) s->blocks, 1) * s->places);
	if (s->blocks > before)
		memset(s->place + (Size) before * s->places, 0, (Size) (s->blocks - before) * s->places);
	/* pages in any order, and again and again */
	s->strategy = NULL;
	look_ahead(s);
	HNR_DEBUG_POINT("survey_looked_ahead");
	s->strategy = GetAccessStrategy(BAS_BULKREAD);
	first_pass(s);
	HNR_DEBUG_POINT("survey_passed");
	while (catch_up(s, forward))
		forward = !forward;
	FreeAccessStrategy(s->strategy);
}

static bool
is_cut_off(uint8 place)
{
	return (place & LIVE) != 0 && (place & (LINKED | REACHED)) != (LINKED | REACHED);
}

/* After the first survey: keeps what is to be confirmed.  Whether there is any. */
static bool
suspect(Surveyor *s)
{
	Size		n = (Size) s->blocks * s->places;
	bool		any = false;

	for (Size i = 0; i < n; i++)
		any = any || is_cut_off(s->place[i]);
	for (Size i = 0; any && i < n; i++)
		s->place[i] = (s->place[i] & THIN) | (is_cut_off(s->place[i]) ? SUSPECT : 0);
	return any;
}

static void
count(Surveyor *s, bool confirmed)
{
	Size		n = (Size) s->blocks * s->places;
	HnrSurvey  *r = s->result;

	for (Size i = 0; i < n; i++)
	{
		uint8		place = s->place[i];
		bool		thin = (place & THIN) != 0;
		bool		cut_off = confirmed && (place & SUSPECT) != 0 && is_cut_off(place);

		r->thin += thin;
		r->orphans += cut_off && (place & LINKED) == 0;
		r->unreachable += cut_off && (place & REACHED) == 0;
		r->damaged += thin || cut_off;
	}
}

void
hnr_index_survey(Relation rel, void (*every_page) (void *arg), void *arg, HnrSurvey *result)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw survey",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Surveyor	s = {.result = result,.every_page = every_page,.arg = arg,.counting = true};
	instr_time	begin;
	bool		suspects;

	INSTR_TIME_SET_CURRENT(begin);
	memset(result, 0, sizeof(*result));
	s.index = hnr_index_open(rel);
	s.places = s.index->layout.ground.per_page;
	s.place = palloc(1);
	result->degree_floor = (int) Max(1, s.index->meta.m * FLOOR);
	survey(&s);
	result->pages = s.blocks;
	result->pages_wasted = Max(0, floor(s.blocks - s.needed));
	s.counting = false;
	suspects = suspect(&s);
	if (suspects)
		survey(&s);
	/* so few that none can have enough neighbours */
	if (result->vertices > result->degree_floor)
		count(&s, suspects);
	result->seconds = hnr_ms_since(begin) / 1000;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
