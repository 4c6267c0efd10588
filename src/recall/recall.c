/*-------------------------------------------------------------------------
 *
 * recall.c
 *		Recall@k of an hnsw index, measured against the exact answer.
 *
 * Three steps under one snapshot: draw a sample (sample.c); find the exact k
 * nearest of every sampled row in one sequential pass over the table (exact.c); look
 * each sampled row up through the index and count how many of the k rows
 * found are as near as the true ones.
 *
 * Only share locks that the caller holds; nothing is written, so this works on
 * a standby.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "am/am.h"
#include "am/page.h"
#include "compat.h"
#include "elapsed.h"
#include "guc.h"
#include "recall/measure.h"
#include "recall/recall.h"
#include "throttle.h"

/* Distances count as equal within this, relative to the k-th true distance. */
#define TIE_TOLERANCE	1e-6

/* Shares of k add up to figures with a tail of nines; nobody needs it. */
#define ROUNDING		1e9

/* Rows between two looks whether somebody needs the table. */
#define STEPS_PER_LOOK	16

/* What a row takes at least (us), for the throttle. */
#define ROW_US			1

/* What a sampled vector is taken to have at most, in words; those that vary may have more. */
#define MOST_WORDS		8000

/* Strategy number of the ordering operator in the operator classes. */
#define DISTANCE_STRATEGY	1

/* One index scan, used for every sampled row in turn. */
typedef struct Search
{
	HnrMeasure *m;
	IndexScanDesc scan;
	ScanKeyData key;
	double	   *order;			/* room for k: SQL distance of a row found */
	float	   *distance;		/* room for k: its distance as the metric has it */
	int			found;
} Search;

void
hnr_recall_check_request(const HnrRecallRequest *request)
{
	if (request->sample_size < 1 || request->sample_size > HNR_RECALL_MAX_SAMPLE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample_size must be between 1 and %d", HNR_RECALL_MAX_SAMPLE)));
	if (request->k < 1 || request->k > HNR_RECALL_MAX_K)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be between 1 and %d", HNR_RECALL_MAX_K)));
}

double
hnr_degradation(double recall)
{
	return rint((1 - recall) * 1e9) / 1e9;
}

double
hnr_recall_most_error(double recall)
{
	return sqrt(recall * (1 - recall) / HNR_RECALL_DEFAULT_SAMPLE);
}

bool
hnr_measure_covers(HnrMeasure *m)
{
	ExprContext *econtext = GetPerTupleExprContext(m->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	MemoryContext old;
	bool		indexed;

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = m->slot;
	if (m->predicate && !ExecQual(m->predicate, econtext))
		return false;
	FormIndexDatum(m->info, m->slot, m->estate, values, isnull);
	if (isnull[0])
		return false;
	if (TupleDescAttr(RelationGetDescr(m->index), 0)->attlen == -1)
		values[0] = PointerGetDatum(hnr_toast_read(m->toasted,
												   (struct varlena *) DatumGetPointer(values[0])));
	m->value = values[0];
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	indexed = hnr_metric_form_vector(m->metric, m->value, m->column_dims, m->vector);
	MemoryContextSwitchTo(old);
	return indexed;
}

void
hnr_measure_check_interrupts(HnrMeasure *m)
{
	CHECK_FOR_INTERRUPTS();
	hnr_throttle(ROW_US);
	if (m->is_wanted && ++m->steps % STEPS_PER_LOOK == 0 && m->is_wanted(m->table))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("measurement of index \"%s\" gave way to a session that waits for its table",
						RelationGetRelationName(m->index))));
}

static void
begin_search(Search *search, HnrMeasure *m)
{
	Oid			family = m->index->rd_opfamily[0];
	Oid			type = m->index->rd_opcintype[0];
	Oid			operator = get_opfamily_member(family, type, type,
											   DISTANCE_STRATEGY);

	if (!OidIsValid(operator))
		elog(ERROR, "operator family %u has no ordering operator for type %u",
			 family, type);
	ScanKeyEntryInitialize(&search->key, SK_ORDER_BY, 1, DISTANCE_STRATEGY, type,
						   m->index->rd_indcollation[0], get_opcode(operator),
						   (Datum) 0);
	search->m = m;
	search->order = palloc(sizeof(double) * m->k);
	search->distance = palloc(sizeof(float) * m->k);
	search->scan = hnr_index_beginscan(m->table, m->index, m->snapshot, 0, 1);
}

