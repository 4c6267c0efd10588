/*-------------------------------------------------------------------------
 *
 * mend.c
 *		Better links in a graph in memory that was taken over from an old index.
 *
 * Insertions and VACUUM choose links by codes and from what they happen to see, and
 * links between clusters go with the vertices that had them.  So, in steps (weaving.h):
 *
 *	measure	Links that were taken over get their distances; vectors are looked at.
 *	...		Candidates are found: what is nearest in samples, and in the cells of one partition
 *			(weave.c), where what the old graph does not lead to is, too.
 *	mend	Links far off are kept in any case, as in a build from scratch (links.c): such as
 *			there are, and new ones, to what is nearest in samples.  What has lost neighbours
 *			that it misses, or was added where nothing had been, chooses anew, among what it has
 *			and its candidates.
 *	list, join	Everybody joins its links with those of others to it, and the best of them
 *			stay: as in a build from scratch.
 *
 * A node's list is changed by nobody else, and what it becomes follows from what it was, so it
 * does not matter who does which.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/grow.h"
#include "am/mend.h"
#include "am/select.h"
#include "am/sound.h"
#include "am/taken.h"
#include "am/weave.h"
#include "miscadmin.h"
#include "throttle.h"

/* The largest sample is one node in HNR_SAMPLED, halved so often. */
#define LEAST_SAMPLE	1

#define TASK_NODES		256

/* What measuring and choosing a list take at least (us), for the throttle. */
#define MEASURE_US		2
#define CHOOSE_US		4

/* Of how many of its nearest neighbours it says something that all were added. */
#define NEIGHBORHOOD	4

/* Of how many candidates at least how many have to be new for a list to be chosen anew. */
#define FRESH_OF		8
#define LEAST_FRESH		2

/* Nodes are told apart by so many bits before a list is looked through: a power of two. */
#define SEEN_BITS		1024

/* Shares of the work on links. */
#define CANDIDATES_SHARE 0.4
#define MEND_SHARE		0.4
#define LIST_SHARE		0.02
#define JOIN_SHARE		0.18

struct HnrMender
{
	HnrWeave   *w;
	HnrMemGraph *graph;
	HnrMetricKind kind;
	int			slots;
	int			new_degree;
	float		beyond;			/* HNR_FAR_BEYOND, as distances have it */
	int			nkept;			/* the first links of the list at hand are kept */
	float	   *self;
	HnrMemEdge *edge;			/* candidates */
	uint64	   *key;			/* scratch: to sort them */
	HnrMemEdge *sorted;
	uint64		seen[SEEN_BITS / 64];	/* which nodes may be in the list at hand, by number */
	HnrTaken	taken;			/* vectors of candidates */
};

/* A process's own, made when first needed. */
static HnrMender *
get_mender(HnrWeave *w)
{
	HnrMender  *m = w->mender;
	const HnrIndex *index = w->graph->index;
	int			most = index->layout.ground.slots + w->most_near + HNR_FAR;

	if (m)
		return m;
	w->mender = m = palloc0(sizeof(HnrMender));
	m->w = w;
	m->graph = w->graph;
	m->kind = index->metric->kind;
	m->slots = index->layout.ground.slots;
	m->new_degree = hnr_new_degree(&index->layout, 0, index->meta.m);
	m->beyond = m->kind == HNR_METRIC_L1 ? HNR_FAR_BEYOND : HNR_FAR_BEYOND * HNR_FAR_BEYOND;
	m->self = palloc(sizeof(float) * index->layout.dims);
	m->edge = palloc(sizeof(HnrMemEdge) * most);
	m->key = palloc(sizeof(uint64) * most);
	m->sorted = palloc(sizeof(HnrMemEdge) * most);
	hnr_taken_init(&m->taken, m->graph, m->slots + 2);
	return m;
}

static HnrMemEdges *
edges_of(HnrMender *m, uint32 node)
{
	return hnr_mem_graph_edges(m->graph, node, 0);
}

static bool
has_link(const HnrMemEdge *edge, int n, uint32 node)
{
	for (int i = 0; i < n; i++)
		if (edge[i].node == node)
			return true;
	return false;
}

