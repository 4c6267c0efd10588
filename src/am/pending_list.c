/*-------------------------------------------------------------------------
 *
 * pending_list.c
 *		Rows of the pending list are read and marked, and leave it.
 *
 * Entries are changed by marks alone: IN_GRAPH, with the vertex, in the record that puts
 * the row there; DONE when it is linked; DEAD by vacuum.  Pages leave the list at its head,
 * when none of their rows is left, under the locks of metapage and page and by one record:
 * the page, and behind it its pages of vectors as they are linked anyway, come before the
 * pages of no use.  All keep their contents until they are used again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/pending.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* Longer lists are not counted but estimated. */
#define COUNTED_PAGES	64

/* Of merges, the weight of the last one in their rate. */
#define RATE_WEIGHT		0.25f

Buffer
hnr_pending_page(HnrIndex *index, BlockNumber block, uint64 serial, int lock)
{
	Buffer		buf = hnr_buffer_read(index->rel, block, lock, HNR_PENDING_KINDS);
	Page		page = BufferGetPage(buf);

	if (hnr_page_head(page)->kind != HNR_PAGE_PENDING || hnr_page_pending(page)->serial != serial)
	{
		hnr_buffer_release(buf);
		return InvalidBuffer;
	}
	if (unlikely(hnr_page_pending(page)->count > hnr_pending_per_page(&index->layout) ||
				 hnr_page_pending(page)->center_size != hnr_pending_center_size(&index->layout)))
		hnr_report_corrupted(index->rel, block, "A page claims more pending rows than it has room for.");
	return buf;
}

void
hnr_pending_check_tid(HnrIndex *index, BlockNumber block, const HnrPendingEntry *entry)
{
	if (unlikely(!ItemPointerIsValid(&entry->tid) ||
				 !BlockNumberIsValid(ItemPointerGetBlockNumberNoCheck(&entry->tid))))
		hnr_report_corrupted(index->rel, block, "A pending row has an invalid heap TID.");
}

void
hnr_pending_walk_begin(HnrPendingWalk *walk, HnrIndex *index)
{
	walk->index = index;
	walk->block = index->meta.pending_head;
	walk->serial = index->meta.pending_head_serial;
}

Buffer
hnr_pending_walk_next(HnrPendingWalk *walk, int lock)
{
	HnrIndex   *index = walk->index;

	while (BlockNumberIsValid(walk->block))
	{
		bool		entry_known = index->entry_known;
		Buffer		buf;

		/* not with a page locked, where nothing would be looked for */
		CHECK_FOR_INTERRUPTS();
		buf = hnr_pending_page(index, walk->block, walk->serial, lock);
		if (BufferIsValid(buf))
		{
			walk->block = hnr_page_pending(BufferGetPage(buf))->next;
			/* when the metapage was read, there were pages behind it */
			if (unlikely(!BlockNumberIsValid(walk->block) && walk->serial < index->meta.pending_serial))
				hnr_report_corrupted(index->rel, BufferGetBlockNumber(buf),
									 "The list of pending rows ends before its end.");
			walk->serial++;
			return buf;
		}
		hnr_index_read_meta(index);
		index->entry_known = entry_known;
		if (BlockNumberIsValid(index->meta.pending_head) &&
			index->meta.pending_head_serial <= walk->serial)
			hnr_report_corrupted(index->rel, walk->block, "The list of pending rows leads to a page that is not in it.");
		hnr_pending_walk_begin(walk, index);
	}
	return InvalidBuffer;
}

/*
 * Copies size bytes of a vector to dest; false if the page is another's by now.  Its
 * further pages follow.
 */
