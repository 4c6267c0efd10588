/*-------------------------------------------------------------------------
 *
 * am.c
 *		What other modules ask of the access method.  See am.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/htup_details.h"
#include "access/xlog.h"
#include "am/am.h"
#include "am/buffer.h"
#include "am/callbacks.h"
#include "am/index.h"
#include "am/merge.h"
#include "am/stored.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/*
 * Told by the handler's address, not the method's name, so that a method that
 * another library calls hnsw is not taken for ours.
 */
static bool
is_our_routine(Oid handler)
{
	IndexAmRoutine *routine = GetIndexAmRoutine(handler);
	bool		ours = routine->ambuild == hnr_build;

	pfree(routine);
	return ours;
}

bool
hnr_is_hnsw_am(Oid amoid)
{
	HeapTuple	tuple = SearchSysCache1(AMOID, ObjectIdGetDatum(amoid));
	bool		ours = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	if (((Form_pg_am) GETSTRUCT(tuple))->amtype == AMTYPE_INDEX)
		ours = is_our_routine(((Form_pg_am) GETSTRUCT(tuple))->amhandler);
	ReleaseSysCache(tuple);
	return ours;
}

bool
hnr_is_hnsw_index(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_INDEX && rel->rd_indam &&
		rel->rd_indam->ambuild == hnr_build;
}

static void
fill_figures(Relation rel, const HnrMetaPage *meta, HnrIndexFigures *figures)
{
	const HnrMetric *metric = hnr_metric_of_index(rel);

	figures->format_version = meta->version;
	figures->dims = hnr_meta_dims(meta);
	figures->m = meta->m;
	figures->ef_construction = meta->ef_construction;
	figures->code_bits = meta->code_bits;
	figures->slots = meta->slots_ground;
	figures->stored_as = metric->type->stored_as ? metric->type->stored_as :
		hnr_encoding_name(meta->encoding);
	figures->max_level = meta->entry_level;
	figures->pages = RelationGetNumberOfBlocks(rel);
}

bool
hnr_index_try_figures(Relation rel, HnrIndexFigures *figures)
{
	PGAlignedBlock block;
	Page		page = (Page) block.data;
	HnrMetaPage *meta = hnr_page_meta(page);

	if (RelationGetNumberOfBlocks(rel) <= HNR_METAPAGE)
		return false;
	hnr_buffer_copy(rel, HNR_METAPAGE, NULL, page);
	if (PageIsNew(page) || !hnr_page_is_ours(page) ||
		hnr_page_head(page)->kind != HNR_PAGE_META ||
		hnr_index_meta_problem(rel, meta) != NULL || meta->version != HNR_FORMAT_VERSION)
		return false;
	fill_figures(rel, meta, figures);
	return true;
}

/* What upper levels and lists of heap TIDs add to a vertex. */
#define BESIDE	1.05

bool
hnr_has_contents(Relation rel)
{
	return rel->rd_rel->relpersistence != RELPERSISTENCE_UNLOGGED || !RecoveryInProgress();
}

bool
hnr_index_has_expressions(Relation index)
{
	return !heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL);
}

bool
hnr_index_has_predicate(Relation index)
{
	return !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

void
hnr_index_figures(Relation rel, HnrIndexFigures *figures)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw figures",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrIndex   *index = hnr_index_open(rel);

	fill_figures(rel, &index->meta, figures);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Bytes of a vertex of the ground level, with its share of what is beside it. */
static double
bytes_per_vertex(const HnrLayout *layout)
{
	return (double) BLCKSZ * layout->ground.parts / layout->ground.per_page * BESIDE;
}

double
hnr_index_estimate_size(Relation rel, int m, double rows)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw estimate",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	double		size = (double) RelationGetNumberOfBlocks(rel) * BLCKSZ;
	HnrIndexFigures figures;

	if (size > 0 && hnr_index_try_figures(rel, &figures))
	{
		HnrIndex   *index = hnr_index_open(rel);
		HnrMetaPage meta = index->meta;
		HnrLayout	layout;

		meta.m = m > 0 ? m : hnr_option_m(rel);
		meta.slots_ground = hnr_layout_choose_slots(&meta);
		meta.slots_upper = meta.m;
		if (hnr_layout_compute(&layout, &meta))
		{
			size *= bytes_per_vertex(&layout) / bytes_per_vertex(&index->layout);
			size = Min(size, rows * bytes_per_vertex(&layout) + BLCKSZ);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return size;
}

void
hnr_pending_status(Relation rel, HnrPendingStatus *status)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw pending",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrIndex   *index = hnr_index_open(rel);
	HnrPendingFigures figures;

	hnr_pending_figures(index, &figures);
	status->rows = figures.rows;
	status->oldest = figures.oldest;
	status->merge_rate = figures.merge_rate;
	status->merging = hnr_merge_runs(rel);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

int64
hnr_pending_flush(Relation rel)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw flush",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrIndex   *index = hnr_index_open(rel);
	int64		merged = 0;

	if (BlockNumberIsValid(index->meta.pending_head))
		merged = hnr_merge_all(index);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return merged;
}

static void
count_vertex(const HnrVertex *v, HnrIndexCounts *counts)
{
	if (v->state == HNR_VERTEX_LIVE)
	{
		counts->vertices++;
		counts->heap_tids += v->ntids;
	}
	else if (v->state == HNR_VERTEX_DELETED)
		counts->deleted++;
}

static void
count_page(HnrIndex *index, Page page, HnrIndexCounts *counts)
{
	const HnrShape *shape = &index->layout.ground;

	switch (PageIsNew(page) ? 0 : hnr_page_head(page)->kind)
	{
		case HNR_PAGE_GROUND:
			for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
				count_vertex(hnr_vertex_at(shape, page, pos), counts);
			break;
		case HNR_PAGE_TIDS:
			for (OffsetNumber pos = 1; pos <= HNR_CHUNKS_PER_PAGE; pos++)
				if (ItemPointerIsValid(&hnr_page_chunk(page, pos)->owner))
					counts->heap_tids += hnr_page_chunk(page, pos)->ntids;
			break;
		default:
			break;
	}
}

void
hnr_index_counts(Relation rel, HnrIndexCounts *counts)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw counts",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrIndex   *index = hnr_index_open(rel);
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	HnrPendingFigures pending;

	memset(counts, 0, sizeof(*counts));
	hnr_pending_figures(index, &pending);
	counts->heap_tids = (int64) pending.rows;
	for (BlockNumber block = 0; block < blocks; block++)
	{
		Buffer		buf;

		CHECK_FOR_INTERRUPTS();
		buf = hnr_buffer_read_any(rel, block, BUFFER_LOCK_SHARE, strategy);
		count_page(index, BufferGetPage(buf), counts);
		hnr_buffer_release(buf);
	}
	FreeAccessStrategy(strategy);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
