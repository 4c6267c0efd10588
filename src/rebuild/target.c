/*-------------------------------------------------------------------------
 *
 * target.c
 *		Which indexes can be rebuilt, by whom, and with which options.
 *
 * The same checks serve the session that asks for a rebuild and the worker that
 * does it: between the two anything can have happened.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "am/am.h"
#include "compat.h"
#include "rebuild/target.h"

void
hnr_check_is_ours(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Form_pg_class class;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index with OID %u does not exist", index)));
	class = (Form_pg_class) GETSTRUCT(tuple);
	if (class->relkind != RELKIND_INDEX && class->relkind != RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", NameStr(class->relname))));
	if (!hnr_is_hnsw_am(class->relam))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not an hnsw index", NameStr(class->relname))));
	ReleaseSysCache(tuple);
}

/* Opens the index with AccessShareLock; throws unless it is an index of ours. */
static Relation
open_our_index(Oid index)
{
	LockRelationOid(index, AccessShareLock);
	hnr_check_is_ours(index);
	return relation_open(index, NoLock);
}

static void
check_rights(Relation rel, Oid role)
{
	if (!hnr_owns_relation(RelationGetRelid(rel), role) &&
		!hnr_may_maintain(rel->rd_index->indrelid, role))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, RelationGetRelationName(rel));
}

void
hnr_check_may_maintain(Oid index, Oid role)
{
	Relation	rel = open_our_index(index);

	check_rights(rel, role);
	relation_close(rel, AccessShareLock);
}

/* The options may have been changed since. */
static void
note_built_with(Relation index, HnrTarget *target)
{
	HnrIndexFigures figures;

	target->built_m = target->m;
	target->built_ef_construction = target->ef_construction;
	if (target->relkind != RELKIND_INDEX || !hnr_index_try_figures(index, &figures))
		return;
	target->built_m = figures.m;
	target->built_ef_construction = figures.ef_construction;
}

void
hnr_check_target(Oid index, Oid role, bool temp_ok, HnrTarget *target)
{
	Relation	rel = open_our_index(index);
	const char *name = RelationGetRelationName(rel);

	check_rights(rel, role);
	if (IsSystemRelation(rel) || IsCatalogRelationOid(rel->rd_index->indrelid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rebuild index \"%s\" of a system catalog", name)));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP && !temp_ok)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" is of a temporary table, which background workers cannot read", name),
				 errhint("Use rebuild_index() with online => false.")));
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rebuild indexes of temporary tables of other sessions")));
	if (!rel->rd_index->indisvalid && rel->rd_rel->relkind == RELKIND_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is invalid", name),
				 errhint("Use REINDEX INDEX, or drop the index.")));

	target->index = index;
	target->table = rel->rd_index->indrelid;
	target->owner = rel->rd_rel->relowner;
	target->namespace = RelationGetNamespace(rel);
	target->relkind = rel->rd_rel->relkind;
	target->persistence = rel->rd_rel->relpersistence;
	target->filenode = rel->rd_rel->relfilenode;
	target->name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
											  name);
	target->m = hnr_option_m(rel);
	target->ef_construction = hnr_option_ef_construction(rel);
	note_built_with(rel, target);
	relation_close(rel, AccessShareLock);
}

void
hnr_check_range(const char *option, int value, int min, int max)
{
	if (value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value %d out of bounds for option \"%s\"", value, option),
				 errdetail("Valid values are between \"%d\" and \"%d\".", min, max)));
}

void
hnr_check_options(const HnrTarget *target, int m, int ef_construction)
{
	int			new_m = m != 0 ? m : target->m;
	int			new_ef = ef_construction != 0 ? ef_construction : target->ef_construction;

	hnr_check_range("m", new_m, HNR_MIN_M, HNR_MAX_M);
	hnr_check_range("ef_construction", new_ef, HNR_MIN_EF_CONSTRUCTION, HNR_MAX_EF_CONSTRUCTION);
	if (new_ef < 2 * new_m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be at least twice m"),
				 errdetail("The index would have m = %d and ef_construction = %d.",
						   new_m, new_ef)));
}

