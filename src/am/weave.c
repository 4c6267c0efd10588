/*-------------------------------------------------------------------------
 *
 * weave.c
 *		Making the graph in memory when all its rows are there.  See weave.h.
 *
 * The levels above the ground grow vertex by vertex (grow.c); the ground is made at once:
 * candidates (cells.c), then links (links.c).
 *
 * The nearest alone would leave clusters without links between them.  Where a graph
 * grows row by row, the first rows give links over some distance, since they were the
 * nearest when there were no others.  Here samples do: one member in HNR_SAMPLED, of these
 * every other, of these every other, and so on.  In each sample, members find the
 * nearest, and what is in a sample has these as candidates behind the nearest of all;
 * to some of them it is linked in any case.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/grow.h"
#include "am/slots.h"
#include "am/team.h"
#include "am/weave.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* A leaf's vectors, twice, are to stay in the processor's cache. */
#define MOST_LEAF		1000
#define LEAST_LEAF		128
#define LEAF_BYTES		((Size) 8 * 1024 * 1024)

/* Shares of the work. */
#define SAMPLES_SHARE	0.08
#define CANDIDATES_SHARE 0.52
#define CHOICE_SHARE	0.22
#define LIST_SHARE		0.02
#define JOIN_SHARE		0.16

/* Of candidates for a graph that has links. */
#define MEND_SAMPLES_SHARE 0.25

/* Partitions are made until the last finds little that is new, but no more than these. */
#define MOST_PARTITIONS	6

/* Candidates that a sample gives, and the members of the smallest. */
#define SAMPLE_NEAREST	16
#define LEAST_SAMPLE	4

/*
 * For a graph that has links: the most members of a leaf, candidates that a cell gives, and what a
 * member keeps of all cells.
 */
#define MEND_LEAF		650
#define MEND_NEAREST	16
#define MEND_MOST		32

static int
leaf_size(const HnrIndex *index)
{
	/* leaders take as much */
	Size		most = Min(LEAF_BYTES, (Size) maintenance_work_mem * 1024 / 16);

	most = Min(most / (sizeof(float) * 2 * index->layout.dims), sqrt(most / sizeof(float)));
	return Min(Max(most, LEAST_LEAF), MOST_LEAF);
}

/* What ef_construction says about how much to look for. */
static int
most_near(const HnrIndex *index)
{
	int			n = Min(Max(index->meta.ef_construction * 3 / 2, 32), 128);

	return Max(n, 2 * index->meta.m);
}

static double
enough(const HnrIndex *index)
{
	int			ef = index->meta.ef_construction;

	return ef < 100 ? 0.35 : (ef < 300 ? 0.15 : 0.08);
}

Size
hnr_weave_memory(const HnrIndex *index)
{
	return sizeof(HnrMemEdge) * most_near(index) + sizeof(uint32) * (1 + HNR_LEADERS) +
		(sizeof(HnrFar) + sizeof(uint32)) / HNR_SAMPLED +
		(sizeof(uint16) + sizeof(uint32)) * HNR_OVERLAP + sizeof(uint64) + sizeof(uint64) +
		hnr_growth_upper_memory(index);
}

Size
hnr_weave_sample_memory(void)
{
	return sizeof(HnrMemEdge) * SAMPLE_NEAREST + sizeof(uint32) * (2 + HNR_LEADERS) + sizeof(HnrFar) +
		(sizeof(uint16) + sizeof(uint32)) * HNR_OVERLAP + sizeof(uint64);
}

/* Room for that, and for as many links of others to it. */
static int
most_mended(const HnrIndex *index)
{
	return Max(MEND_MOST, index->layout.ground.slots);
}

Size
hnr_weave_mending_memory(const HnrIndex *index)
{
	return hnr_weave_memory(index) + sizeof(uint8) +
		sizeof(HnrMemEdge) * most_mended(index) - sizeof(HnrMemEdge) * most_near(index);
}

Size
hnr_weave_process_memory(const HnrIndex *index)
{
	Size		leaf = leaf_size(index);

	return leaf * sizeof(float) * (4 * index->layout.dims + leaf);
}

