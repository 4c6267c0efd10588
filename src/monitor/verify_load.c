/*-------------------------------------------------------------------------
 *
 * verify_load.c
 *		check_index(): copies of whole vertices.  See verify.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/stored.h"
#include "am/tail.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "monitor/verify.h"

/* What kept a vertex of several pages from being read, if it is others' work. */
static const char changing[] = "a vertex changes while it is read";

/* Takes over what one part of a vertex holds. */
static void
copy_part(HnrVerify *v, HnrVertexCopy *copy, const HnrPartLayout *pl, const char *part)
{
	Size		size = v->index->layout.slot_size;
	int			nslots = Min(pl->slot_count, copy->nslots - pl->slot_first);

	if (v->index->layout.room == 0)
		hnr_stored_decode(v->index->layout.encoding, part + pl->vec_offset, pl->vec_count,
						  copy->head.scale, copy->vec + pl->vec_first);
	if (nslots > 0)
		memcpy(copy->slots + pl->slot_first * size, part + pl->slot_offset, nslots * size);
}

/* The parts after the first; leaves what is wrong about them in copy->problem. */
static void
load_later_parts(HnrVerify *v, HnrVertexCopy *copy, const HnrShape *shape, Page page)
{
	BlockNumber first = ItemPointerGetBlockNumber(&copy->tid);

	for (int p = 1; p < shape->parts; p++)
	{
		HnrPart    *part = (HnrPart *) hnr_page_contents(page);

		if (first + p >= v->blocks && first + p >= RelationGetNumberOfBlocks(v->index->rel))
		{
			copy->problem = "a vertex ends beyond the end of the index";
			return;
		}
		hnr_buffer_copy(v->index->rel, first + p, v->strategy, page);
		if (hnr_verify_page_problem(page) || hnr_page_head(page)->kind != HNR_PAGE_PART)
			copy->problem = "a part of a vertex is missing";
		else if (part->part != p)
			copy->problem = "the parts of a vertex are not in order";
		else if (part->generation != copy->head.generation)
			copy->problem = "a part of a vertex is of another generation";
		if (copy->problem)
			return;
		copy_part(v, copy, &shape->part[p], (char *) part);
	}
}

/* The piece of a vector's tail at a TID, on a copied page; NULL: there is none. */
static const HnrPiece *
load_piece(HnrVerify *v, const ItemPointerData *tid, Page page)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber pos = ItemPointerGetOffsetNumberNoCheck(tid);

	if (block >= RelationGetNumberOfBlocks(v->index->rel) || pos < 1 || pos > HNR_PIECES_PER_PAGE)
		return NULL;
	hnr_buffer_copy(v->index->rel, block, v->strategy, page);
	if (hnr_verify_page_problem(page) || hnr_page_head(page)->kind != HNR_PAGE_TAIL)
		return NULL;
	return hnr_page_piece(page, pos);
}

/* A vertex leads to the piece at a TID. */
static void
mark_piece(HnrVerify *v, const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);

	if (block < v->blocks && v->kind[block] == HNR_PAGE_TAIL)
		*hnr_verify_place(v, hnr_node_of_tid(tid)) |= HNR_PLACE_LINKED;
}

/* The vector, where vectors vary; leaves what is wrong about it in copy->problem. */
static void
load_varying(HnrVerify *v, HnrVertexCopy *copy, const char *stored, Page page)
{
	const HnrLayout *layout = &v->index->layout;
	ItemPointerData at;
	int			pieces = hnr_tail_begin_vector(layout, stored, copy->vec, &at);

	if (pieces < 0)
		copy->problem = "a vector has an impossible number of coordinates";
	for (int number = 0; number < pieces && copy->problem == NULL; number++)
	{
		const HnrPiece *piece = load_piece(v, &at, page);

		if (piece == NULL)
			copy->problem = "a piece of a vector is missing";
		else if (!hnr_piece_is(piece, &copy->tid, copy->head.generation, number))
			copy->problem = "a piece of a vector is of another vertex";
		else
		{
			hnr_piece_take(layout, piece, copy->vec);
			mark_piece(v, &at);
			at = piece->next;
		}
	}
	if (copy->problem)
		((int32 *) copy->vec)[0] = 0;
	else if (ItemPointerIsValid(&at))
		copy->problem = "a vector goes on after its last coordinate";
}

/* Whether the first part still is what was copied; the others may have been read later. */
static bool
is_unchanged(HnrVerify *v, const HnrVertexCopy *copy, const HnrShape *shape, Page page)
{
	HnrVertex  *now;

	hnr_buffer_copy(v->index->rel, ItemPointerGetBlockNumber(&copy->tid), v->strategy, page);
	now = hnr_vertex_at(shape, page, ItemPointerGetOffsetNumber(&copy->tid));
	return now->generation == copy->head.generation && now->degree == copy->head.degree;
}

