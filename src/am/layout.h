/*-------------------------------------------------------------------------
 *
 * layout.h
 *		Where in a vertex its coordinates and slots stand.
 *
 * The layout follows from what the metapage says of the type, dims, code_bits and slot
 * counts alone.  A vertex is its header, then the coordinates, then the slots; where
 * that exceeds a page, coordinates run on in the next part, and a slot never
 * straddles two parts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_LAYOUT_H
#define HNR_LAYOUT_H

#include "am/page.h"

#define HNR_MAX_PARTS	64

/* The stretch of coordinates and of slots in one part, as offsets from the part. */
typedef struct HnrPartLayout
{
	int			vec_first;
	int			vec_count;
	int			vec_offset;
	int			slot_first;
	int			slot_count;
	int			slot_offset;
	int			size;			/* bytes in use */
} HnrPartLayout;

typedef struct HnrShape
{
	HnrPageKind kind;			/* of first parts: HNR_PAGE_GROUND or _UPPER */
	int			slots;
	int			parts;
	int			per_page;		/* 1 if parts > 1 */
	HnrPartLayout part[HNR_MAX_PARTS];
} HnrShape;

typedef struct HnrLayout
{
	int			dims;			/* words of a vector: its coordinates, where it is dense */
	int			column_dims;	/* as the column has them */
	const struct HnrMetric *metric;
	int			room;			/* words on a vertex, where vectors vary (tail.h); else 0 */
	int			stored;			/* what a vertex holds of a vector, in words */
	int			code_bits;		/* 0: plain slots */
	HnrEncoding encoding;
	int			slot_size;
	HnrShape	ground;
	HnrShape	upper;
} HnrLayout;

/* Code bits per dimension for vectors of these dimensions. */
extern int	hnr_layout_choose_bits(int dims);

/*
 * Slots of a ground vertex: up to 2 m, as many as fill the page without waste.
 */
extern int	hnr_layout_choose_slots(const HnrMetaPage *meta);

/*
 * Fills the layout from what the metapage says; false if a vertex would need more than
 * HNR_MAX_PARTS pages.
 */
extern bool hnr_layout_compute(HnrLayout *layout, const HnrMetaPage *meta);

/* Bytes of n coordinates. */
static inline int
hnr_coordinates_size(HnrEncoding encoding, int n)
{
	switch (encoding)
	{
		case HNR_ENCODING_BYTE:
			return n;
		case HNR_ENCODING_HALF:
		case HNR_ENCODING_SHORT:
			return n * (int) sizeof(uint16);
		default:
			return n * (int) sizeof(float);
	}
}

static inline const HnrShape *
hnr_layout_shape(const HnrLayout *layout, int level)
{
	return level == 0 ? &layout->ground : &layout->upper;
}

/* The vertex at position pos (1 .. per_page) of a page of the shape. */
static inline HnrVertex *
hnr_vertex_at(const HnrShape *shape, Page page, OffsetNumber pos)
{
	Assert(pos >= 1 && pos <= shape->per_page);
	return (HnrVertex *) (hnr_page_contents(page) + (Size) (pos - 1) * shape->part[0].size);
}

/* The slot with index i, given the start of the part that holds it. */
static inline HnrSlot *
hnr_slot_in_part(const HnrLayout *layout, const HnrPartLayout *pl, void *part, int i)
{
	Assert(i >= pl->slot_first && i < pl->slot_first + pl->slot_count);
	return (HnrSlot *) ((char *) part + pl->slot_offset +
						(Size) (i - pl->slot_first) * layout->slot_size);
}

/* Words of a vector. */
extern int	hnr_layout_words(const HnrLayout *layout, const float *vec);

/* Blocks that n vertices of a shape take. */
static inline BlockNumber
hnr_shape_blocks(const HnrShape *shape, uint32 n)
{
	return (n + shape->per_page - 1) / shape->per_page * shape->parts;
}

/* The part that holds slot i. */
extern int	hnr_shape_part_of_slot(const HnrShape *shape, int i);

/* How many neighbours a vertex is linked to when it is new. */
static inline int
hnr_new_degree(const HnrLayout *layout, int level, int m)
{
	return Min(m, hnr_layout_shape(layout, level)->slots);
}

#endif							/* HNR_LAYOUT_H */
