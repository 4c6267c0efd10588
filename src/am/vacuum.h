/*-------------------------------------------------------------------------
 *
 * vacuum.h
 *		One vacuum of an index: what its passes share.
 *
 * What is kept in memory grows with the index, not with how many rows are dead: a
 * bit for each place of a vertex and, during the second pass, a byte.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_VACUUM_H
#define HNR_VACUUM_H

#include "access/genam.h"
#include "am/backlink.h"
#include "am/graph.h"
#include "am/index.h"
#include "am/reach.h"
#include "storage/bufmgr.h"

typedef struct HnrVacuum
{
	HnrIndex   *index;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	BufferAccessStrategy strategy;
	bool		validating;		/* not VACUUM: CREATE INDEX CONCURRENTLY lists TIDs */
	BlockNumber blocks;			/* pages to go through */
	BlockNumber dead_blocks;	/* pages that `dead` has bits for */
	int			places;			/* bits for a page */
	uint8	   *dead;			/* vertices to remove, of all levels */
	int64		ndead;
	BlockNumber *upper;			/* pages with upper vertices */
	int64		nupper;
	int64		maxupper;
	int64		nlinked;		/* vertices linked again (reach.c) */
	HnrEntry	live;			/* the highest live vertex seen */
	HnrReach   *reach;
	HnrBacklinks *backlinks;
	PGAlignedBlock copy;		/* of a page of tails (tail.h) */
	MemoryContext scratch;		/* reset for each page that is worked on */
} HnrVacuum;

/* The bit of a vertex; false where it can have none. */
static inline bool
hnr_vacuum_bit(const HnrVacuum *vac, HnrNodeId id, Size *bit)
{
	BlockNumber block = (BlockNumber) (id >> 16);
	int			pos = (int) (id & 0xFFFF);

	*bit = (Size) block * vac->places + pos - 1;
	return block < vac->dead_blocks && pos >= 1 && pos <= vac->places;
}

static inline bool
hnr_vacuum_is_dead(const HnrVacuum *vac, HnrNodeId id)
{
	Size		bit;

	return hnr_vacuum_bit(vac, id, &bit) && (vac->dead[bit / 8] & (1 << bit % 8)) != 0;
}

/* Whether a page has any dead vertex. */
static inline bool
hnr_vacuum_has_dead(const HnrVacuum *vac, BlockNumber block)
{
	for (int pos = 1; pos <= vac->places; pos++)
		if (hnr_vacuum_is_dead(vac, ((HnrNodeId) block << 16) | pos))
			return true;
	return false;
}

/*
 * Progress: which pass (0: none), and that its pages before `block` are done.  Seen
 * through vacuum_progress(), and in the view of CREATE INDEX CONCURRENTLY where that
 * lists the TIDs.
 */
extern void hnr_vacuum_begin_pass(HnrVacuum *vac, int pass);
extern void hnr_vacuum_page_begun(BlockNumber block);

/*
 * unlink.c: takes links to dead vertices out of all others, replacing what is missed;
 * tells vac->reach, which it makes, what leads where.
 */
extern void hnr_vacuum_unlink(HnrVacuum *vac);

/*
 * repair.c: finds new neighbours for a vertex that lost some.
 */
typedef struct HnrRepair HnrRepair;

/* A vertex as it was read, which has lost or is to be given neighbours. */
typedef struct HnrDamaged
{
	ItemPointerData tid;
	int			level;
	uint32		generation;
	int			degree;
	char	   *slots;			/* degree of them */
	const float *vec;
	int			nadded;
	char	   *added;			/* slots of new neighbours, the best first */
} HnrDamaged;

extern HnrRepair *hnr_repair_create(HnrVacuum *vac);

/*
 * Appends up to n new neighbours to v->added, in the current memory context, and sets
 * the links back to wait in vac->backlinks.
 */
extern void hnr_repair_find(HnrRepair *repair, HnrDamaged *v, int n);

#endif							/* HNR_VACUUM_H */
