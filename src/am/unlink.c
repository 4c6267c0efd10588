/*-------------------------------------------------------------------------
 *
 * unlink.c
 *		Vacuum's second pass: links to dead vertices go.
 *
 * Reads every page once with a share lock.  Where vertices have links to dead ones,
 * those that are left with too few neighbours are given others (repair.c), with no
 * lock held; then all vertices of the page are changed under one exclusive lock, by
 * one WAL record.  Only a vertex of several pages takes records of its own.  What leads
 * where is noted on the way (reach.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/store_disk.h"
#include "am/stored.h"
#include "am/tail.h"
#include "am/vacuum.h"
#include "am/vertex.h"
#include "am/wal.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/*
 * A new vertex takes m neighbours at each level; with fewer than these parts of m
 * it no longer holds its place in the graph.
 */
#define GROUND_FLOOR 1.0
#define UPPER_FLOOR 0.5

/*
 * What cannot be given so many has lost nearly all that was around it, as where most
 * rows are deleted.  It is linked again by a search, lest it be part of an island.
 */
#define LEAST_DEGREE 0.5

typedef struct Unlinking
{
	HnrVacuum  *vac;
	HnrRepair  *repair;
	BlockNumber block;
	const HnrShape *shape;
	int			ndamaged;
	HnrDamaged *damaged;		/* of this page */
	char	   *slots;			/* room for those of one vertex */
	bool		lost;			/* the one edited last has lost some */
	PGAlignedBlock copy;		/* of this page */
} Unlinking;

static HnrSlot *
slot_at(const Unlinking *u, char *slots, int i)
{
	return (HnrSlot *) (slots + (Size) i * u->vac->index->layout.slot_size);
}

static HnrNodeId
neighbor_at(const Unlinking *u, char *slots, int i)
{
	return hnr_node_of_tid(&slot_at(u, slots, i)->vertex);
}

/* Looks at n slots of a vertex; true if one leads to a dead vertex. */
static bool
scan_slots(Unlinking *u, HnrNodeId id, char *slots, int n)
{
	bool		any = false;

	hnr_reach_neighbors(u->vac->reach, id, slots, n);
	for (int i = 0; i < n && !any; i++)
		any = hnr_vacuum_is_dead(u->vac, neighbor_at(u, slots, i));
	return any;
}

/* The slots on later parts, each locked in turn. */
static bool
scan_later_parts(Unlinking *u, const HnrVertex *first)
{
	HnrLaterSlots later = {.index = u->vac->index, .shape = u->shape, .block = u->block, .vertex = first};
	bool		any = false;

	while (hnr_vertex_later_slots(&later))
		if (later.same)
			any |= scan_slots(u, ((HnrNodeId) u->block << 16) | 1, later.slots, later.n);
	return any;
}

static HnrDamaged *
add_damaged(Unlinking *u, OffsetNumber pos, const HnrVertex *v)
{
	HnrDamaged *d = &u->damaged[u->ndamaged++];

	memset(d, 0, sizeof(HnrDamaged));
	ItemPointerSet(&d->tid, u->block, pos);
	d->level = v->level;
	d->generation = v->generation;
	d->degree = Min(v->degree, u->shape->slots);
	return d;
}

static HnrDamaged *
find_damaged(Unlinking *u, OffsetNumber pos)
{
	for (int i = 0; i < u->ndamaged; i++)
		if (ItemPointerGetOffsetNumber(&u->damaged[i].tid) == pos)
			return &u->damaged[i];
	return NULL;
}

/* Gives the links that wait for this page to its vertices; the page is locked. */
static void
take_backlinks(Unlinking *u, Page page)
{
	Size		size = u->vac->index->layout.slot_size;
	HnrNodeId	id;
	const HnrSlot *slot;

	while (hnr_backlinks_take(u->vac->backlinks, u->block, &id, &slot))
	{
		OffsetNumber pos = id & 0xFFFF;
		HnrVertex  *v = hnr_vertex_at(u->shape, page, pos);
		HnrDamaged *d = find_damaged(u, pos);

		if (v->state != HNR_VERTEX_LIVE)
			continue;
		if (d == NULL)
			d = add_damaged(u, pos, v);
		d->added = d->nadded > 0 ? repalloc(d->added, size * (d->nadded + 1)) : palloc(size);
		memcpy(slot_at(u, d->added, d->nadded++), slot, size);
	}
}

