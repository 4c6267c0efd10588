/*-------------------------------------------------------------------------
 *
 * verify_pending.c
 *		check_index(): the pending list.  See verify.h.
 *
 * Pages come and leave while they are looked at, so the list is followed as a scan follows
 * it, from one serial to the next; what is not in it is no finding.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/pending.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "monitor/verify.h"

/* What is wrong about the head of a page of rows or of vectors, or NULL. */
const char *
hnr_verify_pending_problem(HnrVerify *v, Page page)
{
	const HnrPendingHead *head = hnr_page_pending(page);

	if (head->serial == 0)
		return "a page of pending rows has no serial";
	if (hnr_page_head(page)->kind == HNR_PAGE_PENDING_DATA)
		return head->used > HNR_PAGE_CAPACITY - sizeof(HnrPendingHead) || head->count != 0 ?
			"a page of pending rows' vectors claims more than it has room for" : NULL;
	if (head->count > hnr_pending_per_page(&v->index->layout))
		return "a page claims more pending rows than it has room for";
	if (head->center_size != hnr_pending_center_size(&v->index->layout))
		return "a page of pending rows has a centre of another size";
	if (BlockNumberIsValid(head->data) != BlockNumberIsValid(head->first_data))
		return "a page of pending rows has vectors with a beginning or end only";
	return NULL;
}

/* What is wrong about an entry, or NULL. */
static const char *
entry_problem(const HnrPendingEntry *entry)
{
	if (!ItemPointerIsValid(&entry->tid))
		return "a pending row has an invalid heap TID";
	if ((entry->flags & ~HNR_PENDING_FLAGS) != 0)
		return "a pending row has a value where this version has none";
	if ((entry->flags & HNR_PENDING_DONE) != 0 && (entry->flags & HNR_PENDING_IN_GRAPH) == 0)
		return "a pending row is done, but not in the graph";
	if ((entry->flags & HNR_PENDING_IN_GRAPH) != 0 &&
		!ItemPointerIsValid(&((const HnrSlot *) (entry + 1))->vertex))
		return "a pending row is in the graph, but in no vertex";
	if (!(entry->error >= 0) || !(entry->spread >= 0))
		return "a pending row's error is no number";
	return NULL;
}

static bool
is_finite(HnrVerify *v, const float *vec)
{
	const HnrMetric *metric = v->index->metric;

	if (metric->type->problem)
		return metric->type->problem(metric, v->index->layout.column_dims, v->index->layout.dims, vec) == NULL;
	for (int i = 0; i < v->index->layout.dims; i++)
		if (!isfinite(vec[i]))
			return false;
	return true;
}

/* Whether the page, or where it leads to, is one of rows or vectors, on a copy. */
static bool
copy_any(HnrVerify *v, BlockNumber block, Page page)
{
	if (!BlockNumberIsValid(block) || block >= RelationGetNumberOfBlocks(v->index->rel))
		return false;
	hnr_buffer_copy(v->index->rel, block, v->strategy, page);
	return hnr_verify_page_problem(page) == NULL &&
		(HNR_KIND_BIT(hnr_page_head(page)->kind) & HNR_PENDING_KINDS) != 0;
}

bool
hnr_verify_pending_vector(HnrVerify *v, const HnrPendingEntry *entry, uint64 serial, float *vec,
						  const char **damaged)
{
	Page		page = palloc(BLCKSZ);
	BlockNumber block = entry->data;
	int64		left = entry->size;
	bool		whole = true;

	/* what would be an error to others is a finding here */
	for (; left > 0 && whole; left -= HNR_PAGE_CAPACITY - HNR_PENDING_DATA_START)
	{
		whole = copy_any(v, block, page);
		block = whole ? hnr_page_pending(page)->next : block;
	}
	pfree(page);
	*damaged = whole ? NULL : "a pending row's vector is on no page of vectors";
	return whole && hnr_pending_read_vector(v->index, entry, serial, vec, damaged);
}

/* An entry of a page in the list, copied; false if the page has left it. */
static bool
check_entry(HnrVerify *v, BlockNumber block, uint64 serial, int i, const HnrPendingEntry *entry, float *vec)
{
	const char *problem = entry_problem(entry);
	const char *damaged = NULL;

	if (problem == NULL && !hnr_verify_pending_vector(v, entry, serial, vec, &damaged))
	{
		Page		page = palloc(BLCKSZ);
		bool		there = hnr_pending_copy_page(v->index, block, serial, page);

		pfree(page);
		if (!there)
			return false;
		problem = damaged ? damaged : "a pending row's vector is not on its page";
	}
	else if (problem == NULL && !is_finite(v, vec))
		problem = "a pending row's vector is impossible";
	if (problem)
		hnr_verify_report(v, HNR_FOUND_PENDING, block, i + 1, "%s", problem);
	return true;
}

/* Whether the list has gone on beyond a page that is not there; then from where. */
static bool
find_head(HnrVerify *v, BlockNumber *block, uint64 *serial)
{
	const HnrMetaPage *meta = &v->index->meta;

	hnr_index_read_meta(v->index);
	if (BlockNumberIsValid(meta->pending_head) && meta->pending_head_serial <= *serial)
		return false;
	*block = meta->pending_head;
	*serial = meta->pending_head_serial;
	return true;
}

/*
 * The list ends where the metapage says, as it was read before the last page or, if rows have
 * come since, as it is now.
 */
