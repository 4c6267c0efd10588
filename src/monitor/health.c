/*-------------------------------------------------------------------------
 *
 * health.c
 *		SQL: index_health().
 *
 * One row for an index: figures of one kind are wanted side by side, for all indexes at
 * once and over time, and an alarm is a condition on one of them; what to do about it is
 * one thing at a time.
 *
 * Locks: AccessShareLock on one table and its index at a time, table first, released when it
 * is examined.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "monitor/degradation.h"
#include "monitor/health.h"
#include "rebuild/target.h"

PG_FUNCTION_INFO_V1(hnr_index_health);

/* The columns, in the order of the SQL declaration. */
typedef enum Column
{
	COL_NAME,
	COL_ACTION,
	COL_REASON,
	COL_COMMAND,
	COL_ESTIMATED_DURATION,
	COL_ESTIMATED_DISK,
	COL_ENTRIES,
	COL_DEAD_ENTRIES,
	COL_PENDING_ROWS,
	COL_VERTICES,
	COL_DAMAGED,
	COL_THIN,
	COL_ORPHANS,
	COL_UNREACHABLE,
	COL_PAGES,
	COL_PAGES_WASTED,
	COL_SAMPLED,
	COL_SAMPLED_FROM,
	COL_EF_SEARCHES,
	COL_RECALL,
	COL_RECALL_LOW,
	COL_RECALL_HIGH,
	COL_RECALL_NOW,
	COL_RECALL_FRESH,
	COL_RECALL_FRESH_FROM,
	COL_LAST_BUILD,
	COL_CHANGED_SINCE_BUILD,
	NUM_COLUMNS
} Column;

/* A row in the making: every column is null until it is set. */
typedef struct Row
{
	Datum		values[NUM_COLUMNS];
	bool		nulls[NUM_COLUMNS];
} Row;

static void
set(Row *row, Column column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

static void
set_count(Row *row, Column column, double value)
{
	set(row, column, Int64GetDatum((int64) value));
}

/* Without the digits that mean nothing. */
static Datum
recall_datum(double value)
{
	return Float8GetDatum(rint(value * 1e6) / 1e6);
}

static void
set_recall(Row *row, Column column, double value)
{
	set(row, column, recall_datum(value));
}

static void
set_array(Row *row, Column column, const HnrHealth *h, double (*figure) (const HnrRecall *))
{
	Datum		values[HNR_HEALTH_MAX_EF + 1];

	for (int i = 0; i < h->nef; i++)
		values[i] = recall_datum(figure(&h->recall[i]));
	set(row, column, PointerGetDatum(construct_array(values, h->nef, FLOAT8OID, sizeof(float8),
													 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
}

static double
mean(const HnrRecall *recall)
{
	return recall->recall;
}

static double
low(const HnrRecall *recall)
{
	double		bounds[2];

	hnr_confidence(recall, &bounds[0], &bounds[1]);
	return bounds[0];
}

static double
high(const HnrRecall *recall)
{
	double		bounds[2];

	hnr_confidence(recall, &bounds[0], &bounds[1]);
	return bounds[1];
}

static void
fill_survey(Row *row, const HnrHealth *h)
{
	const HnrSurvey *survey = &h->now.survey;

	set_count(row, COL_ENTRIES, survey->entries);
	set_count(row, COL_DEAD_ENTRIES, h->now.dead_entries);
	set_count(row, COL_PENDING_ROWS, survey->pending);
	set_count(row, COL_VERTICES, survey->vertices);
	set_count(row, COL_DAMAGED, survey->damaged);
	set_count(row, COL_THIN, survey->thin);
	set_count(row, COL_ORPHANS, survey->orphans);
	set_count(row, COL_UNREACHABLE, survey->unreachable);
	set_count(row, COL_PAGES, survey->pages);
	set_count(row, COL_PAGES_WASTED, survey->pages_wasted);
}

static void
fill_recall(Row *row, const HnrHealth *h)
{
	static const char *const sources[] = {
		[HNR_FRESH_REBUILD] = "rebuild",
		[HNR_FRESH_FIRST] = "first measurement",
	};
	Datum		ef[HNR_HEALTH_MAX_EF + 1];

	set(row, COL_SAMPLED, Int32GetDatum(h->now.figures.sample));
	if (h->now.figures.sample == 0)
		return;
	set(row, COL_SAMPLED_FROM, CStringGetTextDatum(h->now.by_queries ? "queries" : "rows"));
	for (int i = 0; i < h->nef; i++)
		ef[i] = Int32GetDatum(h->recall[i].ef_search);
	set(row, COL_EF_SEARCHES,
		PointerGetDatum(construct_array(ef, h->nef, INT4OID, sizeof(int32), true, TYPALIGN_INT)));
	set_array(row, COL_RECALL, h, mean);
	set_array(row, COL_RECALL_LOW, h, low);
	set_array(row, COL_RECALL_HIGH, h, high);
	set_recall(row, COL_RECALL_NOW, h->now.figures.recall);
	if (h->fresh_from == HNR_FRESH_UNKNOWN)
		return;
	set_recall(row, COL_RECALL_FRESH, h->fresh);
	set(row, COL_RECALL_FRESH_FROM, CStringGetTextDatum(sources[h->fresh_from]));
}

/* What to type. */
static char *
command_for(HnrAction action, Oid table, Oid index)
{
	char	   *name;

	switch (action)
	{
		case HNR_ACTION_VACUUM:
			name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)),
											  get_rel_name(table));
			return psprintf("VACUUM %s", name);
		case HNR_ACTION_FLUSH:
		case HNR_ACTION_OPTIMIZE:
		case HNR_ACTION_REBUILD:
			name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(index)),
											  get_rel_name(index));
			return psprintf("SELECT %s(%s)",
							action == HNR_ACTION_FLUSH ? "flush_index" :
							action == HNR_ACTION_REBUILD ? "rebuild_index" : "optimize_index",
							quote_literal_cstr(name));
		default:
			return NULL;
	}
}

