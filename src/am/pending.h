/*-------------------------------------------------------------------------
 *
 * pending.h
 *		The pending list: rows that are in the index, but not in the graph yet.
 *
 * With the option `deferred`, an insertion appends the row to a list of pages and
 * leaves the search for its neighbours to a merge (merge.h).  Whoever looks for rows
 * reads the list first and then the graph: a row comes into the graph before it leaves
 * the list, and never the other way round.  README ("Pending rows") tells the whole.
 *
 * Pages of the list have consecutive serials that are never used again, so a reader
 * needs no lock on the way from one to the next: if the page is not the one that it
 * expects, all rows up to there are in the graph, and it goes on from the present head.
 * A page of rows owns those with their vectors; they leave the list with it and are
 * kept, in a list of their own, for rows to come.
 *
 * Lock order: metapage, a vertex, a page of rows, one of vectors or of chunks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PENDING_H
#define HNR_PENDING_H

#include "am/index.h"
#include "am/stored.h"
#include "am/wal.h"
#include "storage/lockdefs.h"

#define HNR_PENDING_KINDS \
	(HNR_KIND_BIT(HNR_PAGE_PENDING) | HNR_KIND_BIT(HNR_PAGE_PENDING_DATA) | \
	 HNR_KIND_BIT(HNR_PAGE_PENDING_FREE))

/* ---- geometry ---- */

/* How the centre of a page stands on it; 0 bytes: there is none, it is the origin. */
extern HnrEncoding hnr_pending_center_encoding(const HnrLayout *layout);
extern int	hnr_pending_center_size(const HnrLayout *layout);

/* As many pages have the same centre, from one whose serial is a multiple of it on. */
#define HNR_PENDING_CENTER_RUN	16

/* Entries that a page has room for, and the bytes of one with its slot. */
extern int	hnr_pending_per_page(const HnrLayout *layout);

static inline int
hnr_pending_entry_size(const HnrLayout *layout)
{
	return (int) sizeof(HnrPendingEntry) + layout->slot_size;
}

static inline char *
hnr_pending_center(Page page)
{
	return (char *) (hnr_page_pending(page) + 1);
}

/* Entry i, from 0 on. */
static inline HnrPendingEntry *
hnr_pending_entry(const HnrLayout *layout, Page page, int i)
{
	return (HnrPendingEntry *) (hnr_pending_center(page) + INTALIGN(hnr_page_pending(page)->center_size) +
								(Size) i * hnr_pending_entry_size(layout));
}

static inline HnrSlot *
hnr_pending_slot(HnrPendingEntry *entry)
{
	return (HnrSlot *) (entry + 1);
}

/* Whether the row is still to be looked for in the list. */
static inline bool
hnr_pending_is_listed(const HnrPendingEntry *entry)
{
	return (entry->flags & (HNR_PENDING_DONE | HNR_PENDING_DEAD)) == 0;
}

/* The centre of a page, as floats. */
extern void hnr_pending_get_center(const HnrLayout *layout, Page page, float *center);

/* About how many rows the list has, by the metapage: to a page or two. */
extern double hnr_pending_rows(const HnrIndex *index);

/* ---- pending_pages.c: pages come ---- */

/* Where vectors begin on a page of them, from its contents on; each at a multiple of 8. */
#define HNR_PENDING_DATA_START	((int) sizeof(HnrPendingHead))
#define HNR_PENDING_DATA_CAPACITY	(HNR_PAGE_CAPACITY - HNR_PENDING_DATA_START)

/*
 * Adds a page to the end of the list, for a vector and others near it, unless that is another
 * than the metapage said when it was read last.
 */
extern void hnr_pending_add_page(HnrIndex *index, const float *vec);

/*
 * Gives the page of rows in ownerbuf another page of vectors, with `used` bytes on it.
 * Both it and the metapage are locked.
 */
extern void hnr_pending_add_data(HnrIndex *index, Buffer metabuf, Buffer ownerbuf,
								 const char *bytes, int used);

/* ---- pending.c: rows come ---- */

/* Appends a row; known: there is likely to be another with its vector. */
extern void hnr_pending_append(HnrIndex *index, const HnrRow *row, bool known);

