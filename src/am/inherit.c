/*-------------------------------------------------------------------------
 *
 * inherit.c
 *		What a build takes over from an old index on the same rows.  See inherit.h.
 *
 * Pages are read in their order, each under a share lock, while others insert.  VACUUM is
 * kept away, so a vertex that is live stays so and keeps its vector and its rows; it may
 * get others, and other links.
 *
 * A vertex of the ground is known by its number: that of its block times the vertices on
 * a page, plus that on the page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "am/buffer.h"
#include "am/inherit.h"
#include "am/oldtids.h"
#include "am/sound.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* About what it takes to look at a page, and to load a vertex (us), for the throttle. */
#define PAGE_US		2
#define LOAD_US		2

/* Of how many vacuums took links from a list: what one takes, its repair makes good. */
#define LOST_TWICE	(2 * HNR_VERTEX_LOST_ONE)

/* Vertices of which a code is looked at. */
#define CODES		2000

struct HnrInherit
{
	HnrIndex   *old;
	HnrMemGraph *graph;
	BufferAccessStrategy strategy;
	BlockNumber nblocks;
	BlockNumber heap_blocks;
	BlockNumber first_other;	/* the first that is not of the ground */
	uint32		nvertices;		/* numbers, whether there is such a vertex or not */
	uint32	   *generation;		/* by number, of live ones; else 0 */
	uint32	   *node;			/* by number: the first heap TID claimed, then the node */
	HnrOldTids	tids;
	uint32	   *vertex_of;		/* by node */
	uint8	   *flags;			/* by node */
	HnrInheritFigures figures;
	HnrCodeSample *codes;
	char	   *vector;			/* scratch: of a vertex, as it is stored */
	char	   *slots;			/* scratch: its slots */
};

static inline const HnrShape *
ground(const HnrInherit *h)
{
	return &h->old->layout.ground;
}

void
hnr_inherit_poll(int us)
{
	CHECK_FOR_INTERRUPTS();
	hnr_throttle(us);
}

/* The number of a vertex that a link names; an error if there can be none. */
static uint32
number_of(const HnrInherit *h, BlockNumber at, const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber pos = ItemPointerGetOffsetNumberNoCheck(tid);

	if (pos < 1 || pos > ground(h)->per_page)
		hnr_report_corrupted(h->old->rel, at, "A link names a position that no page has.");
	/* a page that was added after we began has none of ours */
	if (block >= h->nblocks)
		return h->nvertices;
	return block * ground(h)->per_page + pos - 1;
}

/* ---- which rows it has ---- */

static void
add_tid(HnrInherit *h, BlockNumber at, const ItemPointerData *tid, uint32 vertex, uint32 generation)
{
	if (ItemPointerGetBlockNumberNoCheck(tid) >= h->heap_blocks ||
		ItemPointerGetOffsetNumberNoCheck(tid) < 1 ||
		ItemPointerGetOffsetNumberNoCheck(tid) > MaxHeapTuplesPerPage)
	{
		/* a row that was added to the table after we began */
		if (ItemPointerGetOffsetNumberNoCheck(tid) >= 1 &&
			ItemPointerGetOffsetNumberNoCheck(tid) <= MaxHeapTuplesPerPage &&
			BlockNumberIsValid(ItemPointerGetBlockNumberNoCheck(tid)))
			return;
		hnr_report_corrupted(h->old->rel, at, "A vertex names a row that no table has.");
	}
	/* the array doubles */
	if (h->tids.n >= hnr_inherit_budget() / (2 * sizeof(HnrOldTid)))
		hnr_inherit_no_memory();
	hnr_oldtids_add(&h->tids, tid, vertex, generation);
}

static void
read_ground_page(HnrInherit *h, BlockNumber block, Page page)
{
	for (int i = 0; i < ground(h)->per_page; i++)
	{
		const HnrVertex *v = hnr_vertex_at(ground(h), page, i + 1);
		uint32		number = block * ground(h)->per_page + i;

		if (v->state > HNR_VERTEX_REMOVED)
			hnr_report_corrupted(h->old->rel, block, "A vertex is in a state that does not exist.");
		if (v->state != HNR_VERTEX_LIVE)
			continue;
		if (v->level != 0 || v->degree > ground(h)->slots || v->ntids > HNR_INLINE_TIDS ||
			v->generation == 0 || !isfinite(v->error) || v->error < 0)
			hnr_report_corrupted(h->old->rel, block, "The head of a vertex is damaged.");
		h->generation[number] = v->generation;
		h->figures.vertices++;
		for (int t = 0; t < v->ntids; t++)
			add_tid(h, block, &v->tids[t], number, 0);
	}
}

