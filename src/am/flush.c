/*-------------------------------------------------------------------------
 *
 * flush.c
 *		Writing a graph in memory to pages.
 *
 * Every vertex's place follows from its number, so links can be written before what
 * they point to: ground vertices first, in the order their rows came; then the upper
 * ones, level by level; then chunks of heap TIDs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/adopt.h"
#include "am/arrange.h"
#include "am/buffer.h"
#include "am/flush.h"
#include "am/store_disk.h"
#include "am/vertex.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

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
	float	   *rotated;		/* of all nodes, or NULL: rotate when needed */
	float	   *vec_self;
	float	   *vec_other;
	float	   *rotated_self;
	float	   *rotated_other;
	char	   *slots;
	BlockNumber first_chunk_block;
	uint64		nchunks;
	uint64	   *chunks_before;	/* of each node with chunks: see chunk_place */
} Flushing;

static void
place_of_position(const HnrShape *shape, BlockNumber first, uint32 position, ItemPointer tid)
{
	ItemPointerSet(tid, first + position / shape->per_page * shape->parts,
				   position % shape->per_page + 1);
}

/* Where a node stands at a level. */
static void
place_of_node(Flushing *f, uint32 node, int level, ItemPointer tid)
{
	const HnrShape *shape = hnr_layout_shape(&f->index->layout, level);

	place_of_position(shape, f->first_block[level], f->rank[level][node], tid);
}

static BlockNumber
blocks_for(const HnrShape *shape, uint32 n)
{
	return (n + shape->per_page - 1) / shape->per_page * shape->parts;
}

/* Counts TIDs of a node. */
static uint32
count_tids(Flushing *f, const HnrMemNode *node)
{
	uint32		n = 0;

	for (uint32 i = node->first_tid; i != HNR_MEM_NONE; i = hnr_mem_graph_tid(f->graph, i)->next)
		n++;
	return n;
}

static uint32
chunks_for(uint32 ntids)
{
	if (ntids <= HNR_INLINE_TIDS)
		return 0;
	return (ntids - HNR_INLINE_TIDS + HNR_CHUNK_TIDS - 1) / HNR_CHUNK_TIDS;
}

static void
place_of_chunk(Flushing *f, uint64 chunk, ItemPointer tid)
{
	ItemPointerSet(tid, f->first_chunk_block + chunk / HNR_CHUNKS_PER_PAGE,
				   chunk % HNR_CHUNKS_PER_PAGE + 1);
}

/* Lists the nodes of each level and lays out the blocks. */
static void
plan(Flushing *f)
{
	uint32		n = f->graph->nnodes;
	BlockNumber block = HNR_METAPAGE + 1;

	f->levels = f->graph->entry_level;
	f->chunks_before = palloc_extended(sizeof(uint64) * n, MCXT_ALLOC_HUGE);
	for (int level = 0; level <= f->levels; level++)
		f->rank[level] = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	f->level_nodes[0] = hnr_arrange_nodes(f->graph, f->index->layout.ground.per_page);
	for (uint32 i = 0; i < n; i++)
		f->rank[0][f->level_nodes[0][i]] = i;
	for (uint32 i = 0; i < n; i++)
	{
		HnrMemNode *node = hnr_mem_graph_node(f->graph, i);

		for (int level = 1; level <= node->level; level++)
			f->rank[level][i] = f->level_count[level]++;
		f->chunks_before[i] = f->nchunks;
		f->nchunks += chunks_for(count_tids(f, node));
	}
	f->level_count[0] = n;
	for (int level = 0; level <= f->levels; level++)
	{
		f->first_block[level] = block;
		block += blocks_for(hnr_layout_shape(&f->index->layout, level), f->level_count[level]);
		if (level == 0)
			continue;
		f->level_nodes[level] = palloc_extended(sizeof(uint32) * f->level_count[level], MCXT_ALLOC_HUGE);
		for (uint32 i = 0; i < n; i++)
			if (hnr_mem_graph_node(f->graph, i)->level >= level)
				f->level_nodes[level][f->rank[level][i]] = i;
	}
	f->first_chunk_block = block;
}

/* Rotates all vectors at once where that fits beside the graph. */
static void
rotate_all(Flushing *f)
{
	int			rdims = hnr_codec_rotated_dims(f->index->codec);
	uint32		n = f->graph->nnodes;
	Size		size = sizeof(float) * (Size) rdims * n;

	f->vec_self = palloc(sizeof(float) * f->index->layout.dims);
	f->vec_other = palloc(sizeof(float) * f->index->layout.dims);
	f->rotated_self = palloc(sizeof(float) * Max(rdims, 1));
	f->rotated_other = palloc(sizeof(float) * Max(rdims, 1));
	f->slots = palloc((Size) f->index->layout.slot_size *
					  Max(f->index->layout.ground.slots, f->index->layout.upper.slots));
	if (rdims == 0 || hnr_mem_graph_size(f->graph) + size > (Size) maintenance_work_mem * 1024)
		return;
	f->rotated = palloc_extended(size, MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_mem_graph_decode(f->graph, i, f->vec_self);
		hnr_codec_rotate(f->index->codec, f->vec_self, f->rotated + (Size) i * rdims);
	}
}

static const float *
rotated_of(Flushing *f, uint32 node, const float *vec, float *scratch)
{
	int			rdims = hnr_codec_rotated_dims(f->index->codec);

	if (rdims == 0)
		return NULL;
	if (f->rotated)
		return f->rotated + (Size) node * rdims;
	hnr_codec_rotate(f->index->codec, vec, scratch);
	return scratch;
}

