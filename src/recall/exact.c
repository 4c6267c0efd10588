/*-------------------------------------------------------------------------
 *
 * exact.c
 *		The exact k nearest of every sampled row, in one pass over the table.
 *
 * Rows are gathered, a few at a time, and then compared with all of the sample by
 * kernels that take several vectors of each at once; a sampled vector is thus
 * fetched from the processor's caches once for a batch of rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/relscan.h"
#include "access/tableam.h"

#include "am/page.h"
#include "debug_point.h"
#include "distance/distance.h"
#include "recall/measure.h"
#include "recall/topk.h"

/* Rows of a batch: as many as fit, beside some of the sample, into the nearest cache. */
#define BATCH_BYTES		(24 * 1024)
#define MAX_BATCH		32

/* Coordinates between two looks whether a distance need not be finished. */
#define STRETCH			256

/* Bytes to which vectors are aligned, for whole registers and cache lines. */
#define ALIGNMENT		64

typedef struct Batch
{
	HnrMeasure *m;
	int			size;			/* a multiple of HNR_TILE_B */
	int			n;
	const float *row[MAX_BATCH];	/* the last one again up to a multiple of HNR_TILE_B */
	ItemPointerData tid[MAX_BATCH];
} Batch;

/* One stretch of the coordinates: sums that add up to the metric's distances. */
static void
tile_stretch(const HnrMeasure *m, int n, const float *const *a, const float *const *b, float *out)
{
	switch (m->metric->kind)
	{
		case HNR_METRIC_L2:
			hnr_distance->l2_squared_tile(n, a, b, out);
			break;
		case HNR_METRIC_IP:
		case HNR_METRIC_COSINE:
			hnr_distance->inner_product_tile(n, a, b, out);
			break;
		case HNR_METRIC_L1:
			hnr_distance->l1_tile(n, a, b, out);
			break;
		default:
			Assert(false);
	}
}

/* Where there are no kernels for several at a time. */
static void
tile_by_pairs(const HnrMeasure *m, const float *const *a, const float *const *b, float *out)
{
	for (int i = 0; i < HNR_TILE_A; i++)
		for (int j = 0; j < HNR_TILE_B; j++)
			out[i * HNR_TILE_B + j] = hnr_metric_distance(m->metric, m->dims, a[i], b[j]);
}

/*
 * Distances of sampled vectors a and rows b.  What is known to be farther from each a
 * than its limit says may come out too small, but not below it: sums that only grow
 * need not be finished.
 */
static void
tile(const HnrMeasure *m, const float *const *a, const float *const *b, const float *limit,
	 float *out)
{
	bool		grows = m->metric->kind == HNR_METRIC_L2 || m->metric->kind == HNR_METRIC_L1;
	float		part[HNR_TILE_A * HNR_TILE_B];
	const float *a_at[HNR_TILE_A];
	const float *b_at[HNR_TILE_B];
	float		from = m->metric->kind == HNR_METRIC_COSINE ? 1.0f : 0.0f;

	if (!m->metric->type->dense)
	{
		tile_by_pairs(m, a, b, out);
		return;
	}
	tile_stretch(m, Min(m->dims, STRETCH), a, b, out);
	for (int first = STRETCH; first < m->dims; first += STRETCH)
	{
		bool		near = !grows;

		for (int i = 0; i < HNR_TILE_A * HNR_TILE_B && !near; i++)
			near = out[i] < limit[i / HNR_TILE_B];
		if (!near)
			break;
		for (int i = 0; i < HNR_TILE_A; i++)
			a_at[i] = a[i] + first;
		for (int i = 0; i < HNR_TILE_B; i++)
			b_at[i] = b[i] + first;
		tile_stretch(m, Min(m->dims - first, STRETCH), a_at, b_at, part);
		for (int i = 0; i < HNR_TILE_A * HNR_TILE_B; i++)
			out[i] += part[i];
	}
	for (int i = 0; i < HNR_TILE_A * HNR_TILE_B && !grows; i++)
		out[i] = from - out[i];
}

