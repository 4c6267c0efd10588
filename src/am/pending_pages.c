/*-------------------------------------------------------------------------
 *
 * pending_pages.c
 *		Pages of the pending list: what stands where on them, and how they come into it.
 *
 * A page is added under the metapage's lock, by one record over the metapage, the page
 * before it or the page of rows that it belongs to, and itself.  It has been in the list
 * before, or is new.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/pending.h"
#include "utils/timestamp.h"

/* The most that a centre may take of a page. */
#define MOST_CENTER		(HNR_PAGE_CAPACITY * 3 / 8)

/* A new centre is made of so many rows of the page before, at most. */
#define CENTER_ROWS		16

HnrEncoding
hnr_pending_center_encoding(const HnrLayout *layout)
{
	/* unit vectors are near the origin, others may be all far from it */
	return layout->metric->kind == HNR_METRIC_COSINE ? HNR_ENCODING_BYTE : HNR_ENCODING_HALF;
}

int
hnr_pending_center_size(const HnrLayout *layout)
{
	int			size = hnr_coordinates_size(hnr_pending_center_encoding(layout), layout->dims);

	return layout->code_bits > 0 && size <= MOST_CENTER ? size : 0;
}

int
hnr_pending_per_page(const HnrLayout *layout)
{
	return (HNR_PAGE_CAPACITY - (int) sizeof(HnrPendingHead) - INTALIGN(hnr_pending_center_size(layout))) /
		hnr_pending_entry_size(layout);
}

void
hnr_pending_get_center(const HnrLayout *layout, Page page, float *center)
{
	const HnrPendingHead *head = hnr_page_pending(page);

	if (head->center_size == 0)
		memset(center, 0, sizeof(float) * layout->dims);
	else
		hnr_stored_decode(hnr_pending_center_encoding(layout), hnr_pending_center(page),
						  layout->dims, head->center_scale, center);
}

double
hnr_pending_rows(const HnrIndex *index)
{
	const HnrMetaPage *meta = &index->meta;

	if (!BlockNumberIsValid(meta->pending_head))
		return 0;
	return (double) (meta->pending_serial - meta->pending_head_serial) *
		hnr_pending_per_page(&index->layout);
}

/* ---- pages ---- */

/*
 * A page for rows or vectors, locked; the caller has the metapage locked, and makes the page
 * by the change that takes over *rest as the metapage's pending_free.
 */
static Buffer
take_page(HnrIndex *index, Buffer metabuf, BlockNumber *rest)
{
	const HnrMetaPage *meta = hnr_page_meta(BufferGetPage(metabuf));
	Buffer		buf;

	*rest = meta->pending_free;
	if (*rest == HNR_METAPAGE)
	{
		hnr_buffer_extend(index->rel, MAIN_FORKNUM, 1, NULL, &buf);
		return buf;
	}
	buf = hnr_buffer_read(index->rel, *rest, BUFFER_LOCK_EXCLUSIVE,
						  HNR_KIND_BIT(HNR_PAGE_PENDING_DATA) | HNR_KIND_BIT(HNR_PAGE_PENDING_FREE));
	/* what is in use, or would be soon, has a serial that the list has not come to the end of */
	if (BlockNumberIsValid(meta->pending_head) &&
		hnr_page_pending(BufferGetPage(buf))->serial >= meta->pending_head_serial)
		hnr_report_corrupted(index->rel, *rest, "A page of pending rows is in use and among those of no use.");
	*rest = hnr_page_pending(BufferGetPage(buf))->next;
	if (!BlockNumberIsValid(*rest))
		*rest = HNR_METAPAGE;
	return buf;
}

/* The mean of some rows of a page, all near its end; false if it has none that can be read. */
static bool
mean_of_rows(HnrIndex *index, Page page, float *mean)
{
	int			dims = index->layout.dims;
	int			count = hnr_page_pending(page)->count;
	float	   *vec = palloc(sizeof(float) * dims);
	int			n = 0;

	memset(mean, 0, sizeof(float) * dims);
	for (int i = Max(count - CENTER_ROWS, 0); i < count; i++)
	{
		const char *damaged;

		if (!hnr_pending_read_vector(index, hnr_pending_entry(&index->layout, page, i),
									 hnr_page_pending(page)->serial, vec, &damaged))
			continue;
		n++;
		for (int k = 0; k < dims; k++)
			mean[k] += (vec[k] - mean[k]) / n;
	}
	pfree(vec);
	return n > 0;
}

/*
 * The centre of a new page, NULL if none has one: of the first page, the row that it is for; of
 * the second, the mean of rows before; then the same for as many pages as share one, and each
 * time nearer to the mean of the last rows.  first: the page before is the list's first.
 */
static float *
find_center(HnrIndex *index, const float *vec, Page before, bool first, uint64 serial)
{
	const HnrLayout *layout = &index->layout;
	float	   *center;
	float	   *mean;

	if (hnr_pending_center_size(layout) == 0)
		return NULL;
	center = palloc(sizeof(float) * layout->dims);
	if (before == NULL)
	{
		memcpy(center, vec, sizeof(float) * layout->dims);
		return center;
	}
	hnr_pending_get_center(layout, before, center);
	if (!first && serial % HNR_PENDING_CENTER_RUN != 0)
		return center;
	mean = palloc(sizeof(float) * layout->dims);
	if (mean_of_rows(index, before, mean))
		for (int i = 0; i < layout->dims; i++)
			center[i] = first ? mean[i] : (center[i] + mean[i]) / 2;
	pfree(mean);
	return center;
}

