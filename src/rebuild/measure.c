/*-------------------------------------------------------------------------
 *
 * measure.c
 *		The recall of an index before and after its rebuild.
 *
 * Both with the sample that the job's id draws, which is the same rows where the table's
 * pages are, so that what differs is the index.
 *
 * One transaction with AccessShareLock on table and index; the session lock is
 * not held.  An error, such as that of a damaged index, is no reason not to rebuild
 * it: it is logged.  An optimisation, which does not cure that, has it in its record.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "recall/recall.h"
#include "rebuild/worker.h"
#include "transaction.h"

static double
measure(Oid index_oid, Oid table_oid, int64 seed)
{
	HnrRecallRequest request = {
		.sample_size = HNR_RECALL_DEFAULT_SAMPLE,
		.k = HNR_RECALL_DEFAULT_K,
		.seeded = true,
		.seed = seed,
		.is_wanted = hnr_table_is_wanted
	};
	HnrRecall	recall;
	Relation	table;
	Relation	index;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	PushActiveSnapshot(GetTransactionSnapshot());
	table = table_open(table_oid, AccessShareLock);
	index = index_open(index_oid, AccessShareLock);
	hnr_recall_measure(table, index, &request, &recall);
	index_close(index, AccessShareLock);
	table_close(table, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return recall.sample > 0 ? recall.recall : -1;
}

/* Which of the two could not be measured, or that neither could, and why the later. */
static void
keep_error(HnrRun *run)
{
	HnrJob	   *job = run->job;
	const char *which = job->method_reason ? "" : run->optimized ? " afterwards" : " before";

	MemoryContextSwitchTo(run->context);
	job->method_reason = psprintf("recall%s could not be measured: %s", which, CopyErrorData()->message);
}

double
hnr_measure_job_recall(HnrRun *run)
{
	const HnrJob *job = run->job;
	volatile double recall = -1;

	PG_TRY();
	{
		recall = measure(job->index_oid, job->table_oid, job->id);
	}
	PG_CATCH();
	{
		if (hnr_worker_interrupted())
			PG_RE_THROW();
		HOLD_INTERRUPTS();
		if (hnr_job_is_optimization(job))
			keep_error(run);
		EmitErrorReport();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		LockReleaseAll(DEFAULT_LOCKMETHOD, true);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return recall;
}
