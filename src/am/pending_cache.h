/*-------------------------------------------------------------------------
 *
 * pending_cache.h
 *		What a backend remembers of long pending lists: the rows and their codes.
 *
 * An entry of the list does not change but for marks, and where one backend has read it,
 * the next scan need not.  What is remembered lies in the order in which it is gone through:
 * the heads of the codes in blocks (quant.h), with what makes the least of a row's distance of
 * them, and the entries themselves.  Marks are not remembered: a scan looks for them on the
 * pages at the head, and before it returns a row.
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

/* Rows of consecutive pages with one centre.  None is changed, but more may come. */
typedef struct HnrPendingPart
{
	int			refs;			/* the cache's and those of scans */
	Size		size;
	int			npages;
	int			nrows;
	int			maxrows;
	int			head_size;		/* bytes of a code that are in the blocks */
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
	float	   *rotated;		/* the centre */
	struct
	{
		uint16		page;		/* of the part's */
		uint16		entry;
	}		   *places;			/* of rows */
	char	   *entries;		/* of rows, as they were */
	char	   *blocks;			/* HnrBlock terms and codes */
} HnrPendingPart;

/* Bytes of a block with its terms: they come first. */
static inline Size
hnr_pending_block_size(int head_size)
{
	return HNR_BLOCK * (2 * sizeof(float) + head_size);
}

static inline const float *
hnr_pending_block_terms(const HnrPendingPart *part, int block)
{
	return (const float *) (part->blocks + block * hnr_pending_block_size(part->head_size));
}

static inline const uint8 *
hnr_pending_block_codes(const HnrPendingPart *part, int block)
{
	return (const uint8 *) (hnr_pending_block_terms(part, block) + 2 * HNR_BLOCK);
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

/* The relation begins anew. */
extern void hnr_pending_cache_forget(Relation index);

#endif							/* HNR_PENDING_CACHE_H */
