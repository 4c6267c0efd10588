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

/* Puts them in order, before the first is looked for. */
extern void hnr_oldtids_sort(HnrOldTids *tids);

/* NULL: it is not there.  Quickest in their order. */
extern const HnrOldTid *hnr_oldtids_find(HnrOldTids *tids, const ItemPointerData *tid);

#endif							/* HNR_OLDTIDS_H */