static void
fill_advice(Row *row, const HnrHealth *h, Oid table, Oid index)
{
	char	   *command = command_for(h->advice.action, table, index);

	set(row, COL_ACTION, CStringGetTextDatum(hnr_action_name(h->advice.action)));
	set(row, COL_REASON, CStringGetTextDatum(h->advice.reason));
	if (command)
		set(row, COL_COMMAND, CStringGetTextDatum(command));
	if (h->seconds >= 0)
	{
		Interval   *interval = palloc0(sizeof(Interval));

		/* to a tenth of a second, which is more than it is good for */
		interval->time = (TimeOffset) ceil(h->seconds * 10) * (USECS_PER_SEC / 10);
		set(row, COL_ESTIMATED_DURATION, IntervalPGetDatum(interval));
	}
	if (h->bytes >= 0)
		set_count(row, COL_ESTIMATED_DISK, h->bytes);
}

/* Keeps what was found, unless that cannot be written. */
static void
keep(Oid index, const HnrHealth *h)
{
	if (h->now.figures.sample > 0 && hnr_records_writable())
		hnr_record_measurement(index, &h->now);
}

static void
put_index(ReturnSetInfo *rsinfo, Oid index, const HnrHealthRequest *request)
{
	HnrHealth	h;
	Row			row;
	Relation	table;
	Relation	rel = hnr_open_to_measure(index, &table);
	Oid			table_oid = RelationGetRelid(table);

	hnr_examine(table, rel, request, &h);
	relation_close(rel, AccessShareLock);
	table_close(table, AccessShareLock);
	keep(index, &h);

	memset(row.nulls, true, sizeof(row.nulls));
	set(&row, COL_NAME, DirectFunctionCall1(regclassout, ObjectIdGetDatum(index)));
	row.values[COL_NAME] = CStringGetTextDatum(DatumGetCString(row.values[COL_NAME]));
	fill_advice(&row, &h, table_oid, index);
	fill_survey(&row, &h);
	fill_recall(&row, &h);
	if (h.last_build != 0)
		set(&row, COL_LAST_BUILD, TimestampTzGetDatum(h.last_build));
	if (h.changed >= 0)
		set_count(&row, COL_CHANGED_SINCE_BUILD, h.changed);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row.values, row.nulls);
}

/* hnsw.ef_search from an array. */
static void
read_ef(HnrHealthRequest *request, ArrayType *array)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &values, &nulls, &n);
	if (n > HNR_HEALTH_MAX_EF - 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_search must not have more than %d elements", HNR_HEALTH_MAX_EF - 1)));
	for (int i = 0; i < n; i++)
	{
		int			ef = nulls[i] ? 0 : DatumGetInt32(values[i]);

		if (ef < HNR_EF_SEARCH_MIN || ef > HNR_EF_SEARCH_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("elements of ef_search must be between %d and %d",
							HNR_EF_SEARCH_MIN, HNR_EF_SEARCH_MAX)));
		request->ef_search[request->nef++] = ef;
	}
}

/*
 * index_health(index regclass, sample_size integer, k integer, ef_search integer[],
 *		seed bigint) returns setof record
 *
 * For who may maintain the index.  What was measured is kept for the next time, unless the
 * transaction cannot write.
 */
Datum
hnr_index_health(PG_FUNCTION_ARGS)
{
	HnrHealthRequest request = {
		.sample_size = PG_ARGISNULL(1) ? HNR_RECALL_DEFAULT_SAMPLE : PG_GETARG_INT32(1),
		.k = PG_ARGISNULL(2) ? HNR_RECALL_DEFAULT_K : PG_GETARG_INT32(2),
		.seeded = !PG_ARGISNULL(4),
		.seed = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT64(4)
	};
	HnrRecallRequest recall = {.sample_size = request.sample_size,.k = request.k};
	List	   *leaves;
	ListCell   *cell;
	Oid			index;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	index = PG_GETARG_OID(0);
	hnr_check_may_maintain(index, GetUserId());
	hnr_recall_check_request(&recall);
	hnr_guc_define_search_settings();
	if (!PG_ARGISNULL(3))
		read_ef(&request, PG_GETARG_ARRAYTYPE_P(3));
	leaves = get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX ?
		hnr_leaf_indexes(index) : list_make1_oid(index);
	foreach(cell, leaves)
		put_index((ReturnSetInfo *) fcinfo->resultinfo, lfirst_oid(cell), &request);
	return (Datum) 0;
}
