/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		The process that has databases checked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_LAUNCHER_H
#define HNR_LAUNCHER_H

/*
 * From _PG_init: registers the launcher where the library is in
 * shared_preload_libraries, else does nothing.
 */
extern void hnr_monitor_init(void);

/* Entry points of the background workers. */
extern PGDLLEXPORT void hnr_launcher_main(Datum arg);
extern PGDLLEXPORT void hnr_check_main(Datum arg);

#endif							/* HNR_LAUNCHER_H */
