/*-------------------------------------------------------------------------
 *
 * queries.h
 *		A bounded sample of the queries that users ask, to measure recall with.
 *
 * Off by default.  A backend leaves the query of one in so many of its searches in shared
 * memory; the launcher's worker takes it from there to hnsw_rebuild.query_sample, of
 * which the newest and some older ones are kept.  On a standby nobody does; what is
 * in shared memory is then all there is, besides what the primary has written.
 *
 * Who may record whom: hnsw_rebuild.query_sample_rate, which is for superusers, keeps
 * everybody's queries; the index option query_sample_rate, which is for the index's owner,
 * those that he asks himself.  Only he is shown them (the view query_samples).
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_QUERIES_H
#define HNR_QUERIES_H

#include "utils/rel.h"

/* Queries kept of an index; and how many it takes to measure with them instead of rows. */
#define HNR_QUERIES_KEPT	100
#define HNR_QUERIES_LEAST	20

/*
 * A query in shared memory, or taken from there.  One that is larger than value has room for
 * (8,000 dimensions fit) is not kept.
 */
#define HNR_QUERY_BYTES		(32 * 1024)

typedef struct HnrQuery
{
	Oid			database;
	Oid			index;
	Oid			type;			/* of the value */
	int			dims;			/* of the index's column */
	TimestampTz at;
	char		value[HNR_QUERY_BYTES] pg_attribute_aligned(MAXIMUM_ALIGNOF);	/* a varlena */
} HnrQuery;

/* From _PG_init, while shared_preload_libraries are loaded; only then is anything kept. */
extern void hnr_queries_init(void);

/* The places, with the rest of what monitor/ shares (shared.c), under AddinShmemInitLock. */
extern Size hnr_queries_memory(void);
extern void hnr_queries_create(void);

/* Whether queries of a database wait in shared memory. */
extern bool hnr_queries_wait(Oid database);

/*
 * For each query in shared memory of this database: calls back with a copy.  With take,
 * it is gone from there then.
 */
extern void hnr_queries_each(bool take, void (*seen) (const HnrQuery *query, void *arg), void *arg);

/* Forgets those of an index in shared memory; how many they were. */
extern int	hnr_queries_forget(Oid index);

/* querytable.c */

/*
 * Takes what waits in shared memory to the table, in the caller's transaction, and deletes
 * there what is old or of indexes that are gone.
 */
extern void hnr_queries_store(void);

/*
 * The queries that are kept of an index, at most so many, in the current memory context; 0
 * where they are fewer than HNR_QUERIES_LEAST.
 */
extern int	hnr_queries_read(Relation index, int dims, int most, const Datum **queries);

#endif							/* HNR_QUERIES_H */
