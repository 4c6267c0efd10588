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

#include "commands/progress.h"
#include "utils/timestamp.h"

#include "am/am.h"
#include "guc.h"
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
	[HNR_STEP_BUILD] = {2, 94},
	[HNR_STEP_WAIT_WRITERS_VALIDATE] = {94, 94},
	[HNR_STEP_VALIDATE] = {94, 96},
	[HNR_STEP_WAIT_SNAPSHOTS] = {96, 96},
	[HNR_STEP_CUTOVER] = {96, 96},
	[HNR_STEP_DROP] = {97, 97},
	[HNR_STEP_MEASURE_AFTER] = {97, 100},
	[HNR_STEP_LEAVES] = {0, 99},
	[HNR_STEP_OPTIMIZE] = {1, 96},
	[HNR_STEP_COMPACT] = {96, 97},
	[HNR_STEP_CLEAN] = {97, 97},
	[HNR_STEP_DONE] = {100, 100},
	[HNR_STEP_FAILED] = {100, 100},
	[HNR_STEP_CANCELLED] = {100, 100},
};

/*
 * What the log and the validation take beside the build of the graph; measured, and
 * little enough not to matter much.
 */
#define LOG_SHARE		0.02
#define VALIDATE_SHARE	0.01

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

static double
share(int64 done, int64 total)
{
	return total <= 0 ? 0 : (double) Min(done, total) / total;
}

double
hnr_progress_of_build(const HnrJobProgress *live, double seconds, HnrProgress *progress)
{
	double		done = share(live->tuples_done, live->tuples_total);
	double		logged = 0;
	double		log_seconds;

	if (live->tuples_total > 0)
	{
		progress->tuples_done = Min(live->tuples_done, live->tuples_total);
		progress->tuples_total = live->tuples_total;
	}
	progress->phase = hnr_build_phase_name(live->subphase);
	if (live->subphase == HNR_BUILD_LOG)
	{
		done = 1;
		logged = share(live->blocks_done, live->blocks_total);
	}
	progress->eta = hnr_progress_eta(done, 1 - done, seconds);
	if (progress->eta >= 0)
	{
		log_seconds = LOG_SHARE * (seconds + progress->eta);
		if (live->subphase == HNR_BUILD_LOG && hnr_guc_wal_rate > 0)
			log_seconds = Max(log_seconds, (double) live->blocks_total * BLCKSZ / 1024 / hnr_guc_wal_rate);
		progress->eta += (1 - logged) * log_seconds + VALIDATE_SHARE * seconds;
	}
	return (1 - LOG_SHARE) * done + LOG_SHARE * logged;
}

/* The index is scanned, then the table. */
static double
progress_of_validation(const HnrJobProgress *live, double seconds, HnrProgress *progress)
{
	double		done = share(live->blocks_done, live->blocks_total) / 2;

	if (live->phase != PROGRESS_CREATEIDX_PHASE_VALIDATE_IDXSCAN)
		done = 0.5;
	if (live->phase == PROGRESS_CREATEIDX_PHASE_VALIDATE_TABLESCAN)
		done += share(live->blocks_done, live->blocks_total) / 2;
	progress->eta = hnr_progress_eta(done, 1 - done, seconds);
	return done;
}

/* Nearly all is choosing lists anew. */
static double
progress_of_optimization(const HnrJobProgress *live, double seconds, HnrProgress *progress)
{
	double		done = share(live->tuples_done, live->tuples_total);

	if (live->tuples_total > 0)
	{
		progress->tuples_done = Min(live->tuples_done, live->tuples_total);
		progress->tuples_total = live->tuples_total;
	}
	progress->eta = hnr_progress_eta(done, 1 - done, seconds);
	return done;
}

/* Share of a step that is done, 0 .. 1, and the figures behind it. */
static double
progress_of_step(const HnrJob *job, HnrProgress *progress)
{
	double		seconds = seconds_since(job->step_started_at);
	/* What the measurement afterwards takes, judging from the one before. */
	double		measuring = job->measure ? job->measured_ms / 1000 : 0;
	HnrJobProgress live;
	double		done = 0;

	if (job->step == HNR_STEP_MEASURE_AFTER)
	{
		progress->eta = measuring > 0 ? Max(measuring - seconds, 0) : -1;
		return measuring > 0 ? Min(seconds / measuring, 1) : 0;
	}
	if (!hnr_job_progress(job, &live))
		return 0;
	/* The worker may have gone on since its job was read. */
	if (job->step == HNR_STEP_BUILD && live.phase == PROGRESS_CREATEIDX_PHASE_BUILD)
		done = hnr_progress_of_build(&live, seconds, progress);
	else if (job->step == HNR_STEP_BUILD)
		done = live.phase > PROGRESS_CREATEIDX_PHASE_BUILD;
	else if (job->step == HNR_STEP_VALIDATE &&
			 live.phase <= PROGRESS_CREATEIDX_PHASE_VALIDATE_TABLESCAN)
		done = progress_of_validation(&live, seconds, progress);
	else if (job->step == HNR_STEP_VALIDATE)
		done = 1;
	else if (job->step == HNR_STEP_OPTIMIZE)
		done = progress_of_optimization(&live, seconds, progress);
	if (progress->eta >= 0)
		progress->eta += measuring;
	return done;
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

	progress->phase = NULL;
	progress->eta = -1;
	progress->tuples_done = -1;
	progress->tuples_total = -1;
	progress->percent = range.begin;
	if (job->step == HNR_STEP_LEAVES)
		progress_of_leaves(job, progress);
	else if (range.end > range.begin)
		progress->percent += (range.end - range.begin) * progress_of_step(job, progress);
	if (progress->tuples_total < 0 && job->tuples_total > 0)
	{
		/* Between two counting steps: what the last one did. */
		progress->tuples_done = job->tuples_done;
		progress->tuples_total = job->tuples_total;
	}
}
