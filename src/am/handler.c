/*-------------------------------------------------------------------------
 *
 * handler.c
 *		The access method: its properties, its callbacks, its operator classes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "am/am.h"
#include "am/callbacks.h"
#include "am/drain.h"
#include "am/insert.h"
#include "am/junk.h"
#include "am/merge.h"
#include "am/metric.h"
#include "am/options.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "guc.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(hnr_handler);

void
hnr_am_init(void)
{
	hnr_options_init();
	hnr_junk_init();
	hnr_drain_init();
}

bool
hnr_aminsert(Relation rel, Datum *values, bool *isnull, ItemPointer heap_tid,
			 Relation heap, IndexUniqueCheck check_unique,
			 bool index_unchanged, IndexInfo *info)
{
	MemoryContext context;
	MemoryContext old;
	HnrIndex   *index;
	HnrRow		row;

	if (isnull[0])
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw insert", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	index = hnr_index_open(rel);
	index->heap = heap;
	row.vec = palloc(sizeof(float) * index->layout.dims);
	row.tid = *heap_tid;
	if (!hnr_stored_form_row(index->metric, &index->layout, values[0], &row))
		;
	else if (hnr_option_deferred(rel))
		hnr_merge_defer(index, &row, index_unchanged);
	else
		hnr_insert_row(index, &row, index_unchanged);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return false;
}

static void
complain(bool *valid, const char *opclass, const char *what)
{
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator class \"%s\" of access method hnsw %s", opclass, what)));
	*valid = false;
}

/* Support functions: the distance of two keys, and the metric. */
static void
validate_functions(Form_pg_opclass opclass, bool *valid)
{
	const char *name = NameStr(opclass->opcname);
	CatCList   *procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(opclass->opcfamily));
	Oid			type = opclass->opcintype;
	bool		have[HNR_PROC_COUNT + 1] = {false};

	for (int i = 0; i < procs->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&procs->members[i]->tuple);
		bool		ok = false;

		if (proc->amprocnum == HNR_PROC_DISTANCE)
			ok = check_amproc_signature(proc->amproc, FLOAT8OID, true, 2, 2, type, type);
		else if (proc->amprocnum == HNR_PROC_METRIC)
			ok = check_amproc_signature(proc->amproc, INTERNALOID, true, 1, 1, INTERNALOID);
		if (ok)
			have[proc->amprocnum] = true;
		else
			complain(valid, name, "has a support function of wrong number or signature");
	}
	for (int i = 1; i <= HNR_PROC_COUNT; i++)
		if (!have[i])
			complain(valid, name, "lacks a support function");
	ReleaseCatCacheList(procs);
}

/* Operators: they only order, by float8. */
static void
validate_operators(Form_pg_opclass opclass, bool *valid)
{
	const char *name = NameStr(opclass->opcname);
	CatCList   *ops = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(opclass->opcfamily));

	for (int i = 0; i < ops->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&ops->members[i]->tuple);

		if (op->amopstrategy != 1 || op->amoppurpose != AMOP_ORDER)
			complain(valid, name, "has an operator that does not order");
		else if (get_op_rettype(op->amopopr) != FLOAT8OID)
			complain(valid, name, "has an ordering operator that does not return double precision");
	}
	ReleaseCatCacheList(ops);
}

static bool
hnr_validate(Oid opclassoid)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclassoid));
	bool		valid = true;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclassoid);
	validate_functions((Form_pg_opclass) GETSTRUCT(tuple), &valid);
	validate_operators((Form_pg_opclass) GETSTRUCT(tuple), &valid);
	ReleaseSysCache(tuple);
	return valid;
}

Datum
hnr_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	hnr_guc_define_search_settings();
	am->amsupport = HNR_PROC_COUNT;
	am->amcanorderbyop = true;
	am->amoptionalkey = true;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	hnr_set_amcanbuildparallel(am, true);
	am->amkeytype = InvalidOid;

	am->ambuild = hnr_build;
	am->ambuildempty = hnr_buildempty;
	am->aminsert = hnr_aminsert;
	am->ambulkdelete = hnr_bulkdelete;
	am->amvacuumcleanup = hnr_vacuumcleanup;
	am->amcostestimate = hnr_costestimate;
	am->amoptions = hnr_options_parse;
	am->ambuildphasename = hnr_buildphasename;
	am->amvalidate = hnr_validate;
	am->ambeginscan = hnr_beginscan;
	am->amrescan = hnr_rescan;
	am->amgettuple = hnr_gettuple;
	am->amendscan = hnr_endscan;

	PG_RETURN_POINTER(am);
}
