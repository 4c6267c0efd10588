/*-------------------------------------------------------------------------
 *
 * indegree.h
 *		How many links lead to each ground vertex, as vacuum's second pass sees it.
 *
 * A byte for each place on a page of ground vertices; beyond 253 links nobody counts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_INDEGREE_H
#define HNR_INDEGREE_H

#include "am/graph.h"
#include "am/index.h"

typedef struct HnrInDegrees HnrInDegrees;

/* For blocks 0 .. blocks - 1. */
extern HnrInDegrees *hnr_indegrees_create(HnrIndex *index, BlockNumber blocks);
extern void hnr_indegrees_free(HnrInDegrees *in);

/* A vertex is live; a link leads to it; too few lead from it. */
extern void hnr_indegrees_live(HnrInDegrees *in, HnrNodeId id);
extern void hnr_indegrees_link(HnrInDegrees *in, HnrNodeId to);
extern void hnr_indegrees_too_few(HnrInDegrees *in, HnrNodeId id);

/*
 * Links again, by a search each, the vertices that no link leads to, or too few from.  Call
 * with no lock held; `scratch` is reset for each.
 */
extern void hnr_indegrees_relink(HnrInDegrees *in, MemoryContext scratch);

#endif							/* HNR_INDEGREE_H */
