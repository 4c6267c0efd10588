/*-------------------------------------------------------------------------
 *
 * attach.c
 *		Vertices that no path leads to, in a graph on pages.  See
 *		attach.h.
 *
 * Where the graph does not fit into memory, what adopt.c does there is done on pages, as
 * by a vacuum that finds nothing dead.  optimize.c has it done, too, while others insert.
 *
 * Locks: those of reach.c, and a share lock on one page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/attach.h"
#include "am/buffer.h"
#include "am/vacuum.h"
#include "am/vertex.h"
#include "throttle.h"
#include "utils/memutils.h"

/* What a look at a page takes (us), for the throttle. */
#define PAGE_US		5

/* Copies a page; false if it has no ground vertices. */
static bool
read_page(HnrVacuum *vac, BlockNumber block, char *copy)
{
	Buffer		buf = hnr_buffer_read_any(vac->index->rel, block, BUFFER_LOCK_SHARE, vac->strategy);

	memcpy(copy, BufferGetPage(buf), BLCKSZ);
	hnr_buffer_release(buf);
	return !PageIsNew((Page) copy) && hnr_page_head((Page) copy)->kind == HNR_PAGE_GROUND;
}

/* Tells what the vertices of a page lead to. */
static void
note_page(HnrVacuum *vac, BlockNumber block, Page page)
{
	const HnrShape *shape = &vac->index->layout.ground;

	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		const HnrVertex *v = hnr_vertex_at(shape, page, pos);
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;

		if (v->state != HNR_VERTEX_LIVE)
			continue;
		hnr_reach_live(vac->reach, id);
		hnr_reach_vertex(vac->reach, id, v);
	}
}

int64
hnr_attach_unreached(HnrIndex *index)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw attaching", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrVacuum  *vac = palloc0(sizeof(HnrVacuum));
	char	   *copy = palloc(BLCKSZ);
	int64		attached;

	vac->index = index;
	vac->strategy = GetAccessStrategy(BAS_BULKREAD);
	vac->blocks = RelationGetNumberOfBlocks(index->rel);
	vac->places = Max(index->layout.ground.per_page, index->layout.upper.per_page);
	vac->live.level = -1;
	/* a build's progress has columns for pages only */
	vac->validating = true;
	vac->scratch = AllocSetContextCreate(context, "hnsw attaching scratch", ALLOCSET_DEFAULT_SIZES);
	hnr_vacuum_begin_pass(vac, 2);
	vac->reach = hnr_reach_create(vac);
	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->blocks; block++)
	{
		hnr_vacuum_page_begun(block);
		hnr_throttle(PAGE_US);
		if (read_page(vac, block, copy))
			note_page(vac, block, (Page) copy);
	}
	hnr_reach_finish(vac->reach);
	attached = vac->nlinked;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return attached;
}
