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

/* Leads a path to every ground vertex, as VACUUM does. */
extern void hnr_attach_unreached(HnrIndex *index);

#endif							/* HNR_ATTACH_H */
