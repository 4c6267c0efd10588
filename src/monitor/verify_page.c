/*-------------------------------------------------------------------------
 *
 * verify_page.c
 *		check_index(): each page in itself.  See verify.h.
 *
 * Notes what every block and every place is, for the passes after it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "am/buffer.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "monitor/verify.h"

const char *
hnr_verify_page_problem(Page page)
{
	PageHeader	header = (PageHeader) page;
	HnrPageKind kind;

	if (PageIsNew(page))
		return "the page was never initialized";
	if (PageGetPageSize(page) != BLCKSZ || header->pd_special != BLCKSZ || !hnr_page_is_ours(page))
		return "the page is not one of an hnsw index";
	if (header->pd_lower < HNR_PAGE_START || header->pd_lower > header->pd_upper ||
		header->pd_upper != header->pd_special)
		return "the page header has impossible bounds";
	kind = hnr_page_head(page)->kind;
	if (kind < HNR_PAGE_META || kind > HNR_PAGE_LAST)
		return "the page is of no known kind";
	if (hnr_page_head(page)->unused != 0)
		return "the page has a value where this version has none";
	return NULL;
}

const HnrShape *
hnr_verify_shape(HnrVerify *v, int kind)
{
	switch (kind)
	{
		case HNR_PAGE_GROUND:
			return &v->index->layout.ground;
		case HNR_PAGE_UPPER:
			return &v->index->layout.upper;
		default:
			return NULL;
	}
}

/* Places on a page of a kind. */
static int
places_of_kind(HnrVerify *v, int kind)
{
	const HnrShape *shape = hnr_verify_shape(v, kind);

	if (kind == HNR_PAGE_TIDS)
		return HNR_CHUNKS_PER_PAGE;
	if (kind == HNR_PAGE_TAIL)
		return HNR_PIECES_PER_PAGE;
	return shape ? shape->per_page : 0;
}

uint16 *
hnr_verify_place(HnrVerify *v, HnrNodeId id)
{
	BlockNumber block = (BlockNumber) (id >> 16);
	int			pos = id & 0xFFFF;

	if (id >> 16 >= v->blocks || pos < 1 || pos > places_of_kind(v, v->kind[block]))
		return NULL;
	return &v->place[v->first[block] + pos - 1];
}

/* Makes room for the places of a block. */
static void
add_places(HnrVerify *v, BlockNumber block, int kind)
{
	int			n = places_of_kind(v, kind);

	v->kind[block] = kind;
	v->first[block] = v->nplaces;
	if (v->nplaces + n > v->maxplaces)
	{
		v->maxplaces = v->maxplaces * 2 + n;
		v->place = repalloc_huge(v->place, sizeof(uint16) * v->maxplaces);
	}
	memset(&v->place[v->nplaces], 0, sizeof(uint16) * n);
	v->nplaces += n;
}

static bool
header_is_empty(const HnrVertex *vertex)
{
	return vertex->degree == 0 && vertex->ntids == 0 && !ItemPointerIsValid(&vertex->link);
}

/*
 * Transactions that may have had a number and written nothing when the server crashed:
 * it gives out their numbers again, but what vacuum wrote, which takes down the last
 * number given, may have lasted.
 */
#define MAX_FORGOTTEN_XIDS 1000000

/* What is wrong about a vertex that is not in use, or NULL. */
static const char *
idle_problem(const HnrVertex *vertex)
{
	FullTransactionId xid;

	if (!header_is_empty(vertex))
		return "a vertex not in use has neighbors, rows or a link";
	if (vertex->state != HNR_VERTEX_REMOVED)
		return NULL;
	memcpy(&xid, HNR_REMOVED_XID(vertex), sizeof(xid));
	/* a standby learns of a transaction with its first record only */
	if (RecoveryInProgress())
		return NULL;
	if (U64FromFullTransactionId(xid) >=
		U64FromFullTransactionId(ReadNextFullTransactionId()) + MAX_FORGOTTEN_XIDS)
		return "a removed vertex bears a transaction number of the future";
	return NULL;
}

