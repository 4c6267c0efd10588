/*-------------------------------------------------------------------------
 *
 * rest.h
 *		What a search came to know of and did not visit: where it can go on.
 *
 * Most scans end with their first round, so until then the rest costs nothing but
 * memory: all that visits list is left where they listed it, and only the question
 * for the nearest sorts out what the pool has taken.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REST_H
#define HNR_REST_H

#include "am/graph.h"
#include "lib/pairingheap.h"

typedef struct HnrRest
{
	bool		ordered;		/* all of it is in the heap */
	int			nlisted;		/* before that */
	int			maxlisted;
	HnrCandidate *listed;
	int			nvisited;
	int			maxvisited;
	HnrNodeId  *visited;
	pairingheap heap;
	struct HnrRestBlock *blocks;	/* of the heap's nodes */
	struct HnrRestBlock *block; /* the one that nodes are taken from */
	int			nused;			/* of it */
} HnrRest;

/* In the current context, where it grows. */
extern HnrRest *hnr_rest_create(void);
extern void hnr_rest_clear(HnrRest *rest);

/* While not ordered: where the next n are to be listed (count them then in nlisted). */
extern HnrCandidate *hnr_rest_room(HnrRest *rest, int n);

/* While not ordered: what the search visits. */
extern void hnr_rest_visited(HnrRest *rest, HnrNodeId id);

/*
 * Orders what is listed; all that is in the search's pool must have been visited
 * (search.c takes out what was not).  From now on, what is not in the pool has to be
 * added.
 */
extern void hnr_rest_order(HnrRest *rest);
extern void hnr_rest_add(HnrRest *rest, HnrNodeId id, float distance);

/* Takes out the nearest, unless it is >= the limit; false: there is none. */
extern bool hnr_rest_take(HnrRest *rest, float limit, HnrCandidate *nearest);

#endif							/* HNR_REST_H */
