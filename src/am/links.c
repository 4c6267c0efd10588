/*-------------------------------------------------------------------------
 *
 * links.c
 *		Links of the ground level, from the candidates of its members, which are the nodes.
 *
 * Each member chooses m of its candidates; then it and those who chose it have the slots
 * of its list, and the best of them get one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/joined.h"
#include "am/select.h"
#include "am/taken.h"
#include "am/weaving.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* More than this are not weighed against each other; the nearest are. */
#define MOST_CANDIDATES 512

#define TASK_MEMBERS	512

/* Which far candidates are linked in any case: see keep_some(). */
#define KEPT_OF_SAMPLE	1

/* What choosing a member's links takes at least (us), for the throttle. */
#define LINK_US			2

struct HnrLinks
{
	HnrWeave   *w;
	int			new_degree;
	int			slots;
	HnrTaken	taken;			/* vectors of those chosen, of the one in question, and of self */
	const void *self;
	HnrMemEdge *edge;			/* candidates, nearest first */
	const void *from;			/* NULL, or what their distances are to be made exact from */
	int			nkept;
};

/* A process's own, made when first needed. */
static HnrLinks *
get_links(HnrWeave *w)
{
	HnrLinks   *l = w->links;
	const HnrIndex *index = w->graph->index;
	int			most = MOST_CANDIDATES + 1;

	if (l)
		return l;
	w->links = l = palloc0(sizeof(HnrLinks));
	l->w = w;
	l->new_degree = hnr_new_degree(&index->layout, 0, index->meta.m);
	l->slots = index->layout.ground.slots;
	hnr_taken_init(&l->taken, w->graph, l->slots + 2);
	l->edge = palloc(sizeof(HnrMemEdge) * most);
	return l;
}

static HnrMemEdges *
edges_of(HnrWeave *w, uint32 member)
{
	return hnr_mem_graph_edges(w->graph, member, 0);
}

static void
take_self(HnrLinks *l, uint32 member)
{
	l->self = hnr_take(&l->taken, member, l->slots + 1);
}

/* A candidate into the place behind those that are chosen. */
static void
take_candidate(void *context, HnrMemEdge *candidate, const HnrMemEdge *next, int place,
			   bool compared)
{
	HnrLinks   *l = context;

	if (next)
		hnr_taken_prefetch(&l->taken, next->node);
	if (compared || l->from)
		hnr_take(&l->taken, candidate->node, place);
	if (l->from)
		candidate->distance = hnr_taken_distance(&l->taken, l->from, l->taken.at[place]);
}

static float
distance_between(void *context, int i, int j)
{
	HnrLinks   *l = context;

	return hnr_taken_distance(&l->taken, l->taken.at[i], l->taken.at[j]);
}

/*
 * Chooses up to max of n candidates in l->edge, nearest first (select.h), but for the first
 * l->nkept, which are chosen in any case.  With self, their distances from it are
 * estimates, and are made exact here.
 */
static void
choose(HnrLinks *l, int n, int max, const void *self, HnrMemEdges *chosen)
{
	l->from = self;
	chosen->count = hnr_select_edges(l->edge, n, l->nkept, max, take_candidate, distance_between, l,
									 chosen->edge);
}

/* Whether a member is linked to another in any case. */
static bool
is_kept(const HnrWeave *w, uint32 member, uint32 other)
{
	const HnrFar *far = hnr_weave_far(w, member);

	for (int i = 0; far && i < far->kept; i++)
		if (far->member[i] == other)
			return true;
	return false;
}

bool
hnr_links_kept(const HnrWeave *w, uint32 a, uint32 b)
{
	return is_kept(w, a, b) || is_kept(w, b, a);
}

/* The same of a candidate; takes the mark off that says so. */
static bool
take_kept(HnrWeave *w, uint32 member, HnrMemEdge *candidate)
{
	bool		marked = (candidate->node & HNR_LINK_KEPT) != 0;

	candidate->node &= ~HNR_LINK_KEPT;
	if (w->state->marked)
		return marked;
	return hnr_links_kept(w, member, candidate->node);
}

/*
 * Puts those of n candidates first to which a member is linked in any case, or by which
 * it is: up to half of its slots.
 */
static void
put_kept_first(HnrLinks *l, int n, uint32 member)
{
	l->nkept = 0;
	for (int i = 0; i < n; i++)
		if (take_kept(l->w, member, &l->edge[i]) && l->nkept < (l->slots + 1) / 2)
		{
			HnrMemEdge	e = l->edge[i];

			memmove(&l->edge[l->nkept + 1], &l->edge[l->nkept], sizeof(HnrMemEdge) * (i - l->nkept));
			l->edge[l->nkept++] = e;
		}
}

