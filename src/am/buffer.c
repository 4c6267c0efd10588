/*-------------------------------------------------------------------------
 *
 * buffer.c
 *		The only way to pages: pin, lock, check, extend.  See buffer.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "storage/lmgr.h"

void
hnr_report_corrupted(Relation index, BlockNumber block, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at block %u",
					RelationGetRelationName(index), block),
			 errdetail("%s", what),
			 errhint("Rebuild the index with REINDEX.")));
}

/* A link's block number is not to be trusted: this one would extend the relation. */
static void
check_block(Relation index, BlockNumber block)
{
	if (unlikely(block == P_NEW))
		hnr_report_corrupted(index, HNR_METAPAGE, "A link names no block.");
}

Buffer
hnr_buffer_read(Relation index, BlockNumber block, int lock, int kinds)
{
	Buffer		buf;
	Page		page;

	check_block(index, block);
	buf = ReadBuffer(index, block);
	LockBuffer(buf, lock);
	page = BufferGetPage(buf);
	if (unlikely(PageIsNew(page)))
		hnr_report_corrupted(index, block, "The page was never initialized.");
	if (unlikely(!hnr_page_is_ours(page)))
		hnr_report_corrupted(index, block, "The page is not one of an hnsw index.");
	if (unlikely((HNR_KIND_BIT(hnr_page_opaque(page)->kind) & kinds) == 0))
		hnr_report_corrupted(index, block, "The page is of another kind than the link to it says.");
	return buf;
}

Buffer
hnr_buffer_read_any(Relation index, BlockNumber block, int lock,
					BufferAccessStrategy strategy)
{
	Buffer		buf = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
	Page		page;

	LockBuffer(buf, lock);
	page = BufferGetPage(buf);
	if (unlikely(!PageIsNew(page) && !hnr_page_is_ours(page)))
		hnr_report_corrupted(index, block, "The page is not one of an hnsw index.");
	return buf;
}

Buffer
hnr_buffer_try_exclusive(Relation index, BlockNumber block)
{
	Buffer		buf = ReadBuffer(index, block);

	if (ConditionalLockBuffer(buf))
		return buf;
	ReleaseBuffer(buf);
	return InvalidBuffer;
}

BlockNumber
hnr_buffer_extend(Relation index, ForkNumber fork, int n,
				  BufferAccessStrategy strategy, Buffer *bufs)
{
	bool		needlock = !RELATION_IS_LOCAL(index);

	if (needlock)
		LockRelationForExtension(index, ExclusiveLock);
	/*
	 * Locked before anybody else can see it: vacuum, or a stale entry of the free
	 * space map, would otherwise offer the new page to another insertion while we
	 * wait for its lock.
	 */
	for (int i = 0; i < n; i++)
		bufs[i] = ReadBufferExtended(index, fork, P_NEW, RBM_ZERO_AND_LOCK, strategy);
	if (needlock)
		UnlockRelationForExtension(index, ExclusiveLock);
	return BufferGetBlockNumber(bufs[0]);
}

void
hnr_buffer_release(Buffer buf)
{
	UnlockReleaseBuffer(buf);
}

void
hnr_buffer_unlock(Buffer buf)
{
	LockBuffer(buf, BUFFER_LOCK_UNLOCK);
}

void
hnr_buffer_lock(Buffer buf, int lock)
{
	LockBuffer(buf, lock);
}
