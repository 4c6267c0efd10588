/*-------------------------------------------------------------------------
 *
 * leaders.c
 *		Some of the rows in a temporary file, which stand for those near them.
 *		See leaders.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/leaders.h"
#include "am/weaving.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Rows looked at for each leader that is to be far from others. */
#define TRIES			16

void
hnr_leaders_load(HnrLeaders *l, int i)
{
	hnr_stored_decode(l->index->layout.encoding, l->row + sizeof(HnrShardRow), l->index->layout.dims,
					  ((HnrShardRow *) l->row)->scale, l->strip->vec + (Size) i * l->strip->stride);
}

void
hnr_leaders_measure(HnrLeaders *l, int n)
{
	l->strip->n = n;
	hnr_points_move(l->strip, l->center);
	hnr_points_distances(l->strip, 0, n, l->columns, l->distances);
}

/* Takes n rows for leaders, or fewer, if there are equal ones. */
static void
set_leaders(HnrLeaders *l, const uint32 *at, int n)
{
	uint32	   *all = palloc(sizeof(uint32) * n);
	float	   *center = palloc(sizeof(float) * l->index->layout.dims);

	l->arena = hnr_arena_create(false);
	l->graph = hnr_mem_graph_create(l->index, false, l->arena);
	for (int i = 0; i < n; i++)
	{
		hnr_spill_read_at(l->rows, at[i], l->row);
		hnr_mem_graph_find(l->graph, l->row + sizeof(HnrShardRow), ((HnrShardRow *) l->row)->scale, false);
	}
	hnr_mem_graph_complete(l->graph);
	l->n = l->graph->nnodes;
	for (int i = 0; i < l->n; i++)
		all[i] = i;
	l->columns = hnr_points_create(l->graph, l->n, true, HNR_POINTS_OF_FLOATS);
	l->strip = hnr_points_create(l->graph, HNR_POINTS_STRIP, false, HNR_POINTS_OF_FLOATS);
	l->distances = palloc_extended(sizeof(float) * HNR_POINTS_STRIP * hnr_points_width(l->n), MCXT_ALLOC_HUGE);
	hnr_points_load(l->columns, all, l->n, NULL);
	if (l->index->metric->kind == HNR_METRIC_L2)
	{
		hnr_points_center(l->columns, center);
		hnr_points_move(l->columns, center);
		l->center = center;
	}
}

void
hnr_leaders_free(HnrLeaders *l)
{
	hnr_mem_graph_free(l->graph);
	hnr_arena_free(l->arena);
}

typedef struct Try
{
	uint32		row;
	double		key;			/* the greater, the sooner it is taken */
} Try;

static int
compare_tries(const void *a, const void *b)
{
	double		x = ((const Try *) a)->key;
	double		y = ((const Try *) b)->key;

	return x > y ? -1 : x < y;
}

/*
 * n rows of some at random, each the likelier the farther it is from all leaders: so a cluster
 * without one gets one.  (Weights as in k-means++, Arthur and Vassilvitskii 2007; without
 * replacement as in Efraimidis and Spirakis 2006.)
 */
static int
choose_far_rows(HnrLeaders *l, uint32 *at, int n)
{
	uint32		nrows = hnr_spill_count(l->rows);
	int			ntries = (int) Min((double) n * TRIES, nrows);
	uint32	   *rows = palloc(sizeof(uint32) * ntries);
	Try		   *tries = palloc(sizeof(Try) * ntries);
	pg_prng_state prng;

	hnr_cells_choose_leaders(NULL, nrows, ntries, nrows + 1, rows);
	pg_prng_seed(&prng, nrows);
	for (int from = 0; from < ntries; from += HNR_POINTS_STRIP)
	{
		int			count = Min(HNR_POINTS_STRIP, ntries - from);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
		{
			hnr_spill_read_at(l->rows, rows[from + i], l->row);
			hnr_leaders_load(l, i);
		}
		hnr_leaders_measure(l, count);
		for (int i = 0; i < count; i++)
		{
			const float *distances = l->distances + (Size) i * hnr_points_width(l->n);
			float		least = INFINITY;

			for (int j = 0; j < l->n; j++)
				least = Min(least, distances[j]);
			tries[from + i].row = rows[from + i];
			tries[from + i].key = least > 0 ? log(1 - pg_prng_double(&prng)) / least : -INFINITY;
		}
	}
	qsort(tries, ntries, sizeof(Try), compare_tries);
	for (int i = 0; i < Min(n, ntries); i++)
		at[i] = tries[i].row;
	return Min(n, ntries);
}

void
hnr_leaders_choose(HnrLeaders *l, int n)
{
	uint32		nrows = hnr_spill_count(l->rows);
	uint32	   *at = palloc(sizeof(uint32) * n);
	int			first = l->index->metric->kind == HNR_METRIC_IP ? n : (n + 1) / 2;

	hnr_cells_choose_leaders(NULL, nrows, first, nrows, at);
	if (first < n)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw first leaders",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);

		set_leaders(l, at, first);
		n = first + choose_far_rows(l, at + first, n - first);
		hnr_leaders_free(l);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	set_leaders(l, at, n);
	pfree(at);
}
