/*-------------------------------------------------------------------------
 *
 * metric.h
 *		What an operator class tells the access method about its distance.
 *
 * Support function 1 of an operator class is the SQL distance function its
 * ordering operator calls; support function 2 returns an HnrMetric.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_METRIC_H
#define HNR_METRIC_H

#include "utils/rel.h"

#define HNR_PROC_DISTANCE	1
#define HNR_PROC_METRIC		2
#define HNR_PROC_COUNT		2

/* Stored in the metapage: never renumber. */
typedef enum HnrMetricKind
{
	HNR_METRIC_L2 = 1,
	HNR_METRIC_IP = 2,
	HNR_METRIC_COSINE = 3,
	HNR_METRIC_L1 = 4
} HnrMetricKind;

/* What the coordinates of the column's type are.  Stored in the metapage likewise. */
typedef enum HnrElement
{
	HNR_ELEMENT_FLOAT = 1,
	HNR_ELEMENT_HALF = 2
} HnrElement;

typedef struct HnrMetric
{
	HnrElement	element;
	const char *type;			/* of the column, as in messages */
	HnrMetricKind kind;
	const char *name;			/* as in messages */
	int			max_dims;		/* that an index can hold */
	bool		normalize;		/* index unit vectors; zero vectors are left out */
	bool		coded;			/* neighbours carry codes */
	bool		half_is_exact;	/* what is indexed are halves times a power of two */
} HnrMetric;

/* The metric of an index's only key column; valid for the backend's life. */
extern const HnrMetric *hnr_metric_of_index(Relation index);

/* Likewise, as the metapage names it. */
extern const HnrMetric *hnr_metric_find(HnrElement element, HnrMetricKind kind);

/*
 * The distance that orders a search, smaller is nearer: squared L2, negative
 * inner product, 1 - inner product (of unit vectors), L1.
 */
extern float hnr_metric_distance(const HnrMetric *metric, int n,
								 const float *a, const float *b);

/*
 * The n coordinates that the index stores for a column value, normalised where
 * the metric asks for it, written to out (n floats).  False where the value is
 * not indexed (a zero vector under cosine).  Error on other than n dimensions.
 */
extern bool hnr_metric_form_vector(const HnrMetric *metric, Datum value,
								   int n, float *out);

#endif							/* HNR_METRIC_H */
