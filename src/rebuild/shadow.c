/*-------------------------------------------------------------------------
 *
 * shadow.c
 *		The shadow: the new index while it stands beside the live one.
 *
 * Created in one transaction with a comment, which with the name tells a shadow
 * from any other index of ours, whatever became of it: TRUNCATE, VACUUM FULL and
 * REINDEX TABLE make an invalid index valid; ALTER COLUMN ... TYPE and REINDEX
 * CONCURRENTLY make it anew, but keep name and comment.  Who owns an index can give
 * it both, so only those of our access method count: others may be what a constraint
 * needs, and dropping one begins with its no longer being kept.  There is no dependency
 * on the live index: with one, DROP INDEX CONCURRENTLY of that would have two
 * indexes to drop, and can do only one.
 *
 * Locks: ShareUpdateExclusiveLock on the table, for the session, during
 * everything here.  It keeps out VACUUM, which would recycle row addresses
 * while the shadow does not hear of it, and all other changes of the table's
 * indexes.  The indexes themselves are locked within transactions only: nobody
 * can drop one without the table's lock, and ALTER INDEX ... SET or RENAME may
 * go on meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "rebuild/jobtable.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"
#include "transaction.h"

/* Label in the shadow's name; hnr_shadows() looks for it. */
#define SHADOW_LABEL	"hnr_shadow"
#define SHADOW_COMMENT	"stands in during a rebuild by hnsw_rebuild, which drops it"

/* How long a standby that is not behind takes at most to be done with a shadow. */
#define STANDBY_PAUSE_MS	1000

static LockRelId
lock_id(Oid table)
{
	LockRelId	id;

	id.relId = table;
	id.dbId = MyDatabaseId;
	return id;
}

/*
 * Exit hook: a session lock is not released with its process where that ends
 * outside a transaction.
 */
static void
give_back_locks(int code, Datum arg)
{
	hnr_watch_stop();
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
}

void
hnr_prepare_for_exit(void)
{
	static bool done = false;

	if (!done)
		before_shmem_exit(give_back_locks, (Datum) 0);
	done = true;
}

static void
watch_table(Oid table)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, table);
	hnr_watch_start(&tag);
}

/*
 * Waits without a snapshot, so that nobody waits for us meanwhile; a timeout
 * of 0 is none.  The table may turn out to be gone.  Where the lock is held
 * already it is not taken twice: hnr_unlock_table() gives it back once.
 */
void
hnr_lock_table(Oid table, int timeout_ms)
{
	LockRelId	id = lock_id(table);
	LOCKTAG		tag;
	char		value[16];
	int			nest_level;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, table);
	hnr_prepare_for_exit();
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	nest_level = NewGUCNestLevel();
	if (timeout_ms > 0)
	{
		snprintf(value, sizeof(value), "%d", timeout_ms);
		(void) set_config_option("lock_timeout", value, PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	if (!hnr_lock_held(&tag, ShareUpdateExclusiveLock))
		LockRelationIdForSession(&id, ShareUpdateExclusiveLock);
	AtEOXact_GUC(false, nest_level);
	CommitTransactionCommand();
	watch_table(table);
}

void
hnr_unlock_table(Oid table)
{
	LockRelId	id = lock_id(table);

	hnr_watch_stop();
	UnlockRelationIdForSession(&id, ShareUpdateExclusiveLock);
}

char *
hnr_shadow_name(Oid live)
{
	return ChooseRelationName(get_rel_name(live), NULL, SHADOW_LABEL,
							  get_rel_namespace(live), false);
}

void
hnr_shadow_mark(Oid shadow)
{
	CreateComments(shadow, RelationRelationId, 0, SHADOW_COMMENT);
}

void
hnr_shadow_unmark(Oid shadow)
{
	DeleteComments(shadow, RelationRelationId, 0);
}

/*
 * Catalogue entries only: the new index is empty, and neither written nor read.
 * As the table's owner, in a security-restricted operation.
 */
Oid
hnr_shadow_create(Oid table, Oid live, int m, int ef_construction)
{
	Relation	heap = table_open(table, ShareUpdateExclusiveLock);
	Relation	index = index_open(live, RowExclusiveLock);
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	Oid			shadow;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(heap->rd_rel->relowner,
						   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	save_nestlevel = NewGUCNestLevel();
	hnr_restrict_search_path();

	shadow = index_concurrently_create_copy(heap, live, index->rd_rel->reltablespace,
											hnr_shadow_name(live));
	CommandCounterIncrement();
	hnr_set_options(shadow, live, m, ef_construction);
	hnr_shadow_mark(shadow);
	CommandCounterIncrement();

	AtEOXact_GUC(false, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return shadow;
}

/* In a transaction, with a snapshot of its own. */
List *
hnr_shadows(Oid table)
{
	const char *sql =
		"SELECT i.indrelid, c.oid "
		"FROM pg_catalog.pg_class c "
		"JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid "
		"JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'hnsw' "
		"WHERE c.relkind = 'i' AND c.relname ~ '_" SHADOW_LABEL "[0-9]*$' "
		"AND pg_catalog.obj_description(c.oid, 'pg_class') = '" SHADOW_COMMENT "' "
		"AND ($1 = 0 OR i.indrelid = $1) ORDER BY c.oid";
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(table)};
	int			nest_level = NewGUCNestLevel();
	List	   *shadows = NIL;

	hnr_restrict_search_path();
	SPI_connect();
	PushActiveSnapshot(hnr_newest_snapshot());
	if (SPI_execute_with_args(sql, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for shadow indexes");
	PopActiveSnapshot();
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		HnrShadow  *s = MemoryContextAlloc(caller, sizeof(HnrShadow));
		MemoryContext spi = MemoryContextSwitchTo(caller);
		bool		isnull;

		s->table = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
		s->live = InvalidOid;
		s->shadow = DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull));
		shadows = lappend(shadows, s);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	AtEOXact_GUC(false, nest_level);
	MemoryContextSwitchTo(caller);
	return shadows;
}

typedef struct ShadowFlags
{
	bool		exists;			/* and still is an index of that table */
	bool		valid;
	bool		ready;
	bool		live;
} ShadowFlags;

static ShadowFlags
read_flags(const HnrShadow *ids)
{
	ShadowFlags flags = {false, false, false, false};
	HeapTuple	tuple;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(ids->shadow));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		flags.exists = form->indrelid == ids->table;
		flags.valid = form->indisvalid;
		flags.ready = form->indisready;
		flags.live = form->indislive;
		ReleaseSysCache(tuple);
	}
	CommitTransactionCommand();
	return flags;
}

