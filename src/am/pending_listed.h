/*-------------------------------------------------------------------------
 *
 * pending_listed.h
 *		What the two halves of a search of the pending list share: pending_search.c lists
 *		rows, pending_measure.c measures them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PENDING_LISTED_H
#define HNR_PENDING_LISTED_H

#include "am/pending_cache.h"
#include "am/pending_search.h"

/* A row as it was listed. */
typedef struct HnrPendingListed
{
	float		least;			/* that its distance can be */
	uint32		page;			/* by number */
	ItemPointerData tid;
	uint16		entry;			/* with HNR_PENDING_MEASURED, when it was */
	const HnrPendingEntry *known;	/* as it is remembered; NULL: it is not */
} HnrPendingListed;

#define HNR_PENDING_MEASURED		0x8000

typedef struct HnrPendingListedPage
{
	BlockNumber block;
	uint64		serial;
} HnrPendingListedPage;

struct HnrPendingSearch
{
	HnrIndex   *index;
	HnrStore   *store;
	const float *query;
	double		query2;			/* its squared length */
	double		query_length;	/* if rows were rounded */
	ItemPointerData left_out;
	float	   *center;			/* of the page being looked at */
	float	   *dots;
	float	   *vec;
	uint8	   *codes;			/* of a block, scratch */
	uint32	   *rows;			/* of the blocks of a part, a bit for each; scratch */
	HnrBlockQuery *heads;		/* NULL: not prepared yet */
	float		bound;			/* how near known rows must be to be listed */
	float		last_bound;		/* those as near as that are; NaN: none yet */
	float		error;			/* the greatest of all rows' */
	HnrPendingKnown *known;		/* NULL: nothing is remembered; its pages come first */
	HnrPendingListed *listed;			/* of the known, those that may be near enough */
	int64		nlisted;
	int64		maxlisted;
	HnrPendingListedPage *pages;
	int64		npages;
	int64		maxpages;
	HnrPendingEntry *entries;	/* of a page, copied */
	float	   *nearest;		/* distances of what was found in the graph, nearest first */
	int			nnearest;
	float	   *measured;		/* of pending rows */
	int64		nmeasured;
	int64		maxmeasured;
	HnrCandidate *found;
	int			nfound;
};

/* Lists all known rows that may be as near as bound. */
extern void hnr_pending_list(HnrPendingSearch *search, float bound);

/* Lists all other known rows. */
extern void hnr_pending_list_rest(HnrPendingSearch *search);

#endif							/* HNR_PENDING_LISTED_H */
