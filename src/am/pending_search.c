/*-------------------------------------------------------------------------
 *
 * pending_search.c
 *		What a scan finds in the pending list.  See pending_search.h.
 *
 * Estimates are off by a known deviation, and what could be nearer by DEVIATIONS of these is
 * measured, so what the codes save is work, not results.  Where neighbours carry no codes, all
 * rows are measured.
 *
 * Between the look and the measuring, a row may have been merged and its page put to another
 * use.  Nothing is known of its distance then but that the executor can find it out from the
 * table: it is told to compare the row itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/codec.h"
#include "am/pending_search.h"
#include "am/search.h"
#include "distance/distance.h"
#include "miscadmin.h"
#include "utils/float.h"

/* An error of more than so many deviations is not expected. */
#define DEVIATIONS		3.5f

/* A row as it was listed. */
typedef struct Listed
{
	float		least;			/* that its distance can be */
	uint32		page;			/* by number */
	ItemPointerData tid;
	uint16		entry;			/* or MEASURED */
} Listed;

#define MEASURED		PG_UINT16_MAX

typedef struct ListedPage
{
	BlockNumber block;
	uint64		serial;
} ListedPage;

struct HnrPendingSearch
{
	HnrIndex   *index;
	HnrStore   *store;
	const float *query;
	double		query2;			/* its squared length */
	ItemPointerData left_out;
	float	   *center;			/* of the page being looked at */
	float	   *dots;
	float	   *vec;
	Listed	   *listed;
	int64		nlisted;
	int64		maxlisted;
	ListedPage *pages;
	int64		npages;
	int64		maxpages;
	HnrPendingEntry *entries;	/* of a page, copied */
	HnrCandidate *found;
	int			nfound;
};

/* What estimates from a page's slots are made of; see codec.h. */
typedef struct FromCenter
{
	float		distance;		/* of the query from the centre */
	float		scale;			/* of the slots' constants */
	float		way;			/* what the error grows with */
} FromCenter;

static FromCenter
see_center(HnrPendingSearch *s, Page page)
{
	const HnrMetric *metric = s->index->metric;
	int			n = s->index->layout.dims;
	FromCenter	from = {0, 1, 0};
	double		product;
	double		length2;

	hnr_pending_get_center(&s->index->layout, page, s->center);
	from.distance = hnr_metric_distance(metric, n, s->query, s->center);
	if (metric->kind == HNR_METRIC_L2)
	{
		from.way = sqrtf(from.distance);
		return from;
	}
	product = hnr_distance->inner_product(n, s->query, s->center);
	length2 = hnr_distance->inner_product(n, s->center, s->center);
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
		s->listed = repalloc_huge(s->listed, sizeof(Listed) * s->maxlisted);
	}
	if (s->npages == s->maxpages)
	{
		s->maxpages *= 2;
		s->pages = repalloc_huge(s->pages, sizeof(ListedPage) * s->maxpages);
	}
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
		from = see_center(s, page);
		hnr_code_dots(codes, hnr_slot_code(hnr_pending_slot(hnr_pending_entry(layout, page, 0))), size, n, s->dots);
	}
	for (int i = 0; i < n; i++)
	{
		HnrPendingEntry *entry = hnr_pending_entry(layout, page, i);
		const HnrSlot *slot = hnr_pending_slot(entry);
		Listed	   *l = &s->listed[s->nlisted];

		if (!hnr_pending_is_listed(entry) || hnr_same_tid(&entry->tid, &s->left_out))
			continue;
		l->least = codes ? from.distance + from.scale * slot->constant + hnr_slot_factor(slot) * s->dots[i] -
			DEVIATIONS * entry->spread * from.way : -get_float4_infinity();
		l->page = s->npages;
		l->tid = entry->tid;
		l->entry = i;
		s->nlisted++;
	}
	s->pages[s->npages].block = block;
	s->pages[s->npages++].serial = head->serial;
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
	s->listed = palloc(sizeof(Listed) * s->maxlisted);
	s->maxpages = 16;
	s->pages = palloc(sizeof(ListedPage) * s->maxpages);
	s->entries = palloc(sizeof(HnrPendingEntry) * most);
	hnr_pending_walk_begin(&walk, index);
	while ((buf = hnr_pending_walk_next(&walk, BUFFER_LOCK_SHARE)) != InvalidBuffer)
	{
		list_page(s, BufferGetBlockNumber(buf), BufferGetPage(buf));
		hnr_buffer_release(buf);
	}
	/* the rows that were merged meanwhile may be the first ones in the graph */
	index->entry_known = false;
	return s;
}

