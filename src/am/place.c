/*-------------------------------------------------------------------------
 *
 * place.c
 *		Places for new vertices and TID chunks.  See place.h.
 *
 * Order of search: the page this backend used last, pages that the free space map
 * names, a new page.  No lock is held while another is waited for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "am/buffer.h"
#include "am/place.h"
#include "am/wal.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "storage/freespace.h"
#include "utils/snapmgr.h"

/* How many pages that the free space map names to look at. */
#define FSM_TRIES 8

/* How many entries of the map to look at for the kinds that have few pages. */
#define FSM_STEPS 512

/* Pages that vacuum looks at for whether the map is right, and how many may be wrong. */
#define MEND_SAMPLE 128
#define MEND_TOLERANCE 2

/*
 * Free space classes.  The map answers a request with a page of its class or a higher
 * one, so ground pages, which are nearly all there are, have the highest: a request
 * for one meets no other.  Asked for another kind the map would name ground pages
 * all the time; these kinds are looked for by their entries.  A new page serves every
 * kind.
 */
#define CLASS_CHUNK		64
#define CLASS_TAIL		96
#define CLASS_UPPER		128
#define CLASS_GROUND	192
#define CLASS_NEW		(BLCKSZ - 1)

/* What this backend remembers of an index, in rd_amcache. */
typedef struct PlaceCache
{
	BlockNumber last[HNR_PAGE_TAIL + 1];	/* by page kind; the metapage: none */
	BlockNumber next[HNR_PAGE_TAIL + 1];	/* the map's entry looked at last; 0: none */
} PlaceCache;

static PlaceCache *
get_cache(Relation rel)
{
	if (rel->rd_amcache == NULL)
		rel->rd_amcache = MemoryContextAllocZero(rel->rd_indexcxt, sizeof(PlaceCache));
	return rel->rd_amcache;
}

void
hnr_place_forget(Relation rel)
{
	if (rel->rd_amcache != NULL)
		memset(rel->rd_amcache, 0, sizeof(PlaceCache));
}

static Size
class_of_kind(int kind)
{
	switch (kind)
	{
		case HNR_PAGE_GROUND:
			return CLASS_GROUND;
		case HNR_PAGE_UPPER:
			return CLASS_UPPER;
		case HNR_PAGE_TIDS:
			return CLASS_CHUNK;
		case HNR_PAGE_TAIL:
			return CLASS_TAIL;
		default:
			return CLASS_NEW;
	}
}

void
hnr_place_record(HnrIndex *index, BlockNumber block, int kind)
{
	RecordPageWithFreeSpace(index->rel, block, class_of_kind(kind));
}

void
hnr_place_offer(HnrIndex *index, BlockNumber block, int kind)
{
	hnr_place_record(index, block, kind);
	/* so that it is found from the map's root, too, before the next vacuum */
	FreeSpaceMapVacuumRange(index->rel, block, block + 1);
}

int
hnr_place_recorded(HnrIndex *index, BlockNumber block)
{
	Size		class = GetRecordedFreeSpace(index->rel, block);

	for (int kind = HNR_PAGE_GROUND; kind <= HNR_PAGE_TAIL; kind++)
		if (kind != HNR_PAGE_PART && class == class_of_kind(kind))
			return kind;
	return class >= CLASS_NEW / 2 ? 0 : -1;
}

bool
hnr_place_reusable(HnrIndex *index, const HnrVertex *vertex)
{
	FullTransactionId xid;

	if (vertex->state == HNR_VERTEX_FREE)
		return true;
	if (vertex->state != HNR_VERTEX_REMOVED)
		return false;
	memcpy(&xid, HNR_REMOVED_XID(vertex), sizeof(xid));
	/* with the table, what logical replication holds back of catalogs does not count */
	return GlobalVisCheckRemovableFullXid(index->heap, xid);
}

/* Whether a page, or what will be written to it, can begin a vertex with that part. */
static bool
begins_vertex(HnrIndex *index, Page page, int part)
{
	int			kind = PageIsNew(page) || !hnr_page_is_ours(page) ? 0 : hnr_page_head(page)->kind;

	return (kind == HNR_PAGE_GROUND && part < index->layout.ground.parts) ||
		(kind == HNR_PAGE_UPPER && part < index->layout.upper.parts);
}