/* Of n links: to be asked by may_have(). */
static void
note_links(HnrMender *m, const HnrMemEdge *edge, int n)
{
	memset(m->seen, 0, sizeof(m->seen));
	for (int i = 0; i < n; i++)
		m->seen[edge[i].node % SEEN_BITS / 64] |= UINT64CONST(1) << edge[i].node % 64;
}

static bool
may_have(const HnrMender *m, uint32 node)
{
	return (m->seen[node % SEEN_BITS / 64] >> node % 64 & 1) != 0;
}

/* ---- links that were taken over ---- */

/* One of them is enough. */
static void
report_unsound(HnrMender *m, uint32 node)
{
	uint32		none = HNR_MEM_NONE;

	(void) pg_atomic_compare_exchange_u32(&m->w->state->unsound, &none, node);
}

/*
 * Whether a node is where there was nothing when the index was built.  The first rows that came
 * there have found little that was near, and links to it only, one by one.
 */
static bool
is_alone(HnrMender *m, uint32 node, const HnrMemEdges *edges)
{
	bool		alone = (*hnr_weave_list(m->w, node) & HNR_LIST_ADDED) != 0;

	for (int i = 0; i < Min(edges->count, NEIGHBORHOOD) && alone; i++)
		alone = (*hnr_weave_list(m->w, edges->edge[i].node) & HNR_LIST_ADDED) != 0;
	return alone;
}

/* Nodes near each other have numbers near each other, so that this is read from the cache. */
static void
measure_links(HnrMender *m, uint32 node)
{
	HnrMemEdges *edges = edges_of(m, node);
	const HnrMemNode *n = hnr_mem_graph_node(m->graph, node);
	const void *self;

	hnr_mem_graph_decode(m->graph, node, m->self);
	if (hnr_sound_vector(m->graph->index, m->self, n->scale) ||
		!hnr_sound_rounding(m->graph->index, m->self, n->scale, n->error))
		report_unsound(m, node);
	self = hnr_take(&m->taken, node, 0);
	for (int i = 0; i < edges->count; i++)
	{
		if (i + 1 < edges->count)
			hnr_taken_prefetch(&m->taken, edges->edge[i + 1].node);
		edges->edge[i].distance = hnr_taken_once(&m->taken, node, self, edges->edge[i].node, 1);
		if (isnan(edges->edge[i].distance))
			report_unsound(m, node);
	}
	hnr_weave_sort(edges->edge, edges->count, node);
	if (is_alone(m, node, edges))
		*hnr_weave_list(m->w, node) |= HNR_LIST_ALONE;
}

/* ---- links that are kept in any case ---- */

/* Puts link i of a list behind those that are kept. */
static void
keep(HnrMender *m, HnrMemEdges *edges, int i)
{
	HnrMemEdge	e = edges->edge[i];
	int			n = m->nkept++;

	memmove(&edges->edge[n + 1], &edges->edge[n], sizeof(HnrMemEdge) * (i - n));
	edges->edge[n] = e;
}

static int
most_kept(const HnrMender *m)
{
	return Min(HNR_FAR_KEPT, (m->slots + 1) / 2);
}

/* How far is far; lists stand nearest first. */
static float
far_limit(HnrMender *m, const HnrMemEdges *edges)
{
	if (edges->count == 0)
		return INFINITY;
	return edges->edge[Min(edges->count, m->new_degree) - 1].distance * m->beyond;
}

static void
keep_far(HnrMender *m, HnrMemEdges *edges, float limit)
{
	for (int i = m->new_degree; i < edges->count && m->nkept < most_kept(m); i++)
		if (edges->edge[i].distance > limit)
			keep(m, edges, i);
}

/* Puts a link into a list, in the place of the farthest if need be, and keeps it. */
static void
add_kept(HnrMender *m, HnrMemEdges *edges, HnrMemEdge e)
{
	int			i = 0;

	while (i < edges->count && edges->edge[i].node != e.node)
		i++;
	if (i < m->nkept || m->nkept == most_kept(m))
		return;
	if (i == edges->count)
	{
		if (i == m->slots)
			i--;
		else
			edges->count++;
		edges->edge[i] = e;
	}
	keep(m, edges, i);
}

