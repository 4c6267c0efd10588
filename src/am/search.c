/*-------------------------------------------------------------------------
 *
 * search.c
 *		Best-first search of one level of a graph.
 *
 * The pool keeps the best vertices known, nearest first.  What is known of a
 * vertex is an estimate until it is visited and its exact distance then; a visit
 * may so move it back and let another in, which is why a pool of estimates finds
 * what a pool of exact distances of the same size finds.  The search ends when
 * every vertex in the pool was visited, or those that were not are too far behind
 * those that were.  (Malkov & Yashunin, TPAMI 2020, algorithm 2, with the candidate
 * and result heaps merged into one sorted array; the end as in Al-Jazzazi et al.,
 * "Distance Adaptive Beam Search", 2025.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/pool.h"
#include "am/rest.h"
#include "am/search.h"
#include "debug_point.h"
#include "miscadmin.h"

/* Distances that differ by less than this part of the least: see all_alike. */
#define ALIKE		0.4f

/* Of a wide descent, as HNR_SEARCH_MARGIN of others. */
#define WIDE_MARGIN	0.25f

/* So many of a level are visited in a descent at least; the nearest alone may lead nowhere. */
#define ENOUGH		2
#define ENOUGH_PRODUCTS	3

struct HnrSearch
{
	HnrStore   *store;
	bool		passed;			/* some vertex was not live, in this round */
	bool		descending;		/* list what may only be passed, too */
	int			max_ef;
	HnrBreadth	breadth;		/* of this round */
	HnrPool		pool;
	int			nfound;
	int			maxfound;
	HnrCandidate *found;
	HnrCandidate *neighbors;	/* of the vertex being visited, or the entries */
	int		   *nearer;			/* those of them that may get into the pool */
	int			level;			/* of the last run */
	HnrNodeId	ahead;			/* being fetched, see choose_next */
	HnrRest    *rest;			/* NULL: is not kept */
};

