/*-------------------------------------------------------------------------
 *
 * rows.c
 *		Rows of a build in a temporary file, with their vectors as pages will hold them.
 *		See shards.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/shards.h"
#include "miscadmin.h"

Size
hnr_shards_vector_size(const HnrIndex *index)
{
	return MAXALIGN(hnr_coordinates_size(index->layout.encoding, index->layout.dims));
}

HnrSpill *
hnr_shards_spill_rows(HnrIndex *index)
{
	return hnr_spill_create(sizeof(HnrShardRow) + hnr_shards_vector_size(index));
}

void
hnr_shards_add_row(HnrSpill *rows, HnrIndex *index, const HnrRow *row)
{
	char	   *record = palloc0(sizeof(HnrShardRow) + hnr_shards_vector_size(index));
	HnrShardRow *r = (HnrShardRow *) record;

	r->tid = row->tid;
	r->error = row->error;
	r->scale = hnr_stored_scale(index->layout.encoding, index->layout.dims, row->vec);
	hnr_stored_encode(index->layout.encoding, row->vec, index->layout.dims, r->scale,
					  record + sizeof(HnrShardRow));
	hnr_spill_write(rows, record);
	pfree(record);
}

void
hnr_shards_add_graph(HnrSpill *rows, HnrMemGraph *graph)
{
	char	   *record = palloc0(sizeof(HnrShardRow) + graph->vector_size);
	HnrShardRow *r = (HnrShardRow *) record;

	Assert(graph->encoding == graph->index->layout.encoding);
	for (uint32 i = 0; i < graph->nnodes; i++)
	{
		const HnrMemNode *node = hnr_mem_graph_node(graph, i);

		CHECK_FOR_INTERRUPTS();
		r->error = node->error;
		r->scale = node->scale;
		memcpy(record + sizeof(HnrShardRow), hnr_array_at(&graph->vectors, i), graph->vector_size);
		for (uint32 t = node->first_tid; t != HNR_MEM_NONE; t = hnr_mem_graph_tid(graph, t)->next)
		{
			r->tid = hnr_mem_graph_tid(graph, t)->tid;
			hnr_spill_write(rows, record);
		}
	}
	pfree(record);
}

void
hnr_shards_read_row(HnrSpill *rows, HnrIndex *index, HnrRow *row)
{
	char	   *record = palloc(sizeof(HnrShardRow) + hnr_shards_vector_size(index));
	HnrShardRow *r = (HnrShardRow *) record;

	hnr_spill_read(rows, record);
	row->tid = r->tid;
	row->error = r->error;
	hnr_stored_decode(index->layout.encoding, record + sizeof(HnrShardRow), index->layout.dims,
					  r->scale, row->vec);
	pfree(record);
}