/* The vertex is written last, under a lock that is held from before its parts are. */
void
hnr_place_reclaim_part(HnrIndex *index, BlockNumber block, int part)
{
	Buffer		first;
	Buffer		buf = InvalidBuffer;

	if (part < 1 || part >= HNR_MAX_PARTS || block - HNR_METAPAGE <= (BlockNumber) part)
		return;
	first = hnr_buffer_try_exclusive(index->rel, block - part);
	if (!BufferIsValid(first))
		return;
	if (!begins_vertex(index, BufferGetPage(first), part))
		buf = hnr_buffer_try_exclusive(index->rel, block);
	if (BufferIsValid(buf))
	{
		if (!PageIsNew(BufferGetPage(buf)) && hnr_page_head(BufferGetPage(buf))->kind == HNR_PAGE_PART)
		{
			HnrChange	change;

			hnr_change_begin(&change, index->rel, false);
			hnr_page_init(hnr_change_page(&change, buf, HNR_CHANGE_WHOLE), HNR_PAGE_TIDS,
						  HNR_CHUNKS_PER_PAGE * sizeof(HnrTidChunk));
			hnr_change_end(&change);
			hnr_place_record(index, block, HNR_PAGE_TIDS);
		}
		hnr_buffer_release(buf);
	}
	hnr_buffer_release(first);
}

int
hnr_place_on_page(HnrIndex *index, Page page)
{
	int			kind;
	const HnrShape *shape;

	if (PageIsNew(page))
		return 0;
	kind = hnr_page_head(page)->kind;
	if (kind == HNR_PAGE_TIDS)
		for (OffsetNumber pos = 1; pos <= HNR_CHUNKS_PER_PAGE; pos++)
			if (!ItemPointerIsValid(&hnr_page_chunk(page, pos)->owner))
				return kind;
	if (kind == HNR_PAGE_TAIL)
		for (OffsetNumber pos = 1; pos <= HNR_PIECES_PER_PAGE; pos++)
			if (!ItemPointerIsValid(&hnr_page_piece(page, pos)->owner))
				return kind;
	if (kind != HNR_PAGE_GROUND && kind != HNR_PAGE_UPPER)
		return -1;
	shape = kind == HNR_PAGE_GROUND ? &index->layout.ground : &index->layout.upper;
	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
		if (hnr_place_reusable(index, hnr_vertex_at(shape, page, pos)))
			return kind;
	return -1;
}

void
hnr_place_withhold(HnrIndex *index, BlockNumber block)
{
	RecordPageWithFreeSpace(index->rel, block, 0);
}

/* Names a page to the map if that leaves out its free places; whether it did. */
static bool
mend_entry(HnrIndex *index, BlockNumber block, BufferAccessStrategy strategy)
{
	Buffer		buf = hnr_buffer_read_any(index->rel, block, BUFFER_LOCK_SHARE, strategy);
	int			kind = hnr_place_on_page(index, BufferGetPage(buf));

	hnr_buffer_release(buf);
	if (kind < 0 || hnr_place_recorded(index, block) == kind)
		return false;
	hnr_place_record(index, block, kind);
	return true;
}

/*
 * Some pages tell whether all need to be looked at, for a few that are not named are in
 * order: those that sessions fill up now.
 */
void
hnr_place_mend_map(HnrIndex *index, BufferAccessStrategy strategy)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index->rel);
	BlockNumber step = Max(blocks / MEND_SAMPLE, 1);
	int			wrong = 0;

	for (BlockNumber block = HNR_METAPAGE + 1; block < blocks; block += step)
	{
		hnr_vacuum_delay_point();
		if (mend_entry(index, block, strategy))
			wrong++;
	}
	if (step == 1 || wrong < MEND_TOLERANCE)
		return;
	for (BlockNumber block = HNR_METAPAGE + 1; block < blocks; block++)
	{
		hnr_vacuum_delay_point();
		(void) mend_entry(index, block, strategy);
	}
}

typedef enum TryResult
{
	TRY_FOUND,
	TRY_FULL,					/* vacuum will name the page again if it is not */
	TRY_OTHER					/* no use now, but not to be forgotten */
} TryResult;

/* Looks for a free position on a locked page of the wanted kind. */
static TryResult
free_position(HnrIndex *index, Page page, HnrPageKind kind, const HnrShape *shape, OffsetNumber *pos)
{
	TryResult	result = TRY_FULL;

	if (PageIsNew(page) || !hnr_page_is_ours(page) || hnr_page_head(page)->kind != kind)
		return TRY_OTHER;
	if (kind == HNR_PAGE_TAIL)
	{
		for (*pos = 1; *pos <= HNR_PIECES_PER_PAGE; (*pos)++)
			if (!ItemPointerIsValid(&hnr_page_piece(page, *pos)->owner))
				return TRY_FOUND;
		return TRY_FULL;
	}
	if (kind == HNR_PAGE_TIDS)
	{
		for (*pos = 1; *pos <= HNR_CHUNKS_PER_PAGE; (*pos)++)
			if (!ItemPointerIsValid(&hnr_page_chunk(page, *pos)->owner))
				return TRY_FOUND;
		return TRY_FULL;
	}
	for (*pos = 1; *pos <= shape->per_page; (*pos)++)
	{
		const HnrVertex *vertex = hnr_vertex_at(shape, page, *pos);

		if (hnr_place_reusable(index, vertex))
			return TRY_FOUND;
		/* removed, but some transaction may still have a link to it */
		if (vertex->state == HNR_VERTEX_REMOVED)
			result = TRY_OTHER;
	}
	return result;
}

