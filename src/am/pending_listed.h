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

#include "am/idset.h"
#include "am/pending_cache.h"
#include "am/pending_search.h"

/* A row as it was listed. */
typedef struct HnrPendingListed
{
	float		least;			/* that its distance can be */
	uint32		page;			/* by number */
	ItemPointerData tid;		/* if it is not remembered */
	uint16		entry;			/* with HNR_PENDING_MEASURED, when it was */
	int			run;			/* of those known; -1: it is not remembered */
	int			row;			/* of the run's part */
} HnrPendingListed;

#define HNR_PENDING_MEASURED		0x8000

typedef struct HnrPendingListedPage
{
	BlockNumber block;
	uint64		serial;
} HnrPendingListedPage;

/* What estimates from a centre's slots are made of; see codec.h. */
typedef struct HnrFromCenter
{
	float		distance;		/* of the query from the centre */
	float		scale;			/* of the slots' constants */
	float		way;			/* what the error grows with */
} HnrFromCenter;

/* An error of more than so many deviations is not expected. */
#define HNR_PENDING_DEVIATIONS	3.5f

/* The least that the distance of a row can be, from what its slot has and the product of its code. */
static inline float
hnr_pending_least(const HnrFromCenter *from, float constant, float factor, float dot, float spread)
{
	return from->distance + from->scale * constant + factor * dot -
		HNR_PENDING_DEVIATIONS * spread * from->way;
}

/* A row of a part that the head of its code leaves open. */
typedef struct HnrPendingOpen
{
	int			row;
	float		product;		/* of the head */
} HnrPendingOpen;

typedef struct HnrPendingFiner HnrPendingFiner;

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
	uint8	   *codes;			/* tails of HNR_BLOCK rows, scratch */
	HnrPendingOpen *open;		/* rows of a run, scratch */
	HnrBlockQuery *heads;		/* NULL: not prepared yet */
	HnrCodeQuery *tails;		/* NULL: heads are whole codes */
	int			tail_stride;	/* of codes */
	HnrFromCenter *from;		/* of the known runs */
	HnrPendingFiner *finer;		/* NULL: there are none */
	HnrIdSet   *told;			/* rows that have been listed, while others are; NULL: none */
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

static inline HnrPendingPart *
hnr_pending_part_of(const HnrPendingSearch *search, const HnrPendingListed *listed)
{
	return search->known->parts[listed->run].part;
}

/* Lists all known rows that may be as near as bound. */
extern void hnr_pending_list(HnrPendingSearch *search, float bound);

/* Lists all other known rows. */
extern void hnr_pending_list_rest(HnrPendingSearch *search);

#endif							/* HNR_PENDING_LISTED_H */
