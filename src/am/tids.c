/*-------------------------------------------------------------------------
 *
 * tids.c
 *		The heap TIDs of a ground vertex.  See tids.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/pending.h"
#include "am/place.h"
#include "am/tids.h"
#include "am/wal.h"
#include "miscadmin.h"

static HnrVertex *
changed_vertex(HnrLockedVertex *locked, HnrChange *change)
{
	Page		page = hnr_change_page(change, locked->buf, HNR_CHANGE_DELTA);

	return hnr_vertex_at(locked->shape, page, ItemPointerGetOffsetNumber(&locked->tid));
}

static Buffer
lock_chunk_page(HnrIndex *index, const ItemPointerData *chunk, int mode)
{
	Buffer		buf = hnr_buffer_read(index->rel, ItemPointerGetBlockNumberNoCheck(chunk), mode,
									  HNR_KIND_BIT(HNR_PAGE_TIDS));
	OffsetNumber pos = ItemPointerGetOffsetNumberNoCheck(chunk);

	if (pos < 1 || pos > HNR_CHUNKS_PER_PAGE)
		hnr_report_corrupted(index->rel, ItemPointerGetBlockNumberNoCheck(chunk),
							 "A link names a chunk that the page does not have.");
	return buf;
}

static bool
chunk_belongs(const HnrTidChunk *chunk, const ItemPointerData *owner, uint32 generation)
{
	return hnr_same_tid(&chunk->owner, owner) &&
		chunk->generation == generation && chunk->ntids <= HNR_CHUNK_TIDS;
}

/* A row of the pending list is marked there by the record that adds its TID. */
static void
mark_pending(HnrLockedVertex *locked, HnrChange *change)
{
	if (locked->index->mark)
		hnr_pending_mark_put(locked->index, change, &locked->tid, locked->vertex->generation,
							 HNR_PENDING_IN_GRAPH | HNR_PENDING_DONE);
}

/* Adds to the newest chunk; false if there is none or it is full. */
static bool
add_to_chunk(HnrLockedVertex *locked, ItemPointer heap_tid)
{
	ItemPointerData link = locked->vertex->link;
	HnrChange	change;
	HnrTidChunk *chunk;
	Buffer		buf;
	bool		room;

	if (!ItemPointerIsValid(&link))
		return false;
	buf = lock_chunk_page(locked->index, &link, BUFFER_LOCK_EXCLUSIVE);
	chunk = hnr_page_chunk(BufferGetPage(buf), ItemPointerGetOffsetNumber(&link));
	room = chunk_belongs(chunk, &locked->tid, locked->vertex->generation) &&
		chunk->ntids < HNR_CHUNK_TIDS;
	if (room)
	{
		hnr_change_begin(&change, locked->index->rel, locked->index->building);
		chunk = hnr_page_chunk(hnr_change_page(&change, buf, HNR_CHANGE_DELTA),
							   ItemPointerGetOffsetNumber(&link));
		chunk->tids[chunk->ntids++] = *heap_tid;
		mark_pending(locked, &change);
		hnr_change_end(&change);
	}
	hnr_buffer_release(buf);
	return room;
}

/* Puts a new chunk at the head of the vertex's list. */
static void
add_chunk(HnrLockedVertex *locked, ItemPointer heap_tid)
{
	HnrPlace	place;
	HnrChange	change;
	HnrTidChunk *chunk;
	HnrVertex  *v;
	Page		page;
	BlockNumber block;

	hnr_place_chunk(locked->index, &place);
	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	page = hnr_change_page(&change, place.buf,
						   place.fresh ? HNR_CHANGE_WHOLE : HNR_CHANGE_DELTA);
	if (place.fresh)
		hnr_page_init(page, HNR_PAGE_TIDS, HNR_CHUNKS_PER_PAGE * sizeof(HnrTidChunk));
	chunk = hnr_page_chunk(page, place.pos);
	memset(chunk, 0, sizeof(HnrTidChunk));
	chunk->owner = locked->tid;
	chunk->generation = locked->vertex->generation;
	chunk->next = locked->vertex->link;
	chunk->tids[chunk->ntids++] = *heap_tid;
	v = changed_vertex(locked, &change);
	/* A macro up to PostgreSQL 15: its arguments must not do anything. */
	ItemPointerSet(&v->link, BufferGetBlockNumber(place.buf), place.pos);
	mark_pending(locked, &change);
	hnr_change_end(&change);
	block = BufferGetBlockNumber(place.buf);
	hnr_buffer_release(place.buf);
	/* let others fill the page up, should this backend not come back */
	if (place.fresh && !locked->index->building)
		hnr_place_offer(locked->index, block, HNR_PAGE_TIDS);
}

