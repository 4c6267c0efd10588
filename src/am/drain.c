/*-------------------------------------------------------------------------
 *
 * drain.c
 *		ALTER INDEX ... SET (deferred = off), or RESET, empties the pending list.
 *
 * By the hook that is told of each change of an object, in the transaction that changes the
 * option.  Others may append rows until that commits; they are merged as ever.  Nothing
 * depends on the list's being empty: it is read, and merged, whatever the option says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "am/am.h"
#include "am/drain.h"
#include "am/options.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static object_access_hook_type next_hook = NULL;

/* Whether the options that the transaction has just given an index have it deferred. */
static bool
is_deferred_now(Oid oid)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	bool		deferred = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		options = heap_getattr(tuple, Anum_pg_class_reloptions, RelationGetDescr(catalog), &isnull);

		deferred = !isnull && hnr_options_deferred(options);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return deferred;
}

/*
 * The statement has the index locked; what is deferred as the cache has it, from before the
 * statement, may be about not to be.
 */
static void
changed(Oid oid)
{
	Relation	rel;

	if (get_rel_relkind(oid) != RELKIND_INDEX)
		return;
	rel = try_relation_open(oid, AccessShareLock);
	if (rel == NULL)
		return;
	if (hnr_is_hnsw_index(rel) && hnr_option_deferred(rel) && !is_deferred_now(oid) &&
		!RELATION_IS_OTHER_TEMP(rel) && RelationGetNumberOfBlocks(rel) > 0)
	{
		LockRelationOid(oid, RowExclusiveLock);
		(void) hnr_pending_flush(rel);
	}
	relation_close(rel, NoLock);
}

static void
hook(ObjectAccessType access, Oid class, Oid object, int subid, void *arg)
{
	if (next_hook)
		next_hook(access, class, object, subid, arg);
	if (access == OAT_POST_ALTER && class == RelationRelationId && subid == 0 &&
		!IsBootstrapProcessingMode())
		changed(object);
}

void
hnr_drain_init(void)
{
	next_hook = object_access_hook;
	object_access_hook = hook;
}
