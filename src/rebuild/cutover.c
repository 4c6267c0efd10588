/*-------------------------------------------------------------------------
 *
 * cutover.c
 *		The moment in which the new index takes the place of the old one.
 *
 * swap_storage (the default): under AccessExclusiveLock on both indexes, in OID
 * order, which is the order in which the planner locks a table's indexes, the
 * two pg_class rows trade their storage, the live one takes the new options,
 * and the shadow, which has the old storage now, is marked dead; all in one
 * transaction.  The shadow is dropped later: other sessions may have it in a
 * cached list of the table's indexes.
 *
 * Every transaction that has planned a query on the table holds a lock on both
 * indexes until it ends, so the exclusive lock is not to be had for the asking,
 * and whoever waits for one holds up everybody who comes after.  Therefore:
 *
 *	- While somebody holds a lock for long, we look from time to time without
 *	  asking for anything.
 *	- When nobody does, we take the locks without waiting.
 *	- When there are only short holders, we queue up for at most
 *	  hnsw_rebuild.cutover_max_wait for both locks together, in a
 *	  subtransaction: the error of a timeout at top level would cost us the
 *	  session lock on the table.  Now and then we do so although there are long
 *	  holders: perhaps there is never a moment without.
 *
 * The commit does not wait for the disk or a standby (synchronous_commit is off
 * in the worker): a crash loses the swap whole, and every later commit follows
 * it in the log.
 *
 * swap_index: the two indexes trade names, dependencies and validity, as REINDEX
 * CONCURRENTLY does it; no exclusive lock, another OID.
 *
 * The job's record is not touched while an exclusive lock is held.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/proc.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "guc.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"

/* Interval of looking whether somebody holds a lock. */
#define LOOK_INTERVAL_MS		10

/* First time in the queue; it doubles up to cutover_max_wait. */
#define FIRST_QUEUE_MS			10

/* Pause after a vain time in the queue, doubling up to the longest. */
#define FIRST_PAUSE_MS			50
#define LONGEST_PAUSE_MS		1000

/* A holder seen for this long is a long one. */
#define LONG_HOLDER_MS			100

/* Queue up in spite of long holders, or let others have the table, after this time. */
#define PATIENCE_MS				10000

/* Of the attempts to swap. */
typedef struct Attempts
{
	HnrRun	   *run;
	TimestampTz started_at;
	TimestampTz next_queue_at;
	TimestampTz impatient_at;
	int			queue_ms;
	int			pause_ms;
	/* the long-holder test: who was there, and since when nobody of them is new */
	VirtualTransactionId *holders;
	int			nholders;
	TimestampTz holders_at;
	/* of the present attempt */
	instr_time	queued_at;
	instr_time	locked_at;
	bool		locked;			/* locked_at is set */
} Attempts;

static double
ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* ---- looking ---- */

/* Transactions that hold any lock on either index; in transaction memory. */
static VirtualTransactionId *
find_holders(const HnrRun *run, int *n)
{
	VirtualTransactionId *found[2];
	VirtualTransactionId *all;
	Oid			indexes[2] = {run->ids.live, run->ids.shadow};
	int			counts[2];

	for (int i = 0; i < 2; i++)
	{
		LOCKTAG		tag;

		SET_LOCKTAG_RELATION(tag, MyDatabaseId, indexes[i]);
		found[i] = GetLockConflicts(&tag, AccessExclusiveLock, &counts[i]);
	}
	*n = counts[0] + counts[1];
	all = palloc(sizeof(VirtualTransactionId) * (*n + 1));
	memcpy(all, found[0], sizeof(VirtualTransactionId) * counts[0]);
	memcpy(all + counts[0], found[1], sizeof(VirtualTransactionId) * counts[1]);
	pfree(found[0]);
	pfree(found[1]);
	return all;
}

static bool
contains(const VirtualTransactionId *list, int n, VirtualTransactionId vxid)
{
	for (int i = 0; i < n; i++)
		if (VirtualTransactionIdEquals(list[i], vxid))
			return true;
	return false;
}

/*
 * Whether one of the holders has been there for LONG_HOLDER_MS.  Those who are
 * remembered and still there stay remembered; when none is left, the present
 * ones are remembered.
 */
static bool
has_long_holder(Attempts *a, const VirtualTransactionId *holders, int n)
{
	TimestampTz now = GetCurrentTimestamp();
	int			kept = 0;

	for (int i = 0; i < a->nholders; i++)
		if (contains(holders, n, a->holders[i]))
			a->holders[kept++] = a->holders[i];
	a->nholders = kept;
	if (kept > 0)
		return TimestampDifferenceExceeds(a->holders_at, now, LONG_HOLDER_MS);

	if (a->holders)
		pfree(a->holders);
	a->holders = MemoryContextAlloc(a->run->context,
									sizeof(VirtualTransactionId) * (n + 1));
	memcpy(a->holders, holders, sizeof(VirtualTransactionId) * n);
	a->nholders = n;
	a->holders_at = now;
	return false;
}

