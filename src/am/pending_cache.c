/*-------------------------------------------------------------------------
 *
 * pending_cache.c
 *		What a backend remembers of long pending lists.  See pending_cache.h.
 *
 * Pages leave a list at its head and come at its tail, and a serial is not used again as
 * long as the relation has its file; so what is remembered of a page is right as long as
 * the list has its serial, or was right when a scan that still uses it began.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/codec.h"
#include "am/pending_cache.h"
#include "compat.h"
#include "distance/distance.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* Lists of fewer pages are read. */
#define LEAST_PAGES		8

/* Indexes. */
#define MOST_LISTS		8

/* One that has not been looked at for so many looks at others makes way for them. */
#define LOOKS_KEPT		64

/* Pages at the head that are looked at for rows that mergers are through with. */
#define PAGES_BEGUN		8

typedef struct CachedList
{
	Oid			relid;			/* invalid: free */
	Oid			filenumber;
	uint64		looked_at;		/* which look was the last */
	int			nparts;
	int			maxparts;
	HnrPendingPart **parts;
} CachedList;

static CachedList lists[MOST_LISTS];
static uint64 looks;
static Size remembered;			/* bytes, of all */

/* ---- parts ---- */

static void
release_part(HnrPendingPart *part)
{
	if (--part->refs > 0)
		return;
	if (part->finer)
		pfree(part->finer);
	pfree(part);
}

static void
drop_parts(CachedList *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		remembered -= list->parts[i]->size + list->parts[i]->finer_size;
		list->parts[i]->kept = false;
		release_part(list->parts[i]);
	}
	list->nparts -= n;
	memmove(list->parts, list->parts + n, sizeof(HnrPendingPart *) * list->nparts);
}

static void
drop_list(CachedList *list)
{
	drop_parts(list, list->nparts);
	if (list->parts)
		pfree(list->parts);
	memset(list, 0, sizeof(*list));
}

static bool
has_room(Size size)
{
	return remembered + size <= (Size) work_mem * 1024;
}

/* Forgets the finer codes of a part, the first to be found; false if there are none. */
static bool
forget_finer(void)
{
	for (int i = 0; i < MOST_LISTS; i++)
		for (int j = 0; j < lists[i].nparts; j++)
		{
			HnrPendingPart *part = lists[i].parts[j];

			if (part->finer == NULL)
				continue;
			remembered -= part->finer_size;
			pfree(part->finer);
			part->finer = NULL;
			part->finer_size = 0;
			return true;
		}
	return false;
}

bool
hnr_pending_cache_hold_finer(HnrPendingPart *part, int size)
{
	Size		all = (Size) size * part->maxrows;

	if (part->finer)
		return true;
	if (!part->kept || !has_room(all))
		return false;
	part->finer = MemoryContextAllocExtended(TopMemoryContext, all,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);
	if (part->finer == NULL)
		return false;
	part->finer_size = all;
	remembered += all;
	return true;
}

/* Takes size bytes, in whole cache lines, of memory that has none yet where base is NULL. */
static void *
take(char *base, Size *used, Size size)
{
	char	   *at = base + *used;

	*used += TYPEALIGN(HNR_CACHE_LINE, size);
	return base ? at : NULL;
}

/* Bytes of a row with so many of its code: in no more lines than need be. */
static int
tail_size_for(int code_tail)
{
	int			size = INTALIGN(code_tail) + sizeof(HnrPendingTerms);

	return size <= HNR_CACHE_LINE ? pg_nextpower2_32(size) : TYPEALIGN(HNR_CACHE_LINE / 4, size);
}

