/*-------------------------------------------------------------------------
 *
 * verify.h
 *		What the passes of check_index() share.
 *
 * Nothing is believed of what stands on a page.  Every page is copied under a
 * share lock, one at a time, and looked at when the lock is gone; what seems wrong
 * between two pages is looked at again, since both may have changed meanwhile, and
 * reported only if it stays so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_VERIFY_H
#define HNR_VERIFY_H

#include "am/index.h"
#include "am/pending.h"
#include "am/store_disk.h"
#include "funcapi.h"
#include "utils/tuplesort.h"

/*
 * What can be found, in the order of the table in README, which tells what each is
 * called and how bad it is.
 */
typedef enum HnrFinding
{
	/* an invariant of the format is broken */
	HNR_FOUND_METAPAGE,
	HNR_FOUND_VERSION,
	HNR_FOUND_PAGE,
	HNR_FOUND_VERTEX,
	HNR_FOUND_PART,
	HNR_FOUND_VECTOR,
	HNR_FOUND_ROUNDING,
	HNR_FOUND_LINK,
	HNR_FOUND_CODE,
	HNR_FOUND_LEVELS,
	HNR_FOUND_CHUNK,
	HNR_FOUND_TID_LIST,
	HNR_FOUND_TID_TWICE,
	HNR_FOUND_TID_WITHOUT_ROW,
	HNR_FOUND_TID_OF_OTHER_VECTOR,
	HNR_FOUND_ROW_MISSING,
	HNR_FOUND_MARKED_DEAD,
	HNR_FOUND_ENTRY_POINT,
	HNR_FOUND_PENDING,
	/* allowed, but costs recall or room */
	HNR_FOUND_ENTRY_POINT_GONE,
	HNR_FOUND_LINK_TWICE,
	HNR_FOUND_LINK_TO_DELETED,
	HNR_FOUND_LINK_TO_REMOVED,
	HNR_FOUND_NO_LINKS,
	HNR_FOUND_UNREACHABLE,
	HNR_FOUND_NO_ROW,
	HNR_FOUND_LOST_PART,
	HNR_FOUND_LOST_PIECE,
	HNR_FOUND_FREE_SPACE,
	HNR_FOUND_MORE
} HnrFinding;

/* What is known of a place (vertex, chunk or piece), as bits of a uint16. */
#define HNR_PLACE_STATE			0x0003	/* HnrVertexState; others: LIVE or FREE */
#define HNR_PLACE_LINKED		0x0004	/* a link or a list leads to it */
#define HNR_PLACE_REACHED		0x0008	/* from the entry point */
#define HNR_PLACE_ALL_DEAD		0x0010	/* marked so (kill.h) */
#define HNR_PLACE_LEVEL_SHIFT	5

/* Two places of which something is to be looked at again at the end. */
typedef struct HnrSuspect
{
	HnrNodeId	at;
	HnrNodeId	other;
} HnrSuspect;

#define HNR_MAX_SUSPECTS 10000

/* How often to read what seems wrong before it is believed. */
#define HNR_VERIFY_TRIES 3

typedef struct HnrSuspects
{
	HnrSuspect *list;
	int			n;
	int64		dropped;		/* beyond HNR_MAX_SUSPECTS */
} HnrSuspects;

/* What to compare a ground vertex with its rows by. */
typedef struct HnrPrint
{
	uint32		vector;			/* a hash of it */
	float		error;			/* what rounding it has cost */
} HnrPrint;

typedef struct HnrVerify
{
	HnrIndex   *index;
	Relation	heap;
	BlockNumber blocks;			/* when the check began */
	BufferAccessStrategy strategy;
	MemoryContext scratch;		/* reset for every vertex */
	Page		page;			/* a copy, for the pass under way */

	uint8	   *kind;			/* by block; 0: new, or not one of ours */
	uint64	   *first;			/* by block: its first place */
	uint16	   *place;			/* HNR_PLACE_* */
	HnrPrint   *print;			/* by place: of ground vertices */
	uint64		nplaces;
	uint64		maxplaces;
	int64		nlive;			/* ground vertices */
	int64		nslots;
	int64		nunlinked;		/* ground vertices without a neighbor */
	HnrNodeId	unlinked;		/* the first of them */
	HnrSuspects links;			/* vertex, neighbour that is not live */

	Tuplesortstate *tids;		/* of heap TIDs, each with its vector's print */

	ReturnSetInfo *result;
	const char *leaf;			/* of a partitioned index: its name, to stand before
								 * messages; else NULL */
	int64		nfindings;
} HnrVerify;