/* Keeps a row found among the k first in order of `order`, stable. */
static void
keep_found(Search *search, double order, float distance)
{
	int			at = search->found;

	if (at == search->m->k)
	{
		if (order >= search->order[at - 1])
			return;
		at--;
	}
	else
		search->found++;
	for (; at > 0 && search->order[at - 1] > order; at--)
	{
		search->order[at] = search->order[at - 1];
		search->distance[at] = search->distance[at - 1];
	}
	search->order[at] = order;
	search->distance[at] = distance;
}

/*
 * The first k rows, the sampled one left out, as the executor would return
 * them for ORDER BY ... LIMIT: where the access method reports lower bounds,
 * rows are put in order of their true distance among those whose distance is
 * certain, and the search goes on until the bound shows that nothing nearer can
 * follow.
 */
static void
search_row(Search *search, HnrSampledRow *row)
{
	HnrMeasure *m = search->m;
	IndexScanDesc scan = search->scan;

	search->found = 0;
	search->key.sk_argument = row->query;
	index_rescan(scan, NULL, 0, &search->key, 1);
	hnr_scan_leave_out(scan, ItemPointerIsValid(&row->tid) ? &row->tid : NULL);
	for (double place = 0;; place++)
	{
		double		order = place;

		hnr_measure_check_interrupts(m);
		if (search->found == m->k && !scan->xs_recheckorderby)
			break;
		if (!index_getnext_slot(scan, ForwardScanDirection, m->slot))
			break;
		if (scan->xs_recheckorderby && search->found == m->k &&
			!scan->xs_orderbynulls[0] &&
			DatumGetFloat8(scan->xs_orderbyvals[0]) >= search->order[m->k - 1])
			break;
		if (hnr_same_tid(&m->slot->tts_tid, &row->tid) ||
			!hnr_measure_covers(m))
			continue;
		if (scan->xs_recheckorderby)
			order = DatumGetFloat8(FunctionCall2Coll(&search->key.sk_func,
													 search->key.sk_collation,
													 m->value, row->query));
		else if (!scan->xs_orderbynulls[0])
			order = DatumGetFloat8(scan->xs_orderbyvals[0]);
		keep_found(search, order,
				   hnr_measure_distance(m, row->vector, m->vector));
	}
	ExecClearTuple(m->slot);
}

/* The share of the row's true neighbours that the search found. */
static double
row_recall(const Search *search, const HnrSampledRow *row)
{
	double		limit = row->nearest[0] + TIE_TOLERANCE * fabs(row->nearest[0]);
	int			hits = 0;

	for (int i = 0; i < search->found; i++)
		hits += search->distance[i] <= limit;
	return (double) Min(hits, row->found) / row->found;
}

/* Searches for every sampled row and sums up. */
static void
search_sample(HnrMeasure *m, HnrRecall *result)
{
	Search		search;
	double		sum = 0;
	double		squares = 0;
	int			n = 0;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(begin);
	begin_search(&search, m);
	for (int i = 0; i < m->samples; i++)
	{
		double		recall;

		if (m->sample[i].found == 0)
			continue;
		search_row(&search, &m->sample[i]);
		recall = row_recall(&search, &m->sample[i]);
		sum += recall;
		squares += recall * recall;
		n++;
	}
	index_endscan(search.scan);

	result->sample = n;
	if (n > 0)
	{
		result->recall = rint(sum / n * ROUNDING) / ROUNDING;
		result->search_seconds = hnr_ms_since(begin) / 1000 / n;
	}
	if (n > 1)
		result->std_error = sqrt(Max(0.0, squares - sum * sum / n) / (n - 1) / n);
}

