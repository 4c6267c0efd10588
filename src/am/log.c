/*-------------------------------------------------------------------------
 *
 * log.c
 *		Logging a relation that was built without.
 *
 * As log_newpage_range does, in records of many pages each, but with three things
 * that it does not care for: pages come and go through a ring of buffers, so that an
 * index as large as the buffer pool does not take its place; in background work the
 * rate is limited; and progress is reported.
 *
 * Locks: exclusive locks of the pages of a record while it is made.  Nothing is held
 * between two records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "access/xlogrecord.h"
#include "catalog/pg_control.h"
#include "am/buffer.h"
#include "am/log.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "throttle.h"

#define PAGES_PER_RECORD	XLR_MAX_BLOCK_ID

static void
log_pages(Buffer *bufs, int n)
{
	XLogRecPtr	end;

	XLogBeginInsert();
	START_CRIT_SECTION();
	for (int i = 0; i < n; i++)
	{
		XLogRegisterBuffer(i, bufs[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
		MarkBufferDirty(bufs[i]);
	}
	end = XLogInsert(RM_XLOG_ID, XLOG_FPI);
	for (int i = 0; i < n; i++)
		PageSetLSN(BufferGetPage(bufs[i]), end);
	END_CRIT_SECTION();
	for (int i = 0; i < n; i++)
		hnr_buffer_release(bufs[i]);
}

/* Locks the next pages that are not empty; returns how many. */
static int
lock_pages(Relation rel, BlockNumber *block, BlockNumber end, BufferAccessStrategy ring,
		   Buffer *bufs)
{
	int			n = 0;

	for (; n < PAGES_PER_RECORD && *block < end; (*block)++)
	{
		bufs[n] = hnr_buffer_read_any(rel, *block, BUFFER_LOCK_EXCLUSIVE, ring);
		/* An image would make it another one. */
		if (PageIsNew(BufferGetPage(bufs[n])))
			hnr_buffer_release(bufs[n]);
		else
			n++;
	}
	return n;
}

void
hnr_log_relation(Relation rel)
{
	BlockNumber end = RelationGetNumberOfBlocks(rel);
	BlockNumber block = 0;
	BufferAccessStrategy ring;

	if (!RelationNeedsWAL(rel))
		return;
	XLogEnsureRecordSpace(PAGES_PER_RECORD - 1, 0);
	ring = GetAccessStrategy(BAS_BULKWRITE);
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL, end);
	while (block < end)
	{
		Buffer		bufs[PAGES_PER_RECORD];
		int			n;

		CHECK_FOR_INTERRUPTS();
		n = lock_pages(rel, &block, end, ring, bufs);
		if (n > 0)
			log_pages(bufs, n);
		pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, block);
		hnr_throttle_wal((Size) n * BLCKSZ);
		hnr_throttle(n * 4);
	}
	FreeAccessStrategy(ring);
}
