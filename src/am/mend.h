/*-------------------------------------------------------------------------
 *
 * mend.h
 *		Better links in a graph in memory that was taken over from an old index.
 *
 * For a weave made by hnr_weave_create_mending, whose w->lists say which are to be
 * chosen anew.  By whoever makes the graph (weaving.h).  Column types that are dense only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_MEND_H
#define HNR_MEND_H

#include "am/weaving.h"

/*
 * Gives links of the ground their distances, and puts them in order.  Returns a node whose
 * vector is none; HNR_MEM_NONE: all can be right.
 */
extern uint32 hnr_mend_measure(HnrWeave *w, double share);

/* Links of all levels, and the entry point. */
extern void hnr_mend_links(HnrWeave *w, double share);

#endif							/* HNR_MEND_H */
