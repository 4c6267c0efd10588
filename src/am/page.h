/*-------------------------------------------------------------------------
 *
 * page.h
 *		The disk format: every structure that stands on a page, and checked
 *		accessors to them.  README ("Pages") tells the whole.
 *
 * Invariants
 *	- Every page's contents begin with an HnrPageHead with HNR_PAGE_ID: it shares
 *	  the cache line of the page header, which a special space would not.
 *	- Block 0 is the metapage.
 *	- A vertex page of a shape holds per_page vertices of equal size, one after
 *	  another, from the page's contents on; there are no line pointers.
 *	- A vertex that does not fit on one page stands on `parts` consecutive
 *	  blocks, one vertex only, its first part as above and the others on
 *	  HNR_PAGE_PART pages that repeat its generation.
 *	- Slots 0 .. degree-1 of a vertex are in use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PAGE_H
#define HNR_PAGE_H

#include "storage/bufpage.h"
#include "storage/itemptr.h"
#include "storage/off.h"

#define HNR_MAGIC			0x484E5352	/* "HNSR" */
#define HNR_FORMAT_VERSION	2
#define HNR_PAGE_ID			0xFFA7
#define HNR_METAPAGE		0

typedef enum HnrPageKind
{
	HNR_PAGE_META = 1,
	HNR_PAGE_GROUND = 2,		/* vertices of level 0 */
	HNR_PAGE_UPPER = 3,			/* vertices of levels above */
	HNR_PAGE_PART = 4,			/* a later part of the vertex before it */
	HNR_PAGE_TIDS = 5,			/* chunks of heap TIDs */
	HNR_PAGE_TAIL = 6,			/* pieces of what vertices have no room for */
	HNR_PAGE_PENDING = 7,		/* rows that are not in the graph yet */
	HNR_PAGE_PENDING_DATA = 8,	/* their vectors */
	HNR_PAGE_PENDING_FREE = 9,	/* was one of rows, and will be one of either kind */
	HNR_PAGE_LAST = HNR_PAGE_PENDING_FREE
} HnrPageKind;

typedef struct HnrPageHead
{
	uint16		page_id;		/* HNR_PAGE_ID */
	uint16		kind;			/* HnrPageKind */
	uint32		unused;
} HnrPageHead;

/* Where the contents begin, and how many bytes there are. */
#define HNR_PAGE_START		((int) (MAXALIGN(SizeOfPageHeaderData) + sizeof(HnrPageHead)))
#define HNR_PAGE_CAPACITY	((int) BLCKSZ - HNR_PAGE_START)

/* How the coordinates of vectors are stored (stored.h). */
typedef enum HnrEncoding
{
	HNR_ENCODING_FLOAT = 1,
	HNR_ENCODING_HALF = 2,
	HNR_ENCODING_BYTE = 3,
	HNR_ENCODING_SHORT = 4,
	HNR_ENCODING_LAST = HNR_ENCODING_SHORT
} HnrEncoding;

/* What is stored of a coordinate, less the bias, is to be multiplied by 2^exponent. */
typedef struct HnrScale
{
	int8		exponent;		/* 0 for floats */
	uint8		bias;			/* 0 but for bytes */
} HnrScale;

/* The metapage, from the page's contents on. */
typedef struct HnrMetaPage
{
	uint32		magic;
	uint32		version;
	uint16		dims;			/* of the column; the lower half */
	uint8		metric;			/* HnrMetricKind */
	uint8		element;		/* HnrElement: of the column's type */
	uint8		code_bits;		/* per rotated dimension; 0: no codes */
	uint8		encoding;		/* HnrEncoding */
	uint16		m;
	uint16		ef_construction;
	uint16		slots_ground;
	uint16		slots_upper;
	int16		entry_level;	/* -1: the graph is empty */
	uint64		seed;			/* of the rotation */
	ItemPointerData entry;		/* a vertex of level entry_level */
	uint16		dims_high;		/* the upper half */
	/* The list of rows that are not in the graph yet (pending.h). */
	BlockNumber pending_head;	/* invalid: it is empty */
	BlockNumber pending_tail;
	uint64		pending_serial; /* of its tail, or of the last there was */
	uint32		room;			/* words of a vector on its vertex, where vectors vary
								 * (tail.h) */
	BlockNumber pending_free;	/* the first page of no use; zero: none */
	uint64		pending_head_serial;
	float		merge_rate;		/* rows a second, of late; zero: not known */
	uint32		unused;			/* zero */
	uint64		reserved[5];	/* zero */
} HnrMetaPage;

