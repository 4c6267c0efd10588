/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The process that has databases checked: one per cluster.
 *
 * It is registered where the library is in shared_preload_libraries, starts
 * when recovery is over (so there is none on a standby, and one after its
 * promotion), and connects to no database: it reads pg_database alone.  The
 * checks are done by short-lived workers (check.c), one per database and at
 * most hnsw_rebuild.max_workers at a time, which do their work and exit.
 *
 * Which databases: a worker has to connect to a database to learn whether it
 * has an index to watch, so
 *		every database is checked once when the launcher first sees it, which
 *		also sweeps what a crash left behind;
 *		one in which an index with a threshold, or a deferred one, was found, every
 *		naptime, and any in which queries were kept (queries.h);
 *		any other, when one of these options is set in it (the backend tells us after its
 *		commit), and, since a prepared transaction can hide that, every hour.
 * Template databases, and those that allow no connections, are left alone.
 *
 * Nobody shall wait for us: a worker in a database that somebody wants to drop,
 * rename or copy is told to end.  These statements lock the database's entry,
 * then give others five seconds to leave, so we look for such a lock twice a
 * second while there are workers.  A rebuild that runs there is ended as well,
 * but not for a copy.
 *
 * Locks: pg_database, and for an instant the database's entry, conditionally.
 * No transaction stays open while it sleeps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "am/merge.h"
#include "compat.h"
#include "guc.h"
#include "monitor/launcher.h"
#include "monitor/queries.h"
#include "monitor/shared.h"
#include "rebuild/job.h"
#include "transaction.h"

#define RESTART_SECONDS		10	/* after the launcher died */
#define RECHECK_SECONDS		3600	/* databases that need no watching */
#define POLL_MILLISECONDS	500 /* while there are workers */

/* A database of the cluster. */
typedef struct Database
{
	Oid			oid;
	bool		present;		/* in the last reading of pg_database */
	bool		watched;		/* has an index with a threshold, or deferred */
	bool		rebuilding;		/* a rebuild ran there at the last check */
	int			failures;		/* checks that came to no end, in a row */
	TimestampTz due;
	int			slot;			/* of the worker that checks it, or -1 */
	BackgroundWorkerHandle *worker;
} Database;

/* Everything lives in the process's top memory context. */
static List *databases = NIL;
static int	running = 0;

void
hnr_monitor_init(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = RESTART_SECONDS
	};

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	hnr_shared_init();
	hnr_queries_init();
	strlcpy(worker.bgw_name, "hnsw_rebuild launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "hnsw_rebuild launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "hnsw_rebuild", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "hnr_launcher_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

static Database *
find_database(Oid oid)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);

		if (db->oid == oid)
			return db;
	}
	return NULL;
}

/* A row of pg_database: notes that it is there. */
static void
see_database(Form_pg_database row)
{
	Database   *db;

	if (!row->datallowconn || row->datistemplate ||
		row->datconnlimit < -1)	/* left over by an interrupted DROP DATABASE */
		return;
	db = find_database(row->oid);
	if (db == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		db = palloc0(sizeof(Database));
		db->oid = row->oid;
		db->slot = -1;
		databases = lappend(databases, db);
		MemoryContextSwitchTo(old);
	}
	db->present = true;
}

/*
 * Whether a session waits for, or has, a lock on the database that conflicts
 * with this one: RowExclusiveLock, to drop, rename or copy it; AccessShareLock,
 * to do so but copy it.
 */
static bool
is_wanted(Oid database, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	if (LockAcquire(&tag, mode, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, mode, false);
	return false;
}

/* Reads pg_database; forgets databases that are gone. */
static void
read_databases(void)
{
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	tuple;
	ListCell   *cell;

	foreach(cell, databases)
		((Database *) lfirst(cell))->present = false;

	hnr_start_transaction();
	(void) GetTransactionSnapshot();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		see_database((Form_pg_database) GETSTRUCT(tuple));
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();

	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);

		if (!db->present && db->slot < 0)
		{
			databases = foreach_delete_current(databases, cell);
			pfree(db);
		}
	}
}

/* Makes due at once what backends have flagged. */
static void
take_flags(void)
{
	Oid			flagged[HNR_MAX_FLAGGED];
	bool		overflow;
	int			n = hnr_shared_take_flags(flagged, &overflow);
	ListCell   *cell;

	for (int i = 0; i < n; i++)
	{
		Database   *db = find_database(flagged[i]);

		if (db)
			db->due = 0;
	}
	if (overflow)
	{
		foreach(cell, databases)
			((Database *) lfirst(cell))->due = 0;
	}
}

/* Makes due at once where queries wait to be stored. */
static void
look_for_queries(TimestampTz now)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);

		if (db->failures == 0 && db->due > now && hnr_queries_wait(db->oid))
			db->due = now;
	}
}

/* Starts the check of a database; false if there is no room for a worker. */
static bool
start_worker(Database *db)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_notify_pid = MyProcPid
	};
	MemoryContext old;
	bool		started;

	db->slot = hnr_shared_take_slot(db->oid);
	if (db->slot < 0)
		return false;
	snprintf(worker.bgw_name, BGW_MAXLEN, "hnsw_rebuild check of database %u", db->oid);
	strlcpy(worker.bgw_type, "hnsw_rebuild check", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "hnsw_rebuild", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "hnr_check_main", BGW_MAXLEN);
	worker.bgw_main_arg = Int32GetDatum(db->slot);

	old = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, &db->worker);
	MemoryContextSwitchTo(old);
	if (!started)
	{
		(void) hnr_shared_give_back_slot(db->slot);
		db->slot = -1;
		ereport(DEBUG1,
				(errmsg_internal("no background worker is free for a check")));
		return false;
	}
	running++;
	return true;
}

