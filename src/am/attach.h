/*-------------------------------------------------------------------------
 *
 * attach.h
 *		Vertices that no path leads to, in a graph on pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ATTACH_H
#define HNR_ATTACH_H

#include "am/index.h"

/* Leads a path to every ground vertex, as VACUUM does; returns how many had none. */
extern int64 hnr_attach_unreached(HnrIndex *index);

#endif							/* HNR_ATTACH_H */
