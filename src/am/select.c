/*-------------------------------------------------------------------------
 *
 * select.c
 *		Which candidates become neighbours.  See select.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/select.h"

static bool
is_diverse(int candidate, float distance, const int *chosen, int nchosen,
		   HnrPairDistance pair, void *context)
{
	for (int i = 0; i < nchosen; i++)
		if (pair(context, candidate, chosen[i]) < distance)
			return false;
	return true;
}

int
hnr_select_neighbors(const float *distance, int n, int max,
					 HnrPairDistance pair, void *context, int *chosen)
{
	int			nchosen = 0;
	int			nwaiting = 0;
	int		   *waiting;

	if (n <= max)
	{
		for (int i = 0; i < n; i++)
			chosen[i] = i;
		return n;
	}
	waiting = palloc(sizeof(int) * n);
	for (int i = 0; i < n && nchosen < max; i++)
	{
		if (is_diverse(i, distance[i], chosen, nchosen, pair, context))
			chosen[nchosen++] = i;
		else
			waiting[nwaiting++] = i;
	}
	memcpy(chosen + nchosen, waiting, sizeof(int) * nwaiting);
	pfree(waiting);
	return max;
}
