/*-------------------------------------------------------------------------
 *
 * tail.c
 *		Vectors that vary in length, and what of them a vertex has no room for.  See
 *		tail.h.
 *
 * The pieces of a tail are written, and logged, before the vertex, whose page is locked
 * from before that: nobody can come by them.  They stay as they are until the vertex has been
 * removed; a later vacuum frees them.  So whoever reads them has to see that they still
 * are of the vertex as it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/node.h"
#include "am/place.h"
#include "am/tail.h"
#include "am/vertex.h"
#include "am/wal.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Where in a vector a piece begins, and how many words of it there are. */
static int
first_word(const HnrLayout *layout, int number)
{
	return layout->room + number * HNR_PIECE_WORDS;
}

static int
words_of_piece(const HnrLayout *layout, int words, int number)
{
	return Min(words - first_word(layout, number), HNR_PIECE_WORDS);
}

void
hnr_tail_put_head(const HnrLayout *layout, const float *vec, const ItemPointerData *tail,
				  char *stored)
{
	HnrVarying *varying = (HnrVarying *) stored;

	varying->tail = *tail;
	varying->unused = 0;
	memcpy(varying + 1, vec, sizeof(float) * Min(hnr_layout_words(layout, vec), layout->room));
}

bool
hnr_piece_is(const HnrPiece *piece, const ItemPointerData *owner, uint32 generation, int number)
{
	return hnr_same_tid(&piece->owner, owner) && piece->generation == generation &&
		piece->number == number;
}

void
hnr_piece_take(const HnrLayout *layout, const HnrPiece *piece, float *vec)
{
	memcpy(vec + first_word(layout, piece->number), piece->words,
		   sizeof(float) * words_of_piece(layout, hnr_layout_words(layout, vec), piece->number));
}

void
hnr_piece_fill(const HnrLayout *layout, const float *vec, HnrPiece *piece)
{
	memcpy(piece->words, vec + first_word(layout, piece->number),
		   sizeof(float) * words_of_piece(layout, hnr_layout_words(layout, vec), piece->number));
}

int
hnr_tail_begin_vector(const HnrLayout *layout, const char *stored, float *vec, ItemPointer tail)
{
	const HnrVarying *varying = (const HnrVarying *) stored;
	int			words;

	*tail = varying->tail;
	memcpy(vec, varying + 1, sizeof(float));
	words = hnr_layout_words(layout, vec);
	if (words < 1 || words > layout->dims)
		return -1;
	memcpy(vec, varying + 1, sizeof(float) * Min(words, layout->room));
	return hnr_tail_pieces(layout->room, words);
}

/* Whether a list of pieces may go on there. */
static bool
may_be_piece(const ItemPointerData *tid)
{
	OffsetNumber pos = ItemPointerGetOffsetNumberNoCheck(tid);

	return pos >= 1 && pos <= HNR_PIECES_PER_PAGE;
}

bool
hnr_tail_read_vector(HnrIndex *index, const ItemPointerData *tid, uint32 generation,
					 const char *stored, float *vec)
{
	ItemPointerData at;
	int			pieces = hnr_tail_begin_vector(&index->layout, stored, vec, &at);
	int			number = 0;

	while (number < pieces)
	{
		BlockNumber block = ItemPointerGetBlockNumberNoCheck(&at);
		Buffer		buf;

		if (!may_be_piece(&at))
			return false;
		buf = hnr_buffer_read(index->rel, block, BUFFER_LOCK_SHARE, HNR_KIND_BIT(HNR_PAGE_TAIL));
		/* as a rule, the next one is on the same page */
		do
		{
			const HnrPiece *piece = hnr_page_piece(BufferGetPage(buf),
												   ItemPointerGetOffsetNumberNoCheck(&at));

			if (!hnr_piece_is(piece, tid, generation, number))
			{
				hnr_buffer_release(buf);
				return false;
			}
			hnr_piece_take(&index->layout, piece, vec);
			at = piece->next;
		} while (++number < pieces && ItemPointerGetBlockNumberNoCheck(&at) == block &&
				 may_be_piece(&at));
		hnr_buffer_release(buf);
	}
	return pieces >= 0;
}