HnrSearch *
hnr_search_create(HnrStore *store, int max_ef)
{
	HnrSearch  *search = palloc0(sizeof(HnrSearch));
	int			max_listed;

	max_ef = Max(max_ef, HNR_DESCENT_WIDE);
	max_listed = Max(store->max_neighbors, max_ef);
	search->store = store;
	search->max_ef = max_ef;
	hnr_pool_init(&search->pool, max_ef);
	search->maxfound = 256;
	search->found = palloc(sizeof(HnrCandidate) * search->maxfound);
	search->neighbors = palloc(sizeof(HnrCandidate) * max_listed);
	search->nearer = palloc(sizeof(int) * max_listed);
	return search;
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

/* Once the rest is ordered, what is not in the pool is to be there. */
static void
insert_or_keep(HnrSearch *search, const HnrCandidate *c)
{
	HnrPool    *pool = &search->pool;
	int			last = pool->n - 1;

	if (pool->n == pool->size)
	{
		/* NaN is none of the nearest, and nothing pushes it out */
		if (!(c->distance < pool->distance[last]))
		{
			hnr_rest_add(search->rest, c->id, c->distance);
			return;
		}
		if (!hnr_pool_is_visited(pool, last))
			hnr_rest_add(search->rest, hnr_pool_id(pool, last), pool->distance[last]);
	}
	hnr_pool_insert(pool, c->id, c->distance);
}

/* What is so far, with such a margin, need not be visited; NaN: all need. */
static float
farthest_of_use(const HnrSearch *search, float margin)
{
	const HnrPool *pool = &search->pool;
	float		limit = hnr_pool_limit(pool);
	float		last;

	if (pool->n < search->breadth.enough)
		return limit;
	last = pool->distance[search->breadth.enough - 1];
	/* of NaN, as of no distance by an infinite margin, fminf() takes the other */
	return fminf(limit, last + margin * fabsf(last));
}

/* Whether all that is still to be visited is too far. */
static bool
is_enough(const HnrSearch *search)
{
	const HnrPool *pool = &search->pool;

	return pool->cursor >= search->breadth.enough &&
		pool->distance[pool->cursor] > farthest_of_use(search, search->breadth.margin);
}

static void
take_in(HnrSearch *search, const HnrCandidate *neighbors, int n)
{
	float		limit = farthest_of_use(search, search->breadth.kept);
	int			nnearer = 0;

	if (search->rest && search->rest->ordered)
	{
		for (int i = 0; i < n; i++)
			insert_or_keep(search, &neighbors[i]);
		return;
	}
	/* half of them are not, and which cannot be foretold: no branch here */
	for (int i = 0; i < n; i++)
	{
		search->nearer[nnearer] = i;
		nnearer += !(neighbors[i].distance >= limit);
	}
	for (int i = 0; i < nnearer; i++)
		hnr_pool_insert(&search->pool, neighbors[search->nearer[i]].id,
						neighbors[search->nearer[i]].distance);
	if (search->rest)
		search->rest->nlisted += n;
}

/* How far from the nearest unvisited vertex the one fetched ahead may have come. */
#define AHEAD_WITHIN 8

/*
 * Which vertex of the pool to visit.  A visit often finds one that is nearer than all
 * others; to go there at once would be to wait for it to come from memory.  So that one
 * is fetched, and the one fetched when the last visit began is visited meanwhile: it
 * would have been the next but one.
 */
static int
choose_next(HnrSearch *search)
{
	HnrStore   *store = search->store;
	HnrPool    *pool = &search->pool;
	int			end = Min(pool->cursor + AHEAD_WITHIN, pool->n);
	int			next = pool->cursor;

	if (store->prefetch == NULL)
		return next;
	for (int i = pool->cursor; i < end; i++)
		if (hnr_pool_id(pool, i) == search->ahead && !hnr_pool_is_visited(pool, i))
			next = i;
	for (int i = pool->cursor; i < pool->n; i++)
		if (i != next && !hnr_pool_is_visited(pool, i))
		{
			search->ahead = hnr_pool_id(pool, i);
			store->prefetch(store, search->ahead, search->level);
			break;
		}
	return next;
}

/*
 * Has the nearest unvisited ones read from disk: the next, for which the search waits
 * anyway, and as many more as the disk is to work on beside.
 */
static void
read_ahead(HnrSearch *search)
{
	HnrStore   *store = search->store;
	HnrPool    *pool = &search->pool;
	int			wanted = store->io_concurrency > 0 ? store->io_concurrency + 1 : 0;

	for (int i = pool->cursor; i < pool->n && wanted > 0; i++)
	{
		if (hnr_pool_is_visited(pool, i))
			continue;
		wanted--;
		if (pool->id[i] & HNR_POOL_READ_AHEAD)
			continue;
		store->read_ahead(store, hnr_pool_id(pool, i), search->level);
		pool->id[i] |= HNR_POOL_READ_AHEAD;
	}
}

/* Visits a vertex of the pool. */
static void
visit_next(HnrSearch *search)
{
	HnrPool    *pool = &search->pool;
	int			at = choose_next(search);
	HnrNodeId	id = hnr_pool_id(pool, at);
	HnrCandidate *neighbors = search->neighbors;
	HnrVisit	visit;

	if (search->rest && !search->rest->ordered)
	{
		hnr_rest_visited(search->rest, id);
		neighbors = hnr_rest_room(search->rest, search->store->max_neighbors);
	}
	visit = search->store->visit(search->store, id, search->level, neighbors);
	if (!visit.present)
	{
		hnr_pool_drop(pool, at);
		return;
	}
	/* a vertex that is only passed through takes no place of others */
	if (visit.live)
	{
		hnr_pool_settle(pool, at, visit.distance);
		add_found(search, id, &visit);
	}
	else
	{
		hnr_pool_drop(pool, at);
		search->passed = true;
		if (search->descending)
			add_found(search, id, &visit);
	}
	take_in(search, neighbors, visit.nneighbors);
	if (unlikely(visit.waited))
		read_ahead(search);
}

#define ST_SORT hnr_sort_candidates
#define ST_ELEMENT_TYPE HnrCandidate
#define ST_COMPARE(a, b) \
	((a)->distance != (b)->distance ? ((a)->distance < (b)->distance ? -1 : 1) : \
	 ((a)->id > (b)->id) - ((a)->id < (b)->id))
#define ST_SCOPE
#define ST_DEFINE
#include "lib/sort_template.h"

/* Leaves in the pool what was visited.  An unordered rest has the others already. */
static void
put_back(HnrSearch *search)
{
	HnrPool    *pool = &search->pool;

	for (int i = pool->n - 1; i >= pool->cursor; i--)
	{
		if (hnr_pool_is_visited(pool, i))
			continue;
		if (search->rest->ordered)
			hnr_rest_add(search->rest, hnr_pool_id(pool, i), pool->distance[i]);
		hnr_pool_drop(pool, i);
	}
}

/* Takes from the rest what may still have to be visited, as much as there is room for. */
static bool
refill_pool(HnrSearch *search)
{
	HnrPool    *pool = &search->pool;
	HnrCandidate nearest;
	bool		took = false;

	CHECK_FOR_INTERRUPTS();
	hnr_rest_order(search->rest);
	/* what falls out has been visited: those taken in come nearest first, or are NaN */
	while ((pool->n < pool->size || hnr_pool_is_visited(pool, pool->n - 1)) &&
		   hnr_rest_take(search->rest, farthest_of_use(search, search->breadth.margin), &nearest))
	{
		if (pool->n == pool->size && !(nearest.distance < pool->distance[pool->n - 1]))
		{
			hnr_rest_add(search->rest, nearest.id, nearest.distance);
			break;
		}
		hnr_pool_insert(pool, nearest.id, nearest.distance);
		took = true;
	}
	return took;
}

/* Visits until that is enough, or nothing in the pool is left to visit; sorts what was found. */
static int
visit_pool(HnrSearch *search, HnrCandidate **found)
{
	for (;;)
	{
		while (hnr_pool_next(&search->pool) && !is_enough(search))
			visit_next(search);
		/*
		 * Dead vertices, near and not visited yet, have kept others out of the pool, and
		 * what came after them, farther perhaps, got in.
		 */
		if (!search->passed || search->rest == NULL)
			break;
		put_back(search);
		if (!refill_pool(search))
			break;
	}
	hnr_sort_candidates(search->found, search->nfound);
	*found = search->found;
	return search->nfound;
}

int
hnr_search_run(HnrSearch *search, const HnrCandidate *entries, int n,
			   int level, HnrBreadth breadth, HnrCandidate **found)
{
	HnrStore   *store = search->store;
	HnrCandidate *start = search->neighbors;
	int			nstart = 0;

	Assert(Max(breadth.most, n) <= search->max_ef && breadth.enough <= breadth.most);
	store->begin(store);
	hnr_pool_clear(&search->pool, Max(breadth.most, n));
	search->breadth = breadth;
	search->level = level;
	search->nfound = 0;
	search->passed = false;
	if (search->rest)
	{
		hnr_rest_clear(search->rest);
		start = hnr_rest_room(search->rest, n);
	}
	for (int i = 0; i < n; i++)
		if (store->mark(store, entries[i].id))
			start[nstart++] = entries[i];
	take_in(search, start, nstart);
	return visit_pool(search, found);
}

void
hnr_search_keep_rest(HnrSearch *search)
{
	if (search->rest == NULL)
		search->rest = hnr_rest_create();
}

int
hnr_search_continue(HnrSearch *search, int ef, HnrCandidate **found)
{
	Assert(search->rest && ef <= search->max_ef);
	search->breadth = hnr_breadth(ef);
	search->nfound = 0;
	search->passed = false;
	/* a round may find nothing live, and still lead on */
	do
	{
		put_back(search);
		hnr_pool_clear(&search->pool, ef);
	} while (refill_pool(search) && visit_pool(search, found) == 0);
	*found = search->found;
	return search->nfound;
}

bool
hnr_search_go_on_from(HnrSearch *search, HnrNodeId id)
{
	Assert(search->rest->ordered);
	if (!search->store->mark(search->store, id))
		return false;
	/* what enters a graph may have come to the end above the ground */
	search->level = 0;
	hnr_rest_add(search->rest, id, get_float4_infinity());
	return true;
}

/* Whether as many as a narrow pool holds are about as near as the nearest, which tells no direction. */
static bool
all_alike(const HnrPool *pool)
{
	const float *d = pool->distance;

	return pool->n >= HNR_DESCENT_NARROW &&
		d[HNR_DESCENT_NARROW - 1] - d[0] < ALIKE * fabsf(d[0]);
}

/* What is visited of a level above the one to come to. */
static HnrBreadth
descent_breadth(const HnrStore *store, bool wide)
{
	HnrBreadth	breadth = {HNR_DESCENT_NARROW, ENOUGH, HNR_SEARCH_MARGIN, INFINITY};

	if (wide)
	{
		breadth.most = HNR_DESCENT_WIDE;
		breadth.margin = WIDE_MARGIN;
	}
	if (store->products)
	{
		breadth.enough = wide ? HNR_DESCENT_WIDE : ENOUGH_PRODUCTS;
		breadth.margin = 0;
	}
	return breadth;
}

int
hnr_search_descend(HnrSearch *search, HnrNodeId entry, int from, int to,
				   HnrCandidate *entries)
{
	HnrBreadth	breadth = descent_breadth(search->store, false);
	HnrCandidate *found;
	int			n = 1;

	entries[0].id = entry;
	entries[0].distance = 0;
	search->descending = true;
	for (int level = from; level > to; level--)
	{
		int			got = hnr_search_run(search, entries, n, level, breadth, &found);

		CHECK_FOR_INTERRUPTS();
		if (level == to + 2)
			HNR_DEBUG_POINT("search_above_last");
		n = Min(got, breadth.most);
		breadth = descent_breadth(search->store, all_alike(&search->pool));
		for (int i = 0; i < n; i++)
		{
			entries[i].id = search->store->down(search->store, &found[i]);
			entries[i].distance = found[i].distance;
		}
	}
	search->descending = false;
	return n;
}
