/*-------------------------------------------------------------------------
 *
 * shrink.c
 *		Pages at the end of an index that hold nothing are cut off.  See shrink.h.
 *
 * Locks: a share lock on one page at a time, and on that which a later part's vertex begins
 * on or its later parts; to cut, AccessExclusiveLock on the index as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/index.h"
#include "am/pending.h"
#include "am/place.h"
#include "am/shrink.h"
#include "am/tail.h"
#include "am/vertex.h"
#include "catalog/storage.h"
#include "elapsed.h"
#include "miscadmin.h"
#include "storage/freespace.h"
#include "throttle.h"

/* What a look at a page takes (us), for the throttle. */
#define PAGE_US		5

/* Pages between two looks at the clock. */
#define PAGES_A_LOOK	16

/*
 * Such a part of the end is left to rows that come meanwhile: if there were no other place for them,
 * they would come to new pages, behind all that is to be cut off.
 */
#define LEFT_FOR_ROWS	4

typedef struct Shrinking
{
	HnrIndex   *index;
	BlockNumber from;			/* what is known to be led to is before it */
	BlockNumber blocks;
	BufferAccessStrategy strategy;
	PGAlignedBlock copy;
} Shrinking;

static bool
in_use(const HnrVertex *v)
{
	return v->state != HNR_VERTEX_FREE && v->state != HNR_VERTEX_REMOVED;
}

static const HnrShape *
shape_of_kind(HnrIndex *index, int kind)
{
	if (kind == HNR_PAGE_GROUND)
		return &index->layout.ground;
	return kind == HNR_PAGE_UPPER ? &index->layout.upper : NULL;
}

static int
kind_of(Page page)
{
	return PageIsNew(page) ? 0 : hnr_page_head(page)->kind;
}

/* A copy of a page, in s->copy; returns its kind, 0 where it is new. */
static int
copy_page(Shrinking *s, BlockNumber block)
{
	Buffer		buf = hnr_buffer_read_any(s->index->rel, block, BUFFER_LOCK_SHARE, s->strategy);

	memcpy(s->copy.data, BufferGetPage(buf), BLCKSZ);
	hnr_buffer_release(buf);
	return kind_of((Page) s->copy.data);
}

/* Whether the vertex is in use of which the page copied is a later part. */
static bool
part_is_in_use(Shrinking *s, BlockNumber block)
{
	int			part = ((HnrPart *) hnr_page_contents((Page) s->copy.data))->part;
	const HnrShape *shape;
	Buffer		buf;
	bool		used = false;

	if (part < 1 || part >= HNR_MAX_PARTS || block <= (BlockNumber) part)
		return true;			/* damaged: to be left alone */
	buf = hnr_buffer_read_any(s->index->rel, block - part, BUFFER_LOCK_SHARE, s->strategy);
	shape = shape_of_kind(s->index, kind_of(BufferGetPage(buf)));
	if (shape && part < shape->parts)
		used = in_use(hnr_vertex_at(shape, BufferGetPage(buf), 1));
	hnr_buffer_release(buf);
	return used;
}

/* Whether a page holds nothing; it is in s->copy then. */
static bool
is_idle(Shrinking *s, BlockNumber block)
{
	int			kind = copy_page(s, block);
	Page		page = (Page) s->copy.data;
	const HnrShape *shape = shape_of_kind(s->index, kind);
	bool		idle = kind == 0 || shape || kind == HNR_PAGE_TIDS || kind == HNR_PAGE_TAIL;

	for (OffsetNumber pos = 1; idle && shape && pos <= shape->per_page; pos++)
		idle = !in_use(hnr_vertex_at(shape, page, pos));
	for (OffsetNumber pos = 1; idle && kind == HNR_PAGE_TIDS && pos <= HNR_CHUNKS_PER_PAGE; pos++)
		idle = !ItemPointerIsValid(&hnr_page_chunk(page, pos)->owner);
	for (OffsetNumber pos = 1; idle && kind == HNR_PAGE_TAIL && pos <= HNR_PIECES_PER_PAGE; pos++)
		idle = !ItemPointerIsValid(&hnr_page_piece(page, pos)->owner);
	if (kind == HNR_PAGE_PART)
		idle = !part_is_in_use(s, block);
	return idle;
}

static void
begin(Shrinking *s, Relation index, BlockNumber from)
{
	s->index = hnr_index_open(index);
	s->blocks = RelationGetNumberOfBlocks(index);
	s->from = Min(from, s->blocks);
	s->strategy = GetAccessStrategy(BAS_BULKREAD);
}

BlockNumber
hnr_index_idle_from(Relation index, BlockNumber *blocks)
{
	Shrinking	s;

	begin(&s, index, InvalidBlockNumber);
	*blocks = s.blocks;
	while (s.from > HNR_METAPAGE + 1 && is_idle(&s, s.from - 1))
	{
		s.from--;
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(PAGE_US);
	}
	FreeAccessStrategy(s.strategy);
	return s.from;
}

bool
hnr_index_ends_idle(Relation index)
{
	Shrinking	s;
	bool		idle;

	begin(&s, index, InvalidBlockNumber);
	idle = s.blocks > HNR_METAPAGE + 1 && is_idle(&s, s.blocks - 1);
	FreeAccessStrategy(s.strategy);
	return idle;
}

