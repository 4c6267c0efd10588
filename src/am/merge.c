/*-------------------------------------------------------------------------
 *
 * merge.c
 *		Rows of the pending list go into the graph.  See merge.h.
 *
 * Each row takes three steps: it is inserted like any other, and the record that writes its
 * vertex marks its entry IN_GRAPH; links back to it are made; its entry is marked DONE, with
 * those of others.  What an error or a crash leaves between the first and the last, the next
 * to come by the entry goes on with (hnr_insert_links), whoever that is.
 *
 * Locks: a merger has RowExclusiveLock on page 0 of the index, so that it can be told
 * that one is at work, and ExclusiveLock on the page that it merges; who flushes has
 * ShareUpdateExclusiveLock on page 0 as well, which two cannot have.  These are locks of the
 * lock manager, on what would be a row of the index if it had rows, because while it has one on
 * a page the server takes no other.  Who has claimed a page waits for no other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "am/am.h"
#include "am/buffer.h"
#include "am/insert.h"
#include "am/merge.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "throttle.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Rows that an insertion merges when the list is too long: more than it adds. */
#define ROWS_IN_RETURN	3

/* A list of this part of merge_threshold is a long one. */
#define LONG_PART		4

/*
 * Between rows (us), of a worker that others cannot interrupt at once (hnr_give_way).  Linux lets a
 * process that has begun go on for some milliseconds, whatever its priority, while another waits
 * for that processor; not one that sleeps.
 */
#define PAUSE_US		50

/* What merging a row takes (us), at least, for the throttle. */
#define ROW_US			100

bool		hnr_merge_gives_way = false;

typedef struct Merging
{
	HnrIndex   *index;
	BlockNumber block;			/* the page claimed */
	uint64		serial;
	int		   *linked;			/* entries to be marked as done */
	int			nlinked;
	int64		merged;			/* rows */
	int64		most;
	int64		until;
	bool		pauses;			/* between rows */
	MemoryContext context;		/* of one row */
	float	   *vec;
} Merging;

bool
hnr_merge_is_long(const HnrIndex *index)
{
	return hnr_pending_rows(index) * LONG_PART >= hnr_option_merge_threshold(index->rel);
}

static bool
is_over(const Merging *m)
{
	return m->merged >= m->most || (m->until != 0 && GetCurrentTimestamp() >= m->until);
}

/* Copies entry i of the claimed page; false at the end. */
static bool
copy_entry(Merging *m, int i, HnrPendingEntry *entry)
{
	Buffer		buf = hnr_pending_page(m->index, m->block, m->serial, BUFFER_LOCK_SHARE);
	Page		page;
	bool		found;

	if (!BufferIsValid(buf))
		return false;
	page = BufferGetPage(buf);
	found = i < hnr_page_pending(page)->count;
	if (found)
		memcpy(entry, hnr_pending_entry(&m->index->layout, page, i),
			   hnr_pending_entry_size(&m->index->layout));
	hnr_buffer_release(buf);
	return found;
}

/* Brings a row into the graph, or goes on with that. */
static void
merge_row(Merging *m, int i, HnrPendingEntry *entry)
{
	HnrPendingMark mark = {m->block, m->serial, i, InvalidBuffer};
	HnrRow		row = {m->vec, entry->error, entry->tid};
	const char *damaged;

	/* what vacuum removes is not used again before this transaction ends */
	(void) GetTopTransactionId();
	hnr_pending_check_tid(m->index, m->block, entry);
	if (!hnr_pending_read_vector(m->index, entry, m->serial, m->vec, &damaged))
		hnr_report_corrupted(m->index->rel, m->block, damaged ? damaged :
							 "The vector of a pending row stands on a page of another use.");
	HNR_DEBUG_POINT("merge_row");
	if ((entry->flags & HNR_PENDING_IN_GRAPH) != 0)
		hnr_insert_links(m->index, &row, &hnr_pending_slot(entry)->vertex, entry->generation);
	else
	{
		m->index->mark = &mark;
		hnr_insert_row(m->index, &row, (entry->flags & HNR_PENDING_KNOWN) != 0);
		m->index->mark = NULL;
	}
	m->linked[m->nlinked++] = i;
	m->merged++;
}

/* Merges the rows of the claimed page. */
static void
merge_page(Merging *m)
{
	HnrPendingEntry *entry = palloc(hnr_pending_entry_size(&m->index->layout));
	MemoryContext old;

	m->nlinked = 0;
	for (int i = 0; !is_over(m) && copy_entry(m, i, entry); i++)
	{
		if (!hnr_pending_is_listed(entry))
			continue;
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(ROW_US);
		old = MemoryContextSwitchTo(m->context);
		/* the entry point, as hnr_insert_row finds it, must not be that of the last row */
		m->index->entry_known = false;
		merge_row(m, i, entry);
		MemoryContextSwitchTo(old);
		MemoryContextReset(m->context);
		if (m->pauses)
			pg_usleep(PAUSE_US);
	}
	HNR_DEBUG_POINT("merge_linked");
	if (m->nlinked > 0)
		hnr_pending_mark_done(m->index, m->block, m->serial, m->linked, m->nlinked);
	pfree(entry);
}

