/*-------------------------------------------------------------------------
 *
 * insert.c
 *		Adding a row to the graph on pages.
 *
 * 1. Search from the entry point down; at each level of the new vertex, choose its
 *    neighbours among what was visited.
 * 2. Write the vertex at each level, the ground first, with links to its
 *    neighbours.  Nothing leads to it yet; a crash here leaves an unreachable
 *    vertex of a transaction that never committed.  A neighbour that vacuum has taken
 *    meanwhile is taken out again; why no other case is left is told in README,
 *    "Vacuum".
 * 3. Add the links back.
 *    A vertex whose neighbours vacuum has all taken has no link from anywhere: it
 *    searches again, or becomes the entry point of the graph that it now is.
 * 4. If the vertex is higher than the entry point, make it the entry point.
 *
 * A row whose vector is in the graph already only adds its TID there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/insert.h"
#include "am/inserting.h"
#include "am/pending.h"
#include "am/store_mem.h"
#include "am/tids.h"
#include "debug_point.h"
#include "miscadmin.h"

/*
 * The pool of a search for a vector that is likely to be there.  Its distance is 0, so
 * a small one misses it hardly ever.
 */
#define KNOWN_EF 8

/* How often to look for neighbours of a vertex to be linked anew: they may go meanwhile. */
#define RELINK_TRIES 3

int
hnr_enter_graph(HnrIndex *index, HnrSearch *search, int level,
				HnrEntry *entry, HnrCandidate *entries)
{
	HnrEntry	before = {.level = -1};

	for (;;)
	{
		int			n;

		*entry = hnr_index_entry(index);
		if (entry->level < 0)
			return 0;
		n = hnr_search_descend(search, hnr_node_of_tid(&entry->tid), entry->level,
							   Min(level, entry->level), entries);
		if (n > 0)
			return n;

		/*
		 * Vacuum removes an entry point only after it has named another.  But all that a
		 * level was left with may be gone from the next one: vacuum has taken the links to
		 * them away before.  So nothing found again under the same entry means that there
		 * is nothing.
		 */
		if (before.level == entry->level && hnr_same_tid(&before.tid, &entry->tid))
			return 0;
		before = *entry;
		CHECK_FOR_INTERRUPTS();
	}
}

bool
hnr_go_on_from_entry(HnrIndex *index, HnrSearch *search)
{
	HnrEntry	entry = hnr_index_entry(index);
	ItemPointerData ground;

	return entry.level >= 0 && hnr_index_below_entry(index, entry, &ground) &&
		hnr_search_go_on_from(search, hnr_node_of_tid(&ground));
}

/*
 * If one of the nearest found holds the very vector, adds the heap TID there.
 * Under the lock it is verified that it is still the same vertex.
 */
static bool
join_duplicate(HnrInserting *ins, const HnrCandidate *found, int n)
{
	for (int i = 0; i < n; i++)
	{
		const HnrVisited *v = hnr_disk_store_visited(ins->store, found[i].ref);
		HnrLockedVertex locked;
		ItemPointerData tid = v->tid;
		bool		same;

		if (!hnr_metric_same(ins->index->metric, ins->index->layout.dims, v->vec, ins->vec))
			continue;
		HNR_DEBUG_POINT("insert_duplicate_found");
		if (!hnr_vertex_lock(ins->index, &tid, 0, &locked))
			continue;
		same = locked.vertex->generation == v->generation;
		if (same && ins->index->mark)
			hnr_pending_mark_begin(ins->index);
		if (same)
			hnr_tids_add(&locked, unconstify(ItemPointerData *, &ins->row->tid), ins->row->error);
		if (same && ins->index->mark)
			hnr_pending_mark_end(ins->index);
		hnr_vertex_unlock(&locked);
		if (same)
			return true;
	}
	return false;
}

/*
 * For a row whose vector is likely to be there: a search for that alone, which can be
 * much smaller than one for neighbours.  False if it has not come by the vertex; it
 * may be there all the same.
 */
static bool
join_known(HnrInserting *ins)
{
	HnrCandidate entries[HNR_DESCENT_WIDE];
	HnrCandidate *found;
	int			n = hnr_enter_graph(ins->index, ins->search, 0, &ins->entry, entries);

	if (n == 0)
		return false;
	n = hnr_search_run(ins->search, entries, n, 0,
					   hnr_breadth(Min(KNOWN_EF, ins->index->meta.ef_construction)), &found);
	return join_duplicate(ins, found, n);
}