static bool
read_bytes(HnrIndex *index, const HnrPendingEntry *entry, uint64 serial, char *dest,
		   const char **damaged)
{
	BlockNumber block = entry->data;
	int			offset = entry->offset;
	uint32		size = entry->size;

	while (size > 0)
	{
		Buffer		buf;
		const HnrPendingHead *head;
		uint32		n = Min(size, HNR_PAGE_CAPACITY - offset);
		bool		ours;

		if (!BlockNumberIsValid(block))
		{
			*damaged = "A pending row's vector ends too early.";
			return false;
		}
		buf = hnr_buffer_read(index->rel, block, BUFFER_LOCK_SHARE, HNR_PENDING_KINDS);
		head = hnr_page_pending(BufferGetPage(buf));
		ours = hnr_page_head(BufferGetPage(buf))->kind == HNR_PAGE_PENDING_DATA && head->serial == serial;
		if (ours)
			memcpy(dest, hnr_page_contents(BufferGetPage(buf)) + offset, n);
		block = head->next;
		hnr_buffer_release(buf);
		if (!ours)
			return false;
		dest += n;
		size -= n;
		offset = sizeof(HnrPendingHead);
	}
	return true;
}

bool
hnr_pending_read_vector(HnrIndex *index, const HnrPendingEntry *entry, uint64 serial,
						float *vec, const char **damaged)
{
	const HnrLayout *layout = &index->layout;
	uint32		most = layout->room > 0 ? sizeof(float) * layout->dims :
		hnr_coordinates_size(layout->encoding, layout->dims);
	char	   *bytes;
	bool		read;

	*damaged = NULL;
	if (entry->size == 0 || entry->size > most || (layout->room == 0 && entry->size != most) ||
		entry->offset < HNR_PENDING_DATA_START ||
		(entry->size <= HNR_PENDING_DATA_CAPACITY ? entry->offset + entry->size > HNR_PAGE_CAPACITY :
		 entry->offset != HNR_PENDING_DATA_START))
	{
		*damaged = "A pending row's vector is of an impossible size, or at an impossible place.";
		return false;
	}
	if (layout->room > 0)
	{
		read = read_bytes(index, entry, serial, (char *) vec, damaged);
		if (read && sizeof(float) * hnr_layout_words(layout, vec) != entry->size)
		{
			*damaged = "A pending row's vector has an impossible number of coordinates.";
			return false;
		}
		return read;
	}
	bytes = palloc(entry->size);
	read = read_bytes(index, entry, serial, bytes, damaged);
	if (read)
		hnr_stored_decode(layout->encoding, bytes, layout->dims, entry->scale, vec);
	pfree(bytes);
	return read;
}

/* ---- marks ---- */

bool
hnr_pending_claim(Relation index, BlockNumber block, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_TUPLE(tag, index->rd_lockInfo.lockRelId.dbId, index->rd_lockInfo.lockRelId.relId, block, 1);
	return (wait ? LockAcquire(&tag, mode, false, false) : hnr_lock_quietly(&tag, mode)) !=
		LOCKACQUIRE_NOT_AVAIL;
}

void
hnr_pending_unclaim(Relation index, BlockNumber block, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_TUPLE(tag, index->rd_lockInfo.lockRelId.dbId, index->rd_lockInfo.lockRelId.relId, block, 1);
	LockRelease(&tag, mode, false);
}

void
hnr_pending_mark_begin(HnrIndex *index)
{
	const HnrPendingEntry *entry;
	HnrPendingMark *mark = index->mark;

	mark->buf = hnr_pending_page(index, mark->block, mark->serial, BUFFER_LOCK_EXCLUSIVE);
	/* nobody else changes what has been claimed */
	if (!BufferIsValid(mark->buf))
		hnr_report_corrupted(index->rel, mark->block, "A page of pending rows is gone while they are merged.");
	entry = hnr_pending_entry(&index->layout, BufferGetPage(mark->buf), mark->i);
	if (!hnr_pending_is_listed(entry) || (entry->flags & HNR_PENDING_IN_GRAPH) != 0)
		hnr_report_corrupted(index->rel, mark->block, "A pending row is merged twice.");
}

