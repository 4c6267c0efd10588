/*-------------------------------------------------------------------------
 *
 * idset.h
 *		A set of node ids that is cleared in constant time.
 *
 * Open addressing; each entry carries the round it was put in, so that clearing is
 * starting another round.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_IDSET_H
#define HNR_IDSET_H

#include "am/graph.h"
#include "utils/palloc.h"

typedef struct HnrIdEntry
{
	HnrNodeId	id;
	uint32		round;
} HnrIdEntry;

typedef struct HnrIdSet
{
	HnrIdEntry *entries;
	uint32		mask;			/* size - 1, size a power of two */
	uint32		count;
	uint32		round;
	MemoryContext context;
} HnrIdSet;

static inline void
hnr_idset_alloc(HnrIdSet *set, uint32 size)
{
	set->entries = MemoryContextAllocExtended(set->context, sizeof(HnrIdEntry) * (Size) size,
											  MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	set->mask = size - 1;
	set->count = 0;
	set->round = 1;
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
	if (++set->round == 0)
	{
		memset(set->entries, 0, sizeof(HnrIdEntry) * ((Size) set->mask + 1));
		set->round = 1;
	}
}

static inline HnrIdEntry *
hnr_idset_place(const HnrIdSet *set, HnrNodeId id)
{
	uint32		i = (uint32) ((id * UINT64CONST(0x9E3779B97F4A7C15)) >> 32) & set->mask;

	while (set->entries[i].round == set->round && set->entries[i].id != id)
		i = (i + 1) & set->mask;
	return &set->entries[i];
}

static inline bool
hnr_idset_contains(const HnrIdSet *set, HnrNodeId id)
{
	return hnr_idset_place(set, id)->round == set->round;
}

/* Adds an id; false if the set had it. */
static inline bool
hnr_idset_add(HnrIdSet *set, HnrNodeId id)
{
	HnrIdEntry *e = hnr_idset_place(set, id);

	if (e->round == set->round)
		return false;
	e->id = id;
	e->round = set->round;
	if (++set->count > set->mask / 2)
	{
		HnrIdEntry *old = set->entries;
		uint32		oldmask = set->mask;
		uint32		round = set->round;

		hnr_idset_alloc(set, (oldmask + 1) * 2);
		for (uint32 i = 0; i <= oldmask; i++)
			if (old[i].round == round)
				hnr_idset_add(set, old[i].id);
		pfree(old);
	}
	return true;
}

#endif							/* HNR_IDSET_H */
