/*-------------------------------------------------------------------------
 *
 * warmstart.c
 *		The shadow's build: from the live index's graph where that will do, else from
 *		scratch.
 *
 * The first is tried in a subtransaction, so that any error of it, such as that of a damaged
 * page, leaves the table's lock and the transaction as they were; then the shadow is
 * emptied and built from scratch.  The same if what was made finds less than what was asked
 * for, which is measured before it is logged: nobody knows it yet.
 *
 * Locks: AccessShareLock on the live index while it is read.  Who wants to lock it exclusively is
 * noticed (watch.c), and let in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
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

/* What a build from scratch is taken to reach where no record of one says it. */
#define USUAL_RECALL	0.9

/*
 * By how much recall may be below that.  What a sample leaves uncertain is on top, as so many
 * of its standard errors; the second, which is drawn where the first one is below, is larger.
 */
#define TOLERATED		0.005
#define UNCERTAIN		2.0
#define SECOND_SAMPLE	400
#define SECOND_UNCERTAIN 1.0

/* Dimensions of a column that does not say how many it has, for the memory of a sample. */
#define MOST_DIMS		64000

/* By how much it may have fallen for better links to put it right. */
#define MENDABLE		0.1

/* The recall of a build from scratch. */
static double
fresh_recall(const HnrRun *run)
{
	return run->scratch_recall >= 0 ? run->scratch_recall : USUAL_RECALL;
}

/* Why not even to try, or NULL. */
static const char *
reason_not_to(const HnrRun *run)
{
	const HnrJob *job = run->job;

	if (job->warm_start == HNR_WARM_NEVER)
		return "";
	if (job->warm_start == HNR_WARM_DECIDE &&
		job->recall_before >= 0 && job->recall_before < fresh_recall(run) - MENDABLE)
		return "the old index finds too little";
	return NULL;
}

/*
 * The recall that the new index is to have at least; 0: whatever it is.  Who asks for a warm
 * start knows what it is worth, and may ask for no measurement.
 */
static double
wanted_recall(const HnrRun *run, Relation shadow)
{
	const HnrJob *job = run->job;
	double		threshold = hnr_option_auto_rebuild_threshold(shadow);
	double		wanted = 0;

	if (job->warm_start == HNR_WARM_DECIDE)
		wanted = fresh_recall(run) - TOLERATED;
	else if (!job->measure)
		return 0;
	if (job->recall_before >= 0)
		wanted = Max(wanted, job->recall_before - TOLERATED);
	if (threshold >= 0)
		wanted = Max(wanted, 1 - threshold);
	return wanted;
}

/* Rows of the second sample, in memory. */
static int
second_sample(Relation shadow)
{
	int32		dims = TupleDescAttr(RelationGetDescr(shadow), 0)->atttypmod;
	Size		row = sizeof(float) * ((dims > 0 ? dims : MOST_DIMS) + HNR_RECALL_DEFAULT_K);
	Size		most = (Size) maintenance_work_mem * 1024 / 2 / row;

	return Max(HNR_RECALL_DEFAULT_SAMPLE, Min(SECOND_SAMPLE, most));
}

/* Whether a sample finds less than wanted; *surely: and more than what it leaves uncertain. */
static bool
finds_less(Relation table, Relation shadow, int sample, double wanted, double uncertain,
		   HnrRecall *recall, bool *surely)
{
	HnrRecallRequest request = {
		.sample_size = sample,
		.k = HNR_RECALL_DEFAULT_K
	};

	hnr_recall_measure(table, shadow, &request, recall);
	*surely = recall->sample > 0 && recall->recall + uncertain * recall->std_error < wanted;
	return recall->sample > 0 && recall->recall < wanted;
}

/* An error where the shadow finds too little. */
static void
check_recall(Relation table, Relation shadow, void *state)
{
	HnrRun	   *run = state;
	HnrRecall	recall;
	bool		surely;
	double		wanted = wanted_recall(run, shadow);

	HNR_DEBUG_POINT("rebuild_warm_recall");
	if (wanted <= 0)
		return;
	if (finds_less(table, shadow, HNR_RECALL_DEFAULT_SAMPLE, wanted, UNCERTAIN, &recall, &surely) &&
		!surely)
		(void) finds_less(table, shadow, second_sample(shadow), wanted, SECOND_UNCERTAIN, &recall,
						  &surely);
	if (surely || HNR_DEBUG_FAULT("rebuild_warm_recall_low"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("recall is %.3f, not %.3f", recall.recall, wanted)));
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
let_go(void *state)
{
	(void) hnr_watch_index_end();
}

/* Whether the shadow is built, from the live index's graph. */
static bool
try_warm(HnrRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	HnrBuildOffer offer = {
		.index = run->ids.shadow,
		.old = run->ids.live,
		.let_go = let_go,
		.check = check_recall,
		.state = run
	};
	volatile bool done = false;

	BeginInternalSubTransaction("warm start");
	PG_TRY();
	{
		hnr_watch_index(run->ids.live);
		hnr_build_offer(&offer);
		index_concurrently_build(run->ids.table, run->ids.shadow);
		hnr_build_offer(NULL);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		done = true;
	}
	PG_CATCH();
	{
		hnr_build_offer(NULL);
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
	const char *reason = reason_not_to(run);

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
