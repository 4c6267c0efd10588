/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Index scans: rows in the order of their distance from a query vector.
 *
 * The first fetch searches the graph; the nearest of what was visited are then returned
 * in order.  Where what rounding the vectors has cost leaves their order open, the
 * executor is told to compare the rows (order.h).  When more rows are asked for, the
 * search goes on from where it ended, and of all visited the next nearest are returned;
 * what is nearer than a row that the executor has returned is left out, for rows come in
 * order.  Rows of the pending list are looked for before that, and returned among the others;
 * one that gets into the graph meanwhile may be found twice, so each heap TID is returned once.
 * No lock or pin is held between fetches: an MVCC snapshot does not see a row
 * that later takes the place of one that vacuum removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relscan.h"
#include "am/am.h"
#include "am/buffer.h"
#include "am/callbacks.h"
#include "am/insert.h"
#include "am/idset.h"
#include "am/kill.h"
#include "am/node.h"
#include "am/pending_search.h"
#include "am/results.h"
#include "am/tids.h"
#include "catalog/pg_am.h"
#include "debug_point.h"
#include "guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

void		(*hnr_query_observer) (Relation index, int dims, Datum query) = NULL;

/* How often to search where a graph that is not empty yields nothing. */
#define MAX_TRIES 3

typedef struct HnswScan
{
	MemoryContext context;		/* of one rescan's search */
	bool		ended;			/* there are no more */
	ItemPointerData left_out;	/* see hnr_scan_leave_out */
	bool		measuring;		/* nobody's query */
	HnrIndex   *index;
	HnrStore   *store;
	HnrSearch  *search;
	int			ef;				/* ef_search */
	HnrPendingSearch *pending;	/* NULL: there were no pending rows */
	bool		pending_held;	/* all of them are in the results */
	int			nfound;			/* by the first search */
	int			ntaken;			/* of that, so far */
	HnrIdSet	told;			/* then: heap TIDs returned */
	HnrResults *results;		/* NULL: not searched yet */
	int			current;		/* of those taken, being returned; its TIDs are in the reader */
	BlockNumber heap_blocks;	/* the table's size, as last asked for */
	bool		any_order;		/* the query has no distances */
	double		query_length;
	HnrTidReader reader;
	int			nreturned;		/* TIDs of the current vertex, so far */
	int			ndead;			/* of these, what the executor found dead */
	bool		tells_dead;		/* what is dead is to be marked */
	HnrKills   *kills;			/* NULL: none so far */
} HnswScan;

/*
 * Memory of the last scan that ended, for the next one: getting some hundred kilobytes
 * from the system and giving them back costs a twentieth of a short query.
 */
static MemoryContext spare_context;

#define CONTEXT_KEPT_SIZE	((Size) 128 * 1024)

/* Until it is given back it goes with the query's memory. */
static MemoryContext
take_context(void)
{
	MemoryContext context = spare_context;

	if (context == NULL)
		return GenerationContextCreate(CurrentMemoryContext, "hnsw scan", 0, CONTEXT_KEPT_SIZE,
									   ALLOCSET_DEFAULT_MAXSIZE);
	spare_context = NULL;
	MemoryContextSetParent(context, CurrentMemoryContext);
	return context;
}

static void
give_back_context(MemoryContext context)
{
	if (spare_context)
	{
		MemoryContextDelete(context);
		return;
	}
	MemoryContextReset(context);
	MemoryContextSetParent(context, TopMemoryContext);
	spare_context = context;
}

IndexScanDesc
hnr_beginscan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	HnswScan   *state = palloc0(sizeof(HnswScan));

	hnr_guc_define_search_settings();
	state->context = take_context();
	scan->opaque = state;
	if (norderbys > 0)
	{
		scan->xs_orderbyvals = palloc0(sizeof(Datum) * norderbys);
		scan->xs_orderbynulls = palloc(sizeof(bool) * norderbys);
		memset(scan->xs_orderbynulls, true, sizeof(bool) * norderbys);
	}
	return scan;
}

