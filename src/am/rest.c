/*-------------------------------------------------------------------------
 *
 * rest.c
 *		What a search came to know of and did not visit.  See rest.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/idset.h"
#include "am/rest.h"

typedef struct HnrRestNode
{
	pairingheap_node node;
	HnrNodeId	id;
	float		distance;
} HnrRestNode;

#define NODES_IN_BLOCK 256

typedef struct HnrRestBlock
{
	struct HnrRestBlock *next;
	HnrRestNode nodes[NODES_IN_BLOCK];
} HnrRestBlock;

/* The heap's first is the greatest, so the nearest has to be that. */
static int
compare_nodes(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	float		x = pairingheap_const_container(HnrRestNode, node, a)->distance;
	float		y = pairingheap_const_container(HnrRestNode, node, b)->distance;

	return (x < y) - (x > y);
}

HnrRest *
hnr_rest_create(void)
{
	HnrRest    *rest = palloc0(sizeof(HnrRest));

	rest->maxlisted = 1024;
	rest->listed = palloc(sizeof(HnrCandidate) * rest->maxlisted);
	rest->maxvisited = 128;
	rest->visited = palloc(sizeof(HnrNodeId) * rest->maxvisited);
	rest->heap.ph_compare = compare_nodes;
	hnr_rest_clear(rest);
	return rest;
}

void
hnr_rest_clear(HnrRest *rest)
{
	rest->ordered = false;
	rest->nlisted = rest->nvisited = 0;
	pairingheap_reset(&rest->heap);
	rest->block = NULL;
	rest->nused = NODES_IN_BLOCK;
}

HnrCandidate *
hnr_rest_room(HnrRest *rest, int n)
{
	Assert(!rest->ordered);
	while (rest->nlisted + n > rest->maxlisted)
	{
		rest->maxlisted *= 2;
		rest->listed = repalloc_huge(rest->listed, sizeof(HnrCandidate) * rest->maxlisted);
	}
	return &rest->listed[rest->nlisted];
}

void
hnr_rest_visited(HnrRest *rest, HnrNodeId id)
{
	Assert(!rest->ordered);
	if (rest->nvisited == rest->maxvisited)
	{
		rest->maxvisited *= 2;
		rest->visited = repalloc_huge(rest->visited, sizeof(HnrNodeId) * rest->maxvisited);
	}
	rest->visited[rest->nvisited++] = id;
}

void
hnr_rest_order(HnrRest *rest)
{
	HnrIdSet	visited;

	if (rest->ordered)
		return;
	rest->ordered = true;
	hnr_idset_init(&visited, 1024);
	for (int i = 0; i < rest->nvisited; i++)
		hnr_idset_add(&visited, rest->visited[i]);
	for (int i = 0; i < rest->nlisted; i++)
		if (!hnr_idset_contains(&visited, rest->listed[i].id))
			hnr_rest_add(rest, rest->listed[i].id, rest->listed[i].distance);
	pfree(visited.entries);
}

/* Blocks are for the next search, too, so they stay in their list. */
static void
next_block(HnrRest *rest)
{
	HnrRestBlock **next = rest->block ? &rest->block->next : &rest->blocks;

	if (*next == NULL)
	{
		*next = palloc(sizeof(HnrRestBlock));
		(*next)->next = NULL;
	}
	rest->block = *next;
	rest->nused = 0;
}

void
hnr_rest_add(HnrRest *rest, HnrNodeId id, float distance)
{
	HnrRestNode *node;

	Assert(rest->ordered);
	if (rest->nused == NODES_IN_BLOCK)
		next_block(rest);
	node = &rest->block->nodes[rest->nused++];
	node->id = id;
	node->distance = distance;
	pairingheap_add(&rest->heap, &node->node);
}

bool
hnr_rest_take(HnrRest *rest, float limit, HnrCandidate *nearest)
{
	HnrRestNode *node;

	Assert(rest->ordered);
	if (pairingheap_is_empty(&rest->heap))
		return false;
	node = pairingheap_container(HnrRestNode, node, pairingheap_first(&rest->heap));
	if (node->distance >= limit)
		return false;
	pairingheap_remove_first(&rest->heap);
	nearest->id = node->id;
	nearest->distance = node->distance;
	return true;
}
