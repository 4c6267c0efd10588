/*-------------------------------------------------------------------------
 *
 * outcome.c
 *		How a rebuild ends: its error or success, the removal of the shadow.
 *
 * After an error every lock is gone, so whoever waited for us gets on first.
 * Then the shadow is removed under a fresh lock, as often as somebody else
 * comes in between; and a user's DROP of the index has taken the shadow with it
 * already.  Where that is not possible (the process is asked to end and others
 * use the table), the shadow is left to the sweep, by a worker of its own.
 *
 * After the swap nothing can fail any more: the job is done, and what is left
 * to do is tried until it succeeds or is left to the sweep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#include "guc.h"
#include "rebuild/attempt.h"
#include "rebuild/job.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"
#include "transaction.h"

/* Time that a process which is to end spends on waiting for locks. */
#define LAST_LOCK_TIMEOUT_MS	1000

/* Other errors than being interrupted that removing a shadow may meet. */
#define MAX_REMOVE_ERRORS	3

/* Time to wait for those whom we have given way to, for what they do with each of their locks. */
#define OTHERS_MS			1000

static char *
sqlstate_text(MemoryContext context, int sqlstate)
{
	return MemoryContextStrdup(context, unpack_sql_state(sqlstate));
}

void
hnr_outcome_catch(HnrRun *run)
{
	HnrJob	   *job = run->job;
	MemoryContext old = MemoryContextSwitchTo(run->context);
	ErrorData  *error = CopyErrorData();
	const char *wish = hnr_watch_wish();

	FlushErrorState();
	hnr_watch_stop();
	hnr_run_keep_progress(run);
	hnr_optimizing_keep_work(run);
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
	MemoryContextSwitchTo(run->context);

	run->failed = true;
	run->outcome = HNR_STEP_FAILED;
	if (hnr_worker_terminating())
	{
		error->sqlerrcode = ERRCODE_ADMIN_SHUTDOWN;
		error->message = pstrdup("terminated by administrator command");
	}
	else if (hnr_worker_interrupted())
	{
		error->sqlerrcode = ERRCODE_QUERY_CANCELED;
		error->message = pstrdup("canceled on request");
		run->outcome = HNR_STEP_CANCELLED;
	}
	else if (wish != NULL)
	{
		error->sqlerrcode = ERRCODE_LOCK_NOT_AVAILABLE;
		error->message = psprintf("gave way to another session that wants %s on the table", wish);
		run->gave_way = true;
	}
	job->error_sqlstate = sqlstate_text(run->context, error->sqlerrcode);
	job->error_message = error->detail ?
		psprintf("%s (%s)", error->message, error->detail) : error->message;
	MemoryContextSwitchTo(old);
}

/* Aborts what an attempt has begun; true where the error is one to try again after. */
static bool
catch_retryable(void)
{
	MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);
	ErrorData  *error = CopyErrorData();
	bool		retry;

	FlushErrorState();
	retry = hnr_watch_wish() != NULL ||
		error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
	hnr_watch_stop();
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
	MemoryContextSwitchTo(TopMemoryContext);
	if (!retry)
	{
		/* Messages are for inside a transaction: they look for interrupts. */
		HOLD_INTERRUPTS();
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("could not remove the shadow of a rebuilt index: %s", error->message)));
		RESUME_INTERRUPTS();
	}
	FreeErrorData(error);
	MemoryContextSwitchTo(context);
	return retry;
}

/* One attempt.  Returns whether the shadow is gone; counts unexpected errors. */
static bool
try_remove(HnrRun *run, int *errors)
{
	volatile bool removed = false;

	PG_TRY();
	{
		if (hnr_worker_terminating())
			hnr_guc_force("lock_timeout", "1s");
		hnr_lock_table(run->ids.table, hnr_worker_terminating() ? LAST_LOCK_TIMEOUT_MS : 0);
		hnr_shadow_drop(&run->ids);
		/* What a statement that we gave way to has made of it. */
		hnr_drop_leftovers(run->ids.table);
		hnr_unlock_table(run->ids.table);
		removed = true;
	}
	PG_CATCH();
	{
		if (!catch_retryable())
			(*errors)++;
	}
	PG_END_TRY();
	return removed;
}

