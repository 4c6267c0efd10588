/*-------------------------------------------------------------------------
 *
 * degradation.c
 *		SQL: index_degradation().
 *
 * Degradation is 1 - mean recall@k.  Locks: AccessShareLock on one table and
 * its index at a time, table first, released when it is measured.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_inherits.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "am/am.h"
#include "compat.h"
#include "monitor/degradation.h"
#include "monitor/records.h"
#include "rebuild/target.h"

PG_FUNCTION_INFO_V1(hnr_index_degradation);

pg_noreturn static void
report_gone(Oid index)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("index with OID %u does not exist", index)));
}

/* Opens index and table; the table's lock comes first, as everywhere. */
static Relation
open_both(Oid index, Relation *table)
{
	Oid			table_oid = IndexGetRelation(index, true);
	Relation	rel = NULL;

	*table = OidIsValid(table_oid) ? try_table_open(table_oid, AccessShareLock) : NULL;
	if (*table != NULL)
		rel = try_relation_open(index, AccessShareLock);
	if (rel == NULL)
		report_gone(index);

	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	if (!rel->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is invalid", RelationGetRelationName(rel)),
				 errhint("Use REINDEX INDEX, or drop the index.")));
	return rel;
}

Relation
hnr_open_to_measure(Oid index, Relation *table)
{
	Relation	rel = open_both(index, table);

	if (!hnr_has_contents(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("unlogged index \"%s\" cannot be measured during recovery",
						RelationGetRelationName(rel)),
				 errdetail("Unlogged relations have no contents until recovery ends.")));
	return rel;
}

static void
measure_one(Oid index, const HnrRecallRequest *request, HnrRecall *result)
{
	Relation	table;
	Relation	rel = hnr_open_to_measure(index, &table);

	hnr_recall_measure(table, rel, request, result);
	relation_close(rel, AccessShareLock);
	table_close(table, AccessShareLock);
}

/* Blocks of the index's table, as its share of a partitioned table. */
static double
size_of_table(Oid index)
{
	Relation	table;
	Relation	rel = open_both(index, &table);
	double		blocks = hnr_has_contents(table) ? RelationGetNumberOfBlocks(table) : 0;

	relation_close(rel, AccessShareLock);
	table_close(table, AccessShareLock);
	return blocks;
}

/* All leaves of a partitioned index, as one. */
static void
measure_leaves(Oid index, const HnrRecallRequest *request, HnrRecall *result)
{
	List	   *leaves = hnr_leaf_indexes(index);
	double	   *sizes = palloc(sizeof(double) * (list_length(leaves) + 1));
	double		total = 0;
	double		found = 0;
	double		variance = 0;
	ListCell   *cell;

	foreach(cell, leaves)
	{
		sizes[foreach_current_index(cell)] = size_of_table(lfirst_oid(cell));
		total += sizes[foreach_current_index(cell)];
	}
	memset(result, 0, sizeof(*result));
	result->k = request->k;
	foreach(cell, leaves)
	{
		double		share = sizes[foreach_current_index(cell)] / Max(total, 1);
		HnrRecallRequest part = *request;
		HnrRecall	leaf;

		part.sample_size = Max(1, (int) rint(request->sample_size * share));
		measure_one(lfirst_oid(cell), &part, &leaf);
		result->ef_search = leaf.ef_search;
		if (leaf.sample == 0)
			continue;
		result->sample += leaf.sample;
		result->rows += leaf.rows;
		found += leaf.recall * leaf.rows;
		variance += leaf.std_error * leaf.std_error * leaf.rows * leaf.rows;
	}
	if (result->rows > 0)
	{
		result->recall = found / result->rows;
		result->std_error = sqrt(variance) / result->rows;
	}
	pfree(sizes);
}

void
hnr_measure_index(Oid index, const HnrRecallRequest *request, HnrRecall *result)
{
	hnr_recall_check_request(request);
	if (get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX)
		measure_leaves(index, request, result);
	else
		measure_one(index, request, result);
}

/*
 * index_degradation(index regclass, sample_size int, k int, seed bigint)
 *		returns double precision
 *
 * 1 - mean recall@k of sample_size rows at the present hnsw.ef_search; null
 * where fewer than two rows are indexed.  The result is kept for index_status
 * unless the transaction cannot write.
 */
Datum
hnr_index_degradation(PG_FUNCTION_ARGS)
{
	HnrRecallRequest request = {
		.sample_size = PG_ARGISNULL(1) ? HNR_RECALL_DEFAULT_SAMPLE : PG_GETARG_INT32(1),
		.k = PG_ARGISNULL(2) ? HNR_RECALL_DEFAULT_K : PG_GETARG_INT32(2),
		.seeded = !PG_ARGISNULL(3),
		.seed = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3)
	};
	HnrMeasurement measurement = {.purpose = HNR_MEASURED_MANUAL};
	Oid			index;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	index = PG_GETARG_OID(0);
	hnr_check_may_maintain(index, GetUserId());
	hnr_measure_index(index, &request, &measurement.figures);
	if (measurement.figures.sample == 0)
		PG_RETURN_NULL();

	if (hnr_records_writable())
	{
		Oid			table = IndexGetRelation(index, true);

		if (OidIsValid(table))
			measurement.changes = hnr_table_changes(table);
		measurement.file_node = hnr_file_node(index);
		hnr_record_measurement(index, &measurement);
	}
	PG_RETURN_FLOAT8(hnr_degradation(measurement.figures.recall));
}
