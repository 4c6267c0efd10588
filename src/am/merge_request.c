/*-------------------------------------------------------------------------
 *
 * merge_request.c
 *		Somebody is to merge pending rows: a worker is started unless there is one.
 *
 * It is a dynamic worker, started by whoever appends a row and sees none, so that it does not
 * matter whether the library is preloaded; and by VACUUM.  A second one, and so on, comes where
 * a list has become long.  Where no worker is to be had, rows wait until insertions merge them
 * (merge.c), VACUUM or the next insertion asks again, or flush_index() is called; that is
 * logged, once in a while.  So they do in a database that accepts no connections
 * (ALLOW_CONNECTIONS), in which sessions may have stayed.
 * The launcher's check asks whenever it comes by, as after a restart of the server; where an index
 * is deferred that is every naptime.  Where the check itself has the last worker that is to be had,
 * the launcher asks once more when the check has ended.
 *
 * Others can not see an index, or its storage, that came with the present transaction: then the
 * worker is started when that commits, or is prepared.
 *
 * Locks: a moment's look at a seat; see merger.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "am/am.h"
#include "am/merge.h"
#include "am/merger.h"
#include "catalog/pg_database.h"
#include "compat.h"
#include "guc.h"
#include "postmaster/bgworker.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* How often the log is told that there is no worker to be had. */
#define COMPLAIN_MS		60000

/* To be started when the transaction commits. */
static bool at_commit;

/* No worker was to be had when this process last asked. */
static bool refused;

/* Whether the database lets anybody in: else a worker would end as it begins. */
static bool
is_open(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	bool		open;

	if (!HeapTupleIsValid(tuple))
		return false;
	open = ((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
	ReleaseSysCache(tuple);
	return open;
}

static bool
seat_is_free(int seat)
{
	LOCKTAG		tag;

	hnr_merge_set_seat(&tag, seat);
	if (hnr_lock_quietly(&tag, ShareLock) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	LockRelease(&tag, ShareLock, false);
	return true;
}

/*
 * The first seat that is free, or -1: there is none, or nobody may come.  No error: who asks
 * has something else to do.
 */
static int
free_seat(void)
{
	for (int seat = 0; seat < hnr_guc_merge_workers; seat++)
		if (seat_is_free(seat))
			return is_open() ? seat : -1;
	return -1;
}

bool
hnr_merger_is_there(void)
{
	for (int seat = 0; seat < HNR_MAX_MERGE_WORKERS && !RecoveryInProgress(); seat++)
		if (!seat_is_free(seat))
			return true;
	return false;
}

static void
complain(void)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (last != 0 && !TimestampDifferenceExceeds(last, now, COMPLAIN_MS))
		return;
	last = now;
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("no background worker is free to merge pending rows of hnsw indexes"),
			 errdetail("They are found, but searches and insertions take longer."),
			 errhint("Increase max_worker_processes, or call flush_index().")));
}

static bool
start_worker(Oid database, int seats)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART
	};

	strlcpy(worker.bgw_name, "hnsw_rebuild merge", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "hnsw_rebuild merge", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "hnsw_rebuild", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "hnr_merger_main", BGW_MAXLEN);
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	memcpy(worker.bgw_extra, &seats, sizeof(seats));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/* What is set for this session only, or its user, the worker would not see. */
static bool
start_worker_here(void)
{
	return start_worker(MyDatabaseId, hnr_guc_merge_workers);
}

/*
 * The worker finds the locks of the transaction in its way, and the index by its catalogue
 * entry, only when the commit is over: it stays for longer than that takes.  That of a prepared
 * transaction mostly follows at once; if not, the rows are as those that found no worker.
 */
static void
start_at_commit(XactEvent event, void *arg)
{
	if ((event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) && at_commit &&
		free_seat() == 0 && !start_worker_here())
		complain();
	if (event != XACT_EVENT_PARALLEL_PRE_COMMIT && event != XACT_EVENT_PARALLEL_COMMIT &&
		event != XACT_EVENT_PARALLEL_ABORT)
		at_commit = false;
}

/* Whether the index, or its storage, comes with this transaction. */
static bool
is_of_this_transaction(Relation rel)
{
	return rel->rd_createSubid != InvalidSubTransactionId ||
		rel->hnr_rd_first_storage_subid != InvalidSubTransactionId;
}

static void
request_at_commit(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(start_at_commit, NULL);
	registered = true;
	at_commit = true;
}

void
hnr_merger_request(HnrIndex *index)
{
	static TimestampTz next_look = 0;
	bool		again = refused;
	TimestampTz now;
	int			seat;

	if (hnr_guc_merge_workers == 0 || index->rel->rd_islocaltemp || RecoveryInProgress())
		return;
	if (is_of_this_transaction(index->rel))
	{
		request_at_commit();
		return;
	}
	now = GetCurrentTimestamp();
	if (now < next_look && next_look - now <= HNR_MERGE_LOOK_US)
		return;
	next_look = now + HNR_MERGE_LOOK_US;
	seat = free_seat();
	refused = (seat == 0 || (seat > 0 && hnr_merge_is_long(index))) && !start_worker_here();
	/* when many see at once that there is no worker, those that others start are in their way at first */
	if (refused && again)
		complain();
}

bool
hnr_merger_request_where_due(Relation rel)
{
	HnrIndexFigures figures;
	HnrIndex   *index;
	bool		pending;

	if (!rel->rd_index->indisready || !rel->rd_index->indislive ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP || !hnr_index_try_figures(rel, &figures))
		return false;
	index = hnr_index_open(rel);
	/* a crash while the option was turned off may have left some */
	pending = BlockNumberIsValid(index->meta.pending_head);
	if (pending)
		hnr_merger_request(index);
	return pending || hnr_option_deferred(rel);
}

bool
hnr_merger_was_refused(void)
{
	return refused;
}

void
hnr_merger_start(Oid database)
{
	if (!start_worker(database, 0))
		complain();
}
