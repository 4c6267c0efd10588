/*-------------------------------------------------------------------------
 *
 * build.c
 *		CREATE INDEX and REINDEX.
 *
 * Phases: the first rows are looked at, to choose how vectors are stored; rows are
 * added to a graph in memory; the graph is written to pages; rows
 * that no longer fitted into maintenance_work_mem are then inserted on the pages,
 * one by one; at last the whole relation is logged.  Nobody else sees the relation
 * before the end, and a crash loses it whole, so no page is logged on its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "am/am.h"
#include "am/callbacks.h"
#include "am/encoding.h"
#include "am/flush.h"
#include "am/insert.h"
#include "am/log.h"
#include "am/place.h"
#include "am/store_mem.h"
#include "am/toasted.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "throttle.h"
#include "utils/memutils.h"

/* What a row takes at least (us), for the throttle. */
#define ROW_US		20

typedef struct Building
{
	HnrIndex   *index;
	Relation	rel;
	HnrToastReader *toasted;	/* for the vectors of rows */
	HnrMemGraph *graph;			/* NULL before the sample is complete, and once it was
								 * written */
	float	   *sample;			/* vectors of the first rows; NULL afterwards */
	ItemPointerData *sample_tids;
	int			nsample;
	HnrRow		row;
	double		rows;			/* seen */
	double		indexed;
	MemoryContext context;
	MemoryContext row_context;
} Building;

const char *
hnr_build_phase_name(int64 subphase)
{
	switch (subphase)
	{
		case HNR_BUILD_GRAPH:
			return "building graph";
		case HNR_BUILD_WRITE:
			return "writing graph";
		case HNR_BUILD_LOG:
			return "writing log";
		default:
			return NULL;
	}
}

char *
hnr_buildphasename(int64 phase)
{
	if (phase == PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE)
		return "initializing";
	return unconstify(char *, hnr_build_phase_name(phase));
}

static void
set_phase(HnrBuildPhase phase)
{
	const int	columns[] = {PROGRESS_CREATEIDX_SUBPHASE, PROGRESS_SCAN_BLOCKS_TOTAL,
	PROGRESS_SCAN_BLOCKS_DONE};
	int64		values[] = {phase, 0, 0};

	/* the last phase counts blocks anew; the first goes on while the table is read */
	pgstat_progress_update_multi_param(phase == HNR_BUILD_LOG ? 3 : 1, columns, values);
}

/*
 * The share of the time that writing takes, for progress.  Measured at 8 <= m <= 32,
 * 32 <= ef_construction <= 200 and 128 to 768 dimensions; right within a few hundredths.
 */
static double
write_share(const HnrMetaPage *meta)
{
	return 1 / (1 + 0.56 * pow(meta->m, -0.23) * pow(meta->ef_construction, 0.64));
}

static void
report_done(double rows)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) rows);
}

/* Of the graph that is being written; a function without an argument to tell. */
static double rows_linked;
static double rows_per_vertex;

static void
report_written(uint32 vertices)
{
	report_done(rows_linked + vertices * rows_per_vertex);
}

static void
finish_graph(Building *b)
{
	set_phase(HNR_BUILD_WRITE);
	rows_linked = b->rows * (1 - write_share(&b->index->meta));
	rows_per_vertex = (b->rows - rows_linked) / Max(hnr_mem_graph_count(b->graph), 1);
	hnr_flush_graph(b->index, b->graph, report_written);
	hnr_mem_graph_free(b->graph);
	b->graph = NULL;
}

static void
graph_full(Building *b)
{
	ereport(NOTICE,
			(errmsg("hnsw graph no longer fits into maintenance_work_mem after %.0f rows",
					b->indexed),
			 errdetail("The rest of the build will be slower."),
			 errhint("Increase maintenance_work_mem to speed up builds.")));
	finish_graph(b);
	set_phase(HNR_BUILD_GRAPH);
}

/* Adds b->row, whose vector is not rounded yet. */
static void
index_row(Building *b)
{
	b->row.error = hnr_stored_round(b->index->metric, b->index->layout.encoding,
									b->index->layout.dims, b->row.vec);
	if (b->graph && hnr_mem_graph_size(b->graph) > (Size) maintenance_work_mem * 1024)
		graph_full(b);
	if (b->graph)
		hnr_mem_graph_add(b->graph, &b->row);
	else
		hnr_insert_row(b->index, &b->row, false);
	b->indexed++;
}