/* What is wrong about the header of a vertex in use, or NULL. */
static const char *
used_problem(const HnrShape *shape, const HnrVertex *vertex)
{
	bool		ground = shape->kind == HNR_PAGE_GROUND;

	if (ground ? vertex->level != 0 : vertex->level < 1 || vertex->level > HNR_MAX_LEVEL)
		return "a vertex is of a level that does not belong on its page";
	if (vertex->degree > shape->slots)
		return "a vertex claims more neighbors than it has room for";
	if (vertex->generation == 0)
		return "a vertex in use has no generation";
	if ((vertex->flags & ~(ground ? HNR_VERTEX_FLAGS : 0)) != 0)
		return "a vertex has a value where this version has none";
	if (!ground)
		return ItemPointerIsValid(&vertex->link) && ItemPointerIsValid(&vertex->tids[0]) ? NULL :
			"an upper vertex has no link down";
	if (vertex->ntids > HNR_INLINE_TIDS)
		return "a vertex claims more rows than it has room for";
	if (vertex->state == HNR_VERTEX_DELETED && vertex->ntids > 0)
		return "a deleted vertex has rows";
	for (int i = 0; i < vertex->ntids; i++)
		if (!ItemPointerIsValid(&vertex->tids[i]))
			return "a vertex has an invalid heap TID";
	return NULL;
}

static void
check_vertex(HnrVerify *v, const HnrShape *shape, BlockNumber block, int pos)
{
	const HnrVertex *vertex = hnr_vertex_at(shape, v->page, pos);
	uint16	   *place = &v->place[v->first[block] + pos - 1];
	const char *problem;
	bool		used = vertex->state == HNR_VERTEX_LIVE || vertex->state == HNR_VERTEX_DELETED;

	if (vertex->state > HNR_VERTEX_REMOVED)
		problem = "a vertex is in a state that does not exist";
	else
		problem = used ? used_problem(shape, vertex) : idle_problem(vertex);
	if (problem)
	{
		hnr_verify_report(v, HNR_FOUND_VERTEX, block, pos, "%s", problem);
		return;
	}
	*place = vertex->state | (used ? vertex->level << HNR_PLACE_LEVEL_SHIFT : 0);
	if (vertex->state != HNR_VERTEX_LIVE)
		return;
	v->nslots += vertex->degree;
	if (shape->kind != HNR_PAGE_GROUND)
		return;
	v->nlive++;
	if (vertex->ntids == 0 && !ItemPointerIsValid(&vertex->link))
		hnr_verify_report(v, HNR_FOUND_NO_ROW, block, pos,
						  "a live vertex has no row; the next vacuum that deletes anything removes it");
}

static void
check_chunk(HnrVerify *v, BlockNumber block, int pos)
{
	const HnrTidChunk *chunk = hnr_page_chunk(v->page, pos);
	const char *problem = NULL;

	if (!ItemPointerIsValid(&chunk->owner))
	{
		if (chunk->ntids != 0)
			hnr_verify_report(v, HNR_FOUND_CHUNK, block, pos, "a free chunk has heap TIDs");
		return;
	}
	if (chunk->unused != 0)
		problem = "a chunk has a value where this version has none";
	else if (chunk->ntids > HNR_CHUNK_TIDS)
		problem = "a chunk claims more heap TIDs than it has room for";
	else
		for (int i = 0; i < chunk->ntids; i++)
			if (!ItemPointerIsValid(&chunk->tids[i]))
				problem = "a chunk has an invalid heap TID";
	if (problem)
		hnr_verify_report(v, HNR_FOUND_CHUNK, block, pos, "%s", problem);
	v->place[v->first[block] + pos - 1] = HNR_VERTEX_LIVE;
}

static void
check_piece(HnrVerify *v, BlockNumber block, int pos)
{
	const HnrPiece *piece = hnr_page_piece(v->page, pos);

	if (!ItemPointerIsValid(&piece->owner))
		return;
	if (piece->unused != 0)
		hnr_verify_report(v, HNR_FOUND_PART, block, pos,
						  "a piece of a vector has a value where this version has none");
	v->place[v->first[block] + pos - 1] = HNR_VERTEX_LIVE;
}

/* Bytes that a page of a kind can have in use; -1: it depends. */
static int
bytes_of_kind(HnrVerify *v, int kind)
{
	const HnrShape *shape = hnr_verify_shape(v, kind);

	if (shape)
		return shape->per_page * shape->part[0].size;
	if (kind == HNR_PAGE_TIDS)
		return HNR_CHUNKS_PER_PAGE * sizeof(HnrTidChunk);
	if (kind == HNR_PAGE_TAIL)
		return HNR_PIECES_PER_PAGE * sizeof(HnrPiece);
	return -1;
}

/* Whether a page ends with its vertices or chunks; free places at its end may be left out. */
static bool
ends_rightly(HnrVerify *v, int kind)
{
	int			bytes = bytes_of_kind(v, kind);
	int			lower = ((PageHeader) v->page)->pd_lower;

	if (bytes >= 0 && lower > HNR_PAGE_START + bytes)
		return false;
	for (int i = lower; i < BLCKSZ; i++)
		if (v->page[i] != 0)
			return false;
	return true;
}

