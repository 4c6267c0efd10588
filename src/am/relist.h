/*-------------------------------------------------------------------------
 *
 * relist.h
 *		A ground vertex's list of neighbours, chosen anew on its pages.
 *
 * The caller keeps vacuum away: what is live stays so.  Rows may be inserted meanwhile.
 * Nothing that could be reached becomes unreachable: a link goes only where a vertex that
 * stays in the list leads to the same, and links back are made as insertions make them, in the
 * place of none that may have been the only one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_RELIST_H
#define HNR_RELIST_H

#include "am/graph.h"
#include "am/index.h"

typedef struct HnrRelist HnrRelist;

typedef struct HnrRelistFigures
{
	int64		looked;			/* vertices */
	int64		changed;		/* whose lists are other ones now */
	int64		added;			/* links of these */
	int64		dropped;
	int64		far;			/* of those added: to vertices far off */
	int64		codes;			/* that did not fit their vector */
	int64		refused;		/* vertices left as they are, lest something be lost */
} HnrRelistFigures;

/* Vertices far off that one vertex can be given at a time. */
#define HNR_RELIST_MOST_FAR 8

/* In the current memory context. */
extern HnrRelist *hnr_relist_create(HnrIndex *index);

/*
 * Chooses the list of a vertex anew: from what it has, what a search around that finds
 * (if asked for), and nfar vertices, which it is to be linked with in any case.
 */
extern void hnr_relist_vertex(HnrRelist *relist, ItemPointer tid, bool search,
							  const HnrNodeId *far, int nfar);

extern const HnrRelistFigures *hnr_relist_figures(const HnrRelist *relist);

#endif							/* HNR_RELIST_H */
