/*-------------------------------------------------------------------------
 *
 * oldtids.h
 *		The heap TIDs that an old index has, each with its vertex, to be looked for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_OLDTIDS_H
#define HNR_OLDTIDS_H

#include "storage/itemptr.h"

typedef struct HnrOldTid
{
	uint64		key;			/* of the heap TID: in their order */
	uint32		vertex;
	uint32		generation;		/* of its owner, as a chunk has it; 0: in the vertex itself */
} HnrOldTid;

typedef struct HnrOldTids
{
	HnrOldTid  *tid;
	uint64		n;
	uint64		max;
	uint64		next;			/* behind the one that was found last */
} HnrOldTids;

/* In the current memory context. */
extern void hnr_oldtids_init(HnrOldTids *tids);
extern void hnr_oldtids_add(HnrOldTids *tids, const ItemPointerData *tid, uint32 vertex,
							uint32 generation);

/*
 * Before the first is looked for: leaves out what chunks have that are no live vertex's, by
 * the vertices' generations, and puts them in order.  Returns a vertex that has a row that
 * another has; PG_UINT32_MAX: there is none.
 */
extern uint32 hnr_oldtids_order(HnrOldTids *tids, const uint32 *generations);

/* NULL: it is not there.  Quickest in their order. */
extern const HnrOldTid *hnr_oldtids_find(HnrOldTids *tids, const ItemPointerData *tid);

#endif							/* HNR_OLDTIDS_H */
