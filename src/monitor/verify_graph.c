/*-------------------------------------------------------------------------
 *
 * verify_graph.c
 *		check_index(): the graph as a whole.  See verify.h.
 *
 * From the ground vertex below the entry point, over links at the ground, everything that can be
 * reached is marked, as vacuum counts it (am/reach.h) and a scan that goes on to the end finds it.
 * Rows of other vertices may not be found: pruned lists may leave some, which only costs recall.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "monitor/verify.h"

typedef struct Reaching
{
	HnrVerify  *v;
	HnrNodeId  *queue;
	uint64		head;
	uint64		tail;
	uint64		max;
} Reaching;

/* Adds a vertex to what is still to be gone through, once. */
static void
reach(Reaching *r, HnrNodeId id)
{
	uint16	   *place = hnr_verify_place(r->v, id);

	if (place == NULL || (*place & HNR_PLACE_REACHED) ||
		hnr_verify_shape(r->v, r->v->kind[id >> 16]) == NULL)
		return;
	*place |= HNR_PLACE_REACHED;
	if (r->tail == r->max)
	{
		r->max *= 2;
		r->queue = repalloc_huge(r->queue, sizeof(HnrNodeId) * r->max);
	}
	r->queue[r->tail++] = id;
}

static bool
is_standing(const HnrVertexCopy *copy)
{
	return copy->head.state == HNR_VERTEX_LIVE || copy->head.state == HNR_VERTEX_DELETED;
}

/* Copies a vertex; false if there is none in use, or nothing to be believed. */
static bool
load_standing(HnrVerify *v, HnrNodeId id, HnrVertexCopy *copy)
{
	return hnr_verify_load(v, id, copy) && copy->problem == NULL && is_standing(copy);
}

static void
reach_from(Reaching *r, HnrNodeId id)
{
	HnrVerify  *v = r->v;
	HnrVertexCopy copy;

	if (!load_standing(v, id, &copy))
		return;
	for (int i = 0; i < copy.nslots; i++)
		reach(r, hnr_node_of_tid(&((HnrSlot *) (copy.slots + (Size) i * v->index->layout.slot_size))->vertex));
}

/* Begins below the entry point; where nothing is known to stand there, nothing is reached. */
static void
begin_at(Reaching *r, HnrEntry entry)
{
	HnrVertexCopy copy;

	if (entry.level >= 0 && load_standing(r->v, hnr_node_of_tid(&entry.tid), &copy))
		reach(r, hnr_node_of_tid(copy.level > 0 ? &copy.head.tids[0] : &copy.tid));
}

/* Whether the vertex is not live any more. */
static bool
is_gone(HnrVerify *v, HnrNodeId id)
{
	HnrVertexCopy copy;

	return !hnr_verify_load(v, id, &copy) || copy.head.state != HNR_VERTEX_LIVE;
}

/* Vertices to look at once more before they are said to be out of reach. */
#define MAX_LOOKS 10000

static void
count_unreached(HnrVerify *v)
{
	int64		unreached = 0;
	int64		orphans = 0;
	HnrNodeId	example = HNR_NO_NODE;

	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
	{
		const HnrShape *shape = hnr_verify_shape(v, v->kind[block]);

		for (int pos = 1; shape && v->kind[block] == HNR_PAGE_GROUND && pos <= shape->per_page; pos++)
		{
			uint16		place = v->place[v->first[block] + pos - 1];
			HnrNodeId	id = ((HnrNodeId) block << 16) | pos;

			if ((place & (HNR_PLACE_STATE | HNR_PLACE_REACHED)) != HNR_VERTEX_LIVE)
				continue;
			if (unreached < MAX_LOOKS && is_gone(v, id))
				continue;
			if (unreached++ == 0)
				example = id;
			if ((place & HNR_PLACE_LINKED) == 0)
				orphans++;
		}
		MemoryContextReset(v->scratch);
	}
	if (unreached > 0)
		hnr_verify_report(v, HNR_FOUND_UNREACHABLE, (BlockNumber) (example >> 16), (int) (example & 0xFFFF),
						  INT64_FORMAT " of " INT64_FORMAT " vertices cannot be reached from the entry point, "
						  INT64_FORMAT " of them have no link from any other; this is the first",
						  unreached, v->nlive, orphans);
}

