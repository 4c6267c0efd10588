/*-------------------------------------------------------------------------
 *
 * metric.c
 *		What an operator class tells the access method about its distance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "am/metric.h"
#include "distance/distance.h"
#include "fmgr.h"
#include "types/halfvec.h"
#include "types/sums.h"
#include "types/vector.h"

/* What a vertex of these dimensions, and its parts, are tested with. */
#define HNR_VECTOR_MAX_INDEX_DIMS 8000

#define VECTOR	HNR_ELEMENT_FLOAT, "vector"
#define HALFVEC	HNR_ELEMENT_HALF, "halfvec"

/* Unit vectors are not of halves, even where the column is. */
static const HnrMetric metrics[] = {
	{VECTOR, HNR_METRIC_L2, "l2", HNR_VECTOR_MAX_INDEX_DIMS, false, true, false},
	{VECTOR, HNR_METRIC_IP, "ip", HNR_VECTOR_MAX_INDEX_DIMS, false, true, false},
	{VECTOR, HNR_METRIC_COSINE, "cosine", HNR_VECTOR_MAX_INDEX_DIMS, true, true, false},
	{VECTOR, HNR_METRIC_L1, "l1", HNR_VECTOR_MAX_INDEX_DIMS, false, false, false},
	{HALFVEC, HNR_METRIC_L2, "l2", HNR_VECTOR_MAX_INDEX_DIMS, false, true, true},
	{HALFVEC, HNR_METRIC_IP, "ip", HNR_VECTOR_MAX_INDEX_DIMS, false, true, true},
	{HALFVEC, HNR_METRIC_COSINE, "cosine", HNR_VECTOR_MAX_INDEX_DIMS, true, true, false},
	{HALFVEC, HNR_METRIC_L1, "l1", HNR_VECTOR_MAX_INDEX_DIMS, false, false, true},
};

const HnrMetric *
hnr_metric_find(HnrElement element, HnrMetricKind kind)
{
	for (int i = 0; i < lengthof(metrics); i++)
		if (metrics[i].element == element && metrics[i].kind == kind)
			return &metrics[i];
	elog(ERROR, "unknown metric %d of element %d", (int) kind, (int) element);
	return NULL;
}

/* Defines support function 2 of an operator class. */
#define METRIC_FUNCTION(name, element, kind) \
PG_FUNCTION_INFO_V1(name); \
\
Datum \
name(PG_FUNCTION_ARGS) \
{ \
	PG_RETURN_POINTER(hnr_metric_find(element, kind)); \
}

METRIC_FUNCTION(hnr_vector_metric_l2, HNR_ELEMENT_FLOAT, HNR_METRIC_L2)
METRIC_FUNCTION(hnr_vector_metric_ip, HNR_ELEMENT_FLOAT, HNR_METRIC_IP)
METRIC_FUNCTION(hnr_vector_metric_cosine, HNR_ELEMENT_FLOAT, HNR_METRIC_COSINE)
METRIC_FUNCTION(hnr_vector_metric_l1, HNR_ELEMENT_FLOAT, HNR_METRIC_L1)
METRIC_FUNCTION(hnr_halfvec_metric_l2, HNR_ELEMENT_HALF, HNR_METRIC_L2)
METRIC_FUNCTION(hnr_halfvec_metric_ip, HNR_ELEMENT_HALF, HNR_METRIC_IP)
METRIC_FUNCTION(hnr_halfvec_metric_cosine, HNR_ELEMENT_HALF, HNR_METRIC_COSINE)
METRIC_FUNCTION(hnr_halfvec_metric_l1, HNR_ELEMENT_HALF, HNR_METRIC_L1)

const HnrMetric *
hnr_metric_of_index(Relation index)
{
	FmgrInfo   *proc = index_getprocinfo(index, 1, HNR_PROC_METRIC);

	return (const HnrMetric *) DatumGetPointer(FunctionCall1Coll(proc, InvalidOid, (Datum) 0));
}

float
hnr_metric_distance(const HnrMetric *metric, int n, const float *a, const float *b)
{
	switch (metric->kind)
	{
		case HNR_METRIC_L2:
			return hnr_distance->l2_squared(n, a, b);
		case HNR_METRIC_IP:
			return -hnr_distance->inner_product(n, a, b);
		case HNR_METRIC_COSINE:
			return 1.0f - hnr_distance->inner_product(n, a, b);
		case HNR_METRIC_L1:
			return hnr_distance->l1(n, a, b);
	}
	pg_unreachable();
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

/* The n coordinates of a value, which are in it or, of another element, in room. */
static const float *
coordinates(HnrElement element, const struct varlena *value, int n, float *room)
{
	if (element == HNR_ELEMENT_HALF)
	{
		const HnrHalfvec *half = (const HnrHalfvec *) value;

		check_dims(half->dim, n);
		hnr_distance->from_half(n, half->x, 1.0f, room);
		return room;
	}
	check_dims(((const HnrVector *) value)->dim, n);
	return ((const HnrVector *) value)->x;
}

bool
hnr_metric_form_vector(const HnrMetric *metric, Datum value, int n, float *out)
{
	struct varlena *v = PG_DETOAST_DATUM(value);
	const float *x = coordinates(metric->element, v, n, out);
	bool		ok = true;

	if (metric->normalize)
		ok = hnr_normalize(n, x, out);
	else if (x != out)
		memcpy(out, x, sizeof(float) * n);
	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
	return ok;
}
