/*-------------------------------------------------------------------------
 *
 * check.c
 *		The launcher's worker in one database: looks after its indexes, exits.
 *
 * It sweeps up what interrupted rebuilds left, then takes the indexes that
 * have an auto_rebuild_threshold one by one: gathers the figures, lets
 * hnr_auto_decide() decide (auto.c), measures if asked to, starts a rebuild if
 * asked to.  Measurements and decisions are kept (records.c).
 *
 * Measuring and starting are transactions of their own, so that a start that
 * fails does not lose the measurement.  An error with one index is reported and
 * the next index taken; what cannot be locked at once is left to the next
 * check.  At most one automatic rebuild runs in a database at a time.
 *
 * Locks: AccessShareLock on a table and its index while they are looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "am/am.h"
#include "compat.h"
#include "guc.h"
#include "monitor/launcher.h"
#include "monitor/records.h"
#include "monitor/shared.h"
#include "rebuild/api.h"
#include "rebuild/job.h"
#include "rebuild/worker.h"
#include "throttle.h"

/* Rows that a rebuild's own measurement searches for. */
#define REBUILD_SAMPLE	HNR_RECALL_DEFAULT_SAMPLE

/* An index under consideration; the relations only within a transaction. */
typedef struct Subject
{
	Oid			index;
	Oid			owner;
	Relation	index_rel;
	Relation	table;
	int64		changes;		/* hnr_table_changes() now */
	HnrAutoFigures figures;
	HnrAutoDecision decision;
} Subject;

static double
seconds_since(TimestampTz then)
{
	if (then == 0)
		return -1;
	return TimestampDifferenceMilliseconds(then, GetCurrentTimestamp()) / 1000.0;
}

/* Whether a rebuild of any index runs in this database. */
static bool
any_rebuild_runs(void)
{
	ListCell   *cell;

	foreach(cell, hnr_jobs_active())
	{
		if (hnr_job_is_alive(lfirst(cell)))
			return true;
	}
	return false;
}

static void
measure(Subject *s, HnrMeasurement *m)
{
	HnrRecallRequest request = {
		.sample_size = hnr_guc_auto_sample_size,.k = HNR_RECALL_DEFAULT_K,
		.is_wanted = hnr_table_is_wanted
	};

	hnr_recall_measure(s->table, s->index_rel, &request, &m->figures);
	m->measured_at = GetCurrentTimestamp();
	m->changes = s->changes;
	if (m->figures.sample == 0)
		m->figures.recall = 1;	/* nothing to be found, nothing missed */
	hnr_record_measurement(s->index, m);
}

/*
 * After a rebuild: keeps what it reached as the baseline.  Most rebuilds have
 * measured it; what one has not is measured now.
 */
static void
keep_baseline(Subject *s, const HnrJob *done)
{
	HnrMeasurement m;
	double		recall = done->recall_after;

	if (hnr_last_baseline(s->index, &m) && m.measured_at >= done->finished_at)
		return;
	memset(&m, 0, sizeof(m));
	m.purpose = HNR_MEASURED_REBUILD;
	if (recall < 0)
	{
		measure(s, &m);
		return;
	}
	m.measured_at = done->finished_at;
	m.changes = s->changes;
	m.figures.recall = recall;
	m.figures.k = HNR_RECALL_DEFAULT_K;
	m.figures.ef_search = hnr_guc_ef_search();
	m.figures.sample = REBUILD_SAMPLE;
	m.figures.rows = -1;
	/* The most that it can be with values from 0 to 1. */
	m.figures.std_error = sqrt(recall * (1 - recall) / REBUILD_SAMPLE);
	hnr_record_measurement(s->index, &m);
}

/*
 * Rows that the index covers, cheaply: as its last build or vacuum counted
 * them, or, for an index on the whole table, the server's counter.
 */
static double
estimate_rows(const Subject *s)
{
	double		rows = Max(0, s->index_rel->rd_rel->reltuples);
	Datum		table = ObjectIdGetDatum(RelationGetRelid(s->table));

	if (!hnr_index_has_predicate(s->index_rel))
		rows = Max(rows, (double)
				   DatumGetInt64(DirectFunctionCall1(pg_stat_get_live_tuples, table)));
	return rows;
}