/* What is wrong about the entry point, or NULL. */
static const char *
entry_problem(HnrVerify *v, HnrEntry entry, HnrFinding *finding)
{
	HnrVertexCopy copy;

	*finding = HNR_FOUND_ENTRY_POINT;
	if (entry.level < 0)
		return v->nlive > 0 ? "there are live vertices and no entry point" : NULL;
	if (entry.level > HNR_MAX_LEVEL)
		return "the entry point is at a level that does not exist";
	if (!hnr_verify_load(v, hnr_node_of_tid(&entry.tid), &copy))
		return "the entry point is no vertex";
	if (copy.level != entry.level)
		return "the entry point is of another level than the metapage says";
	if (copy.head.state == HNR_VERTEX_LIVE)
		return NULL;
	/* until vacuum, or an insertion that finds nothing live, names another */
	*finding = HNR_FOUND_ENTRY_POINT_GONE;
	return copy.head.state == HNR_VERTEX_DELETED && !copy.problem ? "the entry point is deleted" :
		"the entry point is a removed vertex";
}

static HnrEntry
check_entry(HnrVerify *v)
{
	HnrEntry	entry;
	HnrFinding	finding;
	const char *problem;
	int			tries = 0;

	/* believe it only of an entry point that stays */
	do
	{
		entry = hnr_index_entry(v->index);
		problem = entry_problem(v, entry, &finding);
	} while (problem && tries++ < 3 && hnr_index_entry_moved(v->index, entry));
	if (problem)
		hnr_verify_report(v, finding, HNR_METAPAGE, 0, "%s", problem);
	return entry;
}

/* Links to vertices that are not live: what they are by now. */
static void
settle_links(HnrVerify *v)
{
	int64		deleted = 0;
	int64		removed = v->links.dropped;
	HnrNodeId	first_deleted = 0;
	HnrNodeId	first_removed = 0;

	for (int i = 0; i < v->links.n; i++)
	{
		HnrSuspect *s = &v->links.list[i];
		HnrVertexCopy copy;
		HnrVertexCopy other;
		bool		still = false;

		MemoryContextReset(v->scratch);
		if (!hnr_verify_load(v, s->at, &copy) || copy.head.state != HNR_VERTEX_LIVE)
			continue;
		for (int j = 0; j < copy.nslots && !still; j++)
			still = hnr_node_of_tid(&((HnrSlot *) (copy.slots + (Size) j * v->index->layout.slot_size))->vertex) == s->other;
		if (!still)
			continue;
		if (!hnr_verify_load(v, s->other, &other) || other.level != copy.level || !is_standing(&other))
		{
			if (removed++ == 0)
				first_removed = s->at;
		}
		else if (other.head.state == HNR_VERTEX_DELETED && deleted++ == 0)
			first_deleted = s->at;
	}
	if (deleted > 0)
		hnr_verify_report(v, HNR_FOUND_LINK_TO_DELETED, (BlockNumber) (first_deleted >> 16), (int) (first_deleted & 0xFFFF),
						  INT64_FORMAT " links lead to deleted vertices, as while a vacuum runs or after one that did not finish; this vertex has the first",
						  deleted);
	if (removed > 0)
		hnr_verify_report(v, HNR_FOUND_LINK_TO_REMOVED, (BlockNumber) (first_removed >> 16), (int) (first_removed & 0xFFFF),
						  INT64_FORMAT " links lead to removed vertices, as after an insertion that did not finish; this vertex has the first",
						  removed);
}

void
hnr_verify_graph(HnrVerify *v)
{
	Reaching	r = {.v = v,.max = 1024};
	MemoryContext old;

	r.queue = palloc(sizeof(HnrNodeId) * r.max);
	old = MemoryContextSwitchTo(v->scratch);
	begin_at(&r, check_entry(v));
	while (r.head < r.tail)
	{
		CHECK_FOR_INTERRUPTS();
		reach_from(&r, r.queue[r.head++]);
		MemoryContextReset(v->scratch);
	}
	count_unreached(v);
	if (v->nunlinked > 0)
		hnr_verify_report(v, HNR_FOUND_NO_LINKS, (BlockNumber) (v->unlinked >> 16), (int) (v->unlinked & 0xFFFF),
						  INT64_FORMAT " of " INT64_FORMAT " vertices have no neighbor, so that a search that comes to them ends; this is the first",
						  v->nunlinked, v->nlive);
	settle_links(v);
	MemoryContextSwitchTo(old);
	pfree(r.queue);
}
