/*-------------------------------------------------------------------------
 *
 * api.c
 *		rebuild_index(), optimize_index(), cancel_rebuild(), wait_for_rebuild().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "am/am.h"
#include "compat.h"
#include "rebuild/api.h"
#include "rebuild/inplace.h"
#include "rebuild/job.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"

/* How often wait_for_rebuild() looks: from the first to the second. */
#define FIRST_LOOK_MS	10
#define SLOWEST_LOOK_MS	200

PG_FUNCTION_INFO_V1(hnr_rebuild_index);
PG_FUNCTION_INFO_V1(hnr_optimize_index);
PG_FUNCTION_INFO_V1(hnr_cancel_rebuild);
PG_FUNCTION_INFO_V1(hnr_wait_for_rebuild);

static bool
bool_arg(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"online\" and \"measure\" must not be null")));
	return PG_GETARG_BOOL(n);
}

static Oid
index_arg(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"index\" must not be null")));
	return PG_GETARG_OID(0);
}

/*
 * SQL: rebuild_index(index regclass, m int, ef_construction int, online bool,
 * measure bool, warm_start bool) returns bigint, the job's id.  Null options keep the present
 * ones.  Errors as hnr_rebuild_start().
 */
Datum
hnr_rebuild_index(PG_FUNCTION_ARGS)
{
	HnrRebuildRequest request = {
		.index = index_arg(fcinfo),
		.trigger = HNR_TRIGGER_MANUAL,
		.requested_by = GetUserId(),
		.measure = bool_arg(fcinfo, 4),
		.recall_before = -1
	};

	if (!PG_ARGISNULL(5))
		request.warm_start = PG_GETARG_BOOL(5) ? HNR_WARM_WHERE_POSSIBLE : HNR_WARM_NEVER;
	if (!PG_ARGISNULL(1))
	{
		request.m = PG_GETARG_INT32(1);
		hnr_check_range("m", request.m, HNR_MIN_M, HNR_MAX_M);
	}
	if (!PG_ARGISNULL(2))
	{
		request.ef_construction = PG_GETARG_INT32(2);
		hnr_check_range("ef_construction", request.ef_construction,
						HNR_MIN_EF_CONSTRUCTION, HNR_MAX_EF_CONSTRUCTION);
	}
	if (bool_arg(fcinfo, 3))
		PG_RETURN_INT64(hnr_rebuild_start(&request));
	PG_RETURN_INT64(hnr_rebuild_in_place(&request));
}

/*
 * SQL: optimize_index(index regclass, share float8, measure bool) returns bigint, the job's
 * id.  Errors as hnr_rebuild_start().
 */
Datum
hnr_optimize_index(PG_FUNCTION_ARGS)
{
	HnrRebuildRequest request = {
		.index = index_arg(fcinfo),
		.trigger = HNR_TRIGGER_MANUAL,
		.requested_by = GetUserId(),
		.measure = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2),
		.recall_before = -1,
		.optimize = true,
		.share = PG_ARGISNULL(1) ? HNR_OPTIMIZE_SHARE : PG_GETARG_FLOAT8(1)
	};

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"measure\" must not be null")));
	if (!(request.share >= 0 && request.share <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"share\" must be between 0 and 1")));
	PG_RETURN_INT64(hnr_rebuild_start(&request));
}

/* Stops a job: in the queue by its record, at work by a signal. */
static bool
cancel_job(const HnrJob *job)
{
	if (job->state == HNR_JOB_QUEUED && hnr_job_cancel_queued(job->id))
		return true;
	if (!hnr_job_is_alive(job))
		return false;
	if (kill(job->worker_pid, SIGINT) != 0)
		return false;
	return true;
}

/*
 * SQL: cancel_rebuild(index regclass) returns bool.  True where a rebuild has
 * been told to stop; it removes its shadow by itself, wait_for_rebuild() waits
 * for that.
 */
Datum
hnr_cancel_rebuild(PG_FUNCTION_ARGS)
{
	Oid			index = PG_GETARG_OID(0);
	HnrJob	   *job;
	bool		result = false;

	PreventCommandDuringRecovery("cancel_rebuild()");
	hnr_check_may_maintain(index, GetUserId());
	job = hnr_job_running(index);
	if (job != NULL)
		result = cancel_job(job);
	if (!result && !XactReadOnly)
	{
		(void) hnr_mark_interrupted();
		hnr_launch_sweep();
	}
	PG_RETURN_BOOL(result);
}

