/*-------------------------------------------------------------------------
 *
 * phases.c
 *		From the table's lock to the cut-over: create, build, validate, wait.
 *
 * The order of waits and transactions is that of CREATE INDEX CONCURRENTLY:
 *
 *	1	the shadow exists; wait for all who may write without knowing it;
 *	2	build it from a snapshot, mark it ready: writers maintain it from here;
 *	3	wait for all who may write without maintaining it; then insert what the
 *		build's snapshot did not see;
 *	4	wait for all whose snapshots are older than the validation's: they could
 *		miss rows in it.
 *
 * The shadow is never marked valid.  Each phase starts and ends outside a
 * transaction; waits are in transactions without a snapshot, so that workers
 * of two tables do not wait for each other.
 *
 * Once the validation is through, the shadow is complete and kept up to date
 * like any index, by VACUUM too.  So from then on the lock on the table can be
 * given up when somebody needs a stronger one, and be taken again later, if the
 * table and both indexes are found as they were.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "am/am.h"
#include "guc.h"
#include "rebuild/job.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"
#include "throttle.h"
#include "transaction.h"

void
hnr_phase_lock_table(HnrRun *run)
{
	hnr_lock_table(run->ids.table, hnr_guc_table_lock_timeout);
	SET_LOCKTAG_RELATION(run->table_tag, MyDatabaseId, run->ids.table);
	hnr_drop_leftovers(run->ids.table);
}

void
hnr_run_progress(const HnrRun *run, int phase)
{
	const int	columns[] = {
		PROGRESS_CREATEIDX_COMMAND,
		PROGRESS_CREATEIDX_PHASE,
		PROGRESS_CREATEIDX_INDEX_OID,
		PROGRESS_CREATEIDX_ACCESS_METHOD_OID
	};
	int64		values[4];

	values[0] = PROGRESS_CREATEIDX_COMMAND_REINDEX_CONCURRENTLY;
	values[1] = phase;
	values[2] = run->ids.live;
	values[3] = run->am;
	pgstat_progress_start_command(PROGRESS_COMMAND_CREATE_INDEX, run->ids.table);
	pgstat_progress_update_multi_param(4, columns, values);
}

void
hnr_run_keep_progress(HnrRun *run)
{
	/* after an error, too: not what a later step has not begun to count */
	if (MyBEEntry->st_progress_command != PROGRESS_COMMAND_CREATE_INDEX ||
		MyBEEntry->st_progress_param[PROGRESS_CREATEIDX_TUPLES_TOTAL] == 0)
		return;
	run->job->tuples_done = MyBEEntry->st_progress_param[PROGRESS_CREATEIDX_TUPLES_DONE];
	run->job->tuples_total = MyBEEntry->st_progress_param[PROGRESS_CREATEIDX_TUPLES_TOTAL];
}

/*
 * Tells other concurrent index builds that they need not wait for this
 * transaction's snapshot: it looks at no other table.  Only where the index has
 * no expressions or predicate, which could.  First thing in a transaction.
 */
