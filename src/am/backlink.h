/*-------------------------------------------------------------------------
 *
 * backlink.h
 *		Links that vacuum is going to add, by the page they belong on.
 *
 * A vertex that is given a new neighbour is to become one of that in turn.  The
 * links back wait here until the pass comes to their page, or for the sweep at its
 * end, so that each page is changed once and not for every link.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_BACKLINK_H
#define HNR_BACKLINK_H

#include "am/graph.h"
#include "am/page.h"
#include "storage/block.h"

typedef struct HnrBacklinks HnrBacklinks;

/* For blocks 0 .. blocks - 1, using at most about `memory` bytes for the links. */
extern HnrBacklinks *hnr_backlinks_create(BlockNumber blocks, Size slot_size, Size memory);
extern void hnr_backlinks_free(HnrBacklinks *links);

/* A link from a vertex, as the slot to put there.  One too many is forgotten. */
extern void hnr_backlinks_add(HnrBacklinks *links, HnrNodeId from, const HnrSlot *slot);

/* Whether any wait for a block. */
extern bool hnr_backlinks_any(const HnrBacklinks *links, BlockNumber block);

/* Whether there is little room left: time for a sweep. */
extern bool hnr_backlinks_full(const HnrBacklinks *links);

/*
 * Takes one link of a block; false if there is none (left).  The slot is valid until
 * the next call of hnr_backlinks_add().
 */
extern bool hnr_backlinks_take(HnrBacklinks *links, BlockNumber block,
							   HnrNodeId *from, const HnrSlot **slot);

#endif							/* HNR_BACKLINK_H */
