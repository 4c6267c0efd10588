/*-------------------------------------------------------------------------
 *
 * ways.h
 *		By how many ways a search came to vertices.
 *
 * An insertion takes links away to make others, and nothing tells how many links lead to
 * a vertex.  But the search before it went through the lists all around.  What stands in
 * two of them is found without one of the links, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_WAYS_H
#define HNR_WAYS_H

#include "am/graph.h"

typedef struct HnrWays HnrWays;

/* In the current memory context. */
extern HnrWays *hnr_ways_create(void);

/* Another search begins. */
extern void hnr_ways_clear(HnrWays *ways);

/* The search comes to a live vertex; whether links from there count. */
extern bool hnr_ways_visit(HnrWays *ways, HnrNodeId id);

/* The links of that vertex, or some of them: n slots of slot_size bytes. */
extern void hnr_ways_note(HnrWays *ways, const char *slots, int slot_size, int n);

/* Whether a vertex is known to be found without any one of the links to it. */
extern bool hnr_ways_two(const HnrWays *ways, HnrNodeId id);

/* A link that the search saw. */
typedef struct HnrWay
{
	HnrNodeId	from;
	int			at;				/* its place in that list then */
} HnrWay;

/*
 * What leads to a vertex beside `from`: one visited that had a link there, and is not known to be
 * found by that vertex itself; false: none.
 */
extern bool hnr_ways_other(const HnrWays *ways, HnrNodeId from, HnrNodeId id, HnrWay *other);

/* Whether a vertex that the search visited has a link, of those noted, to another. */
extern bool hnr_ways_leads(const HnrWays *ways, HnrNodeId from, HnrNodeId to);

/* A link is there no more; it need not have been noted. */
extern void hnr_ways_lose(HnrWays *ways, HnrNodeId from, HnrNodeId id);

/* Only links from vertices of which `counts` is true shall count; NULL: all. */
extern void hnr_ways_restrict(HnrWays *ways, bool (*counts) (HnrNodeId id, void *state), void *state);

#endif							/* HNR_WAYS_H */