float
hnr_measure_distance(const HnrMeasure *m, const float *x, const float *y)
{
	const float *a[HNR_TILE_A];
	const float *b[HNR_TILE_B];
	float		limit[HNR_TILE_A];
	float		out[HNR_TILE_A * HNR_TILE_B];

	if (!m->metric->type->dense)
		return hnr_metric_distance(m->metric, m->dims, x, y);
	for (int i = 0; i < HNR_TILE_A; i++)
	{
		a[i] = x;
		limit[i] = INFINITY;
	}
	for (int i = 0; i < HNR_TILE_B; i++)
		b[i] = y;
	tile(m, a, b, limit, out);
	return out[0];
}

float *
hnr_measure_alloc_vector(int dims)
{
	Size		size = TYPEALIGN(ALIGNMENT, sizeof(float) * dims);

	return (float *) TYPEALIGN(ALIGNMENT, palloc0(size + ALIGNMENT));
}

/* Nothing as far as this, or farther, is one of the k nearest. */
static float
limit_of(const HnrMeasure *m, int sampled)
{
	const HnrSampledRow *sample = &m->sample[sampled];

	return sample->found == m->k ? sample->nearest[0] : INFINITY;
}

static void
offer(Batch *batch, int sampled, int row, float distance)
{
	HnrSampledRow *sample = &batch->m->sample[sampled];

	if (sample->found == batch->m->k && !(distance < sample->nearest[0]))
		return;
	if (!hnr_same_tid(&sample->tid, &batch->tid[row]))
		hnr_topk_offer(sample->nearest, &sample->found, batch->m->k, distance);
}

/* Whether any of a tile's distances may be offered; of nearly all tiles none is. */
static inline bool
any_near(const float *distance, float limit)
{
	bool		near = limit == INFINITY;

	for (int j = 0; j < HNR_TILE_B; j++)
		near |= distance[j] < limit;
	return near;
}

/* Compares the rows of a batch with the sample, and empties it. */
static void
compare(Batch *batch)
{
	HnrMeasure *m = batch->m;
	const float *a[HNR_TILE_A];
	float		limit[HNR_TILE_A];
	float		out[HNR_TILE_A * HNR_TILE_B];

	for (int i = batch->n; i < TYPEALIGN(HNR_TILE_B, batch->n); i++)
		batch->row[i] = batch->row[batch->n - 1];
	for (int s = 0; s < m->samples; s += HNR_TILE_A)
	{
		int			ns = Min(HNR_TILE_A, m->samples - s);

		for (int i = 0; i < HNR_TILE_A; i++)
			a[i] = m->sample[s + Min(i, ns - 1)].vector;
		for (int r = 0; r < batch->n; r += HNR_TILE_B)
		{
			int			nr = Min(HNR_TILE_B, batch->n - r);

			for (int i = 0; i < HNR_TILE_A; i++)
				limit[i] = limit_of(m, s + Min(i, ns - 1));
			tile(m, a, batch->row + r, limit, out);
			for (int i = 0; i < ns; i++)
				if (any_near(out + i * HNR_TILE_B, limit[i]))
					for (int j = 0; j < nr; j++)
						offer(batch, s + i, r + j, out[i * HNR_TILE_B + j]);
		}
	}
	batch->n = 0;
}

double
hnr_measure_exact(HnrMeasure *m)
{
	Batch		batch = {.m = m};
	float	   *vector[MAX_BATCH];
	float	   *own = m->vector;
	TableScanDesc scan;
	double		rows = 0;

	batch.size = BATCH_BYTES / (int) sizeof(float) / m->dims / HNR_TILE_B * HNR_TILE_B;
	batch.size = Max(HNR_TILE_B, Min(batch.size, MAX_BATCH));
	for (int i = 0; i < batch.size; i++)
		vector[i] = hnr_measure_alloc_vector(m->dims);
	scan = table_beginscan(m->table, m->snapshot, 0, NULL);
	HNR_DEBUG_POINT("recall_exact_pass");
	while (table_scan_getnextslot(scan, ForwardScanDirection, m->slot))
	{
		hnr_measure_check_interrupts(m);
		m->vector = vector[batch.n];
		if (!hnr_measure_covers(m))
			continue;
		rows++;
		batch.row[batch.n] = m->vector;
		batch.tid[batch.n++] = m->slot->tts_tid;
		if (batch.n == batch.size)
			compare(&batch);
	}
	if (batch.n > 0)
		compare(&batch);
	m->vector = own;
	ExecClearTuple(m->slot);
	table_endscan(scan);
	return rows;
}