static void
read_chunk_page(HnrInherit *h, BlockNumber block, Page page)
{
	for (int i = 1; i <= HNR_CHUNKS_PER_PAGE; i++)
	{
		const HnrTidChunk *chunk = hnr_page_chunk(page, i);
		uint32		owner;

		if (!ItemPointerIsValid(&chunk->owner))
			continue;
		owner = number_of(h, block, &chunk->owner);
		if (chunk->ntids > HNR_CHUNK_TIDS || chunk->generation == 0)
			hnr_report_corrupted(h->old->rel, block, "A chunk of rows is damaged.");
		for (int t = 0; t < chunk->ntids && owner < h->nvertices; t++)
			add_tid(h, block, &chunk->tids[t], owner, chunk->generation);
	}
}

static void
read_rows(HnrInherit *h)
{
	for (BlockNumber block = HNR_METAPAGE + 1; block < h->nblocks; block++)
	{
		Buffer		buf = hnr_buffer_read_any(h->old->rel, block, BUFFER_LOCK_SHARE, h->strategy);
		Page		page = BufferGetPage(buf);
		int			kind = PageIsNew(page) ? 0 : hnr_page_head(page)->kind;

		if (kind == HNR_PAGE_GROUND)
			read_ground_page(h, block, page);
		else if (kind == HNR_PAGE_TIDS)
			read_chunk_page(h, block, page);
		if (h->first_other == InvalidBlockNumber && (kind == HNR_PAGE_UPPER || kind == HNR_PAGE_TIDS))
			h->first_other = block;
		hnr_buffer_release(buf);
		hnr_inherit_poll(PAGE_US);
	}
}

static void
order_rows(HnrInherit *h)
{
	uint32		twice = hnr_oldtids_order(&h->tids, h->generation);

	h->figures.tids = h->tids.n;
	if (twice != PG_UINT32_MAX)
		hnr_report_corrupted(h->old->rel, twice / ground(h)->per_page, "Two vertices have the same row.");
}

Size
hnr_inherit_budget(void)
{
	return (Size) maintenance_work_mem * 1024;
}

void
hnr_inherit_no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg_internal("the old graph does not fit into maintenance_work_mem")));
}

HnrInherit *
hnr_inherit_create(HnrIndex *old, Relation heap, HnrMemGraph *graph)
{
	HnrInherit *h = palloc0(sizeof(HnrInherit));

	h->old = old;
	h->graph = graph;
	/* in this order: what the pages that are there now name is within the table */
	h->nblocks = RelationGetNumberOfBlocks(old->rel);
	h->heap_blocks = RelationGetNumberOfBlocks(heap);
	/* each page is read three times: it stays, where a scan of such a table would keep it */
	if (h->nblocks > NBuffers / 4)
		h->strategy = GetAccessStrategy(BAS_BULKREAD);
	h->first_other = InvalidBlockNumber;
	if ((uint64) h->nblocks * ground(h)->per_page > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg_internal("index \"%s\" is too large to be taken over",
						RelationGetRelationName(old->rel))));
	h->nvertices = h->nblocks * ground(h)->per_page;
	/* a node takes far more than this: do not take memory to find out that there is too little */
	if (sizeof(uint32) * 8 * (Size) h->nvertices > hnr_inherit_budget())
		hnr_inherit_no_memory();
	h->generation = palloc_extended(sizeof(uint32) * h->nvertices, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	h->node = palloc_extended(sizeof(uint32) * h->nvertices, MCXT_ALLOC_HUGE);
	memset(h->node, 0xFF, sizeof(uint32) * h->nvertices);
	hnr_oldtids_init(&h->tids);
	h->vector = palloc(graph->vector_size);
	h->slots = palloc((Size) old->layout.slot_size * ground(h)->slots);
	read_rows(h);
	order_rows(h);
	return h;
}

Size
hnr_inherit_memory(const HnrInherit *h)
{
	return sizeof(uint32) * 2 * (Size) h->nvertices +
		(sizeof(uint32) + sizeof(uint8)) * (Size) h->figures.vertices +
		(h->tids.tid ? sizeof(HnrOldTid) * h->tids.n : 0);
}

