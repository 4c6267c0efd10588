/*-------------------------------------------------------------------------
 *
 * verify_tids.c
 *		check_index(): lists of chunks, and heap TIDs.  See verify.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "am/buffer.h"
#include "am/stored.h"
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "monitor/verify.h"

/* ---- lists of chunks ---- */

typedef enum WalkResult
{
	WALK_END,
	WALK_NOT_A_CHUNK,			/* a link leads elsewhere */
	WALK_NOT_OURS,				/* a chunk of another vertex, or a free one */
	WALK_CIRCLE
} WalkResult;

static const char *const walk_problem[] = {
	[WALK_NOT_A_CHUNK] = "a list of heap TIDs leads to what is not a chunk of them",
	[WALK_NOT_OURS] = "a list of heap TIDs leads to a chunk that does not belong to the vertex",
	[WALK_CIRCLE] = "a list of heap TIDs runs in a circle",
};

/* Copies a chunk; false if there is no such place. */
static bool
load_chunk(HnrVerify *v, const ItemPointerData *tid, Page page, HnrTidChunk *chunk)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	int			pos = ItemPointerGetOffsetNumberNoCheck(tid);

	if (block >= v->blocks && block >= RelationGetNumberOfBlocks(v->index->rel))
		return false;
	if (pos < 1 || pos > HNR_CHUNKS_PER_PAGE)
		return false;
	hnr_buffer_copy(v->index->rel, block, v->strategy, page);
	if (hnr_verify_page_problem(page) || hnr_page_head(page)->kind != HNR_PAGE_TIDS)
		return false;
	*chunk = *hnr_page_chunk(page, pos);
	return true;
}

/*
 * Follows the list of a vertex, marking its chunks; stops early at `target` and
 * says so in *found.
 */
static WalkResult
walk_chain(HnrVerify *v, const HnrVertexCopy *vertex, HnrNodeId target, bool *found)
{
	Page		page = palloc(BLCKSZ);
	ItemPointerData at = vertex->head.link;
	ItemPointerData milestone = at;
	WalkResult	result = WALK_END;
	uint64		steps = 0;

	*found = false;
	while (ItemPointerIsValid(&at) && !*found)
	{
		HnrTidChunk chunk;
		uint16	   *place;

		CHECK_FOR_INTERRUPTS();
		if (!load_chunk(v, &at, page, &chunk))
			result = WALK_NOT_A_CHUNK;
		else if (!hnr_same_tid(&chunk.owner, &vertex->tid) ||
				 chunk.generation != vertex->head.generation)
			result = WALK_NOT_OURS;
		else if (steps > 0 && hnr_same_tid(&at, &milestone))
			result = WALK_CIRCLE;
		if (result != WALK_END)
			break;
		/* milestones at powers of two find any circle */
		if ((steps & (steps - 1)) == 0)
			milestone = at;
		steps++;
		place = hnr_verify_place(v, hnr_node_of_tid(&at));
		if (place)
			*place |= HNR_PLACE_LINKED;
		*found = hnr_node_of_tid(&at) == target;
		at = chunk.next;
	}
	pfree(page);
	return result;
}

void
hnr_verify_chain(HnrVerify *v, const HnrVertexCopy *vertex)
{
	HnrVertexCopy now = *vertex;
	WalkResult	result = WALK_END;
	bool		found;

	/* vacuum takes chunks away, and an insertion may use them for another vertex */
	for (int try = 0; try < 3; try++)
	{
		if (try > 0 && (!hnr_verify_load(v, hnr_node_of_tid(&vertex->tid), &now) ||
						now.head.state != HNR_VERTEX_LIVE || now.level != 0))
			return;
		result = walk_chain(v, &now, HNR_NO_NODE, &found);
		if (result == WALK_END)
			return;
	}
	hnr_verify_report(v, HNR_FINDING_ERROR, ItemPointerGetBlockNumber(&vertex->tid),
					  ItemPointerGetOffsetNumber(&vertex->tid), "%s", walk_problem[result]);
}

