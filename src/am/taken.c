/*-------------------------------------------------------------------------
 *
 * taken.c
 *		Vectors of some nodes, to be compared with each other.  See taken.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/taken.h"
#include "utils/memutils.h"

static HnrNarrowDistanceFn
narrow_function(const HnrMemGraph *graph)
{
	bool		half = graph->encoding == HNR_ENCODING_HALF;

	if ((!half && graph->encoding != HNR_ENCODING_SHORT) || graph->varying)
		return NULL;
	switch (graph->index->metric->kind)
	{
		case HNR_METRIC_L2:
			return half ? hnr_distance->half_l2_squared : hnr_distance->short_l2_squared;
		case HNR_METRIC_IP:
		case HNR_METRIC_COSINE:
			return half ? hnr_distance->half_inner_product : hnr_distance->short_inner_product;
		default:
			return NULL;
	}
}

void
hnr_taken_init(HnrTaken *t, HnrMemGraph *graph, int places)
{
	t->graph = graph;
	t->dims = graph->index->layout.dims;
	t->bytes = hnr_byte_points_serve(graph);
	t->scale = t->bytes ? hnr_byte_points_scale(graph) : 1;
	t->at = palloc(sizeof(void *) * places);
	t->stride = TYPEALIGN(16, t->dims);
	t->narrow = narrow_function(graph);
	t->room = NULL;
	/* vectors that vary are padded where they are decoded */
	if (!t->bytes && (graph->encoding != HNR_ENCODING_FLOAT || graph->varying))
		t->room = palloc_extended(sizeof(float) * t->stride * (Size) places, MCXT_ALLOC_HUGE);
}

/* Factors that are powers of two leave the digits of a sum as they are. */
float
hnr_taken_once(HnrTaken *t, uint32 taken, const void *vec, uint32 node, int place)
{
	int			x = hnr_mem_graph_node(t->graph, taken)->scale.exponent;
	int			y = hnr_mem_graph_node(t->graph, node)->scale.exponent;
	HnrMetricKind kind = t->graph->index->metric->kind;
	float		d;

	/* 2^(x + y) is to be a normal float */
	if (t->narrow == NULL || (kind == HNR_METRIC_L2 && x != y) || x + y <= -127 || x + y >= 128)
		return hnr_taken_distance(t, vec, hnr_take(t, node, place));
	d = ldexpf(1.0f, x + y) * t->narrow(t->dims, (const uint16 *) hnr_mem_graph_encoded(t->graph, taken),
										(const uint16 *) hnr_mem_graph_encoded(t->graph, node));
	if (kind == HNR_METRIC_L2)
		return d;
	return kind == HNR_METRIC_IP ? -d : 1.0f - d;
}
