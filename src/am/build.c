/*-------------------------------------------------------------------------
 *
 * build.c
 *		CREATE INDEX and REINDEX.
 *
 * Phases: the first rows are looked at, to choose how vectors are stored; rows are
 * added to a graph in memory; the graph is linked and written to pages; at last the
 * whole relation is logged.  Once rows no longer fit into maintenance_work_mem, all go to a
 * temporary file, and the graph is made part by part (shards.h).  Where that cannot be, the
 * graph is written when it is full, and the other rows are then inserted on the pages,
 * one by one.  Nobody else sees the relation
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
#include "am/grow.h"
#include "am/insert.h"
#include "am/log.h"
#include "am/phases.h"
#include "am/place.h"
#include "am/renew.h"
#include "am/shards.h"
#include "am/slots.h"
#include "am/store_mem.h"
#include "am/team.h"
#include "am/toasted.h"
#include "am/weave.h"
#include "distance/distance.h"
#include "commands/progress.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "throttle.h"
#include "utils/memutils.h"

/* What a row takes at least (us), where it is linked at once; for the throttle. */
#define ROW_US		20

/* Shares of the time, for progress: of reading the rows and of linking them, all or by shards. */
#define READ_SHARE		0.1
#define LINK_SHARE		0.7
#define SHARDS_SHARE	0.55

/* Fewer nodes than these are linked one by one. */
#define GROW_BELOW		2000

/* The standard deviation of lengths as a share of their mean. */
#define LENGTHS_VARY	0.1

typedef struct Building
{
	HnrIndex   *index;
	Relation	rel;
	HnrToastReader *toasted;	/* for the vectors of rows */
	int			nworkers;		/* wanted beside this process */
	HnrArena   *arena;
	HnrMemGraph *graph;			/* NULL before the sample is complete, and once it was
								 * written */
	HnrGrowth  *growth;			/* NULL: it is linked when all rows are there */
	HnrSpill   *spilled;		/* all rows, once they are too many for memory; or NULL */
	bool		in_order;		/* they are added one by one after all */
	double		link_share;
	float	   *sample;			/* vectors of the first rows; NULL afterwards */
	ItemPointerData *sample_tids;
	int			nsample;
	HnrRow		row;
	double		rows;			/* seen */
	double		indexed;
	double		lengths;		/* the inner product only: of vectors, the sum */
	double		squares;		/* of their squares */
	double		nlengths;
	MemoryContext context;
	MemoryContext row_context;
} Building;

static void
report_done(double rows)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) rows);
}

/* The share of the time after which rows have been read: linked, where that is done at once. */
static double
share_read(const Building *b)
{
	if (b->growth)
		return 1 - hnr_build_write_share(&b->index->meta);
	return b->sample || b->graph || b->spilled ? READ_SHARE : 1;
}

static void
report_linking(void *state, double done)
{
	const Building *b = state;

	report_done(b->rows * (READ_SHARE + b->link_share * done));
}

static void
report_writing(void *state, double done)
{
	const Building *b = state;
	double		from = b->growth ? share_read(b) : READ_SHARE + b->link_share;

	report_done(b->rows * (from + (1 - from) * done));
}

/*
 * With few rows, samples are too small to lead from each cluster to the others, and time
 * does not matter.
 */
static bool
is_small(const Building *b)
{
	return b->graph->nnodes < GROW_BELOW &&
		sizeof(float) * b->index->layout.dims * b->graph->nnodes < (Size) maintenance_work_mem * 1024 / 4;
}

/*
 * Whether the inner product's order differs much from that of distances: what is near to
 * others is then what is long, and cells do not bring that together.
 */
static bool
lengths_vary(const Building *b)
{
	return isinf(b->squares) ||
		b->squares * b->nlengths > b->lengths * b->lengths * (1 + LENGTHS_VARY * LENGTHS_VARY);
}

static void
add_length(Building *b)
{
	double		square;

	if (b->index->metric->kind != HNR_METRIC_IP || !b->index->metric->type->dense)
		return;
	square = hnr_distance->inner_product(b->index->layout.dims, b->row.vec, b->row.vec);
	b->lengths += sqrt(square);
	b->squares += square;
	b->nlengths++;
}

static void
grow_all(Building *b)
{
	HnrMemGraph *graph = b->graph;
	HnrGrowth  *growth;

	hnr_mem_graph_to_floats(graph);
	growth = hnr_growth_create(graph);
	for (uint32 i = 0; i < graph->nnodes; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_growth_link(growth, i);
		hnr_throttle(ROW_US);
		report_linking(b, (i + 1.0) / graph->nnodes);
	}
}

