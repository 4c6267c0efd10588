/*-------------------------------------------------------------------------
 *
 * junk.h
 *		Plans of index scans without the distances that nobody reads.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_JUNK_H
#define HNR_JUNK_H

/* Called from _PG_init: puts a planner hook in place. */
extern void hnr_junk_init(void);

#endif							/* HNR_JUNK_H */
