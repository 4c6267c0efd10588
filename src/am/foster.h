/*-------------------------------------------------------------------------
 *
 * foster.h
 *		Links to a vertex that no neighbour has a place for.
 *
 * Where all vertices have the same few neighbours, the lists of these are soon full of
 * vertices that nothing else leads to: under the inner product that is so wherever some
 * are longer than others in nearly the same direction.  But those vertices have lists
 * of their own, with room or with links that nobody would miss.  So a walk goes from
 * the neighbours down such lists, by their codes towards the vertex to be linked, to
 * the first that takes the link gladly.  What hangs on the few is a tree of lists then,
 * as deep as the logarithm of their number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_FOSTER_H
#define HNR_FOSTER_H

#include "am/link.h"

typedef struct HnrFosterChild
{
	ItemPointerData tid;		/* a ground vertex */
	uint32		generation;		/* 0: it cannot go meanwhile */
	const float *vec;
	const float *rotated;
	const HnrNewLink *neighbors;	/* that it leads to, as .from */
	int			nneighbors;
	HnrWays    *ways;			/* see HnrLinkTarget */
	const HnrPaths *paths;		/* likewise; links are made from where one leads to */
	bool		force;			/* the first is taken that has a link to spare, however
								 * far it is: only with paths */
} HnrFosterChild;

/*
 * Makes a link to a vertex, beginning at its own neighbours, which have to be found
 * without it; *from then is where it is.  False if it came by nobody who takes it.
 */
extern bool hnr_foster(HnrIndex *index, const HnrFosterChild *child, ItemPointer from);

/*
 * The same for those that lost their place in lists (.evicted) by n links just made, to the vertex
 * `by`, which is linked as `to` says: where no list is known to lead there, or none does so any
 * more.  Nothing can be linked to a deleted one, but until vacuum removes it searches go through
 * it: then, under the inner product, for what it leads to.
 */
extern void hnr_foster_evicted(HnrIndex *index, const HnrLinkTarget *to, const HnrNewLink *links, int n,
							   const ItemPointerData *by);

#endif							/* HNR_FOSTER_H */