/*
 * Before the row is added: an error that is too great does no harm, one that is too
 * small would; and a vertex must not be passed over that has a row again.
 */
static void
make_ready(HnrLockedVertex *locked, float error)
{
	HnrChange	change;
	HnrVertex  *v = locked->vertex;

	if (error <= v->error && (v->flags & HNR_VERTEX_ALL_DEAD) == 0)
		return;
	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	v = changed_vertex(locked, &change);
	v->error = Max(v->error, error);
	v->flags &= ~HNR_VERTEX_ALL_DEAD;
	hnr_change_end(&change);
}

void
hnr_tids_add(HnrLockedVertex *locked, ItemPointer heap_tid, float error)
{
	make_ready(locked, error);
	Assert(locked->vertex->level == 0);
	if (locked->vertex->ntids < HNR_INLINE_TIDS)
	{
		HnrChange	change;
		HnrVertex  *v;

		hnr_change_begin(&change, locked->index->rel, locked->index->building);
		v = changed_vertex(locked, &change);
		v->tids[v->ntids++] = *heap_tid;
		mark_pending(locked, &change);
		hnr_change_end(&change);
	}
	else if (!add_to_chunk(locked, heap_tid))
		add_chunk(locked, heap_tid);
}

void
hnr_tids_read_start(HnrTidReader *reader, HnrIndex *index, const HnrVisited *visited)
{
	reader->index = index;
	reader->owner = visited->tid;
	reader->generation = visited->generation;
	reader->next = visited->link;
	reader->alone = false;
	reader->seen.entries = NULL;
	reader->steps = 0;
	reader->pos = 0;
	reader->ntids = visited->ntids;
	memcpy(reader->tids, visited->tids, sizeof(visited->tids));
}

/*
 * Nobody must run in a damaged list for ever.  Where nobody else takes chunks away,
 * milestones at powers of two find a circle.  A scan may come by a chunk twice in
 * good order, for vacuum may free chunks and an insertion use them again for the
 * same vertex; but it does not pass by more of them, one after another, than there is
 * room for.
 */
static void
check_circle(HnrTidReader *reader)
{
	bool		circle = reader->alone && reader->steps > 0 &&
		hnr_same_tid(&reader->next, &reader->milestone);

	if ((reader->steps & (reader->steps - 1)) == 0)
	{
		reader->milestone = reader->next;
		if (reader->steps / HNR_CHUNKS_PER_PAGE > RelationGetNumberOfBlocks(reader->index->rel))
			circle = true;
	}
	if (circle)
		hnr_report_corrupted(reader->index->rel, ItemPointerGetBlockNumber(&reader->owner),
							 "A list of heap TIDs runs in a circle.");
	reader->steps++;
}

/*
 * The chunk to read next was freed by vacuum.  What we have not read is in the list
 * that begins at the present head, between chunks that we have; those added meanwhile
 * have only rows that are too new for us.  False where the vertex is gone or another
 * one.
 */
static bool
return_to_head(HnrTidReader *reader)
{
	const HnrShape *shape = &reader->index->layout.ground;
	Buffer		buf = hnr_buffer_read(reader->index->rel,
									  ItemPointerGetBlockNumber(&reader->owner),
									  BUFFER_LOCK_SHARE, HNR_KIND_BIT(shape->kind));
	HnrVertex  *v = hnr_vertex_at(shape, BufferGetPage(buf),
								  ItemPointerGetOffsetNumber(&reader->owner));
	bool		same = v->state == HNR_VERTEX_LIVE && v->generation == reader->generation;

	reader->next = v->link;
	hnr_buffer_release(buf);
	return same;
}

/*
 * Notes the next chunk; false if it was read before.  TIDs stay in the chunk that they
 * were put into, so what is in it by now is too new for us.
 */
static bool
is_unread(HnrTidReader *reader)
{
	if (reader->seen.entries == NULL)
		hnr_idset_init(&reader->seen, 16);
	if (!hnr_idset_add(&reader->seen, hnr_node_of_tid(&reader->next)))
		return false;
	reader->steps = 0;
	return true;
}

