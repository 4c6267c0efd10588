/*-------------------------------------------------------------------------
 *
 * toasted.c
 *		Reading the toasted vectors of many rows, one after another.  See toasted.h.
 *
 * The index of a toast table is on (value, number of the chunk).  A scan of it from
 * the value looked for onwards is kept open; as it returns the index's own tuples, the
 * entry after a value's last chunk tells whether the next value to be looked for comes
 * next.  If not, a few entries are skipped, else the scan is begun anew.
 *
 * Locks: AccessShareLock on toast table and index; the share lock of a page while a
 * chunk is copied.  Pinned: the page read last and the scan's page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "am/buffer.h"
#include "am/toasted.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

/* Entries of other values that are passed over before the scan is begun anew. */
#define MAX_SKIP	16

struct HnrToastReader
{
	Relation	table;
	Relation   *indexes;
	int			nindexes;
	IndexScanDesc scan;
	SnapshotData snapshot_room;
	Snapshot	snapshot;
	BufferAccessStrategy ring;
	Buffer		buf;			/* of the chunk read last */
	bool		positioned;		/* the entry below is the scan's */
	bool		at_end;			/* there is none */
	Oid			value;			/* the entry that the scan is at */
	int32		chunk;
	ItemPointerData tid;
	MemoryContext context;
	char	   *room;			/* for a value */
	Size		room_size;
};

HnrToastReader *
hnr_toast_reader_create(Relation table)
{
	HnrToastReader *reader;
	Relation	toast;
	int			valid;

	/* there is no snapshot where ON COMMIT DELETE ROWS makes an index of no rows */
	if (!OidIsValid(table->rd_rel->reltoastrelid) || !HaveRegisteredOrActiveSnapshot())
		return NULL;
	toast = table_open(table->rd_rel->reltoastrelid, AccessShareLock);
	if (toast->rd_tableam != GetHeapamTableAmRoutine())
	{
		table_close(toast, AccessShareLock);
		return NULL;
	}
	reader = palloc0(sizeof(HnrToastReader));
	reader->table = toast;
	reader->context = CurrentMemoryContext;
	valid = toast_open_indexes(toast, AccessShareLock, &reader->indexes, &reader->nindexes);
	reader->snapshot = hnr_toast_snapshot(&reader->snapshot_room);
	reader->scan = hnr_index_beginscan(toast, reader->indexes[valid], reader->snapshot, 1, 0);
	reader->scan->xs_want_itup = true;
	reader->ring = GetAccessStrategy(BAS_BULKREAD);
	return reader;
}

void
hnr_toast_reader_free(HnrToastReader *reader)
{
	if (reader == NULL)
		return;
	if (BufferIsValid(reader->buf))
		ReleaseBuffer(reader->buf);
	index_endscan(reader->scan);
	toast_close_indexes(reader->indexes, reader->nindexes, AccessShareLock);
	table_close(reader->table, AccessShareLock);
	FreeAccessStrategy(reader->ring);
	if (reader->room)
		pfree(reader->room);
	pfree(reader);
}

/* To the scan's next entry. */
static void
advance(HnrToastReader *reader)
{
	IndexScanDesc scan = reader->scan;
	ItemPointer tid = index_getnext_tid(scan, ForwardScanDirection);
	bool		isnull;

	reader->at_end = tid == NULL;
	if (tid == NULL)
		return;
	reader->tid = *tid;
	reader->value = DatumGetObjectId(index_getattr(scan->xs_itup, 1, scan->xs_itupdesc, &isnull));
	reader->chunk = DatumGetInt32(index_getattr(scan->xs_itup, 2, scan->xs_itupdesc, &isnull));
}

/* To the first chunk of a value. */
static void
seek(HnrToastReader *reader, Oid value)
{
	ScanKeyData key;

	for (int i = 0; i < MAX_SKIP && reader->positioned && !reader->at_end &&
		 reader->value < value; i++)
		advance(reader);
	if (reader->positioned && !reader->at_end && reader->value == value && reader->chunk == 0)
		return;
	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_OIDGE, ObjectIdGetDatum(value));
	index_rescan(reader->scan, &key, 1, NULL, 0);
	reader->positioned = true;
	advance(reader);
}

