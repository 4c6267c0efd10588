/*-------------------------------------------------------------------------
 *
 * debug_point.c
 *		Named pauses and faults for tests.  See debug_point.h.
 *
 * The pause is a share lock on the advisory lock whose 64-bit key is a hash of
 * the point's name, in the space of pg_advisory_lock(bigint): a test that holds
 * it exclusively stops whoever comes by.  The lock is a session lock, so that a
 * point outside a transaction works too, and is given back at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef HNR_DEBUG_POINTS

#include <signal.h>

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "debug_point.h"

static char *actions = "";

PG_FUNCTION_INFO_V1(hnr_debug_point_key);
PG_FUNCTION_INFO_V1(hnr_debug_point_visit);

static uint64
point_key(const char *name)
{
	return hash_bytes_extended((const unsigned char *) name, strlen(name), 0);
}

/* SQL: hnr_debug_point_key(text) returns bigint, for pg_advisory_lock. */
Datum
hnr_debug_point_key(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_INT64((int64) point_key(name));
}

void
hnr_debug_point_init(void)
{
	DefineCustomStringVariable("hnsw_rebuild.debug_point_action",
							   "Faults at debug points, as a list of name:action.",
							   "Actions are error, fatal and crash.",
							   &actions, "", PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Copies the action that the setting has for the point; false where none. */
static bool
find_action(const char *name, char *action, size_t size)
{
	size_t		name_len = strlen(name);

	for (const char *p = actions; p != NULL && *p != '\0';)
	{
		size_t		len;

		p += strspn(p, ", ");
		len = strcspn(p, ", ");
		if (len > name_len && p[name_len] == ':' && strncmp(p, name, name_len) == 0)
		{
			snprintf(action, size, "%.*s", (int) (len - name_len - 1), p + name_len + 1);
			return true;
		}
		p += len;
	}
	return false;
}

bool
hnr_debug_fault(const char *name)
{
	char		action[16];

	return find_action(name, action, sizeof(action));
}

static void
act(const char *name)
{
	char		action[16];

	if (!find_action(name, action, sizeof(action)))
		return;
	if (strcmp(action, "crash") == 0)
		kill(MyProcPid, SIGKILL);
	else if (strcmp(action, "fatal") == 0)
		ereport(FATAL,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("fatal fault at debug point \"%s\"", name)));
	else
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("fault at debug point \"%s\"", name)));
}

/* Waits while somebody holds the point's lock, whatever lock_timeout says. */
static void
pause_at(const char *name)
{
	uint64		key = point_key(name);
	int			saved_timeout = LockTimeout;
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key, 1);
	if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		ereport(DEBUG1, (errmsg_internal("waiting at debug point \"%s\"", name)));
		PG_TRY();
		{
			LockTimeout = 0;
			(void) LockAcquire(&tag, ShareLock, true, false);
		}
		PG_FINALLY();
		{
			LockTimeout = saved_timeout;
		}
		PG_END_TRY();
	}
	LockRelease(&tag, ShareLock, true);
}

void
hnr_debug_point(const char *name)
{
	if (OidIsValid(MyDatabaseId))
		pause_at(name);
	act(name);
}

/* SQL: hnr_debug_point_visit(text) returns void, comes by a point of that name. */
Datum
hnr_debug_point_visit(PG_FUNCTION_ARGS)
{
	hnr_debug_point(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

#endif							/* HNR_DEBUG_POINTS */
