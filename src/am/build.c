/*-------------------------------------------------------------------------
 *
 * build.c
 *		CREATE INDEX and REINDEX.
 *
 * Phases: rows are added to a graph in memory; the graph is written to pages; rows
 * that no longer fitted into maintenance_work_mem are then inserted on the pages,
 * one by one; at last the whole relation is logged.  Nobody else sees the relation
 * before the end, and a crash loses it whole, so no page is logged on its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "am/callbacks.h"
#include "am/flush.h"
#include "am/insert.h"
#include "am/place.h"
#include "am/store_mem.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#define PHASE_GRAPH		2		/* 1 is the server's "initializing" */
#define PHASE_WRITE		3
#define PHASE_LOG		4

typedef struct Building
{
	HnrIndex   *index;
	HnrMemGraph *graph;			/* NULL once it was written */
	float	   *vec;
	double		rows;			/* seen */
	double		indexed;
	MemoryContext row_context;
} Building;

char *
hnr_buildphasename(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case PHASE_GRAPH:
			return "building graph";
		case PHASE_WRITE:
			return "writing graph";
		case PHASE_LOG:
			return "writing log";
		default:
			return NULL;
	}
}

static void
set_phase(int64 phase)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
}

static void
finish_graph(Building *b)
{
	set_phase(PHASE_WRITE);
	hnr_flush_graph(b->index, b->graph, NULL);
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
	set_phase(PHASE_GRAPH);
}

static void
add_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
		bool tuple_is_alive, void *state)
{
	Building   *b = state;
	MemoryContext old;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) ++b->rows);
	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(b->row_context);
	if (hnr_metric_form_vector(b->index->metric, values[0], b->index->layout.dims, b->vec))
	{
		if (b->graph && hnr_mem_graph_size(b->graph) > (Size) maintenance_work_mem * 1024)
			graph_full(b);
		if (b->graph)
			hnr_mem_graph_add(b->graph, b->vec, tid);
		else
			hnr_insert_row(b->index, b->vec, tid);
		b->indexed++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(b->row_context);
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
	set_phase(PHASE_LOG);
	if (RelationNeedsWAL(rel))
		log_newpage_range(rel, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(rel), true);
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
	b.index = hnr_index_plan(rel);
	b.vec = palloc(sizeof(float) * b.index->layout.dims);
	hnr_index_write_meta(b.index, MAIN_FORKNUM);
	b.graph = hnr_mem_graph_create(b.index);
	b.row_context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build row",
										  ALLOCSET_DEFAULT_SIZES);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) estimate_rows(heap));
	set_phase(PHASE_GRAPH);
	result->heap_tuples = table_index_build_scan(heap, rel, info, true, true, add_row, &b, NULL);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) b.rows);
	if (b.graph)
		finish_graph(&b);
	log_relation(rel);
	result->index_tuples = b.indexed;
	MemoryContextDelete(b.row_context);
	return result;
}

void
hnr_buildempty(Relation rel)
{
	hnr_index_write_meta(hnr_index_plan(rel), INIT_FORKNUM);
}
