/*-------------------------------------------------------------------------
 *
 * watch.c
 *		Gives way to statements that our lock on the table keeps waiting.
 *
 * We hold ShareUpdateExclusiveLock, which lets reads and writes pass.  But once
 * a statement waits for a stronger lock (DROP, TRUNCATE, ALTER TABLE, CREATE
 * INDEX), reads or writes queue up behind it, so it must not wait for the end
 * of a build.  Nobody tells a lock holder that others wait, and a build or a
 * wait of ours can last minutes without coming back here.  So a timer looks at
 * the wait mask of the lock's entry in shared memory, several times a second,
 * and interrupts us as a cancel does.
 *
 * Reading the mask in a signal handler is safe: the entry stays where it is
 * for as long as we hold the lock, and one integer is read without a lock, the
 * worst outcome of which is an answer that is a moment old.
 *
 * Dropping what an index depends on (DROP FUNCTION ... CASCADE, DROP EXTENSION)
 * locks indexes before their tables: the live one, at which all queries then
 * wait, and the shadow, which we have locked while we build or validate it.  So
 * for that time we watch a lock on the shadow as well.
 *
 * The live index is locked while a build reads it, in a mode that is mostly held by the
 * fast path: then there is no entry to look at until somebody else wants a stronger one.  Who
 * waits stands in an entry, always, and its process tells which.  So for the live index the
 * timer looks at what all processes wait for, and more often: queries queue up.
 * Entries stay in shared memory when they are no longer used; one that is just being
 * used for another lock is, at worst, taken for ours.
 *
 * Statements that wait for a lock of our own strength (VACUUM, ANALYZE, CREATE
 * INDEX CONCURRENTLY) hold up nobody else; they wait.  But we may be waiting for
 * the very transaction that has now begun to wait for us.  The server looks for a
 * deadlock once in each wait, so it would be theirs that finds it, and they who
 * pay.  Therefore, as long as somebody waits for our lock, every wait of ours
 * looks again and again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/rel.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "rebuild/worker.h"

#define WATCH_INTERVAL_MS	100
#define WATCH_INDEX_INTERVAL_MS	20

/* Modes that conflict with reading or writing the table. */
#define STRONGER_MODES \
	(LOCKBIT_ON(ShareLock) | LOCKBIT_ON(ShareRowExclusiveLock) | \
	 LOCKBIT_ON(ExclusiveLock) | LOCKBIT_ON(AccessExclusiveLock))

static TimeoutId timer = MAX_TIMEOUTS;
/* The table's, and for a while the shadow's. */
static LOCK *volatile watched[2] = {NULL, NULL};
static volatile LOCKMASK wish = 0;
/* The live index, as long as a build reads it; and whether somebody waits for it. */
static LOCKTAG index_tag;
static volatile bool index_watched = false;
static volatile bool index_wanted = false;

static void
interrupt(void)
{
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/* In a signal handler: whether a process waits for the index in the mode that conflicts with ours. */
static bool
is_index_awaited(void)
{
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		volatile PGPROC *proc = &ProcGlobal->allProcs[i];
		LOCK	   *lock = proc->waitLock;

		if (lock != NULL && proc->waitLockMode == AccessExclusiveLock &&
			memcmp(&lock->tag, &index_tag, sizeof(LOCKTAG)) == 0)
			return true;
	}
	return false;
}

/* In a signal handler. */
static void
look(void)
{
	LOCKMASK	waiting = 0;

	if (wish != 0)
		return;
	for (int i = 0; i < lengthof(watched); i++)
		if (watched[i] != NULL)
			waiting |= ((volatile LOCK *) watched[i])->waitMask;
	if ((waiting & STRONGER_MODES) != 0)
	{
		wish = waiting & STRONGER_MODES;
		interrupt();
		return;
	}
	if (waiting != 0)
		CheckDeadLockAlert();
	if (index_watched && !index_wanted && is_index_awaited())
	{
		index_wanted = true;
		interrupt();
	}
}