/* Where everything stands in a part; base is NULL to learn the size only. */
static Size
lay_out(const HnrIndex *index, int head_size, int maxrows, char *base, HnrPendingPart *part)
{
	Size		used = TYPEALIGN(HNR_CACHE_LINE, sizeof(HnrPendingPart));
	int			blocks = (maxrows + HNR_BLOCK - 1) / HNR_BLOCK;

	part->maxrows = maxrows;
	part->head_size = head_size;
	part->code_tail = hnr_quantizer_code_size(index->codec->quantizer) - head_size;
	part->tail_size = tail_size_for(part->code_tail);

	part->center = take(base, &used, sizeof(float) * index->layout.dims);
	part->rotated = take(base, &used, sizeof(float) * hnr_codec_rotated_dims(index->codec));
	part->places = take(base, &used, sizeof(*part->places) * maxrows);
	part->entries = take(base, &used, sizeof(HnrPendingEntry) * maxrows);
	/* tails are copied in pieces, which may be longer than the last */
	part->tails = take(base, &used, (Size) part->tail_size * maxrows + HNR_CACHE_LINE);
	part->blocks = take(base, &used, hnr_pending_block_size(head_size) * blocks);
	return used;
}

/* A part for the rows of a page, copied, and of those behind it; NULL: there is no room. */
static HnrPendingPart *
begin_part(CachedList *list, HnrIndex *index, const HnrQuantizer *head, Page page)
{
	int			maxrows = hnr_pending_per_page(&index->layout) * HNR_PENDING_PART_PAGES;
	int			head_size = hnr_quantizer_code_size(head);
	HnrPendingPart like;
	HnrPendingPart *part;
	char	   *base;
	Size		size = lay_out(index, head_size, maxrows, NULL, &like) + HNR_CACHE_LINE;

	for (int i = 0; i < MOST_LISTS && !has_room(size); i++)
		if (looks - lists[i].looked_at > LOOKS_KEPT)
			drop_list(&lists[i]);
	while (!has_room(size) && forget_finer())
		;
	if (!has_room(size))
		return NULL;
	if (list->nparts == list->maxparts)
	{
		int			more = list->maxparts * 2 + 8;

		list->parts = list->parts ? repalloc(list->parts, sizeof(HnrPendingPart *) * more) :
			MemoryContextAlloc(TopMemoryContext, sizeof(HnrPendingPart *) * more);
		list->maxparts = more;
	}
	part = MemoryContextAllocHuge(TopMemoryContext, size);
	memset(part, 0, sizeof(*part));
	base = (char *) TYPEALIGN(HNR_CACHE_LINE, (uintptr_t) part);
	(void) lay_out(index, head_size, maxrows, base, part);
	part->refs = 1;
	part->kept = true;
	part->size = size;
	memset(part->blocks, 0, hnr_pending_block_size(head_size) * ((maxrows + HNR_BLOCK - 1) / HNR_BLOCK));
	hnr_pending_get_center(&index->layout, page, part->center);
	hnr_codec_rotate(index->codec, part->center, part->rotated);
	part->center2 = hnr_distance->inner_product(index->layout.dims, part->center, part->center);
	list->parts[list->nparts++] = part;
	remembered += size;
	return part;
}

static bool
has_center(HnrIndex *index, const HnrPendingPart *part, Page page, float *scratch)
{
	hnr_pending_get_center(&index->layout, page, scratch);
	return memcmp(scratch, part->center, sizeof(float) * index->layout.dims) == 0;
}

/* ---- rows ---- */

/*
 * Adds a row.  What a head tells of a product with the whole vector, <xbar, v> of D
 * coordinates, is that with its own d coordinates times D / d; as the rotation is random, these are
 * a sample, and the deviation is that of one (quant/README).
 */
