/*-------------------------------------------------------------------------
 *
 * chunks.h
 *		Writing the chunks of heap TIDs of a new graph, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_CHUNKS_H
#define HNR_CHUNKS_H

#include "am/index.h"
#include "storage/bufmgr.h"

typedef struct HnrChunkWriter
{
	HnrIndex   *index;
	BufferAccessStrategy strategy;
	BlockNumber first_block;
	uint64		next;			/* chunk to write */
	Buffer		buf;
	HnrTidChunk *chunk;			/* in it; NULL: none is begun */
} HnrChunkWriter;

#define HNR_NO_CHUNK	PG_UINT64_MAX

/* How many chunks a vertex with so many TIDs has. */
static inline uint32
hnr_chunks_for(uint32 ntids)
{
	if (ntids <= HNR_INLINE_TIDS)
		return 0;
	return (ntids - HNR_INLINE_TIDS + HNR_CHUNK_TIDS - 1) / HNR_CHUNK_TIDS;
}

/* Where a chunk stands if the first one's page is this block. */
static inline void
hnr_chunk_place(BlockNumber first_block, uint64 chunk, ItemPointer tid)
{
	ItemPointerSet(tid, first_block + chunk / HNR_CHUNKS_PER_PAGE,
				   chunk % HNR_CHUNKS_PER_PAGE + 1);
}

/* The relation ends where the first chunk's page is to be. */
extern void hnr_chunks_begin(HnrChunkWriter *w, HnrIndex *index, BufferAccessStrategy strategy,
							 BlockNumber first_block);

/* Adds a TID of an owner, behind which `left` others of that owner will follow. */
extern void hnr_chunks_add(HnrChunkWriter *w, const ItemPointerData *owner,
						   const ItemPointerData *tid, uint32 left);
extern void hnr_chunks_end(HnrChunkWriter *w);

#endif							/* HNR_CHUNKS_H */
