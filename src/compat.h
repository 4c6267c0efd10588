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

#endif							/* HNR_COMPAT_H */