typedef enum HnrVertexState
{
	HNR_VERTEX_FREE = 0,		/* never used */
	HNR_VERTEX_LIVE = 1,
	HNR_VERTEX_DELETED = 2,		/* no heap TID left; still linked and passable */
	HNR_VERTEX_REMOVED = 3		/* unlinked; reusable once removed_xid is old */
} HnrVertexState;

/* The dimensions that the column has, or bits. */
static inline int
hnr_meta_dims(const HnrMetaPage *meta)
{
	return (int) meta->dims | (int) meta->dims_high << 16;
}

static inline void
hnr_meta_set_dims(HnrMetaPage *meta, int dims)
{
	meta->dims = (uint16) dims;
	meta->dims_high = (uint16) (dims >> 16);
}

#define HNR_INLINE_TIDS 3

typedef struct HnrVertex
{
	uint8		state;			/* HnrVertexState */
	uint8		level;
	uint16		degree;			/* slots in use */
	uint8		ntids;			/* ground: tids in use */
	HnrScale	scale;			/* of the stored vector */
	uint8		flags;			/* HNR_VERTEX_... below */
	uint32		generation;		/* changes with each use of this place */
	float		error;			/* ground: what rounding the vector has cost, the
								 * most of its rows (stored.h, metric.h) */
	ItemPointerData link;		/* ground: first chunk of more heap TIDs, or
								 * invalid; upper: this vertex one level down */
	ItemPointerData tids[HNR_INLINE_TIDS];	/* ground: heap TIDs; upper: [0] is
											 * the ground vertex */
} HnrVertex;

/*
 * Ground: no transaction can see any of its rows any more, which a scan found out
 * (kill.h).  Says nothing to a standby, where older snapshots may be in use.
 */
#define HNR_VERTEX_ALL_DEAD		0x01

/*
 * Ground: how many vacuums, up to three, have taken links from the list since it was chosen.
 */
#define HNR_VERTEX_LOST_ONE		0x02
#define HNR_VERTEX_LOST			0x06
#define HNR_VERTEX_FLAGS		(HNR_VERTEX_ALL_DEAD | HNR_VERTEX_LOST)

/* Where a removed vertex keeps the transaction counter of its removal. */
#define HNR_REMOVED_XID(v)	((char *) (v)->tids)

/* The head of a later part, from the contents of an HNR_PAGE_PART page on. */
typedef struct HnrPart
{
	uint32		generation;
	uint16		part;			/* 1, 2, ... */
	uint16		unused;
} HnrPart;

#define HNR_PIECE_WORDS 250

/* A piece of a vector that its vertex has no room for; those of a vertex form a list. */
typedef struct HnrPiece
{
	ItemPointerData owner;		/* the vertex; invalid: the piece is free */
	ItemPointerData next;		/* invalid: this is the last */
	uint32		generation;		/* that of the owner */
	uint16		number;			/* in the list: 0, 1, ... */
	uint16		unused;
	uint32		words[HNR_PIECE_WORDS];
} HnrPiece;

#define HNR_PIECES_PER_PAGE ((int) (HNR_PAGE_CAPACITY / sizeof(HnrPiece)))

/* Before the words of a vector that varies, on its vertex. */
typedef struct HnrVarying
{
	ItemPointerData tail;		/* the first piece of the rest, or invalid */
	uint16		unused;
} HnrVarying;

/*
 * A neighbour.  With codes, HnrSlot is followed by the code, and an estimate
 * of its distance is  d(q, vertex) + constant + factor * <xbar, Rq>.
 */
typedef struct HnrSlot
{
	ItemPointerData vertex;
	uint16		factor;			/* the upper half of a float */
	float		constant;
} HnrSlot;

#define HNR_PLAIN_SLOT_SIZE		8	/* no codes: only .vertex counts */

#define HNR_CHUNK_TIDS 16

/* More heap TIDs of one ground vertex; chunks of a vertex form a list. */
typedef struct HnrTidChunk
{
	ItemPointerData owner;		/* the vertex; invalid: the chunk is free */
	ItemPointerData next;
	uint16		ntids;
	uint16		unused;
	uint32		generation;		/* that of the owner */
	ItemPointerData tids[HNR_CHUNK_TIDS];
} HnrTidChunk;

#define HNR_CHUNKS_PER_PAGE ((int) (HNR_PAGE_CAPACITY / sizeof(HnrTidChunk)))

/*
 * The head of a page of pending rows or of their vectors, from its contents on.  Pages in
 * the list have consecutive serials, which are never used again.
 */
