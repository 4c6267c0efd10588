/*-------------------------------------------------------------------------
 *
 * joined.c
 *		Lists of those whom a member chose and who chose it.  See joined.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/joined.h"

/* Lists up to this are looked through for who is twice in them, longer ones are sorted. */
#define SHORT_LIST		64

/* By nodes; what is marked comes before the same without a mark.  No two are equal but in all. */
static inline int
compare_nodes(const HnrMemEdge *a, const HnrMemEdge *b)
{
	uint32		x = a->node & ~HNR_LINK_KEPT;
	uint32		y = b->node & ~HNR_LINK_KEPT;

	if (a->node == b->node)
		return (a->distance > b->distance) - (a->distance < b->distance);
	if (x == y)
		return (a->node < b->node) - (a->node > b->node);
	return (x > y) - (x < y);
}

static inline int
compare_distances(const HnrMemEdge *a, const HnrMemEdge *b, uint32 member)
{
	HnrMemEdge	x = *a;
	HnrMemEdge	y = *b;

	x.node &= ~HNR_LINK_KEPT;
	y.node &= ~HNR_LINK_KEPT;
	if (hnr_weave_nearer(&x, &y, member))
		return -1;
	return hnr_weave_nearer(&y, &x, member) ? 1 : 0;
}

#define ST_SORT sort_by_node
#define ST_ELEMENT_TYPE HnrMemEdge
#define ST_COMPARE(a, b) compare_nodes(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_by_distance
#define ST_ELEMENT_TYPE HnrMemEdge
#define ST_COMPARE_ARG_TYPE const uint32
#define ST_COMPARE(a, b, member) compare_distances(a, b, *(member))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

Size
hnr_joined_unique(HnrMemEdge *all, Size n)
{
	Size		unique = 0;

	if (n > SHORT_LIST)
		sort_by_node(all, n);
	for (Size i = 0; i < n; i++)
	{
		Size		j = n > SHORT_LIST && unique > 0 ? unique - 1 : 0;

		while (j < unique && ((all[j].node ^ all[i].node) & ~HNR_LINK_KEPT) != 0)
			j++;
		if (j == unique)
			all[unique++] = all[i];
		else
			all[j].node |= all[i].node & HNR_LINK_KEPT;
	}
	return unique;
}

void
hnr_joined_sort(HnrMemEdge *all, Size n, uint32 member)
{
	sort_by_distance(all, n, &member);
}
