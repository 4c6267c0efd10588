/*-------------------------------------------------------------------------
 *
 * buffer.h
 *		The only way to pages: pin, lock, check, extend.
 *
 * LockBuffer is called nowhere else.  Every first look at a page checks that it
 * is ours and of a kind the caller can use; a page that is not raises
 * ERRCODE_INDEX_CORRUPTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_BUFFER_H
#define HNR_BUFFER_H

#include "am/page.h"
#include "compat.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Of a kind as read from a page, too: one that does not exist has no bit. */
#define HNR_KIND_BIT(kind)	((kind) <= HNR_PAGE_LAST ? 1 << (kind) : 0)
#define HNR_VERTEX_KINDS	(HNR_KIND_BIT(HNR_PAGE_GROUND) | HNR_KIND_BIT(HNR_PAGE_UPPER))

/*
 * Pins and locks (BUFFER_LOCK_SHARE or _EXCLUSIVE) a block whose page must be
 * of one of the kinds in the mask.  A link that leads back to a page that the
 * caller has locked is an error like any other wrong link, not a wait for oneself.
 */
extern Buffer hnr_buffer_read(Relation index, BlockNumber block, int lock, int kinds);

/*
 * Whether an index has a block.  It may have been cut off (shrink.h) since the caller came to
 * know of it, but not while the caller has had a lock on the index.
 */
extern bool hnr_buffer_exists(Relation index, BlockNumber block);

/*
 * Starts fetching size bytes at an offset of a block into the processor's cache, if
 * this backend remembers where the block is.  Takes no lock and no pin: what it
 * fetches may turn out to be something else.
 */
extern void hnr_buffer_prefetch(Relation index, BlockNumber block, int offset, int size);

/*
 * Has a block read from disk in the background, unless it is in shared buffers.  A link
 * beyond the end is nobody's fault here: nothing is done.
 */
extern void hnr_buffer_read_ahead(Relation index, BlockNumber block);

/* How many hnr_buffer_read's of this backend had to wait for the disk. */
extern int64 hnr_buffer_disk_reads(void);

/*
 * Like hnr_buffer_read, for passes over all blocks, with their strategy (or NULL): any kind will
 * do, and a page never written (left by a crash while extending) comes back
 * with PageIsNew.
 */
extern Buffer hnr_buffer_read_any(Relation index, BlockNumber block, int lock,
								  BufferAccessStrategy strategy);

/*
 * Copies a block of any relation's main fork as it is, unchecked, under a share
 * lock: for verification.  The block exists.
 */
extern void hnr_buffer_copy(Relation rel, BlockNumber block, BufferAccessStrategy strategy,
							Page copy);

/* Like hnr_buffer_read, but InvalidBuffer instead of waiting for the lock. */
extern Buffer hnr_buffer_try_exclusive(Relation index, BlockNumber block);

/*
 * Adds n consecutive blocks to a fork and returns the first of them.  Their
 * buffers come back pinned and exclusively locked in bufs, in block order; the
 * pages are new.  Takes and releases the relation extension lock.
 */
extern BlockNumber hnr_buffer_extend(Relation index, ForkNumber fork, int n,
									 BufferAccessStrategy strategy, Buffer *bufs);

/* Releases lock and pin. */
extern void hnr_buffer_release(Buffer buf);

/* Releases the lock, keeps the pin; and takes a lock on a buffer still pinned. */
extern void hnr_buffer_unlock(Buffer buf);
extern void hnr_buffer_lock(Buffer buf, int lock);

/* Raises ERRCODE_INDEX_CORRUPTED for a block, with what is wrong about it. */
pg_noreturn extern void hnr_report_corrupted(Relation index, BlockNumber block, const char *what);

#endif							/* HNR_BUFFER_H */
