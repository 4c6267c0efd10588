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
#include "am/ways.h"

typedef enum HnrLinkResult
{
	HNR_LINK_MADE,
	HNR_LINK_DECLINED,			/* the list is full of others that it would rather keep */
	HNR_LINK_GONE				/* `from` is no longer live, or another vector */
} HnrLinkResult;

/* A link that is encoded already, from a vertex as it was when it was read. */
typedef struct HnrNewLink
{
	ItemPointerData from;
	uint32		generation;		/* of `from` */
	const float *vec;			/* of `from`; plain slots only */
	HnrSlot    *slot;			/* names the vertex to link to */
	bool		mutual;			/* which leads to `from` itself */
	HnrLinkResult result;
	ItemPointerData evicted;	/* made in the place of a link to this vertex, which the
								 * new one does not lead to; else invalid */
} HnrNewLink;

/* What is known of paths from the entry point while a vertex that none leads to is linked (reach.c). */
typedef struct HnrPaths
{
	bool		(*leads) (HnrNodeId id, void *state);	/* one leads to a vertex */
	/* and it does not go by the link from another, which can be given up */
	bool		(*spare) (HnrNodeId from, HnrNodeId to, void *state);
	void	   *state;
} HnrPaths;

/* The vertex that links lead to. */
typedef struct HnrLinkTarget
{
	const float *vec;			/* plain slots only */
	const HnrNewLink *neighbors;	/* vertices that it may lead to itself, as .from */
	int			nneighbors;
	HnrWays    *ways;			/* of the search for it, to tell what is found without
								 * a link; NULL: no need to ask */
	bool		gentle;			/* make no link in the place of what may be found by
								 * no other */
	bool		force;			/* make a link in any case, in the place of the
								 * least useful neighbour */
	const HnrPaths *paths;		/* make none in the place of one that is not to spare;
								 * NULL: nothing is known */
} HnrLinkTarget;

/*
 * Makes n such links, from different vertices to one; fills in the results and
 * returns how many were made.
 */
extern int	hnr_link_add_all(HnrIndex *index, int level, HnrNewLink *links, int n,
							 const HnrLinkTarget *to);

/* Whether a link that was seen from a ground vertex to `to` is there, and that vertex live. */
extern bool hnr_link_stands(HnrIndex *index, const HnrWay *way, const ItemPointerData *to);

/* Whether the vertex that a link would be from is still live and the same. */
extern bool hnr_link_end_stands(HnrIndex *index, int level, const HnrNewLink *link);

/* Takes `to` out of the neighbours of `from`, if both are there. */
extern void hnr_link_remove(HnrIndex *index, int level, ItemPointer from, ItemPointer to);

#endif							/* HNR_LINK_H */
