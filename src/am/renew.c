/*-------------------------------------------------------------------------
 *
 * renew.c
 *		The build of an index from the graph of an old one on the same rows.
 *
 * Phases: the old index is read for the rows that it has (inherit.c); the table is read, which
 * decides which rows go into the new one; their vertices are taken over with vectors and
 * links; links are made better where they have suffered (mend.c); the graph is written,
 * with the codes of the links that have stayed; rows that the old index does not have are inserted.
 *
 * Several processes make the graph, as in a build from scratch (team.h); this one alone reads the
 * old index and the table, and writes the new one.
 *
 * Locks: AccessShareLock on the old index.  The caller holds one on the table that keeps
 * VACUUM away.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "am/am.h"
#include "am/encoding.h"
#include "am/flush.h"
#include "am/inherit.h"
#include "am/insert.h"
#include "am/log.h"
#include "am/mend.h"
#include "am/phases.h"
#include "am/renew.h"
#include "am/team.h"
#include "am/toasted.h"
#include "am/weave.h"
#include "commands/progress.h"
#include "debug_point.h"
#include "distance/distance.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "throttle.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Rows whose vectors are compared with what the old index has. */
#define SAMPLE		1000

/* The most by which they may differ, as a share of their lengths, squared. */
#define TOLERANCE	1e-4

/* Rows that the old index does not have, of all, before it is given up. */
#define MOST_NEW	0.1
#define SOME_NEW	100

/* Links lost, of all, before it is given up. */
#define MOST_LOST	0.5

/* Shares of the time, for progress. */
#define LOADED		0.3
#define LINKED		0.6

/* Of linking: of looking at what was taken over. */
#define MEASURED	0.1

typedef struct Renewal
{
	HnrIndex   *index;
	HnrInherit *inherit;
	HnrMemGraph *graph;
	HnrToastReader *toasted;
	MemoryContext row_context;
	float	   *vec;			/* of a row */
	double		rows;			/* seen */
	double		indexed;
	Size		needed;			/* memory */
	int			nworkers;		/* wanted beside this process */
	uint64		sample_every;
	float	   *sample;			/* vectors of some rows that the old index has */
	uint32	   *sample_vertex;
	int			nsample;
	float	   *fresh;			/* vectors of rows that it does not have */
	ItemPointerData *fresh_tids;
	uint32		nfresh;
	uint32		maxfresh;
} Renewal;

static HnrBuildOffer offer;

void
hnr_build_offer(const HnrBuildOffer *new_offer)
{
	if (new_offer)
		offer = *new_offer;
	else
		memset(&offer, 0, sizeof(offer));
}

bool
hnr_renew_is_wanted(Relation rel)
{
	return OidIsValid(offer.index) && offer.index == RelationGetRelid(rel);
}

static float *
vector_in(const Renewal *r, float *vectors, uint32 i)
{
	return vectors + (Size) i * r->index->layout.dims;
}

static void
reserve_fresh(Renewal *r)
{
	Size		bytes = sizeof(float) * r->index->layout.dims;

	if (r->nfresh < r->maxfresh)
		return;
	r->maxfresh = Max(r->maxfresh * 2, 16);
	if (r->needed + (bytes + sizeof(ItemPointerData)) * r->maxfresh > hnr_inherit_budget())
		hnr_inherit_no_memory();
	r->fresh = r->fresh ? repalloc_huge(r->fresh, bytes * r->maxfresh) :
		MemoryContextAllocHuge(GetMemoryChunkContext(r), bytes * r->maxfresh);
	r->fresh_tids = r->fresh_tids ?
		repalloc_huge(r->fresh_tids, sizeof(ItemPointerData) * r->maxfresh) :
		MemoryContextAllocHuge(GetMemoryChunkContext(r), sizeof(ItemPointerData) * r->maxfresh);
}

/* The rebuild begins from scratch, and says why. */
pg_noreturn static void
refuse(const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_internal("%s", why)));
}

/* An error where so many rows, of all that there can be, are not in the old index. */
static void
check_fresh(Renewal *r, double indexed)
{
	if (r->nfresh > (indexed + r->nfresh) * MOST_NEW + SOME_NEW)
		refuse("too many rows are not in the old index");
}

static void
add_fresh(Renewal *r, ItemPointer tid)
{
	reserve_fresh(r);
	r->fresh_tids[r->nfresh] = *tid;
	memcpy(vector_in(r, r->fresh, r->nfresh++), r->vec, sizeof(float) * r->index->layout.dims);
	/* at once, if there are too many whatever follows */
	check_fresh(r, hnr_inherit_figures(r->inherit)->tids);
}

