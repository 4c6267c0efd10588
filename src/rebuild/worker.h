/*-------------------------------------------------------------------------
 *
 * worker.h
 *		What the parts of a rebuild worker share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REBUILD_WORKER_H
#define HNR_REBUILD_WORKER_H

#include "storage/lock.h"
#include "utils/relcache.h"

#include "am/optimize.h"
#include "debug_point.h"
#include "rebuild/state.h"

/* Handed to a worker in bgw_extra. */
typedef struct HnrWorkerArgs
{
	Oid			database;
	TransactionId xid;			/* of the (sub)transaction that wrote the job; its commit starts the job */
	int64		job_id;			/* 0: only sweep */
} HnrWorkerArgs;

/*
 * launch.c: registers a worker; the pid of a job's, 0 where there is no slot.
 * Does not wait for a sweep to begin.
 */
extern int	hnr_launch_worker(const HnrWorkerArgs *args);

/* launch.c: a worker that sweeps, if there is a slot; only if there is need. */
extern void hnr_launch_sweep_worker(void);
extern void hnr_launch_sweep(void);

/* An index that stands in for another one until the cut-over. */
typedef struct HnrShadow
{
	Oid			table;
	Oid			live;			/* InvalidOid: not known */
	Oid			shadow;
} HnrShadow;

/* A rebuild in its worker; lives in run->context across transactions. */
typedef struct HnrRun
{
	MemoryContext context;
	HnrJob	   *job;
	HnrShadow	ids;			/* shadow: InvalidOid before it is created */
	LOCKTAG		table_tag;
	Oid			table_filenode; /* storage, as it was when the shadow was made */
	Oid			live_filenode;
	Oid			live_tablespace;
	Oid			shadow_filenode;
	Oid			am;
	bool		index_safe;		/* no expressions, no predicate */
	double		scratch_recall;	/* of the last build from scratch; -1: not known */
	TransactionId limit_xmin;	/* of the validation's snapshot */
	bool		warmed;			/* the shadow has been read into memory, or is not to be */
	bool		swapped;		/* the cut-over is committed */
	BlockNumber withheld_from;	/* the free space map names few pages from here on */
	bool		optimized;		/* an optimisation came to its end */
	HnrOptimizeFigures figures; /* what it did, also where it did not */
	bool		failed;			/* an error was caught; the job has it */
	bool		gave_way;		/* that was it */
	HnrStep		outcome;		/* final step to end in where not swapped */
} HnrRun;

/* worker.c */
/* Whether somebody asked this process to end; it then only cleans up. */
extern bool hnr_worker_terminating(void);
/* Whether it has been asked to end or to cancel its job. */
extern bool hnr_worker_interrupted(void);
/* Reads the configuration files again after a SIGHUP; outside a transaction. */
extern void hnr_reload_settings(void);
/* Moves the job on in a transaction of its own. */
extern void hnr_run_enter(HnrRun *run, HnrStep step);

/* outcome.c */
/* In a PG_CATCH: keeps the error in the job, gives back every lock. */
extern void hnr_outcome_catch(HnrRun *run);
/*
 * Removes the shadow, whatever it takes, and closes the record.  Returns false
 * where the process should not begin another job.
 */
extern bool hnr_outcome_settle(HnrRun *run);
/* Closes the record of a partitioned index, after its leaves'. */
extern void hnr_outcome_of_group(HnrJob *parent);

/* phases.c: each starts and ends outside a transaction. */
extern void hnr_phase_lock_table(HnrRun *run);
extern void hnr_phase_create(HnrRun *run);
extern void hnr_phase_build(HnrRun *run);
extern void hnr_phase_validate(HnrRun *run);
/* Makes the index better in place (optimizing.c). */
extern void hnr_phase_optimize(HnrRun *run);
/* Before that: sees to it that few rows come where nothing is at the end. */
extern void hnr_compact_prepare(HnrRun *run, Relation index);
/* Cuts off what is of no use at its end (compacting.c), and gives the table's lock back. */
extern void hnr_phase_compact(HnrRun *run);
/* However that ended: rows may come there again, but to what was cut off.  The table is not locked. */
extern void hnr_compact_settle(HnrRun *run);
/* Keeps in the job what that has done, if only a part. */
extern void hnr_optimizing_keep_work(HnrRun *run);
/* Waits for old snapshots, swaps; gives way to others as often as needed. */
extern void hnr_phase_finish(HnrRun *run);

