/*-------------------------------------------------------------------------
 *
 * opportunity.c
 *		When to ask for the exclusive locks of the swap.
 *
 * Whoever queues up for an exclusive lock holds up everybody who comes after, so it
 * may be for a short time only, and is worth it where all who hold a lock are likely to
 * be gone by then.  So we look from time to time without asking for anything, note for
 * how long each holder has been there, and learn from those who have left how long they
 * stay.  The chance of an attempt is the product of those of the holders.
 *
 * The best moment is not known before it is over: we take one that is as good as the
 * best that was seen, and the longer ago that was the less we ask for.  Where transactions
 * overlap without a gap, that is the moment in which those that are there happen to be
 * about to end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "guc.h"
#include "rebuild/opportunity.h"
#include "transaction.h"

/* Interval of looking whether somebody holds a lock. */
#define LOOK_INTERVAL_MS		10

/* First time in the queue; it doubles up to cutover_max_wait. */
#define FIRST_QUEUE_MS			10

/* Pause after others had to wait in vain, doubling up to the longest; see PATIENCE_MS, too. */
#define FIRST_PAUSE_MS			50
#define LONGEST_PAUSE_MS		500

/* A holder seen for this long may be waiting for something of ours. */
#define LONG_HOLDER_MS			100

/*
 * Where somebody is hardly likely to leave within a time in the queue (that is his chance),
 * we queue up so seldom, as in the end where something else is locked; and after so long,
 * others who want the table may have it.
 */
#define HARDLY					0.01
#define PATIENCE_MS				10000

/* Of how many that have left we remember how long they stayed. */
#define REMEMBERED				64

/* The chance that we ask for is halved in this time, and need not quite be reached. */
#define HALVED_MS				1000.0
#define ALMOST					0.9

typedef struct Holder
{
	VirtualTransactionId vxid;
	TimestampTz since;			/* when we saw it first */
} Holder;

struct HnrOpportunity
{
	HnrRun	   *run;
	TimestampTz started_at;
	TimestampTz missed_at;		/* began, or made others wait in vain */
	bool		had_locks;		/* then, both of them */
	int			queue_ms;		/* the next time in the queue */
	int			pause_ms;		/* from missed_at on */
	Holder	   *holders;		/* at the last look; own memory */
	int			nholders;
	double		stays[REMEMBERED];	/* ms, a ring */
	int64		nstays;			/* that there ever were */
	double		best;			/* chance that was the best, and when it was */
	TimestampTz best_at;
};

static double
ms_between(TimestampTz from, TimestampTz to)
{
	return Max(0, to - from) / 1000.0;
}

HnrOpportunity *
hnr_opportunity_begin(HnrRun *run)
{
	HnrOpportunity *o = MemoryContextAllocZero(run->context, sizeof(HnrOpportunity));

	o->run = run;
	o->started_at = o->missed_at = o->best_at = GetCurrentTimestamp();
	o->queue_ms = FIRST_QUEUE_MS;
	return o;
}

void
hnr_opportunity_missed(HnrOpportunity *o, bool had_locks)
{
	o->had_locks = had_locks;
	o->missed_at = GetCurrentTimestamp();
	o->queue_ms = Min(o->queue_ms * 2, hnr_guc_cutover_max_wait);
	o->pause_ms = o->pause_ms == 0 ? FIRST_PAUSE_MS :
		Min(o->pause_ms * 2, had_locks ? PATIENCE_MS : LONGEST_PAUSE_MS);
}

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
	all = palloc(sizeof(VirtualTransactionId) * (counts[0] + counts[1] + 1));
	*n = 0;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < counts[i]; j++)
		{
			bool		known = false;

			for (int k = 0; k < (i == 0 ? 0 : counts[0]) && !known; k++)
				known = VirtualTransactionIdEquals(all[k], found[i][j]);
			if (!known)
				all[(*n)++] = found[i][j];
		}
	pfree(found[0]);
	pfree(found[1]);
	return all;
}