void
hnr_pending_mark_put(HnrIndex *index, HnrChange *change, const ItemPointerData *vertex,
					 uint32 generation, int flags)
{
	HnrPendingMark *mark = index->mark;
	HnrPendingEntry *entry = hnr_pending_entry(&index->layout, BufferGetPage(mark->buf), mark->i);
	uint16		now = entry->flags | flags;

	hnr_change_put(change, mark->buf, &entry->flags, &now, sizeof(now));
	hnr_change_put(change, mark->buf, &entry->generation, &generation, sizeof(generation));
	hnr_change_put(change, mark->buf, &hnr_pending_slot(entry)->vertex, vertex, sizeof(*vertex));
}

void
hnr_pending_mark_end(HnrIndex *index)
{
	hnr_buffer_release(index->mark->buf);
	index->mark->buf = InvalidBuffer;
}

void
hnr_pending_mark_done(HnrIndex *index, BlockNumber block, uint64 serial, const int *entries, int n)
{
	Buffer		buf = hnr_pending_page(index, block, serial, BUFFER_LOCK_EXCLUSIVE);
	HnrChange	change;

	if (!BufferIsValid(buf))
		return;
	hnr_change_begin(&change, index->rel, false);
	for (int i = 0; i < n; i++)
	{
		HnrPendingEntry *entry = hnr_pending_entry(&index->layout, BufferGetPage(buf), entries[i]);
		uint16		now = entry->flags | HNR_PENDING_DONE;

		if ((entry->flags & HNR_PENDING_IN_GRAPH) != 0 && now != entry->flags)
			hnr_change_put(&change, buf, &entry->flags, &now, sizeof(now));
	}
	hnr_change_end(&change);
	hnr_buffer_release(buf);
}

/* ---- pages leave ---- */

bool
hnr_pending_is_finished(HnrIndex *index, Page page)
{
	const HnrPendingHead *head = hnr_page_pending(page);

	if (head->count == 0)
		return false;
	for (int i = 0; i < head->count; i++)
		if (hnr_pending_is_listed(hnr_pending_entry(&index->layout, page, i)))
			return false;
	return true;
}

/* Whether the head, as the metapage was read, is finished: a look without its lock. */
static bool
head_is_finished(HnrIndex *index)
{
	Buffer		buf;
	bool		finished;

	if (!BlockNumberIsValid(index->meta.pending_head))
		return false;
	buf = hnr_pending_page(index, index->meta.pending_head, index->meta.pending_head_serial, BUFFER_LOCK_SHARE);
	if (!BufferIsValid(buf))
		return true;			/* somebody else is at it: read the metapage again */
	finished = hnr_pending_is_finished(index, BufferGetPage(buf));
	hnr_buffer_release(buf);
	return finished;
}

