/*-------------------------------------------------------------------------
 *
 * vertex.c
 *		Writing whole vertices, and changing the slots of one.  See vertex.h.
 *
 * Lock order: the first part of a vertex, then its later parts in block order.
 * Whoever changes any part of a vertex holds the first part's exclusive lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/pending.h"
#include "am/place.h"
#include "am/stored.h"
#include "am/tail.h"
#include "am/vertex.h"
#include "am/wal.h"

void
hnr_vertex_fill_part(const HnrLayout *layout, const HnrVertexImage *image,
					 int p, uint32 generation, char *dest)
{
	const HnrPartLayout *pl = &hnr_layout_shape(layout, image->level)->part[p];
	int			nslots = Min(pl->slot_count, image->degree - pl->slot_first);
	HnrScale	scale = image->stored ? image->scale :
		hnr_stored_scale(layout->encoding, layout->dims, image->vec);

	memset(dest, 0, pl->size);
	if (p == 0)
	{
		HnrVertex  *v = (HnrVertex *) dest;

		v->state = HNR_VERTEX_LIVE;
		v->level = image->level;
		v->degree = image->degree;
		v->ntids = image->ntids;
		v->generation = generation;
		v->link = image->link;
		v->error = image->error;
		v->scale = scale;
		memcpy(v->tids, image->tids, sizeof(v->tids));
	}
	else
	{
		((HnrPart *) dest)->generation = generation;
		((HnrPart *) dest)->part = p;
	}
	if (layout->room > 0)
		hnr_tail_put_head(layout, image->vec, &image->tail, dest + pl->vec_offset);
	else if (image->stored)
		memcpy(dest + pl->vec_offset,
			   image->stored + hnr_coordinates_size(layout->encoding, pl->vec_first),
			   hnr_coordinates_size(layout->encoding, pl->vec_count));
	else
		hnr_stored_encode(layout->encoding, image->vec + pl->vec_first, pl->vec_count, scale,
						  dest + pl->vec_offset);
	if (nslots > 0)
		memcpy(dest + pl->slot_offset,
			   image->slots + (Size) pl->slot_first * layout->slot_size,
			   (Size) nslots * layout->slot_size);
}

/* Bytes of a part up to the last of `degree` slots. */
static int
part_used(const HnrLayout *layout, const HnrPartLayout *pl, int degree)
{
	int			nslots = Max(Min(pl->slot_count, degree - pl->slot_first), 0);

	return pl->slot_offset + nslots * layout->slot_size;
}

/* Writes one later part; its buffer is locked, and released here. */
static void
store_later_part(HnrIndex *index, const HnrVertexImage *image, int p,
				 uint32 generation, Buffer buf)
{
	const HnrPartLayout *pl = &hnr_layout_shape(&index->layout, image->level)->part[p];
	HnrChange	change;
	Page		page;

	hnr_change_begin(&change, index->rel, index->building);
	page = hnr_change_page(&change, buf, HNR_CHANGE_WHOLE);
	hnr_page_init(page, HNR_PAGE_PART, part_used(&index->layout, pl, image->degree));
	hnr_vertex_fill_part(&index->layout, image, p, generation, hnr_page_contents(page));
	hnr_change_end(&change);
	hnr_buffer_release(buf);
}

/* Writes the first part at a place, the only one or after the others. */
static void
store_first_part(HnrIndex *index, const HnrVertexImage *image, const HnrPlace *place,
				 uint32 generation, bool marked)
{
	const HnrShape *shape = hnr_layout_shape(&index->layout, image->level);
	int			size = shape->part[0].size;
	HnrChange	change;

	hnr_change_begin(&change, index->rel, index->building);
	if (place->fresh)
	{
		Page		page = hnr_change_page(&change, place->buf, HNR_CHANGE_WHOLE);

		/* the places behind it are zero, which needs no logging */
		hnr_page_init(page, shape->kind,
					  part_used(&index->layout, &shape->part[0], image->degree));
		hnr_vertex_fill_part(&index->layout, image, 0, generation,
							 (char *) hnr_vertex_at(shape, page, place->pos));
	}
	else
	{
		char	   *part = palloc(size);

		hnr_vertex_fill_part(&index->layout, image, 0, generation, part);
		hnr_change_put(&change, place->buf,
					   hnr_vertex_at(shape, BufferGetPage(place->buf), place->pos), part, size);
		pfree(part);
	}
	if (marked)
	{
		ItemPointerData tid;

		ItemPointerSet(&tid, BufferGetBlockNumber(place->buf), place->pos);
		hnr_pending_mark_put(index, &change, &tid, generation, HNR_PENDING_IN_GRAPH);
	}
	hnr_change_end(&change);
}