/* Without its arrays. */
static HnrWeave *
new_weave(HnrMemGraph *graph, HnrWeaveState *state)
{
	HnrWeave   *w = palloc0(sizeof(HnrWeave));

	w->graph = graph;
	w->state = state;
	w->leaf = leaf_size(graph->index);
	w->most_near = state->sample ? SAMPLE_NEAREST : most_near(graph->index);
	w->keep = state->sample ? SAMPLE_NEAREST : Max(w->most_near / 4, 8);
	w->enough = enough(graph->index);
	if (state->mending)
	{
		w->leaf = Min(w->leaf, MEND_LEAF);
		w->most_near = most_mended(graph->index);
		w->keep = MEND_NEAREST;
	}
	return w;
}

/*
 * Each array with the size of its items and their number.  Of so many nodes, so many are
 * listed; there are more where there are samples only.
 */
static void
make_arrays(HnrWeave *w, uint32 nodes, uint32 listed, uint64 nlinks)
{
	HnrArena   *arena = w->graph->arena;
	bool		joining = w->state->joining;
	uint32		near = joining ? nlinks / w->most_near + 1 : listed;
	uint32		sampled = joining ? 0 : w->state->nlisted / w->state->sampling;
	uint32		found = joining ? 0 : nodes;	/* of what serves to find candidates */
	const struct
	{
		HnrArray   *array;
		Size		item;
		uint32		count;
	}			arrays[] = {
		{&w->node_of, sizeof(uint32), sampled},
		{&w->near, sizeof(HnrMemEdge) * w->most_near, near},
		{&w->counts, sizeof(uint32), nodes},
		{&w->far, sizeof(HnrFar), sampled},
		{&w->nearest_leaders, sizeof(uint32) * HNR_LEADERS, Min(found, listed)},
		{&w->assigned, sizeof(uint16) * HNR_OVERLAP, found},
		{&w->members, sizeof(uint32), joining ? listed : found * HNR_OVERLAP},
		{&w->cell, sizeof(HnrCell), w->leaf},
		{&w->leaders, sizeof(uint32), w->leaf},
		{&w->from, sizeof(pg_atomic_uint64), nodes},
		{&w->lists, sizeof(uint8), w->state->mending ? nodes : 0},
	};

	for (int i = 0; i < lengthof(arrays); i++)
	{
		hnr_array_init(arrays[i].array, arena, arrays[i].item);
		hnr_array_reserve(arrays[i].array, arrays[i].count);
	}
}

static HnrWeaveState *
create_state(HnrMemGraph *graph, uint32 nlisted, uint32 sampling)
{
	HnrWeaveState *state = palloc0(sizeof(HnrWeaveState));

	state->nnodes = graph->nnodes;
	state->nlisted = nlisted;
	state->sampling = sampling;
	state->sample = sampling == 1;
	pg_atomic_init_u32(&state->next_task, 0);
	pg_atomic_init_u32(&state->unsound, HNR_MEM_NONE);
	return state;
}

static HnrWeave *
create(HnrMemGraph *graph, uint32 nlisted, uint32 sampling)
{
	return new_weave(graph, create_state(graph, nlisted, sampling));
}

HnrWeave *
hnr_weave_create(HnrMemGraph *graph)
{
	HnrWeave   *w = create(graph, graph->nnodes, HNR_SAMPLED);

	make_arrays(w, graph->nnodes, graph->nnodes, 0);
	hnr_slots_make_arrays(w, true, 0);
	return w;
}

HnrWeave *
hnr_weave_create_part(HnrMemGraph *graph, uint32 nlisted, uint32 sampling)
{
	HnrWeave   *w = create(graph, nlisted, sampling);

	make_arrays(w, graph->nnodes, nlisted, 0);
	hnr_slots_make_arrays(w, false, 0);
	return w;
}

