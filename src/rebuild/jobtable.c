/*-------------------------------------------------------------------------
 *
 * jobtable.c
 *		Statements on hnsw_rebuild.job: parameters in, fields out.
 *
 * SPI with fully qualified names and search_path pinned, as the bootstrap
 * superuser: whoever may ask for a rebuild need not have any right on the
 * table.  The statements are constants; values go in as parameters.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "rebuild/jobtable.h"

void
hnr_access_begin(HnrAccess *a)
{
	a->caller = CurrentMemoryContext;
	a->nparams = 0;
	GetUserIdAndSecContext(&a->save_userid, &a->save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   a->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	a->save_nestlevel = NewGUCNestLevel();
	hnr_restrict_search_path();
	SPI_connect();
}

void
hnr_access_end(HnrAccess *a)
{
	SPI_finish();
	AtEOXact_GUC(false, a->save_nestlevel);
	SetUserIdAndSecContext(a->save_userid, a->save_sec_context);
	MemoryContextSwitchTo(a->caller);
}

void
hnr_param(HnrAccess *a, Oid type, Datum value, bool isnull)
{
	Assert(a->nparams < HNR_ACCESS_MAX_PARAMS);
	a->types[a->nparams] = type;
	a->values[a->nparams] = value;
	a->nulls[a->nparams] = isnull ? 'n' : ' ';
	a->nparams++;
}

void
hnr_param_oid(HnrAccess *a, Oid v)
{
	hnr_param(a, OIDOID, ObjectIdGetDatum(v), !OidIsValid(v));
}

void
hnr_param_int(HnrAccess *a, int v)
{
	hnr_param(a, INT4OID, Int32GetDatum(v), v == 0);
}

void
hnr_param_count(HnrAccess *a, int64 v)
{
	hnr_param(a, INT8OID, Int64GetDatum(v), false);
}

void
hnr_param_float(HnrAccess *a, double v)
{
	hnr_param(a, FLOAT8OID, Float8GetDatum(v), v < 0);
}

void
hnr_param_time(HnrAccess *a, TimestampTz v)
{
	hnr_param(a, TIMESTAMPTZOID, TimestampTzGetDatum(v), v == 0);
}

void
hnr_param_text(HnrAccess *a, const char *v)
{
	hnr_param(a, TEXTOID, v ? CStringGetTextDatum(v) : (Datum) 0, v == NULL);
}

void
hnr_param_bool(HnrAccess *a, bool v)
{
	hnr_param(a, BOOLOID, BoolGetDatum(v), false);
}

uint64
hnr_access_write(HnrAccess *a, const char *sql, int expected)
{
	Snapshot	snapshot;
	int			rc;

	/* An active snapshot, as index expressions and the like may want one. */
	snapshot = GetTransactionSnapshot();
	PushActiveSnapshot(snapshot);
	rc = SPI_execute_with_args(sql, a->nparams, a->types, a->values, a->nulls,
							   false, 0);
	PopActiveSnapshot();
	if (rc != expected)
		elog(ERROR, "statement on hnsw_rebuild.job failed: %s",
			 SPI_result_code_string(rc));
	return SPI_processed;
}

Snapshot
hnr_newest_snapshot(void)
{
	return IsInParallelMode() ? GetTransactionSnapshot() : GetLatestSnapshot();
}

void
hnr_access_read(HnrAccess *a, const char *sql)
{
	int			rc;

	PushActiveSnapshot(hnr_newest_snapshot());
	rc = SPI_execute_with_args(sql, a->nparams, a->types, a->values, a->nulls,
							   true, 0);
	PopActiveSnapshot();
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "query on hnsw_rebuild.job failed: %s",
			 SPI_result_code_string(rc));
}

static Datum
next_field(HnrFields *f, bool *isnull)
{
	return SPI_getbinval(f->row, f->desc, ++f->next, isnull);
}

int64
hnr_next_int64(HnrFields *f)
{
	bool		isnull;
	Datum		d = next_field(f, &isnull);

	return isnull ? 0 : DatumGetInt64(d);
}

int
hnr_next_int(HnrFields *f)
{
	bool		isnull;
	Datum		d = next_field(f, &isnull);

	return isnull ? 0 : DatumGetInt32(d);
}

Oid
hnr_next_oid(HnrFields *f)
{
	bool		isnull;
	Datum		d = next_field(f, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(d);
}

bool
hnr_next_bool(HnrFields *f)
{
	bool		isnull;
	Datum		d = next_field(f, &isnull);

	return !isnull && DatumGetBool(d);
}

double
hnr_next_float(HnrFields *f)
{
	bool		isnull;
	Datum		d = next_field(f, &isnull);

	return isnull ? -1 : DatumGetFloat8(d);
}

TimestampTz
hnr_next_time(HnrFields *f)
{
	bool		isnull;
	Datum		d = next_field(f, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(d);
}

char *
hnr_next_text(HnrFields *f)
{
	bool		isnull;
	Datum		d = next_field(f, &isnull);

	return isnull ? NULL : TextDatumGetCString(d);
}
