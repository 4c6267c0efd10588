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

/* Modes that conflict with reading or writing the table. */
#define STRONGER_MODES \
	(LOCKBIT_ON(ShareLock) | LOCKBIT_ON(ShareRowExclusiveLock) | \
	 LOCKBIT_ON(ExclusiveLock) | LOCKBIT_ON(AccessExclusiveLock))

static TimeoutId timer = MAX_TIMEOUTS;
/* The table's, and for a while the shadow's. */
static LOCK *volatile watched[2] = {NULL, NULL};
static volatile LOCKMASK wish = 0;

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
	if ((waiting & STRONGER_MODES) == 0)
	{
		if (waiting != 0)
			CheckDeadLockAlert();
		return;
	}
	wish = waiting & STRONGER_MODES;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
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
	enable_timeout_every(timer,
						 TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WATCH_INTERVAL_MS),
						 WATCH_INTERVAL_MS);
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
