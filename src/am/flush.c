/*-------------------------------------------------------------------------
 *
 * flush.c
 *		Writing a graph in memory to pages.
 *
 * Every vertex's place follows from its number, so links can be written before what
 * they point to: ground vertices first, as arrange.c says; then the upper
 * ones, level by level; then chunks of heap TIDs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/adopt.h"
#include "am/arrange.h"
#include "am/buffer.h"
#include "am/chunks.h"
#include "am/flush.h"
#include "am/frequent.h"
#include "am/room.h"
#include "am/slots.h"
#include "am/store_disk.h"
#include "am/tail.h"
#include "am/vertex.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* A vertex. */
typedef struct NodeLevel
{
	uint32		node;
	int			level;
} NodeLevel;

typedef struct Flushing
{
	HnrIndex   *index;
	HnrMemGraph *graph;
	BufferAccessStrategy strategy;
	HnrFlushProgress progress;
	void	   *progress_state;
	BlockNumber first_block[HNR_MAX_LEVEL + 1];
	uint32	   *level_nodes[HNR_MAX_LEVEL + 1]; /* by position */
	uint32		level_count[HNR_MAX_LEVEL + 1];
	uint32	   *rank[HNR_MAX_LEVEL + 1];	/* positions by node */
	int			levels;
	HnrWeave   *weave;			/* whose workers make the slots of the ground, or NULL */
	HnrSlotMaker *maker;
	HnrArray	rotated;		/* vectors of all nodes, where it makes these slots */
	float	   *vec;			/* scratch: of a node, and its slots */
	char	   *slots;
	BlockNumber first_piece_block;
	uint64		npieces;		/* of tails of vectors (tail.h) */
	uint32		ntails;
	uint32		maxtails;
	NodeLevel *tails;		/* whose vectors have tails, in the order of these */
	BlockNumber first_chunk_block;
	uint64		nchunks;
	MemoryContext context;		/* of its own */
	MemoryContext old;
	const uint64 *chunk;		/* the first one of each node, or HNR_NO_CHUNK */
} Flushing;

/* Where a node stands at a level. */
static void
place_of_node(void *state, uint32 node, int level, ItemPointer tid)
{
	Flushing   *f = state;
	const HnrShape *shape = hnr_layout_shape(&f->index->layout, level);

	hnr_place_of_position(shape, f->first_block[level], f->rank[level][node], tid);
}

/* Lists the nodes of the ground, and their chunks. */
static void
plan_ground(Flushing *f)
{
	uint32		n = f->graph->nnodes;
	uint64	   *chunk = palloc_extended(sizeof(uint64) * n, MCXT_ALLOC_HUGE);

	f->first_block[0] = HNR_METAPAGE + 1;
	f->level_count[0] = n;
	f->level_nodes[0] = hnr_arrange_nodes(f->graph, n, f->index->layout.ground.per_page);
	f->rank[0] = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < n; i++)
	{
		uint32		chunks = hnr_chunks_for(hnr_mem_graph_rows(f->graph, i));

		CHECK_FOR_INTERRUPTS();
		f->rank[0][f->level_nodes[0][i]] = i;
		chunk[i] = chunks > 0 ? f->nchunks : HNR_NO_CHUNK;
		f->nchunks += chunks;
	}
	f->chunk = chunk;
}

/* Lists the nodes of each level above and lays out the blocks, from this one on. */
static void
plan_upper(Flushing *f, BlockNumber block)
{
	uint32		n = f->graph->nnodes;

	f->levels = f->graph->entry_level;
	for (int level = 1; level <= f->levels; level++)
		f->rank[level] = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < n; i++)
		for (int level = 1; level <= hnr_mem_graph_node(f->graph, i)->level; level++)
			f->rank[level][i] = f->level_count[level]++;
	for (int level = 1; level <= f->levels; level++)
	{
		f->first_block[level] = block;
		block += hnr_shape_blocks(&f->index->layout.upper, f->level_count[level]);
		f->level_nodes[level] = palloc_extended(sizeof(uint32) * f->level_count[level], MCXT_ALLOC_HUGE);
		for (uint32 i = 0; i < n; i++)
			if (hnr_mem_graph_node(f->graph, i)->level >= level)
				f->level_nodes[level][f->rank[level][i]] = i;
	}
	f->first_chunk_block = block;
	f->first_piece_block = block + (f->nchunks + HNR_CHUNKS_PER_PAGE - 1) / HNR_CHUNKS_PER_PAGE;
}

