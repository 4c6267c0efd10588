/*-------------------------------------------------------------------------
 *
 * array.h
 *		Large arrays that grow without being copied, and that other processes can share.
 *
 * An array stands in blocks of equally many items; its arena gives them out of
 * segments, which become larger as more is asked for, so that memory is taken in steps.
 * A shared arena takes dynamic shared memory while there is any, and becomes a private
 * one, moving all there is, when there is no more.
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

/*
 * In a memory context of its own below the current one.  Shared memory is the current
 * resource owner's; it is asked for outside parallel mode only.
 */
extern HnrArena *hnr_arena_create(bool shared);
extern void hnr_arena_free(HnrArena *arena);

/* Whether all of it is shared memory; if it no longer is, why not (else NULL). */
extern bool hnr_arena_is_shared(const HnrArena *arena);
extern const char *hnr_arena_problem(const HnrArena *arena);

/* Bytes held. */
extern Size hnr_arena_size(const HnrArena *arena);

/*
 * Whether there is so much more shared memory, just now, for something else; if not, the
 * arena becomes private.
 */
extern bool hnr_arena_has_room(HnrArena *arena, Size bytes);

/* An arena knows its arrays, in the order of these calls. */
extern void hnr_array_init(HnrArray *array, HnrArena *arena, Size item);

/* Makes room for n items; new ones are zero. */
extern void hnr_array_reserve(HnrArray *array, uint32 n);

/* The array becomes the other, the last one that was made. */
extern void hnr_array_replace(HnrArray *array, HnrArray *other);

/*
 * What another process needs to see the arrays of a shared arena, which no longer grow;
 * and there, the arena, and its arrays by number.
 */
extern Size hnr_arena_map_size(const HnrArena *arena);
extern void hnr_arena_write_map(const HnrArena *arena, char *map);
extern HnrArena *hnr_arena_attach(const char *map);
extern void hnr_array_attach(HnrArray *array, HnrArena *arena, int number);

static inline void *
hnr_array_at(const HnrArray *array, uint32 i)
{
	Assert(i >> array->shift < array->nblocks);
	return array->block[i >> array->shift] +
		(Size) (i & ((1U << array->shift) - 1)) * array->item;
}

#endif							/* HNR_ARRAY_H */