/* Looks at one page of vertices; lists those that have links to dead ones. */
static void
scan_page(Unlinking *u, Page page)
{
	const HnrPartLayout *pl = &u->shape->part[0];

	u->ndamaged = 0;
	for (OffsetNumber pos = 1; pos <= u->shape->per_page; pos++)
	{
		HnrVertex  *v = hnr_vertex_at(u->shape, page, pos);
		HnrNodeId	id = ((HnrNodeId) u->block << 16) | pos;

		if (v->state != HNR_VERTEX_LIVE || hnr_vacuum_is_dead(u->vac, id))
			continue;
		if (v->level == 0)
			hnr_reach_live(u->vac->reach, id);
		if (scan_slots(u, id, (char *) v + pl->slot_offset, Min(pl->slot_count, (int) v->degree)))
			add_damaged(u, pos, v);
		else if (u->shape->parts == 1)
			hnr_reach_done(u->vac->reach, id);
	}
}

/* The vector and the slots of a damaged vertex; false if it is gone. */
static bool
read_damaged(Unlinking *u, HnrDamaged *d)
{
	HnrIndex   *index = u->vac->index;
	const HnrPartLayout *pl = &u->shape->part[0];
	float	   *vec = palloc(sizeof(float) * index->layout.dims);
	HnrLockedVertex locked;

	d->vec = vec;
	if (u->shape->parts == 1)
	{
		HnrVertex  *v = hnr_vertex_at(u->shape, (Page) u->copy.data,
									  ItemPointerGetOffsetNumber(&d->tid));

		if (index->layout.room == 0)
			hnr_stored_decode(index->layout.encoding, (char *) v + pl->vec_offset, pl->vec_count,
							  v->scale, vec);
		else if (!hnr_tail_read_vector(index, &d->tid, v->generation,
									   (char *) v + pl->vec_offset, vec))
			return false;
		d->slots = (char *) v + pl->slot_offset;
		return true;
	}
	if (!hnr_vertex_lock(index, &d->tid, d->level, &locked))
		return false;
	d->generation = locked.vertex->generation;
	d->degree = locked.vertex->degree;
	d->slots = palloc((Size) u->shape->slots * index->layout.slot_size);
	hnr_vertex_get_vector(&locked, vec);
	hnr_vertex_get_slots(&locked, d->slots);
	hnr_vertex_unlock(&locked);
	return true;
}

/* Finds new neighbours for a damaged vertex if it is left with too few. */
static void
replace_lost(Unlinking *u, HnrDamaged *d)
{
	/* vertices that fill a page alone may have fewer slots than m */
	int			most = Min(u->vac->index->meta.m, u->shape->slots);
	double		floor = most * (d->level == 0 ? GROUND_FLOOR : UPPER_FLOOR);
	int			lost = 0;
	int			kept;

	if (!read_damaged(u, d))
		return;
	for (int i = 0; i < d->degree; i++)
		if (hnr_vacuum_is_dead(u->vac, neighbor_at(u, d->slots, i)))
			lost++;
	kept = d->degree - lost + d->nadded;
	if (lost > 0 && kept < floor)
		hnr_repair_find(u->repair, d, most - kept);
}

static bool
has_neighbor(const Unlinking *u, char *slots, int degree, HnrNodeId id)
{
	for (int i = 0; i < degree; i++)
		if (neighbor_at(u, slots, i) == id)
			return true;
	return false;
}

/* The next of the new neighbours that is not in the list; NULL: there is none. */
static HnrSlot *
next_added(const Unlinking *u, char *slots, int degree, HnrDamaged *d, int *next)
{
	while (*next < d->nadded)
	{
		HnrSlot    *slot = slot_at(u, d->added, (*next)++);

		if (!has_neighbor(u, slots, degree, hnr_node_of_tid(&slot->vertex)))
			return slot;
	}
	return NULL;
}

