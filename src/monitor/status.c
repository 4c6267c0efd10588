/*-------------------------------------------------------------------------
 *
 * status.c
 *		SQL: index_status().
 *
 * Nothing here waits for a lock: what somebody holds an exclusive lock on is
 * just when one wants to know its status.  An index is opened only if its lock
 * is to be had at once, and released before the function returns; otherwise
 * the columns that need it come from the catalogue or are null.
 *
 * Everybody may see the row of what he can see in pg_class.  Who waits for
 * whom, and error texts, are for the owner and for members of
 * pg_read_all_stats (pg_monitor is one), as in pg_stat_activity.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/progress.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "am/am.h"
#include "compat.h"
#include "monitor/creating.h"
#include "monitor/pending.h"
#include "monitor/progress.h"
#include "monitor/records.h"
#include "monitor/status.h"
#include "rebuild/state.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"

PG_FUNCTION_INFO_V1(hnr_index_status);

/* A row in the making: every column is null until it is set. */
typedef struct Row
{
	Oid			index;
	Oid			table;
	Form_pg_class class;
	HeapTuple	class_tuple;
	bool		valid;			/* pg_index.indisvalid */
	bool		damaged;		/* the metapage makes no sense */
	bool		privileged;		/* the caller may see pids and errors */
	Datum		values[HNR_STATUS_COLUMNS];
	bool		nulls[HNR_STATUS_COLUMNS];
} Row;

static void
set(Row *row, HnrStatusColumn column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

static void
set_text(Row *row, HnrStatusColumn column, const char *value)
{
	if (value)
		set(row, column, CStringGetTextDatum(value));
}

static void
set_time(Row *row, HnrStatusColumn column, TimestampTz value)
{
	if (value != 0)
		set(row, column, TimestampTzGetDatum(value));
}

/* Counts: negative stands for unknown. */
static void
set_count(Row *row, HnrStatusColumn column, double value)
{
	if (value >= 0)
		set(row, column, Int64GetDatum((int64) value));
}

/* To one decimal, which is what the figures are good for. */
static void
set_rounded(Row *row, HnrStatusColumn column, double value)
{
	if (value >= 0)
		set(row, column, Float8GetDatum(rint(value * 10) / 10));
}

/* The name as one would write it under the present search_path. */
static char *
relation_name(Oid relation)
{
	char	   *name = get_rel_name(relation);
	char	   *schema = NULL;

	if (name == NULL)
		return NULL;
	if (!RelationIsVisible(relation))
		schema = get_namespace_name(get_rel_namespace(relation));
	return quote_qualified_identifier(schema, name);
}

static void
set_progress(Row *row, const HnrProgress *progress)
{
	set_rounded(row, HNR_STATUS_PROGRESS_PCT, progress->percent);
	set_rounded(row, HNR_STATUS_ETA_SECONDS, progress->eta);
	set_count(row, HNR_STATUS_TUPLES_DONE, progress->tuples_done);
	set_count(row, HNR_STATUS_TUPLES_TOTAL, progress->tuples_total);
}

static void
set_blockers(Row *row, List *pids)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(pids) + 1));
	ListCell   *cell;

	if (!row->privileged)
		return;
	foreach(cell, pids)
		values[foreach_current_index(cell)] = Int32GetDatum(lfirst_int(cell));
	set(row, HNR_STATUS_BLOCKED_BY,
		PointerGetDatum(construct_array(values, list_length(pids), INT4OID,
										sizeof(int32), true, TYPALIGN_INT)));
}

/* A rebuild is queued or running. */
static void
fill_running(Row *row, const HnrJob *job, bool alive)
{
	HnrProgress progress;

	set_text(row, HNR_STATUS_PHASE, hnr_step_name(job->step));
	set_time(row, HNR_STATUS_STARTED_AT, job->started_at != 0 ? job->started_at : job->requested_at);
	if (!alive)
	{
		set_text(row, HNR_STATUS_STATUS, "interrupted");
		return;
	}
	hnr_progress_of_job(job, &progress);
	if (progress.phase)
		set_text(row, HNR_STATUS_PHASE, progress.phase);
	set_progress(row, &progress);
	set_blockers(row, hnr_job_blockers(job));
	if (job->state == HNR_JOB_QUEUED)
		set_text(row, HNR_STATUS_STATUS, "queued");
	else if (job->step == HNR_STEP_CUTOVER)
		set_text(row, HNR_STATUS_STATUS, "waiting for cutover");
	else
		set_text(row, HNR_STATUS_STATUS, hnr_job_is_optimization(job) ? "optimizing" : "rebuilding");
}

/* CREATE INDEX or REINDEX is at work on it. */
static void
fill_creating(Row *row, const HnrCreating *creating)
{
	HnrProgress progress = {.percent = -1,.eta = -1,.tuples_done = -1,.tuples_total = -1};

	set_text(row, HNR_STATUS_STATUS, "building");
	set_text(row, HNR_STATUS_PHASE, creating->phase);
	set_time(row, HNR_STATUS_STARTED_AT, creating->started_at);
	if (creating->progress.phase == PROGRESS_CREATEIDX_PHASE_BUILD)
		progress.percent = 100 *
			hnr_progress_of_build(&creating->progress,
								  TimestampDifferenceMilliseconds(creating->started_at,
																  GetCurrentTimestamp()) / 1000.0,
								  &progress);
	if (progress.phase)
		set_text(row, HNR_STATUS_PHASE, progress.phase);
	set_progress(row, &progress);
}