/* Before what was found is forgotten. */
static void
mark_dead(HnswScan *state)
{
	if (state->kills)
		hnr_kills_flush(state->kills);
	state->kills = NULL;
}

void
hnr_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	HnswScan   *state = scan->opaque;

	mark_dead(state);
	MemoryContextReset(state->context);
	state->ended = false;
	state->nreturned = state->ndead = 0;
	ItemPointerSetInvalid(&state->left_out);
	state->measuring = false;
	state->search = NULL;
	state->pending = NULL;
	state->pending_held = false;
	state->results = NULL;
	state->current = -1;
	if (keys && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, scan->numberOfOrderBys * sizeof(ScanKeyData));
}

void
hnr_scan_leave_out(IndexScanDesc scan, ItemPointer heap_tid)
{
	HnswScan   *state = scan->opaque;

	state->measuring = true;
	if (heap_tid)
		state->left_out = *heap_tid;
}

void
hnr_endscan(IndexScanDesc scan)
{
	HnswScan   *state = scan->opaque;

	mark_dead(state);
	give_back_context(state->context);
	pfree(state);
	scan->opaque = NULL;
}

/*
 * The query as the index compares it.  From NULL every distance is NULL and from a
 * zero vector every cosine distance is NaN: any order will do, so the origin serves.
 */
static float *
form_query(HnswScan *state, ScanKey key)
{
	const HnrMetric *metric = state->index->metric;
	int			dims = state->index->layout.dims;
	float	   *query = palloc(sizeof(float) * dims);

	state->any_order = (key->sk_flags & SK_ISNULL) ||
		!hnr_metric_form_vector(metric, key->sk_argument, state->index->layout.column_dims, query);
	if (state->any_order)
		memset(query, 0, sizeof(float) * dims);
	state->query_length = metric->type->length ? metric->type->length(dims, query) : 0;
	return query;
}

/*
 * How many vertices are visited when the search goes on, and looked at when what it has found
 * is told.  While one is known by an estimate only, it can be taken for a farther one than it
 * is, and lists of coded slots are shorter than the 2 m neighbours that an ef_search is
 * usually thought to go with: so more than ef_search.
 */
#define LEAST_MARGIN 14

/* What a smaller ef_search allows is taken at once. */
#define LEAST_PARTED 16

static int
round_size(int ef_search)
{
	return Max(2 * ef_search, ef_search + LEAST_MARGIN);
}

/* Of the first search: so many beyond ef_search are enough at least; the pool, by these. */
#define LEAST_BEYOND 3
#define MOST_BY_ENOUGH 3

/* See breadth_of. */
#define KEPT_PRODUCTS 0.3f

/*
 * What the first search visits (README, "Search").  An inner product has no zero from which a
 * margin could be measured, so there it is a number; and estimates of it are off by so much
 * that which are worth a visit shows only when others have turned out to be worse.
 */
static HnrBreadth
breadth_of(const HnswScan *state)
{
	int			ef = state->ef;
	HnrBreadth	breadth = {0, ef + Max(ef / 4, LEAST_BEYOND), HNR_SEARCH_MARGIN, HNR_SEARCH_MARGIN};

	if (state->store->products)
	{
		breadth.enough = ef + Max(ef, LEAST_BEYOND);
		breadth.margin = 0;
		breadth.kept = KEPT_PRODUCTS;
	}
	breadth.most = MOST_BY_ENOUGH * breadth.enough;
	return breadth;
}

