/*-------------------------------------------------------------------------
 *
 * creating.h
 *		CREATE INDEX and REINDEX at work on an index, from progress reports.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_CREATING_H
#define HNR_CREATING_H

#include "rebuild/state.h"

typedef struct HnrCreating
{
	int			pid;
	const char *phase;
	HnrJobProgress progress;
	TimestampTz started_at;		/* of the statement */
} HnrCreating;

/*
 * Whether a session builds the index just now.  No locks: the figures are those
 * of pg_stat_progress_create_index.
 */
extern bool hnr_find_creating(Oid index, HnrCreating *result);

#endif							/* HNR_CREATING_H */
