/*-------------------------------------------------------------------------
 *
 * indegree.c
 *		How many links lead to each ground vertex.  See indegree.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/indegree.h"
#include "am/insert.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "utils/memutils.h"

#define NOT_LIVE	255			/* no live vertex there, as far as is known */
#define TOO_FEW		254			/* lead from it */
#define MANY_LINKS	253

struct HnrInDegrees
{
	HnrIndex   *index;
	BlockNumber blocks;
	int			per_page;
	uint8	   *count;
};

HnrInDegrees *
hnr_indegrees_create(HnrIndex *index, BlockNumber blocks)
{
	HnrInDegrees *in = palloc(sizeof(HnrInDegrees));
	Size		size;

	in->index = index;
	in->blocks = blocks;
	in->per_page = index->layout.ground.per_page;
	size = (Size) blocks * in->per_page;
	in->count = palloc_extended(size, MCXT_ALLOC_HUGE);
	memset(in->count, NOT_LIVE, size);
	return in;
}

void
hnr_indegrees_free(HnrInDegrees *in)
{
	pfree(in->count);
	pfree(in);
}

static uint8 *
count_of(HnrInDegrees *in, HnrNodeId id)
{
	BlockNumber block = (BlockNumber) (id >> 16);
	int			pos = (int) (id & 0xFFFF);

	if (block >= in->blocks || pos < 1 || pos > in->per_page)
		return NULL;
	return &in->count[(Size) block * in->per_page + pos - 1];
}

void
hnr_indegrees_live(HnrInDegrees *in, HnrNodeId id)
{
	uint8	   *count = count_of(in, id);

	if (count && *count == NOT_LIVE)
		*count = 0;
}

void
hnr_indegrees_link(HnrInDegrees *in, HnrNodeId to)
{
	uint8	   *count = count_of(in, to);

	if (count == NULL)
		return;
	/* the page of `to` may not have been seen yet: NOT_LIVE then starts the count */
	if (*count == NOT_LIVE)
		*count = 1;
	else if (*count < MANY_LINKS)
		(*count)++;
}

void
hnr_indegrees_too_few(HnrInDegrees *in, HnrNodeId id)
{
	uint8	   *count = count_of(in, id);

	if (count)
		*count = TOO_FEW;
}

void
hnr_indegrees_relink(HnrInDegrees *in, MemoryContext scratch)
{
	for (BlockNumber block = HNR_METAPAGE + 1; block < in->blocks; block++)
		for (int pos = 1; pos <= in->per_page; pos++)
		{
			uint8		count = in->count[(Size) block * in->per_page + pos - 1];
			ItemPointerData tid;
			MemoryContext old;

			if (count != 0 && count != TOO_FEW)
				continue;
			hnr_vacuum_delay_point();
			ItemPointerSet(&tid, block, pos);
			old = MemoryContextSwitchTo(scratch);
			hnr_relink_vertex(in->index, &tid);
			MemoryContextSwitchTo(old);
			MemoryContextReset(scratch);
		}
}