/*
 * Puts new neighbours in the place of dead ones and closes what gaps remain with the
 * last, so that little changes.  Returns the new degree.
 */
static int
edit_slots(Unlinking *u, char *slots, int degree, HnrDamaged *d)
{
	Size		size = u->vac->index->layout.slot_size;
	int			next = 0;
	HnrSlot    *new;

	u->lost = false;
	for (int i = 0; i < degree;)
	{
		if (!hnr_vacuum_is_dead(u->vac, neighbor_at(u, slots, i)))
		{
			i++;
			continue;
		}
		u->lost = true;
		new = next_added(u, slots, degree, d, &next);
		if (new)
			memcpy(slot_at(u, slots, i++), new, size);
		else if (i < --degree)
			memcpy(slot_at(u, slots, i), slot_at(u, slots, degree), size);
	}
	while (degree < u->shape->slots &&
		   (new = next_added(u, slots, degree, d, &next)) != NULL)
		memcpy(slot_at(u, slots, degree++), new, size);
	if (degree < Max(u->vac->index->meta.m * LEAST_DEGREE, 1) && u->shape->kind == HNR_PAGE_GROUND)
		hnr_reach_too_few(u->vac->reach, hnr_node_of_tid(&d->tid));
	return degree;
}

/* What a damaged vertex leads to now: the edited list in u->slots. */
static void
note_edited(Unlinking *u, const HnrDamaged *d, int degree)
{
	hnr_reach_neighbors(u->vac->reach, hnr_node_of_tid(&d->tid), u->slots, degree);
	hnr_reach_done(u->vac->reach, hnr_node_of_tid(&d->tid));
}

/* Counts a vacuum that has taken links from a ground vertex's list, for optimize.c. */
static void
count_loss(Unlinking *u, HnrChange *change, Buffer buf, HnrVertex *v)
{
	uint8		flags = v->flags + HNR_VERTEX_LOST_ONE;

	if (u->lost && v->level == 0 && (v->flags & HNR_VERTEX_LOST) != HNR_VERTEX_LOST)
		hnr_change_put(change, buf, &v->flags, &flags, sizeof(flags));
}

/* Puts the new neighbours of a damaged vertex, on a page that is being changed. */
static void
write_vertex(Unlinking *u, HnrChange *change, Buffer buf, HnrDamaged *d)
{
	HnrVertex  *v = hnr_vertex_at(u->shape, BufferGetPage(buf),
								  ItemPointerGetOffsetNumber(&d->tid));
	char	   *slots = (char *) v + u->shape->part[0].slot_offset;
	Size		size = u->vac->index->layout.slot_size;
	uint16		degree = Min(v->degree, u->shape->slots);

	if (v->state != HNR_VERTEX_LIVE || v->generation != d->generation)
		return;
	memcpy(u->slots, slots, degree * size);
	degree = edit_slots(u, u->slots, degree, d);
	hnr_change_put(change, buf, slots, u->slots, degree * size);
	hnr_change_put(change, buf, &v->degree, &degree, sizeof(degree));
	count_loss(u, change, buf, v);
	note_edited(u, d, degree);
}

/* Changes all damaged vertices of a page of whole vertices. */
static void
write_page(Unlinking *u)
{
	Relation	rel = u->vac->index->rel;
	Buffer		buf = hnr_buffer_read(rel, u->block, BUFFER_LOCK_EXCLUSIVE,
									  HNR_KIND_BIT(u->shape->kind));
	HnrChange	change;

	hnr_change_begin(&change, rel, false);
	for (int i = 0; i < u->ndamaged; i++)
		write_vertex(u, &change, buf, &u->damaged[i]);
	hnr_change_end(&change);
	hnr_buffer_release(buf);
}

