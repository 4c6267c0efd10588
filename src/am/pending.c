/*-------------------------------------------------------------------------
 *
 * pending.c
 *		Rows come into the pending list.
 *
 * A row is its entry on the list's last page and its vector on that page's last page of
 * vectors; both come with one WAL record.  Where there is no room, a page is added first,
 * under the metapage's lock and by a record of its own, and then it is tried again.  So a
 * crash leaves at most an empty page, which the next row fills.
 *
 * What needs thought is done before anything is locked: the code of the vector is relative to
 * the page's centre, which does not change as long as the page has its serial.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/pending.h"
#include "am/pending_listed.h"
#include "distance/distance.h"
#include "miscadmin.h"
#include "quant/quant.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Bytes of vectors on a page of them. */
#define DATA_START		HNR_PENDING_DATA_START
#define DATA_CAPACITY	HNR_PENDING_DATA_CAPACITY

/* A row on its way. */
typedef struct Appending
{
	HnrIndex   *index;
	const HnrRow *row;
	bool		known;
	char	   *stored;			/* the vector, as it is stored */
	uint32		size;			/* of that */
	HnrPendingEntry *entry;		/* with its slot */
	float	   *rotated;		/* the vector, rotated */
	float	   *center;			/* of the page that the entry is made for */
	float	   *center_rotated;
	bool		astray;			/* what the metapage said was the tail was not */
} Appending;

/* The page at the end of the list, as the metapage was read; invalid if it is none now. */
static Buffer
lock_tail(HnrIndex *index, int lock)
{
	return hnr_pending_page(index, index->meta.pending_tail, index->meta.pending_serial, lock);
}

/*
 * Gives the tail a page of vectors that is empty, unless it has got another than `last`
 * meanwhile.
 */
static void
add_data(HnrIndex *index, BlockNumber last)
{
	Buffer		metabuf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
										  HNR_KIND_BIT(HNR_PAGE_META));
	Buffer		tail = lock_tail(index, BUFFER_LOCK_EXCLUSIVE);

	if (BufferIsValid(tail))
	{
		if (hnr_page_pending(BufferGetPage(tail))->data == last)
			hnr_pending_add_data(index, metabuf, tail, NULL, 0);
		hnr_buffer_release(tail);
	}
	hnr_buffer_release(metabuf);
}

/* ---- entries ---- */

/*
 * Codes seen from the same centre come one after another: this backend remembers it, rotated.
 */
static struct
{
	Oid			filenumber;
	uint64		serial;			/* 0: none */
	int64		begun;			/* of the page, to be sure */
	int			size;			/* floats that there is room for, twice */
	float	   *floats;			/* the centre, and rotated */
}			last_center;

/* Sets a->center to that of the tail; false if that is another page by now. */
static bool
find_center(Appending *a)
{
	HnrIndex   *index = a->index;
	int			size = Max(index->layout.dims, hnr_codec_rotated_dims(index->codec));
	Buffer		buf;

	if (last_center.size < size)
	{
		if (last_center.floats)
			pfree(last_center.floats);
		last_center.floats = NULL;
		last_center.size = 0;
		last_center.serial = 0;
		last_center.floats = MemoryContextAlloc(TopMemoryContext, 2 * sizeof(float) * size);
		last_center.size = size;
	}
	a->center = last_center.floats;
	a->center_rotated = last_center.floats + last_center.size;
	if (last_center.serial == index->meta.pending_serial &&
		last_center.filenumber == hnr_rel_filenumber(index->rel))
		return true;
	last_center.serial = 0;
	buf = lock_tail(index, BUFFER_LOCK_SHARE);
	if (!BufferIsValid(buf))
		return false;
	hnr_pending_get_center(&index->layout, BufferGetPage(buf), a->center);
	last_center.begun = hnr_page_pending(BufferGetPage(buf))->begun;
	hnr_buffer_release(buf);
	hnr_codec_rotate(index->codec, a->center, a->center_rotated);
	last_center.filenumber = hnr_rel_filenumber(index->rel);
	last_center.serial = index->meta.pending_serial;
	return true;
}

/* Of a slot's factor, half of a float: a part of it. */
#define FACTOR_ERROR	(1 / 256.0f)