/* The queued or running job; a worker that is gone may have ended it since it was read. */
static HnrJob *
find_running(Oid index, bool *alive)
{
	HnrJob	   *job = hnr_job_running(index);

	*alive = job != NULL && hnr_job_is_alive(job);
	return job == NULL || *alive ? job : hnr_job_running(index);
}

/* What the index is doing, and what the last rebuild came to. */
static void
fill_activity(Row *row)
{
	bool		alive;
	HnrJob	   *running = find_running(row->index, &alive);
	HnrJob	   *finished = hnr_job_last_finished(row->index);
	HnrJob	   *done = hnr_job_last_done(row->index);
	HnrCreating creating;

	if (running)
		fill_running(row, running, alive);
	else if (hnr_find_creating(row->index, &creating))
		fill_creating(row, &creating);
	else if (!row->valid)
		set_text(row, HNR_STATUS_STATUS, "invalid");
	else if (row->damaged)
		set_text(row, HNR_STATUS_STATUS, "damaged");
	else if (finished && hnr_job_failure_stands(finished))
	{
		set_text(row, HNR_STATUS_STATUS, "failed");
		set_text(row, HNR_STATUS_PHASE, hnr_step_name(finished->step));
		set_time(row, HNR_STATUS_STARTED_AT, finished->started_at);
	}
	else
	{
		set_text(row, HNR_STATUS_STATUS, "ready");
		set_rounded(row, HNR_STATUS_PROGRESS_PCT, 100);
		set_rounded(row, HNR_STATUS_ETA_SECONDS, 0);
	}

	if (finished && row->privileged)
		set_text(row, HNR_STATUS_LAST_ERROR, finished->error_message);
	if (done)
	{
		TimestampTz start = done->started_at != 0 ? done->started_at : done->requested_at;

		set_time(row, HNR_STATUS_LAST_REBUILD, done->finished_at);
		set(row, HNR_STATUS_LAST_REBUILD_DURATION,
			DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(done->finished_at),
								TimestampTzGetDatum(start)));
	}
}

/* The newest measurement, by whomever: a rebuild takes one as well. */
static void
fill_degradation(Row *row)
{
	HnrJob	   *done = hnr_job_last_done_any(row->index);
	HnrMeasurement measurement;
	TimestampTz at = 0;
	double		recall = -1;

	if (hnr_last_measurement(row->index, false, &measurement))
	{
		at = measurement.measured_at;
		recall = measurement.figures.recall;
	}
	if (done && done->recall_after >= 0 && done->finished_at > at)
	{
		at = done->finished_at;
		recall = done->recall_after;
	}
	if (at != 0)
	{
		set(row, HNR_STATUS_DEGRADATION, Float8GetDatum(hnr_degradation(recall)));
		set_time(row, HNR_STATUS_MEASURED_AT, at);
	}
}

/* What only the opened index knows. */
static void
fill_from_index(Row *row, Relation index)
{
	double		threshold = hnr_option_auto_rebuild_threshold(index);
	HnrIndexFigures figures;

	if (threshold >= 0)
		set(row, HNR_STATUS_AUTO_REBUILD_THRESHOLD, Float8GetDatum(threshold));
	if (index->rd_rel->relkind != RELKIND_INDEX || RELATION_IS_OTHER_TEMP(index) ||
		!hnr_has_contents(index))
		return;
	set_count(row, HNR_STATUS_SIZE_BYTES, (double) RelationGetNumberOfBlocks(index) * BLCKSZ);
	if (RelationGetNumberOfBlocks(index) == 0)
		return;
	if (!hnr_index_try_figures(index, &figures))
	{
		row->damaged = true;
		return;
	}
	set(row, HNR_STATUS_M, Int32GetDatum(figures.m));
	set(row, HNR_STATUS_EF_CONSTRUCTION, Int32GetDatum(figures.ef_construction));
	set(row, HNR_STATUS_SLOTS, Int32GetDatum(figures.slots));
	set_text(row, HNR_STATUS_STORED_AS, figures.stored_as);
	hnr_pending_columns(index, &row->values[HNR_STATUS_PENDING_ROWS], &row->nulls[HNR_STATUS_PENDING_ROWS]);
}

/* Opens the index if that takes no waiting. */
static void
fill_figures(Row *row)
{
	Relation	index;

	if (!ConditionalLockRelationOid(row->index, AccessShareLock))
		return;
	index = try_relation_open(row->index, NoLock);
	if (index)
	{
		fill_from_index(row, index);
		relation_close(index, NoLock);
	}
	UnlockRelationOid(row->index, AccessShareLock);
}

