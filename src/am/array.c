/*-------------------------------------------------------------------------
 *
 * array.c
 *		Large arrays that grow without being copied.  See array.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "am/array.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/dsm.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* About what a block has, and the segments that blocks come from. */
#define BLOCK_BYTES		(32 * 1024)
#define LEAST_PRIVATE	((Size) 64 * 1024)
#define LEAST_SHARED	((Size) 1024 * 1024)

/* A segment is no more than this part of maintenance_work_mem: the last is half empty. */
#define SEGMENTS		32

/* Where blocks begin: a cache line. */
#define ALIGNMENT		64

#define MAX_ARRAYS		24
#define MAX_SEGMENTS	1024

typedef struct Segment
{
	dsm_segment *shared;		/* NULL: private */
	char	   *base;
	Size		size;
} Segment;

struct HnrArena
{
	MemoryContext context;
	bool		shared;
	char	   *problem;
	Size		size;			/* of all segments */
	int			nsegments;
	Segment		segment[MAX_SEGMENTS];
	char	   *free;			/* of the last one */
	Size		nfree;
	int			narrays;
	HnrArray   *array[MAX_ARRAYS];
	const char *map;			/* another process's */
};

/* A map: this, handles of segments, then for each array an ArrayMap and its blocks. */
typedef struct ArenaMap
{
	int			nsegments;
	int			narrays;
} ArenaMap;

typedef struct ArrayMap
{
	Size		item;
	int			shift;
	uint32		nblocks;
} ArrayMap;

typedef struct BlockPlace
{
	uint32		segment;
	uint32		line;			/* of ALIGNMENT bytes */
} BlockPlace;

HnrArena *
hnr_arena_create(bool shared)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw arena",
												  ALLOCSET_SMALL_SIZES);
	HnrArena   *arena = MemoryContextAllocZero(context, sizeof(HnrArena));

	arena->context = context;
	arena->shared = shared;
	return arena;
}

void
hnr_arena_free(HnrArena *arena)
{
	for (int i = 0; i < arena->nsegments; i++)
		if (arena->segment[i].shared)
			dsm_detach(arena->segment[i].shared);
	MemoryContextDelete(arena->context);
}

bool
hnr_arena_is_shared(const HnrArena *arena)
{
	return arena->shared;
}

const char *
hnr_arena_problem(const HnrArena *arena)
{
	return arena->problem;
}

Size
hnr_arena_size(const HnrArena *arena)
{
	return arena->size;
}

/* What the end of a subtransaction has ended: the report of this command's progress. */
static void
resume_progress(ProgressCommandType command, Oid target)
{
	int64		params[PGSTAT_NUM_PROGRESS_PARAM];

	if (command == PROGRESS_COMMAND_INVALID || MyBEEntry == NULL)
		return;
	memcpy(params, MyBEEntry->st_progress_param, sizeof(params));
	pgstat_progress_start_command(command, target);
	for (int i = 0; i < PGSTAT_NUM_PROGRESS_PARAM; i++)
		pgstat_progress_update_param(i, params[i]);
}

/*
 * Asks for a segment; NULL where there is no room for it, and then arena->problem says
 * what the server said.  A subtransaction cleans up behind a segment half made.
 */
static dsm_segment *
try_segment(HnrArena *arena, Size size)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	dsm_segment *volatile segment = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		/* as if there were no room for a third one */
		if (arena->nsegments == 2 && HNR_DEBUG_FAULT("build_shared_memory"))
			ereport(ERROR,
					(errcode(ERRCODE_DISK_FULL),
					 errmsg("no more shared memory at debug point")));
		segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
		if (segment)
			dsm_pin_mapping(segment);
		else
			arena->problem = MemoryContextStrdup(arena->context,
												 "too many dynamic shared memory segments");
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(arena->context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INSUFFICIENT_RESOURCES)
			ReThrowError(error);
		arena->problem = error->message;
		segment = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (segment)
		dsm_unpin_mapping(segment);
	return segment;
}

static dsm_segment *
create_segment(HnrArena *arena, Size size)
{
	ProgressCommandType command = MyBEEntry ? MyBEEntry->st_progress_command : PROGRESS_COMMAND_INVALID;
	Oid			target = MyBEEntry ? MyBEEntry->st_progress_command_target : InvalidOid;
	dsm_segment *segment = try_segment(arena, size);

	if (segment == NULL)
		resume_progress(command, target);
	return segment;
}

