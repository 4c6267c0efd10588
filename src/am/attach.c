/*-------------------------------------------------------------------------
 *
 * attach.c
 *		Vertices that no path leads to, in a graph on pages.  See
 *		attach.h.
 *
 * Where the graph does not fit into memory, what adopt.c does there is done on pages, as
 * by a vacuum that finds nothing dead.  optimize.c has it done, too, while others insert, and
 * under the inner product vacuum itself, before it takes links out.
 *
 * Locks: those of reach.c, and a share lock on one page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/attach.h"
#include "am/buffer.h"
#include "am/stored.h"
#include "am/vacuum.h"
#include "am/vertex.h"
#include "throttle.h"
#include "utils/memutils.h"

/* What a look at a page takes (us), for the throttle. */
#define PAGE_US		5

/*
 * Lengths tell vectors apart if their standard deviation is this share of how far these are from
 * their mean; pages of which that is asked, and fewer vectors than tell.
 */
#define LENGTHS_DIFFER	0.1
#define LENGTHS_SAMPLE	256
#define LEAST_LENGTHS	64

/* Copies a page; false if it has no ground vertices. */
static bool
read_page(HnrVacuum *vac, BlockNumber block, char *copy)
{
	Buffer		buf = hnr_buffer_read_any(vac->index->rel, block, BUFFER_LOCK_SHARE, vac->strategy);

	memcpy(copy, BufferGetPage(buf), BLCKSZ);
	hnr_buffer_release(buf);
	return !PageIsNew((Page) copy) && hnr_page_head((Page) copy)->kind == HNR_PAGE_GROUND;
}

/* Tells what the vertices of a page lead to. */
static void
note_page(HnrVacuum *vac, BlockNumber block, Page page)
{
	const HnrShape *shape = &vac->index->layout.ground;

	for (OffsetNumber pos = 1; pos <= shape->per_page; pos++)
	{
		const HnrVertex *v = hnr_vertex_at(shape, page, pos);
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;

		if (v->state != HNR_VERTEX_LIVE)
			continue;
		hnr_reach_live(vac->reach, id);
		hnr_reach_vertex(vac->reach, id, v);
	}
}

/* Of vectors: how many there are, and sums; in double, for their differences are what counts. */
typedef struct Lengths
{
	int			n;
	double		sum;			/* of lengths */
	double		squares;		/* of these */
	double	   *vectors;
	float	   *vec;			/* scratch */
} Lengths;

static void
add_vector(Lengths *l, int dims)
{
	double		square = 0;

	for (int i = 0; i < dims; i++)
	{
		square += (double) l->vec[i] * l->vec[i];
		l->vectors[i] += l->vec[i];
	}
	l->n++;
	l->sum += sqrt(square);
	l->squares += square;
}

/* Adds the vector of a page's first live vertex. */
static void
add_one_of(const HnrLayout *layout, Page page, Lengths *l)
{
	for (OffsetNumber pos = 1; pos <= layout->ground.per_page; pos++)
	{
		const HnrVertex *v = hnr_vertex_at(&layout->ground, page, pos);

		if (v->state != HNR_VERTEX_LIVE)
			continue;
		hnr_stored_decode(layout->encoding, (const char *) v + layout->ground.part[0].vec_offset,
						  layout->dims, v->scale, l->vec);
		add_vector(l, layout->dims);
		return;
	}
}

/* Whether lengths differ by as much as LENGTHS_DIFFER; written so that what is not finite does. */
static bool
lengths_differ(const Lengths *l, int dims)
{
	double		mean = l->sum / l->n;
	double		spread = l->squares / l->n;

	for (int i = 0; i < dims; i++)
		spread -= (l->vectors[i] / l->n) * (l->vectors[i] / l->n);
	return !(l->squares / l->n - mean * mean < LENGTHS_DIFFER * LENGTHS_DIFFER * spread);
}

bool
hnr_attach_is_due(HnrVacuum *vac)
{
	const HnrLayout *layout = &vac->index->layout;
	BlockNumber step = vac->blocks / LENGTHS_SAMPLE + 1;
	Lengths		l = {0};
	bool		due;
	char	   *copy;

	if (vac->index->metric->kind != HNR_METRIC_IP)
		return false;
	/* what does not stand on the first page is not read for this */
	if (layout->room > 0 || layout->ground.part[0].vec_count < layout->dims)
		return true;
	copy = palloc(BLCKSZ);
	l.vectors = palloc0(sizeof(double) * layout->dims);
	l.vec = palloc(sizeof(float) * layout->dims);
	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->blocks; block += step)
		if (read_page(vac, block, copy))
			add_one_of(layout, (Page) copy, &l);
	due = l.n < LEAST_LENGTHS || lengths_differ(&l, layout->dims);
	pfree(l.vec);
	pfree(l.vectors);
	pfree(copy);
	return due;
}

void
hnr_attach_note_pages(HnrVacuum *vac)
{
	char	   *copy = palloc(BLCKSZ);

	vac->reach = hnr_reach_create(vac);
	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->blocks; block++)
	{
		hnr_vacuum_page_begun(block);
		hnr_throttle(PAGE_US);
		if (read_page(vac, block, copy))
			note_page(vac, block, (Page) copy);
	}
	pfree(copy);
}

int64
hnr_attach_unreached(HnrIndex *index)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw attaching", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrVacuum  *vac = palloc0(sizeof(HnrVacuum));
	int64		attached;

	vac->index = index;
	vac->strategy = GetAccessStrategy(BAS_BULKREAD);
	vac->blocks = RelationGetNumberOfBlocks(index->rel);
	vac->places = Max(index->layout.ground.per_page, index->layout.upper.per_page);
	vac->live.level = -1;
	/* a build's progress has columns for pages only */
	vac->validating = true;
	vac->scratch = AllocSetContextCreate(context, "hnsw attaching scratch", ALLOCSET_DEFAULT_SIZES);
	hnr_vacuum_begin_pass(vac, 2);
	hnr_attach_note_pages(vac);
	hnr_reach_finish(vac->reach);
	attached = vac->nlinked;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return attached;
}
