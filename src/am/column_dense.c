/*-------------------------------------------------------------------------
 *
 * column_dense.c
 *		Columns of type vector and halfvec, as metric.h has them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/metric.h"
#include "distance/distance.h"
#include "types/halfvec.h"
#include "types/sums.h"
#include "types/vector.h"

/* What a vertex of these dimensions, and its parts, are tested with. */
#define MAX_DIMS	8000

static int
width(int dims)
{
	return dims;
}

static void
check_dims(int dims, int n)
{
	if (dims != n)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d", dims, n),
				 errdetail("The index holds vectors of %d dimensions.", n)));
}

/* Puts n coordinates into out as the metric wants them. */
static bool
put(const HnrMetric *metric, int n, const float *x, float *out)
{
	if (metric->normalize)
		return hnr_normalize(n, x, out);
	if (x != out)
		memcpy(out, x, sizeof(float) * n);
	return true;
}

static bool
form_vector(const HnrMetric *metric, const struct varlena *value, int dims, float *out)
{
	const HnrVector *v = (const HnrVector *) value;

	check_dims(v->dim, dims);
	return put(metric, dims, v->x, out);
}

static bool
form_halfvec(const HnrMetric *metric, const struct varlena *value, int dims, float *out)
{
	const HnrHalfvec *v = (const HnrHalfvec *) value;

	check_dims(v->dim, dims);
	hnr_distance->from_half(dims, v->x, 1.0f, out);
	return put(metric, dims, out, out);
}

const HnrColumnType hnr_column_vector = {
	HNR_ELEMENT_FLOAT, "vector", hnr_vector_in, NULL, MAX_DIMS, true, width, NULL, form_vector, hnr_norm,
	NULL, NULL
};

const HnrColumnType hnr_column_halfvec = {
	HNR_ELEMENT_HALF, "halfvec", hnr_halfvec_in, NULL, MAX_DIMS, true, width, NULL, form_halfvec, hnr_norm,
	NULL, NULL
};