/* Names, options and sizes from the catalogue. */
static void
fill_from_catalog(Row *row)
{
	Datum		options;
	bool		isnull;

	set_text(row, HNR_STATUS_NAME, relation_name(row->index));
	set(row, HNR_STATUS_INDEX_OID, ObjectIdGetDatum(row->index));
	set_text(row, HNR_STATUS_TABLE_NAME, relation_name(row->table));
	options = SysCacheGetAttr(RELOID, row->class_tuple, Anum_pg_class_reloptions, &isnull);
	/* the row of pg_class goes before this one is put, and may have changed by then */
	if (!isnull)
		set(row, HNR_STATUS_OPTIONS, datumCopy(options, false, -1));
	if (row->class->relkind == RELKIND_INDEX)
	{
		set_count(row, HNR_STATUS_SIZE_BYTES, (double) row->class->relpages * BLCKSZ);
		set_count(row, HNR_STATUS_VECTORS, row->class->reltuples);
		set_count(row, HNR_STATUS_DEAD,
				  DatumGetInt64(DirectFunctionCall1(pg_stat_get_dead_tuples,
													ObjectIdGetDatum(row->table))));
	}
}

/* Makes the row of an index; false if it is gone. */
static bool
fill_row(Row *row, Oid index)
{
	HeapTuple	index_tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		found;

	memset(row, 0, sizeof(*row));
	memset(row->nulls, true, sizeof(row->nulls));
	row->index = index;
	row->class_tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	found = HeapTupleIsValid(index_tuple) && HeapTupleIsValid(row->class_tuple);
	if (found)
	{
		row->class = (Form_pg_class) GETSTRUCT(row->class_tuple);
		row->table = ((Form_pg_index) GETSTRUCT(index_tuple))->indrelid;
		row->valid = ((Form_pg_index) GETSTRUCT(index_tuple))->indisvalid;
		row->privileged = has_privs_of_role(GetUserId(), row->class->relowner) ||
			has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
		fill_from_catalog(row);
		fill_figures(row);
		fill_activity(row);
		fill_degradation(row);
		if (row->privileged && !row->nulls[HNR_STATUS_AUTO_REBUILD_THRESHOLD])
			set_text(row, HNR_STATUS_AUTO_REBUILD_NOTE,
					 hnr_last_decision(index, DatumGetFloat8(row->values[HNR_STATUS_AUTO_REBUILD_THRESHOLD])));
	}
	if (HeapTupleIsValid(row->class_tuple))
		ReleaseSysCache(row->class_tuple);
	if (HeapTupleIsValid(index_tuple))
		ReleaseSysCache(index_tuple);
	return found;
}

/*
 * Adds the row of an index to the result, if it is still there.  Asked for by itself, a
 * partitioned index has what its leaves have; among all, these stand beside it.
 */
static void
put_index(ReturnSetInfo *rsinfo, Oid index, bool with_leaves)
{
	HnrStatusSums sums = {0};
	ListCell   *cell;
	Row			row;

	if (with_leaves)
		foreach(cell, hnr_leaf_indexes(index))
		{
			CHECK_FOR_INTERRUPTS();
			if (fill_row(&row, lfirst_oid(cell)))
				hnr_status_add(&sums, row.values, row.nulls);
		}
	if (!fill_row(&row, index))
		return;
	if (sums.leaves > 0)
		hnr_status_put(&sums, row.values, row.nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row.values, row.nulls);
}

/* OIDs of the rebuilds' own indexes, which are no business of the user's. */
static List *
shadow_oids(void)
{
	List	   *oids = NIL;
	ListCell   *cell;

	foreach(cell, hnr_shadows(InvalidOid))
		oids = lappend_oid(oids, ((HnrShadow *) lfirst(cell))->shadow);
	return oids;
}

/* OIDs of all other hnsw indexes. */
static List *
all_indexes(void)
{
	List	   *shadows = shadow_oids();
	Oid			am = get_index_am_oid("hnsw", true);
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	List	   *indexes = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_relam, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(am));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

		if ((class->relkind == RELKIND_INDEX ||
			 class->relkind == RELKIND_PARTITIONED_INDEX) &&
			!list_member_oid(shadows, class->oid))
			indexes = lappend_oid(indexes, class->oid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	list_sort(indexes, list_oid_cmp);
	return indexes;
}

/*
 * index_status(index regclass) returns setof record
 *
 * One row per hnsw index in order of OID, or the row of one index.
 */
Datum
hnr_index_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *indexes;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	/* A transaction that asks again and again shall see things move. */
	pgstat_clear_backend_activity_snapshot();
	if (PG_ARGISNULL(0))
		indexes = all_indexes();
	else
	{
		hnr_check_is_ours(PG_GETARG_OID(0));
		indexes = list_make1_oid(PG_GETARG_OID(0));
	}
	foreach(cell, indexes)
	{
		CHECK_FOR_INTERRUPTS();
		put_index(rsinfo, lfirst_oid(cell), !PG_ARGISNULL(0) &&
				  get_rel_relkind(lfirst_oid(cell)) == RELKIND_PARTITIONED_INDEX);
	}
	return (Datum) 0;
}
