/*-------------------------------------------------------------------------
 *
 * debug_point.h
 *		Named pauses for tests, compiled in only with -DHNR_DEBUG_POINTS.
 *
 * HNR_DEBUG_POINT("name") waits while another session holds the advisory lock
 * that hnr_debug_point_key('name') names; it is a no-op in a release build.
 * The lock manager does the waiting, so isolationtester sees the pause as a
 * lock wait.  Never place one where a content lock or a spinlock is held.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_DEBUG_POINT_H
#define HNR_DEBUG_POINT_H

#ifdef HNR_DEBUG_POINTS
extern void hnr_debug_point(const char *name);
#define HNR_DEBUG_POINT(name)	hnr_debug_point(name)
#else
#define HNR_DEBUG_POINT(name)	((void) 0)
#endif

#endif							/* HNR_DEBUG_POINT_H */
