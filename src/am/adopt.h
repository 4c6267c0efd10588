/*-------------------------------------------------------------------------
 *
 * adopt.h
 *		Vertices that no path leads to, in a graph in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ADOPT_H
#define HNR_ADOPT_H

#include "am/store_mem.h"

/* To be called when all rows are in: leads a path to every ground vertex. */
extern void hnr_adopt_orphans(const HnrIndex *index, HnrMemGraph *graph);

#endif							/* HNR_ADOPT_H */