static void
end_reading(HnrTidReader *reader)
{
	if (reader->seen.entries)
		pfree(reader->seen.entries);
	reader->seen.entries = NULL;
}

/* Copies the next chunk, or finds out which is the next; false at the end. */
static bool
read_chunk(HnrTidReader *reader)
{
	Buffer		buf;
	HnrTidChunk *chunk;
	bool		unread;
	bool		belongs;

	if (!ItemPointerIsValid(&reader->next))
	{
		end_reading(reader);
		return false;
	}
	CHECK_FOR_INTERRUPTS();
	unread = reader->alone || is_unread(reader);
	if (reader->alone || !unread)
		check_circle(reader);
	buf = lock_chunk_page(reader->index, &reader->next, BUFFER_LOCK_SHARE);
	chunk = hnr_page_chunk(BufferGetPage(buf), ItemPointerGetOffsetNumber(&reader->next));
	belongs = chunk_belongs(chunk, &reader->owner, reader->generation);
	if (belongs)
	{
		reader->pos = 0;
		reader->ntids = unread ? chunk->ntids : 0;
		memcpy(reader->tids, chunk->tids, sizeof(chunk->tids));
		reader->next = chunk->next;
	}
	hnr_buffer_release(buf);
	return belongs || (!reader->alone && return_to_head(reader));
}

/* Never to be followed: the last block number there is would extend the table. */
static void
check_heap_tid(HnrIndex *index, const ItemPointerData *owner, const ItemPointerData *heap_tid)
{
	if (unlikely(!ItemPointerIsValid(heap_tid) ||
				 !BlockNumberIsValid(ItemPointerGetBlockNumberNoCheck(heap_tid))))
		hnr_report_corrupted(index->rel, ItemPointerGetBlockNumber(owner),
							 "A vertex has an invalid heap TID.");
}

bool
hnr_tids_read_next(HnrTidReader *reader, ItemPointer heap_tid)
{
	while (reader->pos >= reader->ntids)
		if (!read_chunk(reader))
			return false;
	*heap_tid = reader->tids[reader->pos++];
	check_heap_tid(reader->index, &reader->owner, heap_tid);
	return true;
}

bool
hnr_tids_any_dead(HnrIndex *index, const HnrVisited *visited,
				  HnrTidIsDead is_dead, void *state, int64 *count)
{
	HnrTidReader reader;
	ItemPointerData tid;
	bool		any = false;

	hnr_tids_read_start(&reader, index, visited);
	reader.alone = true;
	while (hnr_tids_read_next(&reader, &tid))
	{
		(*count)++;
		if (is_dead(&tid, state))
			any = true;
	}
	return any;
}

/* Keeps the live of n TIDs in place and returns how many. */
static int
keep_live(ItemPointerData *tids, int n, HnrTidIsDead is_dead, void *state)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
		if (!is_dead(&tids[i], state))
			tids[kept++] = tids[i];
	return kept;
}

int
hnr_tids_count_dead(HnrIndex *index, const ItemPointerData *owner, const HnrVertex *v,
					HnrTidIsDead is_dead, void *state)
{
	int			ndead = 0;

	for (int i = 0; i < Min(v->ntids, HNR_INLINE_TIDS); i++)
	{
		ItemPointerData tid = v->tids[i];

		check_heap_tid(index, owner, &tid);
		if (is_dead(&tid, state))
			ndead++;
	}
	return ndead;
}

int
hnr_tids_prune(HnrVertex *v, HnrTidIsDead is_dead, void *state)
{
	int			before = v->ntids;

	v->ntids = keep_live(v->tids, Min(before, HNR_INLINE_TIDS), is_dead, state);
	return before - v->ntids;
}

/* Takes the dead TIDs out of one chunk.  Returns how many stay; *next is the one after it. */
static int
prune_chunk(HnrLockedVertex *locked, const ItemPointerData *at, Buffer buf,
			HnrTidIsDead is_dead, void *state, ItemPointer next, int64 *removed)
{
	OffsetNumber pos = ItemPointerGetOffsetNumber(at);
	HnrTidChunk chunk = *hnr_page_chunk(BufferGetPage(buf), pos);
	int			before = chunk.ntids;
	HnrChange	change;

	*next = chunk.next;
	chunk.ntids = keep_live(chunk.tids, before, is_dead, state);
	if (chunk.ntids == before)
		return before;
	*removed += before - chunk.ntids;
	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	*hnr_page_chunk(hnr_change_page(&change, buf, HNR_CHANGE_DELTA), pos) = chunk;
	hnr_change_end(&change);
	return chunk.ntids;
}

