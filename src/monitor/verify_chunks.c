/*-------------------------------------------------------------------------
 *
 * verify_chunks.c
 *		check_index(): lists of chunks of heap TIDs.  See verify.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "monitor/verify.h"

typedef enum WalkResult
{
	WALK_END,
	WALK_NOT_A_CHUNK,			/* a link leads elsewhere */
	WALK_NOT_OURS,				/* a chunk of another vertex, or a free one */
	WALK_CIRCLE
} WalkResult;

static const char *const walk_problem[] = {
	[WALK_NOT_A_CHUNK] = "a list of heap TIDs leads to what is not a chunk of them",
	[WALK_NOT_OURS] = "a list of heap TIDs leads to a chunk that does not belong to the vertex",
	[WALK_CIRCLE] = "a list of heap TIDs runs in a circle",
};

/* Copies a chunk; false if there is no such place. */
static bool
load_chunk(HnrVerify *v, const ItemPointerData *tid, Page page, HnrTidChunk *chunk)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	int			pos = ItemPointerGetOffsetNumberNoCheck(tid);

	if (block >= v->blocks && block >= RelationGetNumberOfBlocks(v->index->rel))
		return false;
	if (pos < 1 || pos > HNR_CHUNKS_PER_PAGE)
		return false;
	hnr_buffer_copy(v->index->rel, block, v->strategy, page);
	if (hnr_verify_page_problem(page) || hnr_page_head(page)->kind != HNR_PAGE_TIDS)
		return false;
	*chunk = *hnr_page_chunk(page, pos);
	return true;
}

/*
 * Follows the list of a vertex, marking its chunks; stops early at `target` and
 * says so in *found.
 */
static WalkResult
walk_chain(HnrVerify *v, const HnrVertexCopy *vertex, HnrNodeId target, bool *found)
{
	Page		page = palloc(BLCKSZ);
	ItemPointerData at = vertex->head.link;
	ItemPointerData milestone = at;
	WalkResult	result = WALK_END;
	uint64		steps = 0;

	*found = false;
	while (ItemPointerIsValid(&at) && !*found)
	{
		HnrTidChunk chunk;
		uint16	   *place;

		CHECK_FOR_INTERRUPTS();
		if (!load_chunk(v, &at, page, &chunk))
			result = WALK_NOT_A_CHUNK;
		else if (!hnr_same_tid(&chunk.owner, &vertex->tid) ||
				 chunk.generation != vertex->head.generation)
			result = WALK_NOT_OURS;
		else if (steps > 0 && hnr_same_tid(&at, &milestone))
			result = WALK_CIRCLE;
		if (result != WALK_END)
			break;
		/* milestones at powers of two find any circle */
		if ((steps & (steps - 1)) == 0)
			milestone = at;
		steps++;
		place = hnr_verify_place(v, hnr_node_of_tid(&at));
		if (place)
			*place |= HNR_PLACE_LINKED;
		*found = hnr_node_of_tid(&at) == target;
		at = chunk.next;
	}
	pfree(page);
	return result;
}

void
hnr_verify_chain(HnrVerify *v, const HnrVertexCopy *vertex)
{
	HnrVertexCopy now = *vertex;
	WalkResult	result = WALK_END;
	bool		found;

	/* vacuum takes chunks away, and an insertion may use them for another vertex */
	for (int try = 0; try < 3; try++)
	{
		if (try > 0 && (!hnr_verify_load(v, hnr_node_of_tid(&vertex->tid), &now) ||
						now.head.state != HNR_VERTEX_LIVE || now.level != 0))
			return;
		result = walk_chain(v, &now, HNR_NO_NODE, &found);
		if (result == WALK_END)
			return;
	}
	hnr_verify_report(v, HNR_FOUND_TID_LIST, ItemPointerGetBlockNumber(&vertex->tid),
					  ItemPointerGetOffsetNumber(&vertex->tid), "%s", walk_problem[result]);
}

/* What is wrong about a chunk that no walk came by, or NULL. */
static const char *
lost_chunk_problem(HnrVerify *v, HnrNodeId id)
{
	Page		page = palloc(BLCKSZ);
	ItemPointerData tid;
	HnrTidChunk chunk;
	HnrVertexCopy owner;
	bool		found = true;

	hnr_tid_of_node(id, &tid);
	if (!load_chunk(v, &tid, page, &chunk) || !ItemPointerIsValid(&chunk.owner))
		return NULL;			/* free by now */
	if (!hnr_verify_load(v, hnr_node_of_tid(&chunk.owner), &owner) || owner.level != 0)
		return "a chunk of heap TIDs names an owner that is not a vertex of the ground level";
	if (owner.head.state != HNR_VERTEX_LIVE || owner.head.generation != chunk.generation)
		return "a chunk of heap TIDs belongs to a vertex that is no longer in use";
	if (walk_chain(v, &owner, id, &found) == WALK_END && !found)
		return "a chunk of heap TIDs is not in its owner's list";
	return NULL;
}

static void
check_lost_chunk(HnrVerify *v, HnrNodeId id)
{
	const char *problem = NULL;

	for (int try = 0; try < 3; try++)
	{
		problem = lost_chunk_problem(v, id);
		if (problem == NULL)
			return;
	}
	hnr_verify_report(v, HNR_FOUND_CHUNK, (BlockNumber) (id >> 16), (int) (id & 0xFFFF),
					  "%s", problem);
}

void
hnr_verify_chunks(HnrVerify *v)
{
	MemoryContext old = MemoryContextSwitchTo(v->scratch);

	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
		for (int pos = 1; v->kind[block] == HNR_PAGE_TIDS && pos <= HNR_CHUNKS_PER_PAGE; pos++)
			if ((v->place[v->first[block] + pos - 1] & (HNR_PLACE_STATE | HNR_PLACE_LINKED)) == HNR_VERTEX_LIVE)
			{
				check_lost_chunk(v, ((HnrNodeId) block << 16) | pos);
				MemoryContextReset(v->scratch);
			}
	MemoryContextSwitchTo(old);
}
