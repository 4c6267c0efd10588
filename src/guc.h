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
 * To add a hnsw_rebuild.* setting: its variable here, its line in the table of
 * its type in guc.c, its row in doc/reference.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_GUC_H
#define HNR_GUC_H

/* hnsw.ef_search, 1 .. 1000 */
#define HNR_EF_SEARCH_DEFAULT	40
#define HNR_EF_SEARCH_MIN		1
#define HNR_EF_SEARCH_MAX		1000

/* hnsw.max_scan_tuples, 1 .. INT_MAX */
#define HNR_MAX_SCAN_TUPLES_DEFAULT	20000

/* hnsw.iterative_scan */
typedef enum HnrIterativeScan
{
	HNR_SCAN_OFF,				/* as HNR_SCAN_STRICT */
	HNR_SCAN_RELAXED,			/* what turns up late is returned, out of order */
	HNR_SCAN_STRICT				/* it is left out */
} HnrIterativeScan;

/* hnsw.scan_mem_multiplier, 1 .. 1000 */
#define HNR_SCAN_MEM_MULTIPLIER_DEFAULT	4

/* hnsw_rebuild.cutover_method */
typedef enum HnrCutoverMethod
{
	HNR_CUTOVER_SWAP_STORAGE,	/* relfilenodes trade places, the OID stays */
	HNR_CUTOVER_SWAP_INDEX		/* the indexes trade names: no exclusive lock,
								 * another OID */
} HnrCutoverMethod;

/* The rebuild. */
extern int	hnr_guc_cutover_method; /* an HnrCutoverMethod */
extern int	hnr_guc_cutover_max_wait;	/* ms that an attempt may block others */
extern int	hnr_guc_cutover_timeout;	/* ms of attempts, 0: for ever */
extern int	hnr_guc_table_lock_timeout; /* ms, 0: for ever */
extern int	hnr_guc_history_limit;	/* finished jobs that are kept */
extern bool hnr_guc_check_free_space;

/* Background work: throttle.h. */
extern int	hnr_guc_nice;
extern int	hnr_guc_max_cpu;	/* percent of a processor */
extern int	hnr_guc_wal_rate;	/* kB a second, 0: without limit */

/* Pending rows. */
extern int	hnr_guc_merge_workers;	/* of a database; 0: none */

/* The launcher. */
extern bool hnr_guc_launcher;	/* off: nothing is checked or started */
extern int	hnr_guc_naptime;	/* seconds between two checks */
extern int	hnr_guc_max_workers;	/* databases checked at a time */
extern int	hnr_guc_auto_cooldown;	/* seconds after a rebuild */
extern int	hnr_guc_auto_min_rows;
extern double hnr_guc_auto_min_changed; /* share of the rows */
extern int	hnr_guc_auto_sample_size;
extern int	hnr_guc_record_limit;	/* measurements and decisions that are kept of an index */

/* The share of searches whose queries are kept; 0 .. 1. */
extern double hnr_guc_query_sample_rate;

#define HNR_MAX_WORKERS			16
#define HNR_MAX_MERGE_WORKERS	16

/* Called from _PG_init: defines hnsw_rebuild.*. */
extern void hnr_guc_init(void);

/* Whether the library is in shared_preload_libraries. */
extern bool hnr_preloaded(void);

/*
 * To be called when a statement sets auto_rebuild_threshold, or deferred: the launcher
 * looks at this database once the statement has committed.  False: there is nobody
 * to act upon that (not preloaded, or the launcher is switched off).
 */
extern bool hnr_watch_wanted(void);

/* For the launcher: what hnr_watch_wanted calls. */
extern void hnr_on_watch_wanted(void (*callback) (void));

/* Sets anybody's setting in this process, whatever role and database say. */
extern void hnr_guc_force(const char *name, const char *value);

/*
 * For a background process: puts aside what a database may have set for its users' sessions
 * and would disturb it.
 */
extern void hnr_guc_put_aside(void);

/*
 * Defines hnsw.* in this backend, once.  Every entry point of the access
 * method calls it (the handler and the option parser are enough).
 */
extern void hnr_guc_define_search_settings(void);

/* hnsw.* as set in this session, whoever defined it. */
extern int	hnr_guc_ef_search(void);
extern int	hnr_guc_max_scan_tuples(void);
extern HnrIterativeScan hnr_guc_iterative_scan(void);
extern double hnr_guc_scan_mem_multiplier(void);

#endif							/* HNR_GUC_H */
