/*-------------------------------------------------------------------------
 *
 * am.h
 *		What the modules above (rebuild, monitor) may know of the access method.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_AM_H
#define HNR_AM_H

#include "access/genam.h"
#include "utils/rel.h"

#define HNR_DEFAULT_M					16
#define HNR_MIN_M						2
#define HNR_MAX_M						100
#define HNR_DEFAULT_EF_CONSTRUCTION		64
#define HNR_MIN_EF_CONSTRUCTION			4
#define HNR_MAX_EF_CONSTRUCTION			1000
#define HNR_AUTO_REBUILD_OFF			(-1.0)
#define HNR_DEFAULT_MERGE_THRESHOLD		10000
#define HNR_MIN_MERGE_THRESHOLD			100
#define HNR_MAX_MERGE_THRESHOLD			1000000

/* Called from _PG_init: the reloption kind. */
extern void hnr_am_init(void);

/* Whether the relation is an index (not a partitioned one) of access method hnsw. */
extern bool hnr_is_hnsw_index(Relation rel);
/* Likewise for an AM OID, as found in pg_class.relam. */
extern bool hnr_is_hnsw_am(Oid amoid);

/*
 * From the catalogue row alone.  The relcache's functions evaluate what is constant
 * in an expression, and so run functions of the index's owner: not to be called
 * with more rights than his.
 */
extern bool hnr_index_has_expressions(Relation index);
extern bool hnr_index_has_predicate(Relation index);

/* The options as the catalogue has them; what the next build will use. */
extern int	hnr_option_m(Relation index);
extern int	hnr_option_ef_construction(Relation index);
extern bool hnr_option_deferred(Relation index);
extern int	hnr_option_merge_threshold(Relation index);
/* 0 .. 1, or HNR_AUTO_REBUILD_OFF */
extern double hnr_option_auto_rebuild_threshold(Relation index);
/* 0 .. 1: the share of the owner's own searches that are kept as samples */
extern double hnr_option_query_sample_rate(Relation index);

/* What the present graph was built with, and what it holds, from its metapage. */
typedef struct HnrIndexFigures
{
	uint32		format_version;
	int			dims;			/* of the column, or bits */
	int			m;
	int			ef_construction;
	int			code_bits;		/* per dimension; 0: neighbours carry no codes */
	int			slots;			/* neighbours a ground vertex can have */
	const char *stored_as;		/* "float", "half" or "byte": the vectors' coordinates;
								 * or "bit" or "sparse" */
	int			max_level;		/* -1: empty */
	BlockNumber pages;
} HnrIndexFigures;

extern void hnr_index_figures(Relation index, HnrIndexFigures *figures);

/* Likewise; false instead of an error where the metapage cannot be made sense of. */
extern bool hnr_index_try_figures(Relation index, HnrIndexFigures *figures);

/* Whether there is a file: on a standby unlogged relations, tables too, have none. */
extern bool hnr_has_contents(Relation rel);

/*
 * Where a build is, as its progress report's subphase has it (1 is the server's
 * "initializing").  In the first two, tuples done of tuples total are the share of
 * their common time that has gone, as far as one can tell; in the last one, blocks are
 * counted.
 */
typedef enum HnrBuildPhase
{
	HNR_BUILD_GRAPH = 2,
	HNR_BUILD_WRITE = 3,
	HNR_BUILD_LOG = 4
} HnrBuildPhase;

/* "building graph" and so on; NULL where it is none of these. */
extern const char *hnr_build_phase_name(int64 subphase);

/*
 * Builds of an index by this process begin with the graph of an old one on the same table
 * (README, "Build from an old graph"), or fail.
 */
typedef struct HnrBuildOffer
{
	Oid			index;
	Oid			old;
	/* The old one has been read, and its lock is given back. */
	void		(*let_go) (void *state);
	/*
	 * Looks whether the new one is good enough; an error if not.  It is complete but for
	 * the log, and has the rows that the active snapshot sees.
	 */
	void		(*check) (Relation table, Relation index, void *state);
	void	   *state;
} HnrBuildOffer;

/* From now on; NULL: no more. */
extern void hnr_build_offer(const HnrBuildOffer *offer);

/*
 * Bytes that a build of the index with m (0: the present one) would take, judging from
 * the size of the present graph, or by what so many rows take where that is less.
 */
extern double hnr_index_estimate_size(Relation index, int m, double rows);

/* How many pages of the index are in the buffer pool just now, about. */
extern BlockNumber hnr_index_buffered(Relation index);

/* The part of the index, 0 .. 1, that this is. */
extern double hnr_index_buffered_share(Relation index);

/* Fetches such a part of an index into the buffer pool, up to a quarter of the pool. */
extern void hnr_index_warm(Relation index, double share);

/* Rows that wait in the pending list (README, "Pending rows"). */
typedef struct HnrPendingStatus
{
	double		rows;
	int64		oldest;			/* when the first of them came, a TimestampTz; 0: none */
	double		merge_rate;		/* rows a second, of late; 0: not known */
	bool		merging;		/* some are being merged */
} HnrPendingStatus;

/* Waits for no lock but for those of pages. */
extern void hnr_pending_status(Relation index, HnrPendingStatus *status);

/*
 * Merges all pending rows, and returns how many; the caller has RowExclusiveLock on the index,
 * and waits for others who merge.
 */
extern int64 hnr_pending_flush(Relation index);

/*
 * Counts by one sequential pass with share locks: vertices of the ground level
 * (distinct vectors), heap TIDs in them, and vertices without any TID.
 */
typedef struct HnrIndexCounts
{
	int64		vertices;
	int64		heap_tids;
	int64		deleted;
} HnrIndexCounts;

extern void hnr_index_counts(Relation index, HnrIndexCounts *counts);

/*
 * Between index_rescan and the first fetch: this search is a measurement.  It searches as
 * if the row, if any, were not in the graph, neither to be returned nor to be passed through.
 * A row that is searched for by its own vector otherwise finds its neighbours written down
 * beside it, which no query of a user does.
 */
extern void hnr_scan_leave_out(IndexScanDesc scan, ItemPointer heap_tid);

/*
 * Where it is not NULL: told of every search of a user, with the dimensions of the index's
 * column and the value that is searched for.  In the middle of a query, which it must not
 * keep waiting.
 */
extern void (*hnr_query_observer) (Relation index, int dims, Datum query);

#endif							/* HNR_AM_H */
