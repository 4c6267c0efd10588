/*-------------------------------------------------------------------------
 *
 * wal.c
 *		Changing pages.  See wal.h.
 *
 * Generic WAL needs no resource manager and so no preloaded library, replays
 * where this library is not installed, and honours full-page writes and
 * unlogged relations by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/wal.h"

void
hnr_change_begin(HnrChange *change, Relation index, bool building)
{
	change->nbufs = 0;
	change->xlog = building ? NULL : GenericXLogStart(index);
}

Page
hnr_change_page(HnrChange *change, Buffer buf, HnrChangeKind kind)
{
	Assert(change->nbufs < MAX_GENERIC_XLOG_PAGES);
	change->bufs[change->nbufs++] = buf;
	if (change->xlog == NULL)
		return BufferGetPage(buf);
	return GenericXLogRegisterBuffer(change->xlog, buf,
									 kind == HNR_CHANGE_WHOLE ? GENERIC_XLOG_FULL_IMAGE : 0);
}

void
hnr_change_end(HnrChange *change)
{
	if (change->xlog != NULL)
		GenericXLogFinish(change->xlog);
	else
		for (int i = 0; i < change->nbufs; i++)
			MarkBufferDirty(change->bufs[i]);
}