/* Adds others to n candidates of a member, up to HNR_MEM_NONE; returns how many there are. */
static int
add_some(HnrLinks *l, int n, uint32 member, const uint32 *others, int most)
{
	for (int i = 0; i < most && others[i] != HNR_MEM_NONE; i++)
	{
		bool		have = others[i] == member;

		for (int j = 0; j < n && !have; j++)
			have = l->edge[j].node == others[i];
		if (!have)
			l->edge[n++].node = others[i];
	}
	return n;
}

/* hnr_weave_separation of vectors as they are taken. */
static float
separation(HnrLinks *l, const void *a, const void *b)
{
	if (l->taken.bytes)
		return sqrtf(hnr_taken_distance(&l->taken, a, b));
	return hnr_weave_separation(l->w->graph->index, a, b);
}

/* Of l->self from another member. */
static float
separation_from(HnrLinks *l, uint32 other)
{
	return separation(l, l->self, hnr_take(&l->taken, other, 0));
}

/*
 * Decides which of a member's far candidates it is linked to in any case, and puts them first:
 * the nearest in the smallest sample that it is in, and the nearest of those that are
 * HNR_FAR_BEYOND times as far as its m-th nearest: in other clusters, if there are clusters.
 */
static void
keep_some(HnrLinks *l, uint32 member)
{
	HnrWeave   *w = l->w;
	HnrFar	   *far = hnr_weave_far(w, member);
	const HnrMemEdge *near = hnr_array_at(&w->near, member);
	int			count = *(uint32 *) hnr_array_at(&w->counts, member);
	float		limit = INFINITY;
	HnrMemEdge	beyond[HNR_FAR];
	int			nbeyond = 0;
	int			nfar = 0;

	take_self(l, member);
	if (count > 0)
		limit = HNR_FAR_BEYOND * separation_from(l, near[Min(count, l->new_degree) - 1].node);
	for (; nfar < HNR_FAR && far->member[nfar] != HNR_MEM_NONE; nfar++)
	{
		HnrMemEdge	e = {.node = far->member[nfar]};

		e.distance = separation_from(l, e.node);
		if (nfar >= KEPT_OF_SAMPLE && e.distance > limit)
			beyond[nbeyond++] = e;
	}
	hnr_weave_sort(beyond, nbeyond, member);
	far->kept = Min(nfar, KEPT_OF_SAMPLE);
	for (int i = 0; i < nbeyond && far->kept < HNR_FAR_KEPT; i++)
	{
		int			at = far->kept;

		while (far->member[at] != beyond[i].node)
			at++;
		far->member[at] = far->member[far->kept];
		far->member[far->kept++] = beyond[i].node;
	}
}

/* Gathers a member's candidates and chooses. */
static void
choose_links(HnrLinks *l, uint32 member)
{
	HnrWeave   *w = l->w;
	const HnrMemEdge *near = hnr_array_at(&w->near, member);
	int			n = *(uint32 *) hnr_array_at(&w->counts, member);

	memcpy(l->edge, near, sizeof(HnrMemEdge) * n);
	n = add_some(l, n, member, hnr_array_at(&w->nearest_leaders, member), HNR_LEADERS);
	if (hnr_weave_far(w, member))
		n = add_some(l, n, member, hnr_weave_far(w, member)->member, HNR_FAR);
	put_kept_first(l, n, member);
	take_self(l, member);
	choose(l, n, l->new_degree, l->self, edges_of(w, member));
}

/* The lists of who chose a member stand, one after the other, where candidates stood. */
static HnrMemEdge *
chooser_at(HnrWeave *w, uint64 i)
{
	return (HnrMemEdge *) hnr_array_at(&w->near, i / w->most_near) + i % w->most_near;
}

/*
 * At first the number of those who chose a member, then where their list goes on, at
 * last where it ends.
 */
static pg_atomic_uint64 *
from_of(HnrWeave *w, uint32 member)
{
	return hnr_array_at(&w->from, member);
}

/* Returns what it was.  Alone, without an instruction that waits for all that was written before. */
static uint64
add_one(HnrWeave *w, pg_atomic_uint64 *number)
{
	uint64		was;

	if (w->locking)
		return pg_atomic_fetch_add_u64(number, 1);
	was = pg_atomic_read_u64(number);
	pg_atomic_write_u64(number, was + 1);
	return was;
}

