/*-------------------------------------------------------------------------
 *
 * wal.h
 *		Changing pages: one change is one WAL record over up to four pages.
 *
 * A change works on copies that become the pages when the change ends (generic
 * WAL), so an error in between leaves them as they were.  During a build nothing
 * is logged page by page (the build logs the whole relation at its end) and the
 * change works on the pages themselves.
 *
 *		hnr_change_begin(&change, index, building)
 *		page = hnr_change_page(&change, buf, how)	... edit page ...
 *		hnr_change_end(&change)
 *
 * The caller holds the exclusive content locks from the first to the last call.
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

typedef struct HnrChange
{
	GenericXLogState *xlog;		/* NULL in a build */
	Buffer		bufs[MAX_GENERIC_XLOG_PAGES];
	int			nbufs;
} HnrChange;

extern void hnr_change_begin(HnrChange *change, Relation index, bool building);
extern Page hnr_change_page(HnrChange *change, Buffer buf, HnrChangeKind kind);
extern void hnr_change_end(HnrChange *change);

#endif							/* HNR_WAL_H */
