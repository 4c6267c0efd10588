/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		A step that needs locks others hold.  See attempt.h.
 *
 * It is taken in a subtransaction: the error of a lock timeout at top level would cost us the
 * session lock on the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/resowner.h"

#include "rebuild/attempt.h"
#include "rebuild/worker.h"
#include "transaction.h"

/* In a PG_CATCH: whether the step failed for want of a lock, and may be tried again. */
static bool
is_want_of_lock(void)
{
	/* a cancel may have come together with a timeout, which is then the error */
	return hnr_watch_wish() == NULL && !hnr_worker_interrupted() &&
		(geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE ||
		 geterrcode() == ERRCODE_T_R_DEADLOCK_DETECTED);
}

bool
hnr_attempt(bool (*step) (void *arg), void *arg)
{
	MemoryContext context;
	ResourceOwner owner;
	volatile bool done = false;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	context = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		done = step(arg);
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
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	CommitTransactionCommand();
	return done;
}
