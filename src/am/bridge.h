/*-------------------------------------------------------------------------
 *
 * bridge.h
 *		Links between clusters that a graph on pages lacks.
 *
 * A build sees to them (weave.c); insertions link what is nearest, and links between clusters
 * go with the vertices that had them.  One vertex in some is looked at, as in a build.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_BRIDGE_H
#define HNR_BRIDGE_H

#include "am/graph.h"
#include "am/index.h"
#include "storage/block.h"

typedef struct HnrBridges HnrBridges;

/*
 * Reads a sample of the live vertices in blocks 1 .. blocks - 1 and finds what of them should
 * be linked.  NULL where there is nothing of the kind: under the inner product, for types that
 * are not dense, for few vertices.  Takes up to maintenance_work_mem.
 */
extern HnrBridges *hnr_bridges_create(HnrIndex *index, BlockNumber blocks);
extern void hnr_bridges_free(HnrBridges *bridges);

/* How many vertices are to be linked. */
extern int64 hnr_bridges_count(const HnrBridges *bridges);

/* What a vertex is to be linked with; returns how many, up to HNR_RELIST_MOST_FAR. */
extern int	hnr_bridges_of(const HnrBridges *bridges, HnrNodeId id, const HnrNodeId **far);

#endif							/* HNR_BRIDGE_H */