void
hnr_index_withhold_end(Relation index, BlockNumber from)
{
	Shrinking	s;

	begin(&s, index, from);
	for (BlockNumber block = s.from + (s.blocks - s.from) / LEFT_FOR_ROWS; block < s.blocks; block++)
		hnr_place_withhold(s.index, block);
	FreeAccessStrategy(s.strategy);
}

/* ---- what leads where ---- */

static void
note_link(Shrinking *s, const ItemPointerData *to)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(to);

	/* what leads beyond the end is damaged, and not our business */
	if (ItemPointerGetOffsetNumberNoCheck(to) != 0 && block >= s->from && block < s->blocks)
		s->from = block + 1;
}

static void
note_slots(Shrinking *s, const char *slots, int n)
{
	for (int i = 0; i < n; i++)
		note_link(s, &((const HnrSlot *) (slots + (Size) i * s->index->layout.slot_size))->vertex);
}

static void
note_later_parts(Shrinking *s, const HnrShape *shape, BlockNumber block, const HnrVertex *v)
{
	HnrLaterSlots later = {.index = s->index, .shape = shape, .block = block, .vertex = v};

	while (hnr_vertex_later_slots(&later))
		note_slots(s, later.slots, later.n);
}

static void
note_vertices(Shrinking *s, const HnrShape *shape, BlockNumber block)
{
	const HnrPartLayout *pl = &shape->part[0];

	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		const HnrVertex *v = hnr_vertex_at(shape, (Page) s->copy.data, pos);

		if (!in_use(v))
			continue;
		note_link(s, &v->link);
		if (v->level > 0)
			note_link(s, &v->tids[0]);
		if (s->index->layout.room > 0)
			note_link(s, &((const HnrVarying *) ((const char *) v + pl->vec_offset))->tail);
		note_slots(s, (const char *) v + pl->slot_offset, Min(pl->slot_count, (int) v->degree));
		note_later_parts(s, shape, block, v);
	}
}

/* Rows of the pending list name the vertices that they have become. */
static void
note_pending(Shrinking *s)
{
	Page		page = (Page) s->copy.data;
	int			n = Min(hnr_page_pending(page)->count, hnr_pending_per_page(&s->index->layout));

	for (int i = 0; i < n; i++)
	{
		HnrPendingEntry *entry = hnr_pending_entry(&s->index->layout, page, i);

		if (entry->flags & HNR_PENDING_IN_GRAPH)
			note_link(s, &hnr_pending_slot(entry)->vertex);
	}
}

static void
note_page(Shrinking *s, BlockNumber block)
{
	int			kind = copy_page(s, block);
	Page		page = (Page) s->copy.data;
	const HnrShape *shape = shape_of_kind(s->index, kind);

	if (shape)
		note_vertices(s, shape, block);
	else if (kind == HNR_PAGE_META)
		note_link(s, &hnr_page_meta(page)->entry);
	else if (kind == HNR_PAGE_PENDING)
		note_pending(s);
	for (OffsetNumber pos = 1; kind == HNR_PAGE_TIDS && pos <= HNR_CHUNKS_PER_PAGE; pos++)
		if (ItemPointerIsValid(&hnr_page_chunk(page, pos)->owner))
			note_link(s, &hnr_page_chunk(page, pos)->next);
	for (OffsetNumber pos = 1; kind == HNR_PAGE_TAIL && pos <= HNR_PIECES_PER_PAGE; pos++)
		if (ItemPointerIsValid(&hnr_page_piece(page, pos)->owner))
			note_link(s, &hnr_page_piece(page, pos)->next);
}

BlockNumber
hnr_index_unreferenced_from(Relation index, BlockNumber from)
{
	Shrinking	s;

	begin(&s, index, from);
	/* also what has come to the end meanwhile: it may lead to what stood there before */
	for (BlockNumber block = HNR_METAPAGE; block < s.blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(PAGE_US);
		note_page(&s, block);
	}
	/* a vertex is cut off whole */
	while (s.from < s.blocks && copy_page(&s, s.from) == HNR_PAGE_PART)
		s.from++;
	FreeAccessStrategy(s.strategy);
	return s.from;
}

/* ---- the cut ---- */

BlockNumber
hnr_index_cut(Relation index, BlockNumber from, int ms)
{
	Shrinking	s;
	BlockNumber end;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	begin(&s, index, from);
	for (end = s.blocks; end > s.from && is_idle(&s, end - 1); end--)
	{
		/* what stands at the end that this would be may not be a vertex without its beginning */
		if (end < s.blocks && end % PAGES_A_LOOK == 0 && copy_page(&s, end) != HNR_PAGE_PART &&
			hnr_ms_since(start) >= ms)
			break;
	}
	FreeAccessStrategy(s.strategy);
	if (end == s.blocks)
		return 0;
	RelationTruncate(index, end);
	hnr_place_forget(index);
	return s.blocks - end;
}

BlockNumber
hnr_index_keep_end(Relation index, BlockNumber from, int pages)
{
	Shrinking	s;
	BlockNumber end;

	begin(&s, index, from);
	end = s.from + Min(s.blocks - s.from, (BlockNumber) pages);
	for (BlockNumber block = s.from; block < end; block++)
	{
		int			kind = copy_page(&s, block);

		if (hnr_place_on_page(s.index, (Page) s.copy.data) >= 0)
			hnr_place_record(s.index, block, kind);
	}
	/* searches that found nothing there have told the map's root so */
	FreeSpaceMapVacuumRange(index, s.from, end);
	FreeAccessStrategy(s.strategy);
	return end < s.blocks ? end : InvalidBlockNumber;
}
