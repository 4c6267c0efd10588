/*-------------------------------------------------------------------------
 *
 * halve.c
 *		Cells, each of the points nearest to it, in parts of about the same weight and of
 *		cells near each other.  See halve.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/halve.h"
#include "miscadmin.h"

typedef struct Side
{
	int			cell;
	float		side;			/* the less, the nearer to one end */
} Side;

static int
compare_sides(const void *a, const void *b)
{
	const Side *x = a;
	const Side *y = b;

	if (x->side != y->side)
		return x->side < y->side ? -1 : 1;
	return x->cell - y->cell;
}

static float
cell_distance(const HnrHalving *h, int a, int b)
{
	return hnr_metric_distance(h->metric, h->cells->dims,
							   h->cells->vec + (Size) a * h->cells->stride,
							   h->cells->vec + (Size) b * h->cells->stride);
}

/* The farthest of n cells from one. */
static int
farthest(const HnrHalving *h, const Side *cells, int n, int from)
{
	int			best = from;
	float		most = -INFINITY;

	for (int i = 0; i < n; i++)
	{
		float		distance = cell_distance(h, from, cells[i].cell);

		if (cells[i].cell != from && distance > most)
		{
			best = cells[i].cell;
			most = distance;
		}
	}
	return best;
}

/* Gives n cells to `count` parts from `first` on, halving them again and again. */
static void
halve(const HnrHalving *h, Side *cells, int n, int first, int count)
{
	double		total = 0;
	double		left = 0;
	int			ends[2];
	int			cut = 0;
	int			half;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < n && (n == 1 || count == 1); i++)
	{
		h->first_part[cells[i].cell] = first;
		h->parts[cells[i].cell] = count;
	}
	if (n == 1 || count == 1)
		return;
	ends[0] = farthest(h, cells, n, cells[0].cell);
	ends[1] = farthest(h, cells, n, ends[0]);
	for (int i = 0; i < n; i++)
	{
		total += h->weight[cells[i].cell];
		cells[i].side = cell_distance(h, cells[i].cell, ends[0]) - cell_distance(h, cells[i].cell, ends[1]);
	}
	qsort(cells, n, sizeof(Side), compare_sides);
	do
		left += h->weight[cells[cut++].cell];
	while (cut < n - 1 && left + h->weight[cells[cut].cell] / 2.0 < total * (count / 2) / count);
	half = Min(Max((int) rint(count * left / Max(total, 1)), 1), count - 1);
	halve(h, cells, cut, first, half);
	halve(h, cells + cut, n - cut, first + half, count - half);
}

void
hnr_halve_cells(const HnrHalving *h, int ncells, int parts)
{
	Side	   *cells = palloc(sizeof(Side) * ncells);

	for (int i = 0; i < ncells; i++)
		cells[i].cell = i;
	halve(h, cells, ncells, 0, parts);
	pfree(cells);
}