static void
free_head(HnrIndex *index, Buffer metabuf, Buffer buf, float rate)
{
	HnrMetaPage *meta = hnr_page_meta(BufferGetPage(metabuf));
	HnrPendingHead *head = hnr_page_pending(BufferGetPage(buf));
	BlockNumber block = BufferGetBlockNumber(buf);
	BlockNumber next = head->next;
	uint64		next_serial = head->serial + 1;
	uint16		kind = HNR_PAGE_PENDING_FREE;
	BlockNumber rest = meta->pending_free == HNR_METAPAGE ? InvalidBlockNumber : meta->pending_free;
	BlockNumber follows = BlockNumberIsValid(head->data) ? head->data : rest;
	Buffer		last = InvalidBuffer;
	HnrChange	change;

	if (unlikely(BlockNumberIsValid(next) == (block == meta->pending_tail)))
		hnr_report_corrupted(index->rel, block, "The list of pending rows does not end at its end.");
	if (BlockNumberIsValid(head->first_data))
		last = hnr_buffer_read(index->rel, head->first_data, BUFFER_LOCK_EXCLUSIVE,
							   HNR_KIND_BIT(HNR_PAGE_PENDING_DATA));
	if (unlikely(BlockNumberIsValid(head->first_data) != BlockNumberIsValid(head->data) ||
				 (BufferIsValid(last) && (hnr_page_pending(BufferGetPage(last))->serial != head->serial ||
										  BlockNumberIsValid(hnr_page_pending(BufferGetPage(last))->next)))))
		hnr_report_corrupted(index->rel, block, "A page of pending rows leads to another's vectors.");
	if (meta->merge_rate > 0)
		rate = rate > 0 ? meta->merge_rate + RATE_WEIGHT * (rate - meta->merge_rate) : meta->merge_rate;
	hnr_change_begin(&change, index->rel, false);
	hnr_change_put(&change, metabuf, &meta->pending_head, &next, sizeof(next));
	hnr_change_put(&change, metabuf, &meta->pending_head_serial, &next_serial, sizeof(next_serial));
	if (!BlockNumberIsValid(next))
		hnr_change_put(&change, metabuf, &meta->pending_tail, &next, sizeof(next));
	hnr_change_put(&change, metabuf, &meta->pending_free, &block, sizeof(block));
	hnr_change_put(&change, metabuf, &meta->merge_rate, &rate, sizeof(rate));
	hnr_change_put(&change, buf, &hnr_page_head(BufferGetPage(buf))->kind, &kind, sizeof(kind));
	hnr_change_put(&change, buf, &head->next, &follows, sizeof(follows));
	if (BufferIsValid(last))
		hnr_change_put(&change, last, &hnr_page_pending(BufferGetPage(last))->next, &rest, sizeof(rest));
	hnr_change_end(&change);
	if (BufferIsValid(last))
		hnr_buffer_release(last);
}

void
hnr_pending_trim(HnrIndex *index, float rate)
{
	for (;;)
	{
		Buffer		metabuf;
		Buffer		buf;
		HnrMetaPage *meta;

		CHECK_FOR_INTERRUPTS();
		hnr_index_read_meta(index);
		if (!head_is_finished(index))
			return;
		metabuf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
								  HNR_KIND_BIT(HNR_PAGE_META));
		meta = hnr_page_meta(BufferGetPage(metabuf));
		if (BlockNumberIsValid(meta->pending_head))
		{
			buf = hnr_pending_page(index, meta->pending_head, meta->pending_head_serial, BUFFER_LOCK_EXCLUSIVE);
			if (!BufferIsValid(buf))
				hnr_report_corrupted(index->rel, meta->pending_head, "The list of pending rows begins at a page that is not in it.");
			if (hnr_pending_is_finished(index, BufferGetPage(buf)))
				free_head(index, metabuf, buf, rate);
			hnr_buffer_release(buf);
		}
		hnr_buffer_release(metabuf);
	}
}

/* ---- vacuum ---- */

/*
 * Marks as dead the entries i of a page, when none of them is on its way into the graph:
 * otherwise it would be linked to when the vertex is gone.
 */
static void
mark_dead(HnrIndex *index, BlockNumber block, uint64 serial, const int *entries, int n, double *removed)
{
	Buffer		buf;
	HnrChange	change;

	(void) hnr_pending_claim(index->rel, block, ExclusiveLock, true);
	buf = hnr_pending_page(index, block, serial, BUFFER_LOCK_EXCLUSIVE);
	/* all in the graph by now, where pass 1 finds them */
	if (!BufferIsValid(buf))
	{
		hnr_pending_unclaim(index->rel, block, ExclusiveLock);
		return;
	}
	hnr_change_begin(&change, index->rel, false);
	for (int i = 0; i < n; i++)
	{
		HnrPendingEntry *entry = hnr_pending_entry(&index->layout, BufferGetPage(buf), entries[i]);
		uint16		now = entry->flags | HNR_PENDING_DEAD;

		if ((entry->flags & HNR_PENDING_IN_GRAPH) == 0)
			(*removed)++;
		hnr_change_put(&change, buf, &entry->flags, &now, sizeof(now));
	}
	hnr_change_end(&change);
	hnr_buffer_release(buf);
	hnr_pending_unclaim(index->rel, block, ExclusiveLock);
}