/* Steps 1; true if the row joined an existing vertex. *found_any: a live one exists. */
static bool
find_neighbors(HnrInserting *ins, bool *found_any)
{
	HnrIndex   *index = ins->index;
	HnrCandidate entries[HNR_DESCENT_WIDE];
	int			n = hnr_enter_graph(index, ins->search, ins->level, &ins->entry, entries);

	*found_any = false;
	for (int level = Min(ins->level, ins->entry.level); level >= 0 && n > 0; level--)
	{
		HnrCandidate *found;
		int			nfound = hnr_search_run(ins->search, entries, n, level,
											hnr_breadth(index->meta.ef_construction), &found);

		if (level == 0 && join_duplicate(ins, found, nfound))
			return true;
		hnr_inserting_choose(ins, level, found, nfound);
		if (level == 0)
			*found_any = nfound > 0;
		else if (nfound > 0)
		{
			n = Min(nfound, HNR_DESCENT_NARROW);
			for (int i = 0; i < n; i++)
			{
				entries[i].id = ins->store->down(ins->store, &found[i]);
				entries[i].distance = found[i].distance;
			}
		}
		else
		{
			/* all of this level is being deleted: enter the next one anew */
			HnrEntry	entry;

			n = hnr_enter_graph(index, ins->search, level - 1, &entry, entries);
			if (entry.level < level - 1)
				level = entry.level + 1;
		}
	}
	return false;
}

/* Step 2. */
static void
store_vertex(HnrInserting *ins)
{
	HnrIndex   *index = ins->index;

	for (int level = 0; level <= ins->level; level++)
	{
		HnrVertexImage image;
		uint32		generation;

		memset(&image, 0, sizeof(image));
		image.level = level;
		image.vec = ins->vec;
		image.degree = ins->links[level].n;
		image.slots = ins->links[level].slots;
		if (level == 0)
		{
			ItemPointerSetInvalid(&image.link);
			image.ntids = 1;
			image.tids[0] = ins->row->tid;
			image.error = ins->row->error;
		}
		else
		{
			image.link = ins->tids[level - 1];
			image.tids[0] = ins->tids[0];
		}
		generation = hnr_vertex_store(index, &image, &ins->tids[level]);
		if (level == 0)
			ins->generation = generation;
	}
}

/*
 * Step 2 with the look at the neighbours.  Between the two, no interrupt may come: if
 * the insertion ended there, links would stay to what vacuum has removed, and lead to
 * whatever takes its place.
 */
static void
store_linked(HnrInserting *ins)
{
	HOLD_INTERRUPTS();
	store_vertex(ins);
	for (int level = 0; level <= ins->level; level++)
		hnr_inserting_drop_gone(ins, level);
	RESUME_INTERRUPTS();
}

/*
 * The graph has no live vertex: writes the first one, unless somebody else did.
 * Holding the metapage's lock keeps two from doing so.
 */
static bool
store_first(HnrInserting *ins)
{
	Buffer		metabuf = hnr_index_lock_if_empty(ins->index);
	HnrEntry	entry;

	if (!BufferIsValid(metabuf))
		return false;
	for (int level = 0; level <= ins->level; level++)
		ins->links[level].n = 0;
	store_vertex(ins);
	entry.tid = ins->tids[ins->level];
	entry.level = ins->level;
	hnr_index_put_entry(ins->index, metabuf, entry);
	hnr_buffer_release(metabuf);
	return true;
}

/*
 * Takes the vertex itself out of what was found, and what does not suit; returns how
 * many others there are.
 */
static int
leave_out_self(HnrInserting *ins, HnrCandidate *found, int n, bool *reachable)
{
	int			others = 0;

	for (int i = 0; i < n; i++)
	{
		if (found[i].id == hnr_node_of_tid(&ins->tids[0]))
			*reachable = true;
		else if (ins->paths == NULL || ins->paths->leads(found[i].id, ins->paths->state))
			found[others++] = found[i];
	}
	return others;
}

/*
 * Sets links to the neighbours of a ground vertex on disk that a search finds now; it
 * goes on through deleted vertices, however many, until it comes to a live one.
 * *reachable: the search came by the vertex itself.  False: there is no other.
 */
static bool
find_links(HnrInserting *ins, bool *reachable)
{
	HnrCandidate entries[HNR_DESCENT_WIDE];
	HnrCandidate *found;
	int			n = hnr_enter_graph(ins->index, ins->search, 0, &ins->entry, entries);
	int			others;

	*reachable = false;
	if (n == 0)
		return false;
	hnr_search_keep_rest(ins->search);
	n = hnr_search_run(ins->search, entries, n, 0,
					   hnr_breadth(ins->index->meta.ef_construction), &found);
	others = leave_out_self(ins, found, n, reachable);
	while (others == 0)
	{
		n = hnr_search_continue(ins->search, ins->index->meta.ef_construction, &found);
		others = leave_out_self(ins, found, n, reachable);
		if (n == 0 && !hnr_go_on_from_entry(ins->index, ins->search))
			break;
	}
	hnr_inserting_choose(ins, 0, found, others);
	return others > 0;
}

