/*-------------------------------------------------------------------------
 *
 * renew.h
 *		The build of an index from the graph of an old one on the same rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_RENEW_H
#define HNR_RENEW_H

#include "access/genam.h"
#include "nodes/execnodes.h"

/* Whether the next build of an index is to begin with an old one's graph (am.h). */
extern bool hnr_renew_is_wanted(Relation rel);

/* Builds, and logs; called in the place of a build from scratch. */
extern IndexBuildResult *hnr_renew_build(Relation heap, Relation rel, IndexInfo *info);

#endif							/* HNR_RENEW_H */
