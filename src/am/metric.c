/*-------------------------------------------------------------------------
 *
 * metric.c
 *		What an operator class tells the access method about its distance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "am/metric.h"
#include "distance/distance.h"
#include "fmgr.h"
#include "types/vector.h"

/* What a vertex of these dimensions, and its parts, are tested with. */
#define HNR_VECTOR_MAX_INDEX_DIMS 8000

static const HnrMetric metrics[] = {
	{HNR_METRIC_L2, "l2", HNR_VECTOR_MAX_INDEX_DIMS, false, true},
	{HNR_METRIC_IP, "ip", HNR_VECTOR_MAX_INDEX_DIMS, false, true},
	{HNR_METRIC_COSINE, "cosine", HNR_VECTOR_MAX_INDEX_DIMS, true, true},
	{HNR_METRIC_L1, "l1", HNR_VECTOR_MAX_INDEX_DIMS, false, false},
};

PG_FUNCTION_INFO_V1(hnr_metric_l2);
PG_FUNCTION_INFO_V1(hnr_metric_ip);
PG_FUNCTION_INFO_V1(hnr_metric_cosine);
PG_FUNCTION_INFO_V1(hnr_metric_l1);

Datum
hnr_metric_l2(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&metrics[0]);
}

Datum
hnr_metric_ip(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&metrics[1]);
}

Datum
hnr_metric_cosine(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&metrics[2]);
}

Datum
hnr_metric_l1(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&metrics[3]);
}

const HnrMetric *
hnr_metric_of_index(Relation index)
{
	FmgrInfo   *proc = index_getprocinfo(index, 1, HNR_PROC_METRIC);

	return (const HnrMetric *) DatumGetPointer(FunctionCall1Coll(proc, InvalidOid, (Datum) 0));
}

const HnrMetric *
hnr_metric_of_kind(HnrMetricKind kind)
{
	for (int i = 0; i < lengthof(metrics); i++)
		if (metrics[i].kind == kind)
			return &metrics[i];
	elog(ERROR, "unknown metric %d", (int) kind);
	return NULL;
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

/* Scales to unit length in double precision; false for a zero vector. */
static bool
normalize(int n, const float *in, float *out)
{
	double		norm = 0;

	for (int i = 0; i < n; i++)
		norm += (double) in[i] * in[i];
	if (norm == 0)
		return false;
	norm = sqrt(norm);
	for (int i = 0; i < n; i++)
		out[i] = (float) (in[i] / norm);
	return true;
}

bool
hnr_metric_form_vector(const HnrMetric *metric, Datum value, int n, float *out)
{
	HnrVector  *v = DatumGetHnrVector(value);
	bool		ok = true;

	if (v->dim != n)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d", v->dim, n),
				 errdetail("The index holds vectors of %d dimensions.", n)));
	if (metric->normalize)
		ok = normalize(n, v->x, out);
	else
		memcpy(out, v->x, sizeof(float) * n);
	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
	return ok;
}