static void
add_row(HnrIndex *index, const HnrQuantizer *head, HnrPendingPart *part, int page, int i,
		HnrPendingEntry *entry)
{
	const HnrQuantizer *qz = index->codec->quantizer;
	const HnrSlot *slot = hnr_pending_slot(entry);
	const uint8 *code = hnr_slot_code(unconstify(HnrSlot *, slot));
	int			row = part->nrows;
	float	   *terms = hnr_pending_block_terms(part, row / HNR_BLOCK);
	float		share = (float) hnr_quantizer_rotated_dims(head) / hnr_quantizer_rotated_dims(qz);
	float		factor = hnr_slot_factor(slot);
	float		constant = slot->constant;
	HnrPendingTerms whole = {constant, factor, entry->spread};

	if (share < 1 && factor != 0)
	{
		float		spread2 = entry->spread / factor * (entry->spread / factor) +
			hnr_code_norm2(qz, code) * (1 - share) / hnr_quantizer_rotated_dims(head);

		constant += factor * (hnr_code_dot(qz, code, part->rotated) -
							  hnr_code_dot(head, code, part->rotated) / share);
		factor /= share;
		part->spread = Max(part->spread, sqrtf(spread2) * share);
	}
	else if (factor != 0)
		part->spread = Max(part->spread, entry->spread / -factor);
	terms[row % HNR_BLOCK] = constant;
	terms[HNR_BLOCK + row % HNR_BLOCK] = factor;
	hnr_block_put(hnr_pending_block_codes(part, row / HNR_BLOCK), part->head_size, row % HNR_BLOCK, code);
	memcpy(hnr_pending_tail(part, row), code + part->head_size, part->code_tail);
	*hnr_pending_tail_terms(part, row) = whole;
	part->error = Max(part->error, entry->error);
	part->places[row].page = page;
	part->places[row].entry = i;
	part->entries[row] = *entry;
	part->nrows++;
}

/* Adds what is new on a page, copied, that the part has last. */
static void
add_rows(HnrIndex *index, const HnrQuantizer *head, HnrPendingPart *part, Page page)
{
	int			last = part->npages - 1;

	for (; part->pages[last].seen < hnr_page_pending(page)->count; part->pages[last].seen++)
	{
		HnrPendingEntry *entry = hnr_pending_entry(&index->layout, page, part->pages[last].seen);

		if (hnr_pending_is_listed(entry))
			add_row(index, head, part, last, part->pages[last].seen, entry);
	}
}

/* Adds a page, copied; false if there is no room. */
static bool
add_page(CachedList *list, HnrIndex *index, const HnrQuantizer *head, BlockNumber block, Page page,
		 float *scratch)
{
	HnrPendingPart *part = list->nparts > 0 ? list->parts[list->nparts - 1] : NULL;
	uint64		serial = hnr_page_pending(page)->serial;

	if (part == NULL || part->pages[part->npages - 1].serial != serial)
	{
		if (part == NULL || part->npages == HNR_PENDING_PART_PAGES || !has_center(index, part, page, scratch))
			part = begin_part(list, index, head, page);
		if (part == NULL)
			return false;
		part->pages[part->npages].block = block;
		part->pages[part->npages].serial = serial;
		part->pages[part->npages].first_row = part->nrows;
		part->pages[part->npages].seen = 0;
		part->npages++;
	}
	add_rows(index, head, part, page);
	return true;
}

/* ---- lists ---- */

/* That of an index, or NULL; then one is made for the next look. */
static CachedList *
find_list(Relation rel)
{
	CachedList *oldest = &lists[0];

	for (int i = 0; i < MOST_LISTS; i++)
	{
		if (lists[i].relid == RelationGetRelid(rel) && lists[i].filenumber == hnr_rel_filenumber(rel))
			return &lists[i];
		if (lists[i].looked_at < oldest->looked_at)
			oldest = &lists[i];
	}
	drop_list(oldest);
	oldest->relid = RelationGetRelid(rel);
	oldest->filenumber = hnr_rel_filenumber(rel);
	oldest->looked_at = ++looks;
	return NULL;
}

void
hnr_pending_cache_forget(Relation rel)
{
	for (int i = 0; i < MOST_LISTS; i++)
		if (lists[i].relid == RelationGetRelid(rel))
			drop_list(&lists[i]);
}

/* Reads on from where the list was read last, as far as there is room. */
static void
read_list(CachedList *list, HnrPendingWalk *walk)
{
	HnrIndex   *index = walk->index;
	HnrQuantizer *head = hnr_quantizer_head(index->codec->quantizer);
	float	   *scratch = palloc(sizeof(float) * index->layout.dims);
	PGAlignedBlock copy;
	Buffer		buf;

	while ((buf = hnr_pending_walk_next(walk, BUFFER_LOCK_SHARE)) != InvalidBuffer)
	{
		BlockNumber block = BufferGetBlockNumber(buf);

		memcpy(copy.data, BufferGetPage(buf), BLCKSZ);
		hnr_buffer_release(buf);
		if (add_page(list, index, head, block, (Page) copy.data, scratch))
			continue;
		walk->block = block;
		walk->serial = hnr_page_pending((Page) copy.data)->serial;
		break;
	}
	pfree(scratch);
	pfree(head);
}

