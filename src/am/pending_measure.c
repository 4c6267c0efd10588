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

#include <float.h>
#include <math.h>

#include "am/buffer.h"
#include "am/pending_finer.h"
#include "am/search.h"
#include "miscadmin.h"
#include "utils/float.h"

/* The entry of a row that is remembered. */
static inline const HnrPendingEntry *
known_entry(const HnrPendingSearch *s, const HnrPendingListed *l)
{
	return &hnr_pending_part_of(s, l)->entries[l->row];
}

/* Whether a row is the one to be left out; where it is not remembered, it was not listed. */
static inline bool
is_left_out(const HnrPendingSearch *s, const HnrPendingListed *l)
{
	return ItemPointerIsValid(&s->left_out) && l->run >= 0 && hnr_same_tid(&known_entry(s, l)->tid, &s->left_out);
}

/*
 * Adds a row to what was found, at its distance where that is known, or else the least.  If it
 * was merged before the list was looked at, which what is remembered does not tell, its heap TID
 * may be another row's by now.
 */
static void
add_found(HnrPendingSearch *s, const HnrPendingListed *l, const HnrPendingEntry *entry, bool known)
{
	HnrCandidate *c = &s->found[s->nfound++];
	HnrVisited	row;

	memset(&row, 0, sizeof(row));
	/* for messages; a scan sees by `pending` that it is no vertex */
	ItemPointerSet(&row.tid, s->pages[l->page].block, 1);
	ItemPointerSetInvalid(&row.link);
	row.ntids = 1;
	row.tids[0] = l->run >= 0 ? known_entry(s, l)->tid : l->tid;
	row.error = known && (entry->flags & HNR_PENDING_DONE) == 0 ? entry->error : get_float4_infinity();
	row.pending = true;
	c->id = hnr_node_of_tid(&row.tids[0]);
	c->distance = l->least;
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

/* Its distance is the least of a row whose vector is at s->vec. */
static void
measure(HnrPendingSearch *s, HnrPendingListed *l)
{
	l->least = hnr_metric_distance(s->index->metric, s->index->layout.dims, s->query, s->vec);
}

/*
 * Measures n rows of one page, but for those that nobody sees any more; `measured`, if that has
 * been done and their entries are asked for alone.
 */
static void
measure_page(HnrPendingSearch *s, const int64 *which, int n, bool measured)
{
	uint64		serial = s->pages[s->listed[which[0]].page].serial;
	bool		there = copy_entries(s, s->listed, which, n);

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < n; i++)
	{
		HnrPendingListed *l = &s->listed[which[i]];
		const char *damaged = NULL;
		bool		known = there && (measured ||
									  hnr_pending_read_vector(s->index, &s->entries[i], serial, s->vec, &damaged));

		if (damaged)
			hnr_report_corrupted(s->index->rel, s->pages[l->page].block, damaged);
		if (known && !measured)
			measure(s, l);
		if (!there || (s->entries[i].flags & HNR_PENDING_DEAD) == 0)
			add_found(s, l, &s->entries[i], known);
		l->entry |= HNR_PENDING_MEASURED;
	}
}

/*
 * Measures a row that is remembered, so that its entry need not be looked at; false if that tells
 * nothing.
 */