/* What is nearest to a node in samples, if it is in any, the smallest first; all different. */
static int
measure_far(HnrMender *m, uint32 node, HnrMemEdge *far)
{
	const HnrFar *found = hnr_weave_far(m->w, node);
	const void *self;
	int			n = 0;

	if (found == NULL)
		return 0;
	self = hnr_take(&m->taken, node, 0);
	for (; n < HNR_FAR && found->member[n] != HNR_MEM_NONE; n++)
	{
		far[n].node = found->member[n];
		if (n + 1 < HNR_FAR && found->member[n + 1] != HNR_MEM_NONE)
			hnr_taken_prefetch(&m->taken, found->member[n + 1]);
		far[n].distance = hnr_taken_once(&m->taken, node, self, far[n].node, 1);
	}
	return n;
}

/* Links to some of these. */
static void
keep_sampled(HnrMender *m, uint32 node, const HnrMemEdge *far, int n, float limit)
{
	HnrMemEdges *edges = edges_of(m, node);
	HnrMemEdge	beyond[HNR_FAR];
	int			nbeyond = 0;

	if (n == 0)
		return;
	add_kept(m, edges, far[0]);
	for (int i = 1; i < n; i++)
		if (far[i].distance > limit)
			beyond[nbeyond++] = far[i];
	hnr_weave_sort(beyond, nbeyond, node);
	for (int i = 0; i < nbeyond; i++)
		add_kept(m, edges, beyond[i]);
}

/* ---- choosing ---- */

static void
take(void *context, HnrMemEdge *candidate, const HnrMemEdge *next, int place, bool compared)
{
	HnrMender  *m = context;

	if (!compared)
		return;
	if (next)
		hnr_taken_prefetch(&m->taken, next->node);
	(void) hnr_take(&m->taken, candidate->node, place);
}

static float
distance_between(void *context, int i, int j)
{
	HnrMender  *m = context;

	return hnr_taken_distance(&m->taken, m->taken.at[i], m->taken.at[j]);
}

/* Adds those of `count` candidates that are none yet to n in m->edge; returns how many there are. */
static int
add_candidates(HnrMender *m, int n, const HnrMemEdge *others, int count)
{
	int			had = n;

	note_links(m, m->edge, had);
	for (int i = 0; i < count; i++)
		if (!may_have(m, others[i].node) || !has_link(m->edge, had, others[i].node))
			m->edge[n++] = others[i];
	return n;
}

/*
 * Distances within a cell are what is left of larger numbers, to be compared with
 * each other only; from here on they stand among others.
 */
static void
measure_near(HnrMender *m, uint32 node, int from, int to)
{
	const void *self = hnr_take(&m->taken, node, 0);

	if (m->taken.bytes)
		return;
	for (int i = from; i < to; i++)
	{
		if (i + 1 < to)
			hnr_taken_prefetch(&m->taken, m->edge[i + 1].node);
		m->edge[i].distance = hnr_taken_once(&m->taken, node, self, m->edge[i].node, 1);
	}
}

/*
 * Sorts candidates of a node, nearest first.  What it has, up to `near`, stands so, and what cells
 * have found, but for what distances in cells are off by; then from `far` on, what is in samples.
 */
static void
sort_candidates(HnrMender *m, uint32 node, int from, int near, int far, int to)
{
	int			i = from;
	int			j = near;
	int			n = 0;

	if (to > far)
	{
		hnr_select_sort(m->edge + from, to - from, node, m->key, m->sorted);
		return;
	}
	hnr_weave_sort(m->edge + near, far - near, node);
	while (i < near && j < far)
		m->sorted[n++] = hnr_weave_nearer(&m->edge[j], &m->edge[i], node) ? m->edge[j++] : m->edge[i++];
	while (i < near)
		m->sorted[n++] = m->edge[i++];
	/* what is left of those from cells stands where it has to */
	memcpy(m->edge + from, m->sorted, sizeof(HnrMemEdge) * n);
}

