/*-------------------------------------------------------------------------
 *
 * vertex.h
 *		Writing whole vertices, and changing the slots of one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_VERTEX_H
#define HNR_VERTEX_H

#include "am/index.h"
#include "am/wal.h"
#include "storage/bufmgr.h"

/* A vertex to write. */
typedef struct HnrVertexImage
{
	int			level;
	ItemPointerData link;
	int			ntids;
	ItemPointerData tids[HNR_INLINE_TIDS];
	const float *vec;			/* layout->dims coordinates, rounded (stored.h) */
	const char *stored;			/* NULL, or the same as pages have them, with this scale */
	HnrScale	scale;
	ItemPointerData tail;		/* of the vector (tail.h) */
	float		error;
	int			degree;
	const char *slots;			/* degree slots of layout->slot_size bytes */
} HnrVertexImage;

/* Writes part p of an image at dest (the start of the part on its page). */
extern void hnr_vertex_fill_part(const HnrLayout *layout, const HnrVertexImage *image,
								 int p, uint32 generation, char *dest);

/*
 * Finds a place for the vertex, writes it there and returns its generation and TID.
 * The vertex is whole on disk before its first part says that it is live.  On the ground
 * marks the row in the pending list, if index->mark names one, in the same record.
 */
extern uint32 hnr_vertex_store(HnrIndex *index, const HnrVertexImage *image, ItemPointer tid);

/* Error if a page of the shape has no such position. */
extern void hnr_vertex_check_position(HnrIndex *index, const HnrShape *shape, ItemPointer tid);

/* A vertex that searches go through, also one not removed yet; NULL: none.  The page is locked. */
extern const HnrVertex *hnr_vertex_standing(const HnrShape *shape, Page page, OffsetNumber pos);

/*
 * A live vertex locked for a change of its slots: the first part's buffer and, if
 * the vertex has several parts, that of the part in question.
 */
typedef struct HnrLockedVertex
{
	HnrIndex   *index;
	const HnrShape *shape;
	ItemPointerData tid;
	Buffer		buf;			/* first part, exclusively locked */
	HnrVertex  *vertex;			/* in the buffer: read it, do not write */
} HnrLockedVertex;

/* Locks a vertex; false (nothing locked) if it is not live at that level. */
extern bool hnr_vertex_lock(HnrIndex *index, ItemPointer tid, int level, HnrLockedVertex *locked);
extern void hnr_vertex_unlock(HnrLockedVertex *locked);

/* The same on a page that the caller has locked, and unlocks in any case. */
extern bool hnr_vertex_on_locked_page(HnrIndex *index, ItemPointer tid, int level, Buffer buf,
									  HnrLockedVertex *locked);

/*
 * A way through the slots on the later parts of a vertex, of which the caller has the first part
 * locked, or a copy.  The last fields are for the part that is share-locked until the next call.
 */
typedef struct HnrLaterSlots
{
	HnrIndex   *index;
	const HnrShape *shape;
	BlockNumber block;			/* that the vertex begins on */
	const HnrVertex *vertex;
	int			part;			/* 0: before the first call */
	Buffer		buf;
	bool		same;			/* it is the vertex's; else that was replaced meanwhile */
	char	   *slots;			/* in the buffer: read them, do not write */
	int			n;
} HnrLaterSlots;

/* To the next part that has slots in use; false, with nothing locked, after the last. */
extern bool hnr_vertex_later_slots(HnrLaterSlots *later);

/* Copies the coordinates of a locked vertex. */
extern void hnr_vertex_get_vector(HnrLockedVertex *locked, float *vec);

/* Copies all slots in use, degree of them. */
extern void hnr_vertex_get_slots(HnrLockedVertex *locked, char *slots);

/* Writes slot i, which may be the next unused one. */
extern void hnr_vertex_put_slot(HnrLockedVertex *locked, int i, const HnrSlot *slot);

/* The same as part of a change, for vertices that have one part. */
extern void hnr_vertex_change_slot(HnrChange *change, HnrLockedVertex *locked, int i,
								   const HnrSlot *slot);

/* Replaces all slots. */
extern void hnr_vertex_put_slots(HnrLockedVertex *locked, const char *slots, int degree);

#endif							/* HNR_VERTEX_H */
