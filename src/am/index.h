/*-------------------------------------------------------------------------
 *
 * index.h
 *		An hnsw index in use: its metapage, as read, and what follows from it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_INDEX_H
#define HNR_INDEX_H

#include "am/codec.h"
#include "am/layout.h"
#include "am/metric.h"
#include "storage/buf.h"
#include "utils/rel.h"

/* The rotation of all indexes of this version; each metapage names its own. */
#define HNR_DEFAULT_SEED UINT64CONST(0x9E3779B97F4A7C15)

#define HNR_MAX_LEVEL 24

typedef struct HnrIndex
{
	Relation	rel;
	Relation	heap;			/* its table; NULL where that is not at hand */
	const HnrMetric *metric;
	HnrMetaPage meta;			/* a copy; entry and entry_level may be old */
	HnrLayout	layout;
	HnrCodec   *codec;
	bool		building;		/* our own build: pages are not logged one by one */
	bool		entry_known;	/* meta's is as hnr_index_open read it, and not asked for yet */
	struct HnrPendingMark *mark;	/* the row being inserted is one of the pending list: to be
									 * marked there when it is in the graph; or NULL */
} HnrIndex;

/* The entry point: a vertex of the highest level, and that level. */
typedef struct HnrEntry
{
	ItemPointerData tid;
	int			level;			/* -1: the graph is empty */
} HnrEntry;

/* Reads and checks the metapage; allocates in the current memory context. */
extern HnrIndex *hnr_index_open(Relation rel);

/* What is wrong about rel's metapage, as a sentence; NULL: nothing, or another version. */
extern const char *hnr_index_meta_problem(Relation rel, const HnrMetaPage *meta);

/* Reads the metapage again. */
extern void hnr_index_read_meta(HnrIndex *index);

/*
 * The entry point: at first as hnr_index_open found it, from then on as it is now.  And
 * whether it is now another one than it was.
 */
extern HnrEntry hnr_index_entry(HnrIndex *index);
extern bool hnr_index_entry_moved(HnrIndex *index, HnrEntry before);

/* The ground vertex below an entry point, which paths are counted from (reach.h); false: it is gone. */
extern bool hnr_index_below_entry(HnrIndex *index, HnrEntry entry, ItemPointer ground);

/*
 * Of an index of so many blocks, how many vertices to look at from there on before the pages are
 * gone through in their order: so that paths begin in many places, and few pages are read again.
 */
static inline int64
hnr_index_looks_ahead(BlockNumber blocks)
{
	return Max(blocks / 32, 16);
}

/* A metapage for a new build of rel with its present options, not yet on disk. */
extern HnrIndex *hnr_index_plan(Relation rel, HnrEncoding encoding);

/* Changes the room of an index being built (room.h), in memory and on block 0, which exists. */
extern void hnr_index_set_room(HnrIndex *index, int room);

/* Writes block 0 of a fork of an empty relation from index->meta. */
extern void hnr_index_write_meta(HnrIndex *index, ForkNumber fork);

/*
 * Makes a vertex the entry point if it is of a higher level than the present one
 * or, with force, in any case (level -1: none).  Takes and releases the metapage's
 * exclusive lock; call with no content lock held.
 */
extern void hnr_index_set_entry(HnrIndex *index, HnrEntry entry, bool force);

/*
 * Puts a replacement (level -1: none) in the place of the entry point if that is
 * dead.  Takes and releases the metapage's exclusive lock.
 */
extern void hnr_index_replace_dead_entry(HnrIndex *index, bool (*is_dead) (ItemPointer tid, void *state),
										 void *state, HnrEntry replacement);

/*
 * For the first vertex of an empty graph: locks the metapage exclusively and
 * returns it if the graph is empty or its entry point is no longer live, else
 * InvalidBuffer.  hnr_index_put_entry then sets the entry under that lock.
 */
extern Buffer hnr_index_lock_if_empty(HnrIndex *index);
extern void hnr_index_put_entry(HnrIndex *index, Buffer metabuf, HnrEntry entry);

#endif							/* HNR_INDEX_H */
