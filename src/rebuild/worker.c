/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The background worker that does an online rebuild, or only a sweep.
 *
 * Life: connect as the bootstrap superuser, put aside settings that the
 * database has for sessions of users, wait for the end of the transaction that
 * wrote the job, claim the job, go through the phases (phases.c, cutover.c),
 * write down the outcome, remove the shadow.
 *
 * Locks: the session lock on the table (shadow.c) is the only one that outlives
 * a transaction.  A session lock is lost with the transaction that fails, and
 * it would stay behind for ever if the process ended outside a transaction: so
 * interrupts are looked for inside transactions only, and an exit hook
 * (shadow.c) gives everything back.
 *
 * Signals: SIGINT cancels the job (cancel_rebuild); the first SIGTERM does so
 * too, with a short time for removing the shadow; a second one ends the process
 * at once and leaves the shadow to the sweep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "rebuild/api.h"
#include "rebuild/job.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"
#include "throttle.h"
#include "transaction.h"

PGDLLEXPORT void hnr_rebuild_worker_main(Datum arg);

static volatile sig_atomic_t terminating = false;
static volatile sig_atomic_t canceling = false;

bool
hnr_worker_terminating(void)
{
	return terminating;
}

bool
hnr_worker_interrupted(void)
{
	return terminating || canceling;
}

/*
 * As a cancel in any backend, and remembered: the watch interrupts us as well.
 * A lock timeout is a signal that we send to ourselves; a cancel may come while that
 * is on its way.
 */
static void
handle_sigint(int signo, siginfo_t *info, void *context)
{
	int			save_errno = errno;

	if (info->si_pid != MyProcPid)
		canceling = true;
	StatementCancelHandler(signo);
	errno = save_errno;
}

/* As pqsignal(), whose handlers are not told who sent the signal (and from 17 on leave errno to it). */
static void
catch_sigint(void)
{
	struct sigaction action = {.sa_sigaction = handle_sigint, .sa_flags = SA_RESTART | SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
}

static void
handle_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (terminating)
		die(postgres_signal_arg);
	else if (!proc_exit_inprogress)
	{
		terminating = true;
		InterruptPending = true;
		QueryCancelPending = true;
		SetLatch(MyLatch);
	}
	errno = save_errno;
}

/*
 * Settings that a database may have for its users' sessions and that would
 * spoil a rebuild.  deadlock_timeout is short so that where we and a user's
 * statement wait for each other, we are the ones who find out and give way.
 */
static void
put_settings_aside(void)
{
	hnr_guc_put_aside();
	hnr_guc_force("deadlock_timeout", "50ms");
	hnr_guc_force("log_lock_waits", "off");
	hnr_guc_force("synchronous_commit", "off");
	hnr_guc_force("row_security", "off");
	hnr_guc_force("vacuum_cost_delay", "0");
}

