/*-------------------------------------------------------------------------
 *
 * sparsevec.c
 *		The SQL type sparsevec: construction, distances and order, with the
 *		template type.inc.h.  Input and output are in sparsevec_io.c.
 *
 * Two values are compared by walking over the indices of both at once, and what is
 * summed is summed in double.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "types/array.h"
#include "types/check.h"
#include "types/halfvec.h"
#include "types/sparsevec.h"
#include "types/sums.h"
#include "types/vector.h"

HnrSparsevec *
hnr_sparsevec_new(int dim, int nnz)
{
	HnrSparsevec *v;

	Assert(dim >= 1 && dim <= HNR_SPARSEVEC_MAX_DIM);
	Assert(nnz >= 0 && nnz <= HNR_SPARSEVEC_MAX_NNZ);
	v = palloc0(HNR_SPARSEVEC_SIZE(nnz));
	SET_VARSIZE(v, HNR_SPARSEVEC_SIZE(nnz));
	v->dim = dim;
	v->nnz = nnz;
	return v;
}

HnrSparsevec *
hnr_sparsevec_from_floats(int dim, const float *x)
{
	HnrSparsevec *v;
	float	   *values;
	int			nnz = 0;

	hnr_check_dims("sparsevec", dim, HNR_SPARSEVEC_MAX_DIM, NULL);
	for (int i = 0; i < dim; i++)
		nnz += x[i] != 0;
	hnr_check_nonzeros("sparsevec", nnz, HNR_SPARSEVEC_MAX_NNZ, NULL);
	v = hnr_sparsevec_new(dim, nnz);
	values = hnr_sparsevec_values(v);
	for (int i = 0, at = 0; at < nnz; i++)
		if (x[i] != 0)
		{
			v->indices[at] = i;
			values[at++] = x[i];
		}
	return v;
}

void
hnr_sparsevec_to_floats(const HnrSparsevec *v, float *x)
{
	const float *values = hnr_sparsevec_values(v);

	memset(x, 0, sizeof(float) * v->dim);
	for (int i = 0; i < v->nnz; i++)
		x[v->indices[i]] = values[i];
}

/* A walk over the coordinates that are not zero in one or both of two values. */
typedef struct Walk
{
	const HnrSparsevec *a;
	const HnrSparsevec *b;
	const float *a_values;
	const float *b_values;
	int			a_at;			/* what is to come */
	int			b_at;
	int			index;			/* the coordinate at which the walk is */
	float		x;				/* of a */
	float		y;				/* of b */
} Walk;

static inline Walk
walk_over(const HnrSparsevec *a, const HnrSparsevec *b)
{
	return (Walk) {a, b, hnr_sparsevec_values(a), hnr_sparsevec_values(b)};
}

/* To the next coordinate; false at the end. */
static inline bool
step(Walk *w)
{
	int			a_index = w->a_at < w->a->nnz ? w->a->indices[w->a_at] : PG_INT32_MAX;
	int			b_index = w->b_at < w->b->nnz ? w->b->indices[w->b_at] : PG_INT32_MAX;

	w->index = Min(a_index, b_index);
	if (w->index == PG_INT32_MAX)
		return false;
	w->x = a_index == w->index ? w->a_values[w->a_at++] : 0;
	w->y = b_index == w->index ? w->b_values[w->b_at++] : 0;
	return true;
}

static double
l2_squared(const HnrSparsevec *a, const HnrSparsevec *b)
{
	double		sum = 0;

	for (Walk w = walk_over(a, b); step(&w);)
		sum += ((double) w.x - w.y) * ((double) w.x - w.y);
	return sum;
}

static double
inner_product(const HnrSparsevec *a, const HnrSparsevec *b)
{
	double		sum = 0;

	for (Walk w = walk_over(a, b); step(&w);)
		sum += (double) w.x * w.y;
	return sum;
}

static double
l1(const HnrSparsevec *a, const HnrSparsevec *b)
{
	double		sum = 0;

	for (Walk w = walk_over(a, b); step(&w);)
		sum += fabs((double) w.x - w.y);
	return sum;
}

/* In the order of inner_product(), with the same rounding: nothing is at an angle to itself. */
static double
square(const HnrSparsevec *v)
{
	const float *values = hnr_sparsevec_values(v);
	double		sum = 0;

	for (int i = 0; i < v->nnz; i++)
		sum += (double) values[i] * values[i];
	return sum;
}

static double
cosine_distance(const HnrSparsevec *a, const HnrSparsevec *b)
{
	return hnr_cosine_distance(inner_product(a, b), square(a), square(b));
}