/*
 * Takes an empty chunk out of the list and frees it, by one record, so that it is never
 * lost.  `before` leads to it; invalid: the vertex itself.
 */
static void
drop_chunk(HnrLockedVertex *locked, const ItemPointerData *before, const ItemPointerData *at)
{
	HnrTidChunk none;
	HnrTidChunk *chunk;
	ItemPointer link = &locked->vertex->link;
	Buffer		link_buf = locked->buf;
	Buffer		buf;
	HnrChange	change;

	/* of two pages with chunks, that of the lower block is locked first */
	if (ItemPointerIsValid(before) && ItemPointerGetBlockNumber(before) < ItemPointerGetBlockNumber(at))
		link_buf = lock_chunk_page(locked->index, before, BUFFER_LOCK_EXCLUSIVE);
	buf = lock_chunk_page(locked->index, at, BUFFER_LOCK_EXCLUSIVE);
	if (ItemPointerIsValid(before) && ItemPointerGetBlockNumber(before) == ItemPointerGetBlockNumber(at))
		link_buf = buf;
	else if (ItemPointerIsValid(before) && link_buf == locked->buf)
		link_buf = lock_chunk_page(locked->index, before, BUFFER_LOCK_EXCLUSIVE);
	if (ItemPointerIsValid(before))
		link = &hnr_page_chunk(BufferGetPage(link_buf), ItemPointerGetOffsetNumber(before))->next;
	chunk = hnr_page_chunk(BufferGetPage(buf), ItemPointerGetOffsetNumber(at));
	memset(&none, 0, sizeof(none));

	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	hnr_change_put(&change, link_buf, link, &chunk->next, sizeof(chunk->next));
	hnr_change_put(&change, buf, chunk, &none, sizeof(none));
	hnr_change_end(&change);
	hnr_place_record(locked->index, BufferGetBlockNumber(buf), HNR_PAGE_TIDS);
	if (link_buf != locked->buf && link_buf != buf)
		hnr_buffer_release(link_buf);
	hnr_buffer_release(buf);
}

static int64
prune_chunks(HnrLockedVertex *locked, HnrTidIsDead is_dead, void *state, int64 *removed)
{
	ItemPointerData before;
	ItemPointerData at = locked->vertex->link;
	int64		kept = 0;

	ItemPointerSetInvalid(&before);
	while (ItemPointerIsValid(&at))
	{
		ItemPointerData next;
		Buffer		buf = lock_chunk_page(locked->index, &at, BUFFER_LOCK_EXCLUSIVE);
		int			left;

		if (!chunk_belongs(hnr_page_chunk(BufferGetPage(buf), ItemPointerGetOffsetNumber(&at)),
						   &locked->tid, locked->vertex->generation))
			hnr_report_corrupted(locked->index->rel, ItemPointerGetBlockNumber(&at),
								 "A chunk of heap TIDs does not belong to the vertex that links to it.");
		left = prune_chunk(locked, &at, buf, is_dead, state, &next, removed);
		hnr_buffer_release(buf);
		/* nobody adds to it while the vertex is locked */
		if (left == 0)
			drop_chunk(locked, &before, &at);
		else
			before = at;
		kept += left;
		at = next;
	}
	return kept;
}

/*
 * The vertex comes first, even where only chunks change, and even if an error comes
 * between the two: kill.c asks the page of the vertex.
 */
bool
hnr_tids_remove_dead(HnrLockedVertex *locked, HnrTidIsDead is_dead, void *state,
					 int64 *removed, int64 *kept)
{
	HnrChange	change;
	int64		left;

	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	*removed = hnr_tids_prune(changed_vertex(locked, &change), is_dead, state);
	hnr_change_end(&change);
	left = locked->vertex->ntids + prune_chunks(locked, is_dead, state, removed);
	*kept += left;
	if (left > 0)
		return false;
	hnr_change_begin(&change, locked->index->rel, locked->index->building);
	changed_vertex(locked, &change)->state = HNR_VERTEX_DELETED;
	hnr_change_end(&change);
	return true;
}