static void
check_page(HnrVerify *v, BlockNumber block)
{
	const char *problem;
	int			kind;

	/* a new page was left by a crash while extending; vacuum offers it again */
	if (PageIsNew(v->page))
		return;
	problem = hnr_verify_page_problem(v->page);
	kind = problem ? 0 : hnr_page_head(v->page)->kind;
	if (kind == HNR_PAGE_META)
		problem = "a second metapage";
	else if (!problem && (HNR_KIND_BIT(kind) & HNR_PENDING_KINDS) != 0)
		problem = hnr_verify_pending_problem(v, v->page);
	if (!problem && !ends_rightly(v, kind))
		problem = "the page does not end where its vertices or chunks do";
	if (problem)
	{
		hnr_verify_report(v, HNR_FOUND_PAGE, block, 0, "%s", problem);
		return;
	}
	add_places(v, block, kind);
	for (int pos = 1; pos <= places_of_kind(v, kind); pos++)
	{
		if (kind == HNR_PAGE_TIDS)
			check_chunk(v, block, pos);
		else if (kind == HNR_PAGE_TAIL)
			check_piece(v, block, pos);
		else
			check_vertex(v, hnr_verify_shape(v, kind), block, pos);
	}
	/* it has no places: keep the number of the part there */
	if (kind == HNR_PAGE_PART)
		v->first[block] = ((HnrPart *) hnr_page_contents(v->page))->part;
}

/* A later part stands behind a first one that has so many. */
static void
check_parts(HnrVerify *v)
{
	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
	{
		const HnrShape *shape = NULL;
		uint64		part;

		if (v->kind[block] != HNR_PAGE_PART)
			continue;
		part = v->first[block];
		if (part == 0 || part >= HNR_MAX_PARTS)
		{
			hnr_verify_report(v, HNR_FOUND_PART, block, 0,
							  "a later part of a vertex has number %d", (int) part);
			continue;
		}
		if (block > part)
			shape = hnr_verify_shape(v, v->kind[block - part]);
		/* the parts of a vertex are written before the first one */
		if (shape == NULL || part >= shape->parts)
			hnr_verify_report(v, HNR_FOUND_LOST_PART, block, 0,
							  "a part of a vertex that does not exist, as a crash amid an insertion leaves it");
	}
}

static void
each_tid_on_page(HnrVerify *v, BlockNumber block, int kind, HnrTidSeen seen, void *state)
{
	const HnrShape *shape = &v->index->layout.ground;

	if (kind == HNR_PAGE_GROUND)
		for (int pos = 1; pos <= shape->per_page; pos++)
		{
			HnrVertex  *vertex = hnr_vertex_at(shape, v->page, pos);
			HnrNodeId	id = ((HnrNodeId) block << 16) | pos;

			if (vertex->state == HNR_VERTEX_LIVE)
				for (int i = 0; i < Min(vertex->ntids, HNR_INLINE_TIDS); i++)
					seen(v, &vertex->tids[i], id, id, state);
		}
	if (kind == HNR_PAGE_TIDS)
		for (int pos = 1; pos <= HNR_CHUNKS_PER_PAGE; pos++)
		{
			HnrTidChunk *chunk = hnr_page_chunk(v->page, pos);

			if (ItemPointerIsValid(&chunk->owner))
				for (int i = 0; i < Min(chunk->ntids, HNR_CHUNK_TIDS); i++)
					seen(v, &chunk->tids[i], hnr_node_of_tid(&chunk->owner),
						 ((HnrNodeId) block << 16) | pos, state);
		}
}

void
hnr_verify_each_tid(HnrVerify *v, HnrTidSeen seen, void *state)
{
	/* with the pages added since the check began: pending rows may have gone there */
	BlockNumber blocks = RelationGetNumberOfBlocks(v->index->rel);

	for (BlockNumber block = HNR_METAPAGE + 1; block < blocks; block++)
	{
		int			kind;

		CHECK_FOR_INTERRUPTS();
		if (block < v->blocks && v->kind[block] != HNR_PAGE_GROUND && v->kind[block] != HNR_PAGE_TIDS)
			continue;
		hnr_buffer_copy(v->index->rel, block, v->strategy, v->page);
		kind = hnr_verify_page_problem(v->page) == NULL ? hnr_page_head(v->page)->kind : 0;
		if (block >= v->blocks || kind == v->kind[block])
			each_tid_on_page(v, block, kind, seen, state);
	}
}

void
hnr_verify_pages(HnrVerify *v)
{
	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_buffer_copy(v->index->rel, block, v->strategy, v->page);
		check_page(v, block);
	}
	check_parts(v);
}