/* Forms r->vec of a row; false: it is not indexed. */
static bool
form_vector(Renewal *r, Relation rel, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(r->row_context);
	bool		indexed;

	if (TupleDescAttr(RelationGetDescr(rel), 0)->attlen == -1)
		value = PointerGetDatum(hnr_toast_read(r->toasted, (struct varlena *) DatumGetPointer(value)));
	indexed = hnr_metric_form_vector(r->index->metric, value, r->index->layout.column_dims, r->vec);
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->row_context);
	return indexed;
}

static void
report_done(Renewal *r, double share)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) (r->rows * share));
}

static void
see_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull, bool tuple_is_alive, void *state)
{
	Renewal    *r = state;
	uint32		vertex;

	r->rows++;
	report_done(r, LOADED / 2);
	hnr_inherit_poll(1);
	if (isnull[0])
		return;
	if (!hnr_inherit_claim(r->inherit, tid, &vertex))
	{
		if (form_vector(r, rel, values[0]))
			add_fresh(r, tid);
		return;
	}
	r->indexed++;
	if ((uint64) r->indexed % r->sample_every == 0 && r->nsample < SAMPLE &&
		form_vector(r, rel, values[0]))
	{
		r->sample_vertex[r->nsample] = vertex;
		memcpy(vector_in(r, r->sample, r->nsample++), r->vec,
			   sizeof(float) * r->index->layout.dims);
	}
}

/* An error if vectors of the sample are not what the old index has of them. */
static void
check_sample(Renewal *r)
{
	int			dims = r->index->layout.dims;
	float	   *stored = palloc(sizeof(float) * dims);

	for (int i = 0; i < r->nsample; i++)
	{
		float	   *vec = vector_in(r, r->sample, i);
		double		length2;

		(void) hnr_stored_round(r->index->metric, r->index->layout.encoding, dims, vec);
		hnr_mem_graph_decode(r->graph, hnr_inherit_node(r->inherit, r->sample_vertex[i]), stored);
		length2 = (double) hnr_distance->inner_product(dims, vec, vec) +
			hnr_distance->inner_product(dims, stored, stored);
		/* written so that NaN is none */
		if (!(hnr_distance->l2_squared(dims, vec, stored) <= TOLERANCE * length2))
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg_internal("the old index has another vector than the table")));
	}
	pfree(stored);
}

/*
 * An error if a build from scratch would store vectors otherwise; the sample, of which some
 * from all parts of the table do, is not rounded yet.
 */
static void
check_encoding(Renewal *r)
{
	int			dims = r->index->layout.dims;
	int			n = Min(r->nsample, HNR_ENCODING_SAMPLE);
	float	   *vectors = palloc_extended(sizeof(float) * dims * (Size) Max(n, 1), MCXT_ALLOC_HUGE);
	HnrEncoding now;

	for (int i = 0; i < n; i++)
		memcpy(vector_in(r, vectors, i), vector_in(r, r->sample, (int64) i * r->nsample / n),
			   sizeof(float) * dims);
	now = hnr_choose_encoding(r->index->metric, dims, vectors, n);
	pfree(vectors);
	if (now == HNR_ENCODING_FLOAT && r->index->metric->half_is_exact)
		now = HNR_ENCODING_HALF;
	if (now != r->index->layout.encoding)
		refuse("vectors would be stored otherwise now");
}

/* Errors where little would be taken over. */
static void
check_worth(Renewal *r)
{
	const HnrInheritFigures *f = hnr_inherit_figures(r->inherit);

	if (r->graph->nnodes < HNR_INHERIT_LEAST)
		refuse("few rows are left");
	if (f->lost > (f->lost + f->links) * MOST_LOST)
		refuse("too many neighbors are gone");
}

/* Vectors of some rows, to be compared with what is taken over, and whose they are. */
static Size
sample_memory(const Renewal *r)
{
	return (sizeof(float) * r->index->layout.dims + sizeof(uint32)) * SAMPLE;
}