static void
check_timeout(const Attempts *a)
{
	if (hnr_guc_cutover_timeout > 0 &&
		TimestampDifferenceExceeds(a->started_at, GetCurrentTimestamp(),
								   hnr_guc_cutover_timeout))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("other transactions held locks on index %s for longer than hnsw_rebuild.cutover_timeout",
						a->run->job->index_name)));
}

/*
 * Looks until it is worth an attempt.  Returns how long to queue up for the
 * locks, 0: take them without waiting.  One transaction without snapshot or xid.
 */
static int
wait_for_opportunity(Attempts *a)
{
	int			result = -1;

	StartTransactionCommand();
	while (result < 0)
	{
		TimestampTz now = GetCurrentTimestamp();
		VirtualTransactionId *holders;
		int			n;
		bool		long_holder;

		CHECK_FOR_INTERRUPTS();
		check_timeout(a);
		holders = find_holders(a->run, &n);
		long_holder = has_long_holder(a, holders, n);
		if (long_holder)
			hnr_watch_check_waiters(holders, n,
									TimestampDifferenceExceeds(a->started_at, now, PATIENCE_MS));
		pfree(holders);
		if (n == 0)
			result = 0;
		else if (now >= a->next_queue_at && (!long_holder || now >= a->impatient_at))
			result = Min(a->queue_ms, hnr_guc_cutover_max_wait);
		else
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 LOOK_INTERVAL_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
	}
	CommitTransactionCommand();
	return result;
}

/* ---- one attempt ---- */

static void
note_locked(Attempts *a)
{
	if (!a->locked)
		INSTR_TIME_SET_CURRENT(a->locked_at);
	a->locked = true;
}

/* Both locks without waiting, or none. */
static bool
take_locks(Attempts *a, Oid first, Oid second)
{
	if (!ConditionalLockRelationOid(first, AccessExclusiveLock))
		return false;
	note_locked(a);
	if (ConditionalLockRelationOid(second, AccessExclusiveLock))
		return true;
	UnlockRelationOid(first, AccessExclusiveLock);
	return false;
}

/*
 * Queues up for both locks for queue_ms together; throws on a timeout, in the
 * attempt's subtransaction.
 */
static void
queue_for_locks(Attempts *a, Oid first, Oid second, int queue_ms)
{
	LockTimeout = queue_ms;
	LockRelationOid(first, AccessExclusiveLock);
	note_locked(a);
	LockTimeout = Max(1, queue_ms - (int) ms_since(a->queued_at));
	LockRelationOid(second, AccessExclusiveLock);
	/* For whatever lock the swap itself may have to wait for. */
	LockTimeout = Max(1, queue_ms - (int) ms_since(a->queued_at));
}

/* The live index's row: the shadow's storage, the new options. */
static HeapTuple
form_live_row(HnrRun *run, Relation pg_class, HeapTuple live)
{
	Datum		values[Natts_pg_class] = {0};
	bool		nulls[Natts_pg_class] = {0};
	bool		replaces[Natts_pg_class] = {0};
	Datum		options = hnr_merge_options(live, run->job->m, run->job->ef_construction);

	replaces[Anum_pg_class_reloptions - 1] = true;
	values[Anum_pg_class_reloptions - 1] = options;
	nulls[Anum_pg_class_reloptions - 1] = options == (Datum) 0;
	return heap_modify_tuple(live, RelationGetDescr(pg_class), values, nulls, replaces);
}

#define SWAP(type, a, b) \
	do { type swap_ = (a); (a) = (b); (b) = swap_; } while (0)

static void
swap_rows(HnrRun *run)
{
	Relation	pg_class = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	live = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(run->ids.live));
	HeapTuple	shadow = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(run->ids.shadow));
	CatalogIndexState indexes;
	Form_pg_class l;
	Form_pg_class s;

	if (!HeapTupleIsValid(live) || !HeapTupleIsValid(shadow))
		elog(ERROR, "cache lookup failed for index %u or %u", run->ids.live, run->ids.shadow);
	live = form_live_row(run, pg_class, live);
	l = (Form_pg_class) GETSTRUCT(live);
	s = (Form_pg_class) GETSTRUCT(shadow);
	if (l->relam != s->relam || l->relpersistence != s->relpersistence ||
		!OidIsValid(l->relfilenode) || !OidIsValid(s->relfilenode))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index %s and its shadow are not alike any more", run->job->index_name)));

	SWAP(Oid, l->relfilenode, s->relfilenode);
	SWAP(Oid, l->reltablespace, s->reltablespace);
	SWAP(int32, l->relpages, s->relpages);
	SWAP(float4, l->reltuples, s->reltuples);
	SWAP(int32, l->relallvisible, s->relallvisible);
	hnr_swap_relallfrozen(l, s);

	indexes = CatalogOpenIndexes(pg_class);
	CatalogTupleUpdateWithInfo(pg_class, &live->t_self, live, indexes);
	CatalogTupleUpdateWithInfo(pg_class, &shadow->t_self, shadow, indexes);
	CatalogCloseIndexes(indexes);
	table_close(pg_class, RowExclusiveLock);
	hnr_close_smgr_by_oid(run->ids.live);
	hnr_close_smgr_by_oid(run->ids.shadow);
}

