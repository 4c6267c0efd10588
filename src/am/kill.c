/*-------------------------------------------------------------------------
 *
 * kill.c
 *		Vertices whose rows a scan found to be dead to everybody.  See kill.h.
 *
 * A TID that the scan found dead may have been removed by VACUUM since, and given to
 * a new row that is in the same vertex again.  So a vertex is marked only if its page
 * is as it was when the scan read it, by its LSN: VACUUM changes that page when it
 * takes a TID out, of a chunk as well.  An insertion that adds a TID to a chunk need
 * not, so where there are chunks, the TIDs are counted again.  A page that somebody
 * has locked or changed is left alone; another scan will come by.
 *
 * An index without WAL has no LSNs to go by.  In one of our own session nobody
 * vacuums while a scan is open; others are not marked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/kill.h"
#include "am/tids.h"
#include "am/wal.h"

/* How many to mark at once, and how many TIDs to count again in chunks. */
#define MAX_KILLS 256
#define MAX_COUNTED 100

typedef struct Kill
{
	HnrVisited	visited;
	int			ntids;
} Kill;

struct HnrKills
{
	HnrIndex   *index;
	int			n;
	Kill		kill[MAX_KILLS];
};

bool
hnr_kills_possible(HnrIndex *index)
{
	return RelationNeedsWAL(index->rel) || RELATION_IS_LOCAL(index->rel);
}

HnrKills *
hnr_kills_create(HnrIndex *index)
{
	HnrKills   *kills = palloc(sizeof(HnrKills));

	kills->index = index;
	kills->n = 0;
	return kills;
}

void
hnr_kills_add(HnrKills *kills, const HnrVisited *visited, int ntids)
{
	if (kills->n == MAX_KILLS)
		hnr_kills_flush(kills);
	kills->kill[kills->n].visited = *visited;
	kills->kill[kills->n++].ntids = ntids;
}

static int
compare_kills(const void *a, const void *b)
{
	HnrNodeId	x = hnr_node_of_tid(&((const Kill *) a)->visited.tid);
	HnrNodeId	y = hnr_node_of_tid(&((const Kill *) b)->visited.tid);

	return (x > y) - (x < y);
}

/* Whether a vertex, its page locked exclusively, has no TIDs but those that are dead. */
static bool
is_all_dead(HnrIndex *index, const Kill *kill, const HnrVertex *v)
{
	HnrTidReader reader;
	HnrVisited	now = kill->visited;
	ItemPointerData tid;
	int			n = 0;

	if (v->state != HNR_VERTEX_LIVE || v->level != 0 ||
		v->generation != now.generation || v->ntids != now.ntids)
		return false;
	if (!ItemPointerIsValid(&v->link))
		return kill->ntids == v->ntids;
	if (kill->ntids > MAX_COUNTED)
		return false;
	now.link = v->link;
	hnr_tids_read_start(&reader, index, &now);
	reader.alone = true;
	/* chunks may be empty: as many as TIDs are to be counted are enough */
	while (n <= kill->ntids && reader.steps <= MAX_COUNTED && hnr_tids_read_next(&reader, &tid))
		n++;
	return n == kill->ntids && reader.steps <= MAX_COUNTED;
}

/* Marks those of n vertices on one page that are as they were. */
static void
mark_on_page(HnrIndex *index, BlockNumber block, const Kill *kill, int n)
{
	const HnrShape *shape = &index->layout.ground;
	Buffer		buf = hnr_buffer_try_exclusive(index->rel, block);
	Page		page;
	HnrChange	change;
	bool		changing = false;

	if (!BufferIsValid(buf))
		return;
	page = BufferGetPage(buf);
	if (PageIsNew(page) || !hnr_page_is_ours(page) ||
		hnr_page_head(page)->kind != HNR_PAGE_GROUND)
		n = 0;
	for (int i = 0; i < n; i++)
	{
		OffsetNumber pos = ItemPointerGetOffsetNumber(&kill[i].visited.tid);

		if (PageGetLSN(BufferGetPage(buf)) != kill[i].visited.lsn ||
			!is_all_dead(index, &kill[i], hnr_vertex_at(shape, BufferGetPage(buf), pos)))
			continue;
		if (!changing)
		{
			hnr_change_begin(&change, index->rel, false);
			page = hnr_change_page(&change, buf, HNR_CHANGE_DELTA);
			changing = true;
		}
		hnr_vertex_at(shape, page, pos)->flags |= HNR_VERTEX_ALL_DEAD;
	}
	if (changing)
		hnr_change_end(&change);
	hnr_buffer_release(buf);
}

void
hnr_kills_flush(HnrKills *kills)
{
	int			n;

	qsort(kills->kill, kills->n, sizeof(Kill), compare_kills);
	for (int i = 0; i < kills->n; i += n)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&kills->kill[i].visited.tid);

		for (n = 1; i + n < kills->n; n++)
			if (ItemPointerGetBlockNumber(&kills->kill[i + n].visited.tid) != block)
				break;
		mark_on_page(kills->index, block, &kills->kill[i], n);
	}
	kills->n = 0;
}