const HnrInheritFigures *
hnr_inherit_figures(const HnrInherit *h)
{
	return &h->figures;
}

bool
hnr_inherit_claim(HnrInherit *h, ItemPointer tid, uint32 *vertex)
{
	HnrMemGraph *graph = h->graph;
	const HnrOldTid *known = hnr_oldtids_find(&h->tids, tid);
	HnrMemTid  *t;

	if (known == NULL)
		return false;
	*vertex = known->vertex;
	hnr_array_reserve(&graph->tids, graph->ntids + 1);
	t = hnr_mem_graph_tid(graph, graph->ntids);
	t->tid = *tid;
	t->next = h->node[*vertex];
	h->node[*vertex] = graph->ntids++;
	return true;
}

/* ---- vectors and links ---- */

/* Numbers the nodes: in the order of their vertices, so that near ones stay together. */
static void
make_nodes(HnrInherit *h)
{
	HnrMemGraph *graph = h->graph;

	h->vertex_of = palloc_extended(sizeof(uint32) * h->figures.vertices, MCXT_ALLOC_HUGE);
	h->flags = palloc_extended(h->figures.vertices, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < h->nvertices; i++)
	{
		uint32		node;

		CHECK_FOR_INTERRUPTS();
		if (h->node[i] == HNR_MEM_NONE)
			continue;
		node = hnr_mem_graph_add_node(graph);
		hnr_mem_graph_node(graph, node)->first_tid = h->node[i];
		h->node[i] = node;
		h->vertex_of[node] = i;
		if (h->generation[i] > 1 || i / ground(h)->per_page >= h->first_other)
			h->flags[node] |= HNR_INHERITED_ADDED;
	}
}

/* Copies a part's coordinates and slots; the page is share-locked. */
static void
copy_part(HnrInherit *h, const HnrPartLayout *pl, const HnrVertex *head, const char *part,
		  bool vector)
{
	const HnrLayout *layout = &h->old->layout;
	int			nslots = Min(pl->slot_count, head->degree - pl->slot_first);

	if (vector)
		memcpy(h->vector + hnr_coordinates_size(layout->encoding, pl->vec_first),
			   part + pl->vec_offset, hnr_coordinates_size(layout->encoding, pl->vec_count));
	if (nslots > 0)
		memcpy(h->slots + (Size) pl->slot_first * layout->slot_size, part + pl->slot_offset,
			   (Size) nslots * layout->slot_size);
}

/*
 * Reads a vertex that is live, to be found as it was: its vector, if asked for, and its slots.
 * Those on a later part may be fewer by now than its head says; they are not valid then.
 */
static HnrVertex
read_vertex(HnrInherit *h, uint32 number, bool vector, BufferAccessStrategy strategy)
{
	BlockNumber block = number / ground(h)->per_page;
	Buffer		buf = hnr_buffer_read_any(h->old->rel, block, BUFFER_LOCK_SHARE, strategy);
	Page		page = BufferGetPage(buf);
	HnrVertex  *v = hnr_vertex_at(ground(h), page, number % ground(h)->per_page + 1);
	HnrVertex	head;

	if (PageIsNew(page) || hnr_page_head(page)->kind != HNR_PAGE_GROUND ||
		v->state != HNR_VERTEX_LIVE || v->generation != h->generation[number] ||
		v->degree > ground(h)->slots)
		hnr_report_corrupted(h->old->rel, block, "A vertex has changed while nobody may change it.");
	head = *v;
	copy_part(h, &ground(h)->part[0], &head, (char *) v, vector);
	hnr_buffer_release(buf);
	for (int p = 1; p < ground(h)->parts; p++)
	{
		char	   *part;

		buf = hnr_buffer_read_any(h->old->rel, block + p, BUFFER_LOCK_SHARE, strategy);
		page = BufferGetPage(buf);
		part = hnr_page_contents(page);
		if (PageIsNew(page) || hnr_page_head(page)->kind != HNR_PAGE_PART ||
			((HnrPart *) part)->generation != head.generation)
			hnr_report_corrupted(h->old->rel, block + p, "A part of a vertex is missing.");
		copy_part(h, &ground(h)->part[p], &head, part, vector);
		hnr_buffer_release(buf);
	}
	return head;
}

static const HnrSlot *
slot_at(const HnrInherit *h, int i)
{
	return (const HnrSlot *) (h->slots + (Size) i * h->old->layout.slot_size);
}

