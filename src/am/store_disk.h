/*-------------------------------------------------------------------------
 *
 * store_disk.h
 *		The graph on pages, as a store.
 *
 * A visit holds one pin and one share lock at a time.  A vertex that vacuum has
 * removed, or that stands on another level than asked for, is not present; one
 * whose place was used again for another vector is simply that other vertex, for
 * a visit measures the vector it finds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_STORE_DISK_H
#define HNR_STORE_DISK_H

#include "access/xlogdefs.h"
#include "am/graph.h"
#include "am/index.h"
#include "am/node.h"
#include "am/ways.h"

typedef struct HnrDiskStore HnrDiskStore;

/* What was copied of a visited vertex; its ref indexes these. */
typedef struct HnrVisited
{
	ItemPointerData tid;
	ItemPointerData link;
	uint32		generation;
	int			ntids;
	ItemPointerData tids[HNR_INLINE_TIDS];
	float		error;			/* see HnrVertex */
	XLogRecPtr	lsn;			/* of the page it begins on */
	const float *vec;			/* NULL unless the store keeps vectors */
	bool		pending;		/* no vertex, but a row of the pending list */
} HnrVisited;

/*
 * In the current memory context, which the vectors kept are allocated in too.
 * keep_vectors: for insertion, which needs them to choose neighbours.
 */
extern HnrStore *hnr_disk_store_create(HnrIndex *index, bool keep_vectors);

/* Sets the query: dims floats, not rounded, which must outlive its searches. */
extern void hnr_disk_store_set_query(HnrStore *store, const float *query);

/* Whether to pass through vertices that have dead rows only, as through deleted ones. */
extern void hnr_disk_store_skip_dead(HnrStore *store, bool skip);

/*
 * Searches as if the vertex of this heap TID, if it has no other, were not there; the
 * query, set before, is its own vector.  An invalid TID: none.
 */
extern void hnr_disk_store_leave_out(HnrStore *store, ItemPointer heap_tid);

/* The query rotated (NULL with plain slots). */
extern const float *hnr_disk_store_rotated_query(HnrStore *store);

/*
 * The vector of a vertex that is present at the level; NULL if none is.  Valid until
 * the next call for this store.
 */
extern const float *hnr_disk_store_vector(HnrStore *store, HnrNodeId node, int level);

/* A visited vertex of the present search. */
extern const HnrVisited *hnr_disk_store_visited(HnrStore *store, uint32 ref);

/* The query as it was set, and as codes are compared with it (NULL with plain slots). */
extern const float *hnr_disk_store_query(HnrStore *store);
extern HnrCodeQuery *hnr_disk_store_code_query(HnrStore *store);

/* Adds what was found elsewhere to the visited of the present search; returns its ref. */
extern uint32 hnr_disk_store_add(HnrStore *store, const HnrVisited *visited);

/* By what ways the present search came to vertices; only where vectors are kept. */
extern HnrWays *hnr_disk_store_ways(HnrStore *store);

#endif							/* HNR_STORE_DISK_H */
