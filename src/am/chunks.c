/*-------------------------------------------------------------------------
 *
 * chunks.c
 *		Writing the chunks of heap TIDs of a new graph.  See chunks.h.
 *
 * Locks: the page being filled, which nobody else knows, exclusively.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/chunks.h"
#include "miscadmin.h"

void
hnr_chunks_begin(HnrChunkWriter *w, HnrIndex *index, BufferAccessStrategy strategy,
				 BlockNumber first_block)
{
	memset(w, 0, sizeof(*w));
	w->index = index;
	w->strategy = strategy;
	w->first_block = first_block;
	w->buf = InvalidBuffer;
}

static void
begin_chunk(HnrChunkWriter *w, const ItemPointerData *owner, uint32 left)
{
	int			pos = w->next % HNR_CHUNKS_PER_PAGE;

	if (pos == 0)
	{
		if (BufferIsValid(w->buf))
			hnr_buffer_release(w->buf);
		hnr_buffer_extend(w->index->rel, MAIN_FORKNUM, 1, w->strategy, &w->buf);
		hnr_page_init(BufferGetPage(w->buf), HNR_PAGE_TIDS,
					  HNR_CHUNKS_PER_PAGE * sizeof(HnrTidChunk));
		MarkBufferDirty(w->buf);
	}
	w->next++;
	w->chunk = hnr_page_chunk(BufferGetPage(w->buf), pos + 1);
	w->chunk->owner = *owner;
	w->chunk->generation = 1;
	ItemPointerSetInvalid(&w->chunk->next);
	if (left >= HNR_CHUNK_TIDS)
		hnr_chunk_place(w->first_block, w->next, &w->chunk->next);
}

void
hnr_chunks_add(HnrChunkWriter *w, const ItemPointerData *owner, const ItemPointerData *tid,
			   uint32 left)
{
	if (w->chunk == NULL)
		begin_chunk(w, owner, left);
	w->chunk->tids[w->chunk->ntids++] = *tid;
	if (left == 0 || w->chunk->ntids == HNR_CHUNK_TIDS)
		w->chunk = NULL;
}

void
hnr_chunks_end(HnrChunkWriter *w)
{
	if (BufferIsValid(w->buf))
		hnr_buffer_release(w->buf);
}
