/*-------------------------------------------------------------------------
 *
 * state.h
 *		The durable record of a rebuild, and the steps it goes through.
 *
 * One row of hnsw_rebuild.job per rebuild.  The row is written by the session
 * that asks for the rebuild, then by the worker that does it, and, where the
 * worker died, by the sweep (api.h).  Everybody may read it through the
 * functions here; no locks beyond the transaction's own on the table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REBUILD_STATE_H
#define HNR_REBUILD_STATE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/*
 * The steps, with their legal successors.  Every step may also be followed by
 * HNR_STEP_FAILED and HNR_STEP_CANCELLED, by HNR_STEP_CLEAN where there may be
 * a shadow to remove first, and the three final ones by nothing.
 *
 * In the table, column "state" has the coarse state and column "phase" the step;
 * of a failed or cancelled job the one in which it ended, not the clean-up.
 */
typedef enum HnrStep
{
	HNR_STEP_QUEUED,			/* -> MEASURE_BEFORE, WAIT_TABLE, LEAVES, DONE */
	HNR_STEP_MEASURE_BEFORE,	/* -> WAIT_TABLE */
	HNR_STEP_WAIT_TABLE,		/* -> CREATE, OPTIMIZE */
	HNR_STEP_CREATE,			/* -> WAIT_WRITERS_BUILD */
	HNR_STEP_WAIT_WRITERS_BUILD,	/* -> BUILD */
	HNR_STEP_BUILD,				/* -> WAIT_WRITERS_VALIDATE */
	HNR_STEP_WAIT_WRITERS_VALIDATE, /* -> VALIDATE */
	HNR_STEP_VALIDATE,			/* -> WAIT_SNAPSHOTS */
	HNR_STEP_WAIT_SNAPSHOTS,	/* -> CUTOVER, WAIT_SNAPSHOTS (gave way) */
	HNR_STEP_CUTOVER,			/* -> DROP, WAIT_SNAPSHOTS (gave way) */
	HNR_STEP_DROP,				/* -> MEASURE_AFTER, DONE */
	HNR_STEP_MEASURE_AFTER,		/* -> DONE */
	HNR_STEP_LEAVES,			/* parent of a partitioned index -> DONE */
	HNR_STEP_OPTIMIZE,			/* -> COMPACT */
	HNR_STEP_COMPACT,			/* -> MEASURE_AFTER, DONE */
	HNR_STEP_CLEAN,				/* -> DROP (swapped after all), DONE */
	HNR_STEP_DONE,
	HNR_STEP_FAILED,
	HNR_STEP_CANCELLED
} HnrStep;

#define HNR_NUM_STEPS	(HNR_STEP_CANCELLED + 1)

/* The coarse state, as in column "state". */
typedef enum HnrJobState
{
	HNR_JOB_QUEUED,				/* "queued": committed, its worker is starting */
	HNR_JOB_RUNNING,			/* "running" */
	HNR_JOB_DONE,				/* "done" */
	HNR_JOB_FAILED,				/* "failed" */
	HNR_JOB_CANCELLED			/* "cancelled" */
} HnrJobState;

typedef enum HnrJobTrigger
{
	HNR_TRIGGER_MANUAL,			/* "manual": rebuild_index(), optimize_index() */
	HNR_TRIGGER_AUTO			/* "auto": the launcher */
} HnrJobTrigger;

/* Whether a rebuild may begin with the old index's graph (warmstart.c). */
typedef enum HnrWarmStart
{
	HNR_WARM_DECIDE,			/* where that is likely to be good enough */
	HNR_WARM_NEVER,
	HNR_WARM_WHERE_POSSIBLE
} HnrWarmStart;

