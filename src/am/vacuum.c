/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *		Bulk deletion and clean-up.
 *
 * Pass 1 calls back for every heap TID, takes dead ones out, and marks vertices
 * left without any as deleted: searches pass through them, nobody links to them
 * any more.  If there are none, that was all; the validation of a concurrent build
 * thus is a pure listing.  Pass 2 (unlink.c) takes the links to them out of all other
 * vertices; under the inner product what was found by way of them alone is linked before
 * (attach.c).  Pass 3 replaces the entry point if need be and marks the deleted as removed;
 * their places are used again when no transaction can know of them.  See README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "am/attach.h"
#include "am/buffer.h"
#include "am/callbacks.h"
#include "am/insert.h"
#include "am/merge.h"
#include "am/place.h"
#include "am/tail.h"
#include "am/tids.h"
#include "am/vacuum.h"
#include "am/wal.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "debug_point.h"
#include "storage/indexfsm.h"
#include "throttle.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

/*
 * VACUUM's own columns count pages of the table.  These have no name in its view, in
 * no server version, and are free for us: the index, and the pass.
 */
#define PROGRESS_INDEX	17
#define PROGRESS_PASS	18

void
hnr_vacuum_begin_pass(HnrVacuum *vac, int pass)
{
	int			param[] = {PROGRESS_SCAN_BLOCKS_TOTAL, PROGRESS_SCAN_BLOCKS_DONE,
	PROGRESS_INDEX, PROGRESS_PASS};
	int64		value[] = {pass > 0 ? vac->blocks : 0, 0,
	pass > 0 ? RelationGetRelid(vac->index->rel) : InvalidOid, pass};

	pgstat_progress_update_multi_param(vac->validating ? 2 : 4, param, value);
}

/* What a look at a page takes (us), for the throttle of a rebuild's validation. */
#define PAGE_US		2

void
hnr_vacuum_page_begun(BlockNumber block)
{
	hnr_vacuum_delay_point();
	hnr_throttle(PAGE_US);
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, block);
}

/* A look at the heap TIDs of a page's ground vertices. */
typedef struct PageLook
{
	int			npruned;
	OffsetNumber *pruned;		/* vertices with dead TIDs, all in the vertex itself */
	int			nchunked;
	HnrVisited *chunked;		/* vertices with more TIDs elsewhere */
	bool		reusable;		/* has, or will have, places to use again */
} PageLook;

static void
add_dead(HnrVacuum *vac, HnrNodeId id)
{
	Size		bit;

	if (!hnr_vacuum_bit(vac, id, &bit) || hnr_vacuum_is_dead(vac, id))
		return;
	vac->dead[bit / 8] |= 1 << bit % 8;
	vac->ndead++;
}

static bool
tid_is_dead(ItemPointer tid, void *state)
{
	HnrVacuum  *vac = state;

	return vac->callback(tid, vac->callback_state);
}

/* Looks at the heap TIDs of a vertex that has chunks of them, with no lock held at entry. */
static void
process_chunked(HnrVacuum *vac, const HnrVisited *visited)
{
	HnrLockedVertex locked;
	ItemPointerData tid = visited->tid;
	int64		count = 0;
	int64		removed = 0;
	int64		kept = 0;

	if (!hnr_tids_any_dead(vac->index, visited, tid_is_dead, vac, &count) && count > 0)
	{
		vac->stats->num_index_tuples += count;
		return;
	}
	if (!hnr_vertex_lock(vac->index, &tid, 0, &locked))
		return;
	if (hnr_tids_remove_dead(&locked, tid_is_dead, vac, &removed, &kept))
		add_dead(vac, hnr_node_of_tid(&tid));
	hnr_vertex_unlock(&locked);
	vac->stats->num_index_tuples += kept;
	vac->stats->tuples_removed += removed;
}

static void
add_chunked(PageLook *look, ItemPointer tid, const HnrVertex *v)
{
	HnrVisited *visited = &look->chunked[look->nchunked++];

	visited->tid = *tid;
	visited->link = v->link;
	visited->generation = v->generation;
	visited->ntids = Min(v->ntids, HNR_INLINE_TIDS);
	memcpy(visited->tids, v->tids, sizeof(v->tids));
}

