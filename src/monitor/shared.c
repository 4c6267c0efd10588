/*-------------------------------------------------------------------------
 *
 * shared.c
 *		What the launcher, its database workers and the backends share.
 *
 * See shared.h.  The spinlock is held for a few instructions only; the launcher
 * is woken after it is released.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "guc.h"
#include "monitor/queries.h"
#include "monitor/shared.h"

typedef struct Slot
{
	Oid			database;		/* InvalidOid: free */
	HnrCheckResult result;
} Slot;

typedef struct Shared
{
	slock_t		mutex;
	Latch	   *launcher;		/* NULL: has not started */
	int			nflagged;
	bool		overflow;		/* more were flagged than fit */
	Oid			flagged[HNR_MAX_FLAGGED];
	Slot		slots[HNR_MAX_WORKERS];
} Shared;

static Shared *shared = NULL;
static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* An option for the launcher was set in this backend's transaction. */
static bool watch_pending = false;

static void
request_memory(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)) + hnr_queries_memory());
}

static void
create_memory(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("hnsw_rebuild launcher", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->mutex);
	}
	hnr_queries_create();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Wakes the launcher, if there is one, to look at a database.  Called after a
 * commit: no errors, no allocation.
 */
static void
flag_database(Oid database)
{
	Latch	   *launcher;
	int			i;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->mutex);
	for (i = 0; i < shared->nflagged; i++)
	{
		if (shared->flagged[i] == database)
			break;
	}
	if (i == HNR_MAX_FLAGGED)
		shared->overflow = true;
	else if (i == shared->nflagged)
		shared->flagged[shared->nflagged++] = database;
	launcher = shared->launcher;
	SpinLockRelease(&shared->mutex);

	/* At worst the latch is another process's by now, which is harmless. */
	if (launcher)
		SetLatch(launcher);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!watch_pending)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			watch_pending = false;
			flag_database(MyDatabaseId);
			break;
		case XACT_EVENT_ABORT:
			watch_pending = false;
			break;
		default:
			break;
	}
}

static void
watch_is_wanted(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	watch_pending = true;
}

void
hnr_shared_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = create_memory;
	hnr_on_watch_wanted(watch_is_wanted);
}

static void
launcher_gone(int code, Datum arg)
{
	SpinLockAcquire(&shared->mutex);
	shared->launcher = NULL;
	SpinLockRelease(&shared->mutex);
}

void
hnr_shared_launcher_started(void)
{
	before_shmem_exit(launcher_gone, (Datum) 0);
	SpinLockAcquire(&shared->mutex);
	shared->launcher = &MyProc->procLatch;
	shared->nflagged = 0;
	shared->overflow = false;
	memset(shared->slots, 0, sizeof(shared->slots));
	SpinLockRelease(&shared->mutex);
}

int
hnr_shared_take_flags(Oid *databases, bool *overflow)
{
	int			n;

	SpinLockAcquire(&shared->mutex);
	n = shared->nflagged;
	memcpy(databases, shared->flagged, n * sizeof(Oid));
	*overflow = shared->overflow;
	shared->nflagged = 0;
	shared->overflow = false;
	SpinLockRelease(&shared->mutex);
	return n;
}

int
hnr_shared_take_slot(Oid database)
{
	int			slot = -1;

	SpinLockAcquire(&shared->mutex);
	for (int i = 0; i < HNR_MAX_WORKERS && slot < 0; i++)
	{
		if (!OidIsValid(shared->slots[i].database))
			slot = i;
	}
	if (slot >= 0)
	{
		shared->slots[slot].database = database;
		shared->slots[slot].result = HNR_CHECK_FAILED;
	}
	SpinLockRelease(&shared->mutex);
	return slot;
}

HnrCheckResult
hnr_shared_give_back_slot(int slot)
{
	HnrCheckResult result;

	SpinLockAcquire(&shared->mutex);
	result = shared->slots[slot].result;
	shared->slots[slot].database = InvalidOid;
	SpinLockRelease(&shared->mutex);
	return result;
}

Oid
hnr_shared_slot_database(int slot)
{
	Oid			database;

	SpinLockAcquire(&shared->mutex);
	database = shared->slots[slot].database;
	SpinLockRelease(&shared->mutex);
	return database;
}

void
hnr_shared_report(int slot, HnrCheckResult result)
{
	SpinLockAcquire(&shared->mutex);
	if (shared->slots[slot].database == MyDatabaseId)
		shared->slots[slot].result = result;
	SpinLockRelease(&shared->mutex);
}
