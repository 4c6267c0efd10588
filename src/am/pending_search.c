/*-------------------------------------------------------------------------
 *
 * pending_search.c
 *		What a scan finds in the pending list.  See pending_search.h.
 *
 * Estimates are off by a known deviation, and what could be nearer by DEVIATIONS of these is
 * measured, so what the codes save is work, not results.  Where neighbours carry no codes, all
 * rows are measured.
 *
 * Of rows that the backend remembers (pending_cache.h), nothing is read but what is new.  They are
 * estimated when the graph has been searched, and it is known how near they have to be: from the
 * heads of their codes, in blocks; then from the whole code, where that leaves it open.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/codec.h"
#include "am/idset.h"
#include "am/pending_listed.h"
#include "distance/distance.h"
#include "port/pg_bitutils.h"
#include "utils/float.h"

/* An error of more than so many deviations is not expected. */
#define DEVIATIONS		3.5f

/* For what is lost where a bound is compared with a sum of other terms. */
#define ROUNDING		1e-5f

/* Of an entry of a page. */
#define ID_OF(page, entry)	((HnrNodeId) (page) << 16 | (entry))

/* What estimates from a page's slots are made of; see codec.h. */
typedef struct FromCenter
{
	float		distance;		/* of the query from the centre */
	float		scale;			/* of the slots' constants */
	float		way;			/* what the error grows with */
} FromCenter;

static FromCenter
see_center(HnrPendingSearch *s, const float *center)
{
	const HnrMetric *metric = s->index->metric;
	int			n = s->index->layout.dims;
	FromCenter	from = {0, 1, 0};
	double		product;
	double		length2;

	from.distance = hnr_metric_distance(metric, n, s->query, center);
	if (metric->kind == HNR_METRIC_L2)
	{
		from.way = sqrtf(from.distance);
		return from;
	}
	product = hnr_distance->inner_product(n, s->query, center);
	length2 = hnr_distance->inner_product(n, center, center);
	/* the multiple of the centre that is nearest to the query */
	from.scale = length2 > 0 ? product / length2 : 1;
	from.way = sqrt(Max(s->query2 - from.scale * product, 0));
	return from;
}

static void
make_room(HnrPendingSearch *s, int n)
{
	if (s->nlisted + n > s->maxlisted)
	{
		s->maxlisted = s->maxlisted * 2 + n;
		s->listed = repalloc_huge(s->listed, sizeof(HnrPendingListed) * s->maxlisted);
	}
}

static void
add_page(HnrPendingSearch *s, BlockNumber block, uint64 serial)
{
	if (s->npages == s->maxpages)
	{
		s->maxpages *= 2;
		s->pages = repalloc_huge(s->pages, sizeof(HnrPendingListedPage) * s->maxpages);
	}
	s->pages[s->npages].block = block;
	s->pages[s->npages++].serial = serial;
}

/* The least that the distance of a row can be, from the product of its code. */
static inline float
least_of(const FromCenter *from, const HnrPendingEntry *entry, float dot)
{
	const HnrSlot *slot = hnr_pending_slot(unconstify(HnrPendingEntry *, entry));

	return from->distance + from->scale * slot->constant + hnr_slot_factor(slot) * dot -
		DEVIATIONS * entry->spread * from->way;
}

/* Lists entry i of a page, by number; there is room for it.  It can be forgotten, unless known. */
static void
list_row(HnrPendingSearch *s, const HnrPendingEntry *entry, int64 page, int i, float least, bool known)
{
	HnrPendingListed *l = &s->listed[s->nlisted];

	if (hnr_same_tid(&entry->tid, &s->left_out))
		return;
	s->error = Max(s->error, entry->error);
	l->least = least;
	l->page = page;
	l->tid = entry->tid;
	l->entry = i;
	l->known = known ? entry : NULL;
	s->nlisted++;
}

/* Lists the rows of a page, which is share-locked. */
static void
list_page(HnrPendingSearch *s, BlockNumber block, Page page)
{
	const HnrLayout *layout = &s->index->layout;
	const HnrPendingHead *head = hnr_page_pending(page);
	HnrCodeQuery *codes = hnr_disk_store_code_query(s->store);
	FromCenter	from = {0};
	int			size = hnr_pending_entry_size(layout);
	int			n = head->count;

	if (n == 0)
		return;
	make_room(s, n);
	if (codes)
	{
		hnr_pending_get_center(layout, page, s->center);
		from = see_center(s, s->center);
		hnr_code_dots(codes, hnr_slot_code(hnr_pending_slot(hnr_pending_entry(layout, page, 0))), size, n, s->dots);
	}
	for (int i = 0; i < n; i++)
	{
		HnrPendingEntry *entry = hnr_pending_entry(layout, page, i);

		if (hnr_pending_is_listed(entry))
			list_row(s, entry, s->npages, i, codes ? least_of(&from, entry, s->dots[i]) : -get_float4_infinity(),
					 false);
	}
	add_page(s, block, head->serial);
}