/* Puts a piece where there is room for it. */
static void
store_piece(HnrIndex *index, HnrPiece *piece, ItemPointer tid)
{
	HnrPlace	place;
	HnrChange	change;
	BlockNumber block;

	hnr_place_piece(index, &place);
	block = BufferGetBlockNumber(place.buf);
	hnr_change_begin(&change, index->rel, index->building);
	if (place.fresh)
	{
		Page		page = hnr_change_page(&change, place.buf, HNR_CHANGE_WHOLE);

		hnr_page_init(page, HNR_PAGE_TAIL, sizeof(HnrPiece));
		*hnr_page_piece(page, place.pos) = *piece;
	}
	else
		hnr_change_put(&change, place.buf, hnr_page_piece(BufferGetPage(place.buf), place.pos),
					   piece, sizeof(HnrPiece));
	hnr_change_end(&change);
	ItemPointerSet(tid, block, place.pos);
	hnr_buffer_release(place.buf);
	/* let others fill the page up, should this backend not come back */
	if (place.fresh && !index->building)
		hnr_place_offer(index, block, HNR_PAGE_TAIL);
}

void
hnr_tail_store(HnrIndex *index, const ItemPointerData *tid, uint32 generation, const float *vec,
			   ItemPointer tail)
{
	int			pieces = hnr_tail_pieces(index->layout.room, hnr_layout_words(&index->layout, vec));

	ItemPointerSetInvalid(tail);
	/* from its end, so that each piece can name the next */
	for (int number = pieces - 1; number >= 0; number--)
	{
		HnrPiece	piece = {.owner = *tid,.next = *tail,.generation = generation,.number = number};

		hnr_piece_fill(&index->layout, vec, &piece);
		store_piece(index, &piece, tail);
	}
}

/*
 * Tails that a vacuum has followed, by owner: the pieces in their order.  Such a tail stays
 * as it is, because only a vacuum removes vertices, and a later pass of it.
 */
typedef struct InUse
{
	HnrNodeId	owner;
	uint32		generation;
	int			npieces;
	ItemPointerData *piece;
} InUse;

struct HnrTailsInUse
{
	HnrIndex   *index;
	MemoryContext context;		/* reset when there are enough of them */
	HTAB	   *tails;
	int64		npieces;
};

#define MAX_PIECES_IN_USE	100000

HnrTailsInUse *
hnr_tails_in_use(HnrIndex *index)
{
	HnrTailsInUse *tails = palloc0(sizeof(HnrTailsInUse));

	tails->index = index;
	tails->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw tails in use",
										   ALLOCSET_DEFAULT_SIZES);
	return tails;
}

void
hnr_tails_in_use_free(HnrTailsInUse *tails)
{
	MemoryContextDelete(tails->context);
	pfree(tails);
}

