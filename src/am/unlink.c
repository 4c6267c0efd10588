/*-------------------------------------------------------------------------
 *
 * unlink.c
 *		Vacuum's second pass: links to dead vertices go.
 *
 * Reads every vertex once with a share lock; only one that has a link to a dead
 * vertex is locked exclusively and written.  A vertex whose degree falls under an
 * absolute floor is given new neighbours at once, from the neighbours of those it
 * has and of those it lost, which are still on their pages.  Counts the links to
 * each ground vertex on the way and links again what nothing leads to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/insert.h"
#include "am/store_disk.h"
#include "am/vacuum.h"
#include "am/vertex.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "utils/memutils.h"

/*
 * A new vertex takes m neighbours at each level; with fewer than these parts of m
 * it no longer holds its place in the graph.
 */
#define GROUND_FLOOR 0.75
#define UPPER_FLOOR 0.5

typedef struct Unlinking
{
	HnrVacuum  *vac;
	BlockNumber block;
	const HnrShape *shape;
	int			level_of[MaxOffsetNumber + 1];
	bool		touch[MaxOffsetNumber + 1];
	char	   *slots;
	HnrNodeId  *lost;
} Unlinking;

static uint8 *
in_degree_of(HnrVacuum *vac, HnrNodeId id)
{
	BlockNumber block = id >> 16;
	int			pos = id & 0xFFFF;

	if (block >= vac->blocks || pos < 1 || pos > vac->index->layout.ground.per_page)
		return NULL;
	return &vac->in_degree[(Size) block * vac->index->layout.ground.per_page + pos - 1];
}

static void
count_link(HnrVacuum *vac, HnrNodeId to)
{
	uint8	   *d = in_degree_of(vac, to);

	/* the page of `to` may not have been seen yet: NOT_LIVE then starts the count */
	if (d == NULL || *d == HNR_MANY_LINKS)
		return;
	*d = *d == HNR_NOT_LIVE ? 1 : *d + 1;
}

/* Looks at n slots; true if one leads to a dead vertex. */
static bool
scan_slots(Unlinking *u, const char *slots, int n, bool ground)
{
	bool		any = false;

	for (int i = 0; i < n; i++)
	{
		const HnrSlot *slot = (const HnrSlot *) (slots + (Size) i * u->vac->index->layout.slot_size);
		HnrNodeId	id = hnr_node_of_tid(&slot->vertex);

		if (hnr_vacuum_is_dead(u->vac, id))
			any = true;
		else if (ground)
			count_link(u->vac, id);
	}
	return any;
}

/* The slots on later parts, each locked in turn. */
static bool
scan_later_parts(Unlinking *u, BlockNumber block, int degree, uint32 generation, bool ground)
{
	bool		any = false;

	for (int p = 1; p < u->shape->parts; p++)
	{
		const HnrPartLayout *pl = &u->shape->part[p];
		int			n = Min(pl->slot_count, degree - pl->slot_first);
		Buffer		buf;
		char	   *part;

		if (n <= 0)
			continue;
		buf = hnr_buffer_read(u->vac->index->rel, block + p, BUFFER_LOCK_SHARE,
							  HNR_KIND_BIT(HNR_PAGE_PART));
		part = hnr_page_contents(BufferGetPage(buf));
		if (((HnrPart *) part)->generation == generation)
			any |= scan_slots(u, part + pl->slot_offset, n, ground);
		hnr_buffer_release(buf);
	}
	return any;
}

/* Reads one page of vertices; fills touch[] with those that have links to dead ones. */
static void
scan_page(Unlinking *u, Page page)
{
	const HnrPartLayout *pl = &u->shape->part[0];
	bool		ground = u->shape->kind == HNR_PAGE_GROUND;

	for (OffsetNumber pos = 1; pos <= u->shape->per_page; pos++)
	{
		HnrVertex  *v = hnr_vertex_at(u->shape, page, pos);
		HnrNodeId	id = ((HnrNodeId) u->block << 16) | pos;

		u->touch[pos] = false;
		u->level_of[pos] = v->level;
		if (v->state != HNR_VERTEX_LIVE || hnr_vacuum_is_dead(u->vac, id))
			continue;
		if (ground)
		{
			uint8	   *d = in_degree_of(u->vac, id);

			if (d && *d == HNR_NOT_LIVE)
				*d = 0;
			if (u->vac->live.level < 0)
			{
				ItemPointerSet(&u->vac->live.tid, u->block, pos);
				u->vac->live.level = 0;
			}
		}
		u->touch[pos] = scan_slots(u, (char *) v + pl->slot_offset,
								   Min(pl->slot_count, (int) v->degree), ground);
	}
}

