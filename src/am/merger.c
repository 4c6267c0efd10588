/*-------------------------------------------------------------------------
 *
 * merger.c
 *		The background worker that merges pending rows.
 *
 * It serves all indexes of its database, stays for some seconds after the last row, and goes
 * when somebody wants the database for himself.  Who starts it: merge_request.c.
 *
 * An index that meets an error is left alone for some seconds, and the others are served.
 *
 * When it has given back its seat, it waits for as long as a backend may go without looking,
 * and looks at the lists once more: rows that came before may have been told that there is a
 * worker.
 *
 * It works at normal priority, for it does what the insertions would have done themselves, but lets
 * whoever wakes up go first; each index is locked, and the transaction open, for some milliseconds at a time, and
 * not at all while anybody waits for a lock that conflicts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "am/am.h"
#include "am/merge.h"
#include "am/merger.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "commands/defrem.h"
#include "compat.h"
#include "debug_point.h"
#include "guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "throttle.h"
#include "transaction.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

extern PGDLLEXPORT void hnr_merger_main(Datum arg);

/* How long an index is locked at a time, and how long a worker stays (us). */
#define SLICE_US		20000
#define STAY_US			(2 * 1000000)

/* While there is nothing to do (ms): the first pause, and the longest. */
#define FIRST_PAUSE_MS	10
#define LONGEST_PAUSE_MS 100

/* How often to look for other indexes, and whether somebody wants the database (us). */
#define LIST_US			1000000

/* How long an index that could not be served is left alone, and all others like it (us). */
#define FAILED_US		(10 * 1000000)

/* For the moment that a look at a seat takes. */
#define SEAT_TRIES		3
#define SEAT_PAUSE_US	10000

/*
 * How many seats there are: what who asked for the worker says, or, where he does not know or
 * the configuration has changed, what that is in this database.
 */
static int	seats;
static int	own_seat = -1;

/* Takes a seat for the session; false: there is none. */
static bool
take_seat(void)
{
	own_seat = -1;
	hnr_start_transaction();
	for (int try = 0; try < SEAT_TRIES && own_seat < 0; try++)
	{
		if (try > 0)
			pg_usleep(SEAT_PAUSE_US);
		for (int seat = 0; seat < seats && own_seat < 0; seat++)
		{
			LOCKTAG		tag;

			hnr_merge_set_seat(&tag, seat);
			if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
				own_seat = seat;
		}
	}
	CommitTransactionCommand();
	return own_seat >= 0;
}

/*
 * Exit hook: a session lock is not released with its process where that ends outside a
 * transaction.
 */
static void
leave_seat(int code, Datum arg)
{
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
}

static void
give_back_seat(void)
{
	LockReleaseSession(DEFAULT_LOCKMETHOD);
}

/* Whether somebody wants to drop, rename or copy the database. */
static bool
database_is_wanted(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, false);
	return false;
}

/*
 * Merges rows of an index for a while, if it can be locked at once; whether there were any.
 * *deferred: whether there may be some later.
 */
static bool
serve_index(Oid oid, bool *deferred)
{
	Relation	rel;
	bool		any = false;

	*deferred = false;
	if (!ConditionalLockRelationOid(oid, RowExclusiveLock))
	{
		*deferred = true;
		return false;
	}
	rel = try_relation_open(oid, NoLock);
	if (rel == NULL)
		return false;
	if (hnr_is_hnsw_index(rel) && rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		rel->rd_index->indisready && rel->rd_index->indislive)
	{
		HnrIndex   *index = hnr_index_open(rel);

		*deferred = hnr_option_deferred(rel) || BlockNumberIsValid(index->meta.pending_head);
		if (BlockNumberIsValid(index->meta.pending_head))
			any = hnr_merge_some(index, PG_INT64_MAX, GetCurrentTimestamp() + SLICE_US) > 0;
	}
	relation_close(rel, NoLock);
	return any;
}

/* Indexes that met an error, a damaged one for instance, and when the last did. */
static List *failed;
static TimestampTz failed_at;

/* OIDs of the hnsw indexes of this database but those that have failed, in the given context. */
static List *
list_indexes(MemoryContext context)
{
	Oid			am = get_index_am_oid("hnsw", true);
	List	   *indexes = NIL;
	Relation	catalog;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(am))
		return NIL;
	catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_class_relam, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(am));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(context);

		if (class->relkind == RELKIND_INDEX && !list_member_oid(failed, class->oid))
			indexes = lappend_oid(indexes, class->oid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return indexes;
}

/*
 * After an error: it is logged, and the index left alone for some time, so that the others are
 * served.  With the transaction the seat was given back; without another there is nothing to do.
 */
static void
survive_error(Oid oid, MemoryContext context)
{
	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	MemoryContextSwitchTo(TopMemoryContext);
	failed = lappend_oid(failed, oid);
	failed_at = GetCurrentTimestamp();
	MemoryContextSwitchTo(context);
	RESUME_INTERRUPTS();
	if (!take_seat())
		proc_exit(0);
}