/* What is wrong about a chunk that no walk came by, or NULL. */
static const char *
lost_chunk_problem(HnrVerify *v, HnrNodeId id)
{
	Page		page = palloc(BLCKSZ);
	ItemPointerData tid;
	HnrTidChunk chunk;
	HnrVertexCopy owner;
	bool		found = true;

	hnr_tid_of_node(id, &tid);
	if (!load_chunk(v, &tid, page, &chunk) || !ItemPointerIsValid(&chunk.owner))
		return NULL;			/* free by now */
	if (!hnr_verify_load(v, hnr_node_of_tid(&chunk.owner), &owner) || owner.level != 0)
		return "a chunk of heap TIDs names an owner that is not a vertex of the ground level";
	if (owner.head.state != HNR_VERTEX_LIVE || owner.head.generation != chunk.generation)
		return "a chunk of heap TIDs belongs to a vertex that is no longer in use";
	if (walk_chain(v, &owner, id, &found) == WALK_END && !found)
		return "a chunk of heap TIDs is not in its owner's list";
	return NULL;
}

static void
check_lost_chunk(HnrVerify *v, HnrNodeId id)
{
	const char *problem = NULL;

	for (int try = 0; try < 3; try++)
	{
		problem = lost_chunk_problem(v, id);
		if (problem == NULL)
			return;
	}
	hnr_verify_report(v, HNR_FINDING_ERROR, (BlockNumber) (id >> 16), (int) (id & 0xFFFF),
					  "%s", problem);
}

void
hnr_verify_chunks(HnrVerify *v)
{
	MemoryContext old = MemoryContextSwitchTo(v->scratch);

	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
		for (int pos = 1; v->kind[block] == HNR_PAGE_TIDS && pos <= HNR_CHUNKS_PER_PAGE; pos++)
			if ((v->place[v->first[block] + pos - 1] & (HNR_PLACE_STATE | HNR_PLACE_LINKED)) == HNR_VERTEX_LIVE)
			{
				check_lost_chunk(v, ((HnrNodeId) block << 16) | pos);
				MemoryContextReset(v->scratch);
			}
	MemoryContextSwitchTo(old);
}

/* ---- heap TIDs ---- */

#define MAX_DOUBTS 1000

/* What may be wrong about a heap TID of the index. */
typedef enum DoubtKind
{
	DOUBT_TWICE,				/* it is there twice */
	DOUBT_DANGLING,				/* it leads to nothing in the table */
	DOUBT_VECTOR				/* its row has another vector than its vertex */
} DoubtKind;

typedef struct Doubt
{
	ItemPointerData tid;
	DoubtKind	kind;
	uint16		print;			/* of the row's vector */
	int			seen;			/* times, in the second look */
	HnrNodeId	vertex;			/* the last time */
	HnrNodeId	at;
} Doubt;

typedef struct TidCheck
{
	HnrVerify  *v;
	BlockNumber heap_blocks;
	Tuplesortstate *rows;		/* heap TIDs of rows that belong in the index */
	MemoryContext row_context;
	HnrRow		row;
	Page		heap_page;
	BlockNumber heap_block;		/* on heap_page */
	bool		is_heap;		/* the table's pages are known to us */
	Doubt	   *doubts;			/* ordered by TID */
	int			ndoubts;
} TidCheck;

/* A heap TID and the print of its vector as one number, in the order of TIDs. */
static Datum
entry_of(const ItemPointerData *tid, uint16 print)
{
	return Int64GetDatum((int64) (((uint64) ItemPointerGetBlockNumberNoCheck(tid) << 32 |
								   (uint64) ItemPointerGetOffsetNumberNoCheck(tid) << 16 | print) ^
								  UINT64CONST(1) << 63));
}

static Tuplesortstate *
begin_sort(void)
{
	return tuplesort_begin_datum(INT8OID, Int8LessOperator, InvalidOid, false,
								 maintenance_work_mem, NULL, TUPLESORT_NONE);
}

static bool
next_entry(Tuplesortstate *sort, ItemPointer tid, uint16 *print)
{
	Datum		value;
	bool		isnull;
	uint64		entry;

	if (!hnr_tuplesort_getdatum(sort, &value, &isnull))
		return false;
	entry = (uint64) DatumGetInt64(value) ^ UINT64CONST(1) << 63;
	ItemPointerSet(tid, (BlockNumber) (entry >> 32), (OffsetNumber) (entry >> 16));
	*print = (uint16) entry;
	return true;
}

