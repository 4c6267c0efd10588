/*-------------------------------------------------------------------------
 *
 * debug_point.h
 *		Named pauses and faults for tests, compiled in only with
 *		-DHNR_DEBUG_POINTS.
 *
 * HNR_DEBUG_POINT("name") waits while another session holds the advisory lock
 * that hnr_debug_point_key('name') names; it is a no-op in a release build.
 * The lock manager does the waiting, so isolationtester sees the pause as a
 * lock wait.  Never place one where a content lock or a spinlock is held.  In
 * a process without a database there is nothing to wait for.
 *
 * hnsw_rebuild.debug_point_action, a list of "name:action", has a fault happen
 * at a point: error and fatal raise that, crash ends the process as kill -9
 * does.  HNR_DEBUG_FAULT("name") is true where the list has any action for the name:
 * the caller then acts as if something had gone wrong.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_DEBUG_POINT_H
#define HNR_DEBUG_POINT_H

#ifdef HNR_DEBUG_POINTS
extern void hnr_debug_point_init(void);
extern void hnr_debug_point(const char *name);
extern bool hnr_debug_fault(const char *name);
#define HNR_DEBUG_POINT_INIT()	hnr_debug_point_init()
#define HNR_DEBUG_POINT(name)	hnr_debug_point(name)
#define HNR_DEBUG_FAULT(name)	hnr_debug_fault(name)
#else
#define HNR_DEBUG_POINT_INIT()	((void) 0)
#define HNR_DEBUG_POINT(name)	((void) 0)
#define HNR_DEBUG_FAULT(name)	false
#endif

#endif							/* HNR_DEBUG_POINT_H */
