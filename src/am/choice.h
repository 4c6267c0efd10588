/*-------------------------------------------------------------------------
 *
 * choice.h
 *		The new list of a vertex, of what it has and what it may get.
 *
 * Internal to relist.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_CHOICE_H
#define HNR_CHOICE_H

#include "am/graph.h"
#include "am/index.h"

/* A vertex that is in the list, or may get there. */
typedef struct HnrChoice
{
	HnrNodeId	id;
	uint32		generation;
	float		distance;
	const float *vec;
	const HnrSlot *slot;		/* which it has in the list; NULL: it is not there */
	bool		far;			/* is to be there in any case */
	bool		taken;
} HnrChoice;

typedef struct HnrChoices
{
	int			n;
	HnrChoice  *choice;			/* nearest first */
	int			nchosen;
	HnrChoice **chosen;			/* the new list */
} HnrChoices;

/*
 * Fills in the new list, in the current memory context: what a new vertex would choose
 * joined with what is there, the best of it.  What is far off stays in any case.
 */
extern void hnr_choose_list(const HnrIndex *index, HnrChoices *choices);

#endif							/* HNR_CHOICE_H */