/* One row of hnsw_rebuild.job; strings are palloc'd with it, NULL where null. */
typedef struct HnrJob
{
	int64		id;
	int64		parent_id;		/* 0: none */
	Oid			index_oid;
	Oid			table_oid;
	char	   *index_name;		/* qualified and quoted, when it was asked for */
	Oid			owner;			/* of the table */
	Oid			requested_by;
	HnrJobTrigger trigger;
	HnrJobState state;
	HnrStep		step;			/* what column "phase" has */
	int			worker_pid;		/* 0: never had one */
	int			m;				/* asked for, or 0: keep the present one */
	int			ef_construction;	/* likewise */
	int			m_before;		/* what it was built with, before ... */
	int			ef_construction_before;
	int			m_after;		/* ... and after; 0 until known */
	int			ef_construction_after;
	bool		online;
	bool		measure;		/* recall before and after */
	HnrWarmStart warm_start;
	char	   *method;			/* "warm" or "scratch", NULL until it is built; or
								 * HNR_METHOD_OPTIMIZE from the beginning */
	char	   *method_reason;	/* why from scratch, or why recall is not known */
	double		share;			/* of the vertices, to be chosen anew; -1: a rebuild */
	char	   *work;			/* what an optimisation did, as JSON */
	int			maintenance_mem_kb; /* settings of who asked, for the build */
	int			parallel_workers;
	TimestampTz requested_at;
	TimestampTz started_at;		/* 0: null */
	TimestampTz step_started_at;
	TimestampTz finished_at;	/* 0: null */
	int64		tuples_done;	/* of the last step that counts tuples */
	int64		tuples_total;
	int			cutover_attempts;
	double		lock_hold_ms;	/* AccessExclusiveLock held; -1: null */
	double		longest_wait_ms;	/* a client can have waited so long; -1: null */
	Oid			shadow_oid;		/* InvalidOid: none yet */
	Oid			old_relfilenode;
	Oid			new_relfilenode;
	double		recall_before;	/* -1: null */
	double		recall_after;	/* -1: null */
	int64		table_changes;	/* by the server's counters, at its end; -1: null */
	char	   *error_sqlstate;	/* five characters */
	char	   *error_message;
	double		measured_ms;	/* time in the first "measuring recall"; 0: none */
	HnrStep		failed_in;		/* step before HNR_STEP_CLEAN; not stored */
	double		step_ms[HNR_NUM_STEPS]; /* time in each step; kept by the worker,
										 * not read back */
} HnrJob;

/* Not a rebuild: the index is made better where it stands (am/optimize.h). */
#define HNR_METHOD_OPTIMIZE "optimize"

extern bool hnr_job_is_optimization(const HnrJob *job);
/* "rebuild" or "optimization" */
extern const char *hnr_job_noun(const HnrJob *job);

/* Names as shown to users. */
extern const char *hnr_step_name(HnrStep step);
extern const char *hnr_job_state_name(HnrJobState state);
extern const char *hnr_job_trigger_name(HnrJobTrigger trigger);

/*
 * Reading.  All run in the caller's transaction with a snapshot of their own
 * (so that a loop sees progress also at higher isolation levels where the
 * catalogue is concerned), as the table's owner; results in the current memory
 * context.  NULL where there is none.
 */
extern HnrJob *hnr_job_by_id(int64 id);
/* The queued or running job of an index (a leaf's own, not its parent's). */
extern HnrJob *hnr_job_running(Oid index);
/* The newest finished job of an index, whatever its outcome. */
extern HnrJob *hnr_job_last_finished(Oid index);
/* The newest rebuild of an index that ended in HNR_JOB_DONE, or job of either kind. */
extern HnrJob *hnr_job_last_done(Oid index);
extern HnrJob *hnr_job_last_done_any(Oid index);

/*
 * Whether a queued or running job still has its worker.  False: it was
 * interrupted (crash, kill), and the sweep will say so in the record; show it as
 * "interrupted" until then.  On a standby: what the record says.
 */
extern bool hnr_job_is_alive(const HnrJob *job);

/*
 * Whether a job has failed and the index still has the storage that it had then: no REINDEX,
 * TRUNCATE or rebuild has made it anew.  Of a partitioned index: one of the leaves that were not rebuilt.
 */
extern bool hnr_job_failure_stands(const HnrJob *job);

/* How far the present step is, from the worker's own progress report. */
typedef struct HnrJobProgress
{
	int64		tuples_done;
	int64		tuples_total;	/* 0: not known */
	int64		blocks_done;
	int64		blocks_total;	/* 0: not known */
	int64		phase;			/* PROGRESS_CREATEIDX_PHASE_... */
	int64		subphase;		/* an HnrBuildPhase while building */
	int64		waits_done;		/* transactions waited for, in the waiting steps */
	int64		waits_total;
} HnrJobProgress;

/* False where the worker reports nothing just now. */
extern bool hnr_job_progress(const HnrJob *job, HnrJobProgress *progress);

/*
 * Pids (int list) of the sessions that hold the job up just now: what its
 * worker waits for in the lock manager, and during the cut-over whoever holds a
 * lock on the index.  NIL where nothing does.
 */
extern List *hnr_job_blockers(const HnrJob *job);

#endif							/* HNR_REBUILD_STATE_H */