float
hnr_pending_spread(const HnrCodec *codec, const float *center, const float *vec, const HnrSlot *slot)
{
	float		scale = codec->metric->kind == HNR_METRIC_L2 ? 2 : 1;
	float		length = sqrtf(hnr_distance->l2_squared(codec->layout->dims, center, vec));
	float		g;
	float		spread;

	if (length == 0)
		return 0;
	/* as large as it can have been */
	g = -hnr_slot_factor(slot) / (scale * length) * (1 + FACTOR_ERROR);
	spread = scale * length * (hnr_code_error(codec->quantizer, hnr_slot_code(unconstify(HnrSlot *, slot)), g) /
							   sqrtf(hnr_codec_rotated_dims(codec)) + FACTOR_ERROR / HNR_PENDING_DEVIATIONS);
	return isnan(spread) ? get_float4_infinity() : spread;
}

/* Makes the entry, but for where the vector stands; false if the tail is another by now. */
static bool
make_entry(Appending *a)
{
	HnrIndex   *index = a->index;
	HnrPendingEntry *entry = a->entry;
	HnrSlot    *slot = hnr_pending_slot(entry);
	ItemPointerData none;

	memset(entry, 0, hnr_pending_entry_size(&index->layout));
	ItemPointerSetInvalid(&none);
	if (index->codec->quantizer)
	{
		HnrCodecPoint center;
		HnrCodecPoint here = {a->row->vec, a->rotated};

		if (!find_center(a))
			return false;
		center.vec = a->center;
		center.rotated = a->center_rotated;
		hnr_codec_encode(index->codec, center, here, &none, slot);
		entry->spread = hnr_pending_spread(index->codec, a->center, a->row->vec, slot);
	}
	else
		slot->vertex = none;
	entry->tid = a->row->tid;
	if (index->layout.room == 0)
		entry->scale = hnr_stored_scale(index->layout.encoding, index->layout.dims, a->row->vec);
	entry->flags = a->known ? HNR_PENDING_KNOWN : 0;
	entry->size = a->size;
	entry->error = a->row->error;
	return true;
}

/* Puts the entry on the locked tail, whose vector stands, or is to stand, where it says. */
static void
put_entry(Appending *a, HnrChange *change, Buffer tail)
{
	Page		page = BufferGetPage(tail);
	HnrPendingHead *head = hnr_page_pending(page);
	uint16		count = head->count + 1;
	int64		now = GetCurrentTimestamp();

	a->entry->age = (uint32) Max(Min((now - head->begun) / 1000, PG_UINT32_MAX), 0);
	hnr_change_put(change, tail, &head->count, &count, sizeof(count));
	hnr_change_put(change, tail, hnr_pending_entry(&a->index->layout, page, head->count), a->entry,
				   hnr_pending_entry_size(&a->index->layout));
}

/*
 * Puts entry and vector on the locked tail and its last page of vectors; false if there is no
 * room for the vector.
 */
static bool
put_both(Appending *a, Buffer tail)
{
	HnrIndex   *index = a->index;
	BlockNumber block = hnr_page_pending(BufferGetPage(tail))->data;
	HnrPendingHead *head;
	HnrChange	change;
	Buffer		buf;
	uint16		used;
	bool		room;

	if (!BlockNumberIsValid(block))
		return false;
	buf = hnr_buffer_read(index->rel, block, BUFFER_LOCK_EXCLUSIVE, HNR_KIND_BIT(HNR_PAGE_PENDING_DATA));
	head = hnr_page_pending(BufferGetPage(buf));
	if (unlikely(head->serial != hnr_page_pending(BufferGetPage(tail))->serial))
		hnr_report_corrupted(index->rel, block, "A page of pending rows leads to another's vectors.");
	room = head->used + a->size <= DATA_CAPACITY;
	if (room)
	{
		a->entry->data = block;
		a->entry->offset = DATA_START + head->used;
		used = head->used + MAXALIGN(a->size);
		hnr_change_begin(&change, index->rel, false);
		put_entry(a, &change, tail);
		hnr_change_put(&change, buf, hnr_page_contents(BufferGetPage(buf)) + a->entry->offset,
					   a->stored, a->size);
		hnr_change_put(&change, buf, &head->used, &used, sizeof(used));
		hnr_change_end(&change);
	}
	hnr_buffer_release(buf);
	return room;
}

/*
 * A vector that is larger than a page: its pages are added from its end, so that each leads
 * to the next, and then the entry.
 */
