/*-------------------------------------------------------------------------
 *
 * pending.h
 *		What index_status() tells of pending rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_MONITOR_PENDING_H
#define HNR_MONITOR_PENDING_H

#include "utils/rel.h"

/* Fills the columns pending_rows, oldest_pending_age, merge_rate and merging, null until then. */
extern void hnr_pending_columns(Relation index, Datum *values, bool *nulls);

#endif							/* HNR_MONITOR_PENDING_H */