HnrWeave *
hnr_weave_create_mending(HnrMemGraph *graph, Size beside)
{
	HnrWeaveState *state = create_state(graph, graph->nnodes, HNR_SAMPLED);
	HnrWeave   *w;

	state->mending = true;
	state->marked = true;
	w = new_weave(graph, state);
	make_arrays(w, graph->nnodes, graph->nnodes, 0);
	hnr_slots_make_arrays(w, true, beside);
	return w;
}

HnrWeave *
hnr_weave_create_join(HnrMemGraph *graph, uint32 nlisted, uint64 nlinks)
{
	HnrWeave   *w = create(graph, nlisted, HNR_SAMPLED);

	w->state->joining = true;
	w->state->marked = true;
	w->state->numbered = true;
	w->state->n = nlisted;
	make_arrays(w, graph->nnodes, nlisted, nlinks);
	hnr_slots_make_arrays(w, true, 0);
	return w;
}

HnrWeave *
hnr_weave_attach(HnrMemGraph *graph, HnrWeaveState *state)
{
	HnrWeave   *w = new_weave(graph, state);
	HnrArray   *arrays[] = {
		&w->node_of, &w->near, &w->counts, &w->far, &w->nearest_leaders, &w->assigned, &w->members, &w->cell,
		&w->leaders, &w->from, &w->lists, &w->slots, &w->rotated, &w->old_slots
	};

	graph->nnodes = state->nnodes;
	for (int i = 0; i < lengthof(arrays); i++)
		hnr_array_attach(arrays[i], graph->arena, HNR_MEM_ARRAYS + i);
	w->batch = hnr_slots_batch(graph->index);
	w->locking = true;
	return w;
}

static void
do_task(HnrWeave *w, uint32 task)
{
	switch (w->state->step)
	{
		case HNR_STEP_MEASURE:
			hnr_mend_measure_task(w, task);
			break;
		case HNR_STEP_ASSIGN:
			hnr_cells_assign(w, task);
			break;
		case HNR_STEP_COMPARE:
			hnr_cells_compare(w, task);
			break;
		case HNR_STEP_KEEP:
			hnr_links_keep(w, task);
			break;
		case HNR_STEP_CHOOSE:
			hnr_links_choose(w, task);
			break;
		case HNR_STEP_MEND:
			hnr_mend_task(w, task);
			break;
		case HNR_STEP_LIST:
			hnr_links_list(w, task);
			break;
		case HNR_STEP_JOIN:
			hnr_links_join(w, task);
			break;
		case HNR_STEP_ROTATE:
			hnr_slots_rotate(w, task);
			break;
		case HNR_STEP_FILL:
			hnr_slots_fill(w, task);
			break;
		default:
			elog(ERROR, "unexpected step %d", (int) w->state->step);
	}
}

float
hnr_weave_separation(const HnrIndex *index, const float *a, const float *b)
{
	if (index->metric->kind == HNR_METRIC_L1)
		return hnr_distance->l1(index->layout.dims, a, b);
	return sqrtf(hnr_distance->l2_squared(index->layout.dims, a, b));
}

void
hnr_weave_tasks(HnrWeave *w)
{
	uint32		ntasks = w->state->ntasks;
	uint32		task;

	while ((task = pg_atomic_fetch_add_u32(&w->state->next_task, 1)) < ntasks)
	{
		CHECK_FOR_INTERRUPTS();
		do_task(w, task);
		if (w->progress)
			w->progress(w->progress_state,
						w->progress_from + w->progress_share * (task + 1) / ntasks);
	}
}

void
hnr_weave_begin_step(HnrWeave *w, HnrStep step, uint32 ntasks)
{
	w->state->step = step;
	w->state->ntasks = ntasks;
	pg_atomic_write_u32(&w->state->next_task, 0);
	if (w->team)
		hnr_team_begin_step(w);
}

void
hnr_weave_end_step(HnrWeave *w)
{
	hnr_weave_tasks(w);
	if (w->team)
		hnr_team_end_step(w);
}

