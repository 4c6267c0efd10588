/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Every difference between server majors (15 to 18), each naming the
 *		upstream change it bridges.  No other file tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_COMPAT_H
#define HNR_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "hnsw_rebuild requires PostgreSQL 15 or later"
#endif

/*
 * 18 (0fbceae841c): index_beginscan takes where to count its index searches.
 */
#if PG_VERSION_NUM >= 180000
#define hnr_index_beginscan(table, index, snapshot, nkeys, norderbys) \
	index_beginscan(table, index, snapshot, NULL, nkeys, norderbys)
#else
#define hnr_index_beginscan(table, index, snapshot, nkeys, norderbys) \
	index_beginscan(table, index, snapshot, nkeys, norderbys)
#endif

/*
 * 16: buffer tags have no struct of their relation's storage any more.  Needs
 * storage/buf_internals.h.
 */
#if PG_VERSION_NUM >= 160000
#define hnr_buffer_tag_is(tag, rel, fork) \
	(BufTagMatchesRelFileLocator(tag, &(rel)->rd_locator) && BufTagGetForkNum(tag) == (fork))
#else
#define hnr_buffer_tag_is(tag, rel, fork) \
	(RelFileNodeEquals((tag)->rnode, (rel)->rd_node) && (tag)->forkNum == (fork))
#endif

/*
 * 18: there is one snapshot for toast tables; before, one was filled
 * in.  Needs access/toast_internals.h.
 */
#if PG_VERSION_NUM >= 180000
#define hnr_toast_snapshot(room)	((void) (room), get_toast_snapshot())
#else
#define hnr_toast_snapshot(room)	(init_toast_snapshot(room), (Snapshot) (room))
#endif

/*
 * 17 (2af07e2f749): maintenance commands pin search_path with
 * RestrictSearchPath().  Within a NewGUCNestLevel(); needs utils/guc.h.
 */
#if PG_VERSION_NUM >= 170000
#define hnr_restrict_search_path()	RestrictSearchPath()
#else
#define hnr_restrict_search_path() \
	((void) set_config_option("search_path", "pg_catalog, pg_temp", \
							  PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, \
							  true, 0, false))
#endif

/*
 * 16: soft errors of input functions (d9f7f5d32f2).  Before, errors are
 * thrown whatever the context.
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define errsave(context, ...) \
	do { (void) (context); ereport(ERROR, __VA_ARGS__); } while (0)
#define ereturn(context, dummy_value, ...) \
	do { errsave(context, __VA_ARGS__); return dummy_value; } while (0)
#endif

/* 16: the varlena macros left postgres.h (d952373a987). */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * 16: RelFileNode became RelFileLocator, its members
 * spcOid, dbOid, relNumber.
 */
#if PG_VERSION_NUM >= 160000
#define hnr_rel_locator(rel)		((rel)->rd_locator)
#define hnr_rel_filenumber(rel)		((rel)->rd_locator.relNumber)
#define hnr_rel_tablespace(rel)		((rel)->rd_locator.spcOid)
#else
#define hnr_rel_locator(rel)		((rel)->rd_node)
#define hnr_rel_filenumber(rel)		((rel)->rd_node.relNode)
#define hnr_rel_tablespace(rel)		((rel)->rd_node.spcNode)
#endif

/*
 * 16: one function for every kind of object.  Needs utils/acl.h
 * and catalog/pg_class.h.
 */
#if PG_VERSION_NUM >= 160000
#define hnr_owns_relation(relid, roleid) \
	object_ownercheck(RelationRelationId, relid, roleid)
#else
#define hnr_owns_relation(relid, roleid)	pg_class_ownercheck(relid, roleid)
#endif

/*
 * 17: privilege MAINTAIN on tables, and pg_maintain, whose
 * members have it on all.  Before, maintenance is the owner's.
 */
#if PG_VERSION_NUM >= 170000
#define hnr_may_maintain(tableid, roleid) \
	(pg_class_aclcheck(tableid, roleid, ACL_MAINTAIN) == ACLCHECK_OK)
#else
#define hnr_may_maintain(tableid, roleid)	hnr_owns_relation(tableid, roleid)
#endif

/*
 * 17: an open storage handle survives a change of relfilenode
 * by itself.  Needs utils/relcache.h.
 */
#if PG_VERSION_NUM >= 170000
#define hnr_close_smgr_by_oid(relid)	((void) (relid))
#else
#define hnr_close_smgr_by_oid(relid)	RelationCloseSmgrByOid(relid)
#endif

/* 16: a field of RelationData has another name. */
#if PG_VERSION_NUM >= 160000
#define hnr_rd_first_storage_subid	rd_firstRelfilelocatorSubid
#else
#define hnr_rd_first_storage_subid	rd_firstRelfilenodeSubid
#endif

/*
 * 16: lists in shared memory are dlist, not SHM_QUEUE.  Calls
 * body for each PROCLOCK of this process in a partition of the lock table, as
 * "proclock".  Needs storage/lock.h, storage/proc.h.
 */
#if PG_VERSION_NUM >= 160000
#define hnr_foreach_my_proclock(proclock, partition) \
	for (dlist_node *node_ = MyProc->myProcLocks[partition].head.next; \
		 node_ != NULL && node_ != &MyProc->myProcLocks[partition].head && \
		 ((proclock) = dlist_container(PROCLOCK, procLink, node_)) != NULL; \
		 node_ = node_->next)
