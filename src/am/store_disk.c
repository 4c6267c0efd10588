/*-------------------------------------------------------------------------
 *
 * store_disk.c
 *		The graph on pages, as a store.  See store_disk.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/doubt.h"
#include "am/idset.h"
#include "am/store_disk.h"
#include "am/stored.h"
#include "am/tail.h"
#include "am/vertex.h"
#include "distance/distance.h"
#include "miscadmin.h"
#include "utils/spccache.h"

struct HnrDiskStore
{
	HnrStore	store;
	HnrIndex   *index;
	bool		keep_vectors;
	bool		skip_dead;
	ItemPointerData left_out;	/* valid: the row to search for as if it were not
								 * there */
	float	   *rounded;		/* then: its vector as stored, the query rounded */
	const float *query;
	float	   *rotated;
	HnrCodeQuery *code_query;
	HnrDoubt	doubt;			/* under the inner product */
	HnrIdSet	seen;
	HnrWays    *ways;			/* if keep_vectors */
	float	   *vec;			/* the vector of the vertex being looked at */
	float	   *dots;
	HnrVisited *visited;
	int			nvisited;
	int			maxvisited;
	MemoryContext context;
};

/* A visit under way. */
typedef struct Visiting
{
	HnrDiskStore *ds;
	const HnrShape *shape;
	ItemPointerData tid;
	HnrVertex	vertex;			/* its header, copied */
	XLogRecPtr	lsn;			/* of its page then */
	HnrVisit	result;
	bool		left_out;
	HnrWays    *ways;			/* its links are, or NULL */
	float		constant_scale;
	float		reach;			/* for the doubt; 0: none */
	HnrCandidate *out;
} Visiting;

static void
disk_begin(HnrStore *store)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;

	hnr_idset_clear(&ds->seen);
	ds->doubt.ways = ds->doubt.nways = 0;
	if (ds->keep_vectors)
	{
		hnr_ways_clear(ds->ways);
		for (int i = 0; i < ds->nvisited; i++)
			pfree(unconstify(float *, ds->visited[i].vec));
	}
	ds->nvisited = 0;
}

static bool
disk_mark(HnrStore *store, HnrNodeId node)
{
	return hnr_idset_add(&((HnrDiskStore *) store)->seen, node);
}

static bool
is_present(const HnrVertex *vertex, int level)
{
	return (vertex->state == HNR_VERTEX_LIVE || vertex->state == HNR_VERTEX_DELETED) &&
		vertex->level == level;
}

/*
 * Takes a part's coordinates to ds->vec, where vectors vary the whole vector.  False if that
 * is another's by now.
 */
static bool
decode_part(HnrDiskStore *ds, const HnrPartLayout *pl, const ItemPointerData *tid,
			const HnrVertex *vertex, const char *part)
{
	if (unlikely(ds->index->layout.room > 0))
		return hnr_tail_read_vector(ds->index, tid, vertex->generation, part + pl->vec_offset,
									ds->vec);
	hnr_stored_decode(ds->index->layout.encoding, part + pl->vec_offset, pl->vec_count,
					  vertex->scale, ds->vec + pl->vec_first);
	return true;
}

/* Lists the neighbours in one part's slots; the page is share-locked. */
static void
list_slots(Visiting *v, const HnrPartLayout *pl, char *part)
{
	HnrDiskStore *ds = v->ds;
	int			size = ds->index->layout.slot_size;
	int			n = Min(pl->slot_count, (int) v->vertex.degree - pl->slot_first);
	char	   *slots = part + pl->slot_offset;
	const float *dots = ds->code_query ? ds->dots : NULL;
	HnrCandidate *out = v->out + v->result.nneighbors;
	HnrIdSet	seen;
	int			listed = 0;

	if (n <= 0 || v->left_out)
		return;
	if (dots)
		hnr_code_dots(ds->code_query, (uint8 *) slots + sizeof(HnrSlot), size, n, ds->dots);
	if (dots && v->reach > 0)
		hnr_doubt_apply(&ds->doubt, v->reach, slots, size, n, ds->dots);
	hnr_idset_reserve(&ds->seen, n);
	seen = ds->seen;			/* for the compiler: nothing below changes it */
	for (int i = 0; i < n; i++)
	{
		HnrSlot    *slot = (HnrSlot *) (slots + (Size) i * size);

		/* on a later part, the list may have become shorter since the degree was read */
		if (unlikely(!ItemPointerIsValid(&slot->vertex)))
			continue;
		out[listed].id = hnr_node_of_tid(&slot->vertex);
		out[listed].distance = dots ? v->result.distance + v->constant_scale * slot->constant +
			hnr_slot_factor(slot) * dots[i] : 0;
		listed += hnr_idset_put(&seen, out[listed].id);
	}
	ds->seen.count = seen.count;
	v->result.nneighbors += listed;
	if (v->ways)
		hnr_ways_note(v->ways, slots, size, n);
}

