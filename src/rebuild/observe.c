/*-------------------------------------------------------------------------
 *
 * observe.c
 *		What can be seen of a running job from another session: whether its
 *		worker lives, how far it is, what holds it up.
 *
 * Shared memory only, but for the catalogue entries of jobs that failed: no locks beyond the
 * moment's, no snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/array.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "compat.h"
#include "rebuild/job.h"

/*
 * Whether the process is connected to this database.  One that has only just been
 * started may not have come so far.
 */
static bool
is_in_this_database(int pid, bool starting)
{
	PGPROC	   *proc = BackendPidGetProc(pid);

	if (proc == NULL || !OidIsValid(proc->databaseId))
		return starting;
	return proc->databaseId == MyDatabaseId;
}

/*
 * By the worker's pid, which after a crash may soon be that of another rebuild's,
 * most likely in another database: in this one, records of dead workers are
 * closed before a worker is started.
 */
bool
hnr_job_is_alive(const HnrJob *job)
{
	const char *type;

	if (job->worker_pid == 0 ||
		(job->state != HNR_JOB_QUEUED && job->state != HNR_JOB_RUNNING))
		return false;
	/* On a standby the worker is another machine's; the record is all there is. */
	if (RecoveryInProgress())
		return true;
	type = GetBackgroundWorkerTypeByPid(job->worker_pid);
	return type != NULL && strcmp(type, HNR_WORKER_TYPE) == 0 &&
		is_in_this_database(job->worker_pid, job->state == HNR_JOB_QUEUED);
}

/* The storage of an index as it is now is that which the job was to replace or mend. */
static bool
has_storage_of(const HnrJob *job)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(job->index_oid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = !OidIsValid(job->old_relfilenode) ||
		((Form_pg_class) GETSTRUCT(tuple))->relfilenode == job->old_relfilenode;
	ReleaseSysCache(tuple);
	return result;
}

bool
hnr_job_failure_stands(const HnrJob *job)
{
	List	   *leaves;
	ListCell   *lc;

	if (job->state != HNR_JOB_FAILED || !has_storage_of(job))
		return false;
	leaves = job->parent_id == 0 ? hnr_jobs_of_parent(job->id) : NIL;
	foreach(lc, leaves)
	{
		HnrJob	   *leaf = lfirst(lc);

		if (leaf->state != HNR_JOB_DONE && has_storage_of(leaf))
			return true;
	}
	return leaves == NIL;
}

static PgBackendStatus *
find_status(int pid)
{
	int			n = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *local = hnr_local_beentry(i);

		if (local != NULL && local->backendStatus.st_procpid == pid)
			return &local->backendStatus;
	}
	return NULL;
}

void
hnr_read_progress(const PgBackendStatus *status, HnrJobProgress *progress)
{
	const int64 *p = status->st_progress_param;

	progress->tuples_done = p[PROGRESS_CREATEIDX_TUPLES_DONE];
	progress->tuples_total = p[PROGRESS_CREATEIDX_TUPLES_TOTAL];
	progress->blocks_done = p[PROGRESS_SCAN_BLOCKS_DONE];
	progress->blocks_total = p[PROGRESS_SCAN_BLOCKS_TOTAL];
	progress->phase = p[PROGRESS_CREATEIDX_PHASE];
	progress->subphase = p[PROGRESS_CREATEIDX_SUBPHASE];
	progress->waits_done = p[PROGRESS_WAITFOR_DONE];
	progress->waits_total = p[PROGRESS_WAITFOR_TOTAL];
}

bool
hnr_job_progress(const HnrJob *job, HnrJobProgress *progress)
{
	PgBackendStatus *status;

	if (RecoveryInProgress() || !hnr_job_is_alive(job))
		return false;
	status = find_status(job->worker_pid);
	if (status == NULL ||
		status->st_progress_command != PROGRESS_COMMAND_CREATE_INDEX ||
		status->st_progress_command_target != job->table_oid)
		return false;
	hnr_read_progress(status, progress);
	return true;
}

static List *
add_lock_manager_blockers(List *pids, int worker_pid)
{
	ArrayType  *array = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids,
															   Int32GetDatum(worker_pid)));
	Datum	   *values;
	int			n;

	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &values, NULL, &n);
	for (int i = 0; i < n; i++)
		pids = list_append_unique_int(pids, DatumGetInt32(values[i]));
	return pids;
}

/* Whoever holds any lock on a relation. */
static List *
add_lock_holders(List *pids, Oid relid, int worker_pid)
{
	LOCKTAG		tag;
	VirtualTransactionId *holders;
	int			n;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	holders = GetLockConflicts(&tag, AccessExclusiveLock, &n);
	for (int i = 0; i < n; i++)
	{
		PGPROC	   *proc = hnr_vxid_proc(holders[i]);

		if (proc != NULL && proc->pid != 0 && proc->pid != worker_pid)
			pids = list_append_unique_int(pids, proc->pid);
	}
	return pids;
}

List *
hnr_job_blockers(const HnrJob *job)
{
	List	   *pids = NIL;

	if (RecoveryInProgress() || !hnr_job_is_alive(job))
		return NIL;
	pids = add_lock_manager_blockers(pids, job->worker_pid);
	if (job->step == HNR_STEP_CUTOVER)
	{
		pids = add_lock_holders(pids, job->index_oid, job->worker_pid);
		if (OidIsValid(job->shadow_oid))
			pids = add_lock_holders(pids, job->shadow_oid, job->worker_pid);
	}
	return pids;
}