/* The node that a slot of a vertex leads to, or HNR_MEM_NONE. */
static uint32
target_of(const HnrInherit *h, uint32 number, const HnrSlot *slot)
{
	uint32		to;

	if (!ItemPointerIsValid(&slot->vertex))
		return HNR_MEM_NONE;
	to = number_of(h, number / ground(h)->per_page, &slot->vertex);
	if (to == number)
		hnr_report_corrupted(h->old->rel, number / ground(h)->per_page,
							 "A vertex has a link to itself.");
	return to < h->nvertices ? h->node[to] : HNR_MEM_NONE;
}

static void
load_vertex(HnrInherit *h, uint32 node)
{
	uint32		number = h->vertex_of[node];
	HnrVertex	head = read_vertex(h, number, true, h->strategy);
	HnrMemNode *n = hnr_mem_graph_node(h->graph, node);
	HnrMemEdges *edges = hnr_mem_graph_edges(h->graph, node, 0);
	bool		sampled = hnr_code_sample_wants(h->codes);

	memcpy(hnr_array_at(&h->graph->vectors, node), h->vector,
		   hnr_coordinates_size(h->old->layout.encoding, h->old->layout.dims));
	n->scale = head.scale;
	n->error = head.error;
	if ((head.flags & HNR_VERTEX_LOST) >= LOST_TWICE)
		h->flags[node] |= HNR_INHERITED_LOST;
	for (int i = 0; i < head.degree; i++)
	{
		const HnrSlot *slot = slot_at(h, i);
		uint32		to = target_of(h, number, slot);
		bool		have = false;

		if (h->old->codec->quantizer && !(isfinite(slot->constant) && isfinite(hnr_slot_factor(slot))))
			hnr_report_corrupted(h->old->rel, number / ground(h)->per_page,
								 "The code of a link is none.");

		for (int j = 0; j < edges->count && !have; j++)
			have = edges->edge[j].node == to;
		if (to == HNR_MEM_NONE || have)
		{
			h->flags[node] |= HNR_INHERITED_LOST;
			h->figures.lost++;
		}
		else
		{
			/* not always the nearest */
			if (sampled && edges->count == node * 0x9E3779B1U >> 29)
				hnr_code_sample_add(h->codes, node, to, slot);
			edges->edge[edges->count++].node = to;
		}
	}
	h->figures.links += edges->count;
}

void
hnr_inherit_report(const HnrInherit *h, uint32 node, const char *detail)
{
	hnr_report_corrupted(h->old->rel, h->vertex_of[node] / ground(h)->per_page, detail);
}

void
hnr_inherit_load(HnrInherit *h)
{
	make_nodes(h);
	h->codes = hnr_code_sample_create(h->old, h->graph->nnodes, CODES);
	for (uint32 i = 0; i < h->graph->nnodes; i++)
	{
		load_vertex(h, i);
		hnr_inherit_poll(LOAD_US);
	}
	pfree(h->tids.tid);
	h->tids.tid = NULL;
}

uint32
hnr_inherit_node(const HnrInherit *h, uint32 vertex)
{
	return h->node[vertex];
}

uint8
hnr_inherit_flags(const HnrInherit *h, uint32 node)
{
	return h->flags[node];
}

void
hnr_inherit_check_codes(HnrInherit *h)
{
	uint32		wrong = hnr_code_sample_check(h->codes, h->graph);

	if (wrong != HNR_MEM_NONE)
		hnr_inherit_report(h, wrong, "The code of a link does not agree with the vectors.");
}

void
hnr_inherit_slots(void *state, uint32 node, HnrOldSlots *old)
{
	HnrInherit *h = state;
	uint32		number = h->vertex_of[node];
	HnrVertex	head = read_vertex(h, number, false, h->strategy);

	hnr_inherit_poll(LOAD_US);
	old->count = head.degree;
	memcpy(old->slot, h->slots, (Size) head.degree * h->old->layout.slot_size);
	for (int i = 0; i < head.degree; i++)
		ItemPointerSet((ItemPointer) (old->slot + (Size) i * h->old->layout.slot_size),
					   target_of(h, number, slot_at(h, i)), 1);
}

void
hnr_inherit_end(HnrInherit *h)
{
	if (h->strategy)
		FreeAccessStrategy(h->strategy);
	h->strategy = NULL;
}