/* Forgets the others where there are many. */
static InUse *
add_in_use(HnrTailsInUse *tails, HnrNodeId owner)
{
	if (tails->npieces > MAX_PIECES_IN_USE)
	{
		MemoryContextReset(tails->context);
		tails->tails = NULL;
		tails->npieces = 0;
	}
	if (tails->tails == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(HnrNodeId),.entrysize = sizeof(InUse),.hcxt = tails->context};

		tails->tails = hash_create("hnsw tails in use", 256, &info,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	return hash_search(tails->tails, &owner, HASH_ENTER, NULL);
}

/* Follows the tail of a vertex in use from its first piece on. */
static const InUse *
follow(HnrTailsInUse *tails, const ItemPointerData *owner, uint32 generation, ItemPointerData at)
{
	const HnrLayout *layout = &tails->index->layout;
	int			most = hnr_tail_pieces(layout->room, layout->dims);
	InUse	   *entry = add_in_use(tails, hnr_node_of_tid(owner));

	entry->generation = generation;
	entry->npieces = 0;
	entry->piece = MemoryContextAlloc(tails->context, sizeof(ItemPointerData) * most);
	while (entry->npieces < most && may_be_piece(&at))
	{
		BlockNumber block = ItemPointerGetBlockNumberNoCheck(&at);
		Buffer		buf = hnr_buffer_read(tails->index->rel, block, BUFFER_LOCK_SHARE,
										  HNR_KIND_BIT(HNR_PAGE_TAIL));

		do
		{
			entry->piece[entry->npieces++] = at;
			at = hnr_page_piece(BufferGetPage(buf), ItemPointerGetOffsetNumberNoCheck(&at))->next;
		} while (entry->npieces < most && ItemPointerGetBlockNumberNoCheck(&at) == block &&
				 may_be_piece(&at));
		hnr_buffer_release(buf);
	}
	tails->npieces += entry->npieces;
	return entry;
}

/* The vertex in use at a place on a locked page, or NULL; sets *tail to its first piece. */
static const HnrVertex *
owner_on_page(HnrIndex *index, Page page, OffsetNumber pos, ItemPointer tail)
{
	const HnrShape *shape;
	const HnrVertex *v;

	if (PageIsNew(page) || !hnr_page_is_ours(page))
		return NULL;
	shape = hnr_page_head(page)->kind == HNR_PAGE_GROUND ? &index->layout.ground : &index->layout.upper;
	v = hnr_vertex_standing(shape, page, pos);
	if (v)
		*tail = ((const HnrVarying *) ((const char *) v + shape->part[0].vec_offset))->tail;
	return v;
}

static bool
free_piece(HnrIndex *index, const ItemPointerData *tid)
{
	Buffer		buf = hnr_buffer_try_exclusive(index->rel, ItemPointerGetBlockNumberNoCheck(tid));
	ItemPointerData invalid;
	HnrChange	change;

	if (!BufferIsValid(buf))
		return false;
	ItemPointerSetInvalid(&invalid);
	hnr_change_begin(&change, index->rel, false);
	hnr_change_put(&change, buf,
				   &hnr_page_piece(BufferGetPage(buf), ItemPointerGetOffsetNumberNoCheck(tid))->owner,
				   &invalid, sizeof(invalid));
	hnr_change_end(&change);
	hnr_buffer_release(buf);
	return true;
}

/*
 * Frees a piece whose owner's tail is not known, unless that is a vertex in use: then
 * returns its tail, else NULL.  The vertex is written last, under a lock that is held from
 * before its tail is.
 */
static const InUse *
look_at_owner(HnrTailsInUse *tails, const ItemPointerData *tid, const HnrPiece *piece,
			  bool *is_free)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(&piece->owner);
	const HnrVertex *owner = NULL;
	ItemPointerData tail;
	uint32		generation = 0;
	Buffer		buf;

	if (block == HNR_METAPAGE)
		return NULL;
	/* a page that a crash took back with the vertex */
	if (block >= RelationGetNumberOfBlocks(tails->index->rel))
	{
		*is_free = free_piece(tails->index, tid);
		return NULL;
	}
	buf = hnr_buffer_try_exclusive(tails->index->rel, block);
	if (!BufferIsValid(buf))
		return NULL;
	owner = owner_on_page(tails->index, BufferGetPage(buf),
						  ItemPointerGetOffsetNumberNoCheck(&piece->owner), &tail);
	if (owner)
		generation = owner->generation;
	else
		*is_free = free_piece(tails->index, tid);
	hnr_buffer_release(buf);
	return owner ? follow(tails, &piece->owner, generation, tail) : NULL;
}

/* Whether a piece is free now. */
static bool
reclaim_piece(HnrTailsInUse *tails, const ItemPointerData *tid, const HnrPiece *piece)
{
	const InUse *known = NULL;
	bool		is_free = false;

	if (!ItemPointerIsValid(&piece->owner))
		return true;
	if (tails->tails)
	{
		HnrNodeId	owner = hnr_node_of_tid(&piece->owner);

		known = hash_search(tails->tails, &owner, HASH_FIND, NULL);
	}
	if (known == NULL)
		known = look_at_owner(tails, tid, piece, &is_free);
	if (known == NULL)
		return is_free;
	if (piece->generation == known->generation && piece->number < known->npieces &&
		hnr_same_tid(&known->piece[piece->number], tid))
		return false;
	return free_piece(tails->index, tid);
}

void
hnr_tail_reclaim(HnrTailsInUse *tails, BlockNumber block, Page page)
{
	bool		any_free = false;

	for (OffsetNumber pos = 1; pos <= HNR_PIECES_PER_PAGE; pos++)
	{
		ItemPointerData tid;

		ItemPointerSet(&tid, block, pos);
		any_free |= reclaim_piece(tails, &tid, hnr_page_piece(page, pos));
	}
	if (any_free)
		hnr_place_record(tails->index, block, HNR_PAGE_TAIL);
}