static void leave_shared(HnrArena *arena);

/* Adds a segment, in which `bytes` are free at least. */
static void
add_segment(HnrArena *arena, Size bytes)
{
	Segment    *s = &arena->segment[arena->nsegments];

	if (arena->nsegments == MAX_SEGMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("hnsw graph in memory exceeds %d segments", MAX_SEGMENTS)));
	memset(s, 0, sizeof(*s));
	s->size = Min(arena->size / 4, (Size) maintenance_work_mem * 1024 / SEGMENTS);
	s->size = Max(s->size, arena->shared ? LEAST_SHARED : LEAST_PRIVATE);
	s->size = Max(s->size, bytes + ALIGNMENT);
	if (arena->shared)
	{
		s->shared = create_segment(arena, s->size);
		if (s->shared == NULL)
		{
			leave_shared(arena);
			add_segment(arena, bytes);
			return;
		}
		s->base = dsm_segment_address(s->shared);
		memset(s->base, 0, s->size);
	}
	else
		s->base = MemoryContextAllocExtended(arena->context, s->size,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	arena->nsegments++;
	arena->size += s->size;
	arena->free = (char *) TYPEALIGN(ALIGNMENT, s->base);
	arena->nfree = s->size - (arena->free - s->base);
}

static char *
allocate(HnrArena *arena, Size bytes)
{
	char	   *result;

	bytes = TYPEALIGN(ALIGNMENT, bytes);
	if (bytes > arena->nfree)
		add_segment(arena, bytes);
	result = arena->free;
	arena->free += bytes;
	arena->nfree -= bytes;
	return result;
}

/* Moves the blocks that stand in a segment to private memory. */
static void
move_blocks(HnrArena *arena, const Segment *from)
{
	for (int i = 0; i < arena->narrays; i++)
	{
		HnrArray   *array = arena->array[i];
		Size		bytes = array->item << array->shift;

		for (uint32 b = 0; b < array->nblocks; b++)
		{
			char	   *block = array->block[b];

			if (block < from->base || block >= from->base + from->size)
				continue;
			array->block[b] = allocate(arena, bytes);
			memcpy(array->block[b], block, bytes);
		}
	}
}

/* Moves all arrays to private memory, by segments, so that there is not all of it twice. */
static void
leave_shared(HnrArena *arena)
{
	HnrArena   *old = MemoryContextAlloc(arena->context, sizeof(HnrArena));

	*old = *arena;
	arena->shared = false;
	arena->nsegments = 0;
	arena->size = arena->nfree = 0;
	for (int i = 0; i < old->nsegments; i++)
	{
		CHECK_FOR_INTERRUPTS();
		move_blocks(arena, &old->segment[i]);
		dsm_detach(old->segment[i].shared);
	}
	pfree(old);
}

bool
hnr_arena_has_room(HnrArena *arena, Size bytes)
{
	dsm_segment *segment;

	if (!arena->shared)
		return false;
	segment = create_segment(arena, bytes);
	if (segment == NULL)
	{
		leave_shared(arena);
		return false;
	}
	dsm_detach(segment);
	return true;
}

void
hnr_array_init(HnrArray *array, HnrArena *arena, Size item)
{
	memset(array, 0, sizeof(HnrArray));
	array->arena = arena;
	array->item = item;
	while ((item << (array->shift + 1)) <= BLOCK_BYTES)
		array->shift++;
	if (arena->narrays == MAX_ARRAYS)
		elog(ERROR, "too many arrays");
	arena->array[arena->narrays++] = array;
}

void
hnr_array_reserve(HnrArray *array, uint32 n)
{
	while ((uint64) array->nblocks << array->shift < n)
	{
		char	   *block;

		CHECK_FOR_INTERRUPTS();
		if (array->nblocks == array->maxblocks)
		{
			uint32		max = Max(array->maxblocks * 2, 16);
			char	  **blocks = MemoryContextAllocHuge(array->arena->context,
														sizeof(char *) * (Size) max);

			if (array->block)
			{
				memcpy(blocks, array->block, sizeof(char *) * (Size) array->nblocks);
				pfree(array->block);
			}
			array->block = blocks;
			array->maxblocks = max;
		}
		/* this may move the array's other blocks */
		block = allocate(array->arena, array->item << array->shift);
		array->block[array->nblocks++] = block;
	}
}

