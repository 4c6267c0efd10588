/*-------------------------------------------------------------------------
 *
 * joined.h
 *		Lists of those whom a member of the ground chose and who chose it, with marks
 *		(HNR_LINK_KEPT), in any order and some of them twice.  What becomes of a list does not
 *		depend on the order of those who chose the member.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_JOINED_H
#define HNR_JOINED_H

#include "am/weaving.h"

/* Leaves one of each, marked if any was; returns how many. */
extern Size hnr_joined_unique(HnrMemEdge *all, Size n);

/* Sorts them, nearest first, as hnr_weave_sort does. */
extern void hnr_joined_sort(HnrMemEdge *all, Size n, uint32 member);

#endif							/* HNR_JOINED_H */