static HnrVisited *
next_visited(HnrDiskStore *ds)
{
	if (ds->nvisited == ds->maxvisited)
	{
		ds->maxvisited *= 2;
		ds->visited = repalloc_huge(ds->visited, sizeof(HnrVisited) * ds->maxvisited);
	}
	return &ds->visited[ds->nvisited++];
}

static void
remember(Visiting *v, const float *vec)
{
	HnrDiskStore *ds = v->ds;
	HnrVisited *r = next_visited(ds);

	v->result.ref = r - ds->visited;
	r->tid = v->tid;
	r->link = v->vertex.link;
	r->generation = v->vertex.generation;
	r->ntids = Min(v->vertex.ntids, HNR_INLINE_TIDS);
	memcpy(r->tids, v->vertex.tids, sizeof(r->tids));
	r->error = v->vertex.error;
	r->lsn = v->lsn;
	r->vec = NULL;
	r->pending = false;
	if (ds->keep_vectors)
	{
		Size		size = sizeof(float) * hnr_layout_words(&ds->index->layout, vec);
		float	   *copy = MemoryContextAlloc(ds->context, size);

		memcpy(copy, vec, size);
		r->vec = copy;
	}
}

/*
 * Whether the vertex stands for nothing but the row to leave out.  Upper vertices
 * do not tell their rows; there the vector decides.  Where a search begins with it,
 * which is at the entry point, there is no way around it.
 */
static bool
is_left_out(Visiting *v, const float *vec)
{
	HnrDiskStore *ds = v->ds;

	if (!ItemPointerIsValid(&ds->left_out) || ds->nvisited == 0)
		return false;
	if (v->vertex.level > 0)
		return hnr_metric_same(ds->index->metric, ds->index->layout.dims, vec, ds->rounded);
	return v->vertex.ntids == 1 && !ItemPointerIsValid(&v->vertex.link) &&
		hnr_same_tid(&v->vertex.tids[0], &ds->left_out);
}

static void
measure(Visiting *v, const float *vec)
{
	const HnrMetric *metric = v->ds->index->metric;
	int			dims = v->ds->index->layout.dims;

	v->left_out = is_left_out(v, vec);
	v->result.distance = hnr_metric_distance(metric, dims, v->ds->query, vec);
	if (v->ds->code_query)
		v->constant_scale = hnr_codec_constant_scale(metric, dims, vec, v->result.distance);
	if (v->ds->code_query && metric->kind == HNR_METRIC_IP)
		v->reach = hnr_doubt_reach(&v->ds->doubt, v->result.distance, v->constant_scale);
	remember(v, vec);
}

/*
 * The parts after the first: gathers the vector, measures it when complete, lists
 * the slots behind it.  False if the vertex was replaced meanwhile.
 */
static bool
visit_later_parts(Visiting *v)
{
	HnrDiskStore *ds = v->ds;

	for (int p = 1; p < v->shape->parts; p++)
	{
		const HnrPartLayout *pl = &v->shape->part[p];
		Buffer		buf = hnr_buffer_read(ds->index->rel,
										  ItemPointerGetBlockNumberNoCheck(&v->tid) + p,
										  BUFFER_LOCK_SHARE, HNR_KIND_BIT(HNR_PAGE_PART));
		char	   *part = hnr_page_contents(BufferGetPage(buf));

		if (((HnrPart *) part)->generation != v->vertex.generation)
		{
			hnr_buffer_release(buf);
			return false;
		}
		(void) decode_part(ds, pl, &v->tid, &v->vertex, part);
		if (pl->vec_count > 0 && pl->vec_first + pl->vec_count == ds->index->layout.stored)
			measure(v, ds->vec);
		list_slots(v, pl, part);
		hnr_buffer_release(buf);
	}
	return true;
}

/*
 * Reads the vector of a neighbour into ds->vec; false if it is gone.  One that is
 * replaced between two of its parts gives a wrong distance, and a visit rights it.
 */