/* A live vertex of the ground; its page is share-locked. */
static void
look_at_ground(HnrVacuum *vac, PageLook *look, ItemPointer tid, const HnrVertex *v)
{
	int			ndead;

	if (ItemPointerIsValid(&v->link))
	{
		add_chunked(look, tid, v);
		return;
	}
	ndead = hnr_tids_count_dead(vac->index, tid, v, tid_is_dead, vac);
	/* one without any TID is what a crash amid their removal left */
	if (ndead > 0 || v->ntids == 0)
		look->pruned[look->npruned++] = ItemPointerGetOffsetNumber(tid);
	else
		vac->stats->num_index_tuples += v->ntids;
}

/* Pass 1 on the vertices of one page, share-locked. */
static void
look_at_page(HnrVacuum *vac, PageLook *look, BlockNumber block, Page page)
{
	int			kind = hnr_page_head(page)->kind;
	const HnrShape *shape = kind == HNR_PAGE_GROUND ? &vac->index->layout.ground : &vac->index->layout.upper;
	bool		live = false;

	look->npruned = look->nchunked = 0;
	look->reusable = false;
	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		HnrVertex  *v = hnr_vertex_at(shape, page, pos);
		ItemPointerData tid;

		ItemPointerSet(&tid, block, pos);
		if (v->state == HNR_VERTEX_DELETED)
			add_dead(vac, hnr_node_of_tid(&tid));
		else if (v->state != HNR_VERTEX_LIVE)
			look->reusable = true;
		else if (kind == HNR_PAGE_GROUND)
			look_at_ground(vac, look, &tid, v);
		else
			live = true;
	}
	if (!live)
		return;
	if (vac->nupper == vac->maxupper)
	{
		vac->maxupper *= 2;
		vac->upper = repalloc_huge(vac->upper, sizeof(BlockNumber) * vac->maxupper);
	}
	vac->upper[vac->nupper++] = block;
}

/*
 * Takes the dead TIDs out of the vertices of a page, by one record; marks those left
 * without any as deleted.  One that has got a chunk since is left to
 * process_chunked().
 */
static void
prune_page(HnrVacuum *vac, PageLook *look, BlockNumber block)
{
	const HnrShape *shape = &vac->index->layout.ground;
	Buffer		buf = hnr_buffer_read(vac->index->rel, block, BUFFER_LOCK_EXCLUSIVE,
									  HNR_KIND_BIT(HNR_PAGE_GROUND));
	HnrChange	change;
	Page		page;

	hnr_change_begin(&change, vac->index->rel, false);
	page = hnr_change_page(&change, buf, HNR_CHANGE_DELTA);
	for (int i = 0; i < look->npruned; i++)
	{
		HnrVertex  *v = hnr_vertex_at(shape, page, look->pruned[i]);
		ItemPointerData tid;

		ItemPointerSet(&tid, block, look->pruned[i]);
		if (ItemPointerIsValid(&v->link))
		{
			add_chunked(look, &tid, v);
			continue;
		}
		vac->stats->tuples_removed += hnr_tids_prune(v, tid_is_dead, vac);
		vac->stats->num_index_tuples += v->ntids;
		if (v->ntids > 0)
			continue;
		v->state = HNR_VERTEX_DELETED;
		add_dead(vac, hnr_node_of_tid(&tid));
	}
	hnr_change_end(&change);
	hnr_buffer_release(buf);
}

/* Pass 1. */
static void
collect_dead(HnrVacuum *vac)
{
	const HnrLayout *layout = &vac->index->layout;
	HnrTailsInUse *tails = hnr_tails_in_use(vac->index);
	BlockNumber parts_end = 0;	/* before it stand parts of the last vertex seen */
	PageLook	look;

	look.pruned = palloc(sizeof(OffsetNumber) * layout->ground.per_page);
	look.chunked = palloc(sizeof(HnrVisited) * layout->ground.per_page);
	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->blocks; block++)
	{
		Buffer		buf;
		Page		page;
		int			kind;
		int			lost_part = 0;

		hnr_vacuum_page_begun(block);
		look.npruned = look.nchunked = 0;
		look.reusable = false;
		buf = hnr_buffer_read_any(vac->index->rel, block, BUFFER_LOCK_SHARE, vac->strategy);
		page = BufferGetPage(buf);
		kind = PageIsNew(page) ? 0 : hnr_page_head(page)->kind;
		if ((HNR_KIND_BIT(kind) & HNR_VERTEX_KINDS) != 0)
			look_at_page(vac, &look, block, page);
		if (kind == HNR_PAGE_GROUND || kind == HNR_PAGE_UPPER)
			parts_end = block + (kind == HNR_PAGE_GROUND ? &layout->ground : &layout->upper)->parts;
		if (kind == HNR_PAGE_PART && block >= parts_end)
			lost_part = ((HnrPart *) hnr_page_contents(page))->part;
		if (kind == HNR_PAGE_TAIL)
			memcpy(vac->copy.data, page, BLCKSZ);
		hnr_buffer_release(buf);
		if (lost_part > 0)
			hnr_place_reclaim_part(vac->index, block, lost_part);
		if (kind == HNR_PAGE_TAIL)
			hnr_tail_reclaim(tails, block, vac->copy.data);
		if (look.reusable || kind == 0)
			hnr_place_record(vac->index, block, kind);
		if (look.npruned > 0)
			prune_page(vac, &look, block);
		for (int i = 0; i < look.nchunked; i++)
			process_chunked(vac, &look.chunked[i]);
	}
	pfree(look.pruned);
	pfree(look.chunked);
	hnr_tails_in_use_free(tails);
}

