/*-------------------------------------------------------------------------
 *
 * guc.h
 *		Every setting.
 *
 * hnsw_rebuild.* settings are defined when the library is loaded, also in the
 * postmaster.  hnsw.* settings carry names that another vector library may
 * define too, and two definitions of one name end a backend; so they are
 * defined in a backend only, when the access method is first used there, and
 * only where nobody else has done so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_GUC_H
#define HNR_GUC_H

/* hnsw.ef_search, 1 .. 1000 */
#define HNR_EF_SEARCH_DEFAULT	40
#define HNR_EF_SEARCH_MIN		1
#define HNR_EF_SEARCH_MAX		1000

/* Called from _PG_init: defines hnsw_rebuild.*. */
extern void hnr_guc_init(void);

/*
 * Defines hnsw.* in this backend, once.  Every entry point of the access
 * method calls it (the handler and the option parser are enough).
 */
extern void hnr_guc_define_search_settings(void);

/* hnsw.ef_search as set in this session, whoever defined it. */
extern int	hnr_guc_ef_search(void);

#endif							/* HNR_GUC_H */