/* As of a vector with zeros (hnr_norm), to the last digit. */
static double
norm(const HnrSparsevec *v)
{
	const float *values = hnr_sparsevec_values(v);
	double		part[HNR_SUM_PARTS] = {0};

	for (int i = 0; i < v->nnz; i++)
		part[(uint32) v->indices[i] % HNR_SUM_PARTS] += (double) values[i] * values[i];
	return sqrt(hnr_sum_of_parts(part));
}

/* Coordinates that become zero are left out. */
static HnrSparsevec *
normalized(const HnrSparsevec *v)
{
	float	   *unit = palloc(sizeof(float) * Max(v->nnz, 1));
	double		length = norm(v);
	HnrSparsevec *result;
	int			nnz = 0;

	for (int i = 0; i < v->nnz; i++)
	{
		unit[i] = length > 0 ? (float) (hnr_sparsevec_values(v)[i] / length) : 0;
		nnz += unit[i] != 0;
	}
	result = hnr_sparsevec_new(v->dim, nnz);
	for (int i = 0, at = 0; at < nnz; i++)
		if (unit[i] != 0)
		{
			result->indices[at] = v->indices[i];
			hnr_sparsevec_values(result)[at++] = unit[i];
		}
	return result;
}

static int
compare(const HnrSparsevec *a, const HnrSparsevec *b)
{
	int			shorter = Min(a->dim, b->dim);

	for (Walk w = walk_over(a, b); step(&w) && w.index < shorter;)
		if (w.x != w.y)
			return w.x < w.y ? -1 : 1;
	return (a->dim > b->dim) - (a->dim < b->dim);
}

#define TYPE				HnrSparsevec
#define TYPE_NAME			"sparsevec"
#define TYPE_FN(name)		hnr_sparsevec_##name
#define TYPE_GETARG(n)		PG_GETARG_HNR_SPARSEVEC(n)
#define TYPE_MAX_DIM		HNR_SPARSEVEC_MAX_DIM

#include "types/type.inc.h"

PG_FUNCTION_INFO_V1(hnr_vector_to_sparsevec);
PG_FUNCTION_INFO_V1(hnr_halfvec_to_sparsevec);
PG_FUNCTION_INFO_V1(hnr_sparsevec_to_vector);
PG_FUNCTION_INFO_V1(hnr_sparsevec_to_halfvec);

/* vector_to_sparsevec(vector, typmod, bool) */
Datum
hnr_vector_to_sparsevec(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);

	hnr_check_typmod("sparsevec", v->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(hnr_sparsevec_from_floats(v->dim, v->x));
}

/* halfvec_to_sparsevec(halfvec, typmod, bool) */
Datum
hnr_halfvec_to_sparsevec(PG_FUNCTION_ARGS)
{
	HnrHalfvec *v = PG_GETARG_HNR_HALFVEC(0);

	hnr_check_typmod("sparsevec", v->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(hnr_sparsevec_from_floats(v->dim, hnr_halfvec_floats(v)));
}

/* sparsevec_to_vector(sparsevec, typmod, bool): up to the dimensions of vector. */
Datum
hnr_sparsevec_to_vector(PG_FUNCTION_ARGS)
{
	HnrSparsevec *sparse = PG_GETARG_HNR_SPARSEVEC(0);
	HnrVector  *v;

	hnr_check_dims("vector", sparse->dim, HNR_VECTOR_MAX_DIM, NULL);
	hnr_check_typmod("vector", sparse->dim, PG_GETARG_INT32(1), NULL);
	v = hnr_vector_new(sparse->dim);
	hnr_sparsevec_to_floats(sparse, v->x);
	PG_RETURN_POINTER(v);
}

/*
 * sparsevec_to_halfvec(sparsevec, typmod, bool): up to the dimensions of halfvec,
 * each coordinate rounded; ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE.
 */
Datum
hnr_sparsevec_to_halfvec(PG_FUNCTION_ARGS)
{
	HnrSparsevec *sparse = PG_GETARG_HNR_SPARSEVEC(0);
	float	   *x;

	hnr_check_dims("halfvec", sparse->dim, HNR_HALFVEC_MAX_DIM, NULL);
	hnr_check_typmod("halfvec", sparse->dim, PG_GETARG_INT32(1), NULL);
	x = palloc(sizeof(float) * sparse->dim);
	hnr_sparsevec_to_floats(sparse, x);
	PG_RETURN_POINTER(hnr_halfvec_from_floats(sparse->dim, x));
}