/* ---- wait_for_rebuild ---- */

static void
check_may_see(Oid index)
{
	if (has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		return;
	hnr_check_may_maintain(index, GetUserId());
}

/* Null: for ever. */
static TimestampTz
deadline_arg(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(GetCurrentTimestamp()),
												   PG_GETARG_DATUM(1)));
}

static void
raise_outcome(const HnrJob *job)
{
	const char *s = job->error_sqlstate;
	int			code = ERRCODE_INTERNAL_ERROR;

	if (job->state == HNR_JOB_DONE)
		return;
	if (s != NULL && strlen(s) == 5)
		code = MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]);
	ereport(ERROR,
			(errcode(code),
			 job->state == HNR_JOB_CANCELLED ?
			 errmsg("%s of index %s was canceled: %s", hnr_job_noun(job), job->index_name,
					job->error_message ? job->error_message : "unknown reason") :
			 errmsg("%s of index %s failed: %s", hnr_job_noun(job), job->index_name,
					job->error_message ? job->error_message : "unknown reason")));
}

pg_noreturn static void
report_gone(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("the record of rebuild " INT64_FORMAT " is gone", id),
			 errhint("Finished rebuilds beyond hnsw_rebuild.history_limit are forgotten.")));
}

/* The job as it is now; throws where its record is gone. */
static HnrJob *
look_at_job(int64 id)
{
	HnrJob	   *job = hnr_job_by_id(id);

	if (job == NULL)
		report_gone(id);
	if ((job->state == HNR_JOB_QUEUED || job->state == HNR_JOB_RUNNING) &&
		!hnr_job_is_alive(job))
	{
		/* Its last words may have come in between. */
		job = hnr_job_by_id(id);
		if (job != NULL && !RecoveryInProgress() && !XactReadOnly &&
			(job->state == HNR_JOB_QUEUED || job->state == HNR_JOB_RUNNING))
		{
			(void) hnr_mark_interrupted();
			hnr_launch_sweep();
			job = hnr_job_by_id(id);
		}
		if (job == NULL)
			report_gone(id);
	}
	return job;
}

/* Between two looks: no transaction is open while we sleep. */
static void
sleep_between(int ms)
{
	SPI_commit();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * SQL: CALL wait_for_rebuild(index regclass, timeout interval).  Commits, so
 * not in a transaction block.  Raises the error of a rebuild that failed or was
 * cancelled.
 */
Datum
hnr_wait_for_rebuild(PG_FUNCTION_ARGS)
{
	Oid			index = index_arg(fcinfo);
	TimestampTz deadline = deadline_arg(fcinfo);
	MemoryContext context;
	HnrJob	   *job;
	int64		id;
	int			pause = FIRST_LOOK_MS;

	if (!IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("wait_for_rebuild cannot run inside a transaction block or function"),
				 errdetail("An open transaction would hold up the rebuild."),
				 errhint("Commit first; where the client begins transactions by itself, turn autocommit on.")));
	check_may_see(index);
	job = hnr_job_newest(index);
	if (job == NULL)
	{
		hnr_check_is_ours(index);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no rebuild of index \"%s\" is known", get_rel_name(index))));
	}
	id = job->id;

	/* Of the portal, so that it lives across the commits. */
	context = AllocSetContextCreate(PortalContext, "wait_for_rebuild", ALLOCSET_SMALL_SIZES);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		MemoryContextReset(context);
		job = look_at_job(id);
		MemoryContextSwitchTo(old);
		if (job->state != HNR_JOB_QUEUED && job->state != HNR_JOB_RUNNING)
			break;
		if (GetCurrentTimestamp() >= deadline)
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("%s of index %s is not over within the timeout", hnr_job_noun(job),
							job->index_name),
					 errdetail("It goes on, at \"%s\".", hnr_step_name(job->step))));
		sleep_between(pause);
		pause = Min(pause * 2, SLOWEST_LOOK_MS);
	}
	SPI_finish();
	raise_outcome(job);
	PG_RETURN_VOID();
}
