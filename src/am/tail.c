/*-------------------------------------------------------------------------
 *
 * tail.c
 *		Vectors that vary in length, and what of them a vertex has no room for.  See
 *		tail.h.
 *
 * The pages of a tail are written, and logged, before the vertex, whose page is locked
 * from before that: nobody can come by them.  They stay as they are until the vertex has been
 * removed; a later vacuum frees them.  So whoever reads them has to see that they still
 * are of the vertex as it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/place.h"
#include "am/tail.h"
#include "am/wal.h"

/* Before the words on a vertex: the number of the tail's first block. */
#define HEAD_SIZE ((int) sizeof(BlockNumber))

/* Where in a vector page `number` of the tail begins, and how many words it has. */
static int
first_word(const HnrLayout *layout, int number)
{
	return layout->room + number * HNR_TAIL_WORDS;
}

static int
words_on_page(const HnrLayout *layout, int words, int number)
{
	return Min(words - first_word(layout, number), HNR_TAIL_WORDS);
}

static BlockNumber
first_block(const char *stored)
{
	BlockNumber block;

	memcpy(&block, stored, sizeof(block));
	return block;
}

void
hnr_tail_put_head(const HnrLayout *layout, const float *vec, BlockNumber tail, char *stored)
{
	int			words = hnr_layout_words(layout, vec);

	memcpy(stored, &tail, sizeof(tail));
	memcpy(stored + HEAD_SIZE, vec, sizeof(float) * Min(words, layout->room));
}

bool
hnr_tail_is_page(Page page, const ItemPointerData *tid, uint32 generation, int number)
{
	const HnrTail *tail = hnr_page_tail(page);

	return hnr_same_tid(&tail->owner, tid) && tail->generation == generation && tail->number == number;
}

BlockNumber
hnr_tail_take_page(const HnrLayout *layout, Page page, int number, float *vec)
{
	const HnrTail *tail = hnr_page_tail(page);

	memcpy(vec + first_word(layout, number), tail + 1,
		   sizeof(float) * words_on_page(layout, hnr_layout_words(layout, vec), number));
	return tail->next;
}

int
hnr_tail_begin_vector(const HnrLayout *layout, const char *stored, float *vec, BlockNumber *tail)
{
	int			words;

	*tail = first_block(stored);
	memcpy(vec, stored + HEAD_SIZE, sizeof(float));
	words = hnr_layout_words(layout, vec);
	if (words < 1 || words > layout->dims)
		return -1;
	memcpy(vec, stored + HEAD_SIZE, sizeof(float) * Min(words, layout->room));
	return hnr_tail_pages(layout, words);
}

bool
hnr_tail_read_vector(HnrIndex *index, const ItemPointerData *tid, uint32 generation,
					 const char *stored, float *vec)
{
	BlockNumber block;
	int			pages = hnr_tail_begin_vector(&index->layout, stored, vec, &block);

	for (int number = 0; number < pages; number++)
	{
		Buffer		buf;
		bool		belongs;

		if (block == HNR_METAPAGE)
			return false;
		buf = hnr_buffer_read(index->rel, block, BUFFER_LOCK_SHARE, HNR_KIND_BIT(HNR_PAGE_TAIL));
		belongs = hnr_tail_is_page(BufferGetPage(buf), tid, generation, number);
		if (belongs)
			block = hnr_tail_take_page(&index->layout, BufferGetPage(buf), number, vec);
		hnr_buffer_release(buf);
		if (!belongs)
			return false;
	}
	return pages >= 0;
}

void
hnr_tail_fill_page(const HnrLayout *layout, const HnrTail *head, const float *vec, Page page)
{
	int			words = words_on_page(layout, hnr_layout_words(layout, vec), head->number);
	HnrTail    *tail = hnr_page_tail(page);

	hnr_page_init(page, HNR_PAGE_TAIL, sizeof(HnrTail) + sizeof(float) * words);
	*tail = *head;
	memcpy(tail + 1, vec + first_word(layout, head->number), sizeof(float) * words);
}

