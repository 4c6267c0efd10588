/*-------------------------------------------------------------------------
 *
 * tail.h
 *		Vectors that vary in length, and what of them a vertex has no room for.
 *
 * Vertices are all of one size, vectors of type sparsevec are not.  A vertex has room for
 * so many words as the metapage says, chosen by a build from the vectors that it sees
 * (room.h); what a vector has beyond, its tail, stands on pages of its own, a chain from
 * the vertex.
 *
 * Lock order: a vertex's page before its tail's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TAIL_H
#define HNR_TAIL_H

#include "am/index.h"

/* Pages that the tail of a vector of so many words takes. */
static inline int
hnr_tail_pages(const HnrLayout *layout, int words)
{
	return words <= layout->room ? 0 :
		(words - layout->room + HNR_TAIL_WORDS - 1) / HNR_TAIL_WORDS;
}

/*
 * Writes what a vertex holds of a vector that varies: the number of its tail's first block,
 * or HNR_METAPAGE, and as many words as there is room for.
 */
extern void hnr_tail_put_head(const HnrLayout *layout, const float *vec, BlockNumber tail,
							  char *stored);

/*
 * Reads a vector, of which `stored` is what the vertex at tid holds, to vec.  False if it
 * is no vector, or its tail another's by now.  The caller may hold a lock on the vertex.
 */
extern bool hnr_tail_read_vector(HnrIndex *index, const ItemPointerData *tid, uint32 generation,
								 const char *stored, float *vec);

/*
 * The same in steps: takes what is stored to vec and returns how many pages follow, from
 * *tail on, or -1 if it is no vector; tells whether a page is that one; takes it to vec
 * and returns the next block.
 */
extern int	hnr_tail_begin_vector(const HnrLayout *layout, const char *stored, float *vec,
								  BlockNumber *tail);
extern bool hnr_tail_is_page(Page page, const ItemPointerData *tid, uint32 generation, int number);
extern BlockNumber hnr_tail_take_page(const HnrLayout *layout, Page page, int number, float *vec);

/*
 * Writes the tail of a vector that is to stand at tid, whose page the caller has locked
 * exclusively; returns its first block, or HNR_METAPAGE if there is none.
 */
extern BlockNumber hnr_tail_store(HnrIndex *index, const ItemPointerData *tid, uint32 generation,
								  const float *vec);

/* Makes the page of a vector's tail that has this head. */
extern void hnr_tail_fill_page(const HnrLayout *layout, const HnrTail *head, const float *vec,
							   Page page);

/*
 * With the head of a page that was read: frees it if no vertex leads to it, as a removed
 * vertex leaves it, or a crash amid an insertion.  Does nothing where it would have to
 * wait for whoever changes the vertex.
 */
extern void hnr_tail_reclaim(HnrIndex *index, BlockNumber block, const HnrTail *tail);

#endif							/* HNR_TAIL_H */
