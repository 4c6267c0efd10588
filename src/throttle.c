/*-------------------------------------------------------------------------
 *
 * throttle.c
 *		Background work that is not felt: priority, pauses, rate of WAL.
 *
 * Priority costs nothing while a processor is idle, and yields one at once when
 * somebody else wants it, so it is what is there by default.  A niceness alone does
 * little where Linux groups processes by session (sched_autogroup): every server
 * process leads a session of its own, and a niceness counts within its group.  There,
 * the group has one too, which its process may change and, other than its own, change
 * back.
 *
 * Pauses: the process keeps account of the processor time it has used since the
 * last pause, and when that was a slice, sleeps until its share of the time is not
 * above hnsw_rebuild.max_cpu.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <time.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "guc.h"
#include "throttle.h"

/* Processor time between two pauses (ms): short, so that pauses are, too. */
#define SLICE			5.0

/* The longest sleep in one piece (ms). */
#define MAX_NAP			1000.0

/* Work between two looks at the clock (us), as the callers estimate it. */
#define LOOK_INTERVAL	50

/* Linux lets one group change in so long, of all on the machine (ms). */
#define AUTOGROUP_PAUSE	100
#define AUTOGROUP_TRIES	3

/* Of the processor, that Linux lets a process ask for (ns). */
#define LONGEST_SLICE	(100 * 1000 * 1000)

bool		hnr_background = false;
int			hnr_throttle_us_left = 0;

static int	nice_now = 0;		/* that this process has been given */
static bool group_pending = false;	/* but not its group */
static double group_tried;		/* ms, when last */
static double slice_cpu;		/* ms, when the slice began */
static double slice_wall;

static double
wall_ms(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* Processor time of this process. */
static double
cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000.0 +
		(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000.0;
}

/*
 * Of the group of processes that Linux has made of this session, if it has.  False
 * where it is to be tried again.
 */
static bool
set_group_nice(int value)
{
#ifdef __linux__
	int			fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	char		text[16];
	int			length = snprintf(text, sizeof(text), "%d", value);
	bool		again;

	if (fd < 0)
		return true;
	again = write(fd, text, length) != length && errno == EAGAIN;
	close(fd);
	return !again;
#else
	return true;
#endif
}

/* Never fails: where it is not allowed, work goes on at the present priority. */
static void
set_nice(int value)
{
	if (value == nice_now)
		return;
	nice_now = value;
	(void) setpriority(PRIO_PROCESS, 0, value);
	group_pending = !set_group_nice(value);
	group_tried = wall_ms();
}

static void
retry_group(void)
{
	if (!group_pending || wall_ms() - group_tried < AUTOGROUP_PAUSE)
		return;
	group_pending = !set_group_nice(nice_now);
	group_tried = wall_ms();
}

static void
begin_slice(void)
{
	slice_cpu = cpu_ms();
	slice_wall = wall_ms();
	hnr_throttle_us_left = LOOK_INTERVAL;
}

void
hnr_background_begin(void)
{
	hnr_background = true;
	set_nice(hnr_guc_nice);
	begin_slice();
}

void
hnr_background_hurry(bool hurry)
{
	if (!hnr_background)
		return;
	set_nice(hurry ? 0 : hnr_guc_nice);
	for (int i = 0; hurry && group_pending && i < AUTOGROUP_TRIES; i++)
	{
		pg_usleep(AUTOGROUP_PAUSE * 1000L);
		retry_group();
	}
}

/*
 * Linux lets a process that runs go on to the end of its slice, some milliseconds, before one that
 * wakes up and has no shorter slice.  From 6.12 on a process may ask for a slice of its own: with
 * the longest there is it has its share of the time as before, and is interrupted at once.  Older
 * ones take no notice, and tell of no slice.
 */
bool
hnr_give_way(void)
{
#if defined(__linux__) && defined(SYS_sched_setattr) && defined(SYS_sched_getattr)
	/* sched_attr in its first version, which the C library may not have */
	struct
	{
		uint32		size;
		uint32		policy;
		uint64		flags;
		int32		nice;
		uint32		priority;
		uint64		runtime;	/* the slice (ns) */
		uint64		deadline;
		uint64		period;
	}			attributes = {0};

	/* what the administrator has chosen in place of the usual is left alone */
	if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0 ||
		attributes.policy != SCHED_OTHER)
		return false;
	attributes.size = sizeof(attributes);
	attributes.flags = 0;
	attributes.runtime = LONGEST_SLICE;
	return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0 &&
		syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0 &&
		attributes.runtime == LONGEST_SLICE;
#else
	return false;
#endif
}

/* Interrupts end it early, with an error if need be. */
static void
nap(double ms)
{
	while (ms > 0)
	{
		double		begin = wall_ms();

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (long) ceil(Min(ms, MAX_NAP)), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		ms -= wall_ms() - begin;
	}
}

/* With parallel workers at work it would be an error; they have the settings as they were. */
static void
reload_settings(void)
{
	if (!ConfigReloadPending || IsInParallelMode())
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	set_nice(hnr_guc_nice);
}

void
hnr_throttle_look(void)
{
	double		used;
	double		rest;

	CHECK_FOR_INTERRUPTS();
	hnr_throttle_us_left = LOOK_INTERVAL;
	reload_settings();
	retry_group();
	/* It cannot have used more than has gone by, and the clock is cheap to read. */
	if (hnr_guc_max_cpu >= 100 || wall_ms() - slice_wall < SLICE)
		return;
	used = cpu_ms() - slice_cpu;
	if (used < SLICE)
		return;
	rest = used * 100.0 / hnr_guc_max_cpu - (wall_ms() - slice_wall);
	nap(rest);
	begin_slice();
}

void
hnr_throttle_wal(Size bytes)
{
	static double since;		/* ms */
	static double credit;		/* ms, that the bytes since then ought to have taken */
	double		now = wall_ms();

	if (!hnr_background || hnr_guc_wal_rate == 0)
		return;
	/* What was not used a while ago cannot be made up for. */
	if (now - since > credit)
	{
		since = now;
		credit = 0;
	}
	credit += bytes / 1024.0 / hnr_guc_wal_rate * 1000.0;
	nap(since + credit - now);
}