/* Links all nodes at once and writes them, together with workers, if there are any. */
static void
weave_and_write(Building *b)
{
	HnrWeave   *w = hnr_weave_create(b->graph);
	HnrTeam    *team;

	w->progress = report_linking;
	w->progress_state = b;
	team = hnr_team_start(w, b->nworkers);
	if (hnr_arena_problem(b->arena))
		hnr_team_complain(b->rel, hnr_arena_problem(b->arena));
	HNR_DEBUG_POINT("build_linking");
	hnr_weave_run(w);
	hnr_build_set_phase(HNR_BUILD_WRITE);
	hnr_flush_graph(b->index, b->graph, w, report_writing, b);
	if (team)
		hnr_team_end(team, w);
}

static void
finish_graph(Building *b)
{
	hnr_mem_graph_complete(b->graph);
	if (b->growth == NULL && !is_small(b) && !lengths_vary(b))
		weave_and_write(b);
	else
	{
		if (b->growth == NULL)
			grow_all(b);
		hnr_build_set_phase(HNR_BUILD_WRITE);
		hnr_flush_graph(b->index, b->graph, NULL, report_writing, b);
	}
	hnr_mem_graph_free(b->graph);
	hnr_arena_free(b->arena);
	b->graph = NULL;
	b->growth = NULL;
}

static void
begin_graph(Building *b, bool in_cells)
{
	b->arena = hnr_arena_create(b->nworkers > 0 && in_cells);
	b->graph = hnr_mem_graph_create(b->index, !in_cells, b->arena);
	b->growth = in_cells ? NULL : hnr_growth_create(b->graph);
}

/* The graph is full: all rows go to a temporary file, for it to be made part by part. */
static void
spill_graph(Building *b)
{
	MemoryContext old = MemoryContextSwitchTo(b->context);

	ereport(DEBUG1,
			(errmsg_internal("hnsw graph no longer fits into maintenance_work_mem after %.0f rows",
							 b->indexed)));
	b->spilled = hnr_shards_spill_rows(b->index);
	hnr_shards_add_graph(b->spilled, b->graph);
	hnr_mem_graph_free(b->graph);
	hnr_arena_free(b->arena);
	b->graph = NULL;
	MemoryContextSwitchTo(old);
}

static void
graph_full(Building *b)
{
	ereport(NOTICE,
			(errmsg("hnsw graph no longer fits into maintenance_work_mem after %u rows",
					b->graph->ntids),
			 errdetail("The rest of the build will be slower."),
			 errhint("Increase maintenance_work_mem to speed up builds.")));
	finish_graph(b);
	hnr_build_set_phase(HNR_BUILD_GRAPH);
}

/* Bytes that the graph needs until it is written, whichever way its nodes are linked. */
static Size
memory_needed(const Building *b)
{
	Size		nodes = b->graph->nnodes;
	Size		size = hnr_mem_graph_size(b->graph) + HNR_FLUSH_NODE * nodes;
	Size		linking = 0;

	if (b->growth == NULL)
		linking = hnr_weave_memory(b->index) * nodes + hnr_weave_process_memory(b->index) * (b->nworkers + 1) +
			hnr_slots_memory(b->index, false);
	if (b->growth == NULL && b->index->metric->kind == HNR_METRIC_IP)
		linking = Max(linking, sizeof(float) * b->index->layout.dims * nodes);
	return size + linking;
}

/* Adds b->row to the graph, wherever that is by now. */
static void
add_to_graph(Building *b)
{
	if (b->graph && memory_needed(b) > (Size) maintenance_work_mem * 1024)
	{
		if (b->growth || b->in_order)
			graph_full(b);
		else
			spill_graph(b);
	}
	if (b->graph)
	{
		uint32		node = hnr_mem_graph_add(b->graph, &b->row);

		if (b->growth && node != HNR_MEM_NONE)
			hnr_growth_link(b->growth, node);
	}
	else if (b->spilled)
		hnr_shards_add_row(b->spilled, b->index, &b->row);
	else
		hnr_insert_row(b->index, &b->row, false);
}

/* Adds b->row, whose vector is not rounded yet. */
static void
index_row(Building *b)
{
	b->row.error = hnr_stored_round(b->index->metric, b->index->layout.encoding,
									b->index->layout.dims, b->row.vec);
	add_to_graph(b);
	b->indexed++;
}

/* Makes the graph of all rows, part by part; false if that cannot be done. */
static bool
build_shards(Building *b)
{
	HnrShards  *shards;

	if (lengths_vary(b))
		return false;
	shards = hnr_shards_divide(b->index, b->spilled, b->nworkers);
	if (shards == NULL)
		return false;
	b->spilled = NULL;
	shards->progress_state = b;
	b->link_share = SHARDS_SHARE;
	shards->progress = report_linking;
	hnr_shards_choose(shards);
	if (shards->problem)
		hnr_team_complain(b->rel, shards->problem);
	hnr_build_set_phase(HNR_BUILD_WRITE);
	shards->progress = report_writing;
	hnr_shards_write(shards);
	return true;
}

