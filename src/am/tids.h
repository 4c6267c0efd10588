/*-------------------------------------------------------------------------
 *
 * tids.h
 *		The heap TIDs of a ground vertex: a few in the vertex, more in chunks.
 *
 * Rows with the same vector share a vertex, however many they are.  The chunks of
 * a vertex form a list, the newest first; only the newest may have room.  Lock
 * order: the vertex, then a chunk's page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TIDS_H
#define HNR_TIDS_H

#include "am/idset.h"
#include "am/store_disk.h"
#include "am/vertex.h"

/*
 * Adds a heap TID, and the error of its row's vector, to a locked ground vertex; where
 * index->mark names the row in the pending list, between begin and end of the mark.
 */
extern void hnr_tids_add(HnrLockedVertex *locked, ItemPointer heap_tid, float error);

/* Reads the TIDs of a visited vertex one after another, without keeping locks. */
typedef struct HnrTidReader
{
	HnrIndex   *index;
	ItemPointerData owner;
	uint32		generation;
	ItemPointerData next;		/* chunk to read next */
	bool		alone;			/* nobody else takes chunks away: see read_chunk */
	HnrIdSet	seen;			/* chunks, else; no entries: not begun */
	ItemPointerData milestone;
	uint64		steps;
	int			pos;
	int			ntids;
	ItemPointerData tids[HNR_CHUNK_TIDS];
} HnrTidReader;

extern void hnr_tids_read_start(HnrTidReader *reader, HnrIndex *index, const HnrVisited *visited);
extern bool hnr_tids_read_next(HnrTidReader *reader, ItemPointer heap_tid);

/* Whether a heap TID is to go. */
typedef bool (*HnrTidIsDead) (ItemPointer tid, void *state);

/*
 * Takes the dead TIDs out of a locked ground vertex; chunks left empty become free.
 * Sets what it removed, adds what stayed.  True if no TID is left; the vertex is
 * then marked as deleted, in the same critical order that keeps a TID from being
 * added to it later.
 */
extern bool hnr_tids_remove_dead(HnrLockedVertex *locked, HnrTidIsDead is_dead, void *state,
								 int64 *removed, int64 *kept);

/*
 * For vacuum, on the TIDs in a ground vertex itself: how many of them are dead; and
 * takes those out, in the image of a change, and returns how many they were.
 */
extern int	hnr_tids_count_dead(HnrIndex *index, const ItemPointerData *owner, const HnrVertex *v,
								HnrTidIsDead is_dead, void *state);
extern int	hnr_tids_prune(HnrVertex *v, HnrTidIsDead is_dead, void *state);

/* For vacuum: whether any TID of a vertex is dead; calls is_dead for each one, changes nothing. */
extern bool hnr_tids_any_dead(HnrIndex *index, const HnrVisited *visited,
							  HnrTidIsDead is_dead, void *state, int64 *count);

#endif							/* HNR_TIDS_H */
