/*-------------------------------------------------------------------------
 *
 * tail.h
 *		Vectors that vary in length, and what of them a vertex has no room for.
 *
 * Vertices are all of one size, vectors of type sparsevec are not.  A vertex has room for
 * so many words as the metapage says, chosen by a build from the vectors that it sees
 * (room.h); what a vector has beyond, its tail, stands in pieces on pages of their own, a
 * list from the vertex.
 *
 * Lock order: a vertex's page before that of a piece.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TAIL_H
#define HNR_TAIL_H

#include "am/index.h"

/* Pieces that the tail of a vector of so many words takes. */
static inline int
hnr_tail_pieces(int room, int words)
{
	return words <= room ? 0 : (words - room + HNR_PIECE_WORDS - 1) / HNR_PIECE_WORDS;
}

/* Writes what a vertex holds of a vector that varies; its tail begins at that piece, if it has any. */
extern void hnr_tail_put_head(const HnrLayout *layout, const float *vec,
							  const ItemPointerData *tail, char *stored);

/*
 * Reads a vector, of which `stored` is what the vertex at tid holds, to vec.  False if it
 * is no vector, or its tail another's by now.  The caller may hold a lock on the vertex.
 */
extern bool hnr_tail_read_vector(HnrIndex *index, const ItemPointerData *tid, uint32 generation,
								 const char *stored, float *vec);

/*
 * The same in steps: takes what is stored to vec and returns how many pieces follow, from
 * *tail on, or -1 if it is no vector; tells whether a piece is that one; takes it to vec.
 */
extern int	hnr_tail_begin_vector(const HnrLayout *layout, const char *stored, float *vec,
								  ItemPointer tail);
extern bool hnr_piece_is(const HnrPiece *piece, const ItemPointerData *owner, uint32 generation,
						 int number);
extern void hnr_piece_take(const HnrLayout *layout, const HnrPiece *piece, float *vec);

/*
 * Writes the tail of a vector that is to stand at tid, whose page the caller has locked
 * exclusively; sets *tail to its first piece, or invalid.
 */
extern void hnr_tail_store(HnrIndex *index, const ItemPointerData *tid, uint32 generation,
						   const float *vec, ItemPointer tail);

/* Makes a piece: its number, owner, generation and next are set. */
extern void hnr_piece_fill(const HnrLayout *layout, const float *vec, HnrPiece *piece);

/* What a vacuum knows of tails in use while it goes through the pages. */
typedef struct HnrTailsInUse HnrTailsInUse;

extern HnrTailsInUse *hnr_tails_in_use(HnrIndex *index);
extern void hnr_tails_in_use_free(HnrTailsInUse *tails);

/*
 * With a copy of a page of pieces: frees those that no vertex leads to, as a removed
 * vertex leaves them, or a crash amid an insertion.  Does not wait for whoever changes a
 * vertex.
 */
extern void hnr_tail_reclaim(HnrTailsInUse *tails, BlockNumber block, Page page);

#endif							/* HNR_TAIL_H */