typedef struct HnrPendingHead
{
	uint64		serial;			/* of vectors: that of the page whose rows they are of */
	BlockNumber next;			/* in the list; of vectors: the next of the same page's, which
								 * was there before; of no use: the next such; or invalid */
	BlockNumber owner;			/* of vectors: that page */
	BlockNumber data;			/* of rows: the last page of vectors that it got, or invalid */
	BlockNumber first_data;		/* the first one */
	uint16		count;			/* of rows: entries */
	uint16		used;			/* of vectors: bytes */
	HnrScale	center_scale;
	uint16		center_size;	/* bytes of the centre that follows; 0: it is the origin */
	int64		begun;			/* of rows: when it got the first */
} HnrPendingHead;

/*
 * A pending row.  Its slot follows, as the centre of the page would have it: with the
 * estimate of its distance, and naming its vertex once it has one.
 */
typedef struct HnrPendingEntry
{
	ItemPointerData tid;		/* in the table */
	HnrScale	scale;			/* of the stored vector */
	BlockNumber data;			/* where that begins */
	uint16		offset;			/* from the contents of that page on */
	uint16		flags;			/* HNR_PENDING_... below */
	uint32		size;			/* bytes of it */
	uint32		age;			/* when it came, in ms since the page was begun */
	uint32		generation;		/* of its vertex */
	float		error;			/* see HnrVertex */
	float		spread;			/* deviation of the estimate, per unit of the query's way
								 * to the centre */
} HnrPendingEntry;

#define HNR_PENDING_KNOWN		0x0001	/* there is likely to be another with the vector */
#define HNR_PENDING_IN_GRAPH	0x0002	/* its vertex is there; links may be missing */
#define HNR_PENDING_DONE		0x0004	/* it is found by searches */
#define HNR_PENDING_DEAD		0x0008	/* vacuum knows that nobody sees it */
#define HNR_PENDING_FLAGS		0x000F

StaticAssertDecl(sizeof(HnrPendingHead) == 40, "HnrPendingHead is part of the disk format");
StaticAssertDecl(sizeof(HnrPendingEntry) == 36, "HnrPendingEntry is part of the disk format");
StaticAssertDecl(sizeof(HnrVertex) == 40, "HnrVertex is part of the disk format");
StaticAssertDecl(sizeof(HnrPageHead) == 8, "HnrPageHead is part of the disk format");
StaticAssertDecl(sizeof(HnrPiece) == 1020, "HnrPiece is part of the disk format");
StaticAssertDecl(sizeof(HnrVarying) == 8, "HnrVarying is part of the disk format");
StaticAssertDecl(sizeof(HnrSlot) == 12, "HnrSlot is part of the disk format");

/* Whether two TIDs are the same; either may be invalid, as what is read may be. */
static inline bool
hnr_same_tid(const ItemPointerData *a, const ItemPointerData *b)
{
	return ItemPointerGetBlockNumberNoCheck(a) == ItemPointerGetBlockNumberNoCheck(b) &&
		ItemPointerGetOffsetNumberNoCheck(a) == ItemPointerGetOffsetNumberNoCheck(b);
}

static inline HnrPageHead *
hnr_page_head(Page page)
{
	return (HnrPageHead *) PageGetContents(page);
}

static inline char *
hnr_page_contents(Page page)
{
	return (char *) page + HNR_PAGE_START;
}

static inline HnrMetaPage *
hnr_page_meta(Page page)
{
	return (HnrMetaPage *) hnr_page_contents(page);
}

static inline HnrTidChunk *
hnr_page_chunk(Page page, OffsetNumber pos)
{
	Assert(pos >= 1 && pos <= HNR_CHUNKS_PER_PAGE);
	return (HnrTidChunk *) hnr_page_contents(page) + (pos - 1);
}

static inline HnrPiece *
hnr_page_piece(Page page, OffsetNumber pos)
{
	Assert(pos >= 1 && pos <= HNR_PIECES_PER_PAGE);
	return (HnrPiece *) hnr_page_contents(page) + (pos - 1);
}

static inline HnrPendingHead *
hnr_page_pending(Page page)
{
	return (HnrPendingHead *) hnr_page_contents(page);
}

/* Whether the page is ours; the caller knows that it is not new. */
static inline bool
hnr_page_is_ours(Page page)
{
	return hnr_page_head(page)->page_id == HNR_PAGE_ID;
}

/*
 * Makes an empty page of a kind, all zero, with `used` bytes of contents below
 * pd_lower; the places above it stay zero until something is put there (wal.h).
 */
extern void hnr_page_init(Page page, HnrPageKind kind, int used);

#endif							/* HNR_PAGE_H */
