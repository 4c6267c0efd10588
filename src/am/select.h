/*-------------------------------------------------------------------------
 *
 * select.h
 *		Which candidates become neighbours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SELECT_H
#define HNR_SELECT_H

/* Distance between candidates i and j, as the caller numbers them. */
typedef float (*HnrPairDistance) (void *context, int i, int j);

/*
 * Chooses up to max of n candidates, given nearest first with their distances from
 * the vertex, so that they lie in different directions: a candidate nearer to a
 * chosen one than to the vertex waits, and fills what room is left (Malkov &
 * Yashunin, algorithm 4).  Writes the chosen indexes, the diverse ones first, to
 * chosen (room for n) and returns how many.
 */
extern int	hnr_select_neighbors(const float *distance, int n, int max,
								 HnrPairDistance pair, void *context, int *chosen);

#endif							/* HNR_SELECT_H */