/* Both exclusive locks are held. */
static void
swap_storage(HnrRun *run)
{
	Relation	live;

	hnr_check_unchanged(run);
	live = index_open(run->ids.live, NoLock);
	TransferPredicateLocksToHeapRelation(live);
	index_close(live, NoLock);
	swap_rows(run);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	index_concurrently_set_dead(run->ids.table, run->ids.shadow);
	PopActiveSnapshot();
}

/* The part of an attempt that may fail for want of a lock. */
static bool
lock_and_swap(Attempts *a, int queue_ms)
{
	HnrRun	   *run = a->run;
	Oid			first = Min(run->ids.live, run->ids.shadow);
	Oid			second = Max(run->ids.live, run->ids.shadow);

	if (queue_ms > 0)
		queue_for_locks(a, first, second, queue_ms);
	else if (!take_locks(a, first, second))
		return false;
	HNR_DEBUG_POINT("rebuild_cutover_locked");
	swap_storage(run);
	return true;
}

/* In the PG_CATCH of an attempt: true where it failed for want of a lock only. */
static bool
is_want_of_lock(void)
{
	return hnr_watch_wish() == NULL &&
		(geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE ||
		 geterrcode() == ERRCODE_T_R_DEADLOCK_DETECTED);
}

/* One attempt, one transaction.  Notes what it cost others. */
static bool
attempt(Attempts *a, int queue_ms)
{
	HnrRun	   *run = a->run;
	HnrJob	   *job = run->job;
	MemoryContext context;
	ResourceOwner owner;
	volatile bool swapped = false;

	run->job->cutover_attempts++;
	a->locked = false;
	StartTransactionCommand();
	CHECK_FOR_INTERRUPTS();
	context = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	INSTR_TIME_SET_CURRENT(a->queued_at);
	LockTimeout = hnr_guc_cutover_max_wait;
	PG_TRY();
	{
		swapped = lock_and_swap(a, queue_ms);
		LockTimeout = 0;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		LockTimeout = 0;
		if (!is_want_of_lock())
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		/* The abort has ended the progress report. */
		hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_WAIT_4);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	CommitTransactionCommand();
	run->swapped = swapped;
	if (queue_ms > 0 || swapped)
		job->longest_wait_ms = Max(job->longest_wait_ms, ms_since(a->queued_at));
	if (swapped)
		job->lock_hold_ms = ms_since(a->locked_at);
	return swapped;
}

static void
swap_with_lock(HnrRun *run)
{
	TimestampTz now = GetCurrentTimestamp();
	Attempts	a = {
		.run = run,
		.started_at = now,
		.next_queue_at = now,
		.impatient_at = TimestampTzPlusMilliseconds(now, PATIENCE_MS),
		.queue_ms = FIRST_QUEUE_MS,
		.pause_ms = FIRST_PAUSE_MS
	};

	for (;;)
	{
		int			queue_ms;

		hnr_reload_settings();
		queue_ms = wait_for_opportunity(&a);
		if (attempt(&a, queue_ms))
			return;
		if (queue_ms == 0)
			continue;
		now = GetCurrentTimestamp();
		a.next_queue_at = TimestampTzPlusMilliseconds(now, a.pause_ms);
		a.impatient_at = TimestampTzPlusMilliseconds(now, PATIENCE_MS);
		a.queue_ms = Min(a.queue_ms * 2, hnr_guc_cutover_max_wait);
		a.pause_ms = Min(a.pause_ms * 2, LONGEST_PAUSE_MS);
	}
}

/* ---- swap_index ---- */

/*
 * The new index takes name, dependencies and validity of the old one, which
 * becomes the shadow.  The mark, a comment, has to go before and come on the other
 * one after: the swap moves comments.
 */
static void
trade_places(HnrRun *run)
{
	HnrShadow	ids = run->ids;

	StartTransactionCommand();
	CHECK_FOR_INTERRUPTS();
	PushActiveSnapshot(GetTransactionSnapshot());
	hnr_check_unchanged(run);
	LockRelationOid(ids.live, ShareUpdateExclusiveLock);
	LockRelationOid(ids.shadow, ShareUpdateExclusiveLock);
	hnr_set_options(ids.shadow, ids.live, run->job->m, run->job->ef_construction);
	hnr_shadow_unmark(ids.shadow);
	CommandCounterIncrement();
	index_concurrently_swap(ids.shadow, ids.live, hnr_shadow_name(ids.live));
	CacheInvalidateRelcacheByRelid(ids.table);
	CommandCounterIncrement();
	hnr_shadow_mark(ids.live);
	PopActiveSnapshot();
	CommitTransactionCommand();

	run->swapped = true;
	run->ids.live = run->job->index_oid = ids.shadow;
	run->ids.shadow = run->job->shadow_oid = ids.live;
	run->job->cutover_attempts++;
	run->job->lock_hold_ms = run->job->longest_wait_ms = 0;
}

void
hnr_phase_cutover(HnrRun *run)
{
	if (hnr_guc_cutover_method == HNR_CUTOVER_SWAP_INDEX)
		trade_places(run);
	else
		swap_with_lock(run);
}
