/*-------------------------------------------------------------------------
 *
 * inplace.c
 *		The rebuild in the caller's transaction: REINDEX with other options.
 *
 * Locks, to the end of the transaction: ShareLock on the table,
 * AccessExclusiveLock on the index.  A failed rebuild leaves nothing behind, its
 * record included.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "rebuild/inplace.h"
#include "rebuild/job.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"

static FormData_pg_class
class_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	FormData_pg_class class;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	memcpy(&class, GETSTRUCT(tuple), CLASS_TUPLE_SIZE);
	ReleaseSysCache(tuple);
	return class;
}

static HnrJob *
insert_job(const HnrRebuildRequest *request, const HnrTarget *target, int64 parent_id)
{
	HnrJob	   *job = palloc0(sizeof(HnrJob));

	job->parent_id = parent_id;
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
	job->old_relfilenode = target->filenode;
	job->maintenance_mem_kb = maintenance_work_mem;
	job->parallel_workers = max_parallel_maintenance_workers;
	job->requested_at = job->started_at = job->step_started_at = GetCurrentTimestamp();
	job->lock_hold_ms = job->longest_wait_ms = -1;
	job->recall_before = job->recall_after = -1;
	job->share = -1;
	hnr_job_insert(job);
	return job;
}

static void
close_job(HnrJob *job, const HnrTarget *target)
{
	job->m_after = job->m ? job->m : target->m;
	job->ef_construction_after = job->ef_construction ?
		job->ef_construction : target->ef_construction;
	job->worker_pid = MyProcPid;
	job->method = "scratch";
	hnr_job_enter(job, HNR_STEP_DONE);
}

static void
rebuild_leaf(const HnrRebuildRequest *request, const HnrTarget *target, int64 parent_id,
			 int64 *id)
{
	ReindexParams params = {.options = REINDEXOPT_REPORT_PROGRESS};
	FormData_pg_class class;
	HnrTarget	now;
	HnrJob	   *job;

	hnr_claim_index(target);
	hnr_check_space(target, request->m);
	job = insert_job(request, target, parent_id);
	hnr_job_enter(job, HNR_STEP_WAIT_TABLE);
	LockRelationOid(target->table, ShareLock);
	LockRelationOid(target->index, AccessExclusiveLock);
	/* Anything can have happened while we waited. */
	hnr_check_target(target->index, request->requested_by, true, &now);
	if (now.table != target->table)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index %s has been replaced by another one", target->name)));

	hnr_job_enter(job, HNR_STEP_BUILD);
	job->old_relfilenode = class_of(target->index).relfilenode;
	if (request->m != 0 || request->ef_construction != 0)
	{
		hnr_set_options(target->index, target->index, request->m, request->ef_construction);
		CommandCounterIncrement();
	}
	hnr_reindex_index(target->index, target->persistence, &params);
	CommandCounterIncrement();
	class = class_of(target->index);
	job->new_relfilenode = class.relfilenode;
	job->tuples_done = job->tuples_total = Max(class.reltuples, 0);
	close_job(job, &now);
	*id = job->id;
}

static int64
rebuild_leaves(const HnrRebuildRequest *request, const HnrTarget *target)
{
	HnrJob	   *parent;
	ListCell   *lc;
	int64		ignored;

	hnr_claim_index(target);
	hnr_check_tree_options(target, request->requested_by, request->m, request->ef_construction);
	parent = insert_job(request, target, 0);
	hnr_job_enter(parent, HNR_STEP_LEAVES);
	foreach(lc, hnr_leaf_indexes(target->index))
	{
		HnrTarget	leaf;

		hnr_check_target(lfirst_oid(lc), request->requested_by, true, &leaf);
		hnr_check_options(&leaf, request->m, request->ef_construction);
		rebuild_leaf(request, &leaf, parent->id, &ignored);
	}
	hnr_set_options_of_tree(target->index, request->m, request->ef_construction);
	close_job(parent, target);
	return parent->id;
}

int64
hnr_rebuild_in_place(const HnrRebuildRequest *request)
{
	HnrTarget	target;
	int64		id;

	PreventCommandDuringRecovery("rebuild_index()");
	PreventCommandIfReadOnly("rebuild_index()");
	(void) hnr_mark_interrupted();
	hnr_check_target(request->index, request->requested_by, true, &target);
	hnr_check_options(&target, request->m, request->ef_construction);
	if (target.relkind == RELKIND_PARTITIONED_INDEX)
		return rebuild_leaves(request, &target);
	rebuild_leaf(request, &target, 0, &id);
	return id;
}