static void
collect_tid(HnrVerify *v, ItemPointer heap_tid, HnrNodeId vertex, HnrNodeId at, void *state)
{
	TidCheck   *c = state;
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(heap_tid);
	uint16	   *place = hnr_verify_place(v, vertex);

	if (!ItemPointerIsValid(heap_tid))
		return;					/* reported already */
	if (block >= c->heap_blocks)
		c->heap_blocks = RelationGetNumberOfBlocks(v->heap);
	if (block >= c->heap_blocks)
		hnr_verify_report(v, HNR_FINDING_ERROR, (BlockNumber) (at >> 16), (int) (at & 0xFFFF),
						  "a heap TID names block %u, the table has %u", block, c->heap_blocks);
	tuplesort_putdatum(v->tids, entry_of(heap_tid, place ? v->print[place - v->place] : 0), false);
}

/* A TID has one doubt at most: the first is enough. */
static void
add_doubt(TidCheck *c, const ItemPointerData *tid, DoubtKind kind, uint16 print)
{
	Doubt	   *doubt = &c->doubts[c->ndoubts];

	if (c->ndoubts == MAX_DOUBTS || (c->ndoubts > 0 && hnr_same_tid(&doubt[-1].tid, tid)))
		return;
	memset(doubt, 0, sizeof(Doubt));
	doubt->tid = *tid;
	doubt->kind = kind;
	doubt->print = print;
	c->ndoubts++;
}

/* Whether a heap TID of the index leads to the root of a row, dead or alive. */
static bool
leads_to_row(TidCheck *c, const ItemPointerData *tid, bool fresh)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	ItemId		item;

	if (block != c->heap_block || fresh)
	{
		if (block >= RelationGetNumberOfBlocks(c->v->heap))
			return true;		/* reported when it was read */
		hnr_buffer_copy(c->v->heap, block, c->v->strategy, c->heap_page);
		c->heap_block = block;
	}
	if (PageIsNew(c->heap_page) || offset > PageGetMaxOffsetNumber(c->heap_page))
		return false;
	item = PageGetItemId(c->heap_page, offset);
	if (!ItemIdIsUsed(item))
		return false;
	return !ItemIdIsNormal(item) ||
		!HeapTupleHeaderIsHeapOnly((HeapTupleHeader) PageGetItem(c->heap_page, item));
}

static void
add_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
		bool tuple_is_alive, void *state)
{
	TidCheck   *c = state;
	HnrIndex   *index = c->v->index;
	MemoryContext old;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(c->row_context);
	if (hnr_stored_form_row(index->metric, &index->layout, values[0], &c->row))
		tuplesort_putdatum(c->rows, entry_of(tid, hnr_verify_print(c->v, c->row.vec)), false);
	MemoryContextSwitchTo(old);
	MemoryContextReset(c->row_context);
}

/* Collects the rows that the snapshot sees and the index should have. */
static void
collect_rows(TidCheck *c, Snapshot snapshot)
{
	HnrVerify  *v = c->v;
	IndexInfo  *info = BuildIndexInfo(v->index->rel);
	TableScanDesc scan = table_beginscan_strat(v->heap, snapshot, 0, NULL, true, true);

	/* rows that an MVCC snapshot sees, as in the second scan of a concurrent build */
	info->ii_Concurrent = true;
	c->rows = begin_sort();
	c->row_context = AllocSetContextCreate(CurrentMemoryContext, "check_index row",
										   ALLOCSET_DEFAULT_SIZES);
	c->row.vec = palloc(sizeof(float) * v->index->layout.dims);
	table_index_build_scan(v->heap, v->index->rel, info, true, false, add_row, c, scan);
	tuplesort_performsort(c->rows);
}

static void
report_missing(HnrVerify *v, const ItemPointerData *row)
{
	hnr_verify_report(v, HNR_FINDING_ERROR, InvalidBlockNumber, 0,
					  "row (%u,%u) of the table is not in the index",
					  ItemPointerGetBlockNumber(row), ItemPointerGetOffsetNumber(row));
}

/*
 * Goes through the index's TIDs and the table's, both in order.  A row that the
 * snapshot sees was in the index before the check began and cannot leave it while
 * the snapshot is held, so a missing one is missing.
 */
