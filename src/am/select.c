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

/* By distance, and of equal ones as hnr_weave_nearer() has it; then which it is. */
static inline uint64
key_of(const HnrMemEdge *e, uint32 node, int i)
{
	union
	{
		float		f;
		uint32		u;
	}			v = {.f = e->distance};

	v.u ^= (v.u >> 31) ? PG_UINT32_MAX : 0x80000000U;
	return (uint64) v.u << 32 | ((e->node ^ node) * 0x9E3779B1U & 0xFFFF0000U) | i;
}

#define ST_SORT sort_keys
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) ((*(a) > *(b)) - (*(a) < *(b)))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

void
hnr_select_sort(HnrMemEdge *edge, int n, uint32 node, uint64 *key, HnrMemEdge *sorted)
{
	Assert(n <= PG_UINT16_MAX);
	for (int i = 0; i < n; i++)
		key[i] = key_of(&edge[i], node, i);
	sort_keys(key, n);
	for (int i = 0; i < n; i++)
		sorted[i] = edge[key[i] & 0xFFFF];
	memcpy(edge, sorted, sizeof(HnrMemEdge) * n);
}
