/*-------------------------------------------------------------------------
 *
 * search.c
 *		Best-first search of one level of a graph.
 *
 * The pool keeps the ef best vertices known, nearest first.  What is known of a
 * vertex is an estimate until it is visited and its exact distance then; a visit
 * may so move it back and let another in, which is why a pool of estimates finds
 * what a pool of exact distances of the same size finds.  The search ends when
 * every vertex in the pool was visited.  (Malkov & Yashunin, TPAMI 2020,
 * algorithm 2, with the candidate and result heaps merged into one sorted array.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/search.h"
#include "miscadmin.h"

typedef struct PoolEntry
{
	HnrNodeId	id;
	float		distance;
	bool		visited;
} PoolEntry;

/* What did not get into the pool, or fell out of it unvisited. */
typedef struct Rest
{
	bool		keep;
	int			n;
	int			max;
	PoolEntry  *entry;
} Rest;

struct HnrSearch
{
	HnrStore   *store;
	int			max_ef;
	int			ef;
	int			npool;
	int			cursor;			/* no unvisited entry stands before it */
	bool		passed;			/* some vertex was not live, in this round */
	bool		descending;		/* list what may only be passed, too */
	PoolEntry  *pool;			/* max_ef entries */
	int			nfound;
	int			maxfound;
	HnrCandidate *found;
	HnrCandidate *neighbors;	/* of the vertex being visited */
	int			level;			/* of the last run */
	Rest		rest;
};

HnrSearch *
hnr_search_create(HnrStore *store, int max_ef)
{
	HnrSearch  *search = palloc0(sizeof(HnrSearch));

	max_ef = Max(max_ef, HNR_DESCENT_WIDTH);
	search->store = store;
	search->max_ef = max_ef;
	search->pool = palloc(sizeof(PoolEntry) * max_ef);
	search->maxfound = max_ef * 2;
	search->found = palloc(sizeof(HnrCandidate) * search->maxfound);
	search->neighbors = palloc(sizeof(HnrCandidate) * store->max_neighbors);
	return search;
}

static void
keep_for_later(Rest *rest, const PoolEntry *entry)
{
	if (entry->visited || !rest->keep)
		return;
	if (rest->n == rest->max)
	{
		rest->max *= 2;
		rest->entry = repalloc_huge(rest->entry, sizeof(PoolEntry) * rest->max);
	}
	rest->entry[rest->n++] = *entry;
}

/* Puts an entry where its distance belongs, if it belongs. */
static void
pool_insert(HnrSearch *search, HnrNodeId id, float distance, bool visited)
{
	PoolEntry  *pool = search->pool;
	int			lo = 0,
				hi = search->npool;

	if (search->npool == search->ef)
	{
		if (distance >= pool[search->npool - 1].distance)
		{
			PoolEntry	entry = {.id = id,.distance = distance,.visited = visited};

			keep_for_later(&search->rest, &entry);
			return;
		}
		hi = --search->npool;
		keep_for_later(&search->rest, &pool[hi]);
	}
	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;

		if (pool[mid].distance <= distance)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(&pool[lo + 1], &pool[lo], sizeof(PoolEntry) * (search->npool - lo));
	pool[lo].id = id;
	pool[lo].distance = distance;
	pool[lo].visited = visited;
	search->npool++;
	if (visited)
	{
		if (lo <= search->cursor)
			search->cursor++;
	}
	else if (lo < search->cursor)
		search->cursor = lo;
}

static void
pool_remove(HnrSearch *search, int i)
{
	search->npool--;
	memmove(&search->pool[i], &search->pool[i + 1],
			sizeof(PoolEntry) * (search->npool - i));
}

static void
add_found(HnrSearch *search, HnrNodeId id, const HnrVisit *visit)
{
	HnrCandidate *f;

	if (search->nfound == search->maxfound)
	{
		search->maxfound *= 2;
		search->found = repalloc_huge(search->found,
									  sizeof(HnrCandidate) * search->maxfound);
	}
	f = &search->found[search->nfound++];
	f->id = id;
	f->distance = visit->distance;
	f->ref = visit->ref;
}

/* The vertex after the one at the cursor is likely to be the next. */
static void
prefetch_after(HnrSearch *search, int level)
{
	for (int i = search->cursor + 1; i < search->npool; i++)
		if (!search->pool[i].visited)
		{
			search->store->prefetch(search->store, search->pool[i].id, level);
			return;
		}
}

