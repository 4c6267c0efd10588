/*-------------------------------------------------------------------------
 *
 * verify.c
 *		SQL: check_index().
 *
 * Passes: the metapage; every page in itself (verify_page.c); every vertex with
 * its slots (verify_vertex.c); lists of heap TIDs (verify_chunks.c); the graph as a
 * whole (verify_graph.c); free places (verify_space.c); the pending list (verify_pending.c); the heap TIDs, with
 * heapallindexed those of the table's rows as well (verify_tids.c).  What seemed
 * wrong between two pages that others may have changed meanwhile is looked at once
 * more at the end.
 *
 * Locks: AccessShareLock on table and index, content locks in share mode one at a
 * time; works on a standby.  Memory: 9 bytes a page, 10 bytes a vertex, chunk or piece, and
 * 8 bytes a vertex reached; heap TIDs are sorted within maintenance_work_mem.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "am/am.h"
#include "am/buffer.h"
#include "compat.h"
#include "debug_point.h"
#include "monitor/verify.h"
#include "rebuild/target.h"

PG_FUNCTION_INFO_V1(hnr_check_index);

/* Rows to return at most; the rest is counted. */
#define MAX_FINDINGS 1000

enum
{
	COL_SEVERITY,
	COL_FINDING,
	COL_BLOCK,
	COL_POSITION,
	COL_MESSAGE,
	NCOLS
};

/* The names are for programs to tell findings by: they stay. */
static const struct
{
	const char *name;
	bool		error;
}			findings[] = {
	[HNR_FOUND_METAPAGE] = {"metapage", true},
	[HNR_FOUND_VERSION] = {"format_version", true},
	[HNR_FOUND_PAGE] = {"page_header", true},
	[HNR_FOUND_VERTEX] = {"vertex_header", true},
	[HNR_FOUND_PART] = {"vertex_part", true},
	[HNR_FOUND_VECTOR] = {"vector", true},
	[HNR_FOUND_ROUNDING] = {"rounding_error", true},
	[HNR_FOUND_LINK] = {"link", true},
	[HNR_FOUND_CODE] = {"code", true},
	[HNR_FOUND_LEVELS] = {"levels", true},
	[HNR_FOUND_CHUNK] = {"chunk", true},
	[HNR_FOUND_TID_LIST] = {"tid_list", true},
	[HNR_FOUND_TID_TWICE] = {"tid_twice", true},
	[HNR_FOUND_TID_WITHOUT_ROW] = {"tid_without_row", true},
	[HNR_FOUND_TID_OF_OTHER_VECTOR] = {"tid_of_other_vector", true},
	[HNR_FOUND_ROW_MISSING] = {"row_missing", true},
	[HNR_FOUND_MARKED_DEAD] = {"marked_dead", true},
	[HNR_FOUND_ENTRY_POINT] = {"entry_point", true},
	[HNR_FOUND_PENDING] = {"pending_row", true},
	[HNR_FOUND_ENTRY_POINT_GONE] = {"entry_point_gone", false},
	[HNR_FOUND_LINK_TWICE] = {"link_twice", false},
	[HNR_FOUND_LINK_TO_DELETED] = {"link_to_deleted", false},
	[HNR_FOUND_LINK_TO_REMOVED] = {"link_to_removed", false},
	[HNR_FOUND_NO_LINKS] = {"no_links", false},
	[HNR_FOUND_UNREACHABLE] = {"unreachable", false},
	[HNR_FOUND_NO_ROW] = {"no_row", false},
	[HNR_FOUND_LOST_PART] = {"lost_part", false},
	[HNR_FOUND_LOST_PIECE] = {"lost_piece", false},
	[HNR_FOUND_FREE_SPACE] = {"free_space", false},
	[HNR_FOUND_MORE] = {"more_findings", false},
};

static void
put_finding(HnrVerify *v, HnrFinding finding, BlockNumber block, int position, const char *message)
{
	Datum		values[NCOLS] = {0};
	bool		nulls[NCOLS] = {0};

	if (v->leaf)
		message = psprintf("%s: %s", v->leaf, message);
	values[COL_SEVERITY] = CStringGetTextDatum(findings[finding].error ? "error" : "warning");
	values[COL_FINDING] = CStringGetTextDatum(findings[finding].name);
	values[COL_BLOCK] = Int64GetDatum((int64) block);
	nulls[COL_BLOCK] = block == InvalidBlockNumber;
	values[COL_POSITION] = Int32GetDatum(position);
	nulls[COL_POSITION] = position == 0;
	values[COL_MESSAGE] = CStringGetTextDatum(message);
	tuplestore_putvalues(v->result->setResult, v->result->setDesc, values, nulls);
}