/* Opens the index, and looks at what is to be known before the graph is searched. */
static void
begin_search(IndexScanDesc scan)
{
	HnswScan   *state = scan->opaque;

	state->index = hnr_index_open(scan->indexRelation);
	state->store = hnr_disk_store_create(state->index, false);
	hnr_disk_store_set_query(state->store, form_query(state, scan->orderByData));
	hnr_disk_store_leave_out(state->store, &state->left_out);
	hnr_disk_store_skip_dead(state->store, scan->ignore_killed_tuples);
	state->tells_dead = scan->ignore_killed_tuples && hnr_kills_possible(state->index);
	if (hnr_query_observer && !state->measuring && !state->any_order)
		hnr_query_observer(scan->indexRelation, state->index->layout.column_dims,
						   scan->orderByData->sk_argument);
	state->pending = hnr_pending_search(state->index, state->store, &state->left_out);
	if (state->pending)
		hnr_idset_init(&state->told, 128);
	HNR_DEBUG_POINT("scan_pending_listed");
	state->search = hnr_search_create(state->store, Max(breadth_of(state).most, round_size(state->ef)));
	hnr_search_keep_rest(state->search);
}

/*
 * Takes what ef_search allows of what the first search has found, with the pending rows that may
 * be among that, or among what it is compared with.  Where there are such, a part of it first: few
 * rows are asked for as a rule, and the farther ones need not be measured.  False: nothing is left.
 */
static bool
take_from_pool(HnswScan *state)
{
	HnrResults *results = state->results;
	int			n = state->ef - state->ntaken;
	int			limit = round_size(state->ef);
	int			held;
	bool		any;

	if (n <= 0)
		return false;
	if (state->pending && state->ntaken == 0 && n >= LEAST_PARTED)
	{
		n /= 4;
		limit = 2 * n;
	}
	if (state->pending)
	{
		/* beyond what the graph has given, how near they have to be is not known: all would be measured */
		limit = Min(limit, Max(state->nfound, state->ef));
		hnr_pending_search_hold(state->pending, limit, results);
	}
	held = results->nheld;
	any = hnr_results_take(results, n, limit - state->ntaken);
	state->ntaken += held - results->nheld;
	state->current = 0;
	return any;
}

static void
search(IndexScanDesc scan)
{
	HnswScan   *state = scan->opaque;
	HnrCandidate entries[HNR_DESCENT_WIDE];
	HnrEntry	entry;
	HnrCandidate *found = NULL;
	HnrBreadth	breadth;
	int			nfound = 0;
	int			n;

	if (scan->numberOfOrderBys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot scan hnsw index without order")));
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("non-MVCC snapshots are not supported with hnsw")));
	pgstat_count_index_scan(scan->indexRelation);

	state->ef = hnr_guc_ef_search();
	begin_search(scan);
	breadth = breadth_of(state);
	/* found nothing: has vacuum removed what we came to after we saw the way? */
	for (int tries = 0; tries < MAX_TRIES && nfound == 0; tries++)
	{
		n = hnr_enter_graph(state->index, state->search, 0, &entry, entries);
		if (n == 0)
			break;
		HNR_DEBUG_POINT("scan_entered");
		nfound = hnr_search_run(state->search, entries, n, 0, breadth, &found);
		/* nothing but dead rows, in a pool that does not lead beyond them */
		if (nfound == 0)
			nfound = hnr_search_continue(state->search, round_size(state->ef), &found);
	}
	state->results = hnr_results_create(state->index, state->store, state->query_length,
										hnr_guc_iterative_scan() == HNR_SCAN_RELAXED);
	hnr_results_hold(state->results, found, nfound);
	HNR_DEBUG_POINT("scan_graph_searched");
	if (state->pending)
		hnr_pending_search_graph(state->pending, found, nfound);
	state->nfound = nfound;
	state->ntaken = 0;
	take_from_pool(state);
	state->current = -1;
}

/* Whether the scan has not visited all that it may. */
static bool
may_go_on(HnswScan *state)
{
	return state->results->visited < hnr_guc_max_scan_tuples() &&
		MemoryContextMemAllocated(state->context, true) <
		hnr_guc_scan_mem_multiplier() * work_mem * 1024.0;
}

