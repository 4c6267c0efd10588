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
 * and whoever waits for one holds up everybody who comes after.  opportunity.c
 * tells when to ask: without waiting where nobody holds one, else queueing up for
 * a time that both locks together have.
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
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/proc.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "elapsed.h"
#include "guc.h"
#include "rebuild/attempt.h"
#include "rebuild/opportunity.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"
#include "transaction.h"

/* An attempt to swap. */
typedef struct Attempt
{
	HnrRun	   *run;
	int			queue_ms;		/* 0: takes the locks without waiting */
	instr_time	queued_at;
	instr_time	locked_at;
	bool		locked;			/* locked_at is set */
	bool		had_locks;		/* both */
} Attempt;

/* ---- one attempt ---- */

static void
note_locked(Attempt *a)
{
	if (!a->locked)
		INSTR_TIME_SET_CURRENT(a->locked_at);
	a->locked = true;
}

/* Both locks without waiting, or none. */
static bool
take_locks(Attempt *a, Oid first, Oid second)
{
	if (!ConditionalLockRelationOid(first, AccessExclusiveLock))
		return false;
	note_locked(a);
	if (ConditionalLockRelationOid(second, AccessExclusiveLock))
		return true;
	UnlockRelationOid(first, AccessExclusiveLock);
	return false;
}

/* Queues up for both locks for queue_ms together; throws on a timeout. */
static void
queue_for_locks(Attempt *a, Oid first, Oid second)
{
	LockTimeout = a->queue_ms;
	LockRelationOid(first, AccessExclusiveLock);
	note_locked(a);
	LockTimeout = Max(1, a->queue_ms - (int) hnr_ms_since(a->queued_at));
	LockRelationOid(second, AccessExclusiveLock);
	/* For whatever lock the swap itself may have to wait for. */
	LockTimeout = Max(1, a->queue_ms - (int) hnr_ms_since(a->queued_at));
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

/* The step of an attempt; false where the locks are not to be had without waiting. */
static bool
lock_and_swap(void *arg)
{
	Attempt    *a = arg;
	HnrRun	   *run = a->run;
	Oid			first = Min(run->ids.live, run->ids.shadow);
	Oid			second = Max(run->ids.live, run->ids.shadow);

	INSTR_TIME_SET_CURRENT(a->queued_at);
	LockTimeout = hnr_guc_cutover_max_wait;
	if (a->queue_ms > 0)
		queue_for_locks(a, first, second);
	else if (!take_locks(a, first, second))
		return false;
	a->had_locks = true;
	HNR_DEBUG_POINT("rebuild_cutover_locked");
	swap_storage(run);
	return true;
}

/* One attempt, one transaction.  Notes what it cost others. */
static void
attempt(HnrRun *run, HnrOpportunity *opportunity, int queue_ms)
{
	Attempt		a = {.run = run, .queue_ms = queue_ms};
	HnrJob	   *job = run->job;

	job->cutover_attempts++;
	run->swapped = hnr_attempt(lock_and_swap, &a);
	if (!run->swapped)
		hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_WAIT_4);
	if (!run->swapped && (queue_ms > 0 || a.had_locks))
		hnr_opportunity_missed(opportunity, a.had_locks);
	if (queue_ms > 0 || a.had_locks)
		job->longest_wait_ms = Max(job->longest_wait_ms, hnr_ms_since(a.queued_at));
	if (run->swapped)
		job->lock_hold_ms = hnr_ms_since(a.locked_at);
}

static void
swap_with_lock(HnrRun *run)
{
	HnrOpportunity *opportunity = hnr_opportunity_begin(run);

	while (!run->swapped)
	{
		hnr_reload_settings();
		attempt(run, opportunity, hnr_opportunity_await(opportunity));
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

	hnr_start_transaction();
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