/* With the first rows at hand: settles the format and begins the graph with them. */
static void
begin_graph(Building *b)
{
	MemoryContext old = MemoryContextSwitchTo(b->context);
	int			dims = b->index->layout.dims;
	float	   *sample = b->sample;

	b->index = hnr_index_plan(b->rel, hnr_choose_encoding(b->index->metric, dims,
														  sample, b->nsample));
	hnr_index_write_meta(b->index, MAIN_FORKNUM);
	b->graph = hnr_mem_graph_create(b->index);
	b->sample = NULL;
	MemoryContextSwitchTo(b->row_context);
	for (int i = 0; i < b->nsample; i++)
	{
		memcpy(b->row.vec, sample + (Size) i * dims, sizeof(float) * dims);
		b->row.tid = b->sample_tids[i];
		index_row(b);
		MemoryContextReset(b->row_context);
	}
	pfree(sample);
	MemoryContextSwitchTo(old);
}

static void
add_to_sample(Building *b)
{
	int			dims = b->index->layout.dims;

	memcpy(b->sample + (Size) b->nsample * dims, b->row.vec, sizeof(float) * dims);
	b->sample_tids[b->nsample] = b->row.tid;
	if (++b->nsample == HNR_ENCODING_SAMPLE)
		begin_graph(b);
}

static void
add_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
		bool tuple_is_alive, void *state)
{
	Building   *b = state;
	MemoryContext old;

	b->rows++;
	report_done(b->rows * (b->sample || b->graph ? 1 - write_share(&b->index->meta) : 1));
	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(b->row_context);
	b->row.tid = *tid;
	if (TupleDescAttr(RelationGetDescr(rel), 0)->attlen == -1)
		values[0] = PointerGetDatum(hnr_toast_read(b->toasted,
												   (struct varlena *) DatumGetPointer(values[0])));
	if (hnr_metric_form_vector(b->index->metric, values[0], b->index->layout.dims, b->row.vec))
	{
		if (b->sample)
			add_to_sample(b);
		else
			index_row(b);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(b->row_context);
	hnr_throttle(ROW_US);
}

/* How many rows there will be, as far as one can know. */
static double
estimate_rows(Relation heap)
{
	BlockNumber pages;
	double		tuples;
	double		allvisible;

	estimate_rel_size(heap, NULL, &pages, &tuples, &allvisible);
	return tuples;
}

static void
log_relation(Relation rel)
{
	set_phase(HNR_BUILD_LOG);
	hnr_log_relation(rel);
}

IndexBuildResult *
hnr_build(Relation heap, Relation rel, IndexInfo *info)
{
	IndexBuildResult *result = palloc0(sizeof(IndexBuildResult));
	Building	b = {0};

	if (RelationGetNumberOfBlocks(rel) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" already contains data", RelationGetRelationName(rel))));
	hnr_place_forget(rel);
	b.rel = rel;
	b.context = CurrentMemoryContext;
	b.index = hnr_index_plan(rel, HNR_ENCODING_FLOAT);
	b.row.vec = palloc(sizeof(float) * b.index->layout.dims);
	b.sample = palloc_extended(sizeof(float) * HNR_ENCODING_SAMPLE * (Size) b.index->layout.dims,
							   MCXT_ALLOC_HUGE);
	b.sample_tids = palloc(sizeof(ItemPointerData) * HNR_ENCODING_SAMPLE);
	b.row_context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build row",
										  ALLOCSET_DEFAULT_SIZES);

	b.toasted = hnr_toast_reader_create(heap);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) estimate_rows(heap));
	set_phase(HNR_BUILD_GRAPH);
	result->heap_tuples = table_index_build_scan(heap, rel, info, true, true, add_row, &b, NULL);
	hnr_toast_reader_free(b.toasted);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) b.rows);
	if (b.sample)
		begin_graph(&b);
	if (b.graph)
		finish_graph(&b);
	report_done(b.rows);
	log_relation(rel);
	result->index_tuples = b.indexed;
	MemoryContextDelete(b.row_context);
	return result;
}

void
hnr_buildempty(Relation rel)
{
	hnr_index_write_meta(hnr_index_plan(rel, HNR_ENCODING_FLOAT), INIT_FORKNUM);
}
