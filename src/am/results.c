/*-------------------------------------------------------------------------
 *
 * results.c
 *		What a scan has visited, and what of it the executor is told.  See results.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/results.h"
#include "am/search.h"
#include "utils/float.h"

HnrResults *
hnr_results_create(HnrIndex *index, HnrStore *store, double query_length, bool relaxed)
{
	HnrResults *results = palloc0(sizeof(HnrResults));

	results->index = index;
	results->store = store;
	results->query_length = query_length;
	results->relaxed = relaxed;
	results->last = results->most = -get_float8_infinity();
	return results;
}

/* The distance of one visited, as far as it is known. */
static HnrBounds
bounds_of(HnrResults *results, const HnrCandidate *c)
{
	return hnr_order_bounds(results->index->metric, results->index->layout.dims,
							results->query_length, c->distance,
							hnr_disk_store_visited(results->store, c->ref)->error);
}

/* None of the held will be told of as nearer; looks at as many as were taken. */
static double
least_of_held(HnrResults *results)
{
	double		least = get_float8_infinity();
	int			n = Min(results->nheld, results->ntaken);

	for (int i = 0; i < n; i++)
	{
		HnrBounds	b = bounds_of(results, &results->held[i]);

		if (b.least >= results->last || results->relaxed)
			least = Min(least, b.least);
	}
	return least;
}

/*
 * Tells how certain the order of the taken is.  Leaves out those that are, or may be,
 * nearer than what the executor has let go.
 */
static void
put_in_order(HnrResults *results)
{
	bool		rounded = results->index->layout.encoding != HNR_ENCODING_FLOAT;
	double		least = least_of_held(results);
	int			kept = 0;

	for (int i = 0; i < results->ntaken; i++)
	{
		const HnrVisited *v = hnr_results_visited(results, i);
		HnrBounds  *b = &results->bounds[kept];

		*b = results->bounds[i];
		/* of what is beyond the range of float, no order is known */
		if (b->least < results->last && !isinf(b->least))
		{
			results->late++;
			if (!results->relaxed)
				continue;
		}
		b->several = rounded && v->error > 0 &&
			(v->ntids > 1 || ItemPointerIsValid(&v->link));
		results->taken[kept++] = results->taken[i];
	}
	results->ntaken = kept;
	hnr_order_results(results->bounds, kept, results->most, least, results->order);
}

void
hnr_results_hold(HnrResults *results, const HnrCandidate *visited, int n)
{
	if (n == 0)
		return;
	if (results->nheld + n > results->maxheld)
	{
		Size		size = sizeof(HnrCandidate) * ((Size) results->nheld + n) * 2;

		results->held = results->held ? repalloc_huge(results->held, size) :
			palloc_extended(size, MCXT_ALLOC_HUGE);
		results->maxheld = (results->nheld + n) * 2;
	}
	memcpy(results->held + results->nheld, visited, sizeof(HnrCandidate) * n);
	if (results->nheld == 0)
		results->nsorted = n;
	results->nheld += n;
	results->visited += n;
}

/* Whether a row, of which only the least distance that it had in doubt is known, is too late. */
static bool
is_late(HnrResults *results, const HnrCandidate *c)
{
	HnrBounds	b;

	if (results->relaxed || !isinf(hnr_disk_store_visited(results->store, c->ref)->error))
		return false;
	b = hnr_order_bounds(results->index->metric, results->index->layout.dims,
						 results->query_length, c->distance, 0);
	return !isinf(results->last) && !(b.least >= results->last);
}

void
hnr_results_hold_pending(HnrResults *results, const HnrCandidate *found, int n)
{
	int64		visited = results->visited;

	for (int i = 0; i < n; i++)
		if (!is_late(results, &found[i]))
			hnr_results_hold(results, &found[i], 1);
	results->visited = visited;
}

int64
hnr_results_sure(const HnrResults *results)
{
	double		visits = results->relaxed ? HNR_VISITS_PER_ROW_RELAXED : HNR_VISITS_PER_ROW;

	/* as if one had been late, which counts less and less */
	visits += (double) HNR_VISITS_FOR_LATE * (results->late + 1) / (results->returned + 50);
	return results->visited / Min(visits, HNR_VISITS_PER_ROW_MOST) - results->returned;
}

/* Brings what has been added into the order of the others. */
static void
sort_held(HnrResults *results)
{
	int			added = results->nheld - results->nsorted;
	HnrCandidate *to = results->held + results->nheld;
	HnrCandidate *from = results->held + results->nsorted;
	HnrCandidate *new;

	if (added == 0)
		return;
	new = palloc_extended(sizeof(HnrCandidate) * added, MCXT_ALLOC_HUGE);
	memcpy(new, from, sizeof(HnrCandidate) * added);
	hnr_sort_candidates(new, added);
	while (added > 0)
		*--to = from > results->held && from[-1].distance > new[added - 1].distance ?
			*--from : new[--added];
	pfree(new);
	results->nsorted = results->nheld;
}

/*
 * The n nearest of the held, and of the next ones up to limit those that may be nearer
 * than one of these for all that rounding leaves open.  The executor compares them with
 * each other, and is sure of the last of the n when it is told of one that is farther
 * for certain: so one such comes with them.
 */
static int
with_overlapping(const HnrBounds *bounds, int n, int limit)
{
	double		most = -get_float8_infinity();
	bool		compared = false;	/* the last one, with others */
	int			whole = n;

	for (int i = 0; i < n; i++)
	{
		compared = bounds[i].least < most;
		most = Max(most, bounds[i].most);
	}
	for (int i = n; i < limit; i++)
		if (bounds[i].least < most)
			whole = i + 1;
	if ((compared || whole > n) && whole < limit)
		whole++;
	return whole;
}

static void
make_room(HnrResults *results, int n)
{
	if (n <= results->maxtaken)
		return;
	results->maxtaken = n;
	results->taken = palloc_extended(sizeof(HnrCandidate) * n, MCXT_ALLOC_HUGE);
	results->bounds = palloc_extended(sizeof(HnrBounds) * n, MCXT_ALLOC_HUGE);
	results->order = palloc_extended(sizeof(HnrOrder) * n, MCXT_ALLOC_HUGE);
}

bool
hnr_results_take(HnrResults *results, int n, int limit)
{
	results->ntaken = 0;
	if (results->nheld == 0)
		return false;
	sort_held(results);
	n = Min(n, results->nheld);
	limit = Min(Max(limit, n), results->nheld);
	make_room(results, limit);
	for (int i = 0; i < limit; i++)
		results->bounds[i] = bounds_of(results, &results->held[i]);
	n = with_overlapping(results->bounds, n, limit);
	memcpy(results->taken, results->held, sizeof(HnrCandidate) * n);
	results->nheld = results->nsorted -= n;
	memmove(results->held, results->held + n, sizeof(HnrCandidate) * results->nheld);
	results->ntaken = n;
	for (int i = 0; i < n; i++)
		results->returned += !hnr_results_visited(results, i)->pending;
	put_in_order(results);
	return results->ntaken > 0;
}

/*
 * Of rows to compare, the executor lets those go that are not farther than what it was
 * told last; of others, each at once.
 */
void
hnr_results_told(HnrResults *results, int i)
{
	const HnrBounds *b = &results->bounds[i];
	const HnrOrder *order = &results->order[i];

	if (isinf(b->most))
		return;
	results->last = Max(results->last, order->recheck ? order->value : b->most);
	results->most = Max(results->most, b->most);
}