/* Whether the next build would use the options that the graph was built with. */
static bool
same_options(Relation index)
{
	HnrIndexFigures figures;

	hnr_index_figures(index, &figures);
	return figures.m == hnr_option_m(index) &&
		figures.ef_construction == hnr_option_ef_construction(index);
}

/* Whether two measurements can be compared. */
static bool
comparable(const HnrMeasurement *m)
{
	return m->figures.k == HNR_RECALL_DEFAULT_K &&
		m->figures.ef_search == hnr_guc_ef_search();
}

static void
take_measurement(Subject *s, const HnrMeasurement *m)
{
	HnrAutoFigures *f = &s->figures;

	f->measured = true;
	f->degradation = 1 - m->figures.recall;
	f->std_error = m->figures.std_error;
	/* A smaller counter was reset meanwhile. */
	f->changed = s->changes >= m->changes ? s->changes - m->changes : s->changes;
}

/* Whether the last attempt failed so lately that nothing is tried. */
static bool
is_backing_off(const HnrAutoFigures *f)
{
	return f->failures > 0 && f->since_failure >= 0 &&
		f->since_failure < hnr_auto_backoff(f->failures, f->cooldown);
}

static void
gather(Subject *s)
{
	HnrAutoFigures *f = &s->figures;
	HnrJob	   *done = hnr_job_last_done(s->index);
	HnrMeasurement m;
	TimestampTz last_failure;

	f->threshold = hnr_option_auto_rebuild_threshold(s->index_rel);
	f->min_rows = hnr_guc_auto_min_rows;
	f->min_changed = hnr_guc_auto_min_changed;
	f->cooldown = hnr_guc_auto_cooldown;
	f->rebuilding = any_rebuild_runs();
	f->rows = estimate_rows(s);
	f->since_rebuild = done ? seconds_since(done->finished_at) : -1;
	f->failures = hnr_failures_in_a_row(s->index, &last_failure);
	f->since_failure = seconds_since(last_failure);

	s->changes = hnr_table_changes(RelationGetRelid(s->table));
	if (done && !f->rebuilding && !is_backing_off(f))
		keep_baseline(s, done);
	if (hnr_last_measurement(s->index, true, &m) && comparable(&m))
		take_measurement(s, &m);
	if (done && hnr_last_baseline(s->index, &m) && comparable(&m) &&
		same_options(s->index_rel))
	{
		f->has_baseline = true;
		f->baseline = 1 - m.figures.recall;
		f->baseline_error = m.figures.std_error;
	}
}

/* Locks and opens the index and its table if that takes no waiting. */
static bool
open_subject(Subject *s)
{
	Oid			table = IndexGetRelation(s->index, true);

	if (!OidIsValid(table) ||
		!ConditionalLockRelationOid(table, AccessShareLock) ||
		!ConditionalLockRelationOid(s->index, AccessShareLock))
		return false;
	s->table = try_table_open(table, NoLock);
	s->index_rel = try_relation_open(s->index, NoLock);
	return s->table != NULL && s->index_rel != NULL;
}

static void
close_subject(Subject *s)
{
	if (s->index_rel)
		relation_close(s->index_rel, NoLock);
	if (s->table)
		table_close(s->table, NoLock);
	s->index_rel = s->table = NULL;
}

/* Whether it is an index to look after at all. */
static bool
is_watched(Relation index)
{
	return hnr_option_auto_rebuild_threshold(index) >= 0 &&
		index->rd_index->indisvalid &&
		index->rd_rel->relpersistence != RELPERSISTENCE_TEMP;
}

/*
 * Decides about an index in a transaction of its own, measuring if needed.
 * Returns whether it is one to look at again.
 */
static bool
decide(Subject *s)
{
	bool		watched = true;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (open_subject(s))
	{
		watched = is_watched(s->index_rel);
		s->owner = s->table->rd_rel->relowner;
	}
	if (s->index_rel && s->table && watched)
	{
		gather(s);
		s->decision = hnr_auto_decide(&s->figures);
		if (s->decision.verdict == HNR_AUTO_MEASURE)
		{
			HnrMeasurement m = {.purpose = HNR_MEASURED_AUTO};

			measure(s, &m);
			take_measurement(s, &m);
			s->figures.fresh = true;
			s->decision = hnr_auto_decide(&s->figures);
		}
		if (s->decision.verdict != HNR_AUTO_REBUILD)
			hnr_record_decision(s->index, &s->figures, &s->decision, 0);
	}
	close_subject(s);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return watched;
}

