/*-------------------------------------------------------------------------
 *
 * recall.h
 *		Recall@k of an hnsw index, measured against the exact answer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_RECALL_H
#define HNR_RECALL_H

#include "utils/rel.h"

#define HNR_RECALL_DEFAULT_SAMPLE	100
#define HNR_RECALL_MAX_SAMPLE		10000
#define HNR_RECALL_DEFAULT_K		10
#define HNR_RECALL_MAX_K			1000

typedef struct HnrRecallRequest
{
	int			sample_size;	/* 1 .. HNR_RECALL_MAX_SAMPLE */
	int			k;				/* 1 .. HNR_RECALL_MAX_K */
	bool		seeded;			/* draw the sample that seed stands for */
	int64		seed;
	int			nef;			/* how many of these there are; 0: the present one */
	const int  *ef_search;
	/* Values of the indexed type and dimensions to search for instead of sampled rows. */
	int			nqueries;
	const Datum *queries;
	/* NULL, or whether somebody needs the table: then the measurement is an error. */
	bool		(*is_wanted) (Relation table);
} HnrRecallRequest;

typedef struct HnrRecall
{
	double		recall;			/* mean over the sample, 0 .. 1 */
	double		std_error;		/* of that mean */
	int			sample;			/* rows searched for; 0: nothing to measure */
	int			k;
	int			ef_search;
	bool		by_queries;		/* some of those given, not by rows */
	double		rows;			/* rows that the index covers */
	double		pass_seconds;	/* that the exact answer took, and */
	double		search_seconds; /* each of the searches */
} HnrRecall;

/*
 * Measures the index at the present hnsw.ef_search, or into an array of results at each
 * of those asked for, as seen by the active snapshot.  The caller holds AccessShareLock or
 * more on table and index.
 *
 * Each sampled row is looked for through the index, as if the row itself were not
 * there (hnr_scan_leave_out), each query as it is; the exact answer for the whole sample comes from one pass over the table.
 * Rows that the index does not cover (partial index, NULL, zero vector) take
 * no part.  A row found counts if it is no farther than the k-th true
 * neighbour, so that equal distances are not misses.  With fewer than k other
 * rows, all of them are the true answer; with fewer than two rows there is
 * nothing to find, and sample is 0.
 *
 * A background process passes is_wanted, so that a statement that waits for a
 * stronger lock, and all that queue up behind it, need not wait for the end of a
 * measurement (ERRCODE_LOCK_NOT_AVAILABLE).
 *
 * Nothing is written.  Memory: sample_size * (dims + k) floats; an error
 * (ERRCODE_PROGRAM_LIMIT_EXCEEDED) if that is over maintenance_work_mem.
 * Expressions and predicates run as the table's owner in a
 * security-restricted operation, with search_path pinned.
 */
extern void hnr_recall_measure(Relation table, Relation index,
							   const HnrRecallRequest *request,
							   HnrRecall *results);

/* Error (ERRCODE_INVALID_PARAMETER_VALUE) on figures out of range. */
extern void hnr_recall_check_request(const HnrRecallRequest *request);

/* 1 - recall, without the noise of the subtraction's last digits. */
extern double hnr_degradation(double recall);

/* The most that the error of a mean over HNR_RECALL_DEFAULT_SAMPLE can be. */
extern double hnr_recall_most_error(double recall);

#endif							/* HNR_RECALL_H */
