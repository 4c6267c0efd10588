/*-------------------------------------------------------------------------
 *
 * column_sparse.c
 *		Columns of type sparsevec, as metric.h has them.
 *
 * A vector is the number of its coordinates, as an integer, their indices, likewise and
 * ascending, and their values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "am/metric.h"
#include "distance/distance.h"
#include "types/sparsevec.h"
#include "types/sums.h"

/* Of unit vectors, what rounding of the coordinates may change. */
#define NORM_TOLERANCE	1e-3

/* Near each other, vectors differ by less than the digits of their squares, or sums, tell. */
#define NEAR			0.05

/* A vector as it is. */
typedef struct Sparse
{
	int			n;
	const int32 *index;
	const float *value;
} Sparse;

static inline Sparse
sparse(const float *vec)
{
	const int32 *words = (const int32 *) vec;

	return (Sparse) {words[0], words + 1, vec + 1 + words[0]};
}

/* None where the number is impossible, as on a damaged page. */
static int
words(const float *vec)
{
	uint32		n = ((const uint32 *) vec)[0];

	return n <= HNR_SPARSEVEC_MAX_NNZ ? 1 + 2 * (int) n : 0;
}

static int
width(int dims)
{
	return 1 + 2 * Min(dims, HNR_SPARSEVEC_MAX_NNZ);
}

static bool
form(const HnrMetric *metric, const struct varlena *value, int dims, float *out)
{
	const HnrSparsevec *v = (const HnrSparsevec *) value;
	float	   *values = out + 1 + v->nnz;

	if (v->dim != dims)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different sparsevec dimensions %d and %d", v->dim, dims),
				 errdetail("The index holds vectors of %d dimensions.", dims)));
	((int32 *) out)[0] = v->nnz;
	memcpy(out + 1, v->indices, sizeof(int32) * v->nnz);
	if (metric->normalize)
		return hnr_normalize(v->nnz, hnr_sparsevec_values(v), values);
	memcpy(values, hnr_sparsevec_values(v), sizeof(float) * v->nnz);
	return true;
}

static double
length(int width, const float *vec)
{
	Sparse		s = sparse(vec);

	return hnr_norm(s.n, s.value);
}

/*
 * Products, and absolute values, are summed as floats, several sums at once; generous.  L1
 * is a difference of such, L2 the square root of one, which is not small beside them
 * (NEAR), or summed in double.
 */
static float
error(const HnrMetric *metric, int width, const float *vec)
{
	double		of_product = 1e-6 + sparse(vec).n * 1e-8;

	switch (metric->kind)
	{
		case HNR_METRIC_L2:
			return (float) (of_product / (2 * NEAR));
		case HNR_METRIC_L1:
			return (float) (of_product / NEAR);
		default:
			return (float) (of_product * length(width, vec));
	}
}

static const char *
problem(const HnrMetric *metric, int dims, int width, const float *vec)
{
	Sparse		s = sparse(vec);

	for (int i = 0; i < s.n; i++)
	{
		if (s.index[i] < 0 || s.index[i] >= dims || (i > 0 && s.index[i] <= s.index[i - 1]))
			return "the indices of a vector's coordinates are not ascending";
		if (!isfinite(s.value[i]))
			return "a vector has a coordinate that is not a finite number";
	}
	if (metric->normalize && fabs(length(width, vec) - 1) > NORM_TOLERANCE)
		return "a vector is not of unit length";
	return NULL;
}

/*
 * Sums over the coordinates that one or both of a and b have: TERM of x and y, one of
 * which may be zero.  Without a branch on which of them is next, for it cannot be foretold.
 */
#define SUM(TERM) \
	Sparse		s = sparse(a); \
	Sparse		t = sparse(b); \
	double		sum = 0; \
	double		x; \
	double		y; \
	int			i = 0; \
	int			j = 0; \
\
	while (i < s.n && j < t.n) \
	{ \
		int32		at_s = s.index[i]; \
		int32		at_t = t.index[j]; \
\
		x = at_s <= at_t ? s.value[i] : 0; \
		y = at_t <= at_s ? t.value[j] : 0; \
		sum += TERM; \
		i += at_s <= at_t; \
		j += at_t <= at_s; \
	} \
	for (y = 0; i < s.n; i++) \
	{ \
		x = s.value[i]; \
		sum += TERM; \
	} \
	for (x = 0; j < t.n; j++) \
	{ \
		y = t.value[j]; \
		sum += TERM; \
	} \
	return (float) sum

/* As sums of squares of differences, which lose nothing. */
static float
l2_squared(const float *a, const float *b)
{
	SUM((x - y) * (x - y));
}

static float
product(const float *a, const float *b)
{
	Sparse		s = sparse(a);
	Sparse		t = sparse(b);

	return hnr_distance->sparse_product(s.n, s.index, s.value, t.n, t.index, t.value);
}

float
hnr_sparse_l2_squared(int width, const float *a, const float *b)
{
	Sparse		s = sparse(a);
	Sparse		t = sparse(b);
	float		squares;
	float		distance = hnr_distance->sparse_l2_squared(s.n, s.index, s.value, t.n, t.index, t.value, &squares);

	/* written so that what is beyond the range of float is summed, too */
	return distance > NEAR * squares && squares < FLT_MAX / 4 ? distance : l2_squared(a, b);
}

/* Sums of differences likewise. */
static float
l1(const float *a, const float *b)
{
	SUM(fabs(x - y));
}

float
hnr_sparse_l1(int width, const float *a, const float *b)
{
	Sparse		s = sparse(a);
	Sparse		t = sparse(b);
	float		norms;
	float		distance = hnr_distance->sparse_l1(s.n, s.index, s.value, t.n, t.index, t.value, &norms);

	return distance > NEAR * norms && norms < FLT_MAX / 4 ? distance : l1(a, b);
}

float
hnr_sparse_negative_product(int width, const float *a, const float *b)
{
	return -product(a, b);
}

float
hnr_sparse_unit_cosine(int width, const float *a, const float *b)
{
	return 1.0f - product(a, b);
}

const HnrColumnType hnr_column_sparsevec = {
	HNR_ELEMENT_SPARSE, "sparsevec", hnr_sparsevec_in, "sparse", HNR_SPARSEVEC_MAX_DIM, false, width, words, form,
	length, error, problem
};
