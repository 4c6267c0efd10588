/*-------------------------------------------------------------------------
 *
 * pending_measure.c
 *		Rows of the pending list that a scan has listed are measured.  See pending_search.h.
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
#include "am/pending_listed.h"
#include "am/search.h"
#include "miscadmin.h"
#include "utils/float.h"

/*
 * Adds a row to what was found; read: s->vec is its vector.  If it was merged before the list was
 * looked at, which what is remembered does not tell, its heap TID may be another row's by now.
 */
static void
add_found(HnrPendingSearch *s, const HnrPendingListed *l, const HnrPendingEntry *entry, bool read)
{
	HnrCandidate *c = &s->found[s->nfound++];
	HnrVisited	row;

	memset(&row, 0, sizeof(row));
	/* for messages; a scan sees by `pending` that it is no vertex */
	ItemPointerSet(&row.tid, s->pages[l->page].block, 1);
	ItemPointerSetInvalid(&row.link);
	row.ntids = 1;
	row.tids[0] = l->tid;
	row.error = read && (entry->flags & HNR_PENDING_DONE) == 0 ? entry->error : get_float4_infinity();
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
copy_entries(HnrPendingSearch *s, const HnrPendingListed *listed, const int64 *which, int n)
{
	const HnrPendingListedPage *at = &s->pages[listed[which[0]].page];
	Buffer		buf = hnr_buffer_read(s->index->rel, at->block, BUFFER_LOCK_SHARE, HNR_PENDING_KINDS);
	Page		page = BufferGetPage(buf);
	bool		same = hnr_page_head(page)->kind != HNR_PAGE_PENDING_DATA &&
		hnr_page_pending(page)->serial == at->serial;

	for (int i = 0; same && i < n; i++)
		s->entries[i] = *hnr_pending_entry(&s->index->layout, page, listed[which[i]].entry);
	hnr_buffer_release(buf);
	return same;
}

/* Measures n rows of one page, but for those that nobody sees any more. */
static void
measure_page(HnrPendingSearch *s, const int64 *which, int n)
{
	uint64		serial = s->pages[s->listed[which[0]].page].serial;
	bool		there = copy_entries(s, s->listed, which, n);

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < n; i++)
	{
		HnrPendingListed *l = &s->listed[which[i]];
		const char *damaged = NULL;
		bool		read = there &&
			hnr_pending_read_vector(s->index, &s->entries[i], serial, s->vec, &damaged);

		if (damaged)
			hnr_report_corrupted(s->index->rel, s->pages[l->page].block, damaged);
		if (!there || (s->entries[i].flags & HNR_PENDING_DEAD) == 0)
			add_found(s, l, &s->entries[i], read);
		l->entry |= HNR_PENDING_MEASURED;
	}
}

/*
 * Whether a row is farther than the bound by its distance, which is then the least; for one
 * that is remembered, so that its entry need not be looked at.
 */
