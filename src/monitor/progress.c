/*-------------------------------------------------------------------------
 *
 * progress.c
 *		How far a rebuild is, in percent of the whole, and when it will be over.
 *
 * Figures come from the worker's own progress report, which any session can
 * read without a lock, and from the job's record where there is none just now.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "monitor/progress.h"
#include "rebuild/job.h"

/*
 * What part of the whole a step is, in percent.  The build takes nearly all the
 * time.  The cut-over can give way and wait for snapshots once more, so these
 * two stand at one point.
 */
typedef struct Range
{
	double		begin;
	double		end;
} Range;

static const Range ranges[HNR_NUM_STEPS] = {
	[HNR_STEP_QUEUED] = {0, 0},
	[HNR_STEP_MEASURE_BEFORE] = {0, 0},
	[HNR_STEP_WAIT_TABLE] = {1, 1},
	[HNR_STEP_CREATE] = {1, 1},
	[HNR_STEP_WAIT_WRITERS_BUILD] = {2, 2},
	[HNR_STEP_BUILD] = {2, 80},
	[HNR_STEP_WAIT_WRITERS_VALIDATE] = {80, 80},
	[HNR_STEP_VALIDATE] = {80, 94},
	[HNR_STEP_WAIT_SNAPSHOTS] = {94, 94},
	[HNR_STEP_CUTOVER] = {94, 94},
	[HNR_STEP_DROP] = {96, 96},
	[HNR_STEP_MEASURE_AFTER] = {97, 97},
	[HNR_STEP_LEAVES] = {0, 99},
	[HNR_STEP_CLEAN] = {96, 96},
	[HNR_STEP_DONE] = {100, 100},
	[HNR_STEP_FAILED] = {100, 100},
	[HNR_STEP_CANCELLED] = {100, 100},
};

double
hnr_progress_eta(double done, double remaining, double seconds)
{
	if (remaining <= 0)
		return 0;
	if (done <= 0 || seconds <= 0)
		return -1;
	return remaining * seconds / done;
}

static double
seconds_since(TimestampTz start)
{
	return start == 0 ? 0 :
		TimestampDifferenceMilliseconds(start, GetCurrentTimestamp()) / 1000.0;
}

/* Share of a step that is done, 0 .. 1, and the figures behind it. */
static double
step_share(const HnrJob *job, HnrProgress *progress)
{
	HnrJobProgress live;
	double		done;
	double		total;

	if (!hnr_job_progress(job, &live))
		return 0;
	if (live.tuples_total > 0)
	{
		progress->tuples_done = live.tuples_done;
		progress->tuples_total = live.tuples_total;
		done = live.tuples_done;
		total = live.tuples_total;
	}
	else if (live.blocks_total > 0)
	{
		done = live.blocks_done;
		total = live.blocks_total;
	}
	else
		return 0;
	done = Min(done, total);
	progress->eta = hnr_progress_eta(done, total - done,
									 seconds_since(job->step_started_at));
	return done / total;
}

/* A partitioned index: its leaves, one after another. */
static void
progress_of_leaves(const HnrJob *job, HnrProgress *progress)
{
	List	   *leaves = hnr_jobs_of_parent(job->id);
	double		sum = 0;
	ListCell   *cell;

	foreach(cell, leaves)
	{
		HnrJob	   *leaf = lfirst(cell);
		HnrProgress part = {.percent = 100};

		if (leaf->state == HNR_JOB_QUEUED || leaf->state == HNR_JOB_RUNNING)
			hnr_progress_of_job(leaf, &part);
		sum += part.percent / 100;
		if (leaf->state == HNR_JOB_RUNNING)
		{
			progress->tuples_done = part.tuples_done;
			progress->tuples_total = part.tuples_total;
		}
	}
	if (leaves != NIL)
		progress->percent = 99 * sum / list_length(leaves);
	progress->eta = hnr_progress_eta(sum, list_length(leaves) - sum,
									 seconds_since(job->step_started_at));
}

void
hnr_progress_of_job(const HnrJob *job, HnrProgress *progress)
{
	Range		range = ranges[job->step];

	progress->eta = -1;
	progress->tuples_done = -1;
	progress->tuples_total = -1;
	progress->percent = range.begin;
	if (job->step == HNR_STEP_LEAVES)
		progress_of_leaves(job, progress);
	else if (range.end > range.begin)
		progress->percent += (range.end - range.begin) * step_share(job, progress);
	if (progress->tuples_total < 0 && job->tuples_total > 0)
	{
		/* Between two counting steps: what the last one did. */
		progress->tuples_done = job->tuples_done;
		progress->tuples_total = job->tuples_total;
	}
}
