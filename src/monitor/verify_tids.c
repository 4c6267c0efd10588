/*-------------------------------------------------------------------------
 *
 * verify_tids.c
 *		check_index(): the heap TIDs of an index and the rows of its table.  See verify.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "am/buffer.h"
#include "am/stored.h"
#include "catalog/index.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "compat.h"
#include "debug_point.h"
#include "monitor/verify.h"

/* What is looked at a second time; beside heavy writing that may be quite a few. */
#define MAX_DOUBTS 100000

/* What may be wrong about a heap TID of the index. */
typedef enum DoubtKind
{
	DOUBT_TWICE,				/* it is there twice */
	DOUBT_DANGLING,				/* it leads to nothing in the table */
	DOUBT_VECTOR,				/* its row has another vector than its vertex */
	DOUBT_ROUNDING,				/* its row has lost more than its vertex says */
	DOUBT_MARK					/* its row is seen, its vertex marked as all dead */
} DoubtKind;

typedef struct Doubt
{
	ItemPointerData tid;
	DoubtKind	kind;
	HnrPrint	print;			/* of the row's vector */
	int			seen;			/* times, in the second look */
	HnrNodeId	vertex;			/* the last time */
	HnrNodeId	at;
	bool		pending;		/* seen in the pending list, where: */
	BlockNumber pending_block;
	uint64		pending_serial;
	int			pending_entry;
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
	bool		marks_count;	/* no older snapshot than the primary's is in use */
	Doubt	   *doubts;			/* ordered by TID */
	int			ndoubts;
	int64		dropped;		/* beyond MAX_DOUBTS */
} TidCheck;

/*
 * A heap TID with the print of its vector, to be sorted by TID: as a value of the
 * type uuid, which is of just the size and ordered as bytes are.
 */
typedef union TidEntry
{
	struct
	{
		uint8		tid[6];		/* the most significant byte first */
		uint8		all_dead;	/* whether the vertex is marked so */
		uint8		unused;
		HnrPrint	print;
	}			f;
	pg_uuid_t	uuid;
} TidEntry;

StaticAssertDecl(sizeof(TidEntry) == UUID_LEN, "TidEntry is sorted as a uuid");

static void
put_entry(Tuplesortstate *sort, const ItemPointerData *tid, HnrPrint print, bool all_dead)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	TidEntry	entry = {.f.print = print,.f.all_dead = all_dead};

	for (int i = 0; i < 4; i++)
		entry.f.tid[i] = (uint8) (block >> (24 - 8 * i));
	entry.f.tid[4] = (uint8) (offset >> 8);
	entry.f.tid[5] = (uint8) offset;
	tuplesort_putdatum(sort, UUIDPGetDatum(&entry.uuid), false);
}

static Tuplesortstate *
begin_sort(void)
{
	return tuplesort_begin_datum(UUIDOID, lookup_type_cache(UUIDOID, TYPECACHE_LT_OPR)->lt_opr,
								 InvalidOid, false, maintenance_work_mem, NULL, TUPLESORT_NONE);
}

static bool
next_entry(Tuplesortstate *sort, ItemPointer tid, HnrPrint *print, bool *all_dead)
{
	Datum		value;
	bool		isnull;
	TidEntry	entry;
	BlockNumber block = 0;

	if (!hnr_tuplesort_getdatum(sort, &value, &isnull))
		return false;
	memcpy(&entry, DatumGetPointer(value), sizeof(entry));
	pfree(DatumGetPointer(value));
	for (int i = 0; i < 4; i++)
		block = block << 8 | entry.f.tid[i];
	ItemPointerSet(tid, block, (OffsetNumber) (entry.f.tid[4] << 8 | entry.f.tid[5]));
	*print = entry.f.print;
	*all_dead = entry.f.all_dead != 0;
	return true;
}

static void
check_heap_block(TidCheck *c, const ItemPointerData *heap_tid, HnrNodeId at)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(heap_tid);

	if (block >= c->heap_blocks)
		c->heap_blocks = RelationGetNumberOfBlocks(c->v->heap);
	if (block >= c->heap_blocks)
		hnr_verify_report(c->v, HNR_FOUND_TID_WITHOUT_ROW, (BlockNumber) (at >> 16), (int) (at & 0xFFFF),
						  "a heap TID names block %u, the table has %u", block, c->heap_blocks);
}

static void
collect_tid(HnrVerify *v, ItemPointer heap_tid, HnrNodeId vertex, HnrNodeId at, void *state)
{
	TidCheck   *c = state;
	uint16	   *place = hnr_verify_place(v, vertex);
	HnrPrint	none = {0};

	if (!ItemPointerIsValid(heap_tid))
		return;					/* reported already */
	check_heap_block(c, heap_tid, at);
	put_entry(v->tids, heap_tid, place ? v->print[place - v->place] : none,
			  place && (*place & HNR_PLACE_ALL_DEAD) != 0);
}