BlockNumber
hnr_tail_store(HnrIndex *index, const ItemPointerData *tid, uint32 generation, const float *vec)
{
	HnrTail		head = {.owner = *tid,.generation = generation,.next = HNR_METAPAGE};

	/* from its end, so that each page can name the next */
	for (int i = hnr_tail_pages(&index->layout, hnr_layout_words(&index->layout, vec)); i > 0; i--)
	{
		HnrPlace	place;
		HnrChange	change;

		head.number = i - 1;
		hnr_place_tail(index, &place);
		hnr_change_begin(&change, index->rel, index->building);
		hnr_tail_fill_page(&index->layout, &head, vec,
						   hnr_change_page(&change, place.buf, HNR_CHANGE_WHOLE));
		hnr_change_end(&change);
		head.next = BufferGetBlockNumber(place.buf);
		hnr_buffer_release(place.buf);
	}
	return head.next;
}

/* The vertex that a page of a tail names, or NULL, on a locked page. */
static HnrVertex *
owner_on_page(HnrIndex *index, Page page, const HnrTail *tail, const HnrShape **shape)
{
	OffsetNumber pos = ItemPointerGetOffsetNumberNoCheck(&tail->owner);
	int			kind = PageIsNew(page) || !hnr_page_is_ours(page) ? 0 : hnr_page_head(page)->kind;
	HnrVertex  *v;

	if (kind != HNR_PAGE_GROUND && kind != HNR_PAGE_UPPER)
		return NULL;
	*shape = kind == HNR_PAGE_GROUND ? &index->layout.ground : &index->layout.upper;
	if (pos < 1 || pos > (*shape)->per_page)
		return NULL;
	v = hnr_vertex_at(*shape, page, pos);
	return (v->state == HNR_VERTEX_LIVE || v->state == HNR_VERTEX_DELETED) &&
		v->generation == tail->generation ? v : NULL;
}

/* Whether a vertex, on a locked page, leads to the block as that page of its tail. */
static bool
leads_to(HnrIndex *index, const HnrVertex *v, const HnrShape *shape, const HnrTail *tail,
		 BlockNumber block)
{
	BlockNumber at = first_block((const char *) v + shape->part[0].vec_offset);

	for (int number = 0; number < tail->number && at != HNR_METAPAGE && at != block; number++)
	{
		Buffer		buf = hnr_buffer_read(index->rel, at, BUFFER_LOCK_SHARE,
										  HNR_KIND_BIT(HNR_PAGE_TAIL));

		at = hnr_page_tail(BufferGetPage(buf))->next;
		hnr_buffer_release(buf);
	}
	return at == block;
}

static void
free_page(HnrIndex *index, BlockNumber block)
{
	Buffer		buf = hnr_buffer_try_exclusive(index->rel, block);
	HnrChange	change;
	Page		page;

	if (!BufferIsValid(buf))
		return;
	hnr_change_begin(&change, index->rel, false);
	page = hnr_change_page(&change, buf, HNR_CHANGE_WHOLE);
	hnr_page_init(page, HNR_PAGE_TAIL, sizeof(HnrTail));
	ItemPointerSetInvalid(&hnr_page_tail(page)->owner);
	hnr_change_end(&change);
	hnr_buffer_release(buf);
	hnr_place_record(index, block, HNR_PAGE_TAIL);
}

void
hnr_tail_reclaim(HnrIndex *index, BlockNumber block, const HnrTail *tail)
{
	BlockNumber owner = ItemPointerGetBlockNumberNoCheck(&tail->owner);
	const HnrShape *shape;
	const HnrVertex *v;
	Buffer		buf;

	if (!ItemPointerIsValid(&tail->owner))
	{
		hnr_place_record(index, block, HNR_PAGE_TAIL);
		return;
	}
	if (owner == HNR_METAPAGE || owner >= RelationGetNumberOfBlocks(index->rel))
		return;
	/* the vertex is written last, under a lock that is held from before its tail is */
	buf = hnr_buffer_try_exclusive(index->rel, owner);
	if (!BufferIsValid(buf))
		return;
	v = owner_on_page(index, BufferGetPage(buf), tail, &shape);
	if (v == NULL || !leads_to(index, v, shape, tail, block))
		free_page(index, block);
	hnr_buffer_release(buf);
}
