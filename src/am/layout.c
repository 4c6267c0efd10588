/*-------------------------------------------------------------------------
 *
 * layout.c
 *		Where in a vertex its coordinates and slots stand.  See layout.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/layout.h"
#include "am/metric.h"
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

/* Slots are read as structs: they stay aligned for float. */
static int
slot_size(int dims, int code_bits)
{
	if (code_bits == 0)
		return HNR_PLAIN_SLOT_SIZE;
	return INTALIGN((int) sizeof(HnrSlot) + hnr_code_size(dims, code_bits));
}

static bool
compute_shape(HnrLayout *layout, HnrShape *shape, HnrPageKind kind, int slots)
{
	int			vec = 0;
	int			slot = 0;

	shape->kind = kind;
	shape->slots = slots;
	for (shape->parts = 0; vec < layout->stored || slot < slots; shape->parts++)
	{
		HnrPartLayout *pl;
		int			room;

		if (shape->parts == HNR_MAX_PARTS)
			return false;
		pl = &shape->part[shape->parts];
		pl->vec_offset = shape->parts == 0 ? sizeof(HnrVertex) : sizeof(HnrPart);
		room = HNR_PAGE_CAPACITY - pl->vec_offset;
		pl->vec_first = vec;
		pl->vec_count = Min(layout->stored - vec, room / hnr_coordinates_size(layout->encoding, 1));
		pl->slot_offset = INTALIGN(pl->vec_offset + hnr_coordinates_size(layout->encoding, pl->vec_count));
		room = HNR_PAGE_CAPACITY - pl->slot_offset;
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

static const HnrMetric *
metric_of(const HnrMetaPage *meta)
{
	return hnr_metric_find(meta->element, meta->metric);
}

/* Words of a vector. */
static int
width(const HnrMetaPage *meta)
{
	return metric_of(meta)->type->width(hnr_meta_dims(meta));
}

bool
hnr_layout_compute(HnrLayout *layout, const HnrMetaPage *meta)
{
	layout->metric = metric_of(meta);
	layout->dims = width(meta);
	layout->column_dims = hnr_meta_dims(meta);
	layout->room = meta->room;
	layout->stored = layout->dims;
	if (meta->room > 0)
		layout->stored = meta->room + sizeof(HnrVarying) / sizeof(float);
	layout->code_bits = meta->code_bits;
	layout->encoding = meta->encoding;
	layout->slot_size = slot_size(layout->dims, meta->code_bits);
	return compute_shape(layout, &layout->ground, HNR_PAGE_GROUND, meta->slots_ground) &&
		compute_shape(layout, &layout->upper, HNR_PAGE_UPPER, meta->slots_upper);
}

int
hnr_layout_words(const HnrLayout *layout, const float *vec)
{
	return hnr_metric_words(layout->metric, layout->dims, vec);
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

/*
 * A new vertex is linked to m others and needs some slots more, so that others can
 * be linked to it without pushing them out; beyond 2 m they are of no use.  Where
 * slots are small, it gets them all; so they are beside all that is not dense.
 */
#define SMALL_DIMS	64

/*
 * Under the inner product, long vectors are everybody's neighbours and need each slot
 * to tell them apart.  Vectors of many dimensions mostly have unit length.
 */
#define SMALL_IP_DIMS	256

static int
wanted_slots(const HnrMetaPage *meta)
{
	int			m = meta->m;

	if (!metric_of(meta)->type->dense)
		return 2 * m;
	if (meta->dims <= (meta->metric == HNR_METRIC_IP ? SMALL_IP_DIMS : SMALL_DIMS))
		return 2 * m;
	return Min(Max(6 * m / 5, m + 3), 2 * m);
}

#define MOST_TO_TIGHTEN	3

int
hnr_layout_choose_slots(const HnrMetaPage *meta)
{
	int			fixed;
	int			slot;
	int			wanted;
	int			least = meta->m * 9 / 10;
	int			per_page;

	/* what room there is for such vectors is chosen by the slots (room.h) */
	if (metric_of(meta)->type->words)
		return 2 * meta->m;
	fixed = INTALIGN((int) sizeof(HnrVertex) +
								 hnr_coordinates_size(meta->encoding, width(meta)));
	slot = slot_size(width(meta), meta->code_bits);
	wanted = wanted_slots(meta);
	per_page = HNR_PAGE_CAPACITY / MAXALIGN(fixed + wanted * slot);

	/* m will do where that saves a third of the room, or a quarter */
	if (per_page > 0 && per_page <= MOST_TO_TIGHTEN &&
		fixed + meta->m * slot <= MAXALIGN_DOWN(HNR_PAGE_CAPACITY / (per_page + 1)))
		per_page++;
	/* rather a few less than a page more */
	if (per_page == 0 && fixed + least * slot <= HNR_PAGE_CAPACITY)
		per_page = 1;
	/* over several pages there is nothing to fill */
	if (per_page == 0)
		return 2 * meta->m;
	return Min((MAXALIGN_DOWN(HNR_PAGE_CAPACITY / per_page) - fixed) / slot, 2 * meta->m);
}