static void
check_end(HnrVerify *v, BlockNumber block, uint64 serial)
{
	const HnrMetaPage *meta = &v->index->meta;
	bool		early = serial < meta->pending_serial;

	hnr_index_read_meta(v->index);
	if (early || serial > meta->pending_serial ||
		(serial == meta->pending_serial && BlockNumberIsValid(meta->pending_tail) && meta->pending_tail != block))
		hnr_verify_report(v, HNR_FOUND_PENDING, block, 0,
						  "the list of pending rows does not end where the metapage says");
}

/* The pages of vectors of a page in the list, copied, are there, from the last to the first. */
static void
check_vectors(HnrVerify *v, BlockNumber block, uint64 serial, Page page)
{
	BlockNumber at = hnr_page_pending(page)->data;
	BlockNumber first = hnr_page_pending(page)->first_data;
	BlockNumber blocks = RelationGetNumberOfBlocks(v->index->rel);
	bool		whole = true;

	if (!BlockNumberIsValid(at) && !BlockNumberIsValid(first))
		return;
	for (BlockNumber n = 0; whole; n++)
	{
		const HnrPendingHead *head = hnr_page_pending(v->page);

		CHECK_FOR_INTERRUPTS();
		whole = n < blocks && copy_any(v, at, v->page) &&
			hnr_page_head(v->page)->kind == HNR_PAGE_PENDING_DATA &&
			head->serial == serial && head->owner == block;
		if (whole && at == first)
		{
			if (!BlockNumberIsValid(head->next))
				return;
			break;
		}
		at = head->next;
	}
	/* unless it has left the list meanwhile */
	if (hnr_pending_copy_page(v->index, block, serial, v->page))
		hnr_verify_report(v, HNR_FOUND_PENDING, block, 0,
						  "a page of pending rows has not the pages of vectors that it names");
}

/* The pages of the list, as pages; their entries: below. */
static void
check_page(HnrVerify *v, BlockNumber block, uint64 serial, Page page)
{
	check_vectors(v, block, serial, page);
	if (!BlockNumberIsValid(hnr_page_pending(page)->next))
		check_end(v, block, serial);
}

static bool see_entry(HnrVerify *v, BlockNumber block, uint64 serial, int i,
					  const HnrPendingEntry *entry, void *state);

void
hnr_verify_each_pending(HnrVerify *v, HnrPendingSeen seen, void *state)
{
	HnrIndex   *index = v->index;
	Page		page = palloc(BLCKSZ);
	BlockNumber block;
	uint64		serial;

	hnr_index_read_meta(index);
	block = index->meta.pending_head;
	serial = index->meta.pending_head_serial;
	while (BlockNumberIsValid(block))
	{
		CHECK_FOR_INTERRUPTS();
		if (hnr_pending_copy_page(index, block, serial, page))
		{
			for (int i = 0; i < hnr_page_pending(page)->count; i++)
				if (!seen(v, block, serial, i, hnr_pending_entry(&index->layout, page, i), state))
					break;
			if (seen == see_entry)
				check_page(v, block, serial, page);
			block = hnr_page_pending(page)->next;
			serial++;
		}
		else if (!find_head(v, &block, &serial))
		{
			hnr_verify_report(v, HNR_FOUND_PENDING, block, 0,
							  "the list of pending rows leads to a page that is not in it");
			break;
		}
	}
	pfree(page);
}

static bool
see_entry(HnrVerify *v, BlockNumber block, uint64 serial, int i, const HnrPendingEntry *entry, void *state)
{
	return check_entry(v, block, serial, i, entry, state);
}

/* Whether a copied page is one of those in the list, or of their vectors. */
static bool
is_in_use(HnrVerify *v, Page page)
{
	const HnrMetaPage *meta = &v->index->meta;

	return hnr_page_head(page)->kind == HNR_PAGE_PENDING ||
		(BlockNumberIsValid(meta->pending_head) && hnr_page_pending(page)->serial >= meta->pending_head_serial);
}

/* The pages of no use are in a list without a circle; beside writers it is let be. */
static void
check_free(HnrVerify *v)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(v->index->rel);
	BlockNumber first;
	BlockNumber block;
	BlockNumber n = 0;

	hnr_index_read_meta(v->index);
	block = first = v->index->meta.pending_free;

	while (BlockNumberIsValid(block) && block != HNR_METAPAGE)
	{
		CHECK_FOR_INTERRUPTS();
		if (block >= blocks || n++ > blocks)
		{
			hnr_verify_report(v, HNR_FOUND_PENDING, block >= blocks ? InvalidBlockNumber : block, 0,
							  "the list of free pages of pending rows has no end");
			return;
		}
		hnr_buffer_copy(v->index->rel, block, v->strategy, v->page);
		if (hnr_verify_page_problem(v->page) != NULL)
			return;				/* reported when pages were looked at */
		if (is_in_use(v, v->page))
		{
			/* taken for rows to come, with all that was before it; or never free */
			hnr_index_read_meta(v->index);
			if (v->index->meta.pending_free == first)
				hnr_verify_report(v, HNR_FOUND_PENDING, block, 0,
								  "a page of pending rows is in use and in the list of free ones");
			return;
		}
		if ((HNR_KIND_BIT(hnr_page_head(v->page)->kind) & HNR_PENDING_KINDS) == 0)
		{
			hnr_verify_report(v, HNR_FOUND_PENDING, block, 0,
							  "the list of free pages of pending rows leads to a page of another kind");
			return;
		}
		block = hnr_page_pending(v->page)->next;
	}
}

void
hnr_verify_pending(HnrVerify *v)
{
	float	   *vec = palloc(sizeof(float) * v->index->layout.dims);

	hnr_verify_each_pending(v, see_entry, vec);
	check_free(v);
	pfree(vec);
}
