/*-------------------------------------------------------------------------
 *
 * mend.c
 *		Better links in a graph in memory that was taken over from an old index.
 *
 * Insertions and VACUUM choose links by codes and from what they happen to see, and
 * links between clusters go with the vertices that had them.  So:
 *
 *	1	Links far off are kept in any case, as in a build from scratch (links.c): such as
 *		there are, and new ones, to what is nearest in samples.
 *	2	What has been added since the last build, or has lost neighbours, chooses anew.
 *		Nodes near each other form groups, and all of a group are compared at once with
 *		all that one of them leads to.  What the old graph does not lead to, a partition
 *		into cells finds (cells.c).  What is nearest in samples can be chosen, too.
 *	3	Everybody joins its links with those of others to it, and the best of them stay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/arrange.h"
#include "am/grow.h"
#include "am/mend.h"
#include "am/points.h"
#include "am/select.h"
#include "am/taken.h"
#include "am/weave.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Nodes of a group, the most that these are compared with, and nearest ones to choose from. */
#define GROUP			64
#define MOST_COLUMNS	1024
#define NEAREST			32

/* The largest sample is one node in HNR_SAMPLED, halved so often. */
#define LEAST_SAMPLE	1

/* What choosing a list takes at least (us), for the throttle. */
#define CHOOSE_US		4

/* Marks a link that is kept, in the list of who leads to a node. */
#define KEPT			0x80000000U

typedef struct Mending
{
	HnrMemGraph *graph;
	HnrInherit *inherit;
	HnrWeave   *weave;			/* its samples */
	const HnrMetric *metric;
	int			width;			/* of a vector */
	int			slots;
	int			new_degree;
	float		beyond;			/* HNR_FAR_BEYOND, as distances have it */
	uint8	   *nkept;			/* by node: the first links of its list are kept */
	uint64	   *back_end;		/* by node: where the links that lead there end */
	HnrMemEdge *back;			/* these */
	uint32	   *column;			/* by node: in the present group; or HNR_MEM_NONE */
	uint32	   *member;			/* by column: node */
	HnrPoints  *rows;
	HnrPoints  *columns;
	float	   *center;
	float	   *distances;
	HnrMemEdge *edge;			/* candidates */
	uint64	   *key;			/* scratch: to sort them */
	HnrMemEdge *sorted;
	HnrTaken	taken;			/* their vectors */
} Mending;

static HnrMemEdges *
edges_of(Mending *m, uint32 node)
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

/* ---- links that are kept in any case ---- */

/* Puts link i of a list behind those that are kept. */
static void
keep(Mending *m, uint32 node, int i)
{
	HnrMemEdges *edges = edges_of(m, node);
	HnrMemEdge	e = edges->edge[i];
	int			n = m->nkept[node]++;

	memmove(&edges->edge[n + 1], &edges->edge[n], sizeof(HnrMemEdge) * (i - n));
	edges->edge[n] = e;
}

static int
most_kept(const Mending *m)
{
	return Min(HNR_FAR_KEPT, (m->slots + 1) / 2);
}

/* How far is far; lists stand nearest first. */
static float
far_limit(Mending *m, uint32 node)
{
	HnrMemEdges *edges = edges_of(m, node);

	if (edges->count == 0)
		return INFINITY;
	return edges->edge[Min(edges->count, m->new_degree) - 1].distance * m->beyond;
}

static void
keep_far(Mending *m, uint32 node, float limit)
{
	HnrMemEdges *edges = edges_of(m, node);

	for (int i = m->new_degree; i < edges->count && m->nkept[node] < most_kept(m); i++)
		if (edges->edge[i].distance > limit)
			keep(m, node, i);
}

/* Puts a link into a list, in the place of the farthest if need be, and keeps it. */
static void
add_kept(Mending *m, uint32 node, HnrMemEdge e)
{
	HnrMemEdges *edges = edges_of(m, node);
	int			i = 0;

	while (i < edges->count && edges->edge[i].node != e.node)
		i++;
	if (i < m->nkept[node] || m->nkept[node] == most_kept(m))
		return;
	if (i == edges->count)
	{
		if (i == m->slots)
			i--;
		else
			edges->count++;
		edges->edge[i] = e;
	}
	keep(m, node, i);
}

