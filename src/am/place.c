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
#include "storage/freespace.h"
#include "utils/snapmgr.h"

/* How many pages that the free space map names to look at. */
#define FSM_TRIES 3

/*
 * Free space classes.  A request is answered with a page of its class or a higher
 * one, so the kind with the most pages has the highest and meets the fewest of
 * another; a new page serves every kind.
 */
#define CLASS_CHUNK		64
#define CLASS_UPPER		128
#define CLASS_GROUND	192
#define CLASS_NEW		(BLCKSZ - 1)

/* What this backend remembers of an index, in rd_amcache. */
typedef struct PlaceCache
{
	BlockNumber last[HNR_PAGE_TIDS + 1];	/* by page kind; the metapage: none */
} PlaceCache;

static PlaceCache *
get_cache(Relation rel)
{
	if (rel->rd_amcache == NULL)
		rel->rd_amcache = MemoryContextAllocZero(rel->rd_indexcxt, sizeof(PlaceCache));
	return rel->rd_amcache;
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
		default:
			return CLASS_NEW;
	}
}

void
hnr_place_record(HnrIndex *index, BlockNumber block, int kind)
{
	RecordPageWithFreeSpace(index->rel, block, class_of_kind(kind));
}

bool
hnr_place_reusable(const HnrVertex *vertex)
{
	FullTransactionId xid;

	if (vertex->state == HNR_VERTEX_FREE)
		return true;
	if (vertex->state != HNR_VERTEX_REMOVED)
		return false;
	memcpy(&xid, HNR_REMOVED_XID(vertex), sizeof(xid));
	return GlobalVisCheckRemovableFullXid(NULL, xid);
}

/* The first free position on a locked page of the wanted kind, or InvalidOffsetNumber. */
static OffsetNumber
free_position(Page page, HnrPageKind kind, const HnrShape *shape)
{
	if (PageIsNew(page) || !hnr_page_is_ours(page) || hnr_page_head(page)->kind != kind)
		return InvalidOffsetNumber;
	if (kind == HNR_PAGE_TIDS)
	{
		for (OffsetNumber pos = 1; pos <= HNR_CHUNKS_PER_PAGE; pos++)
			if (!ItemPointerIsValid(&hnr_page_chunk(page, pos)->owner))
				return pos;
		return InvalidOffsetNumber;
	}
	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
		if (hnr_place_reusable(hnr_vertex_at(shape, page, pos)))
			return pos;
	return InvalidOffsetNumber;
}

/* Tries one page; on success it is locked and the place filled in. */
static bool
try_block(HnrIndex *index, BlockNumber block, HnrPageKind kind,
		  const HnrShape *shape, HnrPlace *place)
{
	Page		page;

	/* somebody else is inserting there: another page is better than a wait */
	place->buf = hnr_buffer_try_exclusive(index->rel, block);
	if (!BufferIsValid(place->buf))
		return false;
	page = BufferGetPage(place->buf);
	place->fresh = PageIsNew(page) && block != HNR_METAPAGE && (shape == NULL || shape->parts == 1);
	place->pos = place->fresh ? 1 : free_position(page, kind, shape);
	if (place->pos != InvalidOffsetNumber)
		return true;
	hnr_buffer_release(place->buf);
	return false;
}

static bool
try_free_space_map(HnrIndex *index, HnrPageKind kind, const HnrShape *shape, HnrPlace *place)
{
	Size		wanted = class_of_kind(kind);
	BlockNumber block = GetPageWithFreeSpace(index->rel, wanted);

	for (int i = 0; i < FSM_TRIES && block != InvalidBlockNumber; i++)
	{
		/* the map is not crash-safe: it may name a block that was never written */
		if (block < RelationGetNumberOfBlocks(index->rel) &&
			try_block(index, block, kind, shape, place))
			return true;
		/* full, or being filled: vacuum will name it again if it is not */
		block = RecordAndGetPageWithFreeSpace(index->rel, block, 0, wanted);
	}
	return false;
}

static void
find_place(HnrIndex *index, HnrPageKind kind, const HnrShape *shape, HnrPlace *place)
{
	BlockNumber *last = &get_cache(index->rel)->last[kind];
	Buffer		bufs[HNR_MAX_PARTS];
	int			parts = shape ? shape->parts : 1;

	if (*last != HNR_METAPAGE && try_block(index, *last, kind, shape, place))
		return;
	if (!index->building && try_free_space_map(index, kind, shape, place))
	{
		*last = BufferGetBlockNumber(place->buf);
		return;
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
