/*-------------------------------------------------------------------------
 *
 * state.c
 *		Steps of a rebuild: names, legal successors, the only transition.
 *
 * hnr_job_enter() is the one place where a job moves on (but for the two ways
 * out of the queue, claimed or cancelled, which are a race that the row itself
 * decides, in job.c).  It writes the whole row, so whatever the worker has filled in since the last step goes with it.
 * It takes a snapshot and an xid for the moment of the write: call it in a
 * transaction of its own, or in one that changes the catalogue anyway, never in
 * one that waits for other sessions' snapshots, and never while holding an
 * AccessExclusiveLock (somebody may have the row locked).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "rebuild/job.h"
#include "rebuild/state.h"

#define BIT(step)	(1 << (step))
#define FINAL_STEPS (BIT(HNR_STEP_DONE) | BIT(HNR_STEP_FAILED) | BIT(HNR_STEP_CANCELLED))
/* What any step but a final one may be followed by. */
#define BAD_END		(BIT(HNR_STEP_CLEAN) | BIT(HNR_STEP_FAILED) | BIT(HNR_STEP_CANCELLED))

typedef struct StepInfo
{
	const char *name;			/* as users see it */
	uint32		successors;		/* besides BAD_END */
} StepInfo;

static const StepInfo steps[HNR_NUM_STEPS] = {
	[HNR_STEP_QUEUED] = {"queued",
		BIT(HNR_STEP_MEASURE_BEFORE) | BIT(HNR_STEP_WAIT_TABLE) |
		BIT(HNR_STEP_LEAVES) | BIT(HNR_STEP_DONE)},
	[HNR_STEP_MEASURE_BEFORE] = {"measuring recall", BIT(HNR_STEP_WAIT_TABLE)},
	/* straight to the build, and from there to the end: in the caller's transaction */
	[HNR_STEP_WAIT_TABLE] = {"waiting for table lock", BIT(HNR_STEP_CREATE) | BIT(HNR_STEP_BUILD) | BIT(HNR_STEP_OPTIMIZE)},
	[HNR_STEP_CREATE] = {"creating shadow", BIT(HNR_STEP_WAIT_WRITERS_BUILD)},
	[HNR_STEP_WAIT_WRITERS_BUILD] = {"waiting for writers", BIT(HNR_STEP_BUILD)},
	[HNR_STEP_BUILD] = {"building",
		BIT(HNR_STEP_WAIT_WRITERS_VALIDATE) | BIT(HNR_STEP_DONE)},
	[HNR_STEP_WAIT_WRITERS_VALIDATE] = {"waiting for writers", BIT(HNR_STEP_VALIDATE)},
	[HNR_STEP_VALIDATE] = {"validating", BIT(HNR_STEP_WAIT_SNAPSHOTS)},
	[HNR_STEP_WAIT_SNAPSHOTS] = {"waiting for old snapshots",
		BIT(HNR_STEP_CUTOVER) | BIT(HNR_STEP_WAIT_SNAPSHOTS)},
	[HNR_STEP_CUTOVER] = {"waiting for cutover",
		BIT(HNR_STEP_DROP) | BIT(HNR_STEP_WAIT_SNAPSHOTS)},
	[HNR_STEP_DROP] = {"dropping old",
		BIT(HNR_STEP_MEASURE_AFTER) | BIT(HNR_STEP_DONE)},
	[HNR_STEP_MEASURE_AFTER] = {"measuring recall", BIT(HNR_STEP_DONE)},
	[HNR_STEP_LEAVES] = {"rebuilding partitions", BIT(HNR_STEP_DONE)},
	[HNR_STEP_OPTIMIZE] = {"optimizing", BIT(HNR_STEP_COMPACT)},
	[HNR_STEP_COMPACT] = {"compacting", BIT(HNR_STEP_MEASURE_AFTER) | BIT(HNR_STEP_DONE)},
	[HNR_STEP_CLEAN] = {"cleaning up", BIT(HNR_STEP_DROP) | BIT(HNR_STEP_DONE)},
	[HNR_STEP_DONE] = {"done", 0},
	[HNR_STEP_FAILED] = {"failed", 0},
	[HNR_STEP_CANCELLED] = {"cancelled", 0},
};

const char *
hnr_step_name(HnrStep step)
{
	return steps[step].name;
}

bool
hnr_job_is_optimization(const HnrJob *job)
{
	return job->method != NULL && strcmp(job->method, HNR_METHOD_OPTIMIZE) == 0;
}

const char *
hnr_job_noun(const HnrJob *job)
{
	return hnr_job_is_optimization(job) ? "optimization" : "rebuild";
}

const char *
hnr_job_state_name(HnrJobState state)
{
	static const char *const names[] = {
		"queued", "running", "done", "failed", "cancelled"
	};

	return names[state];
}

const char *
hnr_job_trigger_name(HnrJobTrigger trigger)
{
	return trigger == HNR_TRIGGER_AUTO ? "auto" : "manual";
}

bool
hnr_step_is_final(HnrStep step)
{
	return (FINAL_STEPS & BIT(step)) != 0;
}

static HnrJobState
state_of_step(HnrStep step)
{
	switch (step)
	{
		case HNR_STEP_QUEUED:
			return HNR_JOB_QUEUED;
		case HNR_STEP_DONE:
			return HNR_JOB_DONE;
		case HNR_STEP_FAILED:
			return HNR_JOB_FAILED;
		case HNR_STEP_CANCELLED:
			return HNR_JOB_CANCELLED;
		default:
			return HNR_JOB_RUNNING;
	}
}

/*
 * Moves the job to the next step and writes its row.  In a transaction.
 *
 * A bad end sets the state only: job->step names the step in which the job
 * ended, that before the clean-up where this process did it.
 */
void
hnr_job_enter(HnrJob *job, HnrStep next)
{
	TimestampTz now = GetCurrentTimestamp();
	uint32		legal = steps[job->step].successors;

	if (job->state == HNR_JOB_QUEUED || job->state == HNR_JOB_RUNNING)
		legal |= BAD_END;
	else
		legal = 0;
	if ((legal & BIT(next)) == 0)
		elog(ERROR, "rebuild job " INT64_FORMAT " cannot go from \"%s\" (%s) to \"%s\"",
			 job->id, steps[job->step].name, hnr_job_state_name(job->state),
			 steps[next].name);

	if (job->step_started_at != 0)
		job->step_ms[job->step] +=
			TimestampDifferenceMilliseconds(job->step_started_at, now);
	job->step_started_at = now;
	job->state = state_of_step(next);
	if (next == HNR_STEP_CLEAN)
		job->failed_in = job->step;
	if (hnr_step_is_final(next))
		job->finished_at = now;
	if (!hnr_step_is_final(next) || next == HNR_STEP_DONE)
		job->step = next;
	else if (job->step == HNR_STEP_CLEAN)
		job->step = job->failed_in;
	hnr_job_write(job);
}
