/*-------------------------------------------------------------------------
 *
 * vacuum.h
 *		One vacuum of an index: what its passes share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_VACUUM_H
#define HNR_VACUUM_H

#include "access/genam.h"
#include "am/idset.h"
#include "am/index.h"
#include "storage/bufmgr.h"

/* A vertex of an upper level, as the first pass saw it. */
typedef struct HnrUpperVertex
{
	HnrNodeId	id;
	HnrNodeId	ground;
	int			level;
} HnrUpperVertex;

/* In-degrees of ground vertices, by block and position; NOT_LIVE where there is none. */
#define HNR_NOT_LIVE	255
#define HNR_MANY_LINKS	254

typedef struct HnrVacuum
{
	HnrIndex   *index;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	BufferAccessStrategy strategy;
	BlockNumber blocks;			/* when the passes began */
	HnrIdSet	dead;			/* vertices to remove, of all levels */
	HnrNodeId  *dead_list;
	int64		ndead;
	int64		maxdead;
	HnrUpperVertex *upper;
	int64		nupper;
	int64		maxupper;
	HnrEntry	live;			/* the highest live vertex seen */
	uint8	   *in_degree;
	MemoryContext scratch;		/* reset for each vertex that is worked on */
} HnrVacuum;

static inline bool
hnr_vacuum_is_dead(HnrVacuum *vac, HnrNodeId id)
{
	return hnr_idset_contains(&vac->dead, id);
}

/* unlink.c: takes links to dead vertices out of all others, repairing those. */
extern void hnr_vacuum_unlink(HnrVacuum *vac);

/* repair.c: gives a vertex new neighbours after it lost some. */
extern void hnr_repair_vertex(HnrVacuum *vac, ItemPointer tid, int level,
							  const HnrNodeId *lost, int nlost);

#endif							/* HNR_VACUUM_H */