/* Chooses among what a node has, what is nearest in its cells and in samples; the first links stay. */
static void
choose_anew(HnrMender *m, uint32 node, const HnrMemEdge *far, int nfar)
{
	HnrMemEdges *edges = edges_of(m, node);
	int			nnear;
	const HnrMemEdge *near = hnr_weave_near(m->w, node, &nnear);
	int			n = edges->count;
	int			nkept = m->nkept;
	int			begin_far;

	memcpy(m->edge, edges->edge, sizeof(HnrMemEdge) * n);
	n = begin_far = add_candidates(m, n, near, nnear);
	measure_near(m, node, edges->count, n);
	n = add_candidates(m, n, far, nfar);
	sort_candidates(m, node, nkept, edges->count, begin_far, n);
	edges->count = hnr_select_edges(m->edge, n, nkept, m->new_degree, take, distance_between, m,
									edges->edge);
}

/*
 * Whether a node chooses anew: one that has lost neighbours, only where what is near is not among
 * those that it has, since what VACUUM's repair left or insertions brought is as good then; or if
 * it is in a sample, where there is more than that to choose from.
 */
static bool
wants_others(HnrMender *m, uint32 node, const HnrMemEdges *edges, bool sampled)
{
	int			nnear;
	const HnrMemEdge *near = hnr_weave_near(m->w, node, &nnear);
	int			fresh = 0;

	if (!hnr_weave_wants(m->w, node))
		return false;
	if (sampled || (*hnr_weave_list(m->w, node) & (HNR_LIST_SHORT | HNR_LIST_ALONE)) != 0)
		return true;
	note_links(m, edges->edge, edges->count);
	for (int i = 0; i < Min(nnear, FRESH_OF) && fresh < LEAST_FRESH; i++)
		fresh += !may_have(m, near[i].node) || !has_link(edges->edge, edges->count, near[i].node);
	return fresh == LEAST_FRESH;
}

static void
mend(HnrMender *m, uint32 node)
{
	HnrMemEdges *edges = edges_of(m, node);
	HnrMemEdge	far[HNR_FAR];
	int			nfar = measure_far(m, node, far);
	float		limit = far_limit(m, edges);

	m->nkept = 0;
	/* under the inner product, what is far says nothing */
	if (m->kind != HNR_METRIC_IP)
		keep_far(m, edges, limit);
	keep_sampled(m, node, far, nfar, limit);
	if (wants_others(m, node, edges, nfar > 0))
		choose_anew(m, node, far, nfar);
	for (int i = 0; i < m->nkept; i++)
		edges->edge[i].node |= HNR_LINK_KEPT;
	hnr_links_count_list(m->w, node);
}

/* ---- tasks ---- */

/* Does so to the nodes of a task, each of which takes so long (us). */
static void
do_task(HnrWeave *w, uint32 task, int us, void (*what) (HnrMender *m, uint32 node))
{
	uint32		from = task * TASK_NODES;
	uint32		to = Min(from + TASK_NODES, w->state->nnodes);

	for (uint32 i = from; i < to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(us);
		what(get_mender(w), i);
	}
}

void
hnr_mend_measure_task(HnrWeave *w, uint32 task)
{
	do_task(w, task, MEASURE_US, measure_links);
}

void
hnr_mend_task(HnrWeave *w, uint32 task)
{
	do_task(w, task, CHOOSE_US, mend);
}

static uint32
ntasks(const HnrWeave *w)
{
	return (w->state->nnodes + TASK_NODES - 1) / TASK_NODES;
}

uint32
hnr_mend_measure(HnrWeave *w, double share)
{
	hnr_weave_step(w, HNR_STEP_MEASURE, ntasks(w), share);
	return pg_atomic_read_u32(&w->state->unsound);
}

void
hnr_mend_links(HnrWeave *w, double share)
{
	hnr_weave_run_candidates(w, LEAST_SAMPLE, share * CANDIDATES_SHARE);
	hnr_links_begin_count(w);
	hnr_weave_step_beside(w, HNR_STEP_MEND, ntasks(w), share * MEND_SHARE, hnr_growth_link_upper);
	hnr_links_list_all(w, share * LIST_SHARE);
	hnr_links_join_all(w, share * JOIN_SHARE);
}
