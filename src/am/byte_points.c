/*-------------------------------------------------------------------------
 *
 * byte_points.c
 *		Distances of many vectors of bytes to many.  See byte_points.h.
 *
 * The processor multiplies unsigned bytes by signed ones.  With u the bytes of a row, v
 * those of a column, and sums over the coordinates,
 *
 *		|u - v|^2 = (|u - 128|^2 - |128|^2) + |v|^2 - 2 <u, v - 128>
 *
 * where 128 is in each coordinate.  The first two are made once for each vector.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/byte_points.h"
#include "distance/bytes.h"
#include "utils/memutils.h"

#define MIDDLE		128
#define ALIGNMENT	64

struct HnrBytePoints
{
	const HnrMemGraph *graph;
	int			dims;
	int			padded;			/* dims up to a group; what is behind is zero */
	int			n;
	uint8	   *vec;
	uint8	   *zero;			/* vectors that have these everywhere */
	uint8	   *middle;
	int32	   *as_row;			/* the first number above */
	int32	   *as_column;		/* the second */
	int8	   *packed;			/* in blocks of columns, or NULL */
	float		scale;
};

bool
hnr_byte_points_serve(HnrMemGraph *graph)
{
	return hnr_bytes && graph->index->metric->kind == HNR_METRIC_L2 &&
		graph->index->layout.dims <= HNR_BYTES_MOST && hnr_mem_graph_bytes_alike(graph);
}

float
hnr_byte_points_scale(const HnrMemGraph *graph)
{
	return graph->nnodes > 0 ? ldexpf(1.0f, 2 * hnr_mem_graph_node(graph, 0)->scale.exponent) : 1;
}

static void *
alloc_aligned(Size size)
{
	char	   *p = palloc_extended(size + ALIGNMENT, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	return (void *) TYPEALIGN(ALIGNMENT, p);
}

HnrBytePoints *
hnr_byte_points_create(const HnrMemGraph *graph, int max, bool columns)
{
	HnrBytePoints *p = palloc0(sizeof(HnrBytePoints));

	max = TYPEALIGN(HNR_BLOCK_COLUMNS, max);
	p->graph = graph;
	p->dims = graph->index->layout.dims;
	p->padded = TYPEALIGN(HNR_BYTES_GROUP, p->dims);
	p->vec = alloc_aligned((Size) max * p->padded);
	p->zero = alloc_aligned(p->dims);
	p->middle = memset(alloc_aligned(p->dims), MIDDLE, p->dims);
	p->as_row = palloc(sizeof(int32) * max);
	p->as_column = palloc0(sizeof(int32) * max);
	p->scale = hnr_byte_points_scale(graph);
	if (columns)
		p->packed = alloc_aligned((Size) max * p->padded);
	return p;
}

/* Group k of column c of a block is at (k * HNR_BLOCK_COLUMNS + c) groups. */
static void
pack(HnrBytePoints *p)
{
	for (int c = 0; c < p->n; c++)
	{
		const uint8 *vec = p->vec + (Size) c * p->padded;
		int8	   *to = p->packed +
			(Size) (c - c % HNR_BLOCK_COLUMNS) * p->padded + c % HNR_BLOCK_COLUMNS * HNR_BYTES_GROUP;

		for (int k = 0; k < p->padded; k += HNR_BYTES_GROUP, to += HNR_BLOCK_COLUMNS * HNR_BYTES_GROUP)
		{
			uint32		group;

			memcpy(&group, vec + k, sizeof(group));
			group ^= 0x80808080;	/* less MIDDLE, as signed bytes */
			memcpy(to, &group, sizeof(group));
		}
	}
}

void
hnr_byte_points_load(HnrBytePoints *p, const uint32 *nodes, int n)
{
	p->n = n;
	for (int i = 0; i < n; i++)
	{
		uint8	   *vec = p->vec + (Size) i * p->padded;

		memcpy(vec, hnr_mem_graph_encoded(p->graph, nodes[i]), p->dims);
		p->as_row[i] = hnr_bytes->l2_squared(p->dims, vec, p->middle) - MIDDLE * MIDDLE * p->dims;
		p->as_column[i] = hnr_bytes->l2_squared(p->dims, vec, p->zero);
	}
	if (p->packed)
		pack(p);
}

void
hnr_byte_points_block(const HnrBytePoints *rows, int row, int nrows,
					  const HnrBytePoints *columns, int column, Size width, float *out)
{
	const uint8 *vec[HNR_BLOCK_ROWS];
	int32		product[HNR_BLOCK_ROWS * HNR_BLOCK_COLUMNS];

	for (int r = 0; r < HNR_BLOCK_ROWS; r++)
		vec[r] = rows->vec + (Size) (row + (r < nrows ? r : 0)) * rows->padded;
	hnr_bytes->block_products(rows->padded, vec,
							  columns->packed + (Size) column * columns->padded, product);
	for (int r = 0; r < nrows; r++)
		for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
			out[r * width + c] = rows->scale *
				(rows->as_row[row + r] + columns->as_column[column + c] -
				 2 * product[r * HNR_BLOCK_COLUMNS + c]);
}