/* Changes one vertex that stands on several pages. */
static void
write_parts(Unlinking *u, HnrDamaged *d)
{
	HnrLockedVertex locked;
	HnrChange	change;
	int			degree;

	if (!hnr_vertex_lock(u->vac->index, &d->tid, d->level, &locked))
		return;
	hnr_vertex_get_slots(&locked, u->slots);
	degree = edit_slots(u, u->slots, locked.vertex->degree, d);
	hnr_vertex_put_slots(&locked, u->slots, degree);
	hnr_change_begin(&change, u->vac->index->rel, false);
	count_loss(u, &change, locked.buf, locked.vertex);
	if (change.npages > 0)
		hnr_change_end(&change);
	note_edited(u, d, degree);
	hnr_vertex_unlock(&locked);
}

static void
write_damaged(Unlinking *u)
{
	if (u->ndamaged > 0 && u->shape->parts == 1)
		write_page(u);
	else if (u->ndamaged > 0)
		write_parts(u, &u->damaged[0]);
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
	take_backlinks(u, page);
	if (u->ndamaged > 0)
		memcpy(u->copy.data, page, BLCKSZ);
	first = *hnr_vertex_at(u->shape, page, 1);
	hnr_buffer_release(buf);
	if (u->shape->parts > 1 && first.state == HNR_VERTEX_LIVE)
	{
		bool		damaged = scan_later_parts(u, &first);

		if (damaged && u->ndamaged == 0)
			add_damaged(u, 1, &first);
		else if (!damaged)
			hnr_reach_done(u->vac->reach, ((HnrNodeId) u->block << 16) | 1);
	}
	for (int i = 0; i < u->ndamaged; i++)
	{
		hnr_vacuum_delay_point();
		replace_lost(u, &u->damaged[i]);
	}
	write_damaged(u);
}

/* Writes the links that still wait, page by page. */
static void
sweep_backlinks(Unlinking *u)
{
	const HnrLayout *layout = &u->vac->index->layout;
	BlockNumber resume = u->block;

	for (u->block = HNR_METAPAGE + 1; u->block < u->vac->blocks; u->block++)
	{
		MemoryContext old;
		Buffer		buf;

		if (!hnr_backlinks_any(u->vac->backlinks, u->block))
			continue;
		hnr_vacuum_delay_point();
		old = MemoryContextSwitchTo(u->vac->scratch);
		buf = hnr_buffer_read(u->vac->index->rel, u->block, BUFFER_LOCK_SHARE, HNR_VERTEX_KINDS);
		u->shape = hnr_page_head(BufferGetPage(buf))->kind == HNR_PAGE_GROUND ?
			&layout->ground : &layout->upper;
		u->ndamaged = 0;
		take_backlinks(u, BufferGetPage(buf));
		hnr_buffer_release(buf);
		write_damaged(u);
		MemoryContextSwitchTo(old);
		MemoryContextReset(u->vac->scratch);
	}
	u->block = resume;
}

void
hnr_vacuum_unlink(HnrVacuum *vac)
{
	Unlinking  *u = palloc0(sizeof(Unlinking));

	u->vac = vac;
	vac->backlinks = hnr_backlinks_create(vac->blocks, vac->index->layout.slot_size,
										  (Size) maintenance_work_mem * 1024 / 4);
	u->repair = hnr_repair_create(vac);
	u->damaged = palloc(sizeof(HnrDamaged) * vac->places);
	u->slots = palloc(Max(vac->index->layout.ground.slots, vac->index->layout.upper.slots) *
					  vac->index->layout.slot_size);
	vac->reach = hnr_reach_create(vac);
	for (u->block = HNR_METAPAGE + 1; u->block < vac->blocks; u->block++)
	{
		MemoryContext old;

		hnr_vacuum_page_begun(u->block);
		old = MemoryContextSwitchTo(vac->scratch);
		unlink_block(u);
		MemoryContextSwitchTo(old);
		MemoryContextReset(vac->scratch);
		if (hnr_backlinks_full(vac->backlinks))
			sweep_backlinks(u);
	}
	sweep_backlinks(u);
	hnr_backlinks_free(vac->backlinks);
	pfree(u->damaged);
	pfree(u->slots);
	pfree(u);
}