/* Adds a row to what was found; read: s->vec is its vector. */
static void
add_found(HnrPendingSearch *s, const Listed *l, const HnrPendingEntry *entry, bool read)
{
	HnrCandidate *c = &s->found[s->nfound++];
	HnrVisited	row;

	memset(&row, 0, sizeof(row));
	/* for messages; a scan sees by `pending` that it is no vertex */
	ItemPointerSet(&row.tid, s->pages[l->page].block, 1);
	ItemPointerSetInvalid(&row.link);
	row.ntids = 1;
	row.tids[0] = l->tid;
	row.error = read ? entry->error : get_float4_infinity();
	row.pending = true;
	c->id = hnr_node_of_tid(&row.tids[0]);
	c->distance = read ? hnr_metric_distance(s->index->metric, s->index->layout.dims, s->query, s->vec) : l->least;
	c->ref = hnr_disk_store_add(s->store, &row);
}

/*
 * Copies the entries of n rows of one page; false if that is put to another use.  A page that
 * has left the list still has them.
 */
static bool
copy_entries(HnrPendingSearch *s, const Listed *listed, const int64 *which, int n)
{
	const ListedPage *at = &s->pages[listed[which[0]].page];
	Buffer		buf = hnr_buffer_read(s->index->rel, at->block, BUFFER_LOCK_SHARE, HNR_PENDING_KINDS);
	Page		page = BufferGetPage(buf);
	bool		same = hnr_page_head(page)->kind != HNR_PAGE_PENDING_DATA &&
		hnr_page_pending(page)->serial == at->serial;

	for (int i = 0; same && i < n; i++)
		s->entries[i] = *hnr_pending_entry(&s->index->layout, page, listed[which[i]].entry);
	hnr_buffer_release(buf);
	return same;
}

/* Measures n rows of one page. */
static void
measure_page(HnrPendingSearch *s, const int64 *which, int n)
{
	uint64		serial = s->pages[s->listed[which[0]].page].serial;
	bool		there = copy_entries(s, s->listed, which, n);

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < n; i++)
	{
		Listed	   *l = &s->listed[which[i]];
		const char *damaged = NULL;
		bool		read = there &&
			hnr_pending_read_vector(s->index, &s->entries[i], serial, s->vec, &damaged);

		if (damaged)
			hnr_report_corrupted(s->index->rel, s->pages[l->page].block, damaged);
		add_found(s, l, &s->entries[i], read);
		l->entry = MEASURED;
	}
}

/* Takes the distance of one that is nearer than the farthest of the k nearest in its place. */
static void
replace_farthest(float *nearest, int k, float distance)
{
	int			at = 0;

	for (int child = 1; child < k; child = 2 * at + 1)
	{
		if (child + 1 < k && nearest[child + 1] > nearest[child])
			child++;
		if (nearest[child] <= distance)
			break;
		nearest[at] = nearest[child];
		at = child;
	}
	nearest[at] = distance;
}

/* A heap of the k nearest distances, the farthest first; NULL for all. */
static float *
begin_nearest(int k, const HnrCandidate *found, int n)
{
	float	   *nearest;

	if (k == HNR_PENDING_ALL)
		return NULL;
	nearest = palloc(sizeof(float) * k);
	for (int i = 0; i < k; i++)
		nearest[k - 1 - i] = i < n ? found[i].distance : get_float4_infinity();
	return nearest;
}

/* Measures n rows of one page; they are among the nearest from now on. */
static void
measure_some(HnrPendingSearch *s, const int64 *which, int n, float *nearest, int k)
{
	int			first = s->nfound;

	if (n == 0)
		return;
	measure_page(s, which, n);
	for (int i = first; nearest && i < s->nfound; i++)
		if (s->found[i].distance < nearest[0] &&
			!isinf(hnr_disk_store_visited(s->store, s->found[i].ref)->error))
			replace_farthest(nearest, k, s->found[i].distance);
}

void
hnr_pending_search_hold(HnrPendingSearch *s, int k, const HnrCandidate *found, int n, HnrResults *results)
{
	int64	   *which = palloc(sizeof(int64) * hnr_pending_per_page(&s->index->layout));
	float	   *nearest = begin_nearest(k, found, n);
	int			nwhich = 0;

	s->found = palloc_extended(sizeof(HnrCandidate) * Max(s->nlisted, 1), MCXT_ALLOC_HUGE);
	s->nfound = 0;
	for (int64 i = 0; i < s->nlisted; i++)
	{
		const Listed *l = &s->listed[i];

		if (nwhich > 0 && s->listed[which[0]].page != l->page)
		{
			measure_some(s, which, nwhich, nearest, k);
			nwhich = 0;
		}
		/* also what is no number */
		if (l->entry != MEASURED && !(nearest && l->least > nearest[0]))
			which[nwhich++] = i;
	}
	measure_some(s, which, nwhich, nearest, k);
	hnr_sort_candidates(s->found, s->nfound);
	hnr_results_hold_pending(results, s->found, s->nfound);
	pfree(s->found);
	pfree(which);
}
