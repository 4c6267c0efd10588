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

#include "fmgr.h"
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
	HNR_METRIC_L1 = 4,
	HNR_METRIC_HAMMING = 5,
	HNR_METRIC_JACCARD = 6
} HnrMetricKind;

/* What the column's type holds.  Stored in the metapage likewise. */
typedef enum HnrElement
{
	HNR_ELEMENT_FLOAT = 1,
	HNR_ELEMENT_HALF = 2,
	HNR_ELEMENT_BIT = 3,
	HNR_ELEMENT_SPARSE = 4
} HnrElement;

typedef struct HnrMetric HnrMetric;

/*
 * How values of a column's type become vectors.  A vector is an array of up to `width`
 * words of four bytes, declared as floats, which is what they are where the type is dense.
 */
typedef struct HnrColumnType
{
	HnrElement	element;
	const char *name;			/* of the type, as in messages */
	PGFunction	input;			/* of the type */
	const char *stored_as;		/* as users see it; NULL: the encoding tells */
	int			max_dims;		/* that an index can hold */
	bool		dense;			/* the words are the coordinates, as floats */

	/* Words of a vector, at most, in an index of so many dimensions. */
	int			(*width) (int dims);

	/* Words in use, which the first one tells; NULL: vectors do not vary, it is the width. */
	int			(*words) (const float *vec);

	/* See hnr_metric_form_vector; the value is not toasted. */
	bool		(*form) (const HnrMetric *metric, const struct varlena *value, int dims, float *out);

	/* The Euclidean length; NULL where nothing depends on it. */
	double		(*length) (int width, const float *vec);

	/*
	 * What the distance from a vector may be off by, because it is a float or a sum of
	 * floats: under inner product and cosine per unit of length of the query, else as a
	 * part of the distance.  NULL where the type is dense (stored.h).
	 */
	float		(*error) (const HnrMetric *metric, int width, const float *vec);

	/*
	 * What is wrong about a vector in an index of so many dimensions, or NULL.  None where
	 * the type is dense: what may be wrong there depends on the encoding.
	 */
	const char *(*problem) (const HnrMetric *metric, int dims, int width, const float *vec);
} HnrColumnType;

struct HnrMetric
{
	const HnrColumnType *type;
	HnrMetricKind kind;
	const char *name;			/* as in messages */
	bool		normalize;		/* index unit vectors; zero vectors are left out */
	bool		coded;			/* neighbours carry codes */
	bool		half_is_exact;	/* what is indexed are halves times a power of two */
	float		(*distance) (int width, const float *a, const float *b);
};

/* The metric of an index's only key column; valid for the backend's life. */
extern const HnrMetric *hnr_metric_of_index(Relation index);

/*
 * Throws unless an operator class's metric is one of ours, and of its type: who defines one can
 * write down anything.
 */
extern void hnr_metric_check(Relation index);

/* Likewise, as the metapage names it. */
extern const HnrMetric *hnr_metric_find(HnrElement element, HnrMetricKind kind);

/*
 * The distance that orders a search, smaller is nearer: squared L2, negative
 * inner product, 1 - inner product (of unit vectors), L1, bits that differ, Jaccard.
 */
static inline float
hnr_metric_distance(const HnrMetric *metric, int width, const float *a, const float *b)
{
	return metric->distance(width, a, b);
}

/* The words that a vector has; whether two are the same; a copy in the current context. */
static inline int
hnr_metric_words(const HnrMetric *metric, int width, const float *vec)
{
	return metric->type->words ? metric->type->words(vec) : width;
}

extern bool hnr_metric_same(const HnrMetric *metric, int width, const float *a, const float *b);
extern float *hnr_metric_copy(const HnrMetric *metric, int width, const float *vec);

/*
 * The vector that an index of so many dimensions has for a column value, normalised
 * where the metric asks for it, written to out (type->width(dims) words).  False where
 * the value is not indexed (a zero vector under cosine).  Error on other dimensions.
 */
extern bool hnr_metric_form_vector(const HnrMetric *metric, Datum value,
								   int dims, float *out);

/* The types. */
extern const HnrColumnType hnr_column_vector;
extern const HnrColumnType hnr_column_halfvec;
extern const HnrColumnType hnr_column_bit;
extern const HnrColumnType hnr_column_sparsevec;

/* Distances of bits. */
extern float hnr_bits_hamming(int width, const float *a, const float *b);
extern float hnr_bits_jaccard(int width, const float *a, const float *b);

/* Distances of sparse vectors. */
extern float hnr_sparse_l2_squared(int width, const float *a, const float *b);
extern float hnr_sparse_negative_product(int width, const float *a, const float *b);
extern float hnr_sparse_unit_cosine(int width, const float *a, const float *b);
extern float hnr_sparse_l1(int width, const float *a, const float *b);

#endif							/* HNR_METRIC_H */
