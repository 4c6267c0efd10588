/*-------------------------------------------------------------------------
 *
 * compacting.c
 *		The last step of an optimisation: pages at the end of the index that hold nothing
 *		are cut off.
 *
 *	1	A look at the end: is it worth it?  One before the optimisation begins has the free
 *		space map name few of the pages there, so that rows that come meanwhile come to these.
 *	2	Wait for all who are inserting now; they may know vertices that VACUUM has removed.
 *	3	One pass over the index: what leads to those pages after all?
 *	4	AccessExclusiveLock on the index, for a moment; look again, and cut.
 *
 * The exclusive lock is taken without waiting where nobody holds one; else we queue for it now
 * and then, and give up after some seconds.  Nobody is to wait for us for longer than
 * hnsw_rebuild.cutover_max_wait: half of it is for the queue, a quarter for the look.
 * The wait, too, has an end.  What is not cut then is for the next optimisation.  Neither is
 * done where hnsw_rebuild.cutover_method says that no exclusive lock is wanted.
 *
 * Locks: the table's session lock keeps VACUUM away throughout; who wants more than that has
 * it, and the optimisation is done without this.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "am/shrink.h"
#include "compat.h"
#include "elapsed.h"
#include "guc.h"
#include "rebuild/attempt.h"
#include "rebuild/worker.h"
#include "throttle.h"
#include "transaction.h"

/* Worth a pass over the index: so many pages, or such a part of them. */
#define LEAST_PAGES			1000
#define LEAST_PART			16

/* How long to wait for those who insert, and for the exclusive lock. */
#define WRITERS_MS			30000
#define LOCK_MS				5000

/* How many pages to name to the map again at a time, what one takes (us), and when to give up. */
#define PAGES_TO_KEEP		256
#define PAGE_US				5
#define KEEP_MS				60000

/* Interval of looking whether somebody holds a lock. */
#define LOOK_INTERVAL_MS	10

/* In the queue the first time, and between two times. */
#define FIRST_QUEUE_MS		10
#define QUEUE_PAUSE_MS		250

static void
sleep_a_little(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 LOOK_INTERVAL_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static Relation
begin_reading(HnrRun *run)
{
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	hnr_watch_shadow(run->ids.live);
	return index_open(run->ids.live, NoLock);
}

static void
end_reading(Relation index)
{
	index_close(index, NoLock);
	hnr_watch_shadow_end();
	CommitTransactionCommand();
}

/* ---- those who insert ---- */

/* Transactions that hold a lock on the index which conflicts with a mode. */
static VirtualTransactionId *
find_holders(HnrRun *run, LOCKMODE mode, int *n)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, run->ids.live);
	return GetLockConflicts(&tag, mode, n);
}

static int
keep_common(VirtualTransactionId *list, int n, const VirtualTransactionId *now, int nnow)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < nnow; j++)
			if (VirtualTransactionIdEquals(list[i], now[j]))
			{
				list[kept++] = list[i];
				break;
			}
	return kept;
}

/*
 * Waits until none of those who may insert now is still doing it; whoever has given up the
 * lock for a moment is through with what he did.  False if that takes too long.
 */
static bool
wait_for_writers(HnrRun *run)
{
	TimestampTz start = GetCurrentTimestamp();
	VirtualTransactionId *writers;
	int			n;
	bool		over = false;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	writers = find_holders(run, ShareLock, &n);
	while (n > 0 && !over)
	{
		VirtualTransactionId *now;
		int			nnow;

		hnr_watch_check_waiters(writers, n, false);
		sleep_a_little();
		now = find_holders(run, ShareLock, &nnow);
		n = keep_common(writers, n, now, nnow);
		pfree(now);
		over = TimestampDifferenceExceeds(start, GetCurrentTimestamp(), WRITERS_MS);
	}
	CommitTransactionCommand();
	return n == 0;
}

/* ---- the cut ---- */

/* An attempt to cut. */
typedef struct Cutting
{
	HnrRun	   *run;
	BlockNumber from;
	int			queue_ms;		/* 0: takes the lock without waiting */
	instr_time	queued_at;
} Cutting;

/* The step of an attempt; false where the lock is not to be had without waiting. */
static bool
lock_and_cut(void *arg)
{
	Cutting    *c = arg;
	HnrRun	   *run = c->run;
	instr_time	locked_at;
	Relation	index;

	INSTR_TIME_SET_CURRENT(c->queued_at);
	LockTimeout = c->queue_ms;
	if (c->queue_ms > 0)
		LockRelationOid(run->ids.live, AccessExclusiveLock);
	else if (!ConditionalLockRelationOid(run->ids.live, AccessExclusiveLock))
		return false;
	LockTimeout = 0;
	INSTR_TIME_SET_CURRENT(locked_at);
	HNR_DEBUG_POINT("compact_locked");
	index = index_open(run->ids.live, NoLock);
	run->figures.pages_cut += hnr_index_cut(index, c->from, Max(hnr_guc_cutover_max_wait / 4, 1));
	run->figures.pages_left = RelationGetNumberOfBlocks(index) - c->from;
	index_close(index, NoLock);
	HNR_DEBUG_POINT("compact_cut");
	run->job->lock_hold_ms = Max(run->job->lock_hold_ms, hnr_ms_since(locked_at));
	return true;
}

/* One attempt, one transaction; whether the lock was had. */
static bool
attempt(HnrRun *run, BlockNumber from, int queue_ms)
{
	Cutting		c = {.run = run, .from = from, .queue_ms = queue_ms};
	bool		done = hnr_attempt(lock_and_cut, &c);

	if (done || queue_ms > 0)
		run->job->longest_wait_ms = Max(run->job->longest_wait_ms, hnr_ms_since(c.queued_at));
	return done;
}