/* Notes the pages of what is remembered. */
static void
add_known_pages(HnrPendingSearch *s)
{
	for (int i = 0; i < s->known->nparts; i++)
	{
		const HnrPendingPart *part = s->known->parts[i].part;

		s->error = Max(s->error, part->error);
		for (int j = 0; j < s->known->parts[i].npages; j++)
			add_page(s, part->pages[j].block, part->pages[j].serial);
	}
}

HnrPendingSearch *
hnr_pending_search(HnrIndex *index, HnrStore *store, ItemPointer left_out)
{
	int			most = hnr_pending_per_page(&index->layout);
	HnrPendingSearch *s;
	HnrPendingWalk walk;
	Buffer		buf;

	if (!BlockNumberIsValid(index->meta.pending_head))
		return NULL;
	s = palloc0(sizeof(HnrPendingSearch));
	s->index = index;
	s->store = store;
	s->left_out = *left_out;
	s->query = hnr_disk_store_query(store);
	if (index->metric->kind == HNR_METRIC_IP || index->metric->kind == HNR_METRIC_COSINE)
		s->query2 = hnr_distance->inner_product(index->layout.dims, s->query, s->query);
	s->center = palloc(sizeof(float) * index->layout.dims);
	s->vec = palloc(sizeof(float) * index->layout.dims);
	s->dots = palloc(sizeof(float) * most);
	s->maxlisted = most;
	s->listed = palloc(sizeof(HnrPendingListed) * s->maxlisted);
	s->maxpages = 16;
	s->pages = palloc(sizeof(HnrPendingListedPage) * s->maxpages);
	s->entries = palloc(sizeof(HnrPendingEntry) * most);
	hnr_pending_walk_begin(&walk, index);
	s->last_bound = get_float4_nan();
	s->known = hnr_pending_cache_look(&walk);
	if (s->known)
		add_known_pages(s);
	while ((buf = hnr_pending_walk_next(&walk, BUFFER_LOCK_SHARE)) != InvalidBuffer)
	{
		list_page(s, BufferGetBlockNumber(buf), BufferGetPage(buf));
		hnr_buffer_release(buf);
	}
	/* the rows that were merged meanwhile may be the first ones in the graph */
	index->entry_known = false;
	return s;
}

/* ---- what is remembered ---- */

/* Has some rows of a part, a bit for each from `first` on, fetched into the processor's cache. */
static void
fetch_rows(HnrPendingSearch *s, const HnrPendingPart *part, int first, uint32 rows)
{
	int			size = hnr_pending_entry_size(&s->index->layout);
	const char *entries = part->entries + (Size) first * size;

	for (; rows != 0; rows &= rows - 1)
		for (int at = 0; at < size; at += PG_CACHE_LINE_SIZE / 2)
			__builtin_prefetch(entries + pg_rightmost_one_pos32(rows) * size + at);
}

/*
 * Lists those of such rows that by their whole codes may be as near as the bound, and not as
 * that of before; page is the number of the part's first.
 */
static void
list_rows(HnrPendingSearch *s, const HnrPendingPart *part, int64 page, int first, uint32 rows,
		  const FromCenter *from)
{
	HnrCodeQuery *codes = hnr_disk_store_code_query(s->store);
	int			code_size = hnr_quantizer_code_size(s->index->codec->quantizer);
	int			size = hnr_pending_entry_size(&s->index->layout);
	const char *entries = part->entries + (Size) first * size;
	uint8	   *code = s->codes;
	float		dots[HNR_BLOCK];
	int			n = 0;

	for (uint32 rest = rows; rest != 0; rest &= rest - 1, code += code_size)
		memcpy(code, hnr_slot_code(hnr_pending_slot((HnrPendingEntry *)
													(entries + pg_rightmost_one_pos32(rest) * size))), code_size);
	hnr_code_dots(codes, s->codes, code_size, (code - s->codes) / code_size, dots);
	make_room(s, HNR_BLOCK);
	for (uint32 rest = rows; rest != 0; rest &= rest - 1, n++)
	{
		int			row = pg_rightmost_one_pos32(rest);
		const HnrPendingEntry *entry = (const HnrPendingEntry *) (entries + row * size);
		float		least = least_of(from, entry, dots[n]);

		/* also what is no number, once */
		if (!(least > s->bound) && (isnan(s->last_bound) || least > s->last_bound))
			list_row(s, entry, page + part->places[first + row].page, part->places[first + row].entry, least,
					 true);
	}
}

