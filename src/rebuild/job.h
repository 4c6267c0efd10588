/*-------------------------------------------------------------------------
 *
 * job.h
 *		Access to hnsw_rebuild.job for the modules of the rebuild itself; what
 *		others may use is in state.h.
 *
 * Every function runs in the caller's transaction, with a snapshot of its own
 * that is gone when it returns, and with the rights of the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REBUILD_JOB_H
#define HNR_REBUILD_JOB_H

#include "rebuild/state.h"
#include "utils/backend_status.h"

/* What pg_stat_activity calls our workers; a job's pid must belong to one. */
#define HNR_WORKER_TYPE	"hnsw_rebuild worker"

/* state.c: the only transition. */
extern void hnr_job_enter(HnrJob *job, HnrStep next);
extern bool hnr_step_is_final(HnrStep step);

/* observe.c: what a session that builds an index reports. */
extern void hnr_read_progress(const PgBackendStatus *status, HnrJobProgress *progress);

/* job.c */
/* Writes a new row; sets job->id. */
extern void hnr_job_insert(HnrJob *job);
/* Writes all that can change.  For hnr_job_enter and the worker. */
extern void hnr_job_write(const HnrJob *job);
/* From queued to running, as the job has it; false where it was cancelled. */
extern bool hnr_job_claim(const HnrJob *job);
/* Sets worker_pid of a job and its leaves. */
extern void hnr_job_set_worker(int64 id, int pid);
/* From queued to cancelled; false where it was not queued any more. */
extern bool hnr_job_cancel_queued(int64 id);
/* Newest job of an index, whatever its state; NULL: none. */
extern HnrJob *hnr_job_newest(Oid index);
/*
 * What the newest rebuild of a job's index from scratch, with the options that this one will
 * have, was measured to find; -1: there is none.
 */
extern double hnr_job_scratch_recall(const HnrJob *job);
/* All queued and running jobs (list of HnrJob *). */
extern List *hnr_jobs_active(void);
/* Leaves of a partitioned index's job, in order of id. */
extern List *hnr_jobs_of_parent(int64 parent_id);
/* Deletes finished jobs beyond hnsw_rebuild.history_limit. */
extern void hnr_jobs_prune(void);

#endif							/* HNR_REBUILD_JOB_H */
