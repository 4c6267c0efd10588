/*-------------------------------------------------------------------------
 *
 * querytable.c
 *		hnsw_rebuild.query_sample: queries that are kept.  See queries.h.
 *
 * Of an index HNR_QUERIES_KEPT are kept.  When there are so many, one in ten that come is
 * kept in the place of a random one, so that the sample is of what was asked lately, and a
 * burst of one hour does not wash out all of the day.
 *
 * Values are kept as text, which says what it is whatever becomes of the library.
 *
 * A query that is being stored is neither in shared memory nor yet to be seen in the table.
 * So storing holds a lock until its transaction ends, which clearing asks for.  Storing
 * itself waits for nobody: it is put off while somebody clears, and rows that are being
 * deleted are passed over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "debug_point.h"
#include "monitor/queries.h"
#include "rebuild/jobtable.h"
#include "rebuild/target.h"

PG_FUNCTION_INFO_V1(hnr_clear_query_samples);

/* What is older is deleted. */
#define LASTS	"interval '30 days'"

/* Exclusive for storing, shared for clearing.  No relation has this tag. */
static void
set_storing(LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationRelationId, InvalidOid, 0);
}

static void
store_one(const HnrQuery *query, void *arg)
{
	Oid			output;
	bool		varlena;
	HnrAccess	a;

	/* dropped since */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(query->index)) ||
		!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(query->type)))
		return;
	getTypeOutputInfo(query->type, &output, &varlena);
	hnr_access_begin(&a);
	hnr_param_oid(&a, query->index);
	hnr_param_time(&a, query->at);
	hnr_param_oid(&a, query->type);
	hnr_param_int(&a, query->dims);
	hnr_param_text(&a, OidOutputFunctionCall(output, PointerGetDatum(query->value)));
	hnr_param_int(&a, HNR_QUERIES_KEPT);
	hnr_access_write(&a, "INSERT INTO hnsw_rebuild.query_sample (index_oid, asked_at, type, dims, query) "
					 "SELECT $1, $2, $3, $4, $5 WHERE random() < 0.1 OR "
					 "(SELECT count(*) FROM hnsw_rebuild.query_sample WHERE index_oid = $1) < $6",
					 SPI_OK_INSERT);
	hnr_access_write(&a, "DELETE FROM hnsw_rebuild.query_sample WHERE id IN "
					 "(SELECT id FROM hnsw_rebuild.query_sample WHERE index_oid = $1 "
					 "ORDER BY random() OFFSET $6 FOR UPDATE SKIP LOCKED)", SPI_OK_DELETE);
	hnr_access_end(&a);
}

void
hnr_queries_store(void)
{
	HnrAccess	a;
	LOCKTAG		tag;

	set_storing(&tag);
	/* Who clears may wait for another who does: the queries can stay where they are. */
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return;
	hnr_queries_each(true, store_one, NULL);
	HNR_DEBUG_POINT("queries_taken");
	hnr_access_begin(&a);
	hnr_access_write(&a, "DELETE FROM hnsw_rebuild.query_sample WHERE id IN "
					 "(SELECT id FROM hnsw_rebuild.query_sample WHERE asked_at < now() - " LASTS
					 " OR NOT EXISTS (SELECT FROM pg_class WHERE oid = index_oid) "
					 "FOR UPDATE SKIP LOCKED)", SPI_OK_DELETE);
	hnr_access_end(&a);
}

/* Queries that are read. */
typedef struct Reading
{
	Oid			index;
	Oid			type;
	int			dims;
	int			most;
	int			n;
	Datum	   *values;
} Reading;

static void
read_one(const HnrQuery *query, void *arg)
{
	Reading    *r = arg;
	Size		size = VARSIZE((struct varlena *) query->value);

	if (query->index != r->index || query->type != r->type || query->dims != r->dims ||
		r->n == r->most)
		return;
	r->values[r->n] = PointerGetDatum(memcpy(palloc(size), query->value, size));
	r->n++;
}

/* Those in the table, of the type and the dimensions that the index has now. */
static void
read_table(Reading *r)
{
	HnrAccess	a;
	Oid			input;
	Oid			param;

	getTypeInputInfo(r->type, &input, &param);
	hnr_access_begin(&a);
	hnr_param_oid(&a, r->index);
	hnr_param_oid(&a, r->type);
	hnr_param_int(&a, r->dims);
	hnr_param_int(&a, r->most);
	hnr_access_read(&a, "SELECT query FROM hnsw_rebuild.query_sample "
					"WHERE index_oid = $1 AND type = $2 AND dims = $3 "
					"AND asked_at >= now() - " LASTS " ORDER BY random() LIMIT $4");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HnrFields	f = {SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 0};
		char	   *text = hnr_next_text(&f);
		MemoryContext spi = MemoryContextSwitchTo(a.caller);

		r->values[r->n++] = OidInputFunctionCall(input, text, param, -1);
		MemoryContextSwitchTo(spi);
	}
	hnr_access_end(&a);
}

int
hnr_queries_read(Relation index, int dims, int most, const Datum **queries)
{
	Reading		r = {
		.index = RelationGetRelid(index),
		.type = index->rd_opcintype[0],
		.dims = dims,
		.most = most
	};

	r.values = palloc(sizeof(Datum) * most);
	read_table(&r);
	hnr_queries_each(false, read_one, &r);
	*queries = r.values;
	return r.n < Min(most, HNR_QUERIES_LEAST) ? 0 : r.n;
}

/*
 * clear_query_samples(index regclass) returns bigint
 *
 * Forgets the queries that are kept of an index, and returns how many they were.
 */
Datum
hnr_clear_query_samples(PG_FUNCTION_ARGS)
{
	Oid			index = PG_GETARG_OID(0);
	HnrAccess	a;
	LOCKTAG		tag;
	int64		n;

	hnr_check_may_maintain(index, GetUserId());
	PreventCommandDuringRecovery("clear_query_samples()");
	PreventCommandIfReadOnly("clear_query_samples()");
	set_storing(&tag);
	LockAcquire(&tag, ShareLock, false, false);
	n = hnr_queries_forget(index);
	hnr_access_begin(&a);
	hnr_param_oid(&a, index);
	n += hnr_access_write(&a, "DELETE FROM hnsw_rebuild.query_sample WHERE index_oid = $1",
						  SPI_OK_DELETE);
	hnr_access_end(&a);
	/* what is stored from now on was asked since */
	LockRelease(&tag, ShareLock, false);
	PG_RETURN_INT64(n);
}
