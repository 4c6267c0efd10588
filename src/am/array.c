/*-------------------------------------------------------------------------
 *
 * array.c
 *		Large arrays that grow without being copied.  See array.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/array.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* About what a block has, and the segments that blocks come from. */
#define BLOCK_BYTES		(32 * 1024)
#define LEAST_SEGMENT	(64 * 1024)
#define LARGEST_SEGMENT ((Size) 16 * 1024 * 1024)

/* A segment is no more than this part of maintenance_work_mem: the last is half empty. */
#define SEGMENTS		32

/* Where blocks begin: a cache line. */
#define ALIGNMENT		64

struct HnrArena
{
	MemoryContext context;
	Size		size;			/* of all segments */
	char	   *free;			/* of the last one */
	Size		nfree;
};

HnrArena *
hnr_arena_create(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw arena",
												  ALLOCSET_SMALL_SIZES);
	HnrArena   *arena = MemoryContextAllocZero(context, sizeof(HnrArena));

	arena->context = context;
	return arena;
}

void
hnr_arena_free(HnrArena *arena)
{
	MemoryContextDelete(arena->context);
}

Size
hnr_arena_size(const HnrArena *arena)
{
	return arena->size;
}

static char *
allocate(HnrArena *arena, Size bytes)
{
	char	   *result;

	bytes = TYPEALIGN(ALIGNMENT, bytes);
	if (bytes > arena->nfree)
	{
		Size		size = Min(arena->size / 4, LARGEST_SEGMENT);

		size = Min(size, (Size) maintenance_work_mem * 1024 / SEGMENTS);
		size = Max(Max(size, LEAST_SEGMENT), bytes) + ALIGNMENT;
		arena->free = MemoryContextAllocExtended(arena->context, size,
												 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		arena->size += size;
		arena->nfree = size - ALIGNMENT;
		arena->free = (char *) TYPEALIGN(ALIGNMENT, arena->free);
	}
	result = arena->free;
	arena->free += bytes;
	arena->nfree -= bytes;
	return result;
}

void
hnr_array_init(HnrArray *array, HnrArena *arena, Size item)
{
	memset(array, 0, sizeof(HnrArray));
	array->arena = arena;
	array->item = item;
	while ((item << (array->shift + 1)) <= BLOCK_BYTES)
		array->shift++;
}

void
hnr_array_reserve(HnrArray *array, uint32 n)
{
	while ((uint64) array->nblocks << array->shift < n)
	{
		if (array->nblocks == array->maxblocks)
		{
			uint32		max = Max(array->maxblocks * 2, 16);
			char	  **block = MemoryContextAllocHuge(array->arena->context,
													   sizeof(char *) * (Size) max);

			if (array->block)
			{
				memcpy(block, array->block, sizeof(char *) * (Size) array->nblocks);
				pfree(array->block);
			}
			array->block = block;
			array->maxblocks = max;
		}
		array->block[array->nblocks++] = allocate(array->arena, array->item << array->shift);
	}
}

void
hnr_array_replace(HnrArray *array, HnrArray *other)
{
	*array = *other;
}
