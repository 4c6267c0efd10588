/*-------------------------------------------------------------------------
 *
 * status.h
 *		The columns of index_status(), and what the row of a partitioned index tells of
 *		its leaves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_STATUS_H
#define HNR_STATUS_H

/* The columns, in the order of the SQL declaration. */
typedef enum HnrStatusColumn
{
	HNR_STATUS_NAME,
	HNR_STATUS_INDEX_OID,
	HNR_STATUS_TABLE_NAME,
	HNR_STATUS_STATUS,
	HNR_STATUS_PHASE,
	HNR_STATUS_PROGRESS_PCT,
	HNR_STATUS_ETA_SECONDS,
	HNR_STATUS_TUPLES_DONE,
	HNR_STATUS_TUPLES_TOTAL,
	HNR_STATUS_STARTED_AT,
	HNR_STATUS_BLOCKED_BY,
	HNR_STATUS_M,
	HNR_STATUS_EF_CONSTRUCTION,
	HNR_STATUS_SLOTS,
	HNR_STATUS_STORED_AS,
	HNR_STATUS_OPTIONS,
	HNR_STATUS_SIZE_BYTES,
	HNR_STATUS_VECTORS,
	HNR_STATUS_PENDING_ROWS,	/* and the next three: pending.h */
	HNR_STATUS_PENDING_AGE,
	HNR_STATUS_MERGE_RATE,
	HNR_STATUS_MERGING,
	HNR_STATUS_DEAD,
	HNR_STATUS_DEGRADATION,
	HNR_STATUS_MEASURED_AT,
	HNR_STATUS_AUTO_REBUILD_THRESHOLD,
	HNR_STATUS_AUTO_REBUILD_NOTE,
	HNR_STATUS_LAST_REBUILD,
	HNR_STATUS_LAST_REBUILD_DURATION,
	HNR_STATUS_LAST_ERROR,
	HNR_STATUS_COLUMNS
} HnrStatusColumn;

/* What the rows of leaves come to. */
typedef struct HnrStatusSums
{
	int			leaves;
	int			other;			/* not ready */
	int			worst;			/* what the worst of them is, higher is worse */
	char	   *worst_status;
	char	   *worst_name;
	double		measured;		/* rows of those that were measured */
	double		lost;			/* their degradation times their rows */
	bool		varied[HNR_STATUS_COLUMNS]; /* in what they have to have in common */
	Datum		values[HNR_STATUS_COLUMNS];
	bool		known[HNR_STATUS_COLUMNS];
} HnrStatusSums;

/* Adds the row of a leaf; what it points to has to stay. */
extern void hnr_status_add(HnrStatusSums *sums, const Datum *values, const bool *nulls);

/*
 * Fills in the row of a partitioned index: sums of sizes and counts, the age of the oldest
 * pending row, what all leaves were built with, if it is the same, and, where the index
 * itself is ready, what the worst of them is doing.
 */
extern void hnr_status_put(const HnrStatusSums *sums, Datum *values, bool *nulls);

#endif							/* HNR_STATUS_H */