/* Serves an index in a transaction; as serve_index. */
static bool
serve_alone(Oid oid, bool *deferred)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool any = false;

	*deferred = false;
	PG_TRY();
	{
		hnr_start_transaction();
		PushActiveSnapshot(GetTransactionSnapshot());
		any = serve_index(oid, deferred);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		survive_error(oid, context);
		*deferred = false;
	}
	PG_END_TRY();
	return any;
}

/* Whether it is time to look again. */
static bool
is_time(TimestampTz last)
{
	TimestampTz now = GetCurrentTimestamp();

	return now - last >= LIST_US || now < last;
}

/* Goes, with what it has, if somebody wants the database: he waits for five seconds at most. */
static void
give_way_to_owner(void)
{
	bool		wanted;

	hnr_start_transaction();
	wanted = database_is_wanted();
	CommitTransactionCommand();
	if (wanted)
		proc_exit(0);
}

/*
 * Serves the indexes once, of which there may be many; drops from the list what needs no
 * service.
 */
static bool
serve_all(List **indexes)
{
	TimestampTz last_look = GetCurrentTimestamp();
	List	   *kept = NIL;
	bool		any = false;
	ListCell   *cell;

	foreach(cell, *indexes)
	{
		bool		deferred;
		MemoryContext old;

		if (is_time(last_look))
		{
			give_way_to_owner();
			last_look = GetCurrentTimestamp();
		}
		any |= serve_alone(lfirst_oid(cell), &deferred);
		old = MemoryContextSwitchTo(TopMemoryContext);
		if (deferred)
			kept = lappend_oid(kept, lfirst_oid(cell));
		MemoryContextSwitchTo(old);
		CHECK_FOR_INTERRUPTS();
	}
	list_free(*indexes);
	*indexes = kept;
	return any;
}

/* Whether to go at once; reads the list of indexes anew. */
static bool
look_around(List **indexes)
{
	bool		wanted;

	hnr_start_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	wanted = database_is_wanted();
	if (!wanted)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (now - failed_at >= FAILED_US || now < failed_at)
		{
			list_free(failed);
			failed = NIL;
		}
		list_free(*indexes);
		*indexes = list_indexes(TopMemoryContext);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return wanted;
}

static void
reload_configuration(void)
{
	int			before = hnr_guc_merge_workers;

	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (hnr_guc_merge_workers != before)
		seats = hnr_guc_merge_workers;
}

static void
pause_for(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Merges until there has been nothing to merge for some time; false if the database is wanted, or
 * its seat is no more.
 */
static bool
merge_while_needed(void)
{
	static List *indexes = NIL;
	TimestampTz last_work = GetCurrentTimestamp();
	TimestampTz last_list = 0;
	long		pause = FIRST_PAUSE_MS;

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (is_time(last_list))
		{
			reload_configuration();
			if (own_seat >= seats || look_around(&indexes))
				return false;
			last_list = now;
		}
		if (serve_all(&indexes))
		{
			last_work = GetCurrentTimestamp();
			pause = FIRST_PAUSE_MS;
			continue;
		}
		if (now - last_work >= STAY_US || now < last_work)
			return true;
		pgstat_report_activity(STATE_IDLE, NULL);
		pause_for(pause);
		pause = Min(pause * 2, LONGEST_PAUSE_MS);
		pgstat_report_activity(STATE_RUNNING, "merging pending rows of hnsw indexes");
	}
}

/* Without a seat: whether there were rows that may have been told that somebody has it. */
static bool
came_meanwhile(void)
{
	static List *indexes = NIL;

	pgstat_report_activity(STATE_IDLE, NULL);
	for (int us = 0; us < HNR_MERGE_LOOK_US + HNR_MERGE_LOOK_MARGIN_US; us += SEAT_PAUSE_US)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(SEAT_PAUSE_US);
	}
	pgstat_report_activity(STATE_RUNNING, "merging pending rows of hnsw indexes");
	return !look_around(&indexes) && serve_all(&indexes);
}

void
hnr_merger_main(Datum arg)
{
	bool		seated;

	memcpy(&seats, MyBgworkerEntry->bgw_extra, sizeof(seats));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	hnr_guc_put_aside();
	if (seats == 0)
		seats = hnr_guc_merge_workers;
	/* a merge need not last: the rows are in the list until it does */
	hnr_guc_force("synchronous_commit", "off");
	hnr_merge_gives_way = hnr_give_way();
	pgstat_report_activity(STATE_RUNNING, "merging pending rows of hnsw indexes");
	before_shmem_exit(leave_seat, (Datum) 0);
	seated = take_seat();
	while (seated && merge_while_needed())
	{
		HNR_DEBUG_POINT("merger_leaves");
		give_back_seat();
		seated = came_meanwhile() && take_seat();
	}
	proc_exit(0);
}
