/*-------------------------------------------------------------------------
 *
 * attach.h
 *		Vertices that no path leads to, in a graph that a build has written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ATTACH_H
#define HNR_ATTACH_H

#include "am/index.h"

/*
 * Leads a path to every ground vertex, as VACUUM does; returns how many had none.  `upper`
 * are the pages with vertices of upper levels; NULL: they stand behind the ground, as a build
 * has written them.
 */
extern int64 hnr_attach_unreached(HnrIndex *index, const BlockNumber *upper, int64 nupper);

#endif							/* HNR_ATTACH_H */
