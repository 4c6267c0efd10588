/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *		Bulk deletion and clean-up.
 *
 * Pass 1 calls back for every heap TID, takes dead ones out, and marks vertices
 * left without any as deleted: searches pass through them, nobody links to them
 * any more.  If there are none, that was all; the validation of a concurrent build
 * thus is a pure listing.  Pass 2 (unlink.c) takes the links to them out of all
 * other vertices.  Pass 3 replaces the entry point if need be and marks the deleted
 * vertices as removed; their places are used again when no transaction can know of
 * them any longer.  See README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "am/buffer.h"
#include "am/callbacks.h"
#include "am/insert.h"
#include "am/place.h"
#include "am/tids.h"
#include "am/vacuum.h"
#include "am/wal.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "debug_point.h"
#include "storage/indexfsm.h"
#include "utils/memutils.h"

static void
add_dead(HnrVacuum *vac, HnrNodeId id)
{
	if (!hnr_idset_add(&vac->dead, id))
		return;
	if (vac->ndead == vac->maxdead)
	{
		vac->maxdead *= 2;
		vac->dead_list = repalloc_huge(vac->dead_list, sizeof(HnrNodeId) * vac->maxdead);
	}
	vac->dead_list[vac->ndead++] = id;
}

static void
add_upper(HnrVacuum *vac, HnrNodeId id, const HnrVertex *v)
{
	HnrUpperVertex *u;

	if (vac->nupper == vac->maxupper)
	{
		vac->maxupper *= 2;
		vac->upper = repalloc_huge(vac->upper, sizeof(HnrUpperVertex) * vac->maxupper);
	}
	u = &vac->upper[vac->nupper++];
	u->id = id;
	u->ground = hnr_node_of_tid(&v->tids[0]);
	u->level = v->level;
}

static bool
tid_is_dead(ItemPointer tid, void *state)
{
	HnrVacuum  *vac = state;

	return vac->callback(tid, vac->callback_state);
}

/* Looks at the heap TIDs of one ground vertex, with no lock held at entry. */
static void
process_tids(HnrVacuum *vac, const HnrVisited *visited)
{
	HnrLockedVertex locked;
	ItemPointerData tid = visited->tid;
	int64		count = 0;
	int64		removed = 0;
	int64		kept = 0;

	/* one without any TID is what a crash amid their removal left */
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

/* Pass 1 on the vertices of one page; copies the ground ones to look at. */
static int
list_vertices(HnrVacuum *vac, BlockNumber block, Page page, HnrVisited *visited)
{
	int			kind = hnr_page_head(page)->kind;
	const HnrShape *shape = kind == HNR_PAGE_GROUND ? &vac->index->layout.ground : &vac->index->layout.upper;
	int			n = 0;
	bool		reusable = false;

	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		HnrVertex  *v = hnr_vertex_at(shape, page, pos);
		ItemPointerData tid;

		ItemPointerSet(&tid, block, pos);
		if (v->state == HNR_VERTEX_DELETED)
			add_dead(vac, hnr_node_of_tid(&tid));
		else if (v->state != HNR_VERTEX_LIVE)
			reusable = true;
		else if (kind == HNR_PAGE_UPPER)
			add_upper(vac, hnr_node_of_tid(&tid), v);
		else
		{
			visited[n].tid = tid;
			visited[n].link = v->link;
			visited[n].generation = v->generation;
			visited[n].ntids = Min(v->ntids, HNR_INLINE_TIDS);
			memcpy(visited[n++].tids, v->tids, sizeof(v->tids));
		}
	}
	if (reusable)
		hnr_place_record(vac->index, block, kind);
	return n;
}

static void
collect_dead(HnrVacuum *vac)
{
	HnrVisited *visited = palloc(sizeof(HnrVisited) * vac->index->layout.ground.per_page);

	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->blocks; block++)
	{
		Buffer		buf;
		Page		page;
		int			n = 0;

		hnr_vacuum_delay_point();
		buf = hnr_buffer_read_any(vac->index->rel, block, BUFFER_LOCK_SHARE, vac->strategy);
		page = BufferGetPage(buf);
		if (PageIsNew(page))
			hnr_place_record(vac->index, block, 0);
		else if ((HNR_KIND_BIT(hnr_page_head(page)->kind) & HNR_VERTEX_KINDS) != 0)
			n = list_vertices(vac, block, page, visited);
		hnr_buffer_release(buf);
		for (int i = 0; i < n; i++)
			process_tids(vac, &visited[i]);
	}
	pfree(visited);
}