/* Waits for every transaction that holds any lock on the table. */
static void
wait_for_users(Oid table)
{
	LOCKTAG		tag;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, table);
	WaitForLockers(tag, AccessExclusiveLock, true);
	CommitTransactionCommand();
}

static bool
has_standby(void)
{
	bool		found = false;

	for (int i = 0; i < max_wal_senders && !found; i++)
	{
		WalSnd	   *sender = &WalSndCtl->walsnds[i];

		SpinLockAcquire(&sender->mutex);
		found = sender->pid != 0 && sender->state == WALSNDSTATE_STREAMING;
		SpinLockRelease(&sender->mutex);
	}
	return found;
}

/*
 * Nobody here can wait for the sessions of a standby.  Those that the swap has kept
 * waiting there, at the live index, have the shadow in their list and open it next.
 */
static void
pause_for_standbys(void)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STANDBY_PAUSE_MS);
	long		left = STANDBY_PAUSE_MS;

	if (!has_standby())
		return;
	hnr_start_transaction();
	while (left > 0 && !hnr_worker_terminating())
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
	}
	CommitTransactionCommand();
}

static void
clear_valid(const HnrShadow *ids)
{
	hnr_start_transaction();
	/* pg_index has a TOAST table since PostgreSQL 17. */
	PushActiveSnapshot(GetTransactionSnapshot());
	index_set_state_flags(ids->shadow, INDEX_DROP_CLEAR_VALID);
	CacheInvalidateRelcacheByRelid(ids->table);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
set_dead(const HnrShadow *ids)
{
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	PushActiveSnapshot(GetTransactionSnapshot());
	index_concurrently_set_dead(ids->table, ids->shadow);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * CREATE INDEX on the partitioned table takes any like index of a partition that
 * has no parent yet for its own, and where we gave way to it, that was the
 * shadow.  The new index is invalid from the start then, as after CREATE INDEX
 * ... ON ONLY, and stays so until the partition has an index to attach.
 */
static void
leave_parent(Oid shadow)
{
	Relation	index = index_open(shadow, ShareUpdateExclusiveLock);

	if (index->rd_rel->relispartition)
	{
		ereport(LOG,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" lacks a partition, for which it took the shadow of a rebuild",
						get_rel_name(get_partition_parent(shadow, true)))));
		IndexSetParentIndex(index, InvalidOid);
		CommandCounterIncrement();
	}
	index_close(index, NoLock);
}

static void
delete_entries(const HnrShadow *ids)
{
	ObjectAddress address;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	PushActiveSnapshot(GetTransactionSnapshot());
	leave_parent(ids->shadow);
	ObjectAddressSet(address, RelationRelationId, ids->shadow);
	performDeletion(&address, DROP_RESTRICT,
					PERFORM_DELETION_CONCURRENT_LOCK | PERFORM_DELETION_INTERNAL);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * The steps of DROP INDEX CONCURRENTLY, from wherever the shadow is: no query
 * may use it, then no write, then nobody may have it in a cached list of the
 * table's indexes.
 */
void
hnr_shadow_drop(const HnrShadow *ids)
{
	ShadowFlags flags = read_flags(ids);

	if (!flags.exists)
		return;
	if (flags.valid)
		clear_valid(ids);
	HNR_RUN_POINT("rebuild_drop_invalid");
	if (flags.live)
	{
		/* Queries may use it until those that saw it valid are over. */
		if (flags.ready)
			wait_for_users(ids->table);
		set_dead(ids);
	}
	HNR_RUN_POINT("rebuild_drop_dead");
	pause_for_standbys();
	wait_for_users(ids->table);
	delete_entries(ids);
}

void
hnr_drop_leftovers(Oid table)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *leftovers = NIL;
	ListCell   *lc;

	hnr_start_transaction();
	MemoryContextSwitchTo(context);
	foreach(lc, hnr_shadows(table))
		if (!hnr_shadow_is_claimed(lfirst(lc)))
			leftovers = lappend(leftovers, lfirst(lc));
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	foreach(lc, leftovers)
		hnr_shadow_drop(lfirst(lc));
}
