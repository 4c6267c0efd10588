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

/* Copies a page that has vertices and returns their shape; NULL if it has none. */
static const HnrShape *
read_page(HnrVacuum *vac, BlockNumber block, char *copy)
{
	const HnrLayout *layout = &vac->index->layout;
	Buffer		buf = hnr_buffer_read_any(vac->index->rel, block, BUFFER_LOCK_SHARE, vac->strategy);
	int			kind;

	memcpy(copy, BufferGetPage(buf), BLCKSZ);
	hnr_buffer_release(buf);
	kind = PageIsNew((Page) copy) ? 0 : hnr_page_head((Page) copy)->kind;
	if (kind == HNR_PAGE_GROUND)
		return &layout->ground;
	return kind == HNR_PAGE_UPPER ? &layout->upper : NULL;
}

/* The slots on the later parts of the vertex that begins on a block. */
static void
note_parts(HnrVacuum *vac, const HnrShape *shape, BlockNumber block, const HnrVertex *v)
{
	HnrLaterSlots later = {.index = vac->index, .shape = shape, .block = block, .vertex = v};

	while (hnr_vertex_later_slots(&later))
		hnr_reach_neighbors(vac->reach, ((HnrNodeId) block << 16) | 1, later.slots, later.n);
}

/* Tells what the vertices of a page lead to. */
static void
note_page(HnrVacuum *vac, BlockNumber block, const HnrShape *shape, Page page)
{
	const HnrPartLayout *pl = &shape->part[0];

	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		const HnrVertex *v = hnr_vertex_at(shape, page, pos);
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;

		if (v->state != HNR_VERTEX_LIVE)
			continue;
		hnr_reach_live(vac->reach, id, v->level);
		hnr_reach_neighbors(vac->reach, id, (const char *) v + pl->slot_offset,
							Min(pl->slot_count, (int) v->degree));
		note_parts(vac, shape, block, v);
		hnr_reach_done(vac->reach, id, v);
	}
}

/* Lists the pages that have upper vertices: they stand behind the ground. */
static void
list_upper(HnrVacuum *vac, char *copy)
{
	HnrEntry	entry = hnr_index_entry(vac->index);

	vac->upper = palloc(sizeof(BlockNumber));
	if (entry.level <= 0)
		return;
	pfree(vac->upper);
	vac->upper = palloc_extended(sizeof(BlockNumber) * (Size) vac->blocks, MCXT_ALLOC_HUGE);
	/* those of a level stand together, the entry point's in the end */
	for (BlockNumber block = ItemPointerGetBlockNumber(&entry.tid); block > HNR_METAPAGE; block--)
	{
		const HnrShape *shape = read_page(vac, block, copy);

		if (shape == &vac->index->layout.ground)
			break;
		if (shape)
			vac->upper[vac->nupper++] = block;
	}
}

int64
hnr_attach_unreached(HnrIndex *index, const BlockNumber *upper, int64 nupper)
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
	vac->upper = unconstify(BlockNumber *, upper);
	vac->nupper = nupper;
	if (upper == NULL)
		list_upper(vac, copy);
	vac->reach = hnr_reach_create(vac);
	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->blocks; block++)
	{
		const HnrShape *shape = read_page(vac, block, copy);

		hnr_vacuum_page_begun(block);
		hnr_throttle(PAGE_US);
		if (shape)
			note_page(vac, block, shape, (Page) copy);
	}
	hnr_reach_finish(vac->reach);
	attached = vac->nlinked;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return attached;
}
