/*-------------------------------------------------------------------------
 *
 * prune.h
 *		Which neighbour a full list gives up for another.
 *
 * Internal to link.c, which has the locks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PRUNE_H
#define HNR_PRUNE_H

#include "am/link.h"
#include "am/vertex.h"

/*
 * A list of neighbours and behind it the one to be added, for one list after another.
 *
 * `apart` is `distance` but under the inner product with codes.  There a pair's product,
 * of which the code's error is a larger part the longer both are, tells little about what
 * leads where; that two are nearer to each other than to the vertex, in L2, does.
 */
typedef struct HnrPruning
{
	HnrIndex   *index;
	int			level;
	HnrNodeId	id;				/* whose list it is */
	const HnrLinkTarget *to;
	int			n;
	char	   *slots;			/* n slots, the last the new one */
	int		   *order;			/* nearest first */
	int		   *kept;			/* scratch of mark_diverse */
	bool	   *diverse;		/* by slot */
	float	   *distance;		/* from the vertex, by slot: what is near */
	float	   *apart;			/* likewise, beside which pairs are: what is diverse */
	HnrArm	   *arms;
	float	   *vec;			/* coded inner product: the vertex */
	float	   *self;			/* and rotated */
	float	  **vectors;		/* plain slots: nvectors of them, else NULL */
	int			nvectors;
	float	   *room;			/* then: for one as it is read */
} HnrPruning;

static inline HnrSlot *
hnr_pruning_slot(const HnrPruning *p, int i)
{
	return (HnrSlot *) (p->slots + (Size) i * p->index->layout.slot_size);
}

/* For lists of a level, whose links all lead to one vertex. */
extern HnrPruning *hnr_pruning_create(HnrIndex *index, int level, const HnrLinkTarget *to);

/* Copies the list of a locked vertex and, behind it, the new slot. */
extern void hnr_pruning_fill(HnrPruning *p, HnrLockedVertex *locked, const HnrSlot *added);

/* Whether the list has the new neighbour already. */
extern bool hnr_pruning_has_neighbor(const HnrPruning *p);

/* Measures the neighbours of the locked vertex by their codes. */
extern void hnr_pruning_measure(HnrPruning *p, HnrLockedVertex *locked);

/*
 * The neighbour that a measured list can do without; the new one, which is the last, if
 * it can do without that one best.
 */
extern int	hnr_pruning_choose(HnrPruning *p);

/* The link to the one chosen is replaced by `link`: notes it, there and in the ways. */
extern void hnr_pruning_replaced(HnrPruning *p, int victim, HnrNewLink *link);

#endif							/* HNR_PRUNE_H */