/* All rows are in a temporary file. */
static void
finish_spilled(Building *b)
{
	HnrSpill   *rows = b->spilled;

	if (build_shards(b))
		return;
	b->spilled = NULL;
	b->in_order = true;
	begin_graph(b, !lengths_vary(b));
	hnr_spill_rewind(rows);
	for (uint64 i = hnr_spill_count(rows); i > 0; i--)
	{
		MemoryContext old = MemoryContextSwitchTo(b->row_context);

		CHECK_FOR_INTERRUPTS();
		hnr_shards_read_row(rows, b->index, &b->row);
		add_to_graph(b);
		MemoryContextSwitchTo(old);
		MemoryContextReset(b->row_context);
		hnr_throttle(ROW_US);
	}
	hnr_spill_free(rows);
}

/* With the first rows at hand: settles the format and begins the graph with them. */
static void
begin_with_sample(Building *b)
{
	MemoryContext old = MemoryContextSwitchTo(b->context);
	int			dims = b->index->layout.dims;
	float	   *sample = b->sample;

	b->index = hnr_index_plan(b->rel, hnr_choose_encoding(b->index->metric, dims,
														  sample, b->nsample));
	hnr_index_write_meta(b->index, MAIN_FORKNUM);
	begin_graph(b, b->index->metric->type->dense && !lengths_vary(b));
	b->sample = NULL;
	MemoryContextSwitchTo(b->row_context);
	for (int i = 0; i < b->nsample; i++)
	{
		memcpy(b->row.vec, sample + (Size) i * dims, sizeof(float) * dims);
		b->row.tid = b->sample_tids[i];
		index_row(b);
		MemoryContextReset(b->row_context);
	}
	if (sample)
		pfree(sample);
	MemoryContextSwitchTo(old);
}

/* Begins with a sample, where there is anything to choose by it. */
static void
begin_sample(Building *b)
{
	if (!b->index->metric->type->dense)
	{
		begin_with_sample(b);
		return;
	}
	b->sample = palloc_extended(sizeof(float) * HNR_ENCODING_SAMPLE * (Size) b->index->layout.dims,
								MCXT_ALLOC_HUGE);
	b->sample_tids = palloc(sizeof(ItemPointerData) * HNR_ENCODING_SAMPLE);
}

static void
add_to_sample(Building *b)
{
	int			dims = b->index->layout.dims;

	memcpy(b->sample + (Size) b->nsample * dims, b->row.vec, sizeof(float) * dims);
	b->sample_tids[b->nsample] = b->row.tid;
	if (++b->nsample == HNR_ENCODING_SAMPLE)
		begin_with_sample(b);
}

static void
add_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
		bool tuple_is_alive, void *state)
{
	Building   *b = state;
	MemoryContext old;

	b->rows++;
	report_done(b->rows * share_read(b));
	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(b->row_context);
	b->row.tid = *tid;
	if (TupleDescAttr(RelationGetDescr(rel), 0)->attlen == -1)
		values[0] = PointerGetDatum(hnr_toast_read(b->toasted,
												   (struct varlena *) DatumGetPointer(values[0])));
	if (hnr_metric_form_vector(b->index->metric, values[0], b->index->layout.column_dims, b->row.vec))
	{
		add_length(b);
		if (b->sample)
			add_to_sample(b);
		else
			index_row(b);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(b->row_context);
	hnr_throttle(b->growth ? ROW_US : 1);
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

IndexBuildResult *
hnr_build(Relation heap, Relation rel, IndexInfo *info)
{
	IndexBuildResult *result = palloc0(sizeof(IndexBuildResult));
	Building	b = {0};
	double		rows;

	if (RelationGetNumberOfBlocks(rel) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" already contains data", RelationGetRelationName(rel))));
	hnr_place_forget(rel);
	if (hnr_renew_is_wanted(rel))
		return hnr_renew_build(heap, rel, info);
	b.rel = rel;
	b.link_share = LINK_SHARE;
	b.context = CurrentMemoryContext;
	b.index = hnr_index_plan(rel, HNR_ENCODING_FLOAT);
	b.row.vec = palloc(sizeof(float) * b.index->layout.dims);
	b.row_context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build row",
										  ALLOCSET_DEFAULT_SIZES);

	b.toasted = hnr_toast_reader_create(heap);
	rows = estimate_rows(heap);
	b.nworkers = hnr_team_size(heap, rows);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) rows);
	hnr_build_set_phase(HNR_BUILD_GRAPH);
	begin_sample(&b);
	result->heap_tuples = table_index_build_scan(heap, rel, info, true, true, add_row, &b, NULL);
	hnr_toast_reader_free(b.toasted);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) b.rows);
	if (b.sample)
		begin_with_sample(&b);
	if (b.spilled)
		finish_spilled(&b);
	if (b.graph)
		finish_graph(&b);
	report_done(b.rows);
	hnr_build_set_phase(HNR_BUILD_LOG);
	hnr_log_relation(rel);
	result->index_tuples = b.indexed;
	MemoryContextDelete(b.row_context);
	return result;
}

void
hnr_buildempty(Relation rel)
{
	hnr_index_write_meta(hnr_index_plan(rel, HNR_ENCODING_FLOAT), INIT_FORKNUM);
}
