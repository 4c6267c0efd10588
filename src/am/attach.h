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

struct HnrVacuum;

/*
 * Whether much may be found by way of the dead alone: under the inner product, where lengths tell
 * vectors apart, by a sample.
 */
extern bool hnr_attach_is_due(struct HnrVacuum *vac);

/*
 * Makes vac->reach and tells it what all ground vertices lead to that are not dead, before any link
 * to a dead one is taken out.
 */
extern void hnr_attach_note_pages(struct HnrVacuum *vac);

/* Leads a path to every ground vertex, as VACUUM does; returns how many had none. */
extern int64 hnr_attach_unreached(HnrIndex *index);

#endif							/* HNR_ATTACH_H */
