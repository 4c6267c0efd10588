/*-------------------------------------------------------------------------
 *
 * oldtids.c
 *		The heap TIDs that an old index has.  See oldtids.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/oldtids.h"
#include "miscadmin.h"
#include "utils/memutils.h"

static inline uint64
key_of(const ItemPointerData *tid)
{
	return (uint64) ItemPointerGetBlockNumberNoCheck(tid) << 16 |
		ItemPointerGetOffsetNumberNoCheck(tid);
}

static inline int
compare_tids(const HnrOldTid *a, const HnrOldTid *b)
{
	return (a->key > b->key) - (a->key < b->key);
}

#define ST_SORT sort_tids
#define ST_ELEMENT_TYPE HnrOldTid
#define ST_COMPARE(a, b) compare_tids(a, b)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

void
hnr_oldtids_init(HnrOldTids *tids)
{
	memset(tids, 0, sizeof(*tids));
	tids->max = 1024;
	tids->tid = palloc(sizeof(HnrOldTid) * tids->max);
}

void
hnr_oldtids_add(HnrOldTids *tids, const ItemPointerData *tid, uint32 vertex, uint32 generation)
{
	HnrOldTid  *t;

	if (tids->n == tids->max)
	{
		tids->max *= 2;
		tids->tid = repalloc_huge(tids->tid, sizeof(HnrOldTid) * tids->max);
	}
	t = &tids->tid[tids->n++];
	t->key = key_of(tid);
	t->vertex = vertex;
	t->generation = generation;
}

uint32
hnr_oldtids_order(HnrOldTids *tids, const uint32 *generations)
{
	HnrOldTid  *tid = tids->tid;
	uint64		n = 0;

	for (uint64 i = 0; i < tids->n; i++)
	{
		uint32		generation = generations[tid[i].vertex];

		CHECK_FOR_INTERRUPTS();
		if (generation != 0 && (tid[i].generation == 0 || tid[i].generation == generation))
			tid[n++] = tid[i];
	}
	tids->n = n;
	sort_tids(tid, n);
	for (uint64 i = 1; i < n; i++)
		if (tid[i - 1].key == tid[i].key)
			return tid[i].vertex;
	return PG_UINT32_MAX;
}

const HnrOldTid *
hnr_oldtids_find(HnrOldTids *tids, const ItemPointerData *tid)
{
	uint64		key = key_of(tid);
	uint64		from = 0;
	uint64		to = tids->n;

	/* a table is mostly read in the order of its rows */
	if (tids->next < tids->n && tids->tid[tids->next].key == key)
		return &tids->tid[tids->next++];
	while (from < to)
	{
		uint64		middle = from + (to - from) / 2;

		if (tids->tid[middle].key < key)
			from = middle + 1;
		else
			to = middle;
	}
	tids->next = from;
	if (from == tids->n || tids->tid[from].key != key)
		return NULL;
	return &tids->tid[tids->next++];
}
