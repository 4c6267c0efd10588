/*-------------------------------------------------------------------------
 *
 * toasted.h
 *		Reading the toasted vectors of many rows, one after another.
 *
 * The server's own way opens the toast table and its index anew for each value,
 * descends the index, and leaves every page it reads in the buffer pool.  A reader
 * keeps both open, goes on in the index from one value to the next, which mostly
 * stand in the order of their rows, and reads pages through a small ring of buffers,
 * so that a pass over a table does not push everybody's pages out of memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TOASTED_H
#define HNR_TOASTED_H

#include "utils/rel.h"

typedef struct HnrToastReader HnrToastReader;

/*
 * A reader for values of the table, in the current memory context; NULL where it has
 * none that are toasted, or there is no snapshot.  The caller has a lock on the table
 * and, if it has any, an active snapshot until the reader is freed; AccessShareLock on
 * toast table and index is taken, and given back with the reader.
 */
extern HnrToastReader *hnr_toast_reader_create(Relation table);

/*
 * The value in one piece.  A value that stands elsewhere, uncompressed, is read into
 * the reader's memory and is there until the next call; all others, and any where the
 * reader is NULL, are returned as they are.
 */
extern struct varlena *hnr_toast_read(HnrToastReader *reader, struct varlena *value);

extern void hnr_toast_reader_free(HnrToastReader *reader);

#endif							/* HNR_TOASTED_H */