/* Reset callback of the memory context of a scan. */
static void
release_known(void *arg)
{
	HnrPendingKnown *known = arg;

	for (int i = 0; i < known->nparts; i++)
		release_part(known->parts[i].part);
}

/* How many rows a page begins with that are merged or dead, all if it has left the list. */
static int
count_finished(HnrIndex *index, const HnrPendingPart *part, int page)
{
	int			row = part->pages[page].first_row;
	int			end = page + 1 < part->npages ? part->pages[page + 1].first_row : part->nrows;
	Buffer		buf = hnr_pending_page(index, part->pages[page].block, part->pages[page].serial, BUFFER_LOCK_SHARE);

	if (!BufferIsValid(buf))
		return end - row;
	while (row < end &&
		   !hnr_pending_is_listed(hnr_pending_entry(&index->layout, BufferGetPage(buf), part->places[row].entry)))
		row++;
	hnr_buffer_release(buf);
	return row - part->pages[page].first_row;
}

static void
add_run(HnrPendingKnown *known, HnrPendingPart *part, int npages, int first, int end)
{
	part->refs++;
	known->parts[known->nparts].part = part;
	known->parts[known->nparts].npages = npages;
	known->parts[known->nparts].first = first;
	known->parts[known->nparts++].end = end;
}

/*
 * What is remembered now of pages from a serial on, but for what mergers are through with: they
 * begin at the head, each at the beginning of a page.
 */
static HnrPendingKnown *
know(const CachedList *list, HnrIndex *index, uint64 serial)
{
	HnrPendingKnown *known = palloc(offsetof(HnrPendingKnown, parts) +
									sizeof(known->parts[0]) * (list->nparts + PAGES_BEGUN));
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));
	int			begun = 0;

	known->nparts = 0;
	callback->func = release_known;
	callback->arg = known;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	for (int i = 0; i < list->nparts; i++)
	{
		HnrPendingPart *part = list->parts[i];
		int			page = 0;
		int			first;

		while (page < part->npages && part->pages[page].serial < serial)
			page++;
		if (page == part->npages)
			continue;
		first = part->pages[page].first_row;
		for (; page < part->npages && begun < PAGES_BEGUN; page++)
		{
			int			finished = count_finished(index, part, page);

			if (finished == 0)
				begun = PAGES_BEGUN;
			else
			{
				if (part->pages[page].first_row > first)
					add_run(known, part, 0, first, part->pages[page].first_row);
				first = part->pages[page].first_row + finished;
				begun++;
			}
		}
		add_run(known, part, part->npages, first, part->nrows);
	}
	return known;
}

HnrPendingKnown *
hnr_pending_cache_look(HnrPendingWalk *walk)
{
	HnrIndex   *index = walk->index;
	const HnrMetaPage *meta = &index->meta;
	CachedList *list;
	int			gone = 0;

	if (index->codec->quantizer == NULL || meta->pending_serial - walk->serial + 1 < LEAST_PAGES)
		return NULL;
	list = find_list(index->rel);
	if (list == NULL)
		return NULL;
	list->looked_at = ++looks;
	for (; gone < list->nparts; gone++)
	{
		const HnrPendingPart *part = list->parts[gone];

		if (part->pages[part->npages - 1].serial >= walk->serial)
			break;
	}
	drop_parts(list, gone);
	if (list->nparts > 0)
	{
		const HnrPendingPart *last = list->parts[list->nparts - 1];

		walk->block = last->pages[last->npages - 1].block;
		walk->serial = last->pages[last->npages - 1].serial;
	}
	read_list(list, walk);
	return know(list, index, meta->pending_head_serial);
}