/*
 * Prepares to make slots.  Rotates all vectors at once where nobody else makes those of
 * the ground and that fits beside the graph.
 */
static void
begin_slots(Flushing *f)
{
	Size		rotated = sizeof(float) * hnr_codec_rotated_dims(f->index->codec);
	uint32		n = f->graph->nnodes;

	f->maker = hnr_slot_maker_create(f->index, f->graph, place_of_node, f);
	f->vec = palloc(sizeof(float) * f->index->layout.dims);
	f->slots = palloc((Size) f->index->layout.slot_size *
					  Max(f->index->layout.ground.slots, f->index->layout.upper.slots));
	if (f->weave)
		hnr_slots_begin(f->weave, f->level_nodes[0]);
	else if (rotated > 0 &&
			 hnr_mem_graph_size(f->graph) + (rotated + HNR_FLUSH_NODE) * n <= (Size) maintenance_work_mem * 1024)
	{
		hnr_array_init(&f->rotated, f->graph->arena, rotated);
		hnr_array_reserve(&f->rotated, n);
		hnr_slot_maker_rotate(f->maker, &f->rotated, 0, n);
		f->maker->rotated = &f->rotated;
	}
}

/* Fills in the slots of the node at a position. */
static void
add_slots(Flushing *f, uint32 position, int level, HnrVertexImage *image)
{
	uint32		node = f->level_nodes[level][position];

	image->slots = f->slots;
	image->degree = hnr_mem_graph_edges(f->graph, node, level)->count;
	if (level == 0 && f->weave)
		image->slots = hnr_slots_at(f->weave, position);
	else
		hnr_slot_maker_fill(f->maker, node, level, f->slots);
}

static void
place_of_piece(Flushing *f, uint64 piece, ItemPointer tid)
{
	ItemPointerSet(tid, f->first_piece_block + piece / HNR_PIECES_PER_PAGE,
				   piece % HNR_PIECES_PER_PAGE + 1);
}

/* Where the tail of the vector at hand begins, a node's at a level; it is written later. */
static void
place_tail(Flushing *f, uint32 node, int level, ItemPointer tail)
{
	const HnrLayout *layout = &f->index->layout;
	int			pieces = hnr_tail_pieces(layout->room, hnr_layout_words(layout, f->vec));

	ItemPointerSetInvalid(tail);
	if (pieces == 0)
		return;
	place_of_piece(f, f->npieces, tail);
	if (f->ntails == f->maxtails)
	{
		f->maxtails = Max(f->maxtails * 2, 64);
		f->tails = f->tails ? repalloc_huge(f->tails, sizeof(NodeLevel) * f->maxtails) :
			palloc(sizeof(NodeLevel) * f->maxtails);
	}
	f->tails[f->ntails].node = node;
	f->tails[f->ntails++].level = level;
	f->npieces += pieces;
}

/* As it is, where the graph has vectors as pages have them. */
static void
set_vector(Flushing *f, uint32 node, HnrVertexImage *image)
{
	if (f->index->layout.room == 0 && f->graph->encoding == f->index->layout.encoding)
	{
		image->stored = hnr_mem_graph_encoded(f->graph, node);
		image->scale = hnr_mem_graph_node(f->graph, node)->scale;
		return;
	}
	hnr_mem_graph_decode(f->graph, node, f->vec);
	image->vec = f->vec;
}

static void
make_image(Flushing *f, uint32 position, int level, HnrVertexImage *image)
{
	uint32		node = f->level_nodes[level][position];
	HnrMemNode *n = hnr_mem_graph_node(f->graph, node);

	memset(image, 0, sizeof(*image));
	image->level = level;
	set_vector(f, node, image);
	if (f->index->layout.room > 0)
		place_tail(f, node, level, &image->tail);
	image->error = n->error;
	add_slots(f, position, level, image);
	if (level > 0)
	{
		place_of_node(f, node, level - 1, &image->link);
		place_of_node(f, node, 0, &image->tids[0]);
		return;
	}
	ItemPointerSetInvalid(&image->link);
	for (uint32 i = n->first_tid; i != HNR_MEM_NONE && image->ntids < HNR_INLINE_TIDS;
		 i = hnr_mem_graph_tid(f->graph, i)->next)
		image->tids[image->ntids++] = hnr_mem_graph_tid(f->graph, i)->tid;
	if (f->chunk[node] != HNR_NO_CHUNK)
		hnr_chunk_place(f->first_chunk_block, f->chunk[node], &image->link);
}