static void
start_timer(int interval)
{
	enable_timeout_every(timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), interval), interval);
}

/* The shared entry of a lock that this process holds; NULL: by the fast path. */
static LOCK *
find_lock(const LOCKTAG *tag)
{
	uint32		hash = LockTagHashCode(tag);
	LWLock	   *partition_lock = LockHashPartitionLock(hash);
	PROCLOCK   *proclock;
	LOCK	   *found = NULL;

	LWLockAcquire(partition_lock, LW_SHARED);
	hnr_foreach_my_proclock(proclock, LockHashPartition(hash))
	{
		LOCK	   *lock = proclock->tag.myLock;

		if (memcmp(&lock->tag, tag, sizeof(LOCKTAG)) == 0)
		{
			found = lock;
			break;
		}
	}
	LWLockRelease(partition_lock);
	return found;
}

void
hnr_watch_start(const LOCKTAG *tag)
{
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, look);
	wish = 0;
	watched[0] = find_lock(tag);
	if (watched[0] == NULL)
		elog(ERROR, "lock to watch is not held");
	start_timer(WATCH_INTERVAL_MS);
}

void
hnr_watch_index(Oid index)
{
	SET_LOCKTAG_RELATION(index_tag, MyDatabaseId, index);
	index_wanted = false;
	index_watched = true;
	start_timer(WATCH_INDEX_INTERVAL_MS);
}

bool
hnr_watch_index_end(void)
{
	bool		wanted;

	if (!index_watched)
		return false;
	index_watched = false;
	wanted = index_wanted;
	/* where it has not been an error yet, it need not be one any more */
	if (wanted)
	{
		QueryCancelPending = false;
		if (wish != 0 || hnr_worker_interrupted())
			InterruptPending = QueryCancelPending = true;
	}
	start_timer(WATCH_INTERVAL_MS);
	return wanted;
}

void
hnr_watch_shadow(Oid shadow)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, shadow);
	LockRelationOid(shadow, ShareUpdateExclusiveLock);
	watched[1] = find_lock(&tag);
}

void
hnr_watch_shadow_end(void)
{
	watched[1] = NULL;
}

void
hnr_watch_stop(void)
{
	watched[0] = watched[1] = NULL;
	index_watched = false;
	if (timer != MAX_TIMEOUTS)
		disable_timeout(timer, false);
	if (wish != 0)
	{
		/* Not to be mistaken for a user's request later on. */
		wish = 0;
		if (!hnr_worker_interrupted())
			QueryCancelPending = false;
	}
}

const char *
hnr_watch_wish(void)
{
	for (LOCKMODE mode = MaxLockMode; mode > 0; mode--)
		if (wish & LOCKBIT_ON(mode))
			return GetLockmodeName(DEFAULT_LOCKMETHOD, mode);
	return NULL;
}

bool
hnr_table_is_wanted(Relation table)
{
	LOCKTAG		tag;
	LOCK	   *lock;

	SET_LOCKTAG_RELATION(tag, table->rd_lockInfo.lockRelId.dbId,
						 table->rd_lockInfo.lockRelId.relId);
	/* Not found: held by the fast path, so that nobody waits for a stronger lock. */
	lock = find_lock(&tag);
	return lock != NULL && (((volatile LOCK *) lock)->waitMask & STRONGER_MODES) != 0;
}

void
hnr_watch_check_waiters(const VirtualTransactionId *holders, int n, bool anybody)
{
	LOCK	   *lock = watched[0];
	bool		wanted = lock != NULL && anybody && ((volatile LOCK *) lock)->waitMask != 0;

	for (int i = 0; i < n && !wanted; i++)
	{
		PGPROC	   *proc = hnr_vxid_proc(holders[i]);

		/* Without the lock that guards it: an old answer is replaced soon. */
		wanted = lock != NULL && proc != NULL && ((volatile PGPROC *) proc)->waitLock == lock;
	}
	if (wanted)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
				 errmsg("another session waits for the lock on the table")));
}