/* The links of a member: of those it chose and those who chose it. */
static void
join_links(HnrLinks *l, uint32 member)
{
	HnrWeave   *w = l->w;
	HnrMemEdges *edges = edges_of(w, member);
	uint64		from = member == 0 ? 0 : pg_atomic_read_u64(from_of(w, member - 1));
	uint64		to = pg_atomic_read_u64(from_of(w, member));
	Size		most = edges->count + (to - from);
	HnrMemEdge *all = most <= MOST_CANDIDATES ? l->edge :
		palloc_extended(sizeof(HnrMemEdge) * most, MCXT_ALLOC_HUGE);
	Size		n = edges->count;

	memcpy(all, edges->edge, sizeof(HnrMemEdge) * n);
	for (uint64 i = from; i < to; i++)
		all[n++] = *chooser_at(w, i);
	n = hnr_joined_unique(all, n);
	hnr_joined_sort(all, n, member);
	if (all != l->edge)
	{
		n = Min(n, MOST_CANDIDATES);
		memcpy(l->edge, all, sizeof(HnrMemEdge) * n);
		pfree(all);
	}
	put_kept_first(l, n, member);
	choose(l, n, l->slots, NULL, edges);
}

/* The members of a task are from *from up to the result. */
static uint32
members_of_task(HnrWeave *w, uint32 task, uint32 *from)
{
	*from = task * TASK_MEMBERS;
	return Min(*from + TASK_MEMBERS, w->state->nlisted);
}

void
hnr_links_count_list(HnrWeave *w, uint32 member)
{
	HnrMemEdges *edges = edges_of(w, member);

	for (int i = 0; i < edges->count; i++)
		(void) add_one(w, from_of(w, edges->edge[i].node & ~HNR_LINK_KEPT));
}

void
hnr_links_keep(HnrWeave *w, uint32 task)
{
	uint32		from;
	uint32		to = members_of_task(w, task, &from);

	for (uint32 i = from; i < to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (hnr_weave_far(w, i))
			keep_some(get_links(w), i);
	}
}

void
hnr_links_choose(HnrWeave *w, uint32 task)
{
	uint32		from;
	uint32		to = members_of_task(w, task, &from);

	for (uint32 i = from; i < to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(LINK_US);
		choose_links(get_links(w), i);
		hnr_links_count_list(w, i);
	}
}

void
hnr_links_count(HnrWeave *w, uint32 member, uint32 n)
{
	pg_atomic_write_u64(from_of(w, member), n);
}

void
hnr_links_put(HnrWeave *w, uint32 member, HnrMemEdge chooser)
{
	*chooser_at(w, add_one(w, from_of(w, member))) = chooser;
}

void
hnr_links_list(HnrWeave *w, uint32 task)
{
	uint32		from;
	uint32		to = members_of_task(w, task, &from);

	for (uint32 i = from; i < to; i++)
	{
		HnrMemEdges *edges = edges_of(w, i);

		for (int j = 0; j < edges->count; j++)
		{
			HnrMemEdge	e = edges->edge[j];
			HnrMemEdge	chooser = {.node = i | (e.node & HNR_LINK_KEPT),.distance = e.distance};

			hnr_links_put(w, e.node & ~HNR_LINK_KEPT, chooser);
		}
	}
}

void
hnr_links_join(HnrWeave *w, uint32 task)
{
	uint32		from;
	uint32		to = members_of_task(w, task, &from);

	for (uint32 i = from; i < to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(LINK_US);
		join_links(get_links(w), i);
	}
}

static uint32
ntasks(const HnrWeave *w)
{
	return (w->state->nlisted + TASK_MEMBERS - 1) / TASK_MEMBERS;
}

void
hnr_links_begin_count(HnrWeave *w)
{
	for (uint32 i = 0; i < w->state->nnodes; i++)
		pg_atomic_init_u64(from_of(w, i), 0);
}

void
hnr_links_choose_all(HnrWeave *w, double share, void (*beside) (HnrMemGraph *graph))
{
	hnr_links_begin_count(w);
	hnr_weave_step(w, HNR_STEP_KEEP, ntasks(w), share * 0.04);
	hnr_weave_step_beside(w, HNR_STEP_CHOOSE, ntasks(w), share * 0.96, beside);
}

void
hnr_links_begin_lists(HnrWeave *w)
{
	uint64		sum = 0;

	for (uint32 i = 0; i < w->state->nlisted; i++)
	{
		uint64		count = pg_atomic_read_u64(from_of(w, i));

		pg_atomic_write_u64(from_of(w, i), sum);
		sum += count;
	}
}

void
hnr_links_list_all(HnrWeave *w, double share)
{
	hnr_links_begin_lists(w);
	hnr_weave_step(w, HNR_STEP_LIST, ntasks(w), share);
}

void
hnr_links_join_all(HnrWeave *w, double share)
{
	hnr_weave_step(w, HNR_STEP_JOIN, ntasks(w), share);
}
