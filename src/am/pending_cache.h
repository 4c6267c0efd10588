/*-------------------------------------------------------------------------
 *
 * pending_cache.h
 *		What a backend remembers of long pending lists: the rows and their codes.
 *
 * An entry of the list does not change but for marks, and where one backend has read it,
 * the next scan need not.  What is remembered lies in the order in which it is gone through:
 * the heads of the codes in blocks (quant.h), with what makes the least of a row's distance of
 * them; the tails of the codes, with what makes it of the whole code, mostly in one line of a
 * processor's cache for a row; and the entries, without their slots.  Marks are not remembered:
 * a scan looks for them on the pages at the head, and before it returns a row.
 *
 * Rows are remembered from the second look at a list of some pages on, and as many as work_mem
 * has room for; a few indexes at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PENDING_CACHE_H
#define HNR_PENDING_CACHE_H

#include "am/pending.h"

/* Pages of a part. */
#define HNR_PENDING_PART_PAGES	HNR_PENDING_CENTER_RUN

/* Bytes of a line of a processor's cache. */
#define HNR_CACHE_LINE	64

/* Rows of consecutive pages with one centre.  None is changed, but more may come, and finer codes. */
typedef struct HnrPendingPart
{
	int			refs;			/* the cache's and those of scans */
	bool		kept;			/* by the cache */
	Size		size;
	int			npages;
	int			nrows;
	int			maxrows;
	int			head_size;		/* bytes of codes: their heads, and what is behind them */
	int			code_tail;
	struct
	{
		BlockNumber block;
		uint64		serial;
		int			first_row;
		int			seen;		/* entries, listed or not */
	}			pages[HNR_PENDING_PART_PAGES];
	float		spread;			/* of heads: the greatest deviation of a row's product */
	float		error;			/* the greatest of the rows' */
	float	   *center;
	float		center2;		/* its squared length */
	float	   *rotated;		/* the centre */
	struct
	{
		uint16		page;		/* of the part's */
		uint16		entry;
	}		   *places;			/* of rows */
	HnrPendingEntry *entries;	/* of rows, as they were */
	int			tail_size;
	char	   *tails;			/* of rows: of their codes, and HnrPendingTerms */
	char	   *blocks;			/* of heads: terms and codes */
	char	   *finer;			/* see pending_finer.h; NULL: there is none, and it may go any time */
	Size		finer_size;
} HnrPendingPart;

/* What makes the least of a row's distance of its whole code: see HnrSlot, HnrPendingEntry. */
typedef struct HnrPendingTerms
{
	float		constant;
	float		factor;
	float		spread;
} HnrPendingTerms;

static inline uint8 *
hnr_pending_tail(const HnrPendingPart *part, int row)
{
	return (uint8 *) part->tails + (Size) row * part->tail_size;
}

static inline HnrPendingTerms *
hnr_pending_tail_terms(const HnrPendingPart *part, int row)
{
	return (HnrPendingTerms *) (hnr_pending_tail(part, row) + INTALIGN(part->code_tail));
}

/* Bytes of a block with its terms: they come first. */
static inline Size
hnr_pending_block_size(int head_size)
{
	return HNR_BLOCK * (2 * sizeof(float) + head_size);
}

static inline float *
hnr_pending_block_terms(const HnrPendingPart *part, int block)
{
	return (float *) (part->blocks + block * hnr_pending_block_size(part->head_size));
}

static inline uint8 *
hnr_pending_block_codes(const HnrPendingPart *part, int block)
{
	return (uint8 *) (hnr_pending_block_terms(part, block) + 2 * HNR_BLOCK);
}

/*
 * The rows of a list as one scan knows them, until the memory context is reset.  Several runs of
 * rows may be of one part: the last of them has its pages, the others have none.
 */
typedef struct HnrPendingKnown
{
	int			nparts;
	struct
	{
		HnrPendingPart *part;
		int			npages;
		int			first;		/* row */
		int			end;
	}			parts[FLEXIBLE_ARRAY_MEMBER];
} HnrPendingKnown;

/*
 * What is remembered of the list that the walk, just begun, would go through; the walk goes on
 * behind it.  NULL: nothing.  Reads what is new.
 */
extern HnrPendingKnown *hnr_pending_cache_look(HnrPendingWalk *walk);

/*
 * Has the part hold so many bytes for each row, zero at first, for finer codes of them; false if there
 * is no room.
 */
extern bool hnr_pending_cache_hold_finer(HnrPendingPart *part, int size);

/* The relation begins anew. */
extern void hnr_pending_cache_forget(Relation index);

#endif							/* HNR_PENDING_CACHE_H */