void
hnr_reload_settings(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

void
hnr_run_enter(HnrRun *run, HnrStep step)
{
	hnr_reload_settings();
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	hnr_job_enter(run->job, step);
	pgstat_report_activity(STATE_RUNNING,
						   psprintf("%s index %s: %s",
									hnr_job_is_optimization(run->job) ? "optimizing" : "rebuilding",
									run->job->index_name,
									hnr_step_name(run->job->step)));
	CommitTransactionCommand();
}

#ifdef HNR_DEBUG_POINTS
void
hnr_run_point(const char *name)
{
	hnr_start_transaction();
	hnr_debug_point(name);
	CHECK_FOR_INTERRUPTS();
	CommitTransactionCommand();
}
#endif

/* Reads the job, in a transaction of its own; NULL where it is not there. */
static HnrJob *
read_job(int64 id)
{
	MemoryContext context = CurrentMemoryContext;
	HnrJob	   *job;

	hnr_start_transaction();
	MemoryContextSwitchTo(context);
	job = hnr_job_by_id(id);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return job;
}

/*
 * Waits for the transaction that wrote the job to end.  A subtransaction that was rolled back
 * has ended: who asks for a rebuild in one, again and again, shall not have a worker wait for
 * each.  One that was not gives its lock back, and then it is for the one that it was in.
 */
static void
wait_for_launcher(TransactionId xid)
{
	LOCKTAG		tag;

	hnr_start_transaction();
	pgstat_report_activity(STATE_RUNNING, "waiting for the transaction that asked for a rebuild");
	while (TransactionIdIsValid(xid))
	{
		SET_LOCKTAG_TRANSACTION(tag, xid);
		(void) LockAcquire(&tag, ShareLock, false, false);
		LockRelease(&tag, ShareLock, false);
		xid = TransactionIdIsInProgress(xid) ? SubTransGetParent(xid) : InvalidTransactionId;
	}
	CommitTransactionCommand();
}

/* The job's own settings: those of the session that asked. */
static void
apply_job_settings(const HnrJob *job)
{
	char		value[32];

	snprintf(value, sizeof(value), "%dkB", job->maintenance_mem_kb);
	hnr_guc_force("maintenance_work_mem", value);
	snprintf(value, sizeof(value), "%d", job->parallel_workers);
	hnr_guc_force("max_parallel_maintenance_workers", value);
}

/* Steps before the shadow exists: the job's conditions still hold? */
static void
check_again(HnrRun *run)
{
	HnrTarget	target;
	HnrJob	   *job = run->job;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	hnr_check_target(job->index_oid, job->requested_by, false, &target);
	if (target.relkind != RELKIND_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index %s is partitioned", target.name)));
	hnr_check_options(&target, job->m, job->ef_construction);
	job->table_oid = target.table;
	run->ids.table = target.table;
	run->ids.live = job->index_oid;
	job->old_relfilenode = target.filenode;
	job->m_before = target.built_m;
	job->ef_construction_before = target.built_ef_construction;
	CommitTransactionCommand();
}

/* Up to the swap; throws. */
static void
rebuild(HnrRun *run)
{
	HnrJob	   *job = run->job;

	check_again(run);
	if (job->measure && job->recall_before < 0)
	{
		hnr_run_enter(run, HNR_STEP_MEASURE_BEFORE);
		HNR_RUN_POINT("rebuild_measure_before");
		job->recall_before = hnr_measure_job_recall(run);
	}
	hnr_run_enter(run, HNR_STEP_WAIT_TABLE);
	HNR_RUN_POINT("rebuild_wait_table");
	hnr_phase_lock_table(run);
	if (hnr_job_is_optimization(job))
	{
		hnr_run_enter(run, HNR_STEP_OPTIMIZE);
		hnr_phase_optimize(run);
		hnr_run_enter(run, HNR_STEP_COMPACT);
		hnr_phase_compact(run);
		return;
	}
	hnr_run_enter(run, HNR_STEP_CREATE);
	HNR_RUN_POINT("rebuild_create");
	hnr_phase_create(run);
	hnr_run_enter(run, HNR_STEP_WAIT_WRITERS_BUILD);
	HNR_RUN_POINT("rebuild_wait_writers_build");
	hnr_phase_build(run);
	hnr_run_enter(run, HNR_STEP_WAIT_WRITERS_VALIDATE);
	HNR_RUN_POINT("rebuild_wait_writers_validate");
	hnr_phase_validate(run);
	hnr_phase_finish(run);
}

/* From queued to running, unless it was cancelled before. */
static bool
claim_job(HnrJob *job)
{
	bool		claimed;

	job->state = HNR_JOB_RUNNING;
	job->worker_pid = MyProcPid;
	job->started_at = job->step_started_at = GetCurrentTimestamp();
	hnr_start_transaction();
	claimed = hnr_job_claim(job);
	CommitTransactionCommand();
	return claimed;
}

/*
 * Does one job from claim to outcome.  Never throws, but for the loss of the
 * job table.  Returns false where no further job of a group should begin.
 */
static bool
run_job(HnrJob *job)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "rebuild job",
												  ALLOCSET_DEFAULT_SIZES);
	HnrRun	   *run = MemoryContextAllocZero(context, sizeof(HnrRun));
	bool		go_on;

	run->context = context;
	run->job = job;
	run->outcome = HNR_STEP_DONE;
	run->withheld_from = InvalidBlockNumber;
	if (!claim_job(job))
		return true;
	apply_job_settings(job);
	PG_TRY();
	{
		rebuild(run);
	}
	PG_CATCH();
	{
		hnr_outcome_catch(run);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	go_on = hnr_outcome_settle(run);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return go_on;
}

/* The leaves of a partitioned index, one after the other, then the parent. */
static void
run_group(HnrJob *parent)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *leaves;
	ListCell   *lc;
	bool		go_on = true;

	if (!claim_job(parent))
		return;
	hnr_start_transaction();
	MemoryContextSwitchTo(context);
	hnr_job_enter(parent, HNR_STEP_LEAVES);
	leaves = hnr_jobs_of_parent(parent->id);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);

	foreach(lc, leaves)
	{
		HnrJob	   *leaf = read_job(((HnrJob *) lfirst(lc))->id);

		if (!go_on)
			break;
		/* One leaf can have been cancelled before its turn. */
		if (leaf != NULL && leaf->state == HNR_JOB_QUEUED)
			go_on = run_job(leaf);
	}
	hnr_outcome_of_group(parent);
}

static bool
is_partitioned(Oid index)
{
	bool		result;

	hnr_start_transaction();
	result = get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX;
	CommitTransactionCommand();
	return result;
}

void
hnr_rebuild_worker_main(Datum arg)
{
	HnrWorkerArgs args;
	HnrJob	   *job;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	catch_sigint();
	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(args.database, InvalidOid, 0);
	put_settings_aside();
	MemoryContextSwitchTo(TopMemoryContext);

	if (args.job_id == 0)
	{
		hnr_sweep_until_clean();
		return;
	}
	hnr_background_begin();
	wait_for_launcher(args.xid);
	job = read_job(args.job_id);
	if (job == NULL || job->state != HNR_JOB_QUEUED)
		return;
	if (is_partitioned(job->index_oid))
		run_group(job);
	else
		(void) run_job(job);
	pgstat_report_stat(true);
}
