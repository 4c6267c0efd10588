/*-------------------------------------------------------------------------
 *
 * inserting.h
 *		An insertion under way, and the links that it makes.
 *
 * Internal to insert.c, which has the steps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_INSERTING_H
#define HNR_INSERTING_H

#include "am/link.h"
#include "am/search.h"
#include "am/store_disk.h"
#include "am/stored.h"

/* Links of the new vertex at one level, and those back to it. */
typedef struct HnrLevelLinks
{
	int			n;
	char	   *slots;			/* of the new vertex */
	HnrNewLink *back;
} HnrLevelLinks;

typedef struct HnrInserting
{
	HnrIndex   *index;
	const float *vec;
	const float *rotated;
	float	   *other;			/* scratch: another vector rotated */
	const HnrRow *row;			/* NULL: a vertex that is there is linked anew */
	int			level;			/* of the new vertex */
	HnrStore   *store;
	HnrSearch  *search;
	HnrEntry	entry;			/* of the graph, when the search began */
	int			tries;
	HnrLevelLinks	links[HNR_MAX_LEVEL + 1];
	ItemPointerData tids[HNR_MAX_LEVEL + 1];	/* of the new vertex, by level */
	uint32		generation;		/* of the vertex at the ground */
	const HnrPaths *paths;		/* when a vertex is linked anew */
	ItemPointerData from;		/* at the ground: one of those with a link back */
} HnrInserting;

/* Begins the insertion of a vector, or that of new links for its vertex. */
extern void hnr_inserting_begin(HnrInserting *ins, HnrIndex *index, const float *vec);

/* Counts an attempt; an error when there were too many. */
extern void hnr_inserting_count_try(HnrInserting *ins);

/* Chooses neighbours at a level among the n found and encodes the links. */
extern void hnr_inserting_choose(HnrInserting *ins, int level, const HnrCandidate *found, int n);

/*
 * Where the entry point is live, yet no live vertex was found, what is left of the
 * graph is in pieces: chooses the entry point's own ground vertex as only neighbour.
 * False if it is gone.
 */
extern bool hnr_inserting_choose_entry(HnrInserting *ins);

/* Looks at the neighbours of a vertex just stored; takes out those that are gone. */
extern void hnr_inserting_drop_gone(HnrInserting *ins, int level);

/* Makes the links of a level back to the vertex; whether any was made. */
extern bool hnr_inserting_link_back(HnrInserting *ins, int level);

/* Makes the links from a ground vertex that is on disk already. */
extern void hnr_inserting_link_forward(HnrInserting *ins);

#endif							/* HNR_INSERTING_H */