static void
put_center(HnrIndex *index, float *center, Page page)
{
	const HnrLayout *layout = &index->layout;
	HnrPendingHead *head = hnr_page_pending(page);
	HnrEncoding encoding = hnr_pending_center_encoding(layout);

	if (center == NULL)
		return;
	head->center_size = hnr_pending_center_size(layout);
	hnr_stored_round(layout->metric, encoding, layout->dims, center);
	head->center_scale = hnr_stored_scale(encoding, layout->dims, center);
	hnr_stored_encode(encoding, center, layout->dims, head->center_scale,
					  hnr_pending_center(page));
	pfree(center);
}

void
hnr_pending_add_page(HnrIndex *index, const float *vec)
{
	Buffer		metabuf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
										  HNR_KIND_BIT(HNR_PAGE_META));
	HnrMetaPage *meta = hnr_page_meta(BufferGetPage(metabuf));
	BlockNumber tail = meta->pending_tail;
	uint64		serial = meta->pending_serial + 1;
	BlockNumber block;
	BlockNumber rest;
	Buffer		before = InvalidBuffer;
	Buffer		buf;
	HnrChange	change;
	HnrPendingHead *head;
	Page		page;
	float	   *center;

	if (tail != index->meta.pending_tail || serial != index->meta.pending_serial + 1)
	{
		hnr_buffer_release(metabuf);
		return;
	}
	if (BlockNumberIsValid(tail))
		before = hnr_buffer_read(index->rel, tail, BUFFER_LOCK_EXCLUSIVE,
								 HNR_KIND_BIT(HNR_PAGE_PENDING));
	center = find_center(index, vec, BufferIsValid(before) ? BufferGetPage(before) : NULL,
						 tail == meta->pending_head, serial);
	buf = take_page(index, metabuf, &rest);
	block = BufferGetBlockNumber(buf);

	hnr_change_begin(&change, index->rel, false);
	page = hnr_change_page(&change, buf, HNR_CHANGE_WHOLE);
	hnr_page_init(page, HNR_PAGE_PENDING,
				  sizeof(HnrPendingHead) + INTALIGN(hnr_pending_center_size(&index->layout)));
	head = hnr_page_pending(page);
	head->serial = serial;
	head->next = head->owner = head->data = head->first_data = InvalidBlockNumber;
	head->begun = GetCurrentTimestamp();
	put_center(index, center, page);
	if (BufferIsValid(before))
		hnr_change_put(&change, before, &hnr_page_pending(BufferGetPage(before))->next, &block, sizeof(block));
	else
	{
		hnr_change_put(&change, metabuf, &meta->pending_head, &block, sizeof(block));
		hnr_change_put(&change, metabuf, &meta->pending_head_serial, &serial, sizeof(serial));
	}
	hnr_change_put(&change, metabuf, &meta->pending_tail, &block, sizeof(block));
	hnr_change_put(&change, metabuf, &meta->pending_serial, &serial, sizeof(serial));
	hnr_change_put(&change, metabuf, &meta->pending_free, &rest, sizeof(rest));
	hnr_change_end(&change);

	hnr_buffer_release(buf);
	if (BufferIsValid(before))
		hnr_buffer_release(before);
	hnr_buffer_release(metabuf);
}

void
hnr_pending_add_data(HnrIndex *index, Buffer metabuf, Buffer ownerbuf, const char *bytes, int used)
{
	HnrMetaPage *meta = hnr_page_meta(BufferGetPage(metabuf));
	HnrPendingHead *owner = hnr_page_pending(BufferGetPage(ownerbuf));
	BlockNumber rest;
	Buffer		buf = take_page(index, metabuf, &rest);
	BlockNumber block = BufferGetBlockNumber(buf);
	HnrPendingHead *head;
	HnrChange	change;
	Page		page;

	hnr_change_begin(&change, index->rel, false);
	page = hnr_change_page(&change, buf, HNR_CHANGE_WHOLE);
	hnr_page_init(page, HNR_PAGE_PENDING_DATA, HNR_PENDING_DATA_START + used);
	head = hnr_page_pending(page);
	head->serial = owner->serial;
	head->next = owner->data;
	head->owner = BufferGetBlockNumber(ownerbuf);
	head->data = head->first_data = InvalidBlockNumber;
	head->used = MAXALIGN(used);
	if (used > 0)
		memcpy(hnr_page_contents(page) + HNR_PENDING_DATA_START, bytes, used);
	hnr_change_put(&change, ownerbuf, &owner->data, &block, sizeof(block));
	if (!BlockNumberIsValid(owner->data))
		hnr_change_put(&change, ownerbuf, &owner->first_data, &block, sizeof(block));
	hnr_change_put(&change, metabuf, &meta->pending_free, &rest, sizeof(rest));
	hnr_change_end(&change);
	hnr_buffer_release(buf);
}
