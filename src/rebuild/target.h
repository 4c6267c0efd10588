/*-------------------------------------------------------------------------
 *
 * target.h
 *		Which indexes can be rebuilt, by whom, and with which options.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REBUILD_TARGET_H
#define HNR_REBUILD_TARGET_H

#include "access/htup.h"
#include "nodes/pg_list.h"

/* What the checks found out about an index. */
typedef struct HnrTarget
{
	Oid			index;
	Oid			table;
	Oid			owner;
	Oid			namespace;
	char		relkind;		/* of the index */
	char		persistence;
	Oid			filenode;		/* InvalidOid: of a partitioned index */
	char	   *name;			/* qualified and quoted */
	int			m;				/* options in force */
	int			ef_construction;
	int			built_m;		/* what the index was built with, as far as it tells */
	int			built_ef_construction;
} HnrTarget;

/*
 * Checks that the index exists, is of ours, valid, neither temporary (unless
 * temp_ok) nor of a system catalogue, and that the role may maintain it; throws
 * otherwise.  A partitioned index passes.  Takes AccessShareLock on the index for
 * the moment.  Fills in target; its name in the current memory context.
 */
extern void hnr_check_target(Oid index, Oid role, bool temp_ok, HnrTarget *target);

/* Only that the relation is an index of ours; throws otherwise.  Takes no lock. */
extern void hnr_check_is_ours(Oid index);

/* That, and that the role may maintain it. */
extern void hnr_check_may_maintain(Oid index, Oid role);

/*
 * Checks the options a rebuild would have: those asked for (0: the present
 * ones).  Throws ERRCODE_INVALID_PARAMETER_VALUE.
 */
extern void hnr_check_options(const HnrTarget *target, int m, int ef_construction);

/*
 * Throws ERRCODE_DISK_FULL where there seems to be too little space for a rebuild
 * with this m (0: the present one).  Takes AccessShareLock on table and index for
 * the moment; does nothing for a partitioned index.  (space.c)
 */
extern void hnr_check_space(const HnrTarget *target, int m);

/* Throws as above unless min <= value <= max. */
extern void hnr_check_range(const char *option, int value, int min, int max);

/*
 * Makes sure that no rebuild of the index runs or has been asked for, and that
 * nobody asks for one until the transaction ends; throws
 * ERRCODE_OBJECT_IN_USE otherwise.  (launch.c)
 */
extern void hnr_claim_index(const HnrTarget *target);

/* OIDs of the leaf indexes of a partitioned index.  Takes no locks. */
extern List *hnr_leaf_indexes(Oid index);

/*
 * Checks options as above for a partitioned index and the partitioned ones below it, which are to
 * have them, too; 0 for both: nothing.
 */
extern void hnr_check_tree_options(const HnrTarget *target, Oid role, int m, int ef_construction);

/*
 * The reloptions of a pg_class row with m and ef_construction, where not 0, set
 * in them; a null pointer for none at all.
 */
extern Datum hnr_merge_options(HeapTuple class_row, int m, int ef_construction);

/*
 * Sets m and ef_construction, where not 0, in the reloptions of one index's
 * pg_class row, on top of those of another (the same OID for itself).  The
 * caller holds a lock that keeps others from changing either row, and makes
 * the change visible.
 */
extern void hnr_set_options(Oid index, Oid base, int m, int ef_construction);

/*
 * The same for a partitioned index and the partitioned ones below it, from which new
 * partitions take theirs, on top of what each has.  Locks them with
 * ShareUpdateExclusiveLock until the transaction ends.
 */
extern void hnr_set_options_of_tree(Oid index, int m, int ef_construction);

#endif							/* HNR_REBUILD_TARGET_H */