/* Encodes the slots of a node at a level, nearest neighbour first. */
static int
encode_slots(Flushing *f, uint32 node, int level)
{
	HnrMemEdges *edges = hnr_mem_graph_edges(f->graph, node, level);
	HnrCodecPoint self = {f->vec_self, rotated_of(f, node, f->vec_self, f->rotated_self)};

	qsort(edges->edge, edges->count, sizeof(HnrMemEdge), hnr_mem_compare_edges);
	for (int i = 0; i < edges->count; i++)
	{
		uint32		other = edges->edge[i].node;
		HnrCodecPoint there = {f->vec_other, NULL};
		ItemPointerData tid;

		hnr_mem_graph_decode(f->graph, other, f->vec_other);
		there.rotated = rotated_of(f, other, f->vec_other, f->rotated_other);
		place_of_node(f, other, level, &tid);
		hnr_codec_encode(f->index->codec, self, there, &tid,
						 (HnrSlot *) (f->slots + (Size) i * f->index->layout.slot_size));
	}
	return edges->count;
}

static void
make_image(Flushing *f, uint32 node, int level, HnrVertexImage *image)
{
	HnrMemNode *n = hnr_mem_graph_node(f->graph, node);

	memset(image, 0, sizeof(*image));
	image->level = level;
	hnr_mem_graph_decode(f->graph, node, f->vec_self);
	image->vec = f->vec_self;
	image->error = n->error;
	image->degree = encode_slots(f, node, level);
	image->slots = f->slots;
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
	if (chunks_for(count_tids(f, n)) > 0)
		place_of_chunk(f, f->chunks_before[node], &image->link);
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
		uint32		node = f->level_nodes[level][from + i];
		HnrVertexImage image;

		make_image(f, node, level, &image);
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
write_level(Flushing *f, int level)
{
	const HnrShape *shape = hnr_layout_shape(&f->index->layout, level);

	for (uint32 from = 0; from < f->level_count[level]; from += shape->per_page)
	{
		CHECK_FOR_INTERRUPTS();
		write_vertices(f, level, from, Min(shape->per_page, f->level_count[level] - from));
		if (level == 0 && f->progress)
			f->progress(f->progress_state, (double) from / f->level_count[0]);
		hnr_throttle(shape->per_page);
	}
}

/* Chunk pages are filled in node order, a buffer at a time. */
typedef struct ChunkWriter
{
	Buffer		buf;
	uint64		next;			/* chunk to write */
} ChunkWriter;

static HnrTidChunk *
next_chunk(Flushing *f, ChunkWriter *w)
{
	int			pos = w->next % HNR_CHUNKS_PER_PAGE;

	if (pos == 0)
	{
		if (BufferIsValid(w->buf))
			hnr_buffer_release(w->buf);
		hnr_buffer_extend(f->index->rel, MAIN_FORKNUM, 1, f->strategy, &w->buf);
		hnr_page_init(BufferGetPage(w->buf), HNR_PAGE_TIDS,
					  HNR_CHUNKS_PER_PAGE * sizeof(HnrTidChunk));
		MarkBufferDirty(w->buf);
	}
	w->next++;
	return hnr_page_chunk(BufferGetPage(w->buf), pos + 1);
}

static void
write_chunks(Flushing *f)
{
	ChunkWriter w = {InvalidBuffer, 0};
	uint32		n = f->graph->nnodes;

	for (uint32 i = 0; i < n && w.next < f->nchunks; i++)
	{
		HnrMemNode *node = hnr_mem_graph_node(f->graph, i);
		uint32		ntids = count_tids(f, node);
		uint32		chunks = chunks_for(ntids);
		uint32		at = node->first_tid;

		for (int skip = 0; skip < HNR_INLINE_TIDS && at != HNR_MEM_NONE; skip++)
			at = hnr_mem_graph_tid(f->graph, at)->next;
		for (uint32 c = 0; c < chunks; c++)
		{
			HnrTidChunk *chunk = next_chunk(f, &w);

			place_of_node(f, i, 0, &chunk->owner);
			chunk->generation = 1;
			ItemPointerSetInvalid(&chunk->next);
			if (c + 1 < chunks)
				place_of_chunk(f, w.next, &chunk->next);
			for (; at != HNR_MEM_NONE && chunk->ntids < HNR_CHUNK_TIDS;
				 at = hnr_mem_graph_tid(f->graph, at)->next)
				chunk->tids[chunk->ntids++] = hnr_mem_graph_tid(f->graph, at)->tid;
		}
	}
	if (BufferIsValid(w.buf))
		hnr_buffer_release(w.buf);
}

void
hnr_flush_graph(HnrIndex *index, HnrMemGraph *graph, HnrFlushProgress progress, void *state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw flush",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Flushing   *f = palloc0(sizeof(Flushing));
	HnrEntry	entry;

	f->index = index;
	f->graph = graph;
	f->progress = progress;
	f->progress_state = state;
	f->strategy = GetAccessStrategy(BAS_BULKWRITE);
	entry.level = graph->entry_level;
	if (entry.level >= 0)
	{
		hnr_adopt_orphans(index, graph);
		plan(f);
		rotate_all(f);
		for (int level = 0; level <= f->levels; level++)
			write_level(f, level);
		write_chunks(f);
		place_of_node(f, graph->entry, entry.level, &entry.tid);
		hnr_index_set_entry(index, entry, true);
	}
	FreeAccessStrategy(f->strategy);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
