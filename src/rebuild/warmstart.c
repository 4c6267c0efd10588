/*-------------------------------------------------------------------------
 *
 * warmstart.c
 *		The shadow's build: from the live index's graph where that will do, else from
 *		scratch.
 *
 * The first is tried in a subtransaction, so that any error of it, such as that of a damaged
 * page, leaves the table's lock and the transaction as they were; then the shadow is
 * emptied and built from scratch.  The same if what was made finds less than what was asked
 * for, which is measured before the shadow is ready: nobody has written into it yet.
 *
 * Locks: AccessShareLock on the live index while it is read.  Who wants to lock it exclusively is
 * noticed (watch.c), and let in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/storage.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "am/am.h"
#include "recall/recall.h"
#include "rebuild/worker.h"

/* An index that finds less than this is one whose graph is not worth taking over. */
#define LEAST_BEFORE	0.5

/* By how much recall may fall; what the sample leaves uncertain is on top. */
#define TOLERATED		0.01
#define UNCERTAIN		2.0

/* Why not even to try, or NULL. */
static const char *
reason_not_to(const HnrJob *job)
{
	if (job->warm_start == HNR_WARM_NEVER)
		return "";
	if (job->warm_start == HNR_WARM_DECIDE &&
		job->recall_before >= 0 && job->recall_before < LEAST_BEFORE)
		return "the old index finds too little";
	return NULL;
}

/* The recall that the new index is to have at least; 0: whatever it is. */
static double
wanted_recall(HnrRun *run, Relation shadow)
{
	double		threshold = hnr_option_auto_rebuild_threshold(shadow);
	double		wanted = 0;

	if (run->job->recall_before >= 0)
		wanted = run->job->recall_before - TOLERATED;
	if (threshold >= 0)
		wanted = Max(wanted, 1 - threshold);
	return wanted;
}

/* An error where the shadow finds too little. */
static void
check_recall(HnrRun *run)
{
	HnrRecallRequest request = {
		.sample_size = HNR_RECALL_DEFAULT_SAMPLE,
		.k = HNR_RECALL_DEFAULT_K,
		.is_wanted = hnr_table_is_wanted
	};
	HnrRecall	recall;
	Relation	table = table_open(run->ids.table, AccessShareLock);
	Relation	shadow = index_open(run->ids.shadow, AccessShareLock);
	double		wanted = wanted_recall(run, shadow);

	if (wanted > 0 && run->job->measure)
	{
		hnr_recall_measure(table, shadow, &request, &recall);
		if (recall.sample > 0 &&
			(recall.recall + UNCERTAIN * recall.std_error < wanted ||
			 HNR_DEBUG_FAULT("rebuild_warm_recall")))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg_internal("recall is %.3f, not %.3f", recall.recall, wanted)));
	}
	index_close(shadow, AccessShareLock);
	table_close(table, AccessShareLock);
}

/*
 * Keeps the error as the reason for a build from scratch, with all undone.  An interrupt is
 * none of its own where somebody waited for the live index.
 */
static void
give_up(HnrRun *run, MemoryContext context, ResourceOwner owner)
{
	bool		wanted = hnr_watch_index_end();
	ErrorData  *error;

	MemoryContextSwitchTo(run->context);
	error = CopyErrorData();
	FlushErrorState();
	if (wanted)
	{
		error->sqlerrcode = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
		error->message = psprintf("another session waits for index %s", run->job->index_name);
		error->detail = NULL;
	}
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	run->job->method_reason = error->message;
	ereport(error->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ? LOG : WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("index %s is rebuilt from scratch: %s", run->job->index_name,
					error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
}

/* The live index has been read. */
static void
let_go(void)
{
	(void) hnr_watch_index_end();
}

/* Whether the shadow is built, from the live index's graph. */
static bool
try_warm(HnrRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction("warm start");
	PG_TRY();
	{
		hnr_watch_index(run->ids.live);
		hnr_build_offer(run->ids.shadow, run->ids.live, let_go);
		index_concurrently_build(run->ids.table, run->ids.shadow);
		hnr_build_offer(InvalidOid, InvalidOid, NULL);
		check_recall(run);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		done = true;
	}
	PG_CATCH();
	{
		hnr_build_offer(InvalidOid, InvalidOid, NULL);
		/* asked to stop, or to let others have the table: no error of the old index */
		if (hnr_worker_interrupted() || hnr_watch_wish() != NULL)
			PG_RE_THROW();
		give_up(run, context, owner);
	}
	PG_END_TRY();
	return done;
}

/* Empties the shadow, which nobody else uses yet. */
static void
empty_shadow(HnrRun *run)
{
	Relation	shadow = index_open(run->ids.shadow, NoLock);

	if (RelationGetNumberOfBlocks(shadow) > 0)
		RelationTruncate(shadow, 0);
	index_close(shadow, NoLock);
}

void
hnr_build_shadow(HnrRun *run)
{
	HnrJob	   *job = run->job;
	const char *reason = reason_not_to(job);

	job->method = "warm";
	job->method_reason = NULL;
	if (reason == NULL && try_warm(run))
		return;
	job->method = "scratch";
	if (reason && *reason)
		job->method_reason = unconstify(char *, reason);
	empty_shadow(run);
	hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_BUILD);
	index_concurrently_build(run->ids.table, run->ids.shadow);
}
