/*-------------------------------------------------------------------------
 *
 * points.c
 *		Distances of many vectors to many.  See points.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "am/points.h"
#include "utils/memutils.h"

#define ALIGNMENT 64

/* The distances of a row are looked at in so many parts. */
#define PARTS			4
#define MOST_HALVINGS	20

static float *
alloc_floats(Size n)
{
	char	   *p = palloc_extended(sizeof(float) * n + ALIGNMENT, MCXT_ALLOC_HUGE);

	return (float *) TYPEALIGN(ALIGNMENT, p);
}

HnrPoints *
hnr_points_create(HnrMemGraph *graph, int max, bool columns, HnrPointsOf of)
{
	HnrPoints  *p = palloc0(sizeof(HnrPoints));

	p->graph = graph;
	p->dims = graph->index->layout.dims;
	p->stride = TYPEALIGN(ALIGNMENT / sizeof(float), p->dims);
	p->max = hnr_points_width(max);
	if (of == HNR_POINTS_OF_NODES && hnr_byte_points_serve(graph))
	{
		p->bytes = hnr_byte_points_create(graph, max, columns);
		return p;
	}
	p->vec = alloc_floats((Size) p->max * p->stride);
	p->square = alloc_floats(p->max);
	if (columns && graph->index->metric->kind != HNR_METRIC_L1)
		p->packed = alloc_floats((Size) p->max * p->dims);
	return p;
}

/* Coordinate k of column c of a block is at k * HNR_BLOCK_COLUMNS + c. */
static void
pack(HnrPoints *p)
{
	/* some coordinates of all columns at a time, whose places are near each other */
	const int	chunk = 16;

	memset(p->vec + (Size) p->n * p->stride, 0,
		   sizeof(float) * (hnr_points_width(p->n) - p->n) * p->stride);
	for (int b = 0; b < p->n; b += HNR_BLOCK_COLUMNS)
	{
		float	   *block = p->packed + (Size) b * p->dims;

		for (int from = 0; from < p->dims; from += chunk)
		{
			int			to = Min(from + chunk, p->dims);

			for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
			{
				const float *vec = p->vec + (Size) (b + c) * p->stride;

				for (int k = from; k < to; k++)
					block[k * HNR_BLOCK_COLUMNS + c] = vec[k];
			}
		}
	}
}

void
hnr_points_move(HnrPoints *p, const float *center)
{
	for (int i = 0; i < p->n; i++)
	{
		float	   *vec = p->vec + (Size) i * p->stride;

		if (center)
			for (int k = 0; k < p->dims; k++)
				vec[k] -= center[k];
		if (p->graph->index->metric->kind == HNR_METRIC_L2)
			p->square[i] = hnr_distance->inner_product(p->dims, vec, vec);
	}
	if (p->packed)
		pack(p);
}

void
hnr_points_load(HnrPoints *p, const uint32 *nodes, int n, const float *center)
{
	Assert(n <= p->max);
	p->n = n;
	if (p->bytes)
	{
		hnr_byte_points_load(p->bytes, nodes, n);
		return;
	}
	for (int i = 0; i < n; i++)
		hnr_mem_graph_decode(p->graph, nodes[i], p->vec + (Size) i * p->stride);
	if (center || !hnr_points_have_center(p))
		hnr_points_move(p, center);
}

void
hnr_points_center(const HnrPoints *p, float *center)
{
	memset(center, 0, sizeof(float) * p->dims);
	for (int i = 0; i < p->n; i++)
	{
		const float *vec = p->vec + (Size) i * p->stride;

		for (int k = 0; k < p->dims; k++)
			center[k] += vec[k];
	}
	for (int k = 0; k < p->dims; k++)
		center[k] /= Max(p->n, 1);
}

/* Makes distances of products of a row with a block of columns. */
static void
finish_block(HnrMetricKind kind, float square, const float *squares, int n, float *out)
{
	switch (kind)
	{
		case HNR_METRIC_L2:
			for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
				out[c] = (square + squares[c]) - 2.0f * out[c];
			break;
		case HNR_METRIC_COSINE:
			for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
				out[c] = 1.0f - out[c];
			break;
		default:
			for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
				out[c] = -out[c];
	}
	for (int c = n; c < HNR_BLOCK_COLUMNS; c++)
		out[c] = INFINITY;
}

/* Distances of rows from columns from `from` on, one by one; `out` has room for all columns. */
static void
distances_by_pairs(const HnrPoints *rows, int first, int count, const HnrPoints *columns,
				   int from, float *out)
{
	int			width = hnr_points_width(columns->n);

	for (int r = 0; r < count; r++)
	{
		const float *row = rows->vec + (Size) (first + r) * rows->stride;

		for (int c = from; c < width; c++)
			out[(Size) r * width + c] = c < columns->n ?
				hnr_distance->l1(rows->dims, row, columns->vec + (Size) c * columns->stride) :
				INFINITY;
	}
}

