/*-------------------------------------------------------------------------
 *
 * buffer.c
 *		The only way to pages: pin, lock, check, extend.  See buffer.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "compat.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"

void
hnr_report_corrupted(Relation index, BlockNumber block, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at block %u",
					RelationGetRelationName(index), block),
			 errdetail("%s", what),
			 errhint("Rebuild the index with rebuild_index() or REINDEX.")));
}

/*
 * A size known from before will do: nobody cuts an index off while we have it locked, and who
 * did before has had us forget it (RelationTruncate).
 */
bool
hnr_buffer_exists(Relation index, BlockNumber block)
{
	BlockNumber known = RelationGetSmgr(index)->smgr_cached_nblocks[MAIN_FORKNUM];

	return likely(known != InvalidBlockNumber && block < known) ||
		block < RelationGetNumberOfBlocks(index);
}

/*
 * A link's block number is not to be trusted, and the last one there is would extend
 * the relation.
 */
static void
check_block(Relation index, BlockNumber block)
{
	if (unlikely(!hnr_buffer_exists(index, block)))
		hnr_report_corrupted(index, block, "A link leads to this block, which is beyond the end.");
}

/*
 * Where this backend last met blocks.  A search reads the same few pages again and
 * again, and a lookup in the buffer table costs more than all else in reading one.
 * An entry is a guess: the buffer is asked whether it still holds the block.
 */
#define HINTS			65536	/* a power of two */

/* Every so often the long way, which counts as a use of the buffer. */
#define HINT_USES		16

typedef struct BufferHint
{
	uint32		filenumber;
	BlockNumber block;
	Buffer		buf;
} BufferHint;

static BufferHint hints[HINTS];
static uint32 hint_uses;

static BufferHint *
hint_place(Relation index, BlockNumber block)
{
	return &hints[(block + hnr_rel_filenumber(index) * 0x9E3779B1u) & (HINTS - 1)];
}

static bool
hint_matches(const BufferHint *hint, Relation index, BlockNumber block)
{
	return hint->block == block && hint->filenumber == hnr_rel_filenumber(index) &&
		BufferIsValid(hint->buf) && !BufferIsLocal(hint->buf);
}

static Buffer
pin_block(Relation index, BlockNumber block)
{
	BufferHint *hint = hint_place(index, block);

	if (hint_matches(hint, index, block) && ++hint_uses % HINT_USES != 0 &&
		ReadRecentBuffer(hnr_rel_locator(index), MAIN_FORKNUM, block, hint->buf))
	{
		pgstat_count_buffer_read(index);
		pgstat_count_buffer_hit(index);
		if (VacuumCostActive)
			VacuumCostBalance += VacuumCostPageHit;
		return hint->buf;
	}
	hint->filenumber = hnr_rel_filenumber(index);
	hint->block = block;
	hint->buf = InvalidBuffer;	/* should reading fail */
	hint->buf = ReadBuffer(index, block);
	return hint->buf;
}

/* The processor fetches on by itself from where it sees this many bytes read. */
#define PREFETCH_BYTES	1024

void
hnr_buffer_prefetch(Relation index, BlockNumber block, int offset, int size)
{
	BufferHint *hint = hint_place(index, block);
	const char *at;

	if (!hint_matches(hint, index, block))
		return;
	at = (const char *) BufferGetBlock(hint->buf);
	__builtin_prefetch(GetBufferDescriptor(hint->buf - 1));
	__builtin_prefetch(at);
	for (int i = 0; i < Min(size, PREFETCH_BYTES); i += 64)
		__builtin_prefetch(at + offset + i);
}

void
hnr_buffer_read_ahead(Relation index, BlockNumber block)
{
#ifdef USE_PREFETCH
	BlockNumber known = RelationGetSmgr(index)->smgr_cached_nblocks[MAIN_FORKNUM];

	if (known != InvalidBlockNumber && block < known)
		PrefetchBuffer(index, MAIN_FORKNUM, block);
#endif
}

int64
hnr_buffer_disk_reads(void)
{
	return pgBufferUsage.shared_blks_read + pgBufferUsage.local_blks_read;
}

static bool
is_locked_by_me(Buffer buf)
{
	/* buffers of temporary relations have no lock */
	return !BufferIsLocal(buf) &&
		LWLockHeldByMe(BufferDescriptorGetContentLock(GetBufferDescriptor(buf - 1)));
}

Buffer
hnr_buffer_read(Relation index, BlockNumber block, int lock, int kinds)
{
	Buffer		buf;
	Page		page;

	check_block(index, block);
	buf = pin_block(index, block);
	/* the lock would never be had, and nobody could interrupt us */
	if (unlikely(is_locked_by_me(buf)))
		hnr_report_corrupted(index, block, "A link leads back to the page that it stands on.");
	LockBuffer(buf, lock);
	page = BufferGetPage(buf);
	if (unlikely(PageIsNew(page)))
		hnr_report_corrupted(index, block, "The page was never initialized.");
	if (unlikely(!hnr_page_is_ours(page)))
		hnr_report_corrupted(index, block, "The page is not one of an hnsw index.");
	if (unlikely((HNR_KIND_BIT(hnr_page_head(page)->kind) & kinds) == 0))
		hnr_report_corrupted(index, block, "The page is of another kind than the link to it says.");
	return buf;
}

Buffer
hnr_buffer_read_any(Relation index, BlockNumber block, int lock,
					BufferAccessStrategy strategy)
{
	Buffer		buf = strategy ? ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy) :
		pin_block(index, block);
	Page		page;

	LockBuffer(buf, lock);
	page = BufferGetPage(buf);
	if (unlikely(!PageIsNew(page) && !hnr_page_is_ours(page)))
		hnr_report_corrupted(index, block, "The page is not one of an hnsw index.");
	return buf;
}

void
hnr_buffer_copy(Relation rel, BlockNumber block, BufferAccessStrategy strategy, Page copy)
{
	Buffer		buf = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	memcpy(copy, BufferGetPage(buf), BLCKSZ);
	UnlockReleaseBuffer(buf);
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
