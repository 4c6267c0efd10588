/*-------------------------------------------------------------------------
 *
 * optimize.c
 *		An index's graph made better where it stands.  See optimize.h.
 *
 *	1	A survey of all pages: which vertices have suffered, and how badly.
 *	2	Where much was added since the last build, candidates for links between clusters
 *		(bridge.c).
 *	3	The lists of the worst are chosen anew (relist.c), page by page.
 *	4	What no path leads to gets one, as at the end of a vacuum (reach.c).
 *
 * What is due stands in the vertices themselves, so nothing needs to be remembered between
 * two calls.
 *
 * Locks: those of relist.c and reach.c; in the survey a share lock on one page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/attach.h"
#include "am/bridge.h"
#include "am/buffer.h"
#include "am/node.h"
#include "am/optimize.h"
#include "am/relist.h"
#include "commands/progress.h"
#include "debug_point.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

/* What a look at a page, and choosing a list anew, take about (us), for the throttle. */
#define PAGE_US		2
#define RELIST_US	50

/* After so many bytes of WAL the rate is looked at: a pause is longer than meant. */
#define WAL_BYTES	(64 * 1024)

/* A vertex with fewer than this part of the links of a new one has suffered most. */
#define DEGREE_FLOOR	0.5

/* Where more than this part of all vertices was added since the build, clusters may lack links. */
#define ADDED_SHARE		0.1

/* What links between clusters cost a vertex, a list chosen anew costing 1. */
#define BRIDGE_COST		0.5

/* How much a vertex has suffered: vacuums that took links of it, or too few links (WORST). */
#define WORST		3

typedef struct Optimizing
{
	HnrIndex   *index;
	const HnrShape *ground;
	BlockNumber blocks;
	uint8	   *suffered;		/* by place, in two bits each */
	int64		count[WORST + 1];	/* of the vertices, by that */
	int64		added;			/* since the build */
	bool		others;			/* a page of another kind was seen: the build's ground is over */
	BufferAccessStrategy strategy;
	HnrBridges *bridges;		/* NULL: none are needed */
	HnrRelist  *relist;
	int64		chosen;			/* about as many lists are to be chosen anew: */
	int			least;			/* of those that have suffered more than this, and of */
	double		part;			/* those that have suffered this much, such a part */
	int64		done;
	uint64		logged;			/* bytes of WAL that this process has written */
	HnrOptimizeFigures *figures;
} Optimizing;

static Size
place_of(const Optimizing *o, BlockNumber block, OffsetNumber pos)
{
	return (Size) block * o->ground->per_page + pos - 1;
}

static int
suffered_at(const Optimizing *o, Size place)
{
	return o->suffered[place / 4] >> place % 4 * 2 & 3;
}

/* ---- the survey ---- */

static int
suffering_of(const Optimizing *o, const HnrVertex *v)
{
	const HnrIndex *index = o->index;

	if (v->degree < hnr_new_degree(&index->layout, 0, index->meta.m) * DEGREE_FLOOR)
		return WORST;
	return (v->flags & HNR_VERTEX_LOST) / HNR_VERTEX_LOST_ONE;
}

static void
survey_ground(Optimizing *o, BlockNumber block, Page page)
{
	for (OffsetNumber pos = 1; pos <= o->ground->per_page; pos++)
	{
		const HnrVertex *v = hnr_vertex_at(o->ground, page, pos);
		Size		place = place_of(o, block, pos);
		int			suffered;

		if (v->state != HNR_VERTEX_LIVE)
			continue;
		suffered = suffering_of(o, v);
		o->count[suffered]++;
		o->suffered[place / 4] |= suffered << place % 4 * 2;
		if (o->others || v->generation > 1)
			o->added++;
	}
}

static void
survey(Optimizing *o)
{
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL, o->blocks);
	for (BlockNumber block = HNR_METAPAGE + 1; block < o->blocks; block++)
	{
		Buffer		buf;
		Page		page;
		int			kind;

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(PAGE_US);
		pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, block);
		buf = hnr_buffer_read_any(o->index->rel, block, BUFFER_LOCK_SHARE, o->strategy);
		page = BufferGetPage(buf);
		kind = PageIsNew(page) ? 0 : hnr_page_head(page)->kind;
		if (kind == HNR_PAGE_GROUND)
			survey_ground(o, block, page);
		if (kind == HNR_PAGE_UPPER || kind == HNR_PAGE_TIDS)
			o->others = true;
		hnr_buffer_release(buf);
	}
	o->figures->vertices = o->count[0] + o->count[1] + o->count[2] + o->count[3];
	o->figures->due = o->figures->left = o->figures->vertices - o->count[0];
}