/* By bytes; HNR_BLOCK_COLUMNS divides from. */
static void
distances_by_bytes(const HnrPoints *rows, int first, int count, const HnrPoints *columns,
				   int from, float *out)
{
	int			width = hnr_points_width(columns->n);

	for (int c = from; c < columns->n; c += HNR_BLOCK_COLUMNS)
		for (int r = 0; r < count; r += HNR_BLOCK_ROWS)
			hnr_byte_points_block(rows->bytes, first + r, Min(HNR_BLOCK_ROWS, count - r),
								  columns->bytes, c, width, out + (Size) r * width + c);
	for (int r = 0; r < count; r++)
		for (int c = columns->n; c < width; c++)
			out[(Size) r * width + c] = INFINITY;
}

/* By products of blocks; likewise. */
static void
distances_by_blocks(const HnrPoints *rows, int first, int count, const HnrPoints *columns,
					int from, float *out)
{
	HnrMetricKind kind = rows->graph->index->metric->kind;
	int			width = hnr_points_width(columns->n);
	float		block[HNR_BLOCK_ROWS * HNR_BLOCK_COLUMNS];

	for (int c = from; c < columns->n; c += HNR_BLOCK_COLUMNS)
		for (int r = 0; r < count; r += HNR_BLOCK_ROWS)
		{
			const float *row[HNR_BLOCK_ROWS];
			int			nrows = Min(HNR_BLOCK_ROWS, count - r);

			for (int i = 0; i < HNR_BLOCK_ROWS; i++)
				row[i] = rows->vec + (Size) (first + r + (i < nrows ? i : 0)) * rows->stride;
			hnr_distance->block_products(rows->dims, row, columns->packed + (Size) c * columns->dims,
										 block);
			for (int i = 0; i < nrows; i++)
			{
				float	   *dest = out + (Size) (r + i) * width + c;

				memcpy(dest, block + i * HNR_BLOCK_COLUMNS, sizeof(float) * HNR_BLOCK_COLUMNS);
				finish_block(kind, rows->square[first + r + i], columns->square + c,
							 Min(HNR_BLOCK_COLUMNS, columns->n - c), dest);
			}
		}
}

static void
measure(const HnrPoints *rows, int first, int count, const HnrPoints *columns, int from,
		float *out)
{
	if (columns->bytes)
		distances_by_bytes(rows, first, count, columns, from, out);
	else if (columns->packed)
		distances_by_blocks(rows, first, count, columns, from, out);
	else
		distances_by_pairs(rows, first, count, columns, from, out);
}

void
hnr_points_distances(const HnrPoints *rows, int first, int count, const HnrPoints *columns,
					 float *out)
{
	measure(rows, first, count, columns, 0, out);
}

void
hnr_points_all(const HnrPoints *p, int first, int count, float *all)
{
	int			width = hnr_points_width(p->n);
	float	   *rows = all + (Size) first * width;

	Assert(first % HNR_POINTS_STRIP == 0);
	measure(p, first, count, p, first, rows);
	/* those of later rows from these */
	for (int c = first + count; c < p->n; c++)
		for (int r = 0; r < count; r++)
			all[(Size) c * width + first + r] = rows[(Size) r * width + c];
}

/*
 * A number that at least k of n are at most, and not many more, by halving the interval
 * between the least and the bound.
 */
static float
find_bound(const float *x, int n, int k, float bound)
{
	float		lo = INFINITY;
	float		hi = -INFINITY;

	if (hnr_distance->count_below(n, x, bound) < k)
		return bound;
	for (int i = 0; i < n; i++)
	{
		lo = Min(lo, x[i]);
		if (x[i] <= bound)
			hi = Max(hi, x[i]);
	}
	for (int i = 0; i < MOST_HALVINGS && lo < hi; i++)
	{
		float		mid = lo + (hi - lo) * 0.5f;
		int			count;

		if (!(mid > lo && mid < hi))
			break;
		count = hnr_distance->count_below(n, x, mid);
		if (count >= k)
			hi = mid;
		else
			lo = mid;
		if (count >= k && count <= k + k / 8)
			break;
	}
	return hi;
}

/*
 * The least of each lane, over a quarter of the distances each time, are some numbers
 * of which few stand for more than one that is wanted: so the k-th least of these is at
 * least the k-th least distance, and not much more.
 */
int
hnr_points_nearest(const float *distances, int width, int k, float bound, HnrMemEdge *nearest)
{
	float		minima[PARTS * HNR_BLOCK_COLUMNS];
	int			where[HNR_POINTS_MOST];
	int			blocks = width / HNR_BLOCK_COLUMNS;
	int			parts = Min(PARTS, blocks);
	int			n;

	if (parts <= 0)
		return 0;
	bound = Min(bound, FLT_MAX);
	k = Min(k, width);
	for (int i = 0; i < parts; i++)
	{
		int			from = blocks * i / parts * HNR_BLOCK_COLUMNS;
		int			to = blocks * (i + 1) / parts * HNR_BLOCK_COLUMNS;

		hnr_distance->lane_minima(to - from, distances + from, minima + i * HNR_BLOCK_COLUMNS);
	}
	bound = find_bound(minima, parts * HNR_BLOCK_COLUMNS, k, bound);
	n = hnr_distance->list_below(width, distances, bound, HNR_POINTS_MOST, where);
	for (int i = 0; i < n; i++)
	{
		nearest[i].node = where[i];
		nearest[i].distance = distances[where[i]];
	}
	return n;
}
