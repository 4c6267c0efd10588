/*-------------------------------------------------------------------------
 *
 * layout.c
 *		Where in a vertex its coordinates and slots stand.  See layout.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/layout.h"
#include "quant/quant.h"

#define HNR_CACHE_LINE 64

/*
 * More bits per dimension make up for fewer dimensions: the error of an
 * estimate falls with the square root of the dimensions and halves per bit.
 */
int
hnr_layout_choose_bits(int dims)
{
	if (dims <= 64)
		return 4;
	if (dims <= 256)
		return 2;
	return 1;
}

/*
 * Vectors that begin on a cache line are measured faster.  Moves them there where
 * that costs no vertex on the page.
 */
static void
align_vectors(HnrShape *shape)
{
	HnrPartLayout *pl = &shape->part[0];
	int			first = TYPEALIGN(HNR_CACHE_LINE, HNR_PAGE_START + sizeof(HnrVertex)) - HNR_PAGE_START;
	int			shift = first - pl->vec_offset;
	int			size = TYPEALIGN(HNR_CACHE_LINE, pl->size + shift);

	if (HNR_PAGE_CAPACITY < size || HNR_PAGE_CAPACITY / size < shape->per_page)
		return;
	pl->vec_offset += shift;
	pl->slot_offset += shift;
	pl->size = size;
}

static bool
compute_shape(HnrLayout *layout, HnrShape *shape, HnrPageKind kind, int slots)
{
	int			vec = 0;
	int			slot = 0;

	shape->kind = kind;
	shape->slots = slots;
	for (shape->parts = 0; vec < layout->dims || slot < slots; shape->parts++)
	{
		HnrPartLayout *pl;
		int			room;

		if (shape->parts == HNR_MAX_PARTS)
			return false;
		pl = &shape->part[shape->parts];
		pl->vec_offset = shape->parts == 0 ? sizeof(HnrVertex) : sizeof(HnrPart);
		room = HNR_PAGE_CAPACITY - pl->vec_offset;
		pl->vec_first = vec;
		pl->vec_count = Min(layout->dims - vec, room / (int) sizeof(float));
		room -= pl->vec_count * (int) sizeof(float);
		pl->slot_offset = pl->vec_offset + pl->vec_count * (int) sizeof(float);
		pl->slot_first = slot;
		pl->slot_count = Min(slots - slot, room / layout->slot_size);
		pl->size = pl->slot_offset + pl->slot_count * layout->slot_size;
		vec += pl->vec_count;
		slot += pl->slot_count;
	}
	shape->per_page = 1;
	if (shape->parts == 1)
	{
		shape->part[0].size = MAXALIGN(shape->part[0].size);
		shape->per_page = HNR_PAGE_CAPACITY / shape->part[0].size;
		align_vectors(shape);
	}
	return true;
}

bool
hnr_layout_compute(HnrLayout *layout, int dims, int code_bits,
				   int slots_ground, int slots_upper)
{
	layout->dims = dims;
	layout->code_bits = code_bits;
	if (code_bits > 0)
	{
		/* Slots are read as structs: keep them aligned for float. */
		layout->slot_size = INTALIGN(sizeof(HnrSlot) + hnr_code_size(dims, code_bits));
	}
	else
		layout->slot_size = HNR_PLAIN_SLOT_SIZE;
	return compute_shape(layout, &layout->ground, HNR_PAGE_GROUND, slots_ground) &&
		compute_shape(layout, &layout->upper, HNR_PAGE_UPPER, slots_upper);
}

int
hnr_shape_part_of_slot(const HnrShape *shape, int i)
{
	int			part = 0;

	while (i >= shape->part[part].slot_first + shape->part[part].slot_count)
		part++;
	Assert(part < shape->parts);
	return part;
}
