/*-------------------------------------------------------------------------
 *
 * subject.h
 *		An index that the launcher's worker looks after, and the figures that are decided
 *		upon.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SUBJECT_H
#define HNR_SUBJECT_H

#include "utils/rel.h"

#include "monitor/auto.h"
#include "monitor/records.h"

/* An index under consideration; the relations only within a transaction. */
typedef struct HnrSubject
{
	Oid			index;
	Oid			owner;
	Relation	index_rel;
	Relation	table;
	int64		changes;		/* hnr_table_changes() now */
	int			nqueries;		/* to measure with, or 0: rows of the table */
	const Datum *queries;
	HnrAutoFigures figures;
	HnrAutoDecision decision;
} HnrSubject;

/*
 * Gathers the figures, the last measurement that can be compared included; what a rebuild
 * has reached since is kept as the baseline, and measured if it has not been.
 */
extern void hnr_subject_gather(HnrSubject *s);

/* Measures, and keeps it. */
extern void hnr_subject_measure(HnrSubject *s);

/* Whether a rebuild of any index runs in this database. */
extern bool hnr_any_rebuild_runs(void);

#endif							/* HNR_SUBJECT_H */
