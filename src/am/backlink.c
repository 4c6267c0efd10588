/*-------------------------------------------------------------------------
 *
 * backlink.c
 *		Links that vacuum is going to add, by page.  See backlink.h.
 *
 * A list for each block, through an array of links; taken ones go on a list of free
 * ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/backlink.h"

#define NONE		PG_UINT32_MAX
#define MIN_LINKS	1024

typedef struct Backlink
{
	HnrNodeId	from;
	uint32		next;
	HnrSlot		slot;			/* with its code behind it */
} Backlink;

struct HnrBacklinks
{
	BlockNumber blocks;
	Size		slot_size;
	Size		link_size;
	uint32	   *first;			/* by block */
	uint32		free;
	uint32		nused;			/* ever, of those there is room for */
	uint32		nwaiting;
	uint32		allocated;
	uint32		max;
	char	   *links;
};

static Backlink *
link_at(const HnrBacklinks *links, uint32 i)
{
	return (Backlink *) (links->links + i * links->link_size);
}

HnrBacklinks *
hnr_backlinks_create(BlockNumber blocks, Size slot_size, Size memory)
{
	HnrBacklinks *links = palloc0(sizeof(HnrBacklinks));

	links->blocks = blocks;
	links->slot_size = slot_size;
	links->link_size = MAXALIGN(offsetof(Backlink, slot) + slot_size);
	links->first = palloc_extended(sizeof(uint32) * (Size) blocks, MCXT_ALLOC_HUGE);
	memset(links->first, 0xFF, sizeof(uint32) * (Size) blocks);
	links->free = NONE;
	links->max = (uint32) Min(Max(memory / links->link_size, MIN_LINKS), NONE - 1);
	links->allocated = MIN_LINKS;
	links->links = palloc(links->allocated * links->link_size);
	return links;
}

void
hnr_backlinks_free(HnrBacklinks *links)
{
	pfree(links->first);
	pfree(links->links);
	pfree(links);
}

static uint32
new_link(HnrBacklinks *links)
{
	uint32		i = links->free;

	if (i != NONE)
	{
		links->free = link_at(links, i)->next;
		return i;
	}
	if (links->nused == links->max)
		return NONE;
	if (links->nused == links->allocated)
	{
		links->allocated = (uint32) Min((uint64) links->allocated * 2, links->max);
		links->links = repalloc_huge(links->links, links->allocated * links->link_size);
	}
	return links->nused++;
}

void
hnr_backlinks_add(HnrBacklinks *links, HnrNodeId from, const HnrSlot *slot)
{
	BlockNumber block = (BlockNumber) (from >> 16);
	uint32		i = block < links->blocks ? new_link(links) : NONE;
	Backlink   *link;

	if (i == NONE)
		return;
	link = link_at(links, i);
	link->from = from;
	link->next = links->first[block];
	memcpy(&link->slot, slot, links->slot_size);
	links->first[block] = i;
	links->nwaiting++;
}

bool
hnr_backlinks_any(const HnrBacklinks *links, BlockNumber block)
{
	return block < links->blocks && links->first[block] != NONE;
}

bool
hnr_backlinks_full(const HnrBacklinks *links)
{
	return links->nwaiting > links->max / 10 * 9;
}

bool
hnr_backlinks_take(HnrBacklinks *links, BlockNumber block, HnrNodeId *from, const HnrSlot **slot)
{
	uint32		i = block < links->blocks ? links->first[block] : NONE;
	Backlink   *link;

	if (i == NONE)
		return false;
	link = link_at(links, i);
	links->first[block] = link->next;
	link->next = links->free;
	links->free = i;
	links->nwaiting--;
	*from = link->from;
	*slot = &link->slot;
	return true;
}