#else
#define hnr_foreach_my_proclock(proclock, partition) \
	for ((proclock) = (PROCLOCK *) \
			 SHMQueueNext(&MyProc->myProcLocks[partition], \
						  &MyProc->myProcLocks[partition], \
						  offsetof(PROCLOCK, procLink)); \
		 (proclock) != NULL; \
		 (proclock) = (PROCLOCK *) \
			 SHMQueueNext(&MyProc->myProcLocks[partition], \
						  &(proclock)->procLink, \
						  offsetof(PROCLOCK, procLink)))
#endif

/* 17: backends are known by their ProcNumber. */
#if PG_VERSION_NUM >= 170000
#define hnr_vxid_proc(vxid)		ProcNumberGetProc((vxid).procNumber)
#else
#define hnr_vxid_proc(vxid)		BackendIdGetProc((vxid).backendId)
#endif

/*
 * 17: LockHeldByMe() can look for stronger modes as well.
 * Needs storage/lock.h.
 */
#if PG_VERSION_NUM >= 170000
#define hnr_lock_held(tag, mode)	LockHeldByMe(tag, mode, false)
#else
#define hnr_lock_held(tag, mode)	LockHeldByMe(tag, mode)
#endif

/*
 * 18: that a lock was not to be had can be logged.  A lock for the transaction without waiting:
 * LOCKACQUIRE_NOT_AVAIL also where the table of locks is full.  Needs storage/lock.h.
 */
#if PG_VERSION_NUM >= 180000
#define hnr_lock_quietly(tag, mode) \
	LockAcquireExtended(tag, mode, false, true, false, NULL, false)
#else
#define hnr_lock_quietly(tag, mode)	LockAcquireExtended(tag, mode, false, true, false, NULL)
#endif

/* 17: the AM says whether it has parallel builds. */
#if PG_VERSION_NUM >= 170000
#define hnr_set_amcanbuildparallel(routine, value) ((routine)->amcanbuildparallel = (value))
#else
#define hnr_set_amcanbuildparallel(routine, value) ((void) (value))
#endif

/* 18: the name says that it processes, not that it handles. */
#if PG_VERSION_NUM >= 180000
#define hnr_main_loop_interrupts()	ProcessMainLoopInterrupts()
#else
#define hnr_main_loop_interrupts()	HandleMainLoopInterrupts()
#endif

/* 18: cost-based delays are reported, by kind of command. */
#if PG_VERSION_NUM >= 180000
#define hnr_vacuum_delay_point()	vacuum_delay_point(false)
#else
#define hnr_vacuum_delay_point()	vacuum_delay_point()
#endif

/* 18: pg_noreturn stands before a declaration, pg_attribute_noreturn() is gone. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * 16: access to other processes' status entries by index, from 1.
 * Needs utils/backend_status.h.
 */
#if PG_VERSION_NUM >= 160000
#define hnr_local_beentry(i)	pgstat_get_local_beentry_by_index(i)
#else
#define hnr_local_beentry(i)	pgstat_fetch_stat_local_beentry(i)
#endif

/*
 * 18: pg_class.relallfrozen.  Needs catalog/pg_class.h.
 */
#if PG_VERSION_NUM >= 180000
#define hnr_swap_relallfrozen(a, b) \
	do { \
		int32		swap_ = (a)->relallfrozen; \
		(a)->relallfrozen = (b)->relallfrozen; \
		(b)->relallfrozen = swap_; \
	} while (0)
#else
#define hnr_swap_relallfrozen(a, b)		((void) 0)
#endif

/*
 * 17: reindex_index takes the statement, for event
 * triggers.  Needs catalog/index.h.
 */
#if PG_VERSION_NUM >= 170000
#define hnr_reindex_index(index, persistence, params) \
	reindex_index(NULL, index, false, persistence, params)
#else
#define hnr_reindex_index(index, persistence, params) \
	reindex_index(index, false, persistence, params)
#endif

/*
 * 18, and minor releases since late 2024: the lock on a pg_class row that keeps
 * off updates in place has a name.  Needs storage/lockdefs.h.
 */
#ifndef InplaceUpdateTupleLock
#define InplaceUpdateTupleLock	ExclusiveLock
#endif

/*
 * 16: the caller says whether it wants a copy, which it always got before and has to free.
 * Needs utils/tuplesort.h.
 */
#if PG_VERSION_NUM >= 160000
#define hnr_tuplesort_getdatum(sort, value, isnull) \
	tuplesort_getdatum(sort, true, true, value, isnull, NULL)
#else
#define hnr_tuplesort_getdatum(sort, value, isnull) \
	tuplesort_getdatum(sort, true, value, isnull, NULL)
#endif

/*
 * 18: what is switched off is told by a count that is compared before costs, so an
 * infinite cost does not keep a path from being chosen.  More than one such setting gives.
 */
#if PG_VERSION_NUM >= 180000
#define hnr_path_disable(path)	((path)->disabled_nodes += 2)
#else
#define hnr_path_disable(path)	((void) (path))
#endif

/*
 * 17: the setting transaction_timeout.
 */
#if PG_VERSION_NUM >= 170000
#define HNR_HAVE_TRANSACTION_TIMEOUT
#endif

#endif							/* HNR_COMPAT_H */
