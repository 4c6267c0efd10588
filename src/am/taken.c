/*-------------------------------------------------------------------------
 *
 * taken.c
 *		Vectors of some nodes, to be compared with each other.  See taken.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/taken.h"
#include "utils/memutils.h"

void
hnr_taken_init(HnrTaken *t, HnrMemGraph *graph, int places)
{
	t->graph = graph;
	t->dims = graph->index->layout.dims;
	t->bytes = hnr_byte_points_serve(graph);
	t->scale = t->bytes ? hnr_byte_points_scale(graph) : 1;
	t->at = palloc(sizeof(void *) * places);
	t->stride = TYPEALIGN(16, t->dims);
	t->room = NULL;
	/* vectors that vary are padded where they are decoded */
	if (!t->bytes && (graph->encoding != HNR_ENCODING_FLOAT || graph->varying))
		t->room = palloc_extended(sizeof(float) * t->stride * (Size) places, MCXT_ALLOC_HUGE);
}