/* Takes the dead links out of one vertex; repairs it if too few are left. */
static void
unlink_vertex(Unlinking *u, OffsetNumber pos)
{
	HnrIndex   *index = u->vac->index;
	Size		size = index->layout.slot_size;
	int			level = u->level_of[pos];
	ItemPointerData tid;
	HnrLockedVertex locked;
	int			degree;
	int			kept = 0;
	int			nlost = 0;
	double		floor;

	ItemPointerSet(&tid, u->block, pos);
	if (!hnr_vertex_lock(index, &tid, level, &locked))
		return;
	degree = locked.vertex->degree;
	hnr_vertex_get_slots(&locked, u->slots);
	for (int i = 0; i < degree; i++)
	{
		HnrSlot    *slot = (HnrSlot *) (u->slots + i * size);
		HnrNodeId	id = hnr_node_of_tid(&slot->vertex);

		if (hnr_vacuum_is_dead(u->vac, id))
			u->lost[nlost++] = id;
		else
		{
			if (kept != i)
				memcpy(u->slots + kept * size, slot, size);
			kept++;
		}
	}
	if (nlost > 0)
		hnr_vertex_put_slots(&locked, u->slots, kept);
	hnr_vertex_unlock(&locked);

	floor = index->meta.m * (level == 0 ? GROUND_FLOOR : UPPER_FLOOR);
	if (nlost > 0 && kept < floor)
	{
		MemoryContext old = MemoryContextSwitchTo(u->vac->scratch);

		hnr_repair_vertex(u->vac, &tid, level, u->lost, nlost);
		MemoryContextSwitchTo(old);
		MemoryContextReset(u->vac->scratch);
	}
}

static void
unlink_block(Unlinking *u)
{
	Buffer		buf = hnr_buffer_read_any(u->vac->index->rel, u->block, BUFFER_LOCK_SHARE,
										  u->vac->strategy);
	Page		page = BufferGetPage(buf);
	int			kind = PageIsNew(page) ? 0 : hnr_page_head(page)->kind;
	HnrVertex	first;

	if (kind != HNR_PAGE_GROUND && kind != HNR_PAGE_UPPER)
	{
		hnr_buffer_release(buf);
		return;
	}
	u->shape = kind == HNR_PAGE_GROUND ? &u->vac->index->layout.ground : &u->vac->index->layout.upper;
	scan_page(u, page);
	first = *hnr_vertex_at(u->shape, page, 1);
	hnr_buffer_release(buf);
	if (u->shape->parts > 1 && first.state == HNR_VERTEX_LIVE &&
		scan_later_parts(u, u->block, first.degree, first.generation, kind == HNR_PAGE_GROUND))
		u->touch[1] = true;
	for (OffsetNumber pos = 1; pos <= u->shape->per_page; pos++)
		if (u->touch[pos])
			unlink_vertex(u, pos);
}

/* Links again the ground vertices that no link leads to. */
static void
relink_orphans(HnrVacuum *vac)
{
	int			per_page = vac->index->layout.ground.per_page;

	for (BlockNumber block = HNR_METAPAGE + 1; block < vac->blocks; block++)
		for (int pos = 1; pos <= per_page; pos++)
		{
			ItemPointerData tid;
			MemoryContext old;

			if (vac->in_degree[(Size) block * per_page + pos - 1] != 0)
				continue;
			hnr_vacuum_delay_point();
			ItemPointerSet(&tid, block, pos);
			old = MemoryContextSwitchTo(vac->scratch);
			hnr_relink_vertex(vac->index, &tid);
			MemoryContextSwitchTo(old);
			MemoryContextReset(vac->scratch);
		}
}

void
hnr_vacuum_unlink(HnrVacuum *vac)
{
	Unlinking  *u = palloc0(sizeof(Unlinking));
	int			slots = Max(vac->index->layout.ground.slots, vac->index->layout.upper.slots);
	Size		size = (Size) vac->blocks * vac->index->layout.ground.per_page;

	u->vac = vac;
	u->slots = palloc((Size) slots * vac->index->layout.slot_size);
	u->lost = palloc(sizeof(HnrNodeId) * slots);
	vac->in_degree = palloc_extended(size, MCXT_ALLOC_HUGE);
	memset(vac->in_degree, HNR_NOT_LIVE, size);
	for (u->block = HNR_METAPAGE + 1; u->block < vac->blocks; u->block++)
	{
		hnr_vacuum_delay_point();
		unlink_block(u);
	}
	relink_orphans(vac);
	pfree(vac->in_degree);
	pfree(u);
}