/* Of the indexes at and below one, itself first, those of a relkind. */
static List *
indexes_of_kind(Oid index, char relkind)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(index, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == relkind)
			found = lappend_oid(found, lfirst_oid(lc));
	return found;
}

List *
hnr_leaf_indexes(Oid index)
{
	return indexes_of_kind(index, RELKIND_INDEX);
}

void
hnr_check_tree_options(const HnrTarget *target, Oid role, int m, int ef_construction)
{
	bool		temp = target->persistence == RELPERSISTENCE_TEMP;
	ListCell   *lc;

	if (m == 0 && ef_construction == 0)
		return;
	foreach(lc, indexes_of_kind(target->index, RELKIND_PARTITIONED_INDEX))
	{
		HnrTarget	node;

		hnr_check_target(lfirst_oid(lc), role, temp, &node);
		hnr_check_options(&node, m, ef_construction);
	}
}

Datum
hnr_merge_options(HeapTuple class_row, int m, int ef_construction)
{
	List	   *options = NIL;
	Datum		present;
	bool		isnull;

	present = SysCacheGetAttr(RELOID, class_row, Anum_pg_class_reloptions, &isnull);
	if (isnull)
		present = (Datum) 0;
	if (m != 0)
		options = lappend(options, makeDefElem("m", (Node *) makeInteger(m), -1));
	if (ef_construction != 0)
		options = lappend(options, makeDefElem("ef_construction",
											   (Node *) makeInteger(ef_construction), -1));
	return transformRelOptions(present, options, NULL, NULL, false, false);
}

/*
 * A copy of an index's pg_class row, with the row locked against updates in
 * place (of VACUUM and the like) until it is unlocked or the transaction ends.
 */
static HeapTuple
lock_class_row(Relation pg_class, Oid index)
{
	for (;;)
	{
		HeapTuple	row = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(index));
		HeapTuple	again;

		if (!HeapTupleIsValid(row))
			elog(ERROR, "cache lookup failed for index %u", index);
		LockTuple(pg_class, &row->t_self, InplaceUpdateTupleLock);
		AcceptInvalidationMessages();
		again = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(index));
		if (HeapTupleIsValid(again) && ItemPointerEquals(&row->t_self, &again->t_self))
			return again;
		UnlockTuple(pg_class, &row->t_self, InplaceUpdateTupleLock);
	}
}

void
hnr_set_options(Oid index, Oid base, int m, int ef_construction)
{
	Relation	pg_class = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	base_row = SearchSysCache1(RELOID, ObjectIdGetDatum(base));
	HeapTuple	row;
	HeapTuple	new_row;
	ItemPointerData tid;
	Datum		values[Natts_pg_class] = {0};
	bool		nulls[Natts_pg_class] = {0};
	bool		replaces[Natts_pg_class] = {0};
	Datum		options;

	if (!HeapTupleIsValid(base_row))
		elog(ERROR, "cache lookup failed for index %u", base);
	options = hnr_merge_options(base_row, m, ef_construction);
	replaces[Anum_pg_class_reloptions - 1] = true;
	values[Anum_pg_class_reloptions - 1] = options;
	nulls[Anum_pg_class_reloptions - 1] = options == (Datum) 0;
	row = lock_class_row(pg_class, index);
	tid = row->t_self;
	new_row = heap_modify_tuple(row, RelationGetDescr(pg_class), values, nulls, replaces);
	CatalogTupleUpdate(pg_class, &row->t_self, new_row);
	UnlockTuple(pg_class, &tid, InplaceUpdateTupleLock);

	heap_freetuple(new_row);
	heap_freetuple(row);
	ReleaseSysCache(base_row);
	table_close(pg_class, RowExclusiveLock);
}

void
hnr_set_options_of_tree(Oid index, int m, int ef_construction)
{
	ListCell   *lc;

	if (m == 0 && ef_construction == 0)
		return;
	foreach(lc, indexes_of_kind(index, RELKIND_PARTITIONED_INDEX))
	{
		LockRelationOid(lfirst_oid(lc), ShareUpdateExclusiveLock);
		/* It may have been dropped meanwhile. */
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_INDEX)
			hnr_set_options(lfirst_oid(lc), lfirst_oid(lc), m, ef_construction);
	}
}
