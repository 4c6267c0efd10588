/*-------------------------------------------------------------------------
 *
 * mend.h
 *		Better links in a graph in memory that was taken over from an old index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_MEND_H
#define HNR_MEND_H

#include "am/inherit.h"

/* Bytes that it needs, for so many nodes; candidates (weave.h) stay in the graph's arena. */
extern Size hnr_mend_memory(const HnrIndex *index, uint32 nodes);

/* Links of the ground; the levels above are there.  Column types that are dense only. */
extern void hnr_mend_links(HnrMemGraph *graph, HnrInherit *inherit);

#endif							/* HNR_MEND_H */
