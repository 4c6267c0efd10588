/*-------------------------------------------------------------------------
 *
 * progress.h
 *		How far a rebuild is, in percent of the whole, and when it will be over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PROGRESS_H
#define HNR_PROGRESS_H

#include "rebuild/state.h"

typedef struct HnrProgress
{
	double		percent;		/* 0 .. 100 of all phases */
	double		eta;			/* seconds to the end of all, but for waits for
								 * others; -1: unknown */
	const char *phase;			/* of a build, or NULL */
	int64		tuples_done;	/* of the build; -1: it counts none */
	int64		tuples_total;	/* -1: not known */
} HnrProgress;

/*
 * The progress of a queued or running job.  As long as the job runs, percent
 * never falls from one call to the next: phases have ranges of their own, in
 * which tuples move it on.
 */
extern void hnr_progress_of_job(const HnrJob *job, HnrProgress *progress);

/*
 * Fills in the progress (but for percent) of a build of any kind that began so many
 * seconds ago; returns the share that is done, 0 .. 1.  The time to go supposes that
 * the rest goes as fast as what was done; it is right within a fifth from a quarter of
 * the build on, where neither the load on the machine changes nor maintenance_work_mem
 * runs out.
 */
extern double hnr_progress_of_build(const HnrJobProgress *live, double seconds,
									HnrProgress *progress);

/*
 * Seconds that `remaining` more will take at the rate of `done` in so many
 * seconds; -1 where nothing is done yet.
 */
extern double hnr_progress_eta(double done, double remaining, double seconds);

#endif							/* HNR_PROGRESS_H */