/* A worker has ended: when to look at its database again. */
static void
finish_worker(Database *db)
{
	HnrCheckResult result = hnr_shared_give_back_slot(db->slot);
	int64		wait = hnr_guc_naptime;

	db->slot = -1;
	pfree(db->worker);
	db->worker = NULL;
	running--;

	/* in the place of the check, which may have had the last one that was free */
	if (result & HNR_CHECK_UNMERGED)
		hnr_merger_start(db->oid);
	if (result == HNR_CHECK_FAILED)
	{
		/* Also where it gave way to a DROP DATABASE. */
		wait = (int64) hnr_guc_naptime << Min(db->failures, 6);
		wait = Max(hnr_guc_naptime, Min(wait, RECHECK_SECONDS));
		db->failures++;
	}
	else
	{
		db->failures = 0;
		db->watched = result & HNR_CHECK_WATCHED;
		db->rebuilding = result & HNR_CHECK_REBUILDING;
		if (!db->watched)
			wait = Max(hnr_guc_naptime, RECHECK_SECONDS);
	}

	/* A flag that came during the check has set it due already. */
	if (db->due != 0)
		db->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait * 1000);
}

static void
finish_workers(void)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);
		pid_t		pid;

		if (db->slot >= 0 &&
			GetBackgroundWorkerPid(db->worker, &pid) == BGWH_STOPPED)
			finish_worker(db);
	}
}

/* Ends the rebuilds that run in a database. */
static void
end_rebuilds(Oid database)
{
	int			n;

	pgstat_clear_backend_activity_snapshot();
	n = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *local = hnr_local_beentry(i);
		const char *type;

		if (local == NULL || local->backendStatus.st_databaseid != database)
			continue;
		type = GetBackgroundWorkerTypeByPid(local->backendStatus.st_procpid);
		if (type && strcmp(type, HNR_WORKER_TYPE) == 0)
			(void) kill(local->backendStatus.st_procpid, SIGTERM);
	}
}

/* Ends what is in somebody's way, or, where asked to, all checks. */
static void
end_workers(bool all)
{
	ListCell   *cell;

	hnr_start_transaction();
	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);

		if (db->slot >= 0 && (all || is_wanted(db->oid, RowExclusiveLock)))
			TerminateBackgroundWorker(db->worker);
		if (db->rebuilding && is_wanted(db->oid, AccessShareLock))
			end_rebuilds(db->oid);
	}
	CommitTransactionCommand();
}

/* Whether there is anything of ours that could be in somebody's way. */
static bool
anything_runs(void)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);

		if (db->slot >= 0 || db->rebuilding)
			return true;
	}
	return false;
}

/* Starts what is due, as far as there are workers for it. */
static void
start_due_workers(TimestampTz now)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);
		bool		wanted;

		if (running >= hnr_guc_max_workers)
			break;
		if (db->slot >= 0 || !db->present || db->due > now)
			continue;
		hnr_start_transaction();
		wanted = is_wanted(db->oid, RowExclusiveLock);
		CommitTransactionCommand();
		if (wanted)
			continue;
		db->due = now;
		if (!start_worker(db))
			break;
	}
}

/* Milliseconds until there is something to do. */
static long
sleep_time(TimestampTz next_reading)
{
	TimestampTz next = next_reading;
	ListCell   *cell;

	if (anything_runs())
		return POLL_MILLISECONDS;
	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);

		next = Min(next, db->due);
	}
	return Max(POLL_MILLISECONDS,
			   TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next));
}

/* One round; returns how long to sleep. */
static long
one_round(TimestampTz *next_reading)
{
	TimestampTz now = GetCurrentTimestamp();

	finish_workers();
	if (!hnr_guc_launcher)
	{
		if (running > 0)
			end_workers(true);
		*next_reading = 0;
		return running > 0 ? POLL_MILLISECONDS : -1L;
	}
	if (anything_runs())
		end_workers(false);
	if (now >= *next_reading)
	{
		read_databases();
		look_for_queries(now);
		*next_reading = TimestampTzPlusMilliseconds(now, hnr_guc_naptime * INT64CONST(1000));
	}
	take_flags();
	start_due_workers(now);
	return sleep_time(*next_reading);
}

/* The settings have changed: a shorter naptime counts at once. */
static void
reload(void)
{
	TimestampTz latest;
	ListCell   *cell;

	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	latest = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										 hnr_guc_naptime * INT64CONST(1000));
	foreach(cell, databases)
	{
		Database   *db = lfirst(cell);

		if (db->watched)
			db->due = Min(db->due, latest);
	}
}

void
hnr_launcher_main(Datum arg)
{
	TimestampTz next_reading = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	hnr_shared_launcher_started();
	ereport(DEBUG1, (errmsg_internal("hnsw_rebuild launcher started")));

	for (;;)
	{
		long		sleep = one_round(&next_reading);

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (sleep >= 0 ? WL_TIMEOUT : 0),
						 sleep, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			reload();
			next_reading = 0;
		}
		/* Not 0: that would keep the postmaster from starting us again. */
		if (ShutdownRequestPending)
			proc_exit(1);
	}
}