/* What is nearest to a node in samples, if it is in any, the smallest first; all different. */
static int
measure_far(Mending *m, uint32 node, HnrMemEdge *far)
{
	const HnrFar *found = hnr_weave_far(m->weave, node);
	const void *self;
	int			n = 0;

	if (found == NULL)
		return 0;
	self = hnr_take(&m->taken, node, 0);
	for (; n < HNR_FAR && found->member[n] != HNR_MEM_NONE; n++)
	{
		far[n].node = found->member[n];
		far[n].distance = hnr_taken_distance(&m->taken, self, hnr_take(&m->taken, far[n].node, 1));
	}
	return n;
}

/* Links to some of these. */
static void
keep_sampled(Mending *m, uint32 node, float limit)
{
	HnrMemEdge	far[HNR_FAR];
	int			n = measure_far(m, node, far);
	int			nbeyond = 0;

	if (n == 0)
		return;
	add_kept(m, node, far[0]);
	for (int i = 1; i < n; i++)
		if (far[i].distance > limit)
			far[nbeyond++] = far[i];
	hnr_weave_sort(far, nbeyond, node);
	for (int i = 0; i < nbeyond; i++)
		add_kept(m, node, far[i]);
}

static void
keep_all(Mending *m)
{
	m->weave = hnr_weave_create_candidates(m->graph);
	hnr_weave_run_candidates(m->weave, LEAST_SAMPLE);
	for (uint32 i = 0; i < m->graph->nnodes; i++)
	{
		float		limit = far_limit(m, i);

		/* under the inner product, what is far says nothing */
		if (m->metric->kind != HNR_METRIC_IP)
			keep_far(m, i, limit);
		keep_sampled(m, i, limit);
		hnr_inherit_poll(1);
	}
}

/* ---- who leads to whom ---- */

static uint64
back_begin(Mending *m, uint32 node)
{
	return node == 0 ? 0 : m->back_end[node - 1];
}

static void
list_back(Mending *m)
{
	uint32		n = m->graph->nnodes;
	uint64		sum = 0;

	memset(m->back_end, 0, sizeof(uint64) * n);
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < edges_of(m, i)->count; j++)
			m->back_end[edges_of(m, i)->edge[j].node]++;
	}
	for (uint32 i = 0; i < n; i++)
	{
		uint64		count = m->back_end[i];

		m->back_end[i] = sum;
		sum += count;
	}
	for (uint32 i = 0; i < n; i++)
	{
		HnrMemEdges *edges = edges_of(m, i);

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < edges->count; j++)
		{
			HnrMemEdge *e = &m->back[m->back_end[edges->edge[j].node]++];

			e->node = i | (j < m->nkept[i] ? KEPT : 0);
			e->distance = edges->edge[j].distance;
		}
	}
}

/* ---- choosing ---- */

/* A vector into a place of m->taken; where it has to be decoded, the present group may have it. */
static void
take(void *context, HnrMemEdge *candidate, const HnrMemEdge *next, int place, bool compared)
{
	Mending    *m = context;
	uint32		column = m->column[candidate->node];
	bool		decoded = m->taken.room != NULL;

	if (compared && next)
		hnr_taken_prefetch(&m->taken, next->node);
	if (decoded && column != HNR_MEM_NONE)
		m->taken.at[place] = m->columns->vec + (Size) column * m->columns->stride;
	else if (compared)
	{
		float	   *vec = unconstify(void *, hnr_take(&m->taken, candidate->node, place));

		/* those of a group are moved */
		for (int k = 0; decoded && m->columns->n > 0 && k < m->width; k++)
			vec[k] -= m->center[k];
	}
}

static float
distance_between(void *context, int i, int j)
{
	Mending    *m = context;

	return hnr_taken_distance(&m->taken, m->taken.at[i], m->taken.at[j]);
}

/*
 * Makes a node's list of up to max of n candidates in m->edge, of which the first ones
 * are kept and the others are put in order and chosen as select.h has it.
 */