static void
compare_tids(TidCheck *c)
{
	ItemPointerData tid;
	ItemPointerData last;
	ItemPointerData row;
	uint16		print;
	uint16		row_print;
	bool		more_rows = c->rows && next_entry(c->rows, &row, &row_print);

	ItemPointerSetInvalid(&last);
	while (next_entry(c->v->tids, &tid, &print))
	{
		CHECK_FOR_INTERRUPTS();
		if (hnr_same_tid(&tid, &last))
		{
			add_doubt(c, &tid, DOUBT_TWICE, 0);
			continue;
		}
		last = tid;
		if (c->is_heap && !leads_to_row(c, &tid, false))
			add_doubt(c, &tid, DOUBT_DANGLING, 0);
		for (; more_rows && ItemPointerCompare(&row, &tid) <= 0;
			 more_rows = next_entry(c->rows, &row, &row_print))
		{
			if (!hnr_same_tid(&row, &tid))
				report_missing(c->v, &row);
			else if (row_print != print)
				add_doubt(c, &tid, DOUBT_VECTOR, row_print);
		}
	}
	for (; more_rows; more_rows = next_entry(c->rows, &row, &row_print))
		report_missing(c->v, &row);
}

static int
compare_doubts(const void *a, const void *b)
{
	return ItemPointerCompare(unconstify(ItemPointerData *, &((const Doubt *) a)->tid),
							  unconstify(ItemPointerData *, &((const Doubt *) b)->tid));
}

static void
see_doubt(HnrVerify *v, ItemPointer heap_tid, HnrNodeId vertex, HnrNodeId at, void *state)
{
	TidCheck   *c = state;
	Doubt		key = {.tid = *heap_tid};
	Doubt	   *doubt = bsearch(&key, c->doubts, c->ndoubts, sizeof(Doubt), compare_doubts);

	if (doubt == NULL)
		return;
	doubt->seen++;
	doubt->vertex = vertex;
	doubt->at = at;
}

/* Whether the vertex of a doubt still has another vector than the row. */
static bool
vector_differs(HnrVerify *v, const Doubt *doubt)
{
	HnrVertexCopy vertex;
	bool		differs;
	MemoryContext old = MemoryContextSwitchTo(v->scratch);

	differs = hnr_verify_load(v, doubt->vertex, &vertex) && vertex.problem == NULL &&
		vertex.head.state == HNR_VERTEX_LIVE && hnr_verify_print(v, vertex.vec) != doubt->print;
	MemoryContextSwitchTo(old);
	MemoryContextReset(v->scratch);
	return differs;
}

static void
settle_doubt(TidCheck *c, Doubt *d)
{
	const char *what = NULL;

	if (d->seen > 1)
		what = psprintf("is in the index %d times", d->seen);
	else if (d->kind == DOUBT_DANGLING && d->seen > 0 && !leads_to_row(c, &d->tid, true))
		what = "leads to no row of the table";
	else if (d->kind == DOUBT_VECTOR && d->seen > 0 && vector_differs(c->v, d))
		what = "is that of a row with another vector";
	if (what)
		hnr_verify_report(c->v, HNR_FINDING_ERROR, (BlockNumber) (d->at >> 16), (int) (d->at & 0xFFFF),
						  "heap TID (%u,%u) %s", ItemPointerGetBlockNumber(&d->tid),
						  ItemPointerGetOffsetNumber(&d->tid), what);
}

void
hnr_verify_tids(HnrVerify *v, Snapshot snapshot)
{
	TidCheck	c = {.v = v,.heap_block = InvalidBlockNumber};

	c.heap_page = palloc(BLCKSZ);
	c.doubts = palloc(sizeof(Doubt) * MAX_DOUBTS);
	c.is_heap = snapshot != NULL && v->heap->rd_tableam == GetHeapamTableAmRoutine();
	v->tids = begin_sort();
	hnr_verify_each_tid(v, collect_tid, &c);
	tuplesort_performsort(v->tids);
	if (snapshot)
		collect_rows(&c, snapshot);
	compare_tids(&c);
	/* look once more at what vacuum and the use of a TID for another row may feign */
	if (c.ndoubts > 0)
		hnr_verify_each_tid(v, see_doubt, &c);
	for (int i = 0; i < c.ndoubts; i++)
		settle_doubt(&c, &c.doubts[i]);
	tuplesort_end(v->tids);
	if (c.rows)
		tuplesort_end(c.rows);
}