/* Writes the vertices of one page (or of the parts of one vertex). */
static void
write_vertices(Flushing *f, int level, uint32 from, uint32 count)
{
	const HnrShape *shape = hnr_layout_shape(&f->index->layout, level);
	Buffer		bufs[HNR_MAX_PARTS];
	BlockNumber block PG_USED_FOR_ASSERTS_ONLY;

	block = hnr_buffer_extend(f->index->rel, MAIN_FORKNUM, shape->parts, f->strategy, bufs);
	Assert(block == f->first_block[level] + from / shape->per_page * shape->parts);
	for (int p = 0; p < shape->parts; p++)
		hnr_page_init(BufferGetPage(bufs[p]), p == 0 ? shape->kind : HNR_PAGE_PART,
					  p == 0 ? shape->per_page * shape->part[0].size : shape->part[p].size);
	for (uint32 i = 0; i < count; i++)
	{
		HnrVertexImage image;

		make_image(f, from + i, level, &image);
		for (int p = 0; p < shape->parts; p++)
		{
			Page		page = BufferGetPage(bufs[p]);

			hnr_vertex_fill_part(&f->index->layout, &image, p, 1,
								 p == 0 ? (char *) hnr_vertex_at(shape, page, i + 1) :
								 hnr_page_contents(page));
		}
	}
	for (int p = 0; p < shape->parts; p++)
	{
		MarkBufferDirty(bufs[p]);
		hnr_buffer_release(bufs[p]);
	}
}

static void
write_range(Flushing *f, int level, uint32 from, uint32 to)
{
	const HnrShape *shape = hnr_layout_shape(&f->index->layout, level);

	for (; from < to; from += shape->per_page)
	{
		CHECK_FOR_INTERRUPTS();
		write_vertices(f, level, from, Min(shape->per_page, to - from));
		if (level == 0 && f->progress)
			f->progress(f->progress_state, (double) from / f->level_count[0]);
		hnr_throttle(shape->per_page);
	}
}

/* While a batch is written, and the old slots of the one after it are read, others make the slots of the next. */
static void
write_batches(Flushing *f)
{
	HnrWeave   *w = f->weave;
	uint32		n = f->level_count[0];

	hnr_slots_read_old(w, 0);
	hnr_slots_ask(w, 0);
	for (uint32 from = 0; from < n; from += w->batch)
	{
		bool		more = n - from > w->batch;

		if (more)
			hnr_slots_read_old(w, from + w->batch);
		hnr_slots_wait(w);
		if (more)
			hnr_slots_ask(w, from + w->batch);
		write_range(f, 0, from, from + Min(w->batch, n - from));
	}
}

/* Goes on to a new page, on which so many bytes will be in use. */
static void
next_page(Flushing *f, Buffer *buf, HnrPageKind kind, int used)
{
	if (BufferIsValid(*buf))
		hnr_buffer_release(*buf);
	hnr_buffer_extend(f->index->rel, MAIN_FORKNUM, 1, f->strategy, buf);
	hnr_page_init(BufferGetPage(*buf), kind, used);
	MarkBufferDirty(*buf);
}

static void
write_chunks(Flushing *f)
{
	HnrChunkWriter w;

	hnr_chunks_begin(&w, f->index, f->strategy, f->first_chunk_block);
	for (uint32 i = 0; i < f->graph->nnodes && w.next < f->nchunks; i++)
	{
		uint32		at = hnr_mem_graph_node(f->graph, i)->first_tid;
		uint32		left = hnr_mem_graph_rows(f->graph, i);
		ItemPointerData owner;

		CHECK_FOR_INTERRUPTS();
		place_of_node(f, i, 0, &owner);
		for (int skip = 0; at != HNR_MEM_NONE; skip++, at = hnr_mem_graph_tid(f->graph, at)->next)
		{
			left--;
			if (skip >= HNR_INLINE_TIDS)
				hnr_chunks_add(&w, &owner, &hnr_mem_graph_tid(f->graph, at)->tid, left);
		}
	}
	hnr_chunks_end(&w);
}