static bool
is_farther(HnrPendingSearch *s, HnrPendingListed *l, float bound)
{
	const char *damaged;

	/* what is wrong with it will be found with the entry */
	if (l->known == NULL || isinf(bound) ||
		!hnr_pending_read_vector(s->index, l->known, s->pages[l->page].serial, s->vec, &damaged))
		return false;
	l->least = hnr_metric_distance(s->index->metric, s->index->layout.dims, s->query, s->vec);
	return l->least > bound;
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

/* A heap of the k nearest distances known, the farthest first. */
static float *
begin_nearest(HnrPendingSearch *s, int k)
{
	float	   *nearest = palloc(sizeof(float) * k);

	for (int i = 0; i < k; i++)
		nearest[k - 1 - i] = i < s->nnearest ? s->nearest[i] : get_float4_infinity();
	for (int64 i = 0; i < s->nmeasured; i++)
		if (s->measured[i] < nearest[0])
			replace_farthest(nearest, k, s->measured[i]);
	return nearest;
}

/* Notes the distances of those found last, from the first on, where they are known. */
static void
note_measured(HnrPendingSearch *s, int first, float *nearest, int k)
{
	for (int i = first; i < s->nfound; i++)
	{
		float		distance = s->found[i].distance;

		if (isinf(hnr_disk_store_visited(s->store, s->found[i].ref)->error))
			continue;
		if (s->nmeasured == s->maxmeasured)
		{
			s->maxmeasured = s->maxmeasured * 2 + 64;
			s->measured = s->measured ? repalloc_huge(s->measured, sizeof(float) * s->maxmeasured) :
				palloc(sizeof(float) * s->maxmeasured);
		}
		s->measured[s->nmeasured++] = distance;
		if (distance < nearest[0])
			replace_farthest(nearest, k, distance);
	}
}

/* A row to be measured. */
typedef struct Wanted
{
	float		least;			/* no NaN */
	int64		at;				/* in what is listed */
} Wanted;

static int
compare_least(const void *a, const void *b)
{
	float		x = ((const Wanted *) a)->least;
	float		y = ((const Wanted *) b)->least;

	return (x > y) - (x < y);
}

/*
 * How far another row may be in the index and yet be as near as one at that distance in the
 * table: both may have been rounded.
 */
static float
with_error(HnrPendingSearch *s, float distance)
{
	const HnrIndex *index = s->index;
	HnrBounds	b;

	if (s->error == 0 || isinf(distance))
		return distance;
	b = hnr_order_bounds(index->metric, index->layout.dims, s->query_length, distance, 2 * s->error);
	return index->metric->kind == HNR_METRIC_L2 ? b.most * b.most : b.most;
}

/* Measures those that may be among the k nearest: first those that can be nearest. */
static void
measure_nearest(HnrPendingSearch *s, int k)
{
	float	   *nearest = begin_nearest(s, k);
	float		bound = with_error(s, nearest[0]);
	Wanted	   *wanted;
	int64		n = 0;

	hnr_pending_list(s, bound);
	wanted = palloc_extended(sizeof(Wanted) * Max(s->nlisted, 1), MCXT_ALLOC_HUGE);
	s->found = palloc_extended(sizeof(HnrCandidate) * Max(s->nlisted, 1), MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < s->nlisted; i++)
	{
		float		least = s->listed[i].least;

		if ((s->listed[i].entry & HNR_PENDING_MEASURED) != 0 || least > bound)
			continue;
		wanted[n].least = isnan(least) ? -get_float4_infinity() : least;
		wanted[n++].at = i;
	}
	qsort(wanted, n, sizeof(Wanted), compare_least);
	for (int64 i = 0; i < n && !(wanted[i].least > bound); i++)
	{
		int			first = s->nfound;

		if (is_farther(s, &s->listed[wanted[i].at], bound))
			continue;
		measure_page(s, &wanted[i].at, 1);
		note_measured(s, first, nearest, k);
		bound = with_error(s, nearest[0]);
	}
	pfree(wanted);
	pfree(nearest);
}

/* Measures all, page by page. */
static void
measure_all(HnrPendingSearch *s)
{
	int64	   *which = palloc(sizeof(int64) * hnr_pending_per_page(&s->index->layout));
	int			n = 0;

	hnr_pending_list_rest(s);
	s->found = palloc_extended(sizeof(HnrCandidate) * Max(s->nlisted, 1), MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < s->nlisted; i++)
	{
		if (n > 0 && s->listed[which[0]].page != s->listed[i].page)
		{
			measure_page(s, which, n);
			n = 0;
		}
		if ((s->listed[i].entry & HNR_PENDING_MEASURED) == 0)
			which[n++] = i;
	}
	if (n > 0)
		measure_page(s, which, n);
	pfree(which);
}

void
hnr_pending_search_graph(HnrPendingSearch *s, const HnrCandidate *found, int n)
{
	const HnrColumnType *type = s->index->metric->type;

	s->nearest = palloc(sizeof(float) * Max(n, 1));
	s->nnearest = n;
	for (int i = 0; i < n; i++)
	{
		s->nearest[i] = found[i].distance;
		s->error = Max(s->error, hnr_disk_store_visited(s->store, found[i].ref)->error);
	}
	if (s->error > 0 && type->length)
		s->query_length = type->length(s->index->layout.dims, s->query);
}

void
hnr_pending_search_hold(HnrPendingSearch *s, int k, HnrResults *results)
{
	s->nfound = 0;
	if (k == HNR_PENDING_ALL)
		measure_all(s);
	else
		measure_nearest(s, k);
	hnr_sort_candidates(s->found, s->nfound);
	hnr_results_hold_pending(results, s->found, s->nfound);
	pfree(s->found);
}