void
hnr_verify_report(HnrVerify *v, HnrFinding finding, BlockNumber block, int position,
				  const char *fmt,...)
{
	StringInfoData message;
	int			needed = 1;

	if (v->nfindings++ >= MAX_FINDINGS)
		return;
	initStringInfo(&message);
	while (needed > 0)
	{
		va_list		args;

		va_start(args, fmt);
		needed = appendStringInfoVA(&message, fmt, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&message, needed);
	}
	put_finding(v, finding, block, position, message.data);
	pfree(message.data);
}

void
hnr_verify_suspect(HnrSuspects *suspects, HnrNodeId at, HnrNodeId other)
{
	if (suspects->n == HNR_MAX_SUSPECTS)
	{
		suspects->dropped++;
		return;
	}
	suspects->list[suspects->n].at = at;
	suspects->list[suspects->n++].other = other;
}

/* What this version leaves alone. */
static const char *
unused_meta_problem(const HnrMetaPage *meta)
{
	static const HnrMetaPage zero;

	if (BlockNumberIsValid(meta->pending_head) != BlockNumberIsValid(meta->pending_tail) ||
		(BlockNumberIsValid(meta->pending_head) && meta->pending_head_serial > meta->pending_serial))
		return "the metapage names a list of pending rows that has no beginning or no end";
	if (meta->unused != 0 || memcmp(meta->reserved, zero.reserved, sizeof(zero.reserved)) != 0)
		return "the metapage has a value where this version has none";
	return NULL;
}

/*
 * Block 0, into v->index; false if nothing else can be read without it.
 */
static bool
open_verified(HnrVerify *v, Relation rel)
{
	const char *problem = NULL;
	HnrFinding	finding = HNR_FOUND_METAPAGE;
	HnrLayout	layout;
	HnrMetaPage *meta;

	if (v->blocks == 0)
		problem = "the index has no page";
	else
	{
		hnr_buffer_copy(rel, HNR_METAPAGE, NULL, v->page);
		problem = hnr_verify_page_problem(v->page);
		if (problem == NULL && hnr_page_head(v->page)->kind != HNR_PAGE_META)
			problem = "the page is not a metapage";
		if (problem == NULL)
		{
			meta = hnr_page_meta(v->page);
			problem = hnr_index_meta_problem(rel, meta);
			if (problem == NULL && meta->version != HNR_FORMAT_VERSION)
			{
				problem = "the index is of another format version";
				finding = HNR_FOUND_VERSION;
			}
			else if (problem == NULL)
				problem = unused_meta_problem(meta);
			if (problem == NULL && !hnr_layout_compute(&layout, meta))
				problem = "a vertex of the metapage's measures would not fit on its pages";
		}
	}
	if (problem)
	{
		hnr_verify_report(v, finding, HNR_METAPAGE, 0, "%s", problem);
		return false;
	}
	v->index = hnr_index_open(rel);
	v->index->heap = v->heap;
	return true;
}

static void
init_suspects(HnrSuspects *suspects)
{
	memset(suspects, 0, sizeof(*suspects));
	suspects->list = palloc(sizeof(HnrSuspect) * HNR_MAX_SUSPECTS);
}

static void
run_passes(HnrVerify *v, Relation rel, Snapshot snapshot)
{
	v->blocks = RelationGetNumberOfBlocks(rel);
	v->strategy = GetAccessStrategy(BAS_BULKREAD);
	v->page = palloc(BLCKSZ);
	if (!open_verified(v, rel))
		return;
	v->scratch = AllocSetContextCreate(CurrentMemoryContext, "check_index scratch",
									   ALLOCSET_DEFAULT_SIZES);
	v->kind = palloc_extended(v->blocks, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	v->first = palloc_extended(sizeof(uint64) * v->blocks, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	v->maxplaces = (uint64) v->blocks * 8;
	v->place = palloc_extended(sizeof(uint16) * v->maxplaces, MCXT_ALLOC_HUGE);
	init_suspects(&v->links);
	hnr_verify_pages(v);
	HNR_DEBUG_POINT("check_pages");
	hnr_verify_vertices(v);
	HNR_DEBUG_POINT("check_vertices");
	hnr_verify_chunks(v);
	hnr_verify_pieces(v);
	hnr_verify_graph(v);
	hnr_verify_space(v);
	hnr_verify_pending(v);
	HNR_DEBUG_POINT("check_graph");
	hnr_verify_tids(v, snapshot);
	if (v->nfindings > MAX_FINDINGS)
		put_finding(v, HNR_FOUND_MORE, InvalidBlockNumber, 0,
					psprintf(INT64_FORMAT " more findings are not listed",
							 v->nfindings - MAX_FINDINGS));
}

/*
 * Every row visible to the snapshot must be in the index; that does not hold for a
 * snapshot older than the index where its build met broken HOT chains.
 */
static Snapshot
take_snapshot(Relation rel)
{
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());

	if (IsolationUsesXactSnapshot() && rel->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(rel->rd_indextuple->t_data), snapshot->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("index \"%s\" cannot be compared with its table in this transaction",
						RelationGetRelationName(rel)),
				 errdetail("The transaction's snapshot is older than the index.")));
	return snapshot;
}