/* Tries one page; if a place is found, it is locked and filled in. */
static TryResult
try_block(HnrIndex *index, BlockNumber block, HnrPageKind kind,
		  const HnrShape *shape, HnrPlace *place)
{
	Page		page;
	TryResult	result;

	/* somebody else is inserting there: another page is better than a wait */
	place->buf = hnr_buffer_try_exclusive(index->rel, block);
	if (!BufferIsValid(place->buf))
		return TRY_OTHER;
	page = BufferGetPage(place->buf);
	place->fresh = PageIsNew(page) && block != HNR_METAPAGE && (shape == NULL || shape->parts == 1);
	place->pos = 1;
	result = place->fresh ? TRY_FOUND : free_position(index, page, kind, shape, &place->pos);
	if (result != TRY_FOUND)
		hnr_buffer_release(place->buf);
	return result;
}

/* Tries a block that the map names; the map is not crash-safe, it may name any. */
static TryResult
try_named(HnrIndex *index, BlockNumber block, HnrPageKind kind,
		  const HnrShape *shape, HnrPlace *place)
{
	TryResult	result = TRY_FULL;

	if (block < RelationGetNumberOfBlocks(index->rel))
		result = try_block(index, block, kind, shape, place);
	if (result == TRY_FULL)
		RecordPageWithFreeSpace(index->rel, block, 0);
	return result;
}

static bool
ask_free_space_map(HnrIndex *index, HnrPageKind kind, const HnrShape *shape, HnrPlace *place)
{
	BlockNumber previous = InvalidBlockNumber;

	for (int i = 0; i < FSM_TRIES; i++)
	{
		BlockNumber block = GetPageWithFreeSpace(index->rel, class_of_kind(kind));

		if (block == InvalidBlockNumber || block == previous)
			return false;
		previous = block;
		if (try_named(index, block, kind, shape, place) == TRY_FOUND)
			return true;
	}
	return false;
}

/*
 * Goes on through the map's entries from where it was left, towards the beginning: the
 * newest of such pages, which sessions that are over may have left half empty, are near
 * the end.
 */
static bool
walk_free_space_map(HnrIndex *index, HnrPageKind kind, const HnrShape *shape, HnrPlace *place)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index->rel);
	BlockNumber *next = &get_cache(index->rel)->next[kind];
	int			tries = 0;

	for (BlockNumber i = 0; i < Min(blocks, FSM_STEPS) && tries < FSM_TRIES; i++)
	{
		BlockNumber block = (*next > 0 && *next < blocks ? *next : blocks) - 1;
		Size		class = GetRecordedFreeSpace(index->rel, block);

		*next = block;
		if (class != class_of_kind(kind) && class < CLASS_NEW / 2)
			continue;
		tries++;
		if (try_named(index, block, kind, shape, place) == TRY_FOUND)
			return true;
	}
	return false;
}

static void
find_place(HnrIndex *index, HnrPageKind kind, const HnrShape *shape, HnrPlace *place)
{
	BlockNumber *last = &get_cache(index->rel)->last[kind];
	Buffer		bufs[HNR_MAX_PARTS];
	int			parts = shape ? shape->parts : 1;
	TryResult	result = TRY_OTHER;

	/* it may have been cut off since */
	if (*last != HNR_METAPAGE && hnr_buffer_exists(index->rel, *last))
		result = try_block(index, *last, kind, shape, place);
	if (result == TRY_FOUND)
		return;
	if (!index->building)
	{
		/* the map may still name it */
		if (result == TRY_FULL)
			RecordPageWithFreeSpace(index->rel, *last, 0);
		if (kind == HNR_PAGE_GROUND ? ask_free_space_map(index, kind, shape, place) :
			walk_free_space_map(index, kind, shape, place))
		{
			*last = BufferGetBlockNumber(place->buf);
			return;
		}
	}

	/*
	 * A new page stays locked until it is written, all parts of it: vacuum takes a
	 * new page that it can lock for one that a crash left.
	 */
	*last = hnr_buffer_extend(index->rel, MAIN_FORKNUM, parts, NULL, bufs);
	place->buf = bufs[0];
	place->pos = 1;
	place->fresh = true;
	for (int i = 1; i < parts; i++)
		place->later[i] = bufs[i];
}

void
hnr_place_vertex(HnrIndex *index, const HnrShape *shape, HnrPlace *place)
{
	find_place(index, shape->kind, shape, place);
}

void
hnr_place_chunk(HnrIndex *index, HnrPlace *place)
{
	find_place(index, HNR_PAGE_TIDS, NULL, place);
}

void
hnr_place_piece(HnrIndex *index, HnrPlace *place)
{
	find_place(index, HNR_PAGE_TAIL, NULL, place);
}