/* Room for the sample, and what it takes to look at a row. */
static void
prepare(HnrMeasure *m, const HnrRecallRequest *request)
{
	HnrIndexFigures figures;
	double		bytes;

	hnr_index_figures(m->index, &figures);
	m->metric = hnr_metric_of_index(m->index);
	m->column_dims = figures.dims;
	m->dims = figures.dims > 0 ? m->metric->type->width(figures.dims) : 0;
	m->k = request->k;
	if (m->dims <= 0)
		return;
	m->room = (int) Min((double) request->sample_size, request->nqueries > 0 ? request->nqueries :
						(double) RelationGetNumberOfBlocks(m->table) * MaxOffsetNumber);
	bytes = (double) m->room *
		(sizeof(HnrSampledRow) + sizeof(float) * (2.0 * Min(m->dims, MOST_WORDS) + m->k));
	if (bytes > maintenance_work_mem * 1024.0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a sample of %d rows does not fit into maintenance_work_mem",
						m->room),
				 errdetail("It needs %.0f kB.", ceil(bytes / 1024)),
				 errhint("Use a smaller sample_size or raise maintenance_work_mem.")));

	m->info = BuildIndexInfo(m->index);
	m->estate = CreateExecutorState();
	m->slot = table_slot_create(m->table, NULL);
	m->predicate = ExecPrepareQual(m->info->ii_Predicate, m->estate);
	m->vector = hnr_measure_alloc_vector(m->dims);
	m->toasted = hnr_toast_reader_create(m->table);
	m->sample = palloc0(sizeof(HnrSampledRow) * m->room);
	for (int i = 0; i < m->room; i++)
	{
		/* of vectors that vary, the samples are kept as they are drawn */
		if (m->metric->type->words == NULL)
			m->sample[i].vector = hnr_measure_alloc_vector(m->dims);
		m->sample[i].nearest = palloc(sizeof(float) * m->k);
	}
}

/* The hnsw.ef_search of the searches from now on, until the caller's level of settings ends. */
static void
set_ef_search(int ef_search)
{
	char		value[12];

	snprintf(value, sizeof(value), "%d", ef_search);
	(void) set_config_option("hnsw.ef_search", value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
measure(HnrMeasure *m, const HnrRecallRequest *request, HnrRecall *results)
{
	instr_time	begin;
	bool		by_queries;

	INSTR_TIME_SET_CURRENT(begin);
	prepare(m, request);
	if (m->dims <= 0)
		return;					/* the index has never held a row */
	if (request->nqueries > 0)
		hnr_measure_take_queries(m, request->nqueries, request->queries);
	by_queries = m->samples > 0;
	if (!by_queries)
		hnr_measure_draw(m, request->seeded ? (uint64) request->seed :
						 pg_prng_uint64(&pg_global_prng_state));
	if (m->samples > 0)
	{
		double		rows = hnr_measure_exact(m);
		double		seconds = hnr_ms_since(begin) / 1000;

		for (int i = 0; i < Max(request->nef, 1); i++)
		{
			if (request->nef > 0)
				set_ef_search(request->ef_search[i]);
			results[i].rows = rows;
			results[i].by_queries = by_queries;
			results[i].pass_seconds = seconds;
			search_sample(m, &results[i]);
		}
	}
	hnr_toast_reader_free(m->toasted);
	ExecDropSingleTupleTableSlot(m->slot);
	FreeExecutorState(m->estate);
}

void
hnr_recall_measure(Relation table, Relation index,
				   const HnrRecallRequest *request, HnrRecall *results)
{
	HnrMeasure	m = {.table = table,.index = index,.is_wanted = request->is_wanted};
	MemoryContext context;
	MemoryContext old;
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;

	hnr_recall_check_request(request);
	hnr_guc_define_search_settings();
	memset(results, 0, sizeof(*results) * Max(request->nef, 1));
	for (int i = 0; i < Max(request->nef, 1); i++)
	{
		results[i].k = request->k;
		results[i].ef_search = request->nef > 0 ? request->ef_search[i] : hnr_guc_ef_search();
	}

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(table->rd_rel->relowner,
						   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	save_nestlevel = NewGUCNestLevel();
	hnr_restrict_search_path();

	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw recall",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	m.snapshot = GetActiveSnapshot();
	measure(&m, request, results);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	AtEOXact_GUC(false, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
}