static bool
read_vector(HnrDiskStore *ds, const HnrShape *shape, ItemPointer tid, int level)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	Buffer		buf = hnr_buffer_read(ds->index->rel, block, BUFFER_LOCK_SHARE,
									  HNR_KIND_BIT(shape->kind));
	HnrVertex	vertex;
	bool		present;

	hnr_vertex_check_position(ds->index, shape, tid);
	vertex = *hnr_vertex_at(shape, BufferGetPage(buf), ItemPointerGetOffsetNumber(tid));
	present = is_present(&vertex, level) &&
		decode_part(ds, &shape->part[0], tid, &vertex,
					(char *) hnr_vertex_at(shape, BufferGetPage(buf), ItemPointerGetOffsetNumber(tid)));
	hnr_buffer_release(buf);
	if (!present)
		return false;
	for (int p = 1; p < shape->parts && shape->part[p].vec_count > 0; p++)
	{
		buf = hnr_buffer_read(ds->index->rel, block + p, BUFFER_LOCK_SHARE,
							  HNR_KIND_BIT(HNR_PAGE_PART));
		(void) decode_part(ds, &shape->part[p], tid, &vertex, hnr_page_contents(BufferGetPage(buf)));
		hnr_buffer_release(buf);
	}
	return true;
}

/*
 * With plain slots the neighbours' distances are not on the vertex: looks at each.
 * Those that are gone are dropped.
 */
static void
measure_plain_neighbors(Visiting *v, int level)
{
	HnrDiskStore *ds = v->ds;
	int			kept = 0;

	for (int i = 0; i < v->result.nneighbors; i++)
	{
		ItemPointerData tid;

		hnr_tid_of_node(v->out[i].id, &tid);
		if (!read_vector(ds, v->shape, &tid, level))
			continue;
		v->out[kept].id = v->out[i].id;
		v->out[kept++].distance = hnr_metric_distance(ds->index->metric, ds->index->layout.dims,
													  ds->query, ds->vec);
	}
	v->result.nneighbors = kept;
}

static HnrVisit
disk_visit(HnrStore *store, HnrNodeId node, int level, HnrCandidate *neighbors)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;
	Visiting	v;
	int64		disk_reads = hnr_buffer_disk_reads();
	Buffer		buf;
	HnrVertex  *vertex;
	const HnrPartLayout *pl;

	memset(&v.result, 0, sizeof(v.result));
	v.left_out = false;
	v.reach = 0;
	v.ds = ds;
	v.shape = hnr_layout_shape(&ds->index->layout, level);
	v.out = neighbors;
	hnr_tid_of_node(node, &v.tid);
	pl = &v.shape->part[0];

	CHECK_FOR_INTERRUPTS();
	buf = hnr_buffer_read(ds->index->rel, ItemPointerGetBlockNumberNoCheck(&v.tid),
						  BUFFER_LOCK_SHARE, HNR_KIND_BIT(v.shape->kind));
	hnr_vertex_check_position(ds->index, v.shape, &v.tid);
	vertex = hnr_vertex_at(v.shape, BufferGetPage(buf), ItemPointerGetOffsetNumber(&v.tid));
	if (!is_present(vertex, level) || !decode_part(ds, pl, &v.tid, vertex, (char *) vertex))
	{
		hnr_buffer_release(buf);
		return v.result;
	}
	v.vertex = *vertex;
	v.lsn = PageGetLSN(BufferGetPage(buf));
	v.ways = ds->ways && vertex->state == HNR_VERTEX_LIVE && hnr_ways_visit(ds->ways, node) ?
		ds->ways : NULL;
	v.result.present = true;
	v.result.live = vertex->state == HNR_VERTEX_LIVE &&
		!(ds->skip_dead && (vertex->flags & HNR_VERTEX_ALL_DEAD) != 0);
	if (pl->vec_count == ds->index->layout.stored)
		measure(&v, ds->vec);
	list_slots(&v, pl, (char *) vertex);
	hnr_buffer_release(buf);

	if (!visit_later_parts(&v) || v.left_out)
	{
		memset(&v.result, 0, sizeof(v.result));
		return v.result;
	}
	if (ds->code_query == NULL)
		measure_plain_neighbors(&v, level);
	v.result.waited = hnr_buffer_disk_reads() != disk_reads;
	return v.result;
}

static void
disk_prefetch(HnrStore *store, HnrNodeId node, int level)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;
	const HnrShape *shape = hnr_layout_shape(&ds->index->layout, level);
	int			pos = node & 0xFFFF;

	hnr_buffer_prefetch(ds->index->rel, (BlockNumber) (node >> 16),
						HNR_PAGE_START + (pos - 1) * shape->part[0].size,
						shape->part[0].size);
}

