/*-------------------------------------------------------------------------
 *
 * launch.c
 *		Starting an online rebuild: checks, job record, background worker.
 *
 * The worker is registered at once, so that lacking a free slot is an error of
 * the call.  It cannot see the record before our transaction commits: it waits
 * for the transaction's end, and goes away if the record is not there then.
 *
 * Two calls for one index exclude each other by a lock on the pair (pg_class,
 * index) of the object lock space, held to the end of the transaction; after
 * that the record itself is in the way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "rebuild/api.h"
#include "rebuild/job.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"

/* Sub-object number that sets our claim apart from other locks on pg_class rows. */
#define CLAIM_SUBID		0x4872

int
hnr_launch_worker(const HnrWorkerArgs *args)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	StaticAssertStmt(sizeof(HnrWorkerArgs) <= BGW_EXTRALEN, "worker arguments too long");

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "hnsw_rebuild", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "hnr_rebuild_worker_main",
			sizeof(worker.bgw_function_name));
	if (args->job_id != 0)
		snprintf(worker.bgw_name, BGW_MAXLEN, "hnsw_rebuild job " INT64_FORMAT, args->job_id);
	else
		strlcpy(worker.bgw_name, "hnsw_rebuild sweep", BGW_MAXLEN);
	strlcpy(worker.bgw_type, HNR_WORKER_TYPE, BGW_MAXLEN);
	/* Nobody waits for a sweep to begin. */
	worker.bgw_notify_pid = args->job_id != 0 ? MyProcPid : 0;
	memcpy(worker.bgw_extra, args, sizeof(*args));

	if (!RegisterDynamicBackgroundWorker(&worker, &handle) || args->job_id == 0)
		return 0;
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a background worker for the rebuild"),
				 errhint("More details may be available in the server log.")));
	return pid;
}

/* "12, 34", of the sessions that hold a job up; NULL: none. */
static char *
blockers_text(const HnrJob *job)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, hnr_job_blockers(job))
		appendStringInfo(&buf, "%s%d", buf.len > 0 ? ", " : "", lfirst_int(lc));
	return buf.len > 0 ? buf.data : NULL;
}

/* Why a job that has ended, but for the removal of its shadow, is still in the way. */
static char *
cleaning_text(const HnrJob *job)
{
	const char *blockers = blockers_text(job);
	const char *error = job->error_message ? job->error_message : "unknown reason";

	return blockers == NULL ? psprintf("has ended (%s) and removes its unfinished index", error) :
		psprintf("has ended (%s) and waits for process %s to remove its unfinished index", error, blockers);
}

static void
refuse_running(const char *index_name, const HnrJob *job)
{
	const char *cleaning = job != NULL && job->step == HNR_STEP_CLEAN ? cleaning_text(job) : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("index %s is being %s already", index_name,
					job != NULL && hnr_job_is_optimization(job) ? "optimized" : "rebuilt"),
			 job == NULL ?
			 errdetail("Another transaction has just asked for it.") :
			 cleaning != NULL ? errdetail("Job " INT64_FORMAT " %s.", job->id, cleaning) :
			 errdetail("Job " INT64_FORMAT " is at \"%s\", process %d.",
					   job->id, hnr_step_name(job->step), job->worker_pid),
			 cleaning != NULL ?
			 errhint("Wait for its end with wait_for_rebuild(); transactions that use the table have to end first.") :
			 errhint("Wait for it with wait_for_rebuild() or stop it with cancel_rebuild().")));
}

void
hnr_claim_index(const HnrTarget *target)
{
	LOCKTAG		tag;
	HnrJob	   *job;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, target->index, CLAIM_SUBID);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		refuse_running(target->name, NULL);
	job = hnr_job_running(target->index);
	if (job != NULL)
		refuse_running(target->name, job);
}

/* A queued job for the target, not written yet. */
static HnrJob *
new_job(const HnrRebuildRequest *request, const HnrTarget *target)
{
	HnrJob	   *job = palloc0(sizeof(HnrJob));

	job->index_oid = target->index;
	job->table_oid = target->table;
	job->index_name = target->name;
	job->owner = target->owner;
	job->requested_by = request->requested_by;
	job->trigger = request->trigger;
	job->state = HNR_JOB_QUEUED;
	job->step = HNR_STEP_QUEUED;
	job->m = request->m;
	job->ef_construction = request->ef_construction;
	job->m_before = target->built_m;
	job->ef_construction_before = target->built_ef_construction;
	job->online = true;
	job->measure = request->measure;
	job->warm_start = request->warm_start;
	job->maintenance_mem_kb = maintenance_work_mem;
	job->parallel_workers = max_parallel_maintenance_workers;
	job->old_relfilenode = target->filenode;
	job->requested_at = GetCurrentTimestamp();
	job->recall_before = request->recall_before;
	job->share = request->optimize ? request->share : -1;
	if (request->optimize)
		job->method = pstrdup(HNR_METHOD_OPTIMIZE);
	return job;
}

static void
check_one(Oid index, const HnrRebuildRequest *request, HnrTarget *target)
{
	hnr_check_target(index, request->requested_by, false, target);
	hnr_check_options(target, request->m, request->ef_construction);
	hnr_claim_index(target);
	if (!request->optimize)
		hnr_check_space(target, request->m);
}

/* Writes the job and, for a partitioned index, one for each leaf. */
static int64
write_jobs(const HnrRebuildRequest *request)
{
	HnrTarget	target;
	HnrJob	   *job;
	List	   *leaves = NIL;
	ListCell   *lc;

	check_one(request->index, request, &target);
	job = new_job(request, &target);
	if (target.relkind == RELKIND_PARTITIONED_INDEX)
	{
		hnr_check_tree_options(&target, request->requested_by, request->m, request->ef_construction);
		foreach(lc, hnr_leaf_indexes(request->index))
		{
			HnrTarget	leaf;

			check_one(lfirst_oid(lc), request, &leaf);
			leaves = lappend(leaves, new_job(request, &leaf));
		}
	}

	hnr_job_insert(job);
	foreach(lc, leaves)
	{
		HnrJob	   *leaf = lfirst(lc);

		leaf->parent_id = job->id;
		leaf->recall_before = -1;
		hnr_job_insert(leaf);
	}
	return job->id;
}

void
hnr_launch_sweep_worker(void)
{
	HnrWorkerArgs args = {.database = MyDatabaseId};

	(void) hnr_launch_worker(&args);
}

void
hnr_launch_sweep(void)
{
	if (hnr_rebuild_sweep_needed())
		hnr_launch_sweep_worker();
}

int64
hnr_rebuild_start(const HnrRebuildRequest *request)
{
	HnrWorkerArgs args;
	int			pid;

	PreventCommandDuringRecovery(request->optimize ? "optimize_index()" : "rebuild_index()");
	PreventCommandIfReadOnly(request->optimize ? "optimize_index()" : "rebuild_index()");

	(void) hnr_mark_interrupted();
	args.database = MyDatabaseId;
	args.job_id = write_jobs(request);
	args.xid = GetCurrentTransactionId();

	pid = hnr_launch_worker(&args);
	if (pid == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no background worker is free for the %s",
						request->optimize ? "optimization" : "rebuild"),
				 request->optimize ?
				 errhint("Wait for another one to end, or raise max_worker_processes.") :
				 errhint("Wait for another one to end, raise max_worker_processes, "
						 "or use online => false.")));
	hnr_job_set_worker(args.job_id, pid);

	hnr_launch_sweep();
	return args.job_id;
}
