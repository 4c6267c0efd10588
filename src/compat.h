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

#endif							/* HNR_COMPAT_H */
