/*-------------------------------------------------------------------------
 *
 * array.h
 *		Large arrays that grow without being copied.
 *
 * An array stands in blocks of equally many items; its arena gives them out of
 * segments, which become larger as more is asked for, so that memory is taken in steps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ARRAY_H
#define HNR_ARRAY_H

typedef struct HnrArena HnrArena;

typedef struct HnrArray
{
	HnrArena   *arena;
	Size		item;			/* bytes */
	int			shift;			/* a block has 1 << shift items */
	uint32		nblocks;
	uint32		maxblocks;
	char	  **block;
} HnrArray;

/* In a memory context of its own below the current one. */
extern HnrArena *hnr_arena_create(void);
extern void hnr_arena_free(HnrArena *arena);

/* Bytes held. */
extern Size hnr_arena_size(const HnrArena *arena);

extern void hnr_array_init(HnrArray *array, HnrArena *arena, Size item);

/* Makes room for n items; new ones are zero. */
extern void hnr_array_reserve(HnrArray *array, uint32 n);

/* The array becomes the other. */
extern void hnr_array_replace(HnrArray *array, HnrArray *other);

static inline void *
hnr_array_at(const HnrArray *array, uint32 i)
{
	Assert(i >> array->shift < array->nblocks);
	return array->block[i >> array->shift] +
		(Size) (i & ((1U << array->shift) - 1)) * array->item;
}

#endif							/* HNR_ARRAY_H */
