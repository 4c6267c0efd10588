/*-------------------------------------------------------------------------
 *
 * wal.h
 *		Changing pages: one change is one WAL record over up to four pages.
 *
 * A change is collected beside the pages and made to them when it ends, so an error
 * in between leaves them as they were.  During a build nothing is logged page by
 * page (the build logs the whole relation at its end) and the change is made to the
 * pages themselves at once.
 *
 *		hnr_change_begin(&change, index, building)
 *		page = hnr_change_page(&change, buf, how)		... edit page ...
 *		hnr_change_put(&change, buf, at, data, size)	or put a few bytes
 *		hnr_change_end(&change)
 *
 * The caller holds the exclusive content locks from the first to the last call.
 * What is above a page's pd_lower is zero; a change that puts something there moves
 * it up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_WAL_H
#define HNR_WAL_H

#include "access/generic_xlog.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

typedef enum HnrChangeKind
{
	HNR_CHANGE_DELTA,			/* log what differs */
	HNR_CHANGE_WHOLE			/* the page is made anew: log all of it */
} HnrChangeKind;

typedef struct HnrChangedPage
{
	Buffer		buf;
	HnrChangeKind kind;
	bool		copied;			/* hnr_change_page gave a copy away */
	int			lower;			/* pd_lower that what was put needs */
	int			delta_size;		/* of what was put */
} HnrChangedPage;

typedef struct HnrChange
{
	Relation	index;
	bool		building;
	int			npages;
	HnrChangedPage pages[MAX_GENERIC_XLOG_PAGES];
} HnrChange;

/* There is one change at a time. */
extern void hnr_change_begin(HnrChange *change, Relation index, bool building);

/*
 * The page of a buffer, for the caller to edit up to the end of the change; one made
 * anew has to be initialised.
 */
extern Page hnr_change_page(HnrChange *change, Buffer buf, HnrChangeKind kind);

/*
 * Puts size bytes at an address in a buffer's page; no byte twice in a change.
 * Cheaper than a look at the whole page, and logs only what differs.
 */
extern void hnr_change_put(HnrChange *change, Buffer buf, const void *at,
						   const void *data, int size);

extern void hnr_change_end(HnrChange *change);

#endif							/* HNR_WAL_H */
