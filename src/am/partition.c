/*-------------------------------------------------------------------------
 *
 * partition.c
 *		The partitions of members into cells, one after the other: the leader's part of
 *		cells.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/weaving.h"
#include "utils/memutils.h"

/* Of so many members, one is looked at for what a partition has found. */
#define SAMPLE			16

static uint16 *
cells_of(HnrWeave *w, uint32 member)
{
	return hnr_array_at(&w->assigned, member);
}

static HnrCell *
cell_at(HnrWeave *w, int i)
{
	return hnr_array_at(&w->cell, i);
}

/* Lists the members by cell; small cells are put together.  Returns how many. */
static int
list_cells(HnrWeave *w)
{
	int			nleaders = w->state->nleaders;
	uint32	   *first = palloc0(sizeof(uint32) * (nleaders + 1));
	int			n = 0;

	for (uint32 i = 0; i < w->state->n; i++)
		for (int j = 0; j < HNR_OVERLAP; j++)
			if (cells_of(w, i)[j] != HNR_NO_CELL)
				first[cells_of(w, i)[j] + 1]++;
	for (int i = 0; i < nleaders; i++)
		first[i + 1] += first[i];
	for (int i = 0; i < nleaders; i++)
	{
		uint32		count = first[i + 1] - first[i];

		if (n > 0 && cell_at(w, n - 1)->count + count <= w->leaf / 2)
			cell_at(w, n - 1)->count += count;
		else
			*cell_at(w, n++) = (HnrCell) {first[i], count};
	}
	for (uint32 i = 0; i < w->state->n; i++)
		for (int j = 0; j < HNR_OVERLAP; j++)
			if (cells_of(w, i)[j] != HNR_NO_CELL)
				*(uint32 *) hnr_array_at(&w->members, first[cells_of(w, i)[j]]++) = i;
	pfree(first);
	return n;
}

/*
 * How much a partition has found, from a sample of members: how many of the nearest m of
 * each are new, m for all being 1.  before has the distances of the m-th nearest, which
 * are brought up to date.
 */
static double
count_fresh(HnrWeave *w, float *before)
{
	int			m = w->graph->index->meta.m;
	uint64		fresh = 0;
	uint32		sampled = 0;

	for (uint32 i = 0; i < w->state->nlisted; i += SAMPLE, sampled++)
	{
		const HnrMemEdge *near = hnr_array_at(&w->near, i);
		int			count = *(uint32 *) hnr_array_at(&w->counts, i);
		int			nearer = 0;

		while (nearer < count && near[nearer].distance <= before[sampled])
			nearer++;
		fresh += Min(Max(nearer - m, 0), m);
		before[sampled] = count >= m ? near[m - 1].distance : INFINITY;
	}
	return (double) fresh / m / Max(sampled, 1);
}

static void
run_partition(HnrWeave *w, int number, double share)
{
	HnrWeaveState *state = w->state;
	uint32	   *leaders = palloc(sizeof(uint32) * w->leaf);

	state->partition++;
	state->nleaders = Min((uint64) state->n * HNR_OVERLAP * 2 / w->leaf, w->leaf);
	hnr_cells_choose_leaders(NULL, state->n, state->nleaders, number, leaders);
	for (int i = 0; i < state->nleaders; i++)
		*(uint32 *) hnr_array_at(&w->leaders, i) = leaders[i];
	pfree(leaders);
	hnr_weave_step(w, HNR_STEP_ASSIGN, (state->n - 1) / HNR_CELLS_TASK + 1, share * 0.2);
	hnr_weave_step(w, HNR_STEP_COMPARE, list_cells(w), share * 0.8);
}

void
hnr_cells_run(HnrWeave *w, int most_partitions, double share)
{
	HnrWeaveState *state = w->state;
	float	   *before;

	for (uint32 i = 0; i < state->nlisted; i++)
	{
		*(uint32 *) hnr_array_at(&w->counts, i) = 0;
		memset(hnr_array_at(&w->nearest_leaders, i), 0xFF, sizeof(uint32) * HNR_LEADERS);
	}
	if (state->n <= w->leaf)
	{
		for (uint32 i = 0; i < state->n; i++)
			*(uint32 *) hnr_array_at(&w->members, i) = i;
		*cell_at(w, 0) = (HnrCell) {0, state->n};
		hnr_weave_step(w, HNR_STEP_COMPARE, 1, share);
		return;
	}
	before = palloc_extended(sizeof(float) * (Size) (state->nlisted / SAMPLE + 1),
							 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int p = 0; p < most_partitions; p++)
	{
		/* where there may be many, there are mostly two or three */
		double		part = most_partitions == 1 ? 1 : (p < 2 ? 0.4 : (p == 2 ? 0.2 : 0));

		run_partition(w, p, share * part);
		if (count_fresh(w, before) < w->enough && p > 0)
			break;
	}
	pfree(before);
}