static void
set_index_safe(HnrRun *run)
{
	if (!run->index_safe)
		return;
	Assert(!TransactionIdIsValid(MyProc->xid) && !TransactionIdIsValid(MyProc->xmin));
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	MyProc->statusFlags |= PROC_IN_SAFE_IC;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

/* Checks once more, now under the table's lock, then creates and records. */
void
hnr_phase_create(HnrRun *run)
{
	HnrJob	   *job = run->job;
	HnrTarget	target;
	Relation	heap;
	Relation	live;
	Relation	shadow;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	PushActiveSnapshot(GetTransactionSnapshot());
	hnr_check_target(run->ids.live, job->requested_by, false, &target);
	hnr_check_options(&target, job->m, job->ef_construction);
	hnr_check_space(&target, job->m);
	if (target.table != run->ids.table || target.relkind != RELKIND_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index %s has been replaced by another one", target.name)));
	run->ids.shadow = hnr_shadow_create(run->ids.table, run->ids.live,
										job->m, job->ef_construction);

	heap = table_open(run->ids.table, NoLock);
	live = index_open(run->ids.live, AccessShareLock);
	shadow = index_open(run->ids.shadow, AccessShareLock);
	run->index_safe = !hnr_index_has_expressions(live) && !hnr_index_has_predicate(live);
	run->am = live->rd_rel->relam;
	run->table_filenode = heap->rd_rel->relfilenode;
	run->live_filenode = live->rd_rel->relfilenode;
	run->live_tablespace = live->rd_rel->reltablespace;
	run->shadow_filenode = shadow->rd_rel->relfilenode;
	index_close(shadow, NoLock);
	index_close(live, NoLock);
	table_close(heap, NoLock);

	job->shadow_oid = run->ids.shadow;
	job->old_relfilenode = run->live_filenode;
	job->new_relfilenode = run->shadow_filenode;
	job->m_after = job->m ? job->m : target.m;
	job->ef_construction_after = job->ef_construction ?
		job->ef_construction : target.ef_construction;
	run->scratch_recall = hnr_job_scratch_recall(job);
	hnr_job_write(job);
	PopActiveSnapshot();
	hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_WAIT_1);
	/* a crash that loses the entry would leave the file, and nobody to know it */
	ForceSyncCommit();
	CommitTransactionCommand();
}

static void
wait_for_writers(HnrRun *run, int progress_phase)
{
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	pgstat_progress_update_param(PROGRESS_CREATEIDX_PHASE, progress_phase);
	WaitForLockers(run->table_tag, ShareLock, true);
	CommitTransactionCommand();
}

void
hnr_phase_build(HnrRun *run)
{
	wait_for_writers(run, PROGRESS_CREATEIDX_PHASE_WAIT_1);
	hnr_run_enter(run, HNR_STEP_BUILD);
	HNR_RUN_POINT("rebuild_build");

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	set_index_safe(run);
	PushActiveSnapshot(GetTransactionSnapshot());
	hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_BUILD);
	hnr_watch_shadow(run->ids.shadow);
	hnr_build_shadow(run);
	hnr_watch_shadow_end();
	PopActiveSnapshot();
	hnr_run_keep_progress(run);
	CommitTransactionCommand();
}

void
hnr_phase_validate(HnrRun *run)
{
	Snapshot	snapshot;

	wait_for_writers(run, PROGRESS_CREATEIDX_PHASE_WAIT_2);
	hnr_run_enter(run, HNR_STEP_VALIDATE);
	HNR_RUN_POINT("rebuild_validate");

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	set_index_safe(run);
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	PushActiveSnapshot(snapshot);
	hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_VALIDATE_IDXSCAN);
	hnr_watch_shadow(run->ids.shadow);
	validate_index(run->ids.table, run->ids.shadow, snapshot);
	hnr_watch_shadow_end();
	run->limit_xmin = snapshot->xmin;
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	CommitTransactionCommand();
}

/* How much of an index is in memory; 0 where it would take waiting, or it is gone. */
static double
buffered_share(Oid index)
{
	Relation	rel = NULL;
	double		share = 0;

	if (ConditionalLockRelationOid(index, AccessShareLock))
		rel = try_index_open(index, NoLock);
	if (rel != NULL)
	{
		share = hnr_index_buffered_share(rel);
		index_close(rel, AccessShareLock);
	}
	return share;
}

/*
 * The first queries of the new index shall not have to read it from disk.  That may
 * take long, so the live index is not locked meanwhile, and the lock on the shadow is
 * watched.  Tried once only: whoever we give way to shall not wait for that again.
 */
static void
warm(HnrRun *run)
{
	Relation	shadow;
	double		share;

	if (run->warmed)
		return;
	run->warmed = true;
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	share = buffered_share(run->ids.live);
	hnr_watch_shadow(run->ids.shadow);
	shadow = try_index_open(run->ids.shadow, NoLock);
	HNR_DEBUG_POINT("rebuild_warm");
	if (shadow != NULL)
	{
		hnr_index_warm(shadow, share);
		index_close(shadow, NoLock);
	}
	hnr_watch_shadow_end();
	CommitTransactionCommand();
}