/* Notes who is there, and how long those who have left have stayed. */
static void
note_holders(HnrOpportunity *o, const VirtualTransactionId *vxids, int n, TimestampTz now)
{
	Holder	   *holders = MemoryContextAlloc(o->run->context, sizeof(Holder) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		holders[i].vxid = vxids[i];
		holders[i].since = now;
	}
	for (int i = 0; i < o->nholders; i++)
	{
		int			j = 0;

		while (j < n && !VirtualTransactionIdEquals(vxids[j], o->holders[i].vxid))
			j++;
		if (j < n)
			holders[j].since = o->holders[i].since;
		else
			o->stays[o->nstays++ % REMEMBERED] = ms_between(o->holders[i].since, now);
	}
	if (o->holders)
		pfree(o->holders);
	o->holders = holders;
	o->nholders = n;
}

/*
 * The chance that one that has been there for `age` leaves within `queue` (ms): as of those
 * who stayed for as long, and as if there had been one more, whose time to go is as likely
 * to be above as below its age.
 */
static double
chance_of_one(const HnrOpportunity *o, double age, double queue)
{
	int			n = Min(o->nstays, REMEMBERED);
	int			as_long = 0;
	int			left = 0;

	for (int i = 0; i < n; i++)
	{
		as_long += o->stays[i] > age;
		left += o->stays[i] > age && o->stays[i] <= age + queue;
	}
	return (left + queue / (queue + age)) / (as_long + 1);
}

/* Whether there is somebody who has been there for long. */
static bool
has_long_holder(const HnrOpportunity *o, TimestampTz now)
{
	for (int i = 0; i < o->nholders; i++)
		if (ms_between(o->holders[i].since, now) > LONG_HOLDER_MS)
			return true;
	return false;
}

/* Whether to queue up now, with these holders. */
static bool
is_good(HnrOpportunity *o, int queue_ms, TimestampTz now)
{
	double		chance = 1;
	double		least = 1;
	double		wanted = o->best * pow(0.5, ms_between(o->best_at, now) / HALVED_MS);

	for (int i = 0; i < o->nholders; i++)
	{
		double		one = chance_of_one(o, ms_between(o->holders[i].since, now), queue_ms);

		chance *= one;
		least = Min(least, one);
	}
	if (chance >= wanted)
	{
		o->best = chance;
		o->best_at = now;
	}
	return ms_between(o->missed_at, now) >= (least < HARDLY ? PATIENCE_MS : o->pause_ms) &&
		chance >= wanted * ALMOST;
}

static void
check_timeout(const HnrOpportunity *o, TimestampTz now)
{
	if (hnr_guc_cutover_timeout > 0 &&
		TimestampDifferenceExceeds(o->started_at, now, hnr_guc_cutover_timeout))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("other transactions held locks on index %s for longer than hnsw_rebuild.cutover_timeout",
						o->run->job->index_name)));
}

/* One look; as hnr_opportunity_await, or -1: not now. */
static int
look(HnrOpportunity *o)
{
	TimestampTz now = GetCurrentTimestamp();
	int			queue_ms = Min(o->queue_ms, hnr_guc_cutover_max_wait);
	int			n;
	VirtualTransactionId *vxids = find_holders(o->run, &n);

	check_timeout(o, now);
	note_holders(o, vxids, n, now);
	if (o->had_locks || has_long_holder(o, now))
		hnr_watch_check_waiters(vxids, n,
								TimestampDifferenceExceeds(o->started_at, now, PATIENCE_MS));
	pfree(vxids);
	/* what was in our way with both locks may still be there, and others wait while we find out */
	if (n == 0)
		return !o->had_locks || ms_between(o->missed_at, now) >= o->pause_ms ? 0 : -1;
	return is_good(o, queue_ms, now) ? queue_ms : -1;
}

/* One transaction without snapshot or xid. */
int
hnr_opportunity_await(HnrOpportunity *o)
{
	int			queue_ms;

	hnr_start_transaction();
	while ((queue_ms = look(o)) < 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_INTERVAL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	CommitTransactionCommand();
	return queue_ms;
}
