/*-------------------------------------------------------------------------
 *
 * debug_rows.c
 *		For tests (debug builds only): the rows that an index leads to.
 *
 * A search says little about whether a row is in an index; this asks the pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef HNR_DEBUG_POINTS

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "am/am.h"

PG_FUNCTION_INFO_V1(hnr_debug_indexed_rows);
PG_FUNCTION_INFO_V1(hnr_debug_buffered);

typedef struct Tids
{
	ItemPointerData *tid;
	int			n;
	int			room;
} Tids;

/* A bulk-delete callback that deletes nothing. */
static bool
collect(ItemPointer tid, void *state)
{
	Tids	   *tids = state;

	if (tids->n == tids->room)
	{
		tids->room *= 2;
		tids->tid = repalloc_huge(tids->tid, sizeof(ItemPointerData) * tids->room);
	}
	tids->tid[tids->n++] = *tid;
	return false;
}

static void
list_tids(Relation table, Relation index, Tids *tids)
{
	IndexVacuumInfo info = {
		.index = index,
		.message_level = DEBUG2,
		.estimated_count = true,
		.num_heap_tuples = table->rd_rel->reltuples
	};

	tids->n = 0;
	tids->room = 1024;
	tids->tid = palloc(sizeof(ItemPointerData) * tids->room);
	(void) index_bulk_delete(&info, NULL, collect, tids);
}

/*
 * SQL: hnr_debug_indexed_rows(index regclass) returns tid[]: where the rows are
 * that the present snapshot sees by the index's entries, one element per entry.
 */
Datum
hnr_debug_indexed_rows(PG_FUNCTION_ARGS)
{
	Oid			index_oid = PG_GETARG_OID(0);
	Relation	table = table_open(IndexGetRelation(index_oid, false), ShareUpdateExclusiveLock);
	Relation	index = index_open(index_oid, RowExclusiveLock);
	IndexFetchTableData *fetch = table_index_fetch_begin(table);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	Tids		tids;
	Datum	   *rows;
	int			n = 0;

	list_tids(table, index, &tids);
	rows = palloc(sizeof(Datum) * (tids.n + 1));
	for (int i = 0; i < tids.n; i++)
	{
		bool		call_again = false;
		bool		all_dead;

		if (table_index_fetch_tuple(fetch, &tids.tid[i], GetActiveSnapshot(), slot,
									&call_again, &all_dead))
			rows[n++] = PointerGetDatum(memcpy(palloc(sizeof(ItemPointerData)),
											   &slot->tts_tid, sizeof(ItemPointerData)));
	}
	table_index_fetch_end(fetch);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(table, NoLock);
	PG_RETURN_ARRAYTYPE_P(construct_array(rows, n, TIDOID, sizeof(ItemPointerData),
										  false, TYPALIGN_SHORT));
}

/* SQL: hnr_debug_buffered(index regclass) returns bigint: its pages in the pool. */
Datum
hnr_debug_buffered(PG_FUNCTION_ARGS)
{
	Relation	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	int64		n = hnr_index_buffered(index);

	index_close(index, AccessShareLock);
	PG_RETURN_INT64(n);
}

#endif							/* HNR_DEBUG_POINTS */
