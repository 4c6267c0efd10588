/*-------------------------------------------------------------------------
 *
 * check.c
 *		The launcher's worker in one database: looks after its indexes, exits.
 *
 * It sweeps up what interrupted rebuilds left, stores the queries that searches have left
 * (queries.h), then takes the indexes one by one.  Where rows are pending it has a worker
 * started that merges them, by the launcher if it has the last one itself.  Of those that have an auto_rebuild_threshold it gathers the
 * figures, lets hnr_auto_decide() decide (auto.c), measures if asked to, starts a rebuild or
 * an optimisation if asked to.  Measurements and decisions are kept (records.c).
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
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "am/am.h"
#include "am/merge.h"
#include "compat.h"
#include "guc.h"
#include "monitor/launcher.h"
#include "monitor/queries.h"
#include "monitor/records.h"
#include "monitor/shared.h"
#include "monitor/subject.h"
#include "rebuild/api.h"
#include "rebuild/job.h"
#include "rebuild/worker.h"
#include "throttle.h"
#include "transaction.h"

/* Locks and opens the index and its table if that takes no waiting. */
static bool
open_subject(HnrSubject *s)
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
close_subject(HnrSubject *s)
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

/* Whether what was decided is a job. */
static bool
is_to_start(const HnrSubject *s)
{
	return s->decision.verdict == HNR_AUTO_REBUILD || s->decision.verdict == HNR_AUTO_OPTIMIZE;
}

/*
 * Says in the log that a VACUUM is wanted, when it comes to be, and not more often than rebuilds
 * would follow each other.  The launcher has none run: when is for autovacuum's settings to say.
 */
static void
advise_vacuum(HnrSubject *s)
{
	TimestampTz last = hnr_last_decided(s->index, HNR_AUTO_VACUUM);

	/* an old measurement stands, and is not kept again: that it is long ago says nothing */
	if (hnr_decided_last(s->index, HNR_AUTO_VACUUM))
		return;
	if (last != 0 &&
		!TimestampDifferenceExceeds(last, GetCurrentTimestamp(),
									(int) (Max(s->figures.cooldown, HNR_AUTO_MIN_BACKOFF) * 1000)))
		return;
	ereport(LOG,
			(errmsg("index \"%s\" has entries of dead rows: VACUUM of table \"%s\" is advised",
					RelationGetRelationName(s->index_rel), RelationGetRelationName(s->table)),
			 errdetail_internal("%s", s->decision.reason)));
}

/*
 * Decides about an index in a transaction of its own, measuring if needed.
 * Returns whether it is one to look at again.
 */
static bool
decide(HnrSubject *s)
{
	bool		watched = true;
	bool		deferred = false;

	hnr_start_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (open_subject(s))
	{
		deferred = hnr_merger_request_where_due(s->index_rel);
		watched = is_watched(s->index_rel);
		s->owner = s->table->rd_rel->relowner;
	}
	if (s->index_rel && s->table && watched)
	{
		hnr_subject_gather(s);
		s->decision = hnr_auto_decide(&s->figures);
		if (s->decision.verdict == HNR_AUTO_MEASURE)
		{
			hnr_subject_measure(s);
			s->decision = hnr_auto_decide(&s->figures);
		}
		if (s->decision.verdict == HNR_AUTO_VACUUM)
			advise_vacuum(s);
		if (!is_to_start(s))
			hnr_record_decision(s->index, &s->figures, &s->decision, 0);
	}
	close_subject(s);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return watched || deferred;
}

/* Starts the rebuild, or the optimisation, that was decided upon. */
static void
start_job(HnrSubject *s)
{
	bool		optimize = s->decision.verdict == HNR_AUTO_OPTIMIZE;
	HnrRebuildRequest request = {
		.index = s->index,
		.trigger = HNR_TRIGGER_AUTO,
		.requested_by = s->owner,
		.measure = true,
		.optimize = optimize,
		.share = HNR_OPTIMIZE_SHARE,
		.recall_before = 1 - s->figures.degradation
	};
	int64		job;

	hnr_start_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	job = hnr_rebuild_start(&request);
	hnr_record_decision(s->index, &s->figures, &s->decision, job);
	ereport(LOG,
			(errmsg("starting automatic %s of index \"%s\"",
					optimize ? "optimization" : "rebuild", get_rel_name(s->index)),
			 errdetail_internal("%s", s->decision.reason)));
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* After an error: it counts as a failed rebuild, so that the next try waits. */
static void
keep_error(Oid index, const char *message)
{
	hnr_start_transaction();
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
	HnrSubject	s = {.index = index};
	volatile bool watched = true;
	char	   *volatile message = NULL;

	PG_TRY();
	{
		watched = decide(&s);
		if (is_to_start(&s))
			start_job(&s);
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

	hnr_start_transaction();
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
	HnrCheckResult result = HNR_CHECK_WATCHED;

	hnr_start_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (hnr_any_rebuild_runs())
		result |= HNR_CHECK_REBUILDING;
	if (hnr_merger_was_refused())
		result |= HNR_CHECK_UNMERGED;
	PopActiveSnapshot();
	CommitTransactionCommand();
	return result;
}

/* Whether the extension and its access method are here, and anything to sweep up. */
static bool
look_around(bool *sweep)
{
	Oid			extension,
				am;
	bool		here;

	hnr_start_transaction();
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

/* What searches have left for us, in a transaction of its own. */
static void
store_queries(void)
{
	hnr_start_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	hnr_queries_store();
	PopActiveSnapshot();
	CommitTransactionCommand();
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
	store_queries();
	MemoryContextSwitchTo(context);
	foreach(cell, list_indexes())
		watched |= check_index(lfirst_oid(cell));
	return watched ? result_of_check() : HNR_CHECK_NOTHING;
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
	hnr_guc_put_aside();
	hnr_guc_force("row_security", "off");
	hnr_background_begin();
	pgstat_report_activity(STATE_RUNNING, "checking hnsw indexes");
	hnr_shared_report(slot, check_database());
	proc_exit(0);
}