/* In a memory context of its own, the current one from here to end_flushing(). */
static Flushing *
begin_flushing(HnrIndex *index, HnrMemGraph *graph, HnrWeave *weave)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw flush",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Flushing   *f = palloc0(sizeof(Flushing));

	f->context = context;
	f->old = old;
	f->index = index;
	f->graph = graph;
	f->weave = weave;
	f->strategy = GetAccessStrategy(BAS_BULKWRITE);
	return f;
}

static void
end_flushing(Flushing *f)
{
	FreeAccessStrategy(f->strategy);
	MemoryContextSwitchTo(f->old);
	MemoryContextDelete(f->context);
}

static void
write_upper(Flushing *f)
{
	HnrEntry	entry = {.level = f->graph->entry_level};

	for (int level = 1; level <= f->levels; level++)
		write_range(f, level, 0, f->level_count[level]);
	place_of_node(f, f->graph->entry, entry.level, &entry.tid);
	hnr_index_set_entry(f->index, entry, true);
}

/* Pages of pieces are filled one after the other, as those of chunks are. */
static void
write_tails(Flushing *f)
{
	const HnrLayout *layout = &f->index->layout;
	Buffer		buf = InvalidBuffer;
	uint64		next = 0;

	for (uint32 i = 0; i < f->ntails; i++)
	{
		int			pieces;

		CHECK_FOR_INTERRUPTS();
		hnr_mem_graph_decode(f->graph, f->tails[i].node, f->vec);
		pieces = hnr_tail_pieces(layout->room, hnr_layout_words(layout, f->vec));
		for (int number = 0; number < pieces; number++)
		{
			int			pos = next++ % HNR_PIECES_PER_PAGE;
			HnrPiece   *piece;

			if (pos == 0)
				next_page(f, &buf, HNR_PAGE_TAIL, HNR_PIECES_PER_PAGE * sizeof(HnrPiece));
			piece = hnr_page_piece(BufferGetPage(buf), pos + 1);
			piece->number = number;
			piece->generation = 1;
			place_of_node(f, f->tails[i].node, f->tails[i].level, &piece->owner);
			ItemPointerSetInvalid(&piece->next);
			if (number + 1 < pieces)
				place_of_piece(f, next, &piece->next);
			hnr_piece_fill(layout, f->vec, piece);
		}
	}
	Assert(next == f->npieces);
	if (BufferIsValid(buf))
		hnr_buffer_release(buf);
}

void
hnr_flush_graph(HnrIndex *index, HnrMemGraph *graph, HnrWeave *weave,
				HnrFlushProgress progress, void *state)
{
	Flushing   *f = begin_flushing(index, graph, weave);

	f->progress = progress;
	f->progress_state = state;
	StaticAssertStmt(HNR_FREQUENT_NODE <= HNR_FLUSH_NODE, "no room for what is freed before pages are written");
	if (graph->entry_level >= 0)
	{
		if (index->layout.room > 0)
			hnr_index_set_room(index, hnr_room_choose(graph));
		hnr_link_frequent(graph);
		hnr_adopt_orphans(index, graph);
		plan_ground(f);
		plan_upper(f, f->first_block[0] + hnr_shape_blocks(&index->layout.ground, graph->nnodes));
		begin_slots(f);
		if (weave)
			write_batches(f);
		else
			write_range(f, 0, 0, f->level_count[0]);
		write_upper(f);
		write_chunks(f);
		write_tails(f);
	}
	end_flushing(f);
}

void
hnr_flush_ground(HnrIndex *index, const HnrFlushPart *part)
{
	Flushing   *f = begin_flushing(index, part->graph, part->weave);

	f->first_block[0] = HNR_METAPAGE + 1 +
		hnr_shape_blocks(&index->layout.ground, part->weave->state->first_position);
	f->level_count[0] = part->weave->state->nlisted;
	f->level_nodes[0] = part->order;
	f->chunk = part->chunk;
	f->first_chunk_block = part->first_chunk_block;
	begin_slots(f);
	write_batches(f);
	end_flushing(f);
}

void
hnr_flush_upper(HnrIndex *index, HnrMemGraph *graph, uint32 *positions, BlockNumber block)
{
	Flushing   *f = begin_flushing(index, graph, NULL);

	f->first_block[0] = HNR_METAPAGE + 1;
	f->rank[0] = positions;
	plan_upper(f, block);
	begin_slots(f);
	write_upper(f);
	end_flushing(f);
}