/* A vertex, copied from all of its parts. */
typedef struct HnrVertexCopy
{
	ItemPointerData tid;
	int			level;			/* of its page kind: 0, or above */
	HnrVertex	head;
	float	   *vec;
	char	   *slots;
	int			nslots;			/* degree, as far as there is room for it */
	const char *problem;		/* what kept it from being read whole, or NULL */
} HnrVertexCopy;

/* ---- verify.c ---- */

/* Adds a row to the result; position 0: none. */
extern void hnr_verify_report(HnrVerify *v, HnrFinding finding, BlockNumber block, int position,
							  const char *fmt,...) pg_attribute_printf(5, 6);

/* Notes a pair to look at again; forgets it where there are too many. */
extern void hnr_verify_suspect(HnrSuspects *suspects, HnrNodeId at, HnrNodeId other);

/* ---- verify_page.c: each page in itself ---- */

extern void hnr_verify_pages(HnrVerify *v);

/* What is wrong about a page as a page of ours of any kind, or NULL. */
extern const char *hnr_verify_page_problem(Page page);

/* The shape of a page kind's vertices, or NULL. */
extern const HnrShape *hnr_verify_shape(HnrVerify *v, int kind);

/* What is known of a place; NULL if there is none such or it came later. */
extern uint16 *hnr_verify_place(HnrVerify *v, HnrNodeId id);

/*
 * Calls back for every heap TID, in one pass over the index: with its vertex, and
 * with the place it stands at, which may be a chunk.
 */
typedef void (*HnrTidSeen) (HnrVerify *v, ItemPointer heap_tid, HnrNodeId vertex, HnrNodeId at,
							void *state);
extern void hnr_verify_each_tid(HnrVerify *v, HnrTidSeen seen, void *state);

/* A hash of a vector as stored, to tell it from others. */
extern uint32 hnr_verify_print(HnrVerify *v, const float *vec);

/* ---- verify_load.c: copies of whole vertices ---- */

/*
 * Copies a vertex into the current memory context; false if there is no such
 * place.  Of one in use whose parts do not fit together, problem says so.
 */
extern bool hnr_verify_load(HnrVerify *v, HnrNodeId id, HnrVertexCopy *copy);

/* Pieces of vectors that no vertex leads to, when all live ones have been loaded. */
extern void hnr_verify_pieces(HnrVerify *v);

/* ---- verify_vertex.c: each vertex, its slots, its upper and lower selves ---- */

extern void hnr_verify_vertices(HnrVerify *v);

/* ---- verify_graph.c: the graph as a whole ---- */

extern void hnr_verify_graph(HnrVerify *v);

/* ---- verify_chunks.c: lists of chunks of heap TIDs ---- */

/* The list of a ground vertex. */
extern void hnr_verify_chain(HnrVerify *v, const HnrVertexCopy *vertex);

/* Chunks that no list has. */
extern void hnr_verify_chunks(HnrVerify *v);

/* ---- verify_space.c: free places and the free space map ---- */

extern void hnr_verify_space(HnrVerify *v);

/* ---- verify_pending.c: the pending list ---- */

/* Its entries, their vectors, and its pages of no use. */
extern void hnr_verify_pending(HnrVerify *v);

/* Like hnr_pending_read_vector, without an error if it leads astray. */
extern bool hnr_verify_pending_vector(HnrVerify *v, const HnrPendingEntry *entry, uint64 serial,
									  float *vec, const char **damaged);

/* What is wrong about the head of a page of rows or of vectors, or NULL. */
extern const char *hnr_verify_pending_problem(HnrVerify *v, Page page);

/*
 * Calls back for every entry in the list, copied; where that returns false, it goes on with the
 * next page.
 */
typedef bool (*HnrPendingSeen) (HnrVerify *v, BlockNumber block, uint64 serial, int i,
								const HnrPendingEntry *entry, void *state);
extern void hnr_verify_each_pending(HnrVerify *v, HnrPendingSeen seen, void *state);

/* ---- verify_tids.c: heap TIDs ---- */

/*
 * Compares the heap TIDs with each other and, where snapshot is not NULL, them and
 * the vectors with the table's rows that it sees.
 */
extern void hnr_verify_tids(HnrVerify *v, Snapshot snapshot);

#endif							/* HNR_VERIFY_H */