static bool
measure_known(HnrPendingSearch *s, HnrPendingListed *l)
{
	const char *damaged;

	/* what is wrong with it will be found with the entry */
	if (!hnr_pending_read_vector(s->index, known_entry(s, l), s->pages[l->page].serial, s->vec, &damaged))
		return false;
	measure(s, l);
	if (s->finer)
		hnr_pending_finer_make(s->finer, l, s->vec);
	return true;
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

/* Classes by how near rows can be. */
#define CLASSES			32

/* Rows that are looked at together. */
#define AT_ONCE			HNR_PENDING_FINER_ROWS

/* A row to be measured. */
typedef struct Wanted
{
	float		least;			/* no NaN */
	int64		at;				/* in what is listed */
} Wanted;

#define ST_SORT sort_wanted
#define ST_ELEMENT_TYPE Wanted
#define ST_COMPARE(a, b) (((a)->least > (b)->least) - ((a)->least < (b)->least))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

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

/*
 * Those of the wanted from i on, and before end, that are known: how near they can be by finer
 * codes, and the vectors of what is left are fetched.  What it takes for as many behind them
 * is fetched first.
 */
static void
look_closer(HnrPendingSearch *s, const Wanted *wanted, int64 i, int64 end, int64 n, float bound)
{
	HnrPendingListed *rows[AT_ONCE];
	int			nrows = 0;

	for (int64 j = end; j < Min(end + AT_ONCE, n); j++)
	{
		const HnrPendingListed *l = &s->listed[wanted[j].at];

		if (l->run < 0)
			continue;
		__builtin_prefetch(known_entry(s, l));
		if (s->finer)
			hnr_pending_finer_fetch(s->finer, l);
	}
	for (; i < end; i++)
		if (s->listed[wanted[i].at].run >= 0 && !(s->listed[wanted[i].at].least > bound))
			rows[nrows++] = &s->listed[wanted[i].at];
	if (s->finer)
		hnr_pending_finer_raise(s->finer, rows, nrows);
	for (int j = 0; j < nrows; j++)
	{
		const HnrPendingEntry *entry = known_entry(s, rows[j]);

		if (!(rows[j]->least > bound))
			hnr_buffer_prefetch(s->index->rel, entry->data, HNR_PAGE_START + entry->offset, entry->size);
	}
}

/*
 * Puts n into about the order of how near they can be, up to bound: those that can be nearest need
 * only come early.  A few are sorted; many go into classes.
 */
static void
order_wanted(Wanted *wanted, int64 n, float bound)
{
	int64		begin[CLASSES + 1] = {0};
	float		least = bound;
	float		step;
	Wanted	   *old;

	for (int64 i = 0; i < n; i++)
		least = Min(least, wanted[i].least);
	step = CLASSES / (bound - least);
	if (n <= CLASSES || isinf(least) || isinf(bound) || !(step > 0 && step < FLT_MAX))
	{
		sort_wanted(wanted, n);
		return;
	}
#define CLASS_OF(w) Min((int) (((w).least - least) * step), CLASSES - 1)
	old = palloc_extended(sizeof(Wanted) * n, MCXT_ALLOC_HUGE);
	memcpy(old, wanted, sizeof(Wanted) * n);
	for (int64 i = 0; i < n; i++)
		begin[CLASS_OF(old[i]) + 1]++;
	for (int i = 0; i < CLASSES; i++)
		begin[i + 1] += begin[i];
	for (int64 i = 0; i < n; i++)
		wanted[begin[CLASS_OF(old[i])]++] = old[i];
#undef CLASS_OF
	pfree(old);
}

/* Those listed that may be as near as the bound, about in the order of how near they can be. */
static Wanted *
find_wanted(HnrPendingSearch *s, float bound, int64 *n)
{
	Wanted	   *wanted = palloc_extended(sizeof(Wanted) * Max(s->nlisted, 1), MCXT_ALLOC_HUGE);

	*n = 0;
	for (int64 i = 0; i < s->nlisted; i++)
	{
		const HnrPendingListed *l = &s->listed[i];

		if ((l->entry & HNR_PENDING_MEASURED) != 0 || l->least > bound || is_left_out(s, l))
			continue;
		wanted[*n].least = isnan(l->least) ? -get_float4_infinity() : l->least;
		wanted[(*n)++].at = i;
	}
	order_wanted(wanted, *n, bound);
	return wanted;
}

/* Measures those that may be among the k nearest: first those that can be nearest. */
static void
measure_nearest(HnrPendingSearch *s, int k)
{
	float	   *nearest = begin_nearest(s, k);
	float		bound = with_error(s, nearest[0]);
	Wanted	   *wanted;
	int64		n;

	hnr_pending_list(s, bound);
	wanted = find_wanted(s, bound, &n);
	s->found = palloc_extended(sizeof(HnrCandidate) * Max(n, 1), MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < n; i++)
	{
		HnrPendingListed *l = &s->listed[wanted[i].at];
		bool		measured;
		int			first = s->nfound;

		if (i % AT_ONCE == 0)
			look_closer(s, wanted, i, Min(i + AT_ONCE, n), n, bound);
		if (l->least > bound)
			continue;
		measured = l->run >= 0 && !isinf(bound) && measure_known(s, l);
		if (measured && l->least > bound)
			continue;
		measure_page(s, &wanted[i].at, 1, measured);
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
			measure_page(s, which, n, false);
			n = 0;
		}
		if ((s->listed[i].entry & HNR_PENDING_MEASURED) == 0 && !is_left_out(s, &s->listed[i]))
			which[n++] = i;
	}
	if (n > 0)
		measure_page(s, which, n, false);
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