/*
 * The deviation of estimates from the slot of a vector, as the centre has it, for a query at
 * distance 1 of that: of the code's product with a random direction, and by what the slot's factor
 * may be rounded.  Infinite where it is no number.
 */
extern float hnr_pending_spread(const HnrCodec *codec, const float *center, const float *vec,
								const HnrSlot *slot);

/* ---- pending_list.c: rows are read, marked, and leave ---- */

typedef struct HnrPendingWalk
{
	HnrIndex   *index;
	BlockNumber block;			/* to be read next; invalid: none */
	uint64		serial;			/* of that */
} HnrPendingWalk;

/* From the head that the metapage had when it was read last. */
extern void hnr_pending_walk_begin(HnrPendingWalk *walk, HnrIndex *index);

/*
 * The next page, locked; invalid at the end.  Those left out have no rows that are
 * not in the graph.
 */
extern Buffer hnr_pending_walk_next(HnrPendingWalk *walk, int lock);

/* Raises an error if the heap TID of an entry is none; it stands on that block. */
extern void hnr_pending_check_tid(HnrIndex *index, BlockNumber block, const HnrPendingEntry *entry);

/* A page of rows with that serial, locked; invalid if it has left the list. */
extern Buffer hnr_pending_page(HnrIndex *index, BlockNumber block, uint64 serial, int lock);

/*
 * Reads the vector of an entry, of a page with that serial, to vec; false if its page has
 * been put to another use, or `damaged` says that it is none.  Locks one page at a time.
 */
extern bool hnr_pending_read_vector(HnrIndex *index, const HnrPendingEntry *entry, uint64 serial,
									float *vec, const char **damaged);

/* An entry that an insertion is to mark when its row gets into the graph. */
typedef struct HnrPendingMark
{
	BlockNumber block;
	uint64		serial;
	int			i;
	Buffer		buf;			/* locked from begin to end */
} HnrPendingMark;

/*
 * Claims a page, for the transaction or until it is given back: whoever merges it, or marks
 * its dead rows.  So no row of it is on its way into the graph when vacuum finds it dead.  False
 * if others have it, or the table of locks is full, and the caller would not wait.  The page may
 * have left the list by then.
 */
extern bool hnr_pending_claim(Relation index, BlockNumber block, LOCKMODE mode, bool wait);
extern void hnr_pending_unclaim(Relation index, BlockNumber block, LOCKMODE mode);

/* Locks the page of index->mark, after that of the vertex. */
extern void hnr_pending_mark_begin(HnrIndex *index);

/* Adds to the change that puts the row into a vertex that the row is there. */
extern void hnr_pending_mark_put(HnrIndex *index, HnrChange *change, const ItemPointerData *vertex,
								 uint32 generation, int flags);
extern void hnr_pending_mark_end(HnrIndex *index);

/* Marks as done those of n entries of a page that are in the graph, or dead. */
extern void hnr_pending_mark_done(HnrIndex *index, BlockNumber block, uint64 serial,
								  const int *entries, int n);

/* Whether a page has had rows and has nothing left to be done. */
extern bool hnr_pending_is_finished(HnrIndex *index, Page page);

/*
 * Takes pages out at the head that have nothing left to be done; rate: at which rows were
 * merged, 0: not known.
 */
extern void hnr_pending_trim(HnrIndex *index, float rate);

/*
 * For vacuum, before it looks at the graph: marks rows that is_dead says so of; adds to the
 * counts those removed, and those kept that are not in the graph.
 */
extern void hnr_pending_vacuum(HnrIndex *index, bool (*is_dead) (ItemPointer tid, void *state),
							   void *state, double *removed, double *kept);

/* What index_status shows. */
typedef struct HnrPendingFigures
{
	double		rows;			/* not in the graph; of long lists, about */
	int64		oldest;			/* when the first of these came, a TimestampTz; 0: none */
	float		merge_rate;
} HnrPendingFigures;

extern void hnr_pending_figures(HnrIndex *index, HnrPendingFigures *figures);

/* Copies a page of the list; false if it is none, for whatever reason. */
extern bool hnr_pending_copy_page(HnrIndex *index, BlockNumber block, uint64 serial, Page copy);

#endif							/* HNR_PENDING_H */
