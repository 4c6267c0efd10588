/*-------------------------------------------------------------------------
 *
 * opportunity.h
 *		When to ask for the exclusive locks of the swap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_OPPORTUNITY_H
#define HNR_OPPORTUNITY_H

#include "rebuild/worker.h"

typedef struct HnrOpportunity HnrOpportunity;

/* In the memory of the run, with which it goes. */
extern HnrOpportunity *hnr_opportunity_begin(HnrRun *run);

/*
 * Outside a transaction: looks until an attempt is worth it.  Returns for how long to
 * queue up for the locks (ms), never over hnsw_rebuild.cutover_max_wait; 0: they may be
 * had without waiting.  Errors: hnsw_rebuild.cutover_timeout is over
 * (ERRCODE_LOCK_NOT_AVAILABLE); those of hnr_watch_check_waiters.
 */
extern int	hnr_opportunity_await(HnrOpportunity *o);

/*
 * An attempt was in vain that others had to wait for: we queued up, or even had both locks, and
 * then something else was locked.
 */
extern void hnr_opportunity_missed(HnrOpportunity *o, bool had_locks);

#endif							/* HNR_OPPORTUNITY_H */