static void
begin(Optimizing *o, Relation index, HnrOptimizeFigures *figures)
{
	memset(o, 0, sizeof(*o));
	o->figures = figures;
	o->index = hnr_index_open(index);
	o->ground = &o->index->layout.ground;
	o->blocks = RelationGetNumberOfBlocks(index);
	figures->pages = o->blocks;
	o->suffered = palloc_extended((Size) o->blocks * o->ground->per_page / 4 + 1,
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	o->strategy = GetAccessStrategy(BAS_BULKREAD);
	o->logged = pgWalUsage.wal_bytes;
}

/* ---- the lists ---- */

/* How many have suffered so much, or more. */
static int64
sum_from(const Optimizing *o, int least)
{
	int64		sum = 0;

	for (int i = least; i <= WORST; i++)
		sum += o->count[i];
	return sum;
}

/*
 * Decides which vertices are within the share: those that have suffered most, and some of
 * those that have suffered a little less.
 */
static void
decide(Optimizing *o, double share)
{
	int64		budget = (int64) ceil(o->figures->vertices * share);

	if (o->bridges)
		budget = Max(budget - (int64) (hnr_bridges_count(o->bridges) * BRIDGE_COST), 0);

	o->least = WORST;
	while (o->least > 1 && sum_from(o, o->least) < budget)
		o->least--;
	o->chosen = Min(sum_from(o, o->least), budget);
	if (o->count[o->least] > 0)
		o->part = 1 - (sum_from(o, o->least) - o->chosen) / (double) o->count[o->least];
	/* even the worst are more than that: some of them */
	o->part = Max(o->part, 0);
}

/* Whether a vertex's list is to be chosen anew. */
static bool
is_due(Optimizing *o, HnrNodeId id)
{
	Size		place = place_of(o, (BlockNumber) (id >> 16), id & 0xFFFF);
	int			suffered = suffered_at(o, place);

	if (suffered == 0 || suffered < o->least)
		return false;
	/* here and there in the whole index, and elsewhere the next time */
	if (suffered == o->least && (uint32) (place + o->figures->due) * 0x9E3779B1U >= o->part * PG_UINT32_MAX)
		return false;
	o->done++;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, o->done);
	return true;
}

/* Keeps to hnsw_rebuild.wal_rate. */
static void
throttle_wal(Optimizing *o)
{
	uint64		now = pgWalUsage.wal_bytes;

	if (now - o->logged < WAL_BYTES)
		return;
	hnr_throttle_wal(now - o->logged);
	o->logged = now;
}

static void
relist_block(Optimizing *o, BlockNumber block)
{
	for (OffsetNumber pos = 1; pos <= o->ground->per_page; pos++)
	{
		HnrNodeId	id = ((HnrNodeId) block << 16) | pos;
		const HnrNodeId *far = NULL;
		int			nfar = o->bridges ? hnr_bridges_of(o->bridges, id, &far) : 0;
		bool		due = is_due(o, id);
		ItemPointerData tid;

		if (!due && nfar == 0)
			continue;
		hnr_tid_of_node(id, &tid);
		hnr_relist_vertex(o->relist, &tid, due, far, nfar);
		hnr_throttle(RELIST_US);
		throttle_wal(o);
	}
}

static void
note_figures(Optimizing *o)
{
	const HnrRelistFigures *f = hnr_relist_figures(o->relist);

	o->figures->relisted = f->looked;
	o->figures->changed = f->changed;
	o->figures->links_added = f->added;
	o->figures->links_dropped = f->dropped;
	o->figures->far_links = f->far;
	o->figures->codes = f->codes;
	o->figures->left = o->figures->due - o->done;
}

static void
relist_all(Optimizing *o)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, o->chosen);
	o->relist = hnr_relist_create(o->index);
	for (BlockNumber block = HNR_METAPAGE + 1; block < o->blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, block);
		relist_block(o, block);
		note_figures(o);
	}
}

void
hnr_index_optimize(Relation index, double share, HnrOptimizeFigures *figures)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw optimize",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Optimizing	o;

	begin(&o, index, figures);
	survey(&o);
	HNR_DEBUG_POINT("optimize_surveyed");
	if (o.added > o.figures->vertices * ADDED_SHARE && share > 0)
		o.bridges = hnr_bridges_create(o.index, o.blocks);
	decide(&o, share);
	HNR_DEBUG_POINT("optimize_bridged");
	relist_all(&o);
	HNR_DEBUG_POINT("optimize_attach");
	figures->attached = hnr_attach_unreached(o.index);
	hnr_bridges_free(o.bridges);
	FreeAccessStrategy(o.strategy);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
