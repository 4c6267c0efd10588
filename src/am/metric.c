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
#include "utils/lsyscache.h"

static float
l2_squared(int n, const float *a, const float *b)
{
	return hnr_distance->l2_squared(n, a, b);
}

static float
negative_product(int n, const float *a, const float *b)
{
	return -hnr_distance->inner_product(n, a, b);
}

static float
unit_cosine(int n, const float *a, const float *b)
{
	return 1.0f - hnr_distance->inner_product(n, a, b);
}

static float
l1(int n, const float *a, const float *b)
{
	return hnr_distance->l1(n, a, b);
}

#define VECTOR	&hnr_column_vector
#define HALFVEC	&hnr_column_halfvec
#define BIT		&hnr_column_bit
#define SPARSEVEC	&hnr_column_sparsevec

/* Unit vectors are not of halves, even where the column is. */
static const HnrMetric metrics[] = {
	{VECTOR, HNR_METRIC_L2, "l2", false, true, false, l2_squared},
	{VECTOR, HNR_METRIC_IP, "ip", false, true, false, negative_product},
	{VECTOR, HNR_METRIC_COSINE, "cosine", true, true, false, unit_cosine},
	{VECTOR, HNR_METRIC_L1, "l1", false, false, false, l1},
	{HALFVEC, HNR_METRIC_L2, "l2", false, true, true, l2_squared},
	{HALFVEC, HNR_METRIC_IP, "ip", false, true, true, negative_product},
	{HALFVEC, HNR_METRIC_COSINE, "cosine", true, true, false, unit_cosine},
	{HALFVEC, HNR_METRIC_L1, "l1", false, false, true, l1},
	{BIT, HNR_METRIC_HAMMING, "hamming", false, false, false, hnr_bits_hamming},
	{BIT, HNR_METRIC_JACCARD, "jaccard", false, false, false, hnr_bits_jaccard},
	{SPARSEVEC, HNR_METRIC_L2, "l2", false, false, false, hnr_sparse_l2_squared},
	{SPARSEVEC, HNR_METRIC_IP, "ip", false, false, false, hnr_sparse_negative_product},
	{SPARSEVEC, HNR_METRIC_COSINE, "cosine", true, false, false, hnr_sparse_unit_cosine},
	{SPARSEVEC, HNR_METRIC_L1, "l1", false, false, false, hnr_sparse_l1},
};

const HnrMetric *
hnr_metric_find(HnrElement element, HnrMetricKind kind)
{
	for (int i = 0; i < lengthof(metrics); i++)
		if (metrics[i].type->element == element && metrics[i].kind == kind)
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
METRIC_FUNCTION(hnr_bit_metric_hamming, HNR_ELEMENT_BIT, HNR_METRIC_HAMMING)
METRIC_FUNCTION(hnr_bit_metric_jaccard, HNR_ELEMENT_BIT, HNR_METRIC_JACCARD)
METRIC_FUNCTION(hnr_sparsevec_metric_l2, HNR_ELEMENT_SPARSE, HNR_METRIC_L2)
METRIC_FUNCTION(hnr_sparsevec_metric_ip, HNR_ELEMENT_SPARSE, HNR_METRIC_IP)
METRIC_FUNCTION(hnr_sparsevec_metric_cosine, HNR_ELEMENT_SPARSE, HNR_METRIC_COSINE)
METRIC_FUNCTION(hnr_sparsevec_metric_l1, HNR_ELEMENT_SPARSE, HNR_METRIC_L1)

const HnrMetric *
hnr_metric_of_index(Relation index)
{
	FmgrInfo   *proc = index_getprocinfo(index, 1, HNR_PROC_METRIC);

	return (const HnrMetric *) DatumGetPointer(FunctionCall1Coll(proc, InvalidOid, (Datum) 0));
}

/* Whether it is the type that the metric reads; by its input function, for names and schemas change. */
static bool
is_type_of(const HnrMetric *metric, Oid type)
{
	Oid			input;
	Oid			param;
	FmgrInfo	function;

	getTypeInputInfo(type, &input, &param);
	fmgr_info(input, &function);
	return function.fn_addr == metric->type->input;
}

void
hnr_metric_check(Relation index)
{
	const HnrMetric *metric = hnr_metric_of_index(index);
	bool		ours = metric >= metrics && metric < metrics + lengthof(metrics);

	if (!ours || !is_type_of(metric, index->rd_opcintype[0]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("operator class of index \"%s\" has a metric of another type than its own",
						RelationGetRelationName(index)),
				 errhint("Use an operator class of the extension, or support functions of the same type.")));
}

bool
hnr_metric_same(const HnrMetric *metric, int width, const float *a, const float *b)
{
	int			n = hnr_metric_words(metric, width, a);

	return n == hnr_metric_words(metric, width, b) && memcmp(a, b, sizeof(float) * n) == 0;
}

float *
hnr_metric_copy(const HnrMetric *metric, int width, const float *vec)
{
	Size		size = sizeof(float) * hnr_metric_words(metric, width, vec);

	return memcpy(palloc(size), vec, size);
}

bool
hnr_metric_form_vector(const HnrMetric *metric, Datum value, int dims, float *out)
{
	struct varlena *v = PG_DETOAST_DATUM(value);
	bool		ok = metric->type->form(metric, v, dims, out);

	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
	return ok;
}
