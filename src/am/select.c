/*-------------------------------------------------------------------------
 *
 * select.c
 *		Which candidates become neighbours.  See select.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/select.h"

typedef struct Selection
{
	HnrPairDistance pair;
	void	   *context;
	int		   *chosen;			/* candidates by place */
} Selection;

static void
take(void *context, HnrMemEdge *candidate, const HnrMemEdge *next, int place, bool compared)
{
	((Selection *) context)->chosen[place] = candidate->node;
}

static float
distance_between(void *context, int i, int j)
{
	Selection  *s = context;

	return s->pair(s->context, s->chosen[i], s->chosen[j]);
}

int
hnr_select_neighbors(const float *distance, int n, int max,
					 HnrPairDistance pair, void *context, int *chosen)
{
	Selection	s = {pair, context, chosen};
	HnrMemEdge *edge = palloc(sizeof(HnrMemEdge) * Max(2 * n, 1));

	for (int i = 0; i < n; i++)
	{
		edge[i].node = i;
		edge[i].distance = distance[i];
	}
	max = hnr_select_edges(edge, n, 0, max, take, distance_between, &s, edge + n);
	for (int i = 0; i < max; i++)
		chosen[i] = edge[n + i].node;
	pfree(edge);
	return max;
}