void
hnr_pending_vacuum(HnrIndex *index, bool (*is_dead) (ItemPointer tid, void *state), void *state,
				   double *removed, double *kept)
{
	int		   *dead = palloc(sizeof(int) * hnr_pending_per_page(&index->layout));
	HnrPendingWalk walk;
	Buffer		buf;

	hnr_index_read_meta(index);
	hnr_pending_walk_begin(&walk, index);
	while ((buf = hnr_pending_walk_next(&walk, BUFFER_LOCK_SHARE)) != InvalidBuffer)
	{
		Page		page = BufferGetPage(buf);
		BlockNumber block = BufferGetBlockNumber(buf);
		uint64		serial = hnr_page_pending(page)->serial;
		int			ndead = 0;

		for (int i = 0; i < hnr_page_pending(page)->count; i++)
		{
			HnrPendingEntry *entry = hnr_pending_entry(&index->layout, page, i);
			ItemPointerData tid = entry->tid;

			if (!hnr_pending_is_listed(entry))
				continue;
			hnr_pending_check_tid(index, block, entry);
			if (is_dead(&tid, state))
				dead[ndead++] = i;
			else if ((entry->flags & HNR_PENDING_IN_GRAPH) == 0)
				(*kept)++;
		}
		hnr_buffer_release(buf);
		if (ndead > 0)
			mark_dead(index, block, serial, dead, ndead, removed);
		hnr_vacuum_delay_point();
	}
	pfree(dead);
}

/* ---- figures ---- */

/* Counts the rows of a page that are not in the graph; the time of the first. */
static int
count_rows(HnrIndex *index, Page page, int64 *oldest)
{
	int			n = 0;

	for (int i = 0; i < hnr_page_pending(page)->count; i++)
	{
		const HnrPendingEntry *entry = hnr_pending_entry(&index->layout, page, i);

		if (!hnr_pending_is_listed(entry) || (entry->flags & HNR_PENDING_IN_GRAPH) != 0)
			continue;
		n++;
		if (*oldest == 0)
			*oldest = hnr_page_pending(page)->begun + (int64) entry->age * 1000;
	}
	return n;
}

/*
 * Copies a page of the list as it is; false if it is none, for whatever reason: a damaged index
 * is no error here.
 */
bool
hnr_pending_copy_page(HnrIndex *index, BlockNumber block, uint64 serial, Page copy)
{
	const HnrPendingHead *head = hnr_page_pending(copy);

	if (!BlockNumberIsValid(block) || block >= RelationGetNumberOfBlocks(index->rel))
		return false;
	hnr_buffer_copy(index->rel, block, NULL, copy);
	return !PageIsNew(copy) && hnr_page_is_ours(copy) && hnr_page_head(copy)->kind == HNR_PAGE_PENDING &&
		head->serial == serial && head->count <= hnr_pending_per_page(&index->layout) &&
		head->center_size == hnr_pending_center_size(&index->layout);
}

void
hnr_pending_figures(HnrIndex *index, HnrPendingFigures *figures)
{
	const HnrMetaPage *meta = &index->meta;
	Page		page = palloc(BLCKSZ);
	BlockNumber block = meta->pending_head;
	uint64		serial = meta->pending_head_serial;
	uint64		rest;

	memset(figures, 0, sizeof(*figures));
	figures->merge_rate = meta->merge_rate;
	for (int pages = 0; pages < COUNTED_PAGES && hnr_pending_copy_page(index, block, serial, page); pages++)
	{
		figures->rows += count_rows(index, page, &figures->oldest);
		block = hnr_page_pending(page)->next;
		serial++;
	}
	/* pages behind these are hardly begun upon, nor those that have changed since */
	rest = BlockNumberIsValid(block) && meta->pending_serial > serial ? meta->pending_serial - serial : 0;
	figures->rows += (double) Min(rest, RelationGetNumberOfBlocks(index->rel)) * hnr_pending_per_page(&index->layout);
	pfree(page);
}
