/*-------------------------------------------------------------------------
 *
 * drain.h
 *		ALTER INDEX ... SET (deferred = off), or RESET, empties the pending list.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_DRAIN_H
#define HNR_DRAIN_H

/* From _PG_init. */
extern void hnr_drain_init(void);

#endif							/* HNR_DRAIN_H */
