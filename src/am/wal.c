/*-------------------------------------------------------------------------
 *
 * wal.c
 *		Changing pages.  See wal.h.
 *
 * The records are generic WAL's, which needs no resource manager and so no preloaded
 * library, and replays where this library is not installed.  They are put together
 * here rather than by the server's GenericXLog functions, which compare whole pages
 * byte by byte: we know what we change.  The server replays the fragments of a
 * delta, each
 *
 *		offset on the page, size (both OffsetNumber), so many bytes
 *
 * and then zeroes the hole between pd_lower and pd_upper (generic_redo).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xloginsert.h"
#include "am/page.h"
#include "am/wal.h"
#include "miscadmin.h"

#define FRAGMENT_HEADER		((int) (2 * sizeof(OffsetNumber)))

/*
 * Fragments that lie nearer to each other than another header are made one, so that
 * what is put takes at most its own size and one header.
 */
#define DELTA_ROOM			(BLCKSZ + 128 * FRAGMENT_HEADER)

/* Of the only change there is. */
static PGAlignedBlock images[MAX_GENERIC_XLOG_PAGES];
static char deltas[MAX_GENERIC_XLOG_PAGES][DELTA_ROOM];

void
hnr_change_begin(HnrChange *change, Relation index, bool building)
{
	change->index = index;
	change->building = building;
	change->npages = 0;
}

/* The number of a buffer's page in the change. */
static int
page_number(HnrChange *change, Buffer buf, HnrChangeKind kind)
{
	HnrChangedPage *page;

	for (int i = 0; i < change->npages; i++)
		if (change->pages[i].buf == buf)
			return i;
	Assert(change->npages < MAX_GENERIC_XLOG_PAGES);
	page = &change->pages[change->npages];
	page->buf = buf;
	page->kind = kind;
	page->copied = false;
	page->lower = 0;
	page->delta_size = 0;
	return change->npages++;
}

Page
hnr_change_page(HnrChange *change, Buffer buf, HnrChangeKind kind)
{
	int			i = page_number(change, buf, kind);

	if (change->building)
		return BufferGetPage(buf);
	Assert(!change->pages[i].copied && change->pages[i].delta_size == 0);
	change->pages[i].copied = true;
	if (kind == HNR_CHANGE_DELTA)
		memcpy(images[i].data, BufferGetPage(buf), BLCKSZ);
	return (Page) images[i].data;
}

/* Appends a fragment to a page's delta. */
static void
add_fragment(HnrChange *change, int i, int offset, int size, const char *data)
{
	HnrChangedPage *page = &change->pages[i];
	char	   *at = deltas[i] + page->delta_size;
	OffsetNumber header[2] = {offset, size};

	if (page->delta_size + FRAGMENT_HEADER + size > DELTA_ROOM)
		elog(ERROR, "a change of a page is too large");
	memcpy(at, header, FRAGMENT_HEADER);
	memcpy(at + FRAGMENT_HEADER, data, size);
	page->delta_size += FRAGMENT_HEADER + size;
	page->lower = Max(page->lower, offset + size);
}

/* Where two stretches of size bytes first differ, from a place on. */
static int
next_difference(const char *a, const char *b, int from, int size)
{
	while (from + (int) sizeof(uint64) <= size &&
		   memcmp(a + from, b + from, sizeof(uint64)) == 0)
		from += sizeof(uint64);
	while (from < size && a[from] == b[from])
		from++;
	return from;
}

/* Appends to a page's delta what makes size bytes at `offset` of it the new ones. */
static void
add_difference(HnrChange *change, int i, int offset, int size, const char *new)
{
	const char *old = (const char *) BufferGetPage(change->pages[i].buf) + offset;
	int			start = next_difference(old, new, 0, size);

	while (start < size)
	{
		int			end = start + 1;
		int			equal = 0;

		while (end + equal < size && equal <= FRAGMENT_HEADER)
		{
			if (old[end + equal] == new[end + equal])
				equal++;
			else
			{
				end += equal + 1;
				equal = 0;
			}
		}
		add_fragment(change, i, offset + start, end - start, new + start);
		start = next_difference(old, new, end + equal, size);
	}
}

