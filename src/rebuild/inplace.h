/*-------------------------------------------------------------------------
 *
 * inplace.h
 *		The rebuild in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REBUILD_INPLACE_H
#define HNR_REBUILD_INPLACE_H

#include "rebuild/api.h"

/*
 * Rebuilds the index, or the leaves of a partitioned one, as REINDEX does, with
 * the options asked for.  Blocks writes to the table and use of the index until
 * the transaction ends.  Returns the job's id: its record is closed.
 */
extern int64 hnr_rebuild_in_place(const HnrRebuildRequest *request);

#endif							/* HNR_REBUILD_INPLACE_H */
