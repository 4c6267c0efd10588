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

typedef enum HnrLinkResult
{
	HNR_LINK_MADE,
	HNR_LINK_DECLINED,			/* the list is full of better ones */
	HNR_LINK_GONE				/* `from` is no longer live, or another vector */
} HnrLinkResult;

/* A link that is encoded already, from a vertex as it was when it was read. */
typedef struct HnrNewLink
{
	ItemPointerData from;
	uint32		generation;		/* of `from` */
	const float *vec;			/* of `from`; plain slots only */
	HnrSlot    *slot;			/* names the vertex to link to */
	HnrLinkResult result;
} HnrNewLink;

/* The vertex that links lead to. */
typedef struct HnrLinkTarget
{
	const float *vec;			/* plain slots only */
	const HnrNewLink *neighbors;	/* vertices that it leads to itself, as .from */
	int			nneighbors;
	bool		force;			/* make a link in any case, in the place of the
								 * least useful neighbour */
} HnrLinkTarget;

/*
 * Makes n such links, from different vertices to one; fills in the results and
 * returns how many were made.
 */
extern int	hnr_link_add_all(HnrIndex *index, int level, HnrNewLink *links, int n,
							 const HnrLinkTarget *to);

/* Whether the vertex that a link would be from is still live and the same. */
extern bool hnr_link_end_stands(HnrIndex *index, int level, const HnrNewLink *link);

/* Takes `to` out of the neighbours of `from`, if both are there. */
extern void hnr_link_remove(HnrIndex *index, int level, ItemPointer from, ItemPointer to);

#endif							/* HNR_LINK_H */