static void
choose(Mending *m, uint32 node, int nkept, int n, int max)
{
	HnrMemEdges *edges = edges_of(m, node);

	hnr_select_sort(m->edge + nkept, n - nkept, node, m->key, m->sorted);
	edges->count = hnr_select_edges(m->edge, n, nkept, max, take, distance_between, m, edges->edge);
	hnr_inherit_poll(CHOOSE_US);
}

/* ---- groups ---- */

static bool
is_to_choose(Mending *m, uint32 node)
{
	return hnr_inherit_flags(m->inherit, node) != 0 || edges_of(m, node)->count < m->new_degree;
}

static int
add_column(Mending *m, int n, uint32 node)
{
	if (n == MOST_COLUMNS || m->column[node] != HNR_MEM_NONE)
		return n;
	m->column[node] = n;
	m->member[n] = node;
	return n + 1;
}

/* Loads nodes as rows; as columns, these and what they lead to. */
static void
load_group(Mending *m, const uint32 *nodes, int count)
{
	const float *center = NULL;
	int			n = 0;

	for (int i = 0; i < count; i++)
		n = add_column(m, n, nodes[i]);
	for (int i = 0; i < count; i++)
		for (int j = 0; j < edges_of(m, nodes[i])->count; j++)
			n = add_column(m, n, edges_of(m, nodes[i])->edge[j].node);
	if (hnr_points_have_center(m->columns))
	{
		/* any of them will do: they are near each other */
		hnr_mem_graph_decode(m->graph, nodes[0], m->center);
		center = m->center;
	}
	hnr_points_load(m->columns, m->member, n, center);
	hnr_points_load(m->rows, nodes, count, center);
}

static void
unload_group(Mending *m)
{
	for (int i = 0; i < m->columns->n; i++)
		m->column[m->member[i]] = HNR_MEM_NONE;
	m->columns->n = 0;
	memset(m->center, 0, sizeof(float) * m->width);
}

/* Adds those of `count` candidates that are none yet to n in m->edge; returns how many there are. */
static int
add_candidates(Mending *m, int n, const HnrMemEdge *others, int count)
{
	int			had = n;

	for (int i = 0; i < count; i++)
		if (!has_link(m->edge, had, others[i].node))
			m->edge[n++] = others[i];
	return n;
}

/* Chooses among what a node has, what is nearest in its group, its cell and samples. */
static void
choose_anew(Mending *m, uint32 node, const float *distances)
{
	HnrMemEdges *edges = edges_of(m, node);
	HnrMemEdge	nearest[HNR_POINTS_MOST];
	HnrMemEdge	far[HNR_FAR];
	int			nfar = measure_far(m, node, far);
	int			k = hnr_points_nearest(distances, hnr_points_width(m->columns->n), NEAREST,
									   INFINITY, nearest);
	int			nnear;
	const HnrMemEdge *near = hnr_weave_near(m->weave, node, &nnear);
	int			n = edges->count;

	for (int i = 0; i < k; i++)
		nearest[i].node = m->member[nearest[i].node];
	memcpy(m->edge, edges->edge, sizeof(HnrMemEdge) * n);
	n = add_candidates(m, n, nearest, k);
	n = add_candidates(m, n, near, nnear);
	n = add_candidates(m, n, far, nfar);
	choose(m, node, m->nkept[node], n, m->new_degree);
}

static void
mend_group(Mending *m, const uint32 *nodes, int count)
{
	uint32		row[GROUP];
	int			nrows = 0;

	for (int i = 0; i < count; i++)
		if (is_to_choose(m, nodes[i]))
			row[nrows++] = nodes[i];
	if (nrows == 0)
		return;
	load_group(m, row, nrows);
	hnr_points_distances(m->rows, 0, nrows, m->columns, m->distances);
	for (int i = 0; i < nrows; i++)
	{
		float	   *distances = m->distances + (Size) i * hnr_points_width(m->columns->n);

		distances[i] = INFINITY;	/* itself */
		choose_anew(m, row[i], distances);
	}
	unload_group(m);
}

/* ---- joining ---- */