/* The most that all this takes at a time, but for rows that the old index does not have. */
static Size
needed_memory(Renewal *r)
{
	const HnrInheritFigures *f = hnr_inherit_figures(r->inherit);
	const HnrLayout *layout = &r->index->layout;
	Size		n = f->vertices;
	Size		node = sizeof(HnrMemNode) + r->graph->vector_size + offsetof(HnrMemEdges, edge) +
		sizeof(HnrMemEdge) * layout->ground.slots;
	Size		upper = offsetof(HnrMemEdges, edge) + sizeof(HnrMemEdge) * layout->upper.slots;
	Size		linking = hnr_weave_mending_memory(r->index) * n + hnr_slots_memory(r->index, true);

	linking += HNR_FLUSH_NODE * n + hnr_weave_process_memory(r->index) * (r->nworkers + 1);
	return node * n + upper * (n / (HNR_LEVEL_FACTOR * r->index->meta.m - 1)) +
		sizeof(HnrMemTid) * f->tids + hnr_inherit_memory(r->inherit) +
		linking + sample_memory(r);
}

/* Rather with fewer workers than not at all. */
static void
check_memory(Renewal *r)
{
	while ((r->needed = needed_memory(r)) > hnr_inherit_budget())
		if (r->nworkers-- == 0)
			hnr_inherit_no_memory();
}

static void
report_linking(void *state, double done)
{
	report_done(state, LOADED + (LINKED - LOADED) * done);
}

/* Between two pages, when none is locked. */
static void
report_writing(void *state, double done)
{
	Renewal    *r = state;

	report_done(r, LINKED + (1 - LINKED) * done);
	hnr_inherit_poll(0);
}

static void
insert_fresh(Renewal *r)
{
	for (uint32 i = 0; i < r->nfresh; i++)
	{
		HnrRow		row = {.vec = vector_in(r, r->fresh, i),.tid = r->fresh_tids[i]};

		row.error = hnr_stored_round(r->index->metric, r->index->layout.encoding,
									 r->index->layout.dims, row.vec);
		hnr_insert_row(r->index, &row, false);
		r->indexed++;
		CHECK_FOR_INTERRUPTS();
	}
}

static void
write_graph(Renewal *r, HnrWeave *w)
{
	HNR_DEBUG_POINT("renew_mend");
	hnr_mend_links(w, 1 - MEASURED);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, HNR_BUILD_WRITE);
	HNR_DEBUG_POINT("renew_write");
	hnr_flush_graph(r->index, r->graph, w, report_writing, r);
}

/* What was taken over has to be right, as far as one can see. */
static void
check_graph(Renewal *r, HnrWeave *w)
{
	uint32		unsound = hnr_mend_measure(w, MEASURED);

	if (unsound != HNR_MEM_NONE)
		hnr_inherit_report(r->inherit, unsound, "A vertex has a vector that is none.");
	hnr_inherit_check_codes(r->inherit);
	check_sample(r);
}

/* HNR_LIST_... of a node. */
static uint8
what_is_known(Renewal *r, uint32 node)
{
	uint8		flags = hnr_inherit_flags(r->inherit, node);
	uint8		known = 0;

	if (flags & HNR_INHERITED_ADDED)
		known |= HNR_LIST_ADDED;
	if (flags & HNR_INHERITED_LOST)
		known |= HNR_LIST_LOST;
	if (hnr_mem_graph_edges(r->graph, node, 0)->count <
		hnr_new_degree(&r->index->layout, 0, r->index->meta.m))
		known |= HNR_LIST_SHORT;
	return known;
}

static HnrWeave *
begin_weave(Renewal *r)
{
	Size		beside = hnr_inherit_memory(r->inherit) + HNR_FLUSH_NODE * (Size) r->graph->nnodes +
		(sizeof(float) * r->index->layout.dims + sizeof(ItemPointerData)) * (Size) r->maxfresh +
		sample_memory(r) + hnr_weave_process_memory(r->index) * (r->nworkers + 1);
	HnrWeave   *w = hnr_weave_create_mending(r->graph, beside);

	for (uint32 i = 0; i < r->graph->nnodes; i++)
		*hnr_weave_list(w, i) = what_is_known(r, i);
	w->read_old = hnr_inherit_slots;
	w->read_old_state = r->inherit;
	w->progress = report_linking;
	w->progress_state = r;
	return w;
}

/* Makes the graph of what was taken over, together with workers, if there are any, and writes it. */
static void
make_graph(Renewal *r)
{
	HnrWeave   *w = begin_weave(r);
	HnrTeam    *team;

	hnr_index_write_meta(r->index, MAIN_FORKNUM);
	team = hnr_team_start(w, r->nworkers);
	if (r->nworkers > 0 && hnr_arena_problem(r->graph->arena))
		hnr_team_complain(r->index->rel, hnr_arena_problem(r->graph->arena));
	check_graph(r, w);
	write_graph(r, w);
	if (team)
		hnr_team_end(team, w);
}

