/*-------------------------------------------------------------------------
 *
 * records.c
 *		Kept measurements and decisions.  See records.h.
 *
 * SPI with fully qualified tables and search_path pinned.  No locks but the
 * transaction's own on the two tables; rows are only ever inserted and deleted,
 * so sessions do not wait for each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "monitor/records.h"

#define MAX_PARAMS	20

/* One statement, from begin_statement to end_statement. */
typedef struct Statement
{
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	MemoryContext caller;
	int			nparams;
	Oid			types[MAX_PARAMS];
	Datum		values[MAX_PARAMS];
	char		nulls[MAX_PARAMS + 1];
} Statement;

static void
begin_statement(Statement *st)
{
	st->caller = CurrentMemoryContext;
	st->nparams = 0;
	GetUserIdAndSecContext(&st->save_userid, &st->save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   st->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	st->save_nestlevel = NewGUCNestLevel();
	hnr_restrict_search_path();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_statement(Statement *st)
{
	PopActiveSnapshot();
	SPI_finish();
	AtEOXact_GUC(false, st->save_nestlevel);
	SetUserIdAndSecContext(st->save_userid, st->save_sec_context);
	MemoryContextSwitchTo(st->caller);
}

static void
param(Statement *st, Oid type, Datum value)
{
	Assert(st->nparams < MAX_PARAMS);
	st->types[st->nparams] = type;
	st->values[st->nparams] = value;
	st->nulls[st->nparams++] = ' ';
}

/* A figure that is null where it is not known. */
static void
param_float(Statement *st, double value, bool known)
{
	param(st, FLOAT8OID, Float8GetDatum(value));
	if (!known)
		st->nulls[st->nparams - 1] = 'n';
}

/* Runs a statement; read_only for queries.  Returns the number of rows. */
static uint64
run(Statement *st, const char *sql, bool read_only)
{
	int			rc = SPI_execute_with_args(sql, st->nparams, st->types, st->values,
										   st->nulls, read_only, 0);

	if (rc < 0)
		elog(ERROR, "statement on the records failed: %s", SPI_result_code_string(rc));
	return SPI_processed;
}

/* A column of the first row. */
static Datum
column(int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, isnull);
}

static double
float_column(int number)
{
	bool		isnull;
	Datum		value = column(number, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

static int
int_column(int number)
{
	bool		isnull;
	Datum		value = column(number, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static int64
int64_column(int number)
{
	bool		isnull;
	Datum		value = column(number, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

bool
hnr_records_writable(void)
{
	return !RecoveryInProgress() && !XactReadOnly && !IsInParallelMode();
}

/* Deletes the oldest records of an index, and those of dropped ones. */
static void
prune(Oid index, bool measurements)
{
	Statement	st;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	param(&st, INT4OID, Int32GetDatum(hnr_guc_record_limit));
	run(&st, measurements ?
		"DELETE FROM hnsw_rebuild.measurement WHERE index_oid = $1 AND id <= "
		"(SELECT id FROM hnsw_rebuild.measurement WHERE index_oid = $1 "
		"ORDER BY id DESC OFFSET $2 LIMIT 1) "
		"OR NOT EXISTS (SELECT FROM pg_class WHERE oid = index_oid)" :
		"DELETE FROM hnsw_rebuild.decision WHERE index_oid = $1 AND id <= "
		"(SELECT id FROM hnsw_rebuild.decision WHERE index_oid = $1 "
		"ORDER BY id DESC OFFSET $2 LIMIT 1) "
		"OR NOT EXISTS (SELECT FROM pg_class WHERE oid = index_oid)", false);
	end_statement(&st);
}

static const char *const purposes[] = {
	[HNR_MEASURED_MANUAL] = "manual",
	[HNR_MEASURED_AUTO] = "auto",
	[HNR_MEASURED_REBUILD] = "rebuild",
	[HNR_MEASURED_HEALTH] = "health",
};

/* A count that is null where it is not known. */
static void
param_count(Statement *st, double value, bool known)
{
	param(st, INT8OID, Int64GetDatum((int64) value));
	if (!known)
		st->nulls[st->nparams - 1] = 'n';
}

void
hnr_record_measurement(Oid index, const HnrMeasurement *measurement)
{
	const HnrRecall *figures = &measurement->figures;
	TimestampTz at = measurement->measured_at;
	Statement	st;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	param(&st, TIMESTAMPTZOID,
		  TimestampTzGetDatum(at != 0 ? at : GetCurrentTimestamp()));
	param(&st, TEXTOID, CStringGetTextDatum(purposes[measurement->purpose]));
	param(&st, INT4OID, Int32GetDatum(figures->sample));
	param(&st, INT4OID, Int32GetDatum(figures->k));
	param(&st, INT4OID, Int32GetDatum(figures->ef_search));
	param_float(&st, figures->recall, true);
	param_float(&st, figures->std_error, true);
	param_float(&st, figures->rows, figures->rows >= 0);
	param(&st, INT8OID, Int64GetDatum(measurement->changes));
	param(&st, TEXTOID, CStringGetTextDatum(measurement->by_queries ? "queries" : "rows"));
	param(&st, OIDOID, ObjectIdGetDatum(measurement->file_node));
	if (!OidIsValid(measurement->file_node))
		st.nulls[st.nparams - 1] = 'n';
	param_count(&st, measurement->survey.entries, measurement->surveyed);
	param_count(&st, measurement->dead_entries, measurement->surveyed);
	param_count(&st, measurement->survey.damaged, measurement->surveyed);
	param_count(&st, measurement->survey.unreachable, measurement->surveyed);
	param_count(&st, measurement->survey.pages, measurement->surveyed);
	param_count(&st, measurement->survey.pages_wasted, measurement->surveyed);
	run(&st, "INSERT INTO hnsw_rebuild.measurement (index_oid, measured_at, "
		"purpose, sample_size, k, ef_search, recall, std_error, rows, changes, "
		"sampled_from, file_node, entries, dead_entries, damaged, unreachable, pages, "
		"pages_wasted) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
		"$14, $15, $16, $17, $18)", false);
	end_statement(&st);
	prune(index, true);
}

#define MEASUREMENT_OF \
	"SELECT measured_at, purpose, sample_size, k, ef_search, recall, std_error, " \
	"rows, changes, sampled_from = 'queries', file_node, entries, dead_entries " \
	"FROM hnsw_rebuild.measurement WHERE index_oid = $1 "
#define NEWEST	"ORDER BY id DESC LIMIT 1"

/* Runs a query of measurements, and reads the first. */
static bool
read_measurement(Statement *st, const char *sql, HnrMeasurement *result)
{
	bool		found = run(st, sql, true) > 0;
	bool		isnull;

	memset(result, 0, sizeof(*result));
	if (found)
	{
		char	   *purpose = TextDatumGetCString(column(2, &isnull));

		for (int i = 0; i < lengthof(purposes); i++)
		{
			if (strcmp(purpose, purposes[i]) == 0)
				result->purpose = (HnrMeasured) i;
		}
		result->measured_at = DatumGetTimestampTz(column(1, &isnull));
		result->figures.sample = int_column(3);
		result->figures.k = int_column(4);
		result->figures.ef_search = int_column(5);
		result->figures.recall = float_column(6);
		result->figures.std_error = float_column(7);
		result->figures.rows = float_column(8);
		result->changes = int64_column(9);
		result->by_queries = DatumGetBool(column(10, &isnull));
		result->file_node = DatumGetObjectId(column(11, &isnull));
		(void) column(12, &isnull);
		result->surveyed = !isnull;
		result->survey.entries = int64_column(12);
		result->dead_entries = int64_column(13);
	}
	end_statement(st);
	return found;
}

bool
hnr_last_measurement(Oid index, bool automatic, HnrMeasurement *result)
{
	Statement	st;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	return read_measurement(&st, automatic ?
							MEASUREMENT_OF "AND purpose IN ('auto', 'rebuild') " NEWEST :
							MEASUREMENT_OF NEWEST, result);
}

bool
hnr_last_baseline(Oid index, bool by_queries, HnrMeasurement *result)
{
	Statement	st;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	param(&st, BOOLOID, BoolGetDatum(by_queries));
	return read_measurement(&st, MEASUREMENT_OF
							"AND purpose = 'rebuild' AND (sampled_from = 'queries') = $2 " NEWEST,
							result);
}

bool
hnr_first_measurement(Oid index, const HnrMeasurement *like, TimestampTz since,
					  HnrMeasurement *result)
{
	Statement	st;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	param(&st, BOOLOID, BoolGetDatum(like->by_queries));
	param(&st, OIDOID, ObjectIdGetDatum(like->file_node));
	param(&st, INT4OID, Int32GetDatum(like->figures.k));
	param(&st, INT4OID, Int32GetDatum(like->figures.ef_search));
	param(&st, TIMESTAMPTZOID, TimestampTzGetDatum(since));
	return read_measurement(&st, MEASUREMENT_OF
							"AND (sampled_from = 'queries') = $2 AND file_node = $3 "
							"AND k = $4 AND ef_search = $5 AND measured_at >= $6 "
							"ORDER BY id LIMIT 1", result);
}

bool
hnr_decided_last(Oid index, HnrAutoVerdict verdict)
{
	Statement	st;
	bool		same = false;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	if (run(&st, "SELECT verdict FROM hnsw_rebuild.decision WHERE index_oid = $1 "
			NEWEST, true) > 0)
	{
		bool		isnull;

		same = strcmp(TextDatumGetCString(column(1, &isnull)), hnr_auto_verdict_name(verdict)) == 0;
	}
	end_statement(&st);
	return same;
}

static void
insert_decision(Oid index, const HnrAutoFigures *f, const char *verdict,
				const char *reason, int64 job)
{
	Statement	st;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	param(&st, TEXTOID, CStringGetTextDatum(verdict));
	param(&st, TEXTOID, CStringGetTextDatum(reason));
	param_float(&st, f ? f->threshold : 0, f && f->threshold >= 0);
	param_float(&st, f ? f->rows : 0, f != NULL);
	param_float(&st, f ? f->changed : 0, f && f->measured);
	param_float(&st, f ? f->degradation : 0, f && f->measured);
	param_float(&st, f ? f->std_error : 0, f && f->measured);
	param_float(&st, f ? f->baseline : 0, f && f->has_baseline);
	param_float(&st, f ? f->entries : 0, f && f->surveyed);
	param_float(&st, f ? f->dead : 0, f && f->surveyed);
	param(&st, INT8OID, Int64GetDatum(job));
	if (job == 0)
		st.nulls[st.nparams - 1] = 'n';
	run(&st, "INSERT INTO hnsw_rebuild.decision (index_oid, decided_at, verdict, "
		"reason, threshold, rows, changed, degradation, std_error, baseline, entries, "
		"dead_entries, job_id) VALUES ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, "
		"$9, $10, $11, $12)", false);
	end_statement(&st);
	prune(index, false);
}

void
hnr_record_decision(Oid index, const HnrAutoFigures *figures,
					const HnrAutoDecision *decision, int64 job)
{
	if (figures->fresh || job != 0 || !hnr_decided_last(index, decision->verdict))
		insert_decision(index, figures, hnr_auto_verdict_name(decision->verdict), decision->reason, job);
}

void
hnr_record_error(Oid index, const char *message)
{
	insert_decision(index, NULL, "error", message, 0);
}

char *
hnr_last_decision(Oid index, double threshold)
{
	Statement	st;
	char	   *reason = NULL;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	param_float(&st, threshold, true);
	/* an error is about whatever threshold there was */
	if (run(&st, "SELECT reason FROM (SELECT reason, threshold FROM hnsw_rebuild.decision "
			"WHERE index_oid = $1 " NEWEST ") d "
			"WHERE threshold IS NULL OR threshold = $2", true) > 0)
	{
		bool		isnull;
		Datum		value = column(1, &isnull);
		MemoryContext spi = MemoryContextSwitchTo(st.caller);

		reason = TextDatumGetCString(value);
		MemoryContextSwitchTo(spi);
	}
	end_statement(&st);
	return reason;
}

TimestampTz
hnr_last_decided(Oid index, HnrAutoVerdict verdict)
{
	Statement	st;
	bool		isnull;
	Datum		value;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	param(&st, TEXTOID, CStringGetTextDatum(hnr_auto_verdict_name(verdict)));
	run(&st, "SELECT max(decided_at) FROM hnsw_rebuild.decision "
		"WHERE index_oid = $1 AND verdict = $2", true);
	value = column(1, &isnull);
	end_statement(&st);
	return isnull ? 0 : DatumGetTimestampTz(value);
}

int
hnr_failures_in_a_row(Oid index, TimestampTz *last)
{
	Statement	st;
	int			failures;
	bool		isnull;
	Datum		value;

	begin_statement(&st);
	param(&st, OIDOID, ObjectIdGetDatum(index));
	run(&st, "WITH success AS (SELECT coalesce(max(finished_at), '-infinity') AS at "
		"FROM hnsw_rebuild.job WHERE index_oid = $1 AND state = 'done' "
		"AND method IS DISTINCT FROM 'optimize') "
		"SELECT count(*)::int4, max(f.at) FROM success, "
		"(SELECT finished_at AS at FROM hnsw_rebuild.job "
		"WHERE index_oid = $1 AND state IN ('failed', 'cancelled') "
		"AND method IS DISTINCT FROM 'optimize' "
		"UNION ALL SELECT decided_at FROM hnsw_rebuild.decision "
		"WHERE index_oid = $1 AND verdict = 'error') f WHERE f.at > success.at",
		true);
	failures = int_column(1);
	value = column(2, &isnull);
	*last = isnull ? 0 : DatumGetTimestampTz(value);
	end_statement(&st);
	return failures;
}

int64
hnr_table_changes(Oid table)
{
	Datum		oid = ObjectIdGetDatum(table);

	return DatumGetInt64(DirectFunctionCall1(pg_stat_get_tuples_inserted, oid)) +
		DatumGetInt64(DirectFunctionCall1(pg_stat_get_tuples_deleted, oid)) +
		DatumGetInt64(DirectFunctionCall1(pg_stat_get_tuples_updated, oid)) -
		DatumGetInt64(DirectFunctionCall1(pg_stat_get_tuples_hot_updated, oid));
}

Oid
hnr_file_node(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Oid			node = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	node = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	ReleaseSysCache(tuple);
	return node;
}