static void
begin_merging(Merging *m, HnrIndex *index, int64 most, int64 until)
{
	memset(m, 0, sizeof(*m));
	m->index = index;
	m->linked = palloc(sizeof(int) * hnr_pending_per_page(&index->layout));
	m->vec = palloc(sizeof(float) * index->layout.dims);
	m->most = most;
	m->until = until;
	m->pauses = until != 0 && !hnr_merge_gives_way && !hnr_merge_is_long(index);
	m->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw merge", ALLOCSET_DEFAULT_SIZES);
}

/* Rows a second, when enough of them were merged to tell. */
static float
rate_of(int64 merged, TimestampTz begin)
{
	int64		us = GetCurrentTimestamp() - begin;

	return merged > 0 && us > 0 ? (float) (merged * 1e6 / us) : 0;
}

/* Merges what there is to be merged of a page that may be waited for. */
static void
claim_and_merge(Merging *m, bool wait)
{
	Relation	rel = m->index->rel;
	Buffer		buf;

	if (!hnr_pending_claim(rel, m->block, ExclusiveLock, wait))
		return;
	/* before it was claimed, it may have left the list */
	buf = hnr_pending_page(m->index, m->block, m->serial, BUFFER_LOCK_SHARE);
	if (BufferIsValid(buf))
	{
		hnr_buffer_release(buf);
		merge_page(m);
	}
	hnr_pending_unclaim(rel, m->block, ExclusiveLock);
}

/* Goes through the list, up to the page with that serial; waits for pages or passes by. */
static void
merge_list(Merging *m, uint64 last, bool wait)
{
	HnrIndex   *index = m->index;
	TimestampTz begin = GetCurrentTimestamp();
	HnrPendingWalk walk;
	Buffer		buf;

	if (!hnr_pending_claim(index->rel, HNR_METAPAGE, RowExclusiveLock, wait))
		return;
	hnr_index_read_meta(index);
	hnr_pending_walk_begin(&walk, index);
	while (!is_over(m) && (buf = hnr_pending_walk_next(&walk, BUFFER_LOCK_SHARE)) != InvalidBuffer)
	{
		int64		before = m->merged;
		bool		finished;

		m->block = BufferGetBlockNumber(buf);
		m->serial = hnr_page_pending(BufferGetPage(buf))->serial;
		finished = hnr_pending_is_finished(index, BufferGetPage(buf));
		hnr_buffer_release(buf);
		if (m->serial > last)
			break;
		if (!finished)
			claim_and_merge(m, wait);
		HNR_DEBUG_POINT("merge_done");
		if (m->merged > before)
			hnr_pending_trim(index, rate_of(m->merged, begin));
	}
	hnr_pending_trim(index, rate_of(m->merged, begin));
	hnr_pending_unclaim(index->rel, HNR_METAPAGE, RowExclusiveLock);
}

int64
hnr_merge_some(HnrIndex *index, int64 most, int64 until)
{
	Merging		m;

	begin_merging(&m, index, most, until);
	merge_list(&m, PG_UINT64_MAX, false);
	return m.merged;
}

int64
hnr_merge_all(HnrIndex *index)
{
	Merging		m;

	begin_merging(&m, index, PG_INT64_MAX, 0);
	(void) hnr_pending_claim(index->rel, HNR_METAPAGE, ShareUpdateExclusiveLock, true);
	hnr_index_read_meta(index);
	if (BlockNumberIsValid(index->meta.pending_head))
		merge_list(&m, index->meta.pending_serial, true);
	hnr_pending_unclaim(index->rel, HNR_METAPAGE, ShareUpdateExclusiveLock);
	return m.merged;
}

bool
hnr_merge_runs(Relation index)
{
	if (RecoveryInProgress() || RELATION_IS_LOCAL(index))
		return false;
	if (!hnr_pending_claim(index, HNR_METAPAGE, ShareLock, false))
		return true;
	hnr_pending_unclaim(index, HNR_METAPAGE, ShareLock);
	return false;
}

void
hnr_merge_defer(HnrIndex *index, const HnrRow *row, bool known)
{
	if (hnr_pending_rows(index) >= hnr_option_merge_threshold(index->rel))
	{
		/* others are at it: what would be appended now could be too much for them */
		if (hnr_merge_some(index, ROWS_IN_RETURN, 0) == 0)
		{
			hnr_index_read_meta(index);
			hnr_insert_row(index, row, known);
			return;
		}
		hnr_index_read_meta(index);
	}
	hnr_pending_append(index, row, known);
	hnr_merger_request(index);
}