/*
 * Upper vertices of deleted ground vertices are deleted, too.  Tells the highest of
 * those that stay.
 */
static bool
is_orphaned(HnrVacuum *vac, BlockNumber block, OffsetNumber pos, const HnrVertex *v)
{
	if (v->state != HNR_VERTEX_LIVE)
		return false;
	if (hnr_vacuum_is_dead(vac, hnr_node_of_tid(&v->tids[0])))
		return true;
	if (v->level > vac->live.level)
	{
		ItemPointerSet(&vac->live.tid, block, pos);
		vac->live.level = v->level;
	}
	return false;
}

static void
delete_upper_on(HnrVacuum *vac, BlockNumber block)
{
	const HnrShape *shape = &vac->index->layout.upper;
	Buffer		buf = hnr_buffer_read(vac->index->rel, block, BUFFER_LOCK_EXCLUSIVE,
									  HNR_KIND_BIT(HNR_PAGE_UPPER));
	HnrChange	change;
	Page		page = NULL;

	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		if (!is_orphaned(vac, block, pos, hnr_vertex_at(shape, BufferGetPage(buf), pos)))
			continue;
		if (page == NULL)
		{
			hnr_change_begin(&change, vac->index->rel, false);
			page = hnr_change_page(&change, buf, HNR_CHANGE_DELTA);
		}
		hnr_vertex_at(shape, page, pos)->state = HNR_VERTEX_DELETED;
		add_dead(vac, ((HnrNodeId) block << 16) | pos);
	}
	if (page != NULL)
		hnr_change_end(&change);
	hnr_buffer_release(buf);
}

static void
delete_upper(HnrVacuum *vac)
{
	for (int64 i = 0; i < vac->nupper; i++)
	{
		hnr_vacuum_delay_point();
		delete_upper_on(vac, vac->upper[i]);
	}
}

/* Marks the deleted vertices of a page as removed. */
static void
remove_dead_on(HnrVacuum *vac, BlockNumber block, FullTransactionId xid)
{
	Buffer		buf = hnr_buffer_read(vac->index->rel, block, BUFFER_LOCK_EXCLUSIVE,
									  HNR_VERTEX_KINDS);
	int			kind = hnr_page_head(BufferGetPage(buf))->kind;
	const HnrShape *shape = kind == HNR_PAGE_GROUND ? &vac->index->layout.ground : &vac->index->layout.upper;
	HnrChange	change;
	Page		page;

	hnr_change_begin(&change, vac->index->rel, false);
	page = hnr_change_page(&change, buf, HNR_CHANGE_DELTA);
	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		HnrVertex  *v = hnr_vertex_at(shape, page, pos);

		if (!hnr_vacuum_is_dead(vac, ((HnrNodeId) block << 16) | pos))
			continue;
		v->state = HNR_VERTEX_REMOVED;
		v->degree = 0;
		v->ntids = 0;
		v->flags = 0;
		ItemPointerSetInvalid(&v->link);
		memcpy(HNR_REMOVED_XID(v), &xid, sizeof(xid));
	}
	hnr_change_end(&change);
	hnr_buffer_release(buf);
	hnr_place_record(vac->index, block, kind);
}