static void
check_state(Relation rel)
{
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	if (!rel->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is invalid", RelationGetRelationName(rel)),
				 errhint("Use REINDEX INDEX, or drop the index.")));
}

/*
 * Opens table and index, the table first.  NULL if a leaf is gone, or is none any more: detached, or
 * REINDEX CONCURRENTLY has put another in its place and is going to drop it.
 */
static Relation
open_both(Oid index, bool is_leaf, Relation *heap)
{
	Oid			table = IndexGetRelation(index, true);
	Relation	rel = NULL;

	*heap = OidIsValid(table) ? try_table_open(table, AccessShareLock) : NULL;
	if (*heap)
		rel = try_relation_open(index, AccessShareLock);
	if (rel == NULL && !is_leaf)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index with OID %u does not exist", index)));
	if (rel && (!is_leaf || rel->rd_rel->relispartition))
	{
		check_state(rel);
		return rel;
	}
	if (rel)
		index_close(rel, AccessShareLock);
	if (*heap)
		table_close(*heap, AccessShareLock);
	return NULL;
}

/*
 * Checks an index, or a leaf of a partitioned one.  Expressions of an index are computed as the
 * table's owner.
 */
static void
check_one(ReturnSetInfo *result, Oid index, bool heapallindexed, bool is_leaf)
{
	HnrVerify	v = {.result = result};
	Snapshot	snapshot = NULL;
	Relation	rel = open_both(index, is_leaf, &v.heap);
	Oid			user;
	int			sec_context;
	int			nest;

	if (rel == NULL)
		return;
	if (is_leaf)
		v.leaf = DatumGetCString(DirectFunctionCall1(regclassout, ObjectIdGetDatum(index)));
	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(v.heap->rd_rel->relowner, sec_context | SECURITY_RESTRICTED_OPERATION);
	nest = NewGUCNestLevel();
	hnr_restrict_search_path();

	if (!hnr_has_contents(rel))
		ereport(NOTICE,
				(errmsg("unlogged index \"%s\" has no contents during recovery",
						RelationGetRelationName(rel))));
	else
	{
		if (heapallindexed)
			snapshot = take_snapshot(rel);
		run_passes(&v, rel, snapshot);
		if (snapshot)
			UnregisterSnapshot(snapshot);
	}

	AtEOXact_GUC(false, nest);
	SetUserIdAndSecContext(user, sec_context);
	index_close(rel, AccessShareLock);
	table_close(v.heap, AccessShareLock);
}

/* The leaves one after another, each with memory and locks of its own. */
static void
check_leaves(ReturnSetInfo *result, Oid index, bool heapallindexed)
{
	List	   *leaves = hnr_leaf_indexes(index);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "check_index leaf",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *cell;

	foreach(cell, leaves)
	{
		CHECK_FOR_INTERRUPTS();
		check_one(result, lfirst_oid(cell), heapallindexed, true);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * check_index(index regclass, heapallindexed bool): SETOF (severity, finding,
 * block, position, message).  For who may maintain the index.
 */
Datum
hnr_check_index(PG_FUNCTION_ARGS)
{
	Oid			index = PG_GETARG_OID(0);

	InitMaterializedSRF(fcinfo, 0);
	hnr_check_may_maintain(index, GetUserId());
	if (get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX)
		check_leaves((ReturnSetInfo *) fcinfo->resultinfo, index, PG_GETARG_BOOL(1));
	else
		check_one((ReturnSetInfo *) fcinfo->resultinfo, index, PG_GETARG_BOOL(1), false);
	return (Datum) 0;
}