static bool
append_large(Appending *a)
{
	HnrIndex   *index = a->index;
	Buffer		metabuf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
										  HNR_KIND_BIT(HNR_PAGE_META));
	Buffer		tail = lock_tail(index, BUFFER_LOCK_EXCLUSIVE);
	int			pages = (a->size + DATA_CAPACITY - 1) / DATA_CAPACITY;
	bool		room = BufferIsValid(tail) &&
		hnr_page_pending(BufferGetPage(tail))->count < hnr_pending_per_page(&index->layout);

	if (room)
	{
		HnrChange	change;

		for (int i = pages - 1; i >= 0; i--)
			hnr_pending_add_data(index, metabuf, tail, a->stored + i * DATA_CAPACITY,
								 Min(a->size - i * DATA_CAPACITY, DATA_CAPACITY));
		a->entry->data = hnr_page_pending(BufferGetPage(tail))->data;
		a->entry->offset = DATA_START;
		hnr_change_begin(&change, index->rel, false);
		put_entry(a, &change, tail);
		hnr_change_end(&change);
	}
	if (BufferIsValid(tail))
		hnr_buffer_release(tail);
	hnr_buffer_release(metabuf);
	return room;
}

/*
 * Whether the entry was made for the locked tail: where the same transaction has truncated the
 * table, another page may have had its serial.
 */
static bool
center_is_of(HnrIndex *index, Buffer tail)
{
	if (index->codec->quantizer == NULL ||
		last_center.begun == hnr_page_pending(BufferGetPage(tail))->begun)
		return true;
	last_center.serial = 0;
	return false;
}

/* Tries to append to the present tail; else makes room.  False: try again. */
static bool
try_append(Appending *a)
{
	HnrIndex   *index = a->index;
	BlockNumber last = InvalidBlockNumber;
	Buffer		tail = InvalidBuffer;
	bool		full = true;
	bool		done = false;

	a->astray = false;
	if (BlockNumberIsValid(index->meta.pending_tail))
	{
		if (make_entry(a))
			tail = lock_tail(index, BUFFER_LOCK_EXCLUSIVE);
		a->astray = !BufferIsValid(tail);
		if (a->astray)
			return false;
		full = hnr_page_pending(BufferGetPage(tail))->count >= hnr_pending_per_page(&index->layout);
		last = hnr_page_pending(BufferGetPage(tail))->data;
		if (!center_is_of(index, tail))
		{
			hnr_buffer_release(tail);
			return false;
		}
		if (!full && a->size <= DATA_CAPACITY)
			done = put_both(a, tail);
		hnr_buffer_release(tail);
	}
	if (done)
		return true;
	if (full)
		hnr_pending_add_page(index, a->row->vec);
	else if (a->size > DATA_CAPACITY)
		return append_large(a);
	else
		add_data(index, last);
	return false;
}

void
hnr_pending_append(HnrIndex *index, const HnrRow *row, bool known)
{
	const HnrLayout *layout = &index->layout;
	int			floats = Max(layout->dims, Max(hnr_codec_rotated_dims(index->codec), 1));
	Appending	a = {.index = index,.row = row,.known = known};

	a.rotated = palloc(sizeof(float) * floats);
	a.entry = palloc(hnr_pending_entry_size(layout));
	hnr_codec_rotate(index->codec, row->vec, a.rotated);
	if (layout->room > 0)
	{
		a.size = sizeof(float) * hnr_layout_words(layout, row->vec);
		a.stored = (char *) row->vec;
	}
	else
	{
		a.size = hnr_coordinates_size(layout->encoding, layout->dims);
		a.stored = palloc(a.size);
		hnr_stored_encode(layout->encoding, row->vec, layout->dims,
						  hnr_stored_scale(layout->encoding, layout->dims, row->vec), a.stored);
	}
	while (!try_append(&a))
	{
		uint64		serial = index->meta.pending_serial;

		CHECK_FOR_INTERRUPTS();
		hnr_index_read_meta(index);
		/* serials are not used again: it has been the tail all the while */
		if (a.astray && BlockNumberIsValid(index->meta.pending_tail) && index->meta.pending_serial == serial)
			hnr_report_corrupted(index->rel, index->meta.pending_tail,
								 "The list of pending rows ends at a page that is not in it.");
	}
}