pg_noreturn static void
report_damage(HnrToastReader *reader, Oid value, int32 chunk)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("chunk %d of toast value %u in %s is missing or damaged",
					chunk, value, RelationGetRelationName(reader->table))));
}

/*
 * Copies the data of the chunk that the scan is at, if it is of the size expected and
 * not an aborted insertion's.
 */
static bool
copy_chunk(HnrToastReader *reader, int32 size, char *out)
{
	BlockNumber block = ItemPointerGetBlockNumber(&reader->tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(&reader->tid);
	HeapTupleData tuple;
	bool		copied = false;
	bool		isnull;
	Page		page;

	if (!BufferIsValid(reader->buf) || BufferGetBlockNumber(reader->buf) != block)
	{
		if (BufferIsValid(reader->buf))
			ReleaseBuffer(reader->buf);
		reader->buf = InvalidBuffer;	/* should reading fail */
		reader->buf = ReadBufferExtended(reader->table, MAIN_FORKNUM, block, RBM_NORMAL,
										 reader->ring);
	}
	hnr_buffer_lock(reader->buf, BUFFER_LOCK_SHARE);
	page = BufferGetPage(reader->buf);
	if (offset <= PageGetMaxOffsetNumber(page) && ItemIdIsNormal(PageGetItemId(page, offset)))
	{
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
		tuple.t_len = ItemIdGetLength(PageGetItemId(page, offset));
		tuple.t_tableOid = RelationGetRelid(reader->table);
		tuple.t_self = reader->tid;
		if (HeapTupleSatisfiesVisibility(&tuple, reader->snapshot, reader->buf))
		{
			char	   *data = DatumGetPointer(heap_getattr(&tuple, 3, RelationGetDescr(reader->table),
															&isnull));

			if (!isnull && !VARATT_IS_EXTERNAL(data) && !VARATT_IS_COMPRESSED(data) &&
				VARSIZE_ANY_EXHDR(data) == size)
			{
				memcpy(out, VARDATA_ANY(data), size);
				copied = true;
			}
		}
	}
	hnr_buffer_unlock(reader->buf);
	return copied;
}

struct varlena *
hnr_toast_read(HnrToastReader *reader, struct varlena *value)
{
	struct varatt_external pointer;
	MemoryContext old;
	Size		size;
	int32		chunk = 0;

	if (reader == NULL || !VARATT_IS_EXTERNAL_ONDISK(value))
		return value;
	VARATT_EXTERNAL_GET_POINTER(pointer, value);
	if (VARATT_EXTERNAL_IS_COMPRESSED(pointer) ||
		pointer.va_toastrelid != RelationGetRelid(reader->table))
		return value;

	/* an index scan's memory is wherever it was first needed, and is to last */
	old = MemoryContextSwitchTo(reader->context);
	size = VARATT_EXTERNAL_GET_EXTSIZE(pointer);
	if (reader->room_size < size + VARHDRSZ)
	{
		if (reader->room)
			pfree(reader->room);
		reader->room = palloc(size + VARHDRSZ);
		reader->room_size = size + VARHDRSZ;
	}
	SET_VARSIZE(reader->room, size + VARHDRSZ);

	seek(reader, pointer.va_valueid);
	for (Size done = 0; done < size; chunk++)
	{
		int32		part = Min(size - done, TOAST_MAX_CHUNK_SIZE);

		CHECK_FOR_INTERRUPTS();
		while (!reader->at_end && reader->value == pointer.va_valueid && reader->chunk == chunk &&
			   !copy_chunk(reader, part, reader->room + VARHDRSZ + done))
			advance(reader);
		if (reader->at_end || reader->value != pointer.va_valueid || reader->chunk != chunk)
			report_damage(reader, pointer.va_valueid, chunk);
		done += part;
		advance(reader);
	}
	MemoryContextSwitchTo(old);
	return (struct varlena *) reader->room;
}
