/*-------------------------------------------------------------------------
 *
 * link.h
 *		Links from a vertex on disk to another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_LINK_H
#define HNR_LINK_H

#include "am/index.h"

/* A vertex as the one end of a link. */
typedef struct HnrEnd
{
	ItemPointerData tid;
	const float *vec;
	const float *rotated;		/* NULL with plain slots */
} HnrEnd;

typedef enum HnrLinkResult
{
	HNR_LINK_MADE,
	HNR_LINK_DECLINED,			/* the list is full of better ones */
	HNR_LINK_GONE				/* `from` is no longer live, or another vector */
} HnrLinkResult;

/*
 * Makes `to` a neighbour of `from` at a level, pruning a full list.  With force the
 * link is made in any case, in the place of the least useful neighbour.
 */
extern HnrLinkResult hnr_link_add(HnrIndex *index, int level, const HnrEnd *from,
								  const HnrEnd *to, bool force);

/* Takes `to` out of the neighbours of `from`, if both are there. */
extern void hnr_link_remove(HnrIndex *index, int level, ItemPointer from, ItemPointer to);

#endif							/* HNR_LINK_H */