static void
disk_read_ahead(HnrStore *store, HnrNodeId node, int level)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;
	const HnrShape *shape = hnr_layout_shape(&ds->index->layout, level);

	for (int p = 0; p < shape->parts; p++)
		hnr_buffer_read_ahead(ds->index->rel, (BlockNumber) (node >> 16) + p);
}

static HnrNodeId
disk_down(HnrStore *store, const HnrCandidate *found)
{
	return hnr_node_of_tid(&((HnrDiskStore *) store)->visited[found->ref].link);
}

HnrStore *
hnr_disk_store_create(HnrIndex *index, bool keep_vectors)
{
	HnrDiskStore *ds = palloc0(sizeof(HnrDiskStore));
	int			slots = Max(index->layout.ground.slots, index->layout.upper.slots);

	ds->store.max_neighbors = slots;
	ds->store.products = index->metric->kind == HNR_METRIC_IP;
	ds->store.begin = disk_begin;
	ds->store.mark = disk_mark;
	ds->store.visit = disk_visit;
	ds->store.prefetch = disk_prefetch;
	ds->store.io_concurrency = get_tablespace_io_concurrency(index->rel->rd_rel->reltablespace);
	ds->store.read_ahead = disk_read_ahead;
	ds->store.down = disk_down;
	ds->index = index;
	ds->keep_vectors = keep_vectors;
	ItemPointerSetInvalid(&ds->left_out);
	ds->context = CurrentMemoryContext;
	hnr_idset_init(&ds->seen, 4096);
	ds->ways = keep_vectors ? hnr_ways_create() : NULL;
	ds->vec = palloc(sizeof(float) * index->layout.dims);
	ds->dots = palloc(sizeof(float) * slots);
	ds->maxvisited = 128;
	ds->visited = palloc(sizeof(HnrVisited) * ds->maxvisited);
	if (index->codec->quantizer)
	{
		ds->rotated = palloc(sizeof(float) * hnr_codec_rotated_dims(index->codec));
		ds->code_query = hnr_code_query_create(index->codec->quantizer);
	}
	return &ds->store;
}

void
hnr_disk_store_set_query(HnrStore *store, const float *query)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;

	ds->query = query;
	if (ds->code_query)
	{
		hnr_codec_rotate(ds->index->codec, query, ds->rotated);
		hnr_code_query_set(ds->code_query, ds->rotated);
		if (ds->index->metric->kind == HNR_METRIC_IP)
			ds->doubt.query2 = hnr_distance->inner_product(ds->index->layout.dims, query, query);
	}
}

void
hnr_disk_store_skip_dead(HnrStore *store, bool skip)
{
	((HnrDiskStore *) store)->skip_dead = skip;
}

void
hnr_disk_store_leave_out(HnrStore *store, ItemPointer heap_tid)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;
	ds->left_out = *heap_tid;
	if (!ItemPointerIsValid(heap_tid))
		return;
	ds->rounded = hnr_metric_copy(ds->index->metric, ds->index->layout.dims, ds->query);
	hnr_stored_round(ds->index->metric, ds->index->layout.encoding, ds->index->layout.dims,
					 ds->rounded);
}

const float *
hnr_disk_store_rotated_query(HnrStore *store)
{
	return ((HnrDiskStore *) store)->rotated;
}

const float *
hnr_disk_store_vector(HnrStore *store, HnrNodeId node, int level)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;
	ItemPointerData tid;

	hnr_tid_of_node(node, &tid);
	return read_vector(ds, hnr_layout_shape(&ds->index->layout, level), &tid, level) ? ds->vec : NULL;
}

const HnrVisited *
hnr_disk_store_visited(HnrStore *store, uint32 ref)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;

	Assert(ref < ds->nvisited);
	return &ds->visited[ref];
}

const float *
hnr_disk_store_query(HnrStore *store)
{
	return ((HnrDiskStore *) store)->query;
}

HnrCodeQuery *
hnr_disk_store_code_query(HnrStore *store)
{
	return ((HnrDiskStore *) store)->code_query;
}

uint32
hnr_disk_store_add(HnrStore *store, const HnrVisited *visited)
{
	HnrDiskStore *ds = (HnrDiskStore *) store;

	*next_visited(ds) = *visited;
	return ds->nvisited - 1;
}

HnrWays *
hnr_disk_store_ways(HnrStore *store)
{
	return ((HnrDiskStore *) store)->ways;
}