static void
join(Mending *m, uint32 node)
{
	HnrMemEdges *edges = edges_of(m, node);
	int			own = m->nkept[node];
	int			nkept = own;
	int			n;

	memcpy(m->edge, edges->edge, sizeof(HnrMemEdge) * own);
	for (uint64 j = back_begin(m, node); j < m->back_end[node]; j++)
	{
		HnrMemEdge	e = m->back[j];

		if ((e.node & KEPT) == 0 || nkept >= (m->slots + 1) / 2)
			continue;
		e.node &= ~KEPT;
		if (!has_link(edges->edge, own, e.node))
			m->edge[nkept++] = e;
	}
	n = nkept;
	for (int i = own; i < edges->count; i++)
		if (!has_link(m->edge, nkept, edges->edge[i].node))
			m->edge[n++] = edges->edge[i];
	for (uint64 j = back_begin(m, node); j < m->back_end[node] && n < MOST_COLUMNS; j++)
	{
		HnrMemEdge	e = m->back[j];

		e.node &= ~KEPT;
		if (!has_link(edges->edge, edges->count, e.node) && !has_link(m->edge, nkept, e.node))
			m->edge[n++] = e;
	}
	choose(m, node, nkept, n, m->slots);
}

static void
init(Mending *m, HnrMemGraph *graph, HnrInherit *inherit)
{
	const HnrIndex *index = graph->index;
	uint32		n = graph->nnodes;
	int			most = MOST_COLUMNS + HNR_POINTS_MOST + HNR_FAR + index->layout.ground.slots;

	m->graph = graph;
	m->inherit = inherit;
	m->metric = index->metric;
	m->width = index->layout.dims;
	m->slots = index->layout.ground.slots;
	m->new_degree = hnr_new_degree(&index->layout, 0, index->meta.m);
	m->beyond = m->metric->kind == HNR_METRIC_L1 ? HNR_FAR_BEYOND :
		HNR_FAR_BEYOND * HNR_FAR_BEYOND;
	m->nkept = palloc_extended(n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	m->back_end = palloc_extended(sizeof(uint64) * n, MCXT_ALLOC_HUGE);
	m->back = palloc_extended(sizeof(HnrMemEdge) * m->slots * (Size) n, MCXT_ALLOC_HUGE);
	m->column = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	memset(m->column, 0xFF, sizeof(uint32) * n);
	m->member = palloc(sizeof(uint32) * MOST_COLUMNS);
	m->rows = hnr_points_create(graph, GROUP, false, HNR_POINTS_OF_NODES);
	m->columns = hnr_points_create(graph, MOST_COLUMNS, true, HNR_POINTS_OF_NODES);
	m->center = palloc0(sizeof(float) * m->width);
	m->distances = palloc(sizeof(float) * GROUP * MOST_COLUMNS);
	m->edge = palloc(sizeof(HnrMemEdge) * most);
	m->key = palloc(sizeof(uint64) * most);
	m->sorted = palloc(sizeof(HnrMemEdge) * most);
	hnr_taken_init(&m->taken, graph, m->slots + 1);
}

Size
hnr_mend_memory(const HnrIndex *index, uint32 nodes)
{
	Size		node = hnr_growth_upper_memory(index) + sizeof(uint8) + sizeof(bool) + sizeof(uint64) +
		2 * sizeof(uint32) + sizeof(HnrMemEdge) * index->layout.ground.slots;

	return (hnr_weave_candidates_memory() + node) * nodes + hnr_weave_process_memory(index) +
		sizeof(float) * MOST_COLUMNS * (2 * index->layout.dims + GROUP);
}

void
hnr_mend_links(HnrMemGraph *graph, HnrInherit *inherit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw mend",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Mending    *m = palloc0(sizeof(Mending));
	uint32		n = graph->nnodes;
	uint32	   *order;

	init(m, graph, inherit);
	order = hnr_arrange_nodes(graph, n, GROUP);
	keep_all(m);
	for (uint32 i = 0; i < n; i += GROUP)
		mend_group(m, order + i, Min(GROUP, n - i));
	list_back(m);
	for (uint32 i = 0; i < n; i++)
		join(m, i);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