static void
wait_for_snapshots(HnrRun *run)
{
	hnr_run_enter(run, HNR_STEP_WAIT_SNAPSHOTS);
	HNR_RUN_POINT("rebuild_wait_snapshots");

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	pgstat_progress_update_param(PROGRESS_CREATEIDX_PHASE,
								 PROGRESS_CREATEIDX_PHASE_WAIT_3);
	WaitForOlderSnapshots(run->limit_xmin, true);
	CommitTransactionCommand();
}

/* Storage and tablespace of a relation; zeros where it does not exist. */
static void
read_storage(Oid relid, Oid *filenode, Oid *tablespace)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));

	*filenode = *tablespace = InvalidOid;
	if (!HeapTupleIsValid(tuple))
		return;
	*filenode = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	*tablespace = ((Form_pg_class) GETSTRUCT(tuple))->reltablespace;
	ReleaseSysCache(tuple);
}

static bool
has_flags(Oid index, Oid table, bool valid)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		result;
	Form_pg_index form;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_index) GETSTRUCT(tuple);
	result = form->indrelid == table && form->indisready && form->indislive &&
		form->indisvalid == valid;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Throws unless table and indexes are as they were when the shadow was made:
 * a statement that was let through may have changed anything.  In a
 * transaction, with the table's lock held.
 */
void
hnr_check_unchanged(HnrRun *run)
{
	Oid			table_filenode;
	Oid			live_filenode;
	Oid			shadow_filenode;
	Oid			live_tablespace;
	Oid			ignored;

	read_storage(run->ids.table, &table_filenode, &ignored);
	read_storage(run->ids.live, &live_filenode, &live_tablespace);
	read_storage(run->ids.shadow, &shadow_filenode, &ignored);
	if (!OidIsValid(live_filenode))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index %s was dropped during its %s", run->job->index_name, hnr_job_noun(run->job))));
	if (table_filenode != run->table_filenode)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the table was rewritten or truncated during the rebuild of index %s",
						run->job->index_name)));
	if (live_filenode != run->live_filenode || live_tablespace != run->live_tablespace ||
		!has_flags(run->ids.live, run->ids.table, true))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index %s was rebuilt or moved by somebody else during its rebuild",
						run->job->index_name)));
	if (shadow_filenode != run->shadow_filenode ||
		!has_flags(run->ids.shadow, run->ids.table, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the shadow of index %s was changed by somebody else",
						run->job->index_name)));
}

/*
 * After giving way: the lock again, behind whoever waited for it, and a look at
 * what was done to the table meanwhile.
 */
static void
resume(HnrRun *run)
{
	hnr_lock_table(run->ids.table, 0);
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	hnr_check_unchanged(run);
	hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_WAIT_3);
	CommitTransactionCommand();
}

/*
 * Whether the error is one to give way and go on after: somebody wants a
 * stronger lock, or waits for our lock while we wait for him.
 */
static bool
is_reason_to_give_way(void)
{
	return hnr_watch_wish() != NULL ||
		geterrcode() == ERRCODE_T_R_DEADLOCK_DETECTED;
}

/* False where it gave way; the lock on the table is lost then. */
static bool
try_finish(HnrRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool finished = false;

	PG_TRY();
	{
		warm(run);
		wait_for_snapshots(run);
		hnr_run_enter(run, HNR_STEP_CUTOVER);
		HNR_RUN_POINT("rebuild_cutover");
		hnr_background_hurry(true);
		hnr_phase_cutover(run);
		hnr_background_hurry(false);
		finished = true;
	}
	PG_CATCH();
	{
		hnr_background_hurry(false);
		if (run->swapped || hnr_worker_interrupted() || !is_reason_to_give_way())
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		hnr_watch_stop();
		/* The error may come from an attempt's subtransaction. */
		AbortOutOfAnyTransaction();
		LockReleaseAll(DEFAULT_LOCKMETHOD, true);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return finished;
}

void
hnr_phase_finish(HnrRun *run)
{
	while (!try_finish(run))
		resume(run);
}
