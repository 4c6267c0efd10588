/*-------------------------------------------------------------------------
 *
 * idset.h
 *		A set of node ids that is cleared in constant time.
 *
 * Open addressing.  An entry is an id, which has 48 bits, and the round it was put
 * in, so that clearing is starting another round.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_IDSET_H
#define HNR_IDSET_H

#include "am/graph.h"
#include "utils/palloc.h"

typedef struct HnrIdSet
{
	uint64	   *entries;
	uint32		mask;			/* size - 1, size a power of two */
	uint32		count;
	uint64		round;			/* in the bits above those of an id, from 1 on */
	MemoryContext context;
} HnrIdSet;

#define HNR_IDSET_ROUND_SHIFT	48
#define HNR_IDSET_FIRST_ROUND	(UINT64CONST(1) << HNR_IDSET_ROUND_SHIFT)

static inline void
hnr_idset_alloc(HnrIdSet *set, uint32 size)
{
	set->entries = MemoryContextAllocExtended(set->context, sizeof(uint64) * (Size) size,
											  MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	set->mask = size - 1;
	set->count = 0;
	set->round = HNR_IDSET_FIRST_ROUND;
}

static inline void
hnr_idset_init(HnrIdSet *set, uint32 size)
{
	set->context = CurrentMemoryContext;
	hnr_idset_alloc(set, size);
}

static inline void
hnr_idset_clear(HnrIdSet *set)
{
	set->count = 0;
	set->round += HNR_IDSET_FIRST_ROUND;
	if (set->round == 0)
	{
		memset(set->entries, 0, sizeof(uint64) * ((Size) set->mask + 1));
		set->round = HNR_IDSET_FIRST_ROUND;
	}
}

/* Where an id is or, in this round, belongs. */
static inline uint64 *
hnr_idset_place(const HnrIdSet *set, HnrNodeId id)
{
	uint32		i = (uint32) ((id * UINT64CONST(0x9E3779B97F4A7C15)) >> 32) & set->mask;

	while (unlikely(set->entries[i] >= set->round && set->entries[i] != (set->round | id)))
		i = (i + 1) & set->mask;
	return &set->entries[i];
}

static inline bool
hnr_idset_contains(const HnrIdSet *set, HnrNodeId id)
{
	return *hnr_idset_place(set, id) == (set->round | id);
}

static inline void
hnr_idset_grow(HnrIdSet *set)
{
	HnrIdSet	old = *set;

	hnr_idset_alloc(set, (old.mask + 1) * 2);
	for (uint32 i = 0; i <= old.mask; i++)
		if (old.entries[i] >= old.round)
		{
			HnrNodeId	id = old.entries[i] & (HNR_IDSET_FIRST_ROUND - 1);

			*hnr_idset_place(set, id) = set->round | id;
		}
	set->count = old.count;
	pfree(old.entries);
}

/* Makes room for n ids. */
static inline void
hnr_idset_reserve(HnrIdSet *set, uint32 n)
{
	while (unlikely(set->count + n > set->mask / 2))
		hnr_idset_grow(set);
}

/*
 * Adds an id that there is room for; false if the set had it, which half of a
 * vertex's neighbours are in, so that is not a branch.
 */
static inline bool
hnr_idset_put(HnrIdSet *set, HnrNodeId id)
{
	uint64	   *e = hnr_idset_place(set, id);
	bool		added = *e != (set->round | id);

	Assert(id < HNR_IDSET_FIRST_ROUND);
	*e = set->round | id;
	set->count += added;
	return added;
}

/* Adds an id; false if the set had it. */
static inline bool
hnr_idset_add(HnrIdSet *set, HnrNodeId id)
{
	hnr_idset_reserve(set, 1);
	return hnr_idset_put(set, id);
}

#endif							/* HNR_IDSET_H */
