/*-------------------------------------------------------------------------
 *
 * reach.h
 *		Which vertices paths from the entry point lead to, as vacuum sees it.
 *
 * A byte for each place of a vertex.  Vacuum's second pass tells each page's vertices
 * and their neighbours as it leaves them.  What a vertex leads to is marked if it is
 * itself marked by then; what is marked later is gone through at the end, once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REACH_H
#define HNR_REACH_H

#include "am/graph.h"
#include "am/page.h"

struct HnrVacuum;
typedef struct HnrReach HnrReach;

/* Begins at the ground below the entry point.  vac->dead is complete. */
extern HnrReach *hnr_reach_create(struct HnrVacuum *vac);
extern void hnr_reach_free(HnrReach *r);

/* A ground vertex stays; it becomes vac->live if there is none yet. */
extern void hnr_reach_live(HnrReach *r, HnrNodeId id);

/* A vertex that stays leads to n neighbours: slots of its list. */
extern void hnr_reach_neighbors(HnrReach *r, HnrNodeId id, const char *slots, int n);

/* That was its whole list. */
extern void hnr_reach_done(HnrReach *r, HnrNodeId id);

/* Both at once, for a ground vertex on a page that nobody changes meanwhile, or a copy. */
extern void hnr_reach_vertex(HnrReach *r, HnrNodeId id, const HnrVertex *v);

/* Too few links lead from a ground vertex. */
extern void hnr_reach_too_few(HnrReach *r, HnrNodeId id);

/*
 * Goes through what remains; then links again, by a search each, the ground vertices
 * that cannot be reached and those with too few links.  The entry point stays.  Call
 * with no lock held.
 */
extern void hnr_reach_finish(HnrReach *r);

#endif							/* HNR_REACH_H */
