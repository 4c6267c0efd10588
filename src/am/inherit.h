/*-------------------------------------------------------------------------
 *
 * inherit.h
 *		What a build takes over from an old index on the same rows: vectors, links and
 *		their codes.
 *
 * In this order: create reads which heap TIDs the old index has; claim says which of them
 * go into the new one; load makes a node of each vertex that has any, with its vector and
 * those of its links that lead to other such nodes.  Old slots are read again when
 * nodes are written.  README ("Build from an old graph") tells why that is right.
 *
 * Whatever is found wrong on a page is an error (ERRCODE_INDEX_CORRUPTED): the caller
 * builds from scratch then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_INHERIT_H
#define HNR_INHERIT_H

#include "am/slots.h"
#include "compat.h"

/* Fewer vertices than these are linked one by one in a build from scratch. */
#define HNR_INHERIT_LEAST	2000

typedef struct HnrInherit HnrInherit;

/* What is known of a node's list, in a byte. */
#define HNR_INHERITED_LOST		0x01	/* some neighbours are gone, or two vacuums took some */
#define HNR_INHERITED_ADDED		0x02	/* it was added after the last build */

typedef struct HnrInheritFigures
{
	uint32		vertices;		/* live ones of the old index */
	uint64		tids;
	uint64		links;			/* after hnr_inherit_load: taken over */
	uint64		lost;			/* and those that were not */
} HnrInheritFigures;

/*
 * For a graph without nodes; in the current memory context.  The caller holds a lock on the
 * old index, and one on its table that keeps VACUUM away, until the last call.
 */
extern HnrInherit *hnr_inherit_create(HnrIndex *old, Relation heap, HnrMemGraph *graph);

/* Bytes that all this may take, and the error where it does not do. */
extern Size hnr_inherit_budget(void);
pg_noreturn extern void hnr_inherit_no_memory(void);

/* Bytes that it takes beside the graph: more before load than after. */
extern Size hnr_inherit_memory(const HnrInherit *h);

extern const HnrInheritFigures *hnr_inherit_figures(const HnrInherit *h);

/* Whether the old index has a row; if so, it goes into the graph.  And the number of its vertex. */
extern bool hnr_inherit_claim(HnrInherit *h, ItemPointer tid, uint32 *vertex);

/* Makes the nodes, with their links, which have no distances yet. */
extern void hnr_inherit_load(HnrInherit *h);

/* The node of a vertex that has been claimed. */
extern uint32 hnr_inherit_node(const HnrInherit *h, uint32 vertex);

/* HNR_INHERITED_... of a node. */
extern uint8 hnr_inherit_flags(const HnrInherit *h, uint32 node);

/* After that: an error where codes of a sample do not agree with the vectors. */
extern void hnr_inherit_check_codes(HnrInherit *h);

/* The error where something about a node is found wrong. */
pg_noreturn extern void hnr_inherit_report(const HnrInherit *h, uint32 node, const char *detail);

/* An HnrReadOldSlots, with the HnrInherit as its state. */
extern void hnr_inherit_slots(void *state, uint32 node, HnrOldSlots *old);

/*
 * Between pieces of work of so many microseconds: lets interrupts and others in.  An
 * interrupt tells, too, that somebody waits for the old index, so nothing takes long without one.
 */
extern void hnr_inherit_poll(int us);

/* Says that the old index will not be read any more. */
extern void hnr_inherit_end(HnrInherit *h);

#endif							/* HNR_INHERIT_H */
