/*-------------------------------------------------------------------------
 *
 * slots.h
 *		The slots of vertices of a graph in memory, as pages will have them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SLOTS_H
#define HNR_SLOTS_H

#include "am/weaving.h"

/* Tells where a node will stand at a level. */
typedef void (*HnrPlaceFn) (void *state, uint32 node, int level, ItemPointer tid);

typedef struct HnrSlotMaker
{
	const HnrIndex *index;
	HnrMemGraph *graph;
	const HnrArray *rotated;	/* vectors of all nodes, or NULL: rotated when needed */
	HnrPlaceFn	place;
	void	   *place_state;
	const HnrOldSlots *old;		/* those of the node at hand that need not be made; or NULL */
	bool	   *is_known;		/* scratch: which of its slots were among these */
	uint8	   *before;			/* likewise: see take_old() */
	float	   *self;			/* scratch */
	float	   *other;
	float	   *rotated_self;
	float	   *rotated_other;
} HnrSlotMaker;

/* In the current memory context. */
extern HnrSlotMaker *hnr_slot_maker_create(const HnrIndex *index, HnrMemGraph *graph,
										   HnrPlaceFn place, void *place_state);

/* Rotates nodes from `from` up to `to`, into an array of all. */
extern void hnr_slot_maker_rotate(HnrSlotMaker *maker, HnrArray *rotated, uint32 from, uint32 to);

/* Fills the slots of a node at a level, nearest neighbour first; returns how many. */
extern int	hnr_slot_maker_fill(HnrSlotMaker *maker, uint32 node, int level, char *slots);

static inline void
hnr_place_of_position(const HnrShape *shape, BlockNumber first, uint32 position, ItemPointer tid)
{
	ItemPointerSet(tid, first + position / shape->per_page * shape->parts,
				   position % shape->per_page + 1);
}

/*
 * By whoever makes the graph (weave.c): the leader says in which order the nodes will
 * stand at the ground, and has all vectors rotated.  Then it asks for the slots of
 * batches of w->batch nodes, from this position on, and may do other work before it
 * takes part in that.  Two batches at a time are at hand.
 */
extern void hnr_slots_begin(HnrWeave *w, const uint32 *order);

/*
 * With w->read_old, before it asks for a batch: slots that old pages have, with the codes of
 * links that have stayed.
 */
extern void hnr_slots_read_old(HnrWeave *w, uint32 position);

/* Before that, of other nodes: where each stands at the ground. */
extern void hnr_slots_set_position(HnrWeave *w, uint32 node, uint32 position);

extern void hnr_slots_ask(HnrWeave *w, uint32 position);
extern void hnr_slots_wait(HnrWeave *w);
extern const char *hnr_slots_at(HnrWeave *w, uint32 position);

/*
 * Arrays for it, behind the others, with room only if there will be any slots, and as far as
 * there is memory, of which so much is in use beside the graph; the bytes of it, whatever the
 * number of nodes, with old ones or without.
 */
extern uint32 hnr_slots_batch(const HnrIndex *index);
extern void hnr_slots_make_arrays(HnrWeave *w, bool any, Size beside);
extern Size hnr_slots_memory(const HnrIndex *index, bool old);

#endif							/* HNR_SLOTS_H */