/*
 * Makes a ground vertex on disk part of the graph again; `self` is it, or an upper
 * vertex of it.  False if the graph changed so that it is worth another try.
 */
static bool
attach_vertex(HnrInserting *ins, HnrEntry self)
{
	bool		reachable;

	if (!find_links(ins, &reachable))
	{
		Buffer		metabuf;

		if (reachable)
			return true;		/* alone */
		metabuf = hnr_index_lock_if_empty(ins->index);
		if (BufferIsValid(metabuf))
		{
			hnr_index_put_entry(ins->index, metabuf, self);
			hnr_buffer_release(metabuf);
			return true;
		}
		if (!hnr_inserting_choose_entry(ins))
			return false;
		if (hnr_same_tid(&ins->links[0].back->from, &ins->tids[0]))
			return true;
	}
	hnr_inserting_link_forward(ins);
	/* it may have come by links from what vacuum is going to remove */
	return hnr_inserting_link_back(ins, 0) || (reachable && ins->paths == NULL);
}

HnrNodeId
hnr_relink_vertex(HnrIndex *index, ItemPointer tid, const HnrPaths *paths)
{
	HnrInserting	ins;
	HnrEntry	self = {*tid, 0};
	HnrLockedVertex locked;
	uint32		generation;
	float	   *vec = palloc(sizeof(float) * index->layout.dims);

	if (!hnr_vertex_lock(index, tid, 0, &locked))
		return HNR_NO_NODE;
	generation = locked.vertex->generation;
	hnr_vertex_get_vector(&locked, vec);
	hnr_vertex_unlock(&locked);
	hnr_inserting_begin(&ins, index, vec);
	ins.tids[0] = *tid;
	ins.generation = generation;
	ins.from = *tid;
	ins.paths = paths;
	hnr_ways_restrict(hnr_disk_store_ways(ins.store), paths->leads, paths->state);
	for (int tries = 0; tries < RELINK_TRIES; tries++)
		if (attach_vertex(&ins, self))
			return hnr_node_of_tid(&ins.from);
	return HNR_NO_NODE;
}

void
hnr_insert_links(HnrIndex *index, const HnrRow *row, ItemPointer tid, uint32 generation)
{
	HnrInserting	ins;
	HnrEntry	self = {*tid, 0};
	HnrLockedVertex locked;
	bool		stands;

	if (!hnr_vertex_lock(index, tid, 0, &locked))
		return;
	stands = locked.vertex->generation == generation;
	hnr_vertex_unlock(&locked);
	if (!stands)
		return;
	hnr_inserting_begin(&ins, index, row->vec);
	ins.row = row;
	ins.tids[0] = *tid;
	ins.generation = generation;
	while (!attach_vertex(&ins, self))
		hnr_inserting_count_try(&ins);
}

void
hnr_insert_row(HnrIndex *index, const HnrRow *row, bool known)
{
	HnrInserting	ins;
	HnrEntry	self;
	bool		found_any;
	bool		linked;

	hnr_inserting_begin(&ins, index, row->vec);
	ins.row = row;
	if (known && join_known(&ins))
		return;
	ins.level = hnr_random_level(index->meta.m);
	for (;;)
	{
		if (find_neighbors(&ins, &found_any))
			return;
		HNR_DEBUG_POINT("insert_neighbors_chosen");
		if (found_any)
			break;
		if (store_first(&ins))
			return;
		hnr_inserting_count_try(&ins);
		if (!hnr_index_entry_moved(index, ins.entry) && hnr_inserting_choose_entry(&ins))
			break;
	}
	store_linked(&ins);
	HNR_DEBUG_POINT("insert_vertex_stored");
	self.tid = ins.tids[ins.level];
	self.level = ins.level;
	linked = hnr_inserting_link_back(&ins, 0);
	for (int level = 1; level <= ins.level; level++)
		hnr_inserting_link_back(&ins, level);
	while (!linked)
	{
		hnr_inserting_count_try(&ins);
		linked = attach_vertex(&ins, self);
	}
	if (self.level > ins.entry.level)
		hnr_index_set_entry(index, self, false);
}