/* Of the rows of a block, a bit for each from `first` on, those from `from` to `end` - 1. */
static uint32
rows_between(int first, int from, int end)
{
	uint32		rows = PG_UINT32_MAX;

	if (from > first)
		rows &= PG_UINT32_MAX << (from - first);
	if (end - first < HNR_BLOCK)
		rows &= ((uint32) 1 << (end - first)) - 1;
	return rows;
}

/* Lists those of a part's rows that may be as near as the bound. */
static void
list_part(HnrPendingSearch *s, int i, int64 page, const HnrBlockQuery *query)
{
	const HnrPendingPart *part = s->known->parts[i].part;
	int			from_row = s->known->parts[i].first;
	int			end = s->known->parts[i].end;
	int			first_block = from_row / HNR_BLOCK;
	int			end_block = (end + HNR_BLOCK - 1) / HNR_BLOCK;
	FromCenter	from = see_center(s, part->center);
	HnrBlockBound b;

	b.scale = from.scale;
	b.offset = DEVIATIONS * part->spread * from.way;
	b.most = s->bound - from.distance + ROUNDING * (fabsf(s->bound) + fabsf(from.distance));
	for (int block = first_block; block < end_block; block++)
	{
		int			first = block * HNR_BLOCK;

		s->rows[block] = rows_between(first, from_row, end) &
			hnr_block_below(query, hnr_pending_block_codes(part, block), hnr_pending_block_terms(part, block), &b);
		fetch_rows(s, part, first, s->rows[block]);
	}
	for (int block = first_block; block < end_block; block++)
		if (s->rows[block] != 0)
			list_rows(s, part, page, block * HNR_BLOCK, s->rows[block], &from);
}

/* What is needed once for all parts. */
static void
begin_known(HnrPendingSearch *s)
{
	const HnrQuantizer *qz = s->index->codec->quantizer;
	int			maxrows = 0;

	for (int i = 0; i < s->known->nparts; i++)
		maxrows = Max(maxrows, s->known->parts[i].part->maxrows);
	s->codes = palloc(hnr_quantizer_code_size(qz) * HNR_BLOCK);
	s->rows = palloc(sizeof(uint32) * (maxrows / HNR_BLOCK + 1));
	s->heads = hnr_block_query_create(hnr_quantizer_head(qz));
	hnr_block_query_set(s->heads, hnr_disk_store_rotated_query(s->store));
}

void
hnr_pending_list(HnrPendingSearch *s, float bound)
{
	int64		page = 0;

	if (s->known == NULL || bound <= s->last_bound)
		return;
	if (s->heads == NULL)
		begin_known(s);
	s->bound = isnan(bound) ? get_float4_infinity() : bound;
	for (int i = 0; i < s->known->nparts; i++)
	{
		list_part(s, i, page, s->heads);
		page += s->known->parts[i].npages;
	}
	s->last_bound = s->bound;
}

void
hnr_pending_list_rest(HnrPendingSearch *s)
{
	int			size = hnr_pending_entry_size(&s->index->layout);
	int64		page = 0;
	HnrIdSet	listed;

	if (s->known == NULL)
		return;
	hnr_idset_init(&listed, 1024);
	for (int64 i = 0; i < s->nlisted; i++)
		(void) hnr_idset_add(&listed, ID_OF(s->listed[i].page, s->listed[i].entry & ~HNR_PENDING_MEASURED));
	for (int i = 0; i < s->known->nparts; i++)
	{
		const HnrPendingPart *part = s->known->parts[i].part;
		FromCenter	from = see_center(s, part->center);

		make_room(s, part->nrows);
		for (int row = s->known->parts[i].first; row < s->known->parts[i].end; row++)
		{
			const HnrPendingEntry *entry = (const HnrPendingEntry *) (part->entries + (Size) row * size);
			int64		at = page + part->places[row].page;
			float		dot;

			if (!hnr_idset_add(&listed, ID_OF(at, part->places[row].entry)))
				continue;
			hnr_code_dots(hnr_disk_store_code_query(s->store),
						  hnr_slot_code(hnr_pending_slot(unconstify(HnrPendingEntry *, entry))), size, 1, &dot);
			list_row(s, entry, at, part->places[row].entry, least_of(&from, entry, dot), true);
		}
		page += s->known->parts[i].npages;
	}
}