/* A row of the pending list that is not in the graph yet, as an entry with its vector. */
static bool
collect_pending(HnrVerify *v, BlockNumber block, uint64 serial, int i,
				const HnrPendingEntry *entry, void *state)
{
	TidCheck   *c = state;
	HnrPrint	print = {0, entry->error};
	const char *damaged;

	if (!hnr_pending_is_listed(entry) || (entry->flags & HNR_PENDING_IN_GRAPH) != 0 ||
		!ItemPointerIsValid(&entry->tid))
		return true;
	/* if it has left the list, it is found in the graph */
	if (hnr_verify_pending_vector(v, entry, serial, c->row.vec, &damaged))
	{
		print.vector = hnr_verify_print(v, c->row.vec);
		check_heap_block(c, &entry->tid, (HnrNodeId) block << 16 | (i + 1));
		put_entry(v->tids, &entry->tid, print, false);
	}
	return true;
}

/* A TID has one doubt at most: the first is enough. */
static void
add_doubt(TidCheck *c, const ItemPointerData *tid, DoubtKind kind, HnrPrint print)
{
	Doubt	   *doubt;

	if (c->ndoubts > 0 && hnr_same_tid(&c->doubts[c->ndoubts - 1].tid, tid))
		return;
	if (c->ndoubts == MAX_DOUBTS)
	{
		c->dropped++;
		return;
	}
	/* room doubles at powers of two */
	if (c->ndoubts >= 1024 && (c->ndoubts & (c->ndoubts - 1)) == 0)
		c->doubts = repalloc(c->doubts, sizeof(Doubt) * c->ndoubts * 2);
	doubt = &c->doubts[c->ndoubts++];
	memset(doubt, 0, sizeof(Doubt));
	doubt->tid = *tid;
	doubt->kind = kind;
	doubt->print = print;
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
	{
		HnrPrint	print = {hnr_verify_print(c->v, c->row.vec), c->row.error};

		put_entry(c->rows, tid, print, false);
	}
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
	table_index_build_scan(v->heap, v->index->rel, info, true, false, add_row, c, scan);
	tuplesort_performsort(c->rows);
}