/* Starts the rebuild that was decided upon. */
static void
start_rebuild(Subject *s)
{
	HnrRebuildRequest request = {
		.index = s->index,
		.trigger = HNR_TRIGGER_AUTO,
		.requested_by = s->owner,
		.measure = true,
		.recall_before = 1 - s->figures.degradation
	};
	int64		job;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	job = hnr_rebuild_start(&request);
	hnr_record_decision(s->index, &s->figures, &s->decision, job);
	ereport(LOG,
			(errmsg("starting automatic rebuild of index \"%s\"", get_rel_name(s->index)),
			 errdetail_internal("%s", s->decision.reason)));
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* After an error: it counts as a failed rebuild, so that the next try waits. */
static void
keep_error(Oid index, const char *message)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	hnr_record_error(index, message);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* One index, its errors included.  Returns whether to look at it again. */
static bool
check_index(Oid index)
{
	MemoryContext context = CurrentMemoryContext;
	Subject		s = {.index = index};
	volatile bool watched = true;
	char	   *volatile message = NULL;

	PG_TRY();
	{
		watched = decide(&s);
		if (s.decision.verdict == HNR_AUTO_REBUILD)
			start_rebuild(&s);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		/* Having given way to somebody is no failure: the next check measures. */
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			message = CopyErrorData()->message;
		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	if (message)
		keep_error(index, message);
	return watched;
}

/* OIDs of the hnsw indexes of this database, in the current memory context. */
static List *
list_indexes(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *indexes = NIL;
	Relation	catalog;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_class_relam, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(get_index_am_oid("hnsw", true)));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(context);

		if (class->relkind == RELKIND_INDEX)
			indexes = lappend_oid(indexes, class->oid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return indexes;
}

/* What there is to tell the launcher, in a transaction of its own. */
static HnrCheckResult
result_of_check(void)
{
	bool		rebuilding;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	rebuilding = any_rebuild_runs();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return rebuilding ? HNR_CHECK_REBUILDING : HNR_CHECK_WATCHED;
}

/* Whether the extension and its access method are here, and anything to sweep up. */
static bool
look_around(bool *sweep)
{
	Oid			extension,
				am;
	bool		here;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	extension = get_extension_oid("hnsw_rebuild", true);
	am = get_index_am_oid("hnsw", true);
	here = OidIsValid(extension) && OidIsValid(am) &&
		getExtensionOfObject(AccessMethodRelationId, am) == extension;
	*sweep = here && hnr_rebuild_sweep_needed();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return here;
}

static HnrCheckResult
check_database(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "hnsw_rebuild check",
												  ALLOCSET_DEFAULT_SIZES);
	bool		watched = false;
	bool		sweep;
	ListCell   *cell;

	MemoryContextSwitchTo(context);
	if (!look_around(&sweep))
		return HNR_CHECK_NOTHING;
	MemoryContextSwitchTo(context);
	if (sweep)
		hnr_rebuild_sweep();
	MemoryContextSwitchTo(context);
	foreach(cell, list_indexes())
		watched |= check_index(lfirst_oid(cell));
	return watched ? result_of_check() : HNR_CHECK_NOTHING;
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* What a database may have set for its users' sessions and would disturb us. */
static void
put_settings_aside(void)
{
	set("search_path", "pg_catalog, pg_temp");
	set("lock_timeout", "0");
	set("statement_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	set("idle_session_timeout", "0");
#ifdef HNR_HAVE_TRANSACTION_TIMEOUT
	set("transaction_timeout", "0");
#endif
	set("default_transaction_isolation", "read committed");
	set("default_transaction_read_only", "off");
	set("default_transaction_deferrable", "off");
	set("row_security", "off");
}

void
hnr_check_main(Datum arg)
{
	int			slot = DatumGetInt32(arg);

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(hnr_shared_slot_database(slot),
											  InvalidOid, 0);
	put_settings_aside();
	hnr_background_begin();
	pgstat_report_activity(STATE_RUNNING, "checking hnsw indexes");
	hnr_shared_report(slot, check_database());
	proc_exit(0);
}
