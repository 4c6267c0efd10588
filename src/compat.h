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

#endif							/* HNR_COMPAT_H */
