/*-------------------------------------------------------------------------
 *
 * records.h
 *		Kept measurements and decisions: hnsw_rebuild.measurement and
 *		hnsw_rebuild.decision.
 *
 * Everything runs in the caller's transaction, with the rights of the
 * bootstrap superuser, since whoever may measure an index need not have any on
 * the tables.  Of each index the newest records are kept; those of indexes
 * that are gone are deleted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_MONITOR_RECORDS_H
#define HNR_MONITOR_RECORDS_H

#include "datatype/timestamp.h"

#include "am/survey.h"
#include "monitor/auto.h"
#include "recall/recall.h"

/* What a measurement was taken for. */
typedef enum HnrMeasured
{
	HNR_MEASURED_MANUAL,		/* "manual": index_degradation() */
	HNR_MEASURED_AUTO,			/* "auto": the launcher's check */
	HNR_MEASURED_REBUILD,		/* "rebuild": what a rebuild reached */
	HNR_MEASURED_HEALTH			/* "health": index_health() */
} HnrMeasured;

typedef struct HnrMeasurement
{
	HnrMeasured purpose;
	TimestampTz measured_at;
	HnrRecall	figures;
	int64		changes;		/* hnr_table_changes() then */
	bool		by_queries;		/* that were kept, not by rows of the table */
	Oid			file_node;		/* the index's; InvalidOid: not known */
	bool		surveyed;		/* what follows is known */
	HnrSurvey	survey;
	double		dead_entries;
} HnrMeasurement;

/* Whether this transaction may write (not on a standby, not read-only). */
extern bool hnr_records_writable(void);

/* Keeps a measurement.  measured_at 0: now. */
extern void hnr_record_measurement(Oid index, const HnrMeasurement *measurement);

/*
 * The newest measurement of an index; with automatic set, the newest that was
 * not asked for by a user.  False: none.
 */
extern bool hnr_last_measurement(Oid index, bool automatic, HnrMeasurement *result);
/*
 * The newest that tells what a rebuild reached, among those by queries or by rows; and the
 * oldest of an index's file, since a time, that can be compared with this one.
 */
extern bool hnr_last_baseline(Oid index, bool by_queries, HnrMeasurement *result);
extern bool hnr_first_measurement(Oid index, const HnrMeasurement *like, TimestampTz since,
								  HnrMeasurement *result);

/*
 * Keeps a decision with its figures, unless the newest one of the index says
 * the same and nothing was measured or started for it.  job is 0 but for a
 * started rebuild.
 */
extern void hnr_record_decision(Oid index, const HnrAutoFigures *figures,
								const HnrAutoDecision *decision, int64 job);
/*
 * The reason of the newest decision, if it was made for this threshold; NULL: none.
 * Palloc'd.
 */
extern char *hnr_last_decision(Oid index, double threshold);
/* When the newest decision with this verdict was made; 0: never. */
extern TimestampTz hnr_last_decided(Oid index, HnrAutoVerdict verdict);
/* Whether the newest decision of the index is this verdict. */
extern bool hnr_decided_last(Oid index, HnrAutoVerdict verdict);

/*
 * Failed and cancelled rebuilds, and errors kept by hnr_record_error, since the
 * last success, and when the last of them happened.
 */
extern int	hnr_failures_in_a_row(Oid index, TimestampTz *last);
/* Keeps that an index could not be measured or its rebuild not be started. */
extern void hnr_record_error(Oid index, const char *message);

/*
 * Rows of a table inserted, deleted and updated (so that indexes were touched)
 * since the server's counters were reset.
 */
extern int64 hnr_table_changes(Oid table);

/* The relfilenode of an index; InvalidOid if it is gone. */
extern Oid	hnr_file_node(Oid index);

#endif							/* HNR_MONITOR_RECORDS_H */
