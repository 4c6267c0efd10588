/*-------------------------------------------------------------------------
 *
 * place.h
 *		Places for new vertices and TID chunks, and their reuse.
 *
 * Free places are told by their own state on the page; the free space map only
 * guides to pages that have one.  A page's entry there is a class, not bytes: what
 * kind of place it offers.  The place of a removed vertex is free once every
 * transaction that could have found a link to it is over (see README, "Vacuum").
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PLACE_H
#define HNR_PLACE_H

#include "am/index.h"
#include "storage/bufmgr.h"

typedef struct HnrPlace
{
	Buffer		buf;			/* exclusively locked */
	OffsetNumber pos;
	bool		fresh;			/* the page is new: the caller makes it */
	/* Fresh places of several parts: the buffers of parts 1 .., locked likewise. */
	Buffer		later[HNR_MAX_PARTS];
} HnrPlace;

/* A free place for the first part of a vertex of the shape. */
extern void hnr_place_vertex(HnrIndex *index, const HnrShape *shape, HnrPlace *place);

/* A free chunk of heap TIDs. */
extern void hnr_place_chunk(HnrIndex *index, HnrPlace *place);

/* A free piece (tail.h). */
extern void hnr_place_piece(HnrIndex *index, HnrPlace *place);

/* To be called when the relation's pages are all gone: forgets those used last. */
extern void hnr_place_forget(Relation rel);

/* Tells the free space map of a free place on a page (kind 0: the page is new). */
extern void hnr_place_record(HnrIndex *index, BlockNumber block, int kind);

/* The same of a page that is new, for others to fill up at once. */
extern void hnr_place_offer(HnrIndex *index, BlockNumber block, int kind);

/* Has the map name the page no more. */
extern void hnr_place_withhold(HnrIndex *index, BlockNumber block);

/* The kind of place that the map names on a page; 0: any, -1: none. */
extern int	hnr_place_recorded(HnrIndex *index, BlockNumber block);

/* What kind of place a page has to give now; 0: any, for it is new, -1: none. */
extern int	hnr_place_on_page(HnrIndex *index, Page page);

/*
 * For vacuum, which has been over all pages or has had nothing to do: makes the map good
 * if it leaves out many free places, as it may after a crash, for it is not logged.
 */
extern void hnr_place_mend_map(HnrIndex *index, BufferAccessStrategy strategy);

/*
 * For vacuum: a page with part `part` of a vertex.  If that vertex does not exist, as
 * after a crash amid its insertion, the page is made one of free TID chunks.
 */
extern void hnr_place_reclaim_part(HnrIndex *index, BlockNumber block, int part);

/* Whether vacuum removed the vertex so long ago that its place can be used again. */
extern bool hnr_place_reusable(HnrIndex *index, const HnrVertex *vertex);

#endif							/* HNR_PLACE_H */
