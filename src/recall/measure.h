/*-------------------------------------------------------------------------
 *
 * measure.h
 *		What the steps of one measurement share; internal to src/recall.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_RECALL_MEASURE_H
#define HNR_RECALL_MEASURE_H

#include "am/metric.h"
#include "am/toasted.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/itemptr.h"
#include "utils/snapshot.h"

/* A sampled row, or a query. */
typedef struct HnrSampledRow
{
	ItemPointerData tid;		/* of a query: invalid */
	Datum		query;			/* the indexed value, own copy */
	float	   *vector;			/* as the index stores it */
	float	   *nearest;		/* topk.h heap of the distances to other rows */
	int			found;			/* entries in nearest */
} HnrSampledRow;

typedef struct HnrMeasure
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	const HnrMetric *metric;
	int			dims;			/* words of a vector: its coordinates, where it is dense */
	int			column_dims;	/* as the column has them */
	int			k;
	IndexInfo  *info;
	EState	   *estate;
	ExprState  *predicate;		/* NULL: the index covers every row */
	HnrToastReader *toasted;	/* for the values of rows */
	TupleTableSlot *slot;		/* of the table; the row under consideration */
	float	   *vector;			/* its vector, set by hnr_measure_covers */
	Datum		value;			/* its indexed value, valid until the next row */
	int			room;			/* for so many sampled rows */
	int			samples;
	HnrSampledRow *sample;
	bool		(*is_wanted) (Relation table);	/* see recall.h */
	uint64		steps;
} HnrMeasure;

/*
 * Whether the index covers the row in m->slot; if so m->vector and m->value
 * are set.
 */
extern bool hnr_measure_covers(HnrMeasure *m);

/* In every round of what may take long. */
extern void hnr_measure_check_interrupts(HnrMeasure *m);

/* Memory for a vector, so aligned that it is read fast; never to be freed alone. */
extern float *hnr_measure_alloc_vector(int dims);

/* exact.c */
/*
 * Finds the k nearest of every sampled row, itself left out, in one pass over the
 * table; returns how many rows are covered.
 */
extern double hnr_measure_exact(HnrMeasure *m);
/* As the metric has it, and to the last bit as the pass computes it. */
extern float hnr_measure_distance(const HnrMeasure *m, const float *x, const float *y);

/* sample.c */
/*
 * Draws covered rows into m->sample, as many as there is room for, and sets
 * m->samples; all of them where the table has no more.
 */
extern void hnr_measure_draw(HnrMeasure *m, uint64 seed);
/* Takes queries instead, as many as there is room for. */
extern void hnr_measure_take_queries(HnrMeasure *m, int n, const Datum *queries);

#endif							/* HNR_RECALL_MEASURE_H */
