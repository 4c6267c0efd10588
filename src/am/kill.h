/*-------------------------------------------------------------------------
 *
 * kill.h
 *		Vertices whose rows a scan found to be dead to everybody.
 *
 * The executor tells a scan which heap TID led to nothing that any transaction can
 * see (kill_prior_tuple).  A vertex that has no others is marked, and later scans
 * pass through it as through a deleted one, so that dead rows use up no part of
 * ef_search until VACUUM comes.  Nothing else changes: the vertex keeps its TIDs,
 * VACUUM treats it like any, and a row that joins it takes the mark away.
 *
 * The mark is a change of the page like others, logged, and not a hint: generic WAL
 * compares whole pages when it is verified (wal_consistency_checking).  A standby
 * gets the mark and does not look at it, for its snapshots may be older than the
 * primary's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_KILL_H
#define HNR_KILL_H

#include "am/store_disk.h"

typedef struct HnrKills HnrKills;

/* Whether vertices of the index can be marked: see kill.c. */
extern bool hnr_kills_possible(HnrIndex *index);

/* In the current memory context. */
extern HnrKills *hnr_kills_create(HnrIndex *index);

/*
 * A visited vertex, all TIDs of which, ntids in number, have been returned and were
 * dead.  Takes and releases content locks now and then; call with none held.
 */
extern void hnr_kills_add(HnrKills *kills, const HnrVisited *visited, int ntids);

/* Marks what was added. */
extern void hnr_kills_flush(HnrKills *kills);

#endif							/* HNR_KILL_H */