uint32
hnr_vertex_store(HnrIndex *index, const HnrVertexImage *image, ItemPointer tid)
{
	const HnrShape *shape = hnr_layout_shape(&index->layout, image->level);
	HnrVertexImage whole = *image;
	HnrPlace	place;
	BlockNumber block;
	uint32		generation = 1;
	bool		marked = image->level == 0 && index->mark != NULL;
	bool		more;

	hnr_place_vertex(index, shape, &place);
	block = BufferGetBlockNumber(place.buf);
	if (!place.fresh)
		generation = hnr_vertex_at(shape, BufferGetPage(place.buf), place.pos)->generation + 1;

	for (int p = 1; p < shape->parts; p++)
		store_later_part(index, image, p, generation,
						 place.fresh ? place.later[p] :
						 hnr_buffer_read(index->rel, block + p, BUFFER_LOCK_EXCLUSIVE,
										 HNR_KIND_BIT(HNR_PAGE_PART)));
	ItemPointerSet(tid, block, place.pos);
	if (index->layout.room > 0)
		hnr_tail_store(index, tid, generation, image->vec, &whole.tail);
	if (marked)
		hnr_pending_mark_begin(index);
	store_first_part(index, &whole, &place, generation, marked);
	if (marked)
		hnr_pending_mark_end(index);
	more = place.fresh && shape->per_page > 1;
	hnr_buffer_release(place.buf);
	/* let others fill the page up, should this backend not come back */
	if (more && !index->building)
		hnr_place_offer(index, block, shape->kind);
	return generation;
}

const HnrVertex *
hnr_vertex_standing(const HnrShape *shape, Page page, OffsetNumber pos)
{
	const HnrVertex *v;

	if (PageIsNew(page) || hnr_page_head(page)->kind != shape->kind || pos < 1 || pos > shape->per_page)
		return NULL;
	v = hnr_vertex_at(shape, page, pos);
	return v->state == HNR_VERTEX_LIVE || v->state == HNR_VERTEX_DELETED ? v : NULL;
}

void
hnr_vertex_check_position(HnrIndex *index, const HnrShape *shape, ItemPointer tid)
{
	OffsetNumber pos = ItemPointerGetOffsetNumberNoCheck(tid);

	if (unlikely(pos < 1 || pos > shape->per_page))
		hnr_report_corrupted(index->rel, ItemPointerGetBlockNumberNoCheck(tid),
							 "A link names a position that the page does not have.");
}

bool
hnr_vertex_on_locked_page(HnrIndex *index, ItemPointer tid, int level, Buffer buf,
						  HnrLockedVertex *locked)
{
	locked->index = index;
	locked->shape = hnr_layout_shape(&index->layout, level);
	locked->tid = *tid;
	locked->buf = buf;
	hnr_vertex_check_position(index, locked->shape, tid);
	locked->vertex = hnr_vertex_at(locked->shape, BufferGetPage(buf),
								   ItemPointerGetOffsetNumber(tid));
	if (locked->vertex->state != HNR_VERTEX_LIVE || locked->vertex->level != level)
		return false;
	/* the counts bound what callers copy */
	if (unlikely(locked->vertex->degree > locked->shape->slots ||
				 (level == 0 && locked->vertex->ntids > HNR_INLINE_TIDS)))
		hnr_report_corrupted(index->rel, ItemPointerGetBlockNumber(tid),
							 "A vertex claims more neighbors or rows than it has room for.");
	return true;
}

bool
hnr_vertex_lock(HnrIndex *index, ItemPointer tid, int level, HnrLockedVertex *locked)
{
	const HnrShape *shape = hnr_layout_shape(&index->layout, level);
	Buffer		buf = hnr_buffer_read(index->rel, ItemPointerGetBlockNumberNoCheck(tid),
									  BUFFER_LOCK_EXCLUSIVE, HNR_KIND_BIT(shape->kind));

	if (hnr_vertex_on_locked_page(index, tid, level, buf, locked))
		return true;
	hnr_buffer_release(buf);
	return false;
}

void
hnr_vertex_unlock(HnrLockedVertex *locked)
{
	hnr_buffer_release(locked->buf);
}

/* The buffer of part p, locked; that of part 0 is at hand. */
static Buffer
lock_part(HnrLockedVertex *locked, int p, int mode)
{
	if (p == 0)
		return locked->buf;
	return hnr_buffer_read(locked->index->rel, ItemPointerGetBlockNumber(&locked->tid) + p,
						   mode, HNR_KIND_BIT(HNR_PAGE_PART));
}

static void
unlock_part(int p, Buffer buf)
{
	if (p > 0)
		hnr_buffer_release(buf);
}

/* Where part p starts on a page of it. */
static char *
part_start(HnrLockedVertex *locked, int p, Page page)
{
	if (p > 0)
		return hnr_page_contents(page);
	return (char *) hnr_vertex_at(locked->shape, page, ItemPointerGetOffsetNumber(&locked->tid));
}

void
hnr_vertex_get_vector(HnrLockedVertex *locked, float *vec)
{
	if (locked->index->layout.room > 0)
	{
		if (!hnr_tail_read_vector(locked->index, &locked->tid, locked->vertex->generation,
								  (char *) locked->vertex + locked->shape->part[0].vec_offset, vec))
			hnr_report_corrupted(locked->index->rel, ItemPointerGetBlockNumber(&locked->tid),
								 "A vector does not go on where its vertex says.");
		return;
	}
	for (int p = 0; p < locked->shape->parts && locked->shape->part[p].vec_count > 0; p++)
	{
		const HnrPartLayout *pl = &locked->shape->part[p];
		Buffer		buf = lock_part(locked, p, BUFFER_LOCK_SHARE);

		hnr_stored_decode(locked->index->layout.encoding,
						  part_start(locked, p, BufferGetPage(buf)) + pl->vec_offset,
						  pl->vec_count, locked->vertex->scale, vec + pl->vec_first);
		unlock_part(p, buf);
	}
}