void
hnr_array_replace(HnrArray *array, HnrArray *other)
{
	HnrArena   *arena = array->arena;

	Assert(arena->array[arena->narrays - 1] == other);
	arena->narrays--;
	*array = *other;
}

Size
hnr_arena_map_size(const HnrArena *arena)
{
	Size		size = MAXALIGN(sizeof(ArenaMap)) +
		MAXALIGN(sizeof(dsm_handle) * (Size) arena->nsegments);

	for (int i = 0; i < arena->narrays; i++)
		size += MAXALIGN(sizeof(ArrayMap)) + sizeof(BlockPlace) * (Size) arena->array[i]->nblocks;
	return size;
}

static BlockPlace
place_of_block(const HnrArena *arena, const char *block)
{
	BlockPlace	place = {0, 0};

	for (int i = 0; i < arena->nsegments; i++)
	{
		const Segment *s = &arena->segment[i];

		if (block >= s->base && block < s->base + s->size)
		{
			place.segment = i;
			place.line = (block - (char *) TYPEALIGN(ALIGNMENT, s->base)) / ALIGNMENT;
			return place;
		}
	}
	elog(ERROR, "block of an array is in no segment");
	return place;
}

void
hnr_arena_write_map(const HnrArena *arena, char *map)
{
	ArenaMap   *head = (ArenaMap *) map;
	dsm_handle *handle = (dsm_handle *) (map + MAXALIGN(sizeof(ArenaMap)));

	Assert(arena->shared);
	head->nsegments = arena->nsegments;
	head->narrays = arena->narrays;
	for (int i = 0; i < arena->nsegments; i++)
		handle[i] = dsm_segment_handle(arena->segment[i].shared);
	map = (char *) handle + MAXALIGN(sizeof(dsm_handle) * (Size) arena->nsegments);
	for (int i = 0; i < arena->narrays; i++)
	{
		const HnrArray *array = arena->array[i];
		ArrayMap   *am = (ArrayMap *) map;
		BlockPlace *place = (BlockPlace *) (map + MAXALIGN(sizeof(ArrayMap)));

		am->item = array->item;
		am->shift = array->shift;
		am->nblocks = array->nblocks;
		for (uint32 b = 0; b < array->nblocks; b++)
			place[b] = place_of_block(arena, array->block[b]);
		map = (char *) (place + array->nblocks);
	}
}

HnrArena *
hnr_arena_attach(const char *map)
{
	HnrArena   *arena = hnr_arena_create(true);
	const ArenaMap *head = (const ArenaMap *) map;
	const dsm_handle *handle = (const dsm_handle *) (map + MAXALIGN(sizeof(ArenaMap)));

	arena->map = map;
	for (int i = 0; i < head->nsegments; i++)
	{
		Segment    *s = &arena->segment[arena->nsegments];

		s->shared = dsm_attach(handle[i]);
		if (s->shared == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("could not map dynamic shared memory segment")));
		s->base = dsm_segment_address(s->shared);
		arena->nsegments++;
	}
	return arena;
}

void
hnr_array_attach(HnrArray *array, HnrArena *arena, int number)
{
	const char *map = arena->map + MAXALIGN(sizeof(ArenaMap)) +
		MAXALIGN(sizeof(dsm_handle) * (Size) arena->nsegments);
	const ArrayMap *am = (const ArrayMap *) map;
	const BlockPlace *place;

	for (int i = 0; i < number; i++)
	{
		map += MAXALIGN(sizeof(ArrayMap)) + sizeof(BlockPlace) * (Size) am->nblocks;
		am = (const ArrayMap *) map;
	}
	place = (const BlockPlace *) (map + MAXALIGN(sizeof(ArrayMap)));
	array->arena = arena;
	array->item = am->item;
	array->shift = am->shift;
	array->nblocks = array->maxblocks = am->nblocks;
	array->block = MemoryContextAllocHuge(arena->context, sizeof(char *) * (Size) (am->nblocks + 1));
	for (uint32 b = 0; b < am->nblocks; b++)
		array->block[b] = (char *) TYPEALIGN(ALIGNMENT, arena->segment[place[b].segment].base) +
			(Size) place[b].line * ALIGNMENT;
}