void
hnr_weave_step_beside(HnrWeave *w, HnrStep step, uint32 ntasks, double share,
					  void (*beside) (HnrMemGraph *graph))
{
	w->progress_share = share;
	hnr_weave_begin_step(w, step, ntasks);
	if (beside)
		beside(w->graph);
	hnr_weave_end_step(w);
	w->progress_from += share;
}

void
hnr_weave_step(HnrWeave *w, HnrStep step, uint32 ntasks, double share)
{
	hnr_weave_step_beside(w, step, ntasks, share, NULL);
}

/* The node that member i of sample number s is. */
static uint32
expand(const HnrWeave *w, int s, uint32 i)
{
	for (; s > 0; s--)
		i = 2 * i + ((i + s) * 0x9E3779B1U >> 31);
	return hnr_weave_sampled(w, i);
}

/* Adds what a member of sample s found to its far candidates. */
static void
keep_far(HnrWeave *w, int s, uint32 member)
{
	const HnrMemEdge *near = hnr_array_at(&w->near, member);
	int			count = Min(*(uint32 *) hnr_array_at(&w->counts, member), SAMPLE_NEAREST);
	uint32	   *far = ((HnrFar *) hnr_array_at(&w->far, expand(w, s, member) / w->state->sampling))->member;
	int			n = 0;

	while (n < HNR_FAR && far[n] != HNR_MEM_NONE)
		n++;
	for (int i = 0; i < count && n < HNR_FAR; i++)
	{
		uint32		other = expand(w, s, near[i].node);
		bool		have = false;

		for (int j = 0; j < n && !have; j++)
			have = far[j] == other;
		if (!have)
			far[n++] = other;
	}
}

/* Finds the far candidates, without the `least` largest samples. */
static void
run_samples(HnrWeave *w, int least, double share)
{
	HnrWeaveState *state = w->state;
	uint32		nlisted = state->nlisted;
	uint32		size = nlisted / state->sampling;
	int			nsamples = 0;

	for (uint32 i = 0; i < size; i++)
		memset(((HnrFar *) hnr_array_at(&w->far, i))->member, 0xFF, sizeof(uint32) * HNR_FAR);
	state->numbered = false;
	while (size >> (nsamples + 1) >= LEAST_SAMPLE)
		nsamples++;
	/* the smallest first: what comes first counts most */
	for (int s = nsamples; s >= least && size >> s >= LEAST_SAMPLE; s--)
	{
		state->n = state->nlisted = size >> s;
		for (uint32 i = 0; i < state->n; i++)
			*(uint32 *) hnr_array_at(&w->node_of, i) = expand(w, s, i);
		hnr_cells_run(w, 1, share / (2 << s));
		for (uint32 i = 0; i < state->n; i++)
			keep_far(w, s, i);
	}
	state->nlisted = nlisted;
}

void
hnr_weave_run_samples(HnrWeave *w)
{
	run_samples(w, 0, 1);
}

void
hnr_weave_run_candidates(HnrWeave *w, int least, double share)
{
	run_samples(w, least, share * MEND_SAMPLES_SHARE);
	w->state->n = w->graph->nnodes;
	w->state->numbered = true;
	hnr_cells_run(w, 1, share * (1 - MEND_SAMPLES_SHARE));
}

const HnrMemEdge *
hnr_weave_near(const HnrWeave *w, uint32 node, int *n)
{
	*n = *(uint32 *) hnr_array_at(&w->counts, node);
	return hnr_array_at(&w->near, node);
}

void
hnr_weave_choose(HnrWeave *w, void (*beside) (HnrMemGraph *graph))
{
	run_samples(w, 0, SAMPLES_SHARE);
	w->state->n = w->graph->nnodes;
	w->state->numbered = true;
	hnr_cells_run(w, MOST_PARTITIONS, CANDIDATES_SHARE);
	hnr_links_choose_all(w, CHOICE_SHARE, beside);
}

void
hnr_weave_run(HnrWeave *w)
{
	if (w->graph->nnodes == 0)
		return;
	hnr_weave_choose(w, hnr_growth_link_upper);
	hnr_links_list_all(w, LIST_SHARE);
	hnr_links_join_all(w, JOIN_SHARE);
}