/* More vertices to return; false at the end. */
static bool
search_more(HnswScan *state)
{
	HnrResults *results = state->results;

	state->current = 0;
	if (state->pending && !state->pending_held)
		hnr_pending_search_hold(state->pending, HNR_PENDING_ALL, results);
	state->pending_held = true;
	while (may_go_on(state))
	{
		HnrCandidate *found;
		int			n = hnr_search_continue(state->search, round_size(state->ef), &found);
		int64		sure;

		if (n == 0 && hnr_go_on_from_entry(state->index, state->search))
			continue;
		if (n == 0)
			break;
		hnr_results_hold(results, found, n);
		/* a good many at a time, for those that are left are merged each time */
		sure = hnr_results_sure(results);
		if (sure >= Max(state->ef / 2, results->returned / 8) &&
			hnr_results_take(results, sure, sure * 2))
			return true;
	}
	return hnr_results_take(results, results->nheld, results->nheld);
}

/* Moves to the next vertex to return; false at the end. */
static bool
next_vertex(HnswScan *state)
{
	if (state->nreturned > 0 && state->ndead == state->nreturned && state->tells_dead &&
		!hnr_results_visited(state->results, state->current)->pending)
	{
		if (state->kills == NULL)
			state->kills = hnr_kills_create(state->index);
		hnr_kills_add(state->kills, hnr_results_visited(state->results, state->current),
					  state->nreturned);
	}
	state->nreturned = state->ndead = 0;
	if (state->ended || (++state->current >= state->results->ntaken && !take_from_pool(state) && !search_more(state)))
	{
		state->ended = true;
		return false;
	}
	hnr_results_told(state->results, state->current);
	hnr_tids_read_start(&state->reader, state->index,
						hnr_results_visited(state->results, state->current));
	return true;
}

/* A damaged TID is to be our error, before the storage manager wonders. */
static void
check_heap_tid(IndexScanDesc scan)
{
	HnswScan   *state = scan->opaque;
	Relation	heap = scan->heapRelation;
	BlockNumber block = ItemPointerGetBlockNumber(&scan->xs_heaptid);

	if (likely(block < state->heap_blocks) ||
		heap == NULL || heap->rd_rel->relam != HEAP_TABLE_AM_OID)
		return;
	state->heap_blocks = RelationGetNumberOfBlocks(heap);
	if (block >= state->heap_blocks)
		hnr_report_corrupted(scan->indexRelation, ItemPointerGetBlockNumber(&state->reader.owner),
							 "A heap TID names a block beyond the end of the table.");
}

/* What the executor is told of the current vertex's place in the order. */
static void
tell_order(IndexScanDesc scan)
{
	HnswScan   *state = scan->opaque;
	HnrOrder   *order = &state->results->order[state->current];

	scan->xs_recheckorderby = order->recheck && !state->any_order;
	scan->xs_orderbynulls[0] = state->any_order;
	scan->xs_orderbyvals[0] = state->any_order ? (Datum) 0 : Float8GetDatum(order->value);
}

/* The next heap TID of the current vertex, or pending row; false if it has no more. */
static bool
next_tid(HnswScan *state, ItemPointer tid)
{
	while (hnr_tids_read_next(&state->reader, tid))
		if (state->pending == NULL || hnr_idset_add(&state->told, hnr_node_of_tid(tid)))
			return true;
	return false;
}

bool
hnr_gettuple(IndexScanDesc scan, ScanDirection direction)
{
	HnswScan   *state = scan->opaque;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	bool		got = true;

	Assert(ScanDirectionIsForward(direction));
	if (state->results == NULL)
		search(scan);
	/* about the TID returned last */
	if (scan->kill_prior_tuple && state->nreturned > 0)
		state->ndead++;
	while (state->current < 0 || !next_tid(state, &scan->xs_heaptid))
		if (!next_vertex(state))
		{
			got = false;
			break;
		}
	if (got)
	{
		state->nreturned++;
		check_heap_tid(scan);
	}
	scan->xs_recheck = false;
	if (got)
		tell_order(scan);
	MemoryContextSwitchTo(old);
	return got;
}