void
hnr_vertex_get_slots(HnrLockedVertex *locked, char *slots)
{
	Size		slot_size = locked->index->layout.slot_size;

	for (int p = 0; p < locked->shape->parts; p++)
	{
		const HnrPartLayout *pl = &locked->shape->part[p];
		int			n = Min(pl->slot_count, (int) locked->vertex->degree - pl->slot_first);
		Buffer		buf;

		if (n <= 0)
			continue;
		buf = lock_part(locked, p, BUFFER_LOCK_SHARE);
		memcpy(slots + pl->slot_first * slot_size,
			   part_start(locked, p, BufferGetPage(buf)) + pl->slot_offset, n * slot_size);
		unlock_part(p, buf);
	}
}

bool
hnr_vertex_later_slots(HnrLaterSlots *later)
{
	if (later->part > 0)
		hnr_buffer_release(later->buf);
	while (++later->part < later->shape->parts)
	{
		const HnrPartLayout *pl = &later->shape->part[later->part];
		char	   *part;

		later->n = Min(pl->slot_count, (int) later->vertex->degree - pl->slot_first);
		if (later->n <= 0)
			continue;
		later->buf = hnr_buffer_read(later->index->rel, later->block + later->part,
									 BUFFER_LOCK_SHARE, HNR_KIND_BIT(HNR_PAGE_PART));
		part = hnr_page_contents(BufferGetPage(later->buf));
		later->same = ((HnrPart *) part)->generation == later->vertex->generation;
		later->slots = part + pl->slot_offset;
		return true;
	}
	return false;
}

/* Puts slot i, which is on part p, in its locked buffer. */
static void
change_slot(HnrChange *change, HnrLockedVertex *locked, int i, const HnrSlot *slot, int p,
			Buffer buf)
{
	const HnrLayout *layout = &locked->index->layout;
	uint16		degree = i + 1;

	if (degree > locked->vertex->degree)
		hnr_change_put(change, locked->buf, &locked->vertex->degree, &degree, sizeof(degree));
	hnr_change_put(change, buf,
				   hnr_slot_in_part(layout, &locked->shape->part[p],
									part_start(locked, p, BufferGetPage(buf)), i),
				   slot, layout->slot_size);
}

void
hnr_vertex_change_slot(HnrChange *change, HnrLockedVertex *locked, int i, const HnrSlot *slot)
{
	Assert(locked->shape->parts == 1);
	change_slot(change, locked, i, slot, 0, locked->buf);
}

void
hnr_vertex_put_slot(HnrLockedVertex *locked, int i, const HnrSlot *slot)
{
	int			p = hnr_shape_part_of_slot(locked->shape, i);
	Buffer		buf = lock_part(locked, p, BUFFER_LOCK_EXCLUSIVE);
	HnrChange	change;

	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	change_slot(&change, locked, i, slot, p, buf);
	hnr_change_end(&change);
	unlock_part(p, buf);
}

/* Replaces the slots of one part; the degree too, if it is the first. */
static void
put_part_slots(HnrLockedVertex *locked, int p, const char *slots, uint16 degree)
{
	const HnrPartLayout *pl = &locked->shape->part[p];
	Size		slot_size = locked->index->layout.slot_size;
	int			n = Max(Min(pl->slot_count, degree - pl->slot_first), 0);
	char	   *now = palloc0(pl->slot_count * slot_size + 1);
	Buffer		buf = lock_part(locked, p, BUFFER_LOCK_EXCLUSIVE);
	HnrChange	change;

	memcpy(now, slots + pl->slot_first * slot_size, n * slot_size);
	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	if (p == 0)
		hnr_change_put(&change, buf, &locked->vertex->degree, &degree, sizeof(degree));
	hnr_change_put(&change, buf, part_start(locked, p, BufferGetPage(buf)) + pl->slot_offset,
				   now, pl->slot_count * slot_size);
	hnr_change_end(&change);
	unlock_part(p, buf);
	pfree(now);
}

void
hnr_vertex_put_slots(HnrLockedVertex *locked, const char *slots, int degree)
{
	bool		grows = degree > locked->vertex->degree;

	/*
	 * Slots at and beyond the degree are not read, so what a crash in between leaves
	 * is a mixture of old and new neighbours: the degree, in the first part, changes
	 * last if it grows and first if it shrinks.
	 */
	for (int i = 0; i < locked->shape->parts; i++)
	{
		int			p = grows ? locked->shape->parts - 1 - i : i;

		if (p == 0 || locked->shape->part[p].slot_count > 0)
			put_part_slots(locked, p, slots, degree);
	}
}