/* Changes the state of a vertex; the caller knows its level's shape. */
static void
set_state(HnrVacuum *vac, HnrNodeId id, HnrVertexState state, FullTransactionId xid)
{
	ItemPointerData tid;
	Buffer		buf;
	const HnrShape *shape;
	HnrChange	change;
	HnrVertex  *v;

	hnr_tid_of_node(id, &tid);
	buf = hnr_buffer_read(vac->index->rel, ItemPointerGetBlockNumber(&tid),
						  BUFFER_LOCK_EXCLUSIVE, HNR_VERTEX_KINDS);
	shape = hnr_page_head(BufferGetPage(buf))->kind == HNR_PAGE_GROUND ?
		&vac->index->layout.ground : &vac->index->layout.upper;
	hnr_change_begin(&change, vac->index->rel, false);
	v = hnr_vertex_at(shape, hnr_change_page(&change, buf, HNR_CHANGE_DELTA),
					  ItemPointerGetOffsetNumber(&tid));
	v->state = state;
	if (state == HNR_VERTEX_REMOVED)
	{
		v->degree = 0;
		v->ntids = 0;
		ItemPointerSetInvalid(&v->link);
		memcpy(HNR_REMOVED_XID(v), &xid, sizeof(xid));
	}
	hnr_change_end(&change);
	hnr_buffer_release(buf);
	if (state == HNR_VERTEX_REMOVED)
		hnr_place_record(vac->index, ItemPointerGetBlockNumber(&tid), shape->kind);
}

/* Upper vertices of deleted ground vertices are deleted, too. */
static void
delete_upper(HnrVacuum *vac)
{
	for (int64 i = 0; i < vac->nupper; i++)
	{
		HnrUpperVertex *u = &vac->upper[i];

		if (hnr_vacuum_is_dead(vac, u->ground))
		{
			hnr_vacuum_delay_point();
			set_state(vac, u->id, HNR_VERTEX_DELETED, InvalidFullTransactionId);
			add_dead(vac, u->id);
		}
		else if (u->level > vac->live.level)
		{
			hnr_tid_of_node(u->id, &vac->live.tid);
			vac->live.level = u->level;
		}
	}
}

static bool
vertex_is_dead(ItemPointer tid, void *state)
{
	return hnr_vacuum_is_dead(state, hnr_node_of_tid(tid));
}

/* Pass 3. */
static void
remove_dead(HnrVacuum *vac)
{
	FullTransactionId xid;

	hnr_index_replace_dead_entry(vac->index, vertex_is_dead, vac, vac->live);
	HNR_DEBUG_POINT("vacuum_unlinked");

	/*
	 * An insertion that could still hold a TID of a dead vertex runs in a
	 * transaction that has its number by now: the last one given, or one before.
	 */
	xid = ReadNextFullTransactionId();
	FullTransactionIdRetreat(&xid);
	for (int64 i = 0; i < vac->ndead; i++)
	{
		hnr_vacuum_delay_point();
		set_state(vac, vac->dead_list[i], HNR_VERTEX_REMOVED, xid);
	}
}

static HnrVacuum *
begin_vacuum(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	HnrVacuum  *vac = palloc0(sizeof(HnrVacuum));

	vac->index = hnr_index_open(info->index);
	vac->stats = stats;
	vac->strategy = info->strategy;
	vac->blocks = RelationGetNumberOfBlocks(info->index);
	hnr_idset_init(&vac->dead, 1024);
	vac->maxdead = vac->maxupper = 1024;
	vac->dead_list = palloc(sizeof(HnrNodeId) * vac->maxdead);
	vac->upper = palloc(sizeof(HnrUpperVertex) * vac->maxupper);
	vac->live.level = -1;
	vac->scratch = AllocSetContextCreate(CurrentMemoryContext, "hnsw vacuum scratch",
										 ALLOCSET_DEFAULT_SIZES);
	return vac;
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
	collect_dead(vac);
	HNR_DEBUG_POINT("vacuum_collected");
	if (vac->ndead > 0)
	{
		delete_upper(vac);
		/* what was added since needs no unlinking, but may be linked to */
		vac->blocks = RelationGetNumberOfBlocks(info->index);
		hnr_vacuum_unlink(vac);
		remove_dead(vac);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}

IndexBulkDeleteResult *
hnr_vacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
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
	IndexFreeSpaceMapVacuum(info->index);
	return stats;
}
