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
	double		eta;			/* seconds to the end of the phase; -1: unknown */
	int64		tuples_done;	/* of the phase; -1: it counts none */
	int64		tuples_total;	/* -1: not known */
} HnrProgress;

/*
 * The progress of a queued or running job.  As long as the job runs, percent
 * never falls from one call to the next: phases have ranges of their own, in
 * which tuples move it on.
 */
extern void hnr_progress_of_job(const HnrJob *job, HnrProgress *progress);

/*
 * Seconds that `remaining` more will take at the rate of `done` in so many
 * seconds; -1 where nothing is done yet.
 */
extern double hnr_progress_eta(double done, double remaining, double seconds);

#endif							/* HNR_PROGRESS_H */
