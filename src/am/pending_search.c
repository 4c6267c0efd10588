/*-------------------------------------------------------------------------
 *
 * pending_search.c
 *		What a scan finds in the pending list.  See pending_search.h.
 *
 * Estimates are off by a known deviation, and what could be nearer by some of these is measured,
 * so what the codes save is work, not results.  Where neighbours carry no codes, all rows are
 * measured.
 *
 * Of rows that the backend remembers (pending_cache.h), nothing is read but what is new.  They are
 * estimated when the graph has been searched, and it is known how near they have to be: from the
 * heads of their codes, in blocks; then from the whole code, where that leaves it open; and, when
 * they are measured, from a finer one (pending_finer.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/codec.h"
#include "am/idset.h"
#include "am/pending_finer.h"
#include "distance/distance.h"
#include "port/pg_bitutils.h"
#include "utils/float.h"

/* For what is lost where a bound is compared with a sum of other terms. */
#define ROUNDING		1e-5f

/* Bytes that are copied at once. */
#define PIECE			16

/* Of an entry of a page. */
#define ID_OF(page, entry)	((HnrNodeId) (page) << 16 | (entry))

/* center2: the squared length of the centre. */
static HnrFromCenter
see_center(HnrPendingSearch *s, const float *center, float center2)
{
	const HnrMetric *metric = s->index->metric;
	HnrFromCenter from = {0, 1, 0};
	double		product;

	from.distance = hnr_metric_distance(metric, s->index->layout.dims, s->query, center);
	if (metric->kind == HNR_METRIC_L2)
	{
		from.way = sqrtf(from.distance);
		return from;
	}
	product = metric->kind == HNR_METRIC_COSINE ? 1 - (double) from.distance : -(double) from.distance;
	/* the multiple of the centre that is nearest to the query */
	from.scale = center2 > 0 ? product / center2 : 1;
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

static inline float
least_of(const HnrFromCenter *from, const HnrPendingEntry *entry, float dot)
{
	const HnrSlot *slot = hnr_pending_slot(unconstify(HnrPendingEntry *, entry));

	return hnr_pending_least(from, slot->constant, hnr_slot_factor(slot), dot, entry->spread);
}

/* Lists entry i of a page, by number, that is not remembered; there is room for it. */
static void
list_entry(HnrPendingSearch *s, const HnrPendingEntry *entry, int64 page, int i, float least)
{
	HnrPendingListed *l = &s->listed[s->nlisted];

	if (hnr_same_tid(&entry->tid, &s->left_out))
		return;
	s->error = Max(s->error, entry->error);
	l->least = least;
	l->page = page;
	l->tid = entry->tid;
	l->entry = i;
	l->run = -1;
	s->nlisted++;
}

/* Lists the rows of a page, which is share-locked. */
static void
list_page(HnrPendingSearch *s, BlockNumber block, Page page)
{
	const HnrLayout *layout = &s->index->layout;
	const HnrPendingHead *head = hnr_page_pending(page);
	HnrCodeQuery *codes = hnr_disk_store_code_query(s->store);
	HnrFromCenter from = {0};
	int			size = hnr_pending_entry_size(layout);
	int			n = head->count;

	if (n == 0)
		return;
	make_room(s, n);
	if (codes)
	{
		hnr_pending_get_center(layout, page, s->center);
		from = see_center(s, s->center,
						  hnr_distance->inner_product(layout->dims, s->center, s->center));
		hnr_code_dots(codes, hnr_slot_code(hnr_pending_slot(hnr_pending_entry(layout, page, 0))), size, n, s->dots);
	}
	for (int i = 0; i < n; i++)
	{
		HnrPendingEntry *entry = hnr_pending_entry(layout, page, i);

		if (hnr_pending_is_listed(entry))
			list_entry(s, entry, s->npages, i, codes ? least_of(&from, entry, s->dots[i]) : -get_float4_infinity());
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

/*
 * The products of the codes of n rows of a part with the query: of their heads, which the looks
 * at the blocks have left, and their tails.
 */
static void
multiply(HnrPendingSearch *s, const HnrPendingPart *part, const HnrPendingOpen *open, int n, float *dots)
{
	uint8	   *code = s->codes;

	memset(dots, 0, sizeof(float) * n);
	for (int i = 0; i < n && s->tails; i++, code += s->tail_stride)
	{
		const uint8 *tail = hnr_pending_tail(part, open[i].row);

		for (int at = 0; at < s->tail_stride; at += PIECE)
			memcpy(code + at, tail + at, PIECE);
	}
	if (s->tails)
		hnr_code_dots(s->tails, s->codes, s->tail_stride, n, dots);
	for (int i = 0; i < n; i++)
		dots[i] += open[i].product;
}

/* Whether a row has been listed; it is, now. */
static inline bool
is_told(HnrPendingSearch *s, int64 page, int entry)
{
	return s->told && !hnr_idset_add(s->told, ID_OF(page, entry));
}

/*
 * Lists those of n rows of a run that by their whole codes may be as near as the bound, and not as
 * that of before; page is the number of the run's first.
 */
static void
list_rows(HnrPendingSearch *s, int run, int64 page, const HnrPendingOpen *open, int n)
{
	const HnrPendingPart *part = s->known->parts[run].part;
	const HnrFromCenter *from = &s->from[run];
	float		off = s->tails ? HNR_PENDING_DEVIATIONS * hnr_block_deviation(s->heads) : hnr_block_rounding(s->heads);
	float		dots[HNR_BLOCK];

	multiply(s, part, open, n, dots);
	make_room(s, n);
	for (int i = 0; i < n; i++)
	{
		int			row = open[i].row;
		const HnrPendingTerms *terms = hnr_pending_tail_terms(part, row);
		float		least = hnr_pending_least(from, terms->constant, terms->factor, dots[i] + off, terms->spread);
		HnrPendingListed *l = &s->listed[s->nlisted];

		if (least > s->bound || is_told(s, page + part->places[row].page, part->places[row].entry))
			continue;
		l->least = least;
		l->page = page + part->places[row].page;
		l->entry = part->places[row].entry;
		l->run = run;
		l->row = row;
		s->nlisted++;
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

/*
 * Notes those of a block, a bit for each, that its heads leave open, behind n others, and has
 * their tails fetched into the processor's cache; returns how many there are then.
 */
static int
note_open(HnrPendingSearch *s, const HnrPendingPart *part, int block, uint32 rows, const uint16 *sums, int n)
{
	float		products[HNR_BLOCK];
	const float *product = products;

	hnr_block_products(s->heads, sums, rows, products);
	for (; rows != 0; rows &= rows - 1)
	{
		int			row = block * HNR_BLOCK + pg_rightmost_one_pos32(rows);

		s->open[n].row = row;
		s->open[n++].product = *product++;
		for (int at = 0; at < part->tail_size; at += HNR_CACHE_LINE)
			__builtin_prefetch(hnr_pending_tail(part, row) + at);
	}
	return n;
}

/* Lists those of a run's rows that may be as near as the bound. */
static void
list_run(HnrPendingSearch *s, int run, int64 page)
{
	const HnrPendingPart *part = s->known->parts[run].part;
	int			first = s->known->parts[run].first;
	int			end = s->known->parts[run].end;
	HnrFromCenter from = see_center(s, part->center, part->center2);
	HnrBlockBound b;
	int			n = 0;

	s->from[run] = from;
	b.scale = from.scale;
	b.offset = HNR_PENDING_DEVIATIONS * part->spread * from.way;
	b.most = s->bound - from.distance + ROUNDING * (fabsf(s->bound) + fabsf(from.distance));
	for (int block = first / HNR_BLOCK; block * HNR_BLOCK < end; block++)
	{
		uint16		sums[HNR_BLOCK];
		uint32		rows = rows_between(block * HNR_BLOCK, first, end) &
			hnr_block_below(s->heads, hnr_pending_block_codes(part, block), hnr_pending_block_terms(part, block),
							&b, sums);

		n = note_open(s, part, block, rows, sums, n);
	}
	for (int i = 0; i < n; i += HNR_BLOCK)
		list_rows(s, run, page, s->open + i, Min(HNR_BLOCK, n - i));
}

/* What is needed once for all parts. */
static void
begin_known(HnrPendingSearch *s)
{
	const HnrQuantizer *qz = s->index->codec->quantizer;
	const HnrQuantizer *head = hnr_quantizer_head(qz);
	const HnrQuantizer *tail = hnr_quantizer_tail(qz);
	const float *rotated = hnr_disk_store_rotated_query(s->store);
	int			maxrows = 0;

	for (int i = 0; i < s->known->nparts; i++)
		maxrows = Max(maxrows, s->known->parts[i].part->maxrows);
	s->open = palloc(sizeof(HnrPendingOpen) * Max(maxrows, 1));
	s->from = palloc(sizeof(HnrFromCenter) * Max(s->known->nparts, 1));
	s->finer = hnr_pending_finer_begin(s);
	s->heads = hnr_block_query_create(head);
	hnr_block_query_set(s->heads, rotated);
	if (tail == NULL)
		return;
	s->tail_stride = TYPEALIGN(PIECE, hnr_quantizer_code_size(tail));
	s->codes = palloc(s->tail_stride * HNR_BLOCK);
	s->tails = hnr_code_query_create(tail);
	hnr_code_query_set(s->tails, rotated + hnr_quantizer_rotated_dims(head));
}

/* The rows that have been listed. */
static void
fill_told(HnrPendingSearch *s, HnrIdSet *told)
{
	hnr_idset_init(told, 1024);
	for (int64 i = 0; i < s->nlisted; i++)
		(void) hnr_idset_add(told, ID_OF(s->listed[i].page, s->listed[i].entry & ~HNR_PENDING_MEASURED));
	s->told = told;
}

/*
 * Lists known rows that may be as near as the bound.  Which of them have been listed the last bound
 * does not tell: heads may have left out some that whole codes would not.
 */
static void
list_known(HnrPendingSearch *s, float bound)
{
	int64		page = 0;
	HnrIdSet	told;

	if (s->heads == NULL)
		begin_known(s);
	else
		fill_told(s, &told);
	s->bound = bound;
	for (int i = 0; i < s->known->nparts; i++)
	{
		list_run(s, i, page);
		page += s->known->parts[i].npages;
	}
	s->last_bound = bound;
	if (s->told)
		pfree(told.entries);
	s->told = NULL;
}

void
hnr_pending_list(HnrPendingSearch *s, float bound)
{
	if (s->known && !(bound <= s->last_bound))
		list_known(s, isnan(bound) ? get_float4_infinity() : bound);
}

void
hnr_pending_list_rest(HnrPendingSearch *s)
{
	if (s->known)
		list_known(s, get_float4_infinity());
}
