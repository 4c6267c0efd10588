/*-------------------------------------------------------------------------
 *
 * select.h
 *		Which candidates become neighbours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SELECT_H
#define HNR_SELECT_H

#include "am/store_mem.h"

/*
 * The choice itself, wherever vectors come from.  take() puts the vector of a candidate in a
 * place behind those that are chosen, and may make its distance from the vertex another one;
 * it is told which is the next (NULL: none), and whether anybody will compare it.  distance() is that between two places.
 */
typedef void (*HnrSelectTake) (void *context, HnrMemEdge *candidate, const HnrMemEdge *next,
							   int place, bool compared);
typedef float (*HnrSelectDistance) (void *context, int i, int j);

/*
 * Chooses up to max of n candidates, given nearest first with their distances from
 * the vertex, so that they lie in different directions: a candidate nearer to a
 * chosen one than to the vertex waits, and fills what room is left (Malkov &
 * Yashunin, algorithm 4).  But the first nkept are chosen in any case.  Writes to chosen (room
 * for max) and returns how many; what is in edge is lost.  To be inlined with its functions.
 */
static inline int
hnr_select_edges(HnrMemEdge *edge, int n, int nkept, int max, HnrSelectTake take,
				 HnrSelectDistance distance, void *context, HnrMemEdge *chosen)
{
	int			nchosen = 0;
	int			nwaiting = 0;

	for (int i = 0; i < n && nchosen < max; i++)
	{
		HnrMemEdge	e = edge[i];
		bool		diverse = true;

		take(context, &e, i + 1 < n ? &edge[i + 1] : NULL, nchosen, n > max);
		for (int j = 0; n > max && i >= nkept && j < nchosen && diverse; j++)
			diverse = !(distance(context, nchosen, j) < e.distance);
		if (diverse)
			chosen[nchosen++] = e;
		else
			edge[nwaiting++] = e;
	}
	for (int i = 0; i < nwaiting && nchosen < max; i++)
		chosen[nchosen++] = edge[i];
	return nchosen;
}

/* Distance between candidates i and j, as the caller numbers them. */
typedef float (*HnrPairDistance) (void *context, int i, int j);

/* The same of candidates by number: writes the chosen ones' to chosen (room for n). */
extern int	hnr_select_neighbors(const float *distance, int n, int max,
								 HnrPairDistance pair, void *context, int *chosen);

/*
 * Sorts candidates of a node, nearest first: as hnr_weave_sort, but for long lists.  key and sorted
 * have room for as many.
 */
extern void hnr_select_sort(HnrMemEdge *edge, int n, uint32 node, uint64 *key, HnrMemEdge *sorted);

#endif							/* HNR_SELECT_H */