/* (Re)starts what pg_stat_progress_create_index shows. */
extern void hnr_run_progress(const HnrRun *run, int phase);
/* Keeps what it shows in the job, where it has been started. */
extern void hnr_run_keep_progress(HnrRun *run);
/* Throws unless table and indexes are as the shadow's creation left them. */
extern void hnr_check_unchanged(HnrRun *run);

/* cutover.c */
/* Swaps; on return it is committed and run->swapped set. */
extern void hnr_phase_cutover(HnrRun *run);

/* shadow.c */
/* Before any session lock: has them given back when the process ends. */
extern void hnr_prepare_for_exit(void);
/* Session lock on a table, ShareUpdateExclusiveLock, watched (watch.c). */
extern void hnr_lock_table(Oid table, int timeout_ms);
extern void hnr_unlock_table(Oid table);
/* A new, empty copy of the live index; in a transaction. */
extern Oid	hnr_shadow_create(Oid table, Oid live, int m, int ef_construction);
/* Makes an index a shadow, and the reverse; in a transaction. */
extern void hnr_shadow_mark(Oid shadow);
extern void hnr_shadow_unmark(Oid shadow);
extern char *hnr_shadow_name(Oid live);
/* Shadows on a table, or InvalidOid: in the database; list of HnrShadow *. */
extern List *hnr_shadows(Oid table);
/*
 * Drops a shadow in whatever state it is, outside a transaction, with the
 * table's session lock held; it may be gone already.
 */
extern void hnr_shadow_drop(const HnrShadow *ids);
/* Likewise all shadows of a table that no other worker claims. */
extern void hnr_drop_leftovers(Oid table);

/* warmstart.c */
/* Builds the shadow; in a transaction, with a snapshot, the shadow watched. */
extern void hnr_build_shadow(HnrRun *run);

/* watch.c */
/*
 * From now on an ERROR interrupts this process when another one waits for a
 * lock on the table that conflicts with reading or writing it.  The table's
 * session lock is held.
 */
extern void hnr_watch_start(const LOCKTAG *tag);
/* Before the session lock is given back. */
extern void hnr_watch_stop(void);
/* Locks the shadow for this transaction and watches it too, until its end. */
extern void hnr_watch_shadow(Oid shadow);
/* Before the commit. */
extern void hnr_watch_shadow_end(void);
/*
 * The same when somebody waits for the live index, which is locked from now on or soon, in
 * any mode; but then the lock that holds it up is one that the caller can do without.
 */
extern void hnr_watch_index(Oid index);
/* Afterwards, or in a PG_CATCH: whether somebody waited for it. */
extern bool hnr_watch_index_end(void);
/* Whether the watch raised the error; NULL, or the lock wished for on table or shadow. */
extern const char *hnr_watch_wish(void);
/*
 * While we only look whether some transactions are over, which no deadlock detector
 * knows of: an ERROR (ERRCODE_T_R_DEADLOCK_DETECTED) where one of them waits for the
 * table's lock, or, if asked, where anybody does.
 */
extern void hnr_watch_check_waiters(const VirtualTransactionId *holders, int n, bool anybody);
/*
 * Whether a session waits for a lock on a table, which this process has locked,
 * that conflicts with reading or writing it.
 */
extern bool hnr_table_is_wanted(Relation table);

/* sweep.c */
/* Whether a job's catalogue entries show that its swap is committed. */
extern bool hnr_job_was_swapped(HnrJob *job);
/* Sweeps as often as it takes; the whole life of a sweeping worker. */
extern void hnr_sweep_until_clean(void);
/*
 * Whether the job of another living worker works on the shadow; it need not hold
 * the table's lock just now: it may be giving way.  In a transaction.
 */
extern bool hnr_shadow_is_claimed(const HnrShadow *ids);
/* Marks jobs whose worker is gone; in a transaction.  Returns how many. */
extern int	hnr_mark_interrupted(void);

/*
 * measure.c: recall, or -1 where there is nothing to measure or that failed; throws
 * only when we are to stop.  Outside a transaction.  method_reason of an optimisation says
 * what failed.
 */
extern double hnr_measure_job_recall(HnrRun *run);

/*
 * A named pause at a phase boundary, in a transaction so that an interrupt
 * finds one to abort.
 */
#ifdef HNR_DEBUG_POINTS
extern void hnr_run_point(const char *name);
#define HNR_RUN_POINT(name) hnr_run_point(name)
#else
#define HNR_RUN_POINT(name) ((void) 0)
#endif

#endif							/* HNR_REBUILD_WORKER_H */