/* Visits the pool entry at the cursor. */
static void
visit_next(HnrSearch *search, int level)
{
	HnrNodeId	id = search->pool[search->cursor].id;
	HnrVisit	visit;

	if (search->store->prefetch)
		prefetch_after(search, level);
	visit = search->store->visit(search->store, id, level, search->neighbors);
	pool_remove(search, search->cursor);
	if (!visit.present)
		return;
	/* a vertex that is only passed through takes no place of others */
	if (visit.live)
	{
		pool_insert(search, id, visit.distance, true);
		add_found(search, id, &visit);
	}
	else
	{
		search->passed = true;
		if (search->descending)
			add_found(search, id, &visit);
	}
	for (int i = 0; i < visit.nneighbors; i++)
		pool_insert(search, search->neighbors[i].id,
					search->neighbors[i].distance, false);
}

static int
compare_found(const void *a, const void *b)
{
	const HnrCandidate *x = a;
	const HnrCandidate *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return x->id < y->id ? -1 : (x->id > y->id ? 1 : 0);
}

/* Farthest first: the nearest are then taken from the end. */
static int
compare_rest(const void *a, const void *b)
{
	float		x = ((const PoolEntry *) a)->distance;
	float		y = ((const PoolEntry *) b)->distance;

	return (x < y) - (x > y);
}

/*
 * Dead vertices, near and not visited yet, have kept others out of the pool, and what
 * came after them, farther perhaps, got in: takes in those of the others that are
 * nearer or for which there is room.  False: there is no need.
 */
static bool
refill_pool(HnrSearch *search)
{
	Rest	   *rest = &search->rest;
	int			before = rest->n;

	if (!search->passed || rest->n == 0)
		return false;
	CHECK_FOR_INTERRUPTS();
	qsort(rest->entry, rest->n, sizeof(PoolEntry), compare_rest);
	while (rest->n > 0)
	{
		PoolEntry	entry = rest->entry[rest->n - 1];

		if (search->npool == search->ef &&
			entry.distance >= search->pool[search->npool - 1].distance)
			break;
		/* what falls out has been visited: those taken in come nearest first */
		rest->n--;
		pool_insert(search, entry.id, entry.distance, false);
	}
	return rest->n < before;
}

/* Visits until nothing in the pool is left to visit; sorts what was found. */
static int
exhaust_pool(HnrSearch *search, HnrCandidate **found)
{
	for (;;)
	{
		while (search->cursor < search->npool && search->pool[search->cursor].visited)
			search->cursor++;
		if (search->cursor >= search->npool)
		{
			if (!refill_pool(search))
				break;
			continue;
		}
		visit_next(search, search->level);
	}
	qsort(search->found, search->nfound, sizeof(HnrCandidate), compare_found);
	*found = search->found;
	return search->nfound;
}

int
hnr_search_run(HnrSearch *search, const HnrCandidate *entries, int n,
			   int level, int ef, HnrCandidate **found)
{
	HnrStore   *store = search->store;

	Assert(ef <= search->max_ef);
	store->begin(store);
	search->ef = Max(ef, n);
	search->level = level;
	search->npool = search->cursor = search->nfound = search->rest.n = 0;
	search->passed = false;
	for (int i = 0; i < n; i++)
		if (store->mark(store, entries[i].id))
			pool_insert(search, entries[i].id, entries[i].distance, false);
	return exhaust_pool(search, found);
}

void
hnr_search_keep_rest(HnrSearch *search)
{
	if (search->rest.keep)
		return;
	search->rest.keep = true;
	search->rest.max = 1024;
	search->rest.entry = palloc(sizeof(PoolEntry) * search->rest.max);
}

int
hnr_search_continue(HnrSearch *search, HnrCandidate **found)
{
	Rest	   *rest = &search->rest;

	Assert(rest->keep);
	search->npool = search->cursor = search->nfound = 0;
	search->passed = false;
	/* a round may find nothing live, and still lead on */
	while (search->nfound == 0 && rest->n > 0)
	{
		CHECK_FOR_INTERRUPTS();
		qsort(rest->entry, rest->n, sizeof(PoolEntry), compare_rest);
		search->npool = search->cursor = 0;
		while (rest->n > 0 && search->npool < search->ef)
			search->pool[search->npool++] = rest->entry[--rest->n];
		exhaust_pool(search, found);
	}
	*found = search->found;
	return search->nfound;
}

int
hnr_search_descend(HnrSearch *search, HnrNodeId entry, int from, int to,
				   HnrCandidate *entries)
{
	HnrCandidate *found;
	int			n = 1;

	entries[0].id = entry;
	entries[0].distance = 0;
	search->descending = true;
	for (int level = from; level > to; level--)
	{
		int			got = hnr_search_run(search, entries, n, level, HNR_DESCENT_WIDTH, &found);

		CHECK_FOR_INTERRUPTS();
		n = Min(got, HNR_DESCENT_WIDTH);
		for (int i = 0; i < n; i++)
		{
			entries[i].id = search->store->down(search->store, &found[i]);
			entries[i].distance = found[i].distance;
		}
	}
	search->descending = false;
	return n;
}