/*
 * Whether anybody holds a lock on the index just now; an error where he waits for ours on the
 * table, since he would meet it if his look for a deadlock fell into our time in the queue.
 */
static bool
is_held(HnrRun *run)
{
	VirtualTransactionId *holders;
	int			n;

	hnr_start_transaction();
	holders = find_holders(run, AccessExclusiveLock, &n);
	if (n > 0)
	{
		hnr_watch_check_waiters(holders, n, false);
		sleep_a_little();
	}
	CommitTransactionCommand();
	return n > 0;
}

/* Whether there is anything to cut just now: the lock, where it is had, is for nothing else. */
static bool
ends_idle(HnrRun *run)
{
	Relation	index = begin_reading(run);
	bool		idle = hnr_index_ends_idle(index);

	end_reading(index);
	return idle;
}

/* Until all is cut, what is left is in use, or it takes too long. */
static void
cut(HnrRun *run, BlockNumber from)
{
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz next_queue_at = TimestampTzPlusMilliseconds(start, QUEUE_PAUSE_MS);
	int			queue_ms = FIRST_QUEUE_MS;

	while (run->figures.pages_left > 0 &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), LOCK_MS))
	{
		int64		before = run->figures.pages_cut;
		bool		held = is_held(run);
		bool		queue = held && GetCurrentTimestamp() >= next_queue_at;

		hnr_reload_settings();
		if (held && !queue)
			continue;
		if (!ends_idle(run))
			break;
		if (attempt(run, from, queue ? Min(queue_ms, Max(hnr_guc_cutover_max_wait / 2, 1)) : 0))
		{
			if (run->figures.pages_cut == before)
				break;
			continue;
		}
		if (!queue)
			continue;
		queue_ms *= 2;
		next_queue_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), QUEUE_PAUSE_MS);
	}
}

/* ---- all of it ---- */

static bool
is_worth_it(BlockNumber from, BlockNumber blocks)
{
	return hnr_guc_cutover_method != HNR_CUTOVER_SWAP_INDEX &&
		(blocks - from >= LEAST_PAGES || (uint64) (blocks - from) * LEAST_PART >= blocks);
}

static void
withhold(HnrRun *run, Relation index, BlockNumber from)
{
	hnr_index_withhold_end(index, from);
	run->withheld_from = Min(run->withheld_from, from);
}

void
hnr_compact_prepare(HnrRun *run, Relation index)
{
	BlockNumber blocks;
	BlockNumber from = hnr_index_idle_from(index, &blocks);

	run->figures.pages_left = blocks - from;
	if (is_worth_it(from, blocks))
		withhold(run, index, from);
}

/* Finds out what nothing leads to, and cuts it off. */
static void
shrink(HnrRun *run, BlockNumber from)
{
	Relation	index = begin_reading(run);

	withhold(run, index, from);
	from = hnr_index_unreferenced_from(index, from);
	run->figures.pages_left = RelationGetNumberOfBlocks(index) - from;
	end_reading(index);
	HNR_RUN_POINT("compact_referenced");
	hnr_background_hurry(true);
	cut(run, from);
	hnr_background_hurry(false);
}

static void
compact(HnrRun *run)
{
	BlockNumber blocks;
	BlockNumber from;
	Relation	index = begin_reading(run);

	from = hnr_index_idle_from(index, &blocks);
	end_reading(index);
	run->figures.pages = blocks;
	run->figures.pages_left = blocks - from;
	HNR_RUN_POINT("compact_looked");
	if (is_worth_it(from, blocks) && wait_for_writers(run))
		shrink(run, from);
}

/*
 * Somebody wants more of the table than we have, or waits for us while we wait for him: the
 * optimisation is done all the same.  All locks are given back.
 */
static void
give_way(HnrRun *run)
{
	FlushErrorState();
	hnr_watch_stop();
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
	MemoryContextSwitchTo(run->context);
}

void
hnr_phase_compact(HnrRun *run)
{
	volatile bool gave_way = false;

	PG_TRY();
	{
		compact(run);
	}
	PG_CATCH();
	{
		hnr_background_hurry(false);
		if (hnr_worker_interrupted() ||
			(hnr_watch_wish() == NULL && geterrcode() != ERRCODE_T_R_DEADLOCK_DETECTED))
			PG_RE_THROW();
		give_way(run);
		gave_way = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	hnr_optimizing_keep_work(run);
	if (!gave_way)
		hnr_unlock_table(run->ids.table);
}

/* Some pages at a time, for nobody has the table locked now; false if the index is locked. */
static bool
keep_some(HnrRun *run)
{
	Relation	index;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	if (!ConditionalLockRelationOid(run->ids.live, AccessShareLock))
	{
		CommitTransactionCommand();
		return false;
	}
	index = try_relation_open(run->ids.live, NoLock);
	if (index && index->rd_rel->relam == run->am)
		run->withheld_from = hnr_index_keep_end(index, run->withheld_from, PAGES_TO_KEEP);
	else
		run->withheld_from = InvalidBlockNumber;
	if (index)
		relation_close(index, NoLock);
	CommitTransactionCommand();
	return true;
}

void
hnr_compact_settle(HnrRun *run)
{
	TimestampTz start = GetCurrentTimestamp();

	while (BlockNumberIsValid(run->withheld_from) &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), KEEP_MS))
	{
		if (!keep_some(run))
			sleep_a_little();
		hnr_throttle(PAGES_TO_KEEP * PAGE_US);
	}
}