static void
report_missing(HnrVerify *v, const ItemPointerData *row)
{
	hnr_verify_report(v, HNR_FOUND_ROW_MISSING, InvalidBlockNumber, 0,
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
	HnrPrint	print;
	HnrPrint	row_print;
	bool		all_dead;
	bool		row_dead;
	bool		more_rows = c->rows && next_entry(c->rows, &row, &row_print, &row_dead);

	ItemPointerSetInvalid(&last);
	while (next_entry(c->v->tids, &tid, &print, &all_dead))
	{
		CHECK_FOR_INTERRUPTS();
		if (hnr_same_tid(&tid, &last))
		{
			add_doubt(c, &tid, DOUBT_TWICE, print);
			continue;
		}
		last = tid;
		if (c->is_heap && !leads_to_row(c, &tid, false))
			add_doubt(c, &tid, DOUBT_DANGLING, print);
		for (; more_rows && ItemPointerCompare(&row, &tid) <= 0;
			 more_rows = next_entry(c->rows, &row, &row_print, &row_dead))
		{
			if (!hnr_same_tid(&row, &tid))
				report_missing(c->v, &row);
			else if (row_print.vector != print.vector)
				add_doubt(c, &tid, DOUBT_VECTOR, row_print);
			else if (!(row_print.error <= print.error))
				add_doubt(c, &tid, DOUBT_ROUNDING, row_print);
			else if (all_dead && c->marks_count)
				add_doubt(c, &tid, DOUBT_MARK, row_print);
		}
	}
	for (; more_rows; more_rows = next_entry(c->rows, &row, &row_print, &row_dead))
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

/* The same of the pending list; what is merged after that is seen again in the graph. */
static bool
see_pending_doubt(HnrVerify *v, BlockNumber block, uint64 serial, int i,
				  const HnrPendingEntry *entry, void *state)
{
	TidCheck   *c = state;
	Doubt		key = {.tid = entry->tid};
	Doubt	   *doubt;

	if (!hnr_pending_is_listed(entry) || (entry->flags & HNR_PENDING_IN_GRAPH) != 0)
		return true;
	doubt = bsearch(&key, c->doubts, c->ndoubts, sizeof(Doubt), compare_doubts);
	if (doubt == NULL)
		return true;
	doubt->seen++;
	doubt->vertex = doubt->at = (HnrNodeId) block << 16;
	doubt->pending = true;
	doubt->pending_block = block;
	doubt->pending_serial = serial;
	doubt->pending_entry = i;
	return true;
}

/* Whether a row that was seen in the pending list is still not in the graph. */
static bool
is_still_pending(HnrVerify *v, const Doubt *doubt)
{
	Page		page = palloc(BLCKSZ);
	bool		still = false;

	if (hnr_pending_copy_page(v->index, doubt->pending_block, doubt->pending_serial, page))
	{
		const HnrPendingEntry *entry = hnr_pending_entry(&v->index->layout, page, doubt->pending_entry);

		still = hnr_pending_is_listed(entry) && (entry->flags & HNR_PENDING_IN_GRAPH) == 0;
	}
	pfree(page);
	return still;
}

/* Whether what a doubt says of its vertex, beside the row, is still so. */
static bool
vertex_differs(HnrVerify *v, const Doubt *doubt)
{
	HnrVertexCopy vertex;
	bool		differs;
	MemoryContext old;

	/* the vector of a pending row was read with its TID, and is that of no other */
	if (doubt->pending)
		return true;
	old = MemoryContextSwitchTo(v->scratch);

	differs = hnr_verify_load(v, doubt->vertex, &vertex) && vertex.problem == NULL &&
		vertex.head.state == HNR_VERTEX_LIVE;
	if (doubt->kind == DOUBT_VECTOR)
		differs = differs && hnr_verify_print(v, vertex.vec) != doubt->print.vector;
	else if (doubt->kind == DOUBT_MARK)
		differs = differs && (vertex.head.flags & HNR_VERTEX_ALL_DEAD) != 0;
	else
		differs = differs && !(doubt->print.error <= vertex.head.error);
	MemoryContextSwitchTo(old);
	MemoryContextReset(v->scratch);
	return differs;
}

static void
settle_doubt(TidCheck *c, Doubt *d)
{
	HnrFinding	finding;
	const char *what = NULL;

	/* it has been merged meanwhile, or vacuumed */
	if (d->pending && !is_still_pending(c->v, d))
		return;
	if (d->seen > 1)
	{
		what = psprintf("is in the index %d times", d->seen);
		finding = HNR_FOUND_TID_TWICE;
	}
	else if (d->kind == DOUBT_DANGLING && d->seen > 0 && !leads_to_row(c, &d->tid, true))
	{
		what = "leads to no row of the table";
		finding = HNR_FOUND_TID_WITHOUT_ROW;
	}
	else if (d->kind == DOUBT_VECTOR && d->seen > 0 && vertex_differs(c->v, d))
	{
		what = "is that of a row with another vector";
		finding = HNR_FOUND_TID_OF_OTHER_VECTOR;
	}
	else if (d->kind == DOUBT_ROUNDING && d->seen > 0 && vertex_differs(c->v, d))
	{
		what = "is that of a row that lost more to rounding than its vertex says";
		finding = HNR_FOUND_ROUNDING;
	}
	else if (d->kind == DOUBT_MARK && d->seen > 0 && vertex_differs(c->v, d))
	{
		what = "is that of a row that is seen, but its vertex is marked as one of dead rows only";
		finding = HNR_FOUND_MARKED_DEAD;
	}
	if (what)
		hnr_verify_report(c->v, finding, (BlockNumber) (d->at >> 16), (int) (d->at & 0xFFFF),
						  "heap TID (%u,%u) %s", ItemPointerGetBlockNumber(&d->tid),
						  ItemPointerGetOffsetNumber(&d->tid), what);
}

void
hnr_verify_tids(HnrVerify *v, Snapshot snapshot)
{
	TidCheck	c = {.v = v,.heap_block = InvalidBlockNumber};

	c.heap_page = palloc(BLCKSZ);
	c.doubts = palloc(sizeof(Doubt) * 1024);
	c.is_heap = snapshot != NULL && v->heap->rd_tableam == GetHeapamTableAmRoutine();
	c.marks_count = !RecoveryInProgress();
	c.row.vec = palloc(sizeof(float) * v->index->layout.dims);
	v->tids = begin_sort();
	/* the list first: what leaves it then goes to where is looked later */
	hnr_verify_each_pending(v, collect_pending, &c);
	hnr_verify_each_tid(v, collect_tid, &c);
	tuplesort_performsort(v->tids);
	HNR_DEBUG_POINT("check_tids");
	if (snapshot)
		collect_rows(&c, snapshot);
	compare_tids(&c);
	/* look once more at what vacuum and the use of a TID for another row may feign */
	if (c.ndoubts > 0)
	{
		hnr_verify_each_pending(v, see_pending_doubt, &c);
		hnr_verify_each_tid(v, see_doubt, &c);
	}
	for (int i = 0; i < c.ndoubts; i++)
		settle_doubt(&c, &c.doubts[i]);
	if (c.dropped > 0)
		hnr_verify_report(v, HNR_FOUND_MORE, InvalidBlockNumber, 0,
						  INT64_FORMAT " more heap TIDs seemed wrong and were not looked at again", c.dropped);
	tuplesort_end(v->tids);
	if (c.rows)
		tuplesort_end(c.rows);
}
