/*-------------------------------------------------------------------------
 *
 * throttle.h
 *		Background work that is not felt: priority, pauses, rate of WAL.
 *
 * A process that works for nobody who waits (a rebuild's worker, the launcher's
 * checks) calls hnr_background_begin() once.  From then on the operating system
 * prefers everybody else to it (hnsw_rebuild.nice), and the points below pause it as
 * hnsw_rebuild.max_cpu and hnsw_rebuild.wal_rate say.  In all other processes they
 * do nothing.  A leaf: everybody may include it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_THROTTLE_H
#define HNR_THROTTLE_H

/* Whether this process does background work. */
extern bool hnr_background;

/* This process does background work from now on. */
extern void hnr_background_begin(void);

/*
 * For a short while that others may have to wait for: normal priority, where the
 * operating system lets a process get it back, and then the low one again.
 */
extern void hnr_background_hurry(bool hurry);

/*
 * For a process that works at normal priority, but for nobody who waits just now: whoever wakes up
 * has its processor at once, where the operating system lets a process say so.  Otherwise false.
 */
extern bool hnr_give_way(void);

/* Called by hnr_throttle; after how many more microseconds of work. */
extern int	hnr_throttle_us_left;
extern void hnr_throttle_look(void);

/*
 * After a piece of work of about so many microseconds, which only tells how often to
 * look at the clock.  May sleep, so the caller holds no lock that others wait for and
 * no page's; handles interrupts, and takes over settings that were changed in the
 * configuration file, but not while parallel workers are at work.
 */
static inline void
hnr_throttle(int us)
{
	if (hnr_background && (hnr_throttle_us_left -= us) <= 0)
		hnr_throttle_look();
}

/* After so many bytes were added to the WAL; likewise. */
extern void hnr_throttle_wal(Size bytes);

#endif							/* HNR_THROTTLE_H */
