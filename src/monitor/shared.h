/*-------------------------------------------------------------------------
 *
 * shared.h
 *		What the launcher, its database workers and the backends share.
 *
 * A small piece of shared memory, there only where the library is preloaded,
 * guarded by one spinlock: the databases in which an option for the launcher was set lately,
 * and one slot per database worker with what it found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_MONITOR_SHARED_H
#define HNR_MONITOR_SHARED_H

/* What a check of a database found: any of these bits. */
typedef enum HnrCheckResult
{
	HNR_CHECK_NOTHING = 0,
	HNR_CHECK_FAILED = 1,		/* it did not come to an end */
	HNR_CHECK_WATCHED = 2,		/* an index with a threshold, or deferred */
	HNR_CHECK_REBUILDING = 4,	/* a rebuild is under way */
	HNR_CHECK_UNMERGED = 8		/* pending rows, and no worker to merge them */
} HnrCheckResult;

#define HNR_MAX_FLAGGED		64

/*
 * From _PG_init, while shared_preload_libraries are loaded.  From then on, a
 * transaction that sets a threshold, or deferred, flags its database when it commits, and
 * wakes the launcher.
 */
extern void hnr_shared_init(void);

/* The launcher has started (this process): forgets slots and flags. */
extern void hnr_shared_launcher_started(void);

/*
 * Takes the flags, writing up to HNR_MAX_FLAGGED databases; *overflow tells
 * that there were more.
 */
extern int	hnr_shared_take_flags(Oid *databases, bool *overflow);

/* Slots: taken and given back by the launcher, -1 if none is free. */
extern int	hnr_shared_take_slot(Oid database);
extern HnrCheckResult hnr_shared_give_back_slot(int slot);

/* For the worker of a slot. */
extern Oid	hnr_shared_slot_database(int slot);
extern void hnr_shared_report(int slot, HnrCheckResult result);

#endif							/* HNR_MONITOR_SHARED_H */
