/*-------------------------------------------------------------------------
 *
 * queries.c
 *		Queries on their way from searches to the table.  See queries.h.
 *
 * A fixed number of places in shared memory, each with a state that is changed by
 * compare-and-swap alone: whoever makes a place BUSY has it for himself, copies, and gives
 * it back.  Nobody waits: a search that meets a busy place lets its query go.  There is
 * no lock and no counter that searches share; one that is not sampled touches nothing.
 *
 * When all places are taken, the query of a random one is replaced: what is there is a
 * sample of what was asked last.  Nothing is left busy, because nothing between can fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "am/am.h"
#include "compat.h"
#include "guc.h"
#include "monitor/queries.h"

#define PLACES			64

typedef enum PlaceState
{
	PLACE_EMPTY,
	PLACE_BUSY,
	PLACE_FULL
} PlaceState;

/* The states stand together, so that looking for a place is cheap. */
typedef struct Places
{
	pg_atomic_uint32 state[PLACES];
	HnrQuery	query[PLACES];
} Places;

static Places *places = NULL;

Size
hnr_queries_memory(void)
{
	return MAXALIGN(sizeof(Places));
}

void
hnr_queries_create(void)
{
	bool		found;

	places = ShmemInitStruct("hnsw_rebuild queries", sizeof(Places), &found);
	for (int i = 0; i < PLACES && !found; i++)
		pg_atomic_init_u32(&places->state[i], PLACE_EMPTY);
}

/* Makes a place busy that is in this state; false if it is not, or not any more. */
static bool
take_place(int i, PlaceState state)
{
	uint32		expected = state;

	return pg_atomic_read_u32(&places->state[i]) == expected &&
		pg_atomic_compare_exchange_u32(&places->state[i], &expected, PLACE_BUSY);
}

static void
give_place(int i, PlaceState state)
{
	pg_write_barrier();
	pg_atomic_write_u32(&places->state[i], state);
}

/* A place for a query, busy: an empty one, or any; -1 where somebody is at that. */
static int
find_place(void)
{
	int			first = (int) pg_prng_uint64_range(&pg_global_prng_state, 0, PLACES - 1);

	for (int i = 0; i < PLACES; i++)
		if (take_place((first + i) % PLACES, PLACE_EMPTY))
			return (first + i) % PLACES;
	return take_place(first, PLACE_FULL) ? first : -1;
}

static void
keep(Relation index, int dims, Datum value)
{
	struct varlena *plain = PG_DETOAST_DATUM(value);
	int			place;

	if (VARSIZE(plain) <= HNR_QUERY_BYTES && (place = find_place()) >= 0)
	{
		HnrQuery   *query = &places->query[place];

		query->database = MyDatabaseId;
		query->index = RelationGetRelid(index);
		query->type = index->rd_opcintype[0];
		query->dims = dims;
		query->at = GetCurrentTimestamp();
		memcpy(query->value, plain, VARSIZE(plain));
		give_place(place, PLACE_FULL);
	}
	if ((Pointer) plain != DatumGetPointer(value))
		pfree(plain);
}

/* The share of searches of this index, by this user, that are kept. */
static double
rate_of(Relation index)
{
	double		own = hnr_option_query_sample_rate(index);

	if (index->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return 0;
	if (own > hnr_guc_query_sample_rate && index->rd_rel->relowner == GetUserId())
		return own;
	return hnr_guc_query_sample_rate;
}

static void
observe(Relation index, int dims, Datum value)
{
	double		rate = rate_of(index);

	if (likely(rate <= 0))
		return;
	if (rate >= 1 || pg_prng_double(&pg_global_prng_state) < rate)
		keep(index, dims, value);
}

void
hnr_queries_init(void)
{
	hnr_query_observer = observe;
}

bool
hnr_queries_wait(Oid database)
{
	for (int i = 0; i < PLACES; i++)
		if (pg_atomic_read_u32(&places->state[i]) == PLACE_FULL &&
			places->query[i].database == database)
			return true;
	return false;
}

/* Wipes a busy place, for others to use. */
static void
empty_place(int i)
{
	memset(&places->query[i], 0, sizeof(HnrQuery));
	give_place(i, PLACE_EMPTY);
}

/* Copies the query of a place if it is of this database, and empties it if asked to. */
static bool
copy_query(int i, bool take, HnrQuery *copy)
{
	const HnrQuery *query = &places->query[i];
	bool		ours;

	if (!take_place(i, PLACE_FULL))
		return false;
	ours = query->database == MyDatabaseId;
	if (ours)
		memcpy(copy, query,
			   offsetof(HnrQuery, value) + VARSIZE((const struct varlena *) query->value));
	if (ours && take)
		empty_place(i);
	else
		give_place(i, PLACE_FULL);
	return ours;
}

void
hnr_queries_each(bool take, void (*seen) (const HnrQuery *query, void *arg), void *arg)
{
	HnrQuery   *copy;

	if (places == NULL)
		return;
	copy = palloc(sizeof(HnrQuery));
	for (int i = 0; i < PLACES; i++)
		if (copy_query(i, take, copy))
			seen(copy, arg);
	pfree(copy);
}

int
hnr_queries_forget(Oid index)
{
	int			n = 0;

	for (int i = 0; i < PLACES && places; i++)
	{
		if (!take_place(i, PLACE_FULL))
			continue;
		if (places->query[i].database == MyDatabaseId && places->query[i].index == index)
		{
			empty_place(i);
			n++;
		}
		else
			give_place(i, PLACE_FULL);
	}
	return n;
}