/* Pass 3. */
static void
remove_dead(HnrVacuum *vac)
{
	FullTransactionId xid;

	HNR_DEBUG_POINT("vacuum_unlinked");

	/*
	 * An insertion that could still hold a TID of a dead vertex runs in a
	 * transaction that has its number by now: the last one given, or one before.
	 */
	xid = ReadNextFullTransactionId();
	FullTransactionIdRetreat(&xid);
	hnr_vacuum_begin_pass(vac, 3);
	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->dead_blocks; block++)
	{
		if (!hnr_vacuum_has_dead(vac, block))
			continue;
		hnr_vacuum_page_begun(block);
		remove_dead_on(vac, block, xid);
	}
}

static HnrVacuum *
begin_vacuum(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	HnrVacuum  *vac = palloc0(sizeof(HnrVacuum));

	vac->index = hnr_index_open(info->index);
	vac->stats = stats;
	vac->strategy = info->strategy;
	vac->maxupper = 1024;
	vac->upper = palloc(sizeof(BlockNumber) * vac->maxupper);
	vac->live.level = -1;
	vac->scratch = AllocSetContextCreate(CurrentMemoryContext, "hnsw vacuum scratch",
										 ALLOCSET_DEFAULT_SIZES);
	return vac;
}

/* From here on, what is added need not be looked at. */
static void
begin_pages(HnrVacuum *vac)
{
	vac->blocks = vac->dead_blocks = RelationGetNumberOfBlocks(vac->index->rel);
	vac->places = Max(vac->index->layout.ground.per_page, vac->index->layout.upper.per_page);
	vac->dead = palloc_extended((Size) vac->blocks * vac->places / 8 + 1,
								MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static bool
vertex_is_dead(ItemPointer tid, void *state)
{
	return hnr_vacuum_is_dead(state, hnr_node_of_tid(tid));
}

/* What the dead were needed for, as vac->reach has it; the entry point does not stay one of them. */
static void
link_unreached(HnrVacuum *vac)
{
	hnr_index_replace_dead_entry(vac->index, vertex_is_dead, vac, vac->live);
	hnr_reach_finish(vac->reach);
	hnr_reach_free(vac->reach);
}

IndexBulkDeleteResult *
hnr_bulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
			   IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext context;
	MemoryContext old;
	HnrVacuum  *vac;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw vacuum", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	vac = begin_vacuum(info, stats);
	vac->callback = callback;
	vac->callback_state = callback_state;
	stats->num_index_tuples = 0;
	vac->validating = info->report_progress;
	/* of a rebuild, too; nobody reads the new index yet, so it need not stay in memory */
	if (vac->validating)
		vac->strategy = GetAccessStrategy(BAS_BULKREAD);
	/* rows merged from now on were looked at, those merged before are on the pages */
	hnr_pending_vacuum(vac->index, tid_is_dead, vac, &stats->tuples_removed, &stats->num_index_tuples);
	HNR_DEBUG_POINT("vacuum_pending");
	begin_pages(vac);
	hnr_vacuum_begin_pass(vac, 1);
	collect_dead(vac);
	HNR_DEBUG_POINT("vacuum_collected");
	if (vac->ndead > 0)
	{
		delete_upper(vac);
		/* what was added since needs no unlinking, but may be linked to */
		vac->blocks = RelationGetNumberOfBlocks(info->index);
		if (hnr_attach_is_due(vac))
		{
			/* much is found by way of the dead alone, and would be lost until the pass's end */
			hnr_vacuum_begin_pass(vac, 2);
			hnr_attach_note_pages(vac);
			link_unreached(vac);
		}
		hnr_vacuum_begin_pass(vac, 2);
		hnr_vacuum_unlink(vac);
		HNR_DEBUG_POINT("vacuum_links_gone");
		link_unreached(vac);
		remove_dead(vac);
	}
	/* a validation goes on, and says so itself */
	if (!vac->validating)
		hnr_vacuum_begin_pass(vac, 0);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}

IndexBulkDeleteResult *
hnr_vacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	HnrIndex   *index;

	if (info->analyze_only)
		return stats;
	if (stats == NULL)
	{
		/* no row was dead: what is in the heap is in the index */
		stats = palloc0(sizeof(IndexBulkDeleteResult));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = true;
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	index = hnr_index_open(info->index);
	hnr_place_mend_map(index, info->strategy);
	/* left by a worker that ended, for instance when the server crashed */
	if (BlockNumberIsValid(index->meta.pending_head))
		hnr_merger_request(index);
	IndexFreeSpaceMapVacuum(info->index);
	return stats;
}
