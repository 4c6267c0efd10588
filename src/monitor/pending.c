/*-------------------------------------------------------------------------
 *
 * pending.c
 *		SQL: flush_index(); columns of index_status().
 *
 * Locks: RowExclusiveLock on an index while it is flushed, as an insertion has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "am/am.h"
#include "monitor/pending.h"
#include "rebuild/target.h"

PG_FUNCTION_INFO_V1(hnr_flush_index);

static int64
flush_one(Oid oid)
{
	Relation	index = index_open(oid, RowExclusiveLock);
	int64		merged;

	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	/* it may not even have a metapage; one that is ready and not valid can have pending rows */
	if (!index->rd_index->indisready)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is invalid", RelationGetRelationName(index)),
				 errhint("Use REINDEX INDEX, or drop the index.")));
	merged = hnr_pending_flush(index);
	index_close(index, RowExclusiveLock);
	return merged;
}

/*
 * flush_index(index regclass) returns bigint
 */
Datum
hnr_flush_index(PG_FUNCTION_ARGS)
{
	Oid			index = PG_GETARG_OID(0);
	int64		merged = 0;
	ListCell   *cell;

	PreventCommandDuringRecovery("flush_index()");
	PreventCommandIfReadOnly("flush_index()");
	hnr_check_may_maintain(index, GetUserId());
	if (get_rel_relkind(index) != RELKIND_PARTITIONED_INDEX)
		PG_RETURN_INT64(flush_one(index));
	foreach(cell, hnr_leaf_indexes(index))
		merged += flush_one(lfirst_oid(cell));
	PG_RETURN_INT64(merged);
}

void
hnr_pending_columns(Relation index, Datum *values, bool *nulls)
{
	HnrPendingStatus status;

	hnr_pending_status(index, &status);
	values[0] = Int64GetDatum((int64) status.rows);
	nulls[1] = status.oldest == 0;
	if (status.oldest != 0)
		values[1] = DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(GetCurrentTimestamp()),
										TimestampTzGetDatum(status.oldest));
	nulls[2] = status.merge_rate <= 0;
	values[2] = Float8GetDatum(rint(status.merge_rate * 10) / 10);
	values[3] = BoolGetDatum(status.merging);
	nulls[0] = nulls[3] = false;
}
