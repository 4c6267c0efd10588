/*-------------------------------------------------------------------------
 *
 * creating.c
 *		CREATE INDEX and REINDEX at work on an index, from progress reports.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/progress.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/backend_status.h"

#include "compat.h"
#include "monitor/creating.h"
#include "rebuild/job.h"

static const char *
phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_PHASE_WAIT_1:
		case PROGRESS_CREATEIDX_PHASE_WAIT_2:
			return "waiting for writers";
		case PROGRESS_CREATEIDX_PHASE_BUILD:
			return "building";
		case PROGRESS_CREATEIDX_PHASE_VALIDATE_IDXSCAN:
		case PROGRESS_CREATEIDX_PHASE_VALIDATE_SORT:
		case PROGRESS_CREATEIDX_PHASE_VALIDATE_TABLESCAN:
			return "validating";
		case PROGRESS_CREATEIDX_PHASE_WAIT_3:
			return "waiting for old snapshots";
		case PROGRESS_CREATEIDX_PHASE_WAIT_4:
		case PROGRESS_CREATEIDX_PHASE_WAIT_5:
			return "waiting for readers";
		default:
			return "initializing";
	}
}

/* A rebuild's progress is its job's, the moment after whose end is still to be told. */
static bool
is_rebuild(const PgBackendStatus *entry)
{
	const char *type;

	if (entry->st_backendType != B_BG_WORKER)
		return false;
	type = GetBackgroundWorkerTypeByPid(entry->st_procpid);
	return type != NULL && strcmp(type, HNR_WORKER_TYPE) == 0;
}

bool
hnr_find_creating(Oid index, HnrCreating *result)
{
	int			n = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *local = hnr_local_beentry(i);
		PgBackendStatus *entry;

		if (local == NULL)
			continue;
		entry = &local->backendStatus;
		if (entry->st_databaseid != MyDatabaseId ||
			entry->st_progress_command != PROGRESS_COMMAND_CREATE_INDEX ||
			entry->st_progress_param[PROGRESS_CREATEIDX_INDEX_OID] != (int64) index ||
			is_rebuild(entry))
			continue;
		result->pid = entry->st_procpid;
		result->phase = phase_name(entry->st_progress_param[PROGRESS_CREATEIDX_PHASE]);
		hnr_read_progress(entry, &result->progress);
		result->started_at = entry->st_activity_start_timestamp;
		return true;
	}
	return false;
}
