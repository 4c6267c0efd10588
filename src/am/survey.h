/*-------------------------------------------------------------------------
 *
 * survey.h
 *		What an index in use looks like: rows, damage, room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SURVEY_H
#define HNR_SURVEY_H

#include "utils/rel.h"

typedef struct HnrSurvey
{
	BlockNumber pages;
	double		pages_wasted;	/* how many fewer would do, if all were full */
	int64		vertices;		/* live ones of the ground level: distinct vectors */
	int64		entries;		/* heap TIDs, in the graph */
	int64		pending;		/* and not in it yet */
	int64		half_removed;	/* vertices without a row that a VACUUM cut short has left */
	int			degree_floor;	/* a vertex has this many neighbours, or more */
	int64		thin;			/* vertices with fewer */
	int64		orphans;		/* vertices that no other leads to on the ground level */
	int64		unreachable;	/* vertices that no path from the entry point leads to */
	int64		damaged;		/* vertices that are any of these */
	double		seconds;		/* that it took */
} HnrSurvey;

/*
 * Surveys an index, of which the caller has AccessShareLock or more.  In the order of the
 * pages, once, and of those pages again whose vertices turned out to be reached later; and
 * all once more if something is amiss, which might have changed places meanwhile: what is
 * counted as orphaned or unreachable was so both times.
 *
 * Share locks on one page at a time, no longer than copying it takes; nothing is written.
 * Can be interrupted; pauses as background work does.  every_page, where it is not NULL, is
 * called before each page with no lock held, and may raise errors.  Memory: a byte for each
 * place of a vertex.  A page that is not one of an hnsw index is an error
 * (ERRCODE_INDEX_CORRUPTED).
 */
extern void hnr_index_survey(Relation index, void (*every_page) (void *arg), void *arg,
							 HnrSurvey *survey);

#endif							/* HNR_SURVEY_H */