/* Moves pd_lower of a page up to what was put. */
static void
raise_lower(HnrChange *change, int i)
{
	uint16		lower = change->pages[i].lower;
	PageHeader	header = (PageHeader) BufferGetPage(change->pages[i].buf);

	if (lower > header->pd_lower)
		add_fragment(change, i, offsetof(PageHeaderData, pd_lower), sizeof(lower),
					 (const char *) &lower);
}

void
hnr_change_put(HnrChange *change, Buffer buf, const void *at, const void *data, int size)
{
	Page		page = BufferGetPage(buf);
	int			offset = (const char *) at - (const char *) page;
	int			i = page_number(change, buf, HNR_CHANGE_DELTA);

	Assert(offset >= (int) MAXALIGN(SizeOfPageHeaderData) && offset + size <= BLCKSZ);
	Assert(!change->pages[i].copied);
	if (!change->building)
	{
		add_difference(change, i, offset, size, data);
		return;
	}
	memcpy((char *) page + offset, data, size);
	((PageHeader) page)->pd_lower = Max(((PageHeader) page)->pd_lower, offset + size);
}

/* Makes a delta of what the caller did to a copy, also above pd_lower. */
static void
compare_copy(HnrChange *change, int i)
{
	char	   *copy = images[i].data;
	PageHeader	header = (PageHeader) copy;
	int			end = header->pd_upper;

	while (end > header->pd_lower && copy[end - 1] == 0)
		end--;
	header->pd_lower = Max(header->pd_lower, end);
	add_difference(change, i, 0, header->pd_lower, copy);
	add_difference(change, i, header->pd_upper, BLCKSZ - header->pd_upper, copy + header->pd_upper);
}

/* Makes a change to a page, as its replay will. */
static void
apply(HnrChange *change, int i)
{
	char	   *page = (char *) BufferGetPage(change->pages[i].buf);
	const char *delta = deltas[i];
	const char *end = delta + change->pages[i].delta_size;

	if (change->pages[i].kind == HNR_CHANGE_WHOLE)
	{
		memcpy(page, images[i].data, BLCKSZ);
		return;
	}
	while (delta < end)
	{
		OffsetNumber header[2];

		memcpy(header, delta, FRAGMENT_HEADER);
		memcpy(page + header[0], delta + FRAGMENT_HEADER, header[1]);
		delta += FRAGMENT_HEADER + header[1];
	}
}

/* Logs the changed pages, which are locked and dirty. */
static void
log_change(HnrChange *change)
{
	XLogRecPtr	lsn;

	XLogBeginInsert();
	for (int i = 0; i < change->npages; i++)
	{
		HnrChangedPage *page = &change->pages[i];

		if (page->kind == HNR_CHANGE_WHOLE)
			XLogRegisterBuffer(i, page->buf, REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
		else
		{
			XLogRegisterBuffer(i, page->buf, REGBUF_STANDARD);
			XLogRegisterBufData(i, deltas[i], page->delta_size);
		}
	}
	lsn = XLogInsert(RM_GENERIC_ID, 0);
	for (int i = 0; i < change->npages; i++)
		PageSetLSN(BufferGetPage(change->pages[i].buf), lsn);
}

void
hnr_change_end(HnrChange *change)
{
	for (int i = 0; i < change->npages && !change->building; i++)
	{
		if (change->pages[i].kind == HNR_CHANGE_WHOLE)
			continue;
		if (change->pages[i].copied)
			compare_copy(change, i);
		else
			raise_lower(change, i);
	}
	if (change->npages == 0)
		return;
	START_CRIT_SECTION();
	for (int i = 0; i < change->npages; i++)
	{
		if (!change->building)
			apply(change, i);
		MarkBufferDirty(change->pages[i].buf);
	}
	if (!change->building && RelationNeedsWAL(change->index))
		log_change(change);
	END_CRIT_SECTION();
}