/* Why an index like planned cannot take over anything from an old one; NULL: it can. */
static const char *
find_obstacle(const HnrIndex *old, const HnrIndex *planned)
{
	const HnrLayout *layout = &old->layout;
	const HnrMetaPage *a = &old->meta;
	const HnrMetaPage *b = &planned->meta;

	if (a->m != b->m)
		return "m is another one";
	if (a->ef_construction != b->ef_construction)
		return "ef_construction is another one";
	if (hnr_meta_dims(a) != hnr_meta_dims(b) || a->metric != b->metric || a->element != b->element ||
		a->encoding != b->encoding)
		return "vectors are stored otherwise";
	if (a->code_bits != b->code_bits || a->slots_ground != b->slots_ground ||
		a->slots_upper != b->slots_upper || a->seed != b->seed)
		return "neighbors are stored otherwise";
	if (a->entry_level < 0)
		return "the old index is empty";
	if (!old->metric->type->dense)
		return "columns of this type are indexed from scratch";
	if (RelationGetNumberOfBlocks(old->rel) / layout->ground.parts * layout->ground.per_page < HNR_INHERIT_LEAST)
		return "the old index is small";
	return NULL;
}

static void
prepare(Renewal *r, Relation heap, Relation rel, Relation old_rel)
{
	HnrIndex   *old = hnr_index_open(old_rel);
	const char *obstacle;
	int			dims;

	old->heap = heap;
	r->index = hnr_index_plan(rel, old->layout.encoding);
	dims = r->index->layout.dims;
	obstacle = find_obstacle(old, r->index);
	/* whose function may have been replaced */
	if (obstacle || hnr_index_has_expressions(rel))
		refuse(obstacle ? obstacle : "it is on an expression");
	r->vec = palloc(sizeof(float) * dims);
	r->sample = palloc_extended(sizeof(float) * SAMPLE * (Size) dims, MCXT_ALLOC_HUGE);
	r->sample_vertex = palloc(sizeof(uint32) * SAMPLE);
	r->row_context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build row",
										   ALLOCSET_DEFAULT_SIZES);
	r->toasted = hnr_toast_reader_create(heap);
	r->nworkers = hnr_team_size(heap, (double) RelationGetNumberOfBlocks(old_rel) /
								old->layout.ground.parts * old->layout.ground.per_page);
	r->graph = hnr_mem_graph_create(r->index, false, hnr_arena_create(r->nworkers > 0));
	r->inherit = hnr_inherit_create(old, heap, r->graph);
	r->sample_every = hnr_inherit_figures(r->inherit)->tids / SAMPLE + 1;
	check_memory(r);
}

/* Before it is logged: else, all would be for nothing. */
static void
check(Relation heap, Relation rel, Snapshot snapshot)
{
	PushActiveSnapshot(snapshot);
	offer.check(heap, rel, offer.state);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
}

IndexBuildResult *
hnr_renew_build(Relation heap, Relation rel, IndexInfo *info)
{
	IndexBuildResult *result = palloc0(sizeof(IndexBuildResult));
	Renewal    *r = palloc0(sizeof(Renewal));
	Relation	old = index_open(offer.old, AccessShareLock);
	Snapshot	snapshot;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, HNR_BUILD_GRAPH);
	prepare(r, heap, rel, old);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 (int64) hnr_inherit_figures(r->inherit)->tids);
	HNR_DEBUG_POINT("renew_scan");
	/* just older than that of the build, which is gone with the scan */
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	result->heap_tuples = table_index_build_scan(heap, rel, info, true, true, see_row, r, NULL);
	hnr_toast_reader_free(r->toasted);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) r->rows);
	HNR_DEBUG_POINT("renew_load");
	check_fresh(r, r->indexed);
	check_encoding(r);
	hnr_inherit_load(r->inherit);
	check_worth(r);
	report_done(r, LOADED);
	make_graph(r);
	hnr_inherit_end(r->inherit);
	index_close(old, AccessShareLock);
	offer.let_go(offer.state);
	insert_fresh(r);
	report_done(r, 1);
	hnr_arena_free(r->graph->arena);
	check(heap, rel, snapshot);
	hnr_build_set_phase(HNR_BUILD_LOG);
	hnr_log_relation(rel);
	result->index_tuples = r->indexed;
	return result;
}