/* Lets the session that wanted our lock have it before we ask again. */
static void
pause_between_attempts(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 50, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/* Removes the shadow; false where it is to be left to the sweep. */
static bool
remove_shadow(HnrRun *run)
{
	int			errors = 0;

	if (!OidIsValid(run->ids.shadow))
		return true;
	for (;;)
	{
		bool		last = hnr_worker_terminating();

		if (try_remove(run, &errors))
			return true;
		if (last || errors >= MAX_REMOVE_ERRORS)
			return false;
		pause_between_attempts();
	}
}

/* Writes the record's next step whatever happens: a cancel comes too late now. */
static void
enter_regardless(HnrJob *job, HnrStep step)
{
	HOLD_CANCEL_INTERRUPTS();
	hnr_start_transaction();
	hnr_job_enter(job, step);
	if (hnr_step_is_final(step))
		hnr_jobs_prune();
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
}

/* Something that is no reason to call the job failed where it meets an error. */
static void
try_step(HnrRun *run, void (*step) (HnrRun *run))
{
	PG_TRY();
	{
		step(run);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		LockReleaseAll(DEFAULT_LOCKMETHOD, true);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
}

/* The recall after a rebuild. */
static void
measure_after(HnrRun *run)
{
	HNR_RUN_POINT("rebuild_measure_after");
	run->job->recall_after = hnr_measure_job_recall(run);
}

/* An error around the commit of the swap: which side of it are we on? */
static void
find_out_whether_swapped(HnrRun *run)
{
	HOLD_CANCEL_INTERRUPTS();
	hnr_start_transaction();
	if (hnr_job_was_swapped(run->job))
		run->swapped = true;
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
	MemoryContextSwitchTo(run->context);
}

/*
 * The step of an attempt: whether the index is gone.  One lock at a time, for those who drop
 * what it depends on have the index before the table.
 */
static bool
is_dropped(void *arg)
{
	HnrRun	   *run = arg;

	LockTimeout = OTHERS_MS;
	LockRelationOid(run->ids.table, AccessShareLock);
	UnlockRelationOid(run->ids.table, AccessShareLock);
	LockRelationOid(run->ids.live, AccessShareLock);
	UnlockRelationOid(run->ids.live, AccessShareLock);
	return !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(run->ids.live));
}

/* We gave way: to a DROP? */
static void
find_out_whether_dropped(HnrRun *run)
{
	HnrJob	   *job = run->job;

	if (!hnr_attempt(is_dropped, run))
		return;
	MemoryContextSwitchTo(run->context);
	job->error_sqlstate = pstrdup(unpack_sql_state(ERRCODE_UNDEFINED_OBJECT));
	job->error_message = psprintf("index %s was dropped during its %s", job->index_name, hnr_job_noun(job));
}

bool
hnr_outcome_settle(HnrRun *run)
{
	HnrJob	   *job = run->job;
	bool		removed;

	if (run->failed && !run->swapped)
		find_out_whether_swapped(run);
	if (run->swapped)
	{
		run->outcome = HNR_STEP_DONE;
		job->error_sqlstate = job->error_message = NULL;
		enter_regardless(job, HNR_STEP_DROP);
	}
	else if (OidIsValid(run->ids.shadow))
		enter_regardless(job, HNR_STEP_CLEAN);

	removed = remove_shadow(run);
	pgstat_progress_end_command();
	if (BlockNumberIsValid(run->withheld_from) && !hnr_worker_terminating())
		try_step(run, hnr_compact_settle);
	if ((run->swapped || (run->optimized && !run->failed)) && job->measure && !hnr_worker_terminating())
	{
		enter_regardless(job, HNR_STEP_MEASURE_AFTER);
		try_step(run, measure_after);
	}
	if (run->gave_way && !run->swapped && !hnr_worker_terminating())
		try_step(run, find_out_whether_dropped);
	enter_regardless(job, run->outcome);
	/* From now on the job claims the shadow no longer. */
	if (!removed)
		hnr_launch_sweep_worker();
	return run->outcome != HNR_STEP_CANCELLED && !hnr_worker_terminating();
}

/* All leaves done: new partitions, at any level, are to have the new options too. */
static void
set_options_of_parents(const HnrJob *parent)
{
	hnr_start_transaction();
	hnr_set_options_of_tree(parent->index_oid, parent->m, parent->ef_construction);
	CommitTransactionCommand();
}

void
hnr_outcome_of_group(HnrJob *parent)
{
	MemoryContext context = CurrentMemoryContext;
	HnrStep		outcome = HNR_STEP_DONE;
	List	   *leaves;
	ListCell   *lc;
	int			missed = 0;

	HOLD_CANCEL_INTERRUPTS();
	hnr_start_transaction();
	(void) hnr_job_cancel_queued(parent->id);
	MemoryContextSwitchTo(context);
	leaves = hnr_jobs_of_parent(parent->id);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);

	foreach(lc, leaves)
	{
		HnrJob	   *leaf = lfirst(lc);

		if (leaf->state == HNR_JOB_DONE)
			continue;
		if (missed++ == 0)
		{
			parent->error_sqlstate = leaf->error_sqlstate;
			parent->error_message = leaf->error_message;
			outcome = leaf->state == HNR_JOB_CANCELLED ? HNR_STEP_CANCELLED : HNR_STEP_FAILED;
		}
	}
	if (missed > 0)
		parent->error_message = psprintf("%d of %d partitions were not rebuilt, the first because: %s",
										 missed, list_length(leaves),
										 parent->error_message ? parent->error_message : "unknown");
	else
	{
		set_options_of_parents(parent);
		parent->m_after = parent->m ? parent->m : parent->m_before;
		parent->ef_construction_after = parent->ef_construction ?
			parent->ef_construction : parent->ef_construction_before;
	}
	RESUME_CANCEL_INTERRUPTS();
	enter_regardless(parent, outcome);
}
