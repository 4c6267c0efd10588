/*-------------------------------------------------------------------------
 *
 * pending_finer.h
 *		Finer codes of pending rows that a backend remembers.
 *
 * Where distances are much alike, the code of a slot leaves many rows open, and to measure one takes
 * its vector's page and the whole vector.  A scan that has measured a row makes a code of
 * more bits of it, in the same way; the next one looks at that first.  Few are made in a scan:
 * a row that is near many queries soon has one, and one that is near none never needs it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PENDING_FINER_H
#define HNR_PENDING_FINER_H

#include "am/pending_listed.h"

/* What a scan needs for them; NULL: the codes of slots are as fine.  In the current memory context. */
extern HnrPendingFiner *hnr_pending_finer_begin(HnrPendingSearch *search);

/* Has the code of a known row, if there is one, fetched into the processor's cache. */
extern void hnr_pending_finer_fetch(HnrPendingFiner *finer, const HnrPendingListed *listed);

/* Rows that are estimated at once, at most. */
#define HNR_PENDING_FINER_ROWS	8

/* Raises the least that the distances of n known rows can be, where they have codes. */
extern void hnr_pending_finer_raise(HnrPendingFiner *finer, HnrPendingListed **listed, int n);

/* Makes one of a known row, whose vector this is, unless it has one. */
extern void hnr_pending_finer_make(HnrPendingFiner *finer, const HnrPendingListed *listed, const float *vec);

#endif							/* HNR_PENDING_FINER_H */