/* One try of hnr_verify_load. */
static bool
load_once(HnrVerify *v, HnrNodeId id, HnrVertexCopy *copy, Page page)
{
	const HnrShape *shape;
	HnrVertex  *vertex;
	BlockNumber block = (BlockNumber) (id >> 16);
	int			pos = id & 0xFFFF;

	if (id >> 16 >= v->blocks && id >> 16 >= RelationGetNumberOfBlocks(v->index->rel))
		return false;
	hnr_buffer_copy(v->index->rel, block, v->strategy, page);
	if (hnr_verify_page_problem(page))
		return false;
	shape = hnr_verify_shape(v, hnr_page_head(page)->kind);
	if (shape == NULL || pos < 1 || pos > shape->per_page)
		return false;
	hnr_tid_of_node(id, &copy->tid);
	vertex = hnr_vertex_at(shape, page, pos);
	copy->head = *vertex;
	copy->level = shape->kind == HNR_PAGE_GROUND ? 0 : vertex->level;
	copy->nslots = Min(vertex->degree, shape->slots);
	copy->problem = NULL;
	copy_part(v, copy, &shape->part[0], (char *) vertex);
	if (copy->head.state == HNR_VERTEX_LIVE || copy->head.state == HNR_VERTEX_DELETED)
	{
		if (v->index->layout.room > 0)
		{
			char	   *stored = palloc(sizeof(float) * v->index->layout.stored);

			memcpy(stored, (char *) vertex + shape->part[0].vec_offset,
				   sizeof(float) * v->index->layout.stored);
			load_varying(v, copy, stored, page);
			pfree(stored);
		}
		load_later_parts(v, copy, shape, page);
	}
	if (shape->parts > 1 && copy->problem == NULL && !is_unchanged(v, copy, shape, page))
		copy->problem = changing;
	return true;
}

bool
hnr_verify_load(HnrVerify *v, HnrNodeId id, HnrVertexCopy *copy)
{
	const HnrLayout *layout = &v->index->layout;
	Page		page = palloc(BLCKSZ);
	bool		found;

	copy->vec = palloc0(sizeof(float) * layout->dims);
	copy->slots = palloc0((Size) layout->slot_size * Max(layout->ground.slots, layout->upper.slots));
	for (int try = 0; try < HNR_VERIFY_TRIES; try++)
	{
		CHECK_FOR_INTERRUPTS();
		found = load_once(v, id, copy, page);
		if (!found || copy->problem == NULL)
			break;
	}
	if (found && copy->problem == changing)
	{
		/* rare, and no damage: leave its links alone */
		copy->problem = NULL;
		copy->nslots = 0;
	}
	pfree(page);
	return found;
}

/*
 * Whether no vertex leads to a piece that none did so far.  What a removed vertex has left
 * is in order, until the next vacuum that deletes anything, even if the vertex itself was cut
 * off meanwhile (am/shrink.h).
 */
static bool
piece_is_lost(HnrVerify *v, HnrNodeId id)
{
	Page		page = palloc(BLCKSZ);
	ItemPointerData tid;
	const HnrPiece *at;
	HnrPiece	piece;
	HnrVertexCopy owner;

	hnr_tid_of_node(id, &tid);
	at = load_piece(v, &tid, page);
	if (at == NULL || !ItemPointerIsValid(&at->owner))
		return false;			/* free by now */
	piece = *at;
	if (ItemPointerGetBlockNumberNoCheck(&piece.owner) >= RelationGetNumberOfBlocks(v->index->rel))
		return false;
	if (!hnr_verify_load(v, hnr_node_of_tid(&piece.owner), &owner))
		return true;
	if ((owner.head.state != HNR_VERTEX_LIVE && owner.head.state != HNR_VERTEX_DELETED) ||
		owner.head.generation != piece.generation || owner.problem)
		return false;
	return (*hnr_verify_place(v, id) & HNR_PLACE_LINKED) == 0;
}

static void
check_lost_piece(HnrVerify *v, HnrNodeId id)
{
	for (int try = 0; try < HNR_VERIFY_TRIES; try++)
		if (!piece_is_lost(v, id))
			return;
	hnr_verify_report(v, HNR_FOUND_LOST_PIECE, (BlockNumber) (id >> 16), (int) (id & 0xFFFF),
					  "a piece of a vector that no vertex leads to, as a crash amid an insertion leaves it");
}

void
hnr_verify_pieces(HnrVerify *v)
{
	MemoryContext old = MemoryContextSwitchTo(v->scratch);

	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
		for (int pos = 1; v->kind[block] == HNR_PAGE_TAIL && pos <= HNR_PIECES_PER_PAGE; pos++)
			if ((v->place[v->first[block] + pos - 1] & (HNR_PLACE_STATE | HNR_PLACE_LINKED)) == HNR_VERTEX_LIVE)
			{
				check_lost_piece(v, ((HnrNodeId) block << 16) | pos);
				MemoryContextReset(v->scratch);
			}
	MemoryContextSwitchTo(old);
}
