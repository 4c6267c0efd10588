/*-------------------------------------------------------------------------
 *
 * sweep.c
 *		Removes what rebuilds left behind whose worker was killed or crashed.
 *
 * It need not know how far such a rebuild came: a shadow is always dropped,
 * never carried on with.  A shadow is a leftover if no living job claims it.  A
 * worker would hold the lock on the table as well, but for the time in which it
 * gives way; that the lock is not to be had means little, VACUUM has it too.  So
 * the sweep waits for it, for a while, and the sweep's own worker comes back
 * until nothing is left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#include "rebuild/api.h"
#include "rebuild/job.h"
#include "rebuild/worker.h"
#include "transaction.h"

/* How long a sweep waits for the lock on a table. */
#define SWEEP_LOCK_TIMEOUT_MS	5000

/* The sweep's own worker: pause between rounds, at first and at most, and rounds. */
#define FIRST_PAUSE_MS			100
#define LONGEST_PAUSE_MS		10000
#define MAX_ROUNDS				100

/* Sub-object number of the lock that only one sweeping worker has. */
#define SWEEP_SUBID				0x5357

/* Whether the index is valid and has that storage. */
static bool
is_in_use(Oid index, Oid filenode)
{
	HeapTuple	class_row = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	HeapTuple	index_row = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		result;

	result = HeapTupleIsValid(class_row) && HeapTupleIsValid(index_row) &&
		((Form_pg_class) GETSTRUCT(class_row))->relfilenode == filenode &&
		((Form_pg_index) GETSTRUCT(index_row))->indisvalid;
	if (HeapTupleIsValid(class_row))
		ReleaseSysCache(class_row);
	if (HeapTupleIsValid(index_row))
		ReleaseSysCache(index_row);
	return result;
}

/*
 * In a transaction.  After a swap of names the job's index becomes the one that
 * has the name now.
 */
bool
hnr_job_was_swapped(HnrJob *job)
{
	if (!OidIsValid(job->new_relfilenode))
		return false;
	if (is_in_use(job->index_oid, job->new_relfilenode))
		return true;
	if (is_in_use(job->shadow_oid, job->new_relfilenode))
	{
		Oid			old = job->index_oid;

		job->index_oid = job->shadow_oid;
		job->shadow_oid = old;
		return true;
	}
	return false;
}

static void
close_interrupted(HnrJob *job)
{
	/* Nobody knows when the step ended. */
	job->step_started_at = 0;
	job->failed_in = job->step;
	if (hnr_job_was_swapped(job))
	{
		if (job->step != HNR_STEP_MEASURE_AFTER)
			job->step = HNR_STEP_DROP;
		hnr_job_enter(job, HNR_STEP_DONE);
		return;
	}
	job->error_sqlstate = pstrdup(unpack_sql_state(ERRCODE_CRASH_SHUTDOWN));
	if (job->error_message == NULL)
		job->error_message = psprintf("interrupted: the worker process ended during \"%s\"",
									  hnr_step_name(job->step));
	hnr_job_enter(job, HNR_STEP_FAILED);
}

int
hnr_mark_interrupted(void)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, hnr_jobs_active())
	{
		HnrJob	   *job = lfirst(lc);

		HNR_DEBUG_POINT("rebuild_mark_interrupted");
		if (hnr_job_is_alive(job))
			continue;
		/* Its last words may have come since we read the record. */
		job = hnr_job_by_id(job->id);
		if (job == NULL || (job->state != HNR_JOB_QUEUED && job->state != HNR_JOB_RUNNING))
			continue;
		close_interrupted(job);
		n++;
	}
	return n;
}

bool
hnr_shadow_is_claimed(const HnrShadow *ids)
{
	ListCell   *lc;

	foreach(lc, hnr_jobs_active())
	{
		HnrJob	   *job = lfirst(lc);

		if ((job->shadow_oid == ids->shadow || job->index_oid == ids->shadow) &&
			job->worker_pid != MyProcPid && hnr_job_is_alive(job))
			return true;
	}
	return false;
}

bool
hnr_rebuild_sweep_needed(void)
{
	ListCell   *lc;

	foreach(lc, hnr_jobs_active())
		if (!hnr_job_is_alive((HnrJob *) lfirst(lc)))
			return true;
	foreach(lc, hnr_shadows(InvalidOid))
		if (!hnr_shadow_is_claimed(lfirst(lc)))
			return true;
	return false;
}

/* The leftover shadows, in the current memory context. */
static List *
find_leftovers(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *leftovers = NIL;
	ListCell   *lc;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	MemoryContextSwitchTo(context);
	(void) hnr_mark_interrupted();
	foreach(lc, hnr_shadows(InvalidOid))
		if (!hnr_shadow_is_claimed(lfirst(lc)))
			leftovers = lappend(leftovers, lfirst(lc));
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return leftovers;
}

/* Under the table's lock: still a leftover? */
static bool
is_leftover(const HnrShadow *ids)
{
	MemoryContext context = CurrentMemoryContext;
	ListCell   *lc;
	bool		result = false;

	hnr_start_transaction();
	foreach(lc, hnr_shadows(ids->table))
		if (((HnrShadow *) lfirst(lc))->shadow == ids->shadow)
			result = !hnr_shadow_is_claimed(ids);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return result;
}

static void
sweep_one(const HnrShadow *ids)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		hnr_lock_table(ids->table, SWEEP_LOCK_TIMEOUT_MS);
		if (is_leftover(ids))
			hnr_shadow_drop(ids);
		hnr_unlock_table(ids->table);
	}
	PG_CATCH();
	{
		/* Whatever it was, the next sweep comes by again. */
		MemoryContextSwitchTo(context);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		FlushErrorState();
		hnr_watch_stop();
		AbortOutOfAnyTransaction();
		LockReleaseAll(DEFAULT_LOCKMETHOD, true);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

void
hnr_rebuild_sweep(void)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "rebuild sweep",
												  ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	MemoryContextSwitchTo(context);
	foreach(lc, find_leftovers())
	{
		sweep_one(lfirst(lc));
		if (hnr_worker_interrupted())
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static bool
anything_left(void)
{
	bool		result;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	result = hnr_rebuild_sweep_needed();
	CommitTransactionCommand();
	return result;
}

/* For the session; false where another worker of this database has it. */
static bool
lock_sweeping(void)
{
	LOCKTAG		tag;
	bool		locked;

	hnr_prepare_for_exit();
	hnr_start_transaction();
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, InvalidOid, SWEEP_SUBID);
	locked = LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
	CommitTransactionCommand();
	return locked;
}

void
hnr_sweep_until_clean(void)
{
	int			pause = FIRST_PAUSE_MS;

	if (!lock_sweeping())
		return;
	for (int round = 0; round < MAX_ROUNDS; round++)
	{
		hnr_rebuild_sweep();
		if (hnr_worker_interrupted() || !anything_left())
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 pause, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		pause = Min(pause * 2, LONGEST_PAUSE_MS);
	}
}
