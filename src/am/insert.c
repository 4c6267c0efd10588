/*-------------------------------------------------------------------------
 *
 * insert.c
 *		Adding a row to the graph on pages.
 *
 * 1. Search from the entry point down; at each level of the new vertex, choose its
 *    neighbours among what was visited.
 * 2. Write the vertex at each level, the ground first, with links to its
 *    neighbours.  Nothing leads to it yet; a crash here leaves an unreachable
 *    vertex of a transaction that never committed.
 * 3. Add the links back.  A neighbour that vacuum has taken meanwhile is taken out
 *    of the new vertex again; why no other case is left is told in README,
 *    "Vacuum".
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
#include "am/link.h"
#include "am/select.h"
#include "am/store_mem.h"
#include "am/tids.h"
#include "debug_point.h"
#include "miscadmin.h"

/*
 * How often to begin anew because vacuum has taken what a search found.  It takes
 * each vertex once, so there is an end to that, but not in a damaged graph.
 */
#define MAX_TRIES 1000

/* Neighbours of the new vertex at one level. */
typedef struct LevelLinks
{
	int			n;
	HnrEnd	   *end;
	char	   *slots;
} LevelLinks;

typedef struct Inserting
{
	HnrIndex   *index;
	const float *vec;
	const float *rotated;
	const HnrRow *row;			/* NULL: a vertex that is there is linked anew */
	int			level;			/* of the new vertex */
	HnrStore   *store;
	HnrSearch  *search;
	HnrEntry	entry;			/* of the graph, when the search began */
	int			tries;
	LevelLinks	links[HNR_MAX_LEVEL + 1];
	ItemPointerData tids[HNR_MAX_LEVEL + 1];	/* of the new vertex, by level */
} Inserting;

/* Candidates of a selection. */
typedef struct Candidates
{
	HnrIndex   *index;
	const float **vec;
} Candidates;

static float
candidate_pair(void *context, int i, int j)
{
	Candidates *c = context;

	return hnr_metric_distance(c->index->metric, c->index->layout.dims, c->vec[i], c->vec[j]);
}

int
hnr_enter_graph(HnrIndex *index, HnrSearch *search, int level,
				HnrEntry *entry, HnrCandidate *entries)
{
	for (;;)
	{
		HnrEntry	now;
		int			n;

		*entry = hnr_index_entry(index);
		if (entry->level < 0)
			return 0;
		n = hnr_search_descend(search, hnr_node_of_tid(&entry->tid), entry->level,
							   Min(level, entry->level), entries);
		if (n > 0)
			return n;

		/*
		 * Vacuum removes an entry point only after it has named another, so nothing
		 * found under the same entry means that there is nothing.
		 */
		now = hnr_index_entry(index);
		if (now.level == entry->level && hnr_same_tid(&now.tid, &entry->tid))
			return 0;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Makes a neighbour's end of visited candidate ref, copying what the store frees. */
static HnrEnd
end_of_visited(Inserting *ins, uint32 ref)
{
	const HnrVisited *v = hnr_disk_store_visited(ins->store, ref);
	Size		size = sizeof(float) * ins->index->layout.dims;
	int			rdims = hnr_codec_rotated_dims(ins->index->codec);
	HnrEnd		end = {.tid = v->tid};
	float	   *vec = palloc(size);

	memcpy(vec, v->vec, size);
	end.vec = vec;
	if (rdims > 0)
	{
		float	   *rotated = palloc(sizeof(float) * rdims);

		hnr_codec_rotate(ins->index->codec, vec, rotated);
		end.rotated = rotated;
	}
	return end;
}

/* Chooses neighbours among the found and encodes their slots. */
static void
choose_neighbors(Inserting *ins, int level, const HnrCandidate *found, int n)
{
	HnrIndex   *index = ins->index;
	LevelLinks *links = &ins->links[level];
	Candidates	c = {.index = index};
	float	   *distance;
	int		   *chosen;

	n = Min(n, index->meta.ef_construction);
	distance = palloc(sizeof(float) * Max(n, 1));
	chosen = palloc(sizeof(int) * Max(n, 1));
	c.vec = palloc(sizeof(float *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		distance[i] = found[i].distance;
		c.vec[i] = hnr_disk_store_visited(ins->store, found[i].ref)->vec;
	}
	links->n = hnr_select_neighbors(distance, n, hnr_new_degree(&index->layout, level, index->meta.m),
									candidate_pair, &c, chosen);
	links->end = palloc(sizeof(HnrEnd) * Max(links->n, 1));
	links->slots = palloc((Size) index->layout.slot_size * Max(links->n, 1));
	for (int i = 0; i < links->n; i++)
	{
		HnrCodecPoint here = {ins->vec, ins->rotated};
		HnrCodecPoint there;

		links->end[i] = end_of_visited(ins, found[chosen[i]].ref);
		there.vec = links->end[i].vec;
		there.rotated = links->end[i].rotated;
		hnr_codec_encode(index->codec, here, there, &links->end[i].tid,
						 (HnrSlot *) (links->slots + (Size) i * index->layout.slot_size));
	}
}

/*
 * If one of the nearest found holds the very vector, adds the heap TID there.
 * Under the lock it is verified that it still does.
 */
static bool
join_duplicate(Inserting *ins, const HnrCandidate *found, int n)
{
	Size		size = sizeof(float) * ins->index->layout.dims;

	for (int i = 0; i < n; i++)
	{
		const HnrVisited *v = hnr_disk_store_visited(ins->store, found[i].ref);
		HnrLockedVertex locked;
		ItemPointerData tid = v->tid;
		float	   *now;
		bool		same;

		if (memcmp(v->vec, ins->vec, size) != 0)
			continue;
		if (!hnr_vertex_lock(ins->index, &tid, 0, &locked))
			continue;
		now = palloc(size);
		hnr_vertex_get_vector(&locked, now);
		same = memcmp(now, ins->vec, size) == 0;
		pfree(now);
		if (same)
			hnr_tids_add(&locked, unconstify(ItemPointerData *, &ins->row->tid), ins->row->error);
		hnr_vertex_unlock(&locked);
		if (same)
			return true;
	}
	return false;
}

/* Steps 1; true if the row joined an existing vertex. *found_any: a live one exists. */
static bool
find_neighbors(Inserting *ins, bool *found_any)
{
	HnrIndex   *index = ins->index;
	HnrCandidate entries[HNR_DESCENT_WIDTH];
	int			n = hnr_enter_graph(index, ins->search, ins->level, &ins->entry, entries);

	*found_any = false;
	for (int level = Min(ins->level, ins->entry.level); level >= 0 && n > 0; level--)
	{
		HnrCandidate *found;
		int			nfound = hnr_search_run(ins->search, entries, n, level,
											index->meta.ef_construction, &found);

		if (level == 0 && join_duplicate(ins, found, nfound))
			return true;
		choose_neighbors(ins, level, found, nfound);
		if (level == 0)
			*found_any = nfound > 0;
		else if (nfound > 0)
		{
			n = Min(nfound, HNR_DESCENT_WIDTH);
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
store_vertex(Inserting *ins)
{
	HnrIndex   *index = ins->index;

	for (int level = 0; level <= ins->level; level++)
	{
		HnrVertexImage image;

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
		hnr_vertex_store(index, &image, &ins->tids[level]);
	}
}

/* Step 3, one level; whether any vertex took the link. */
static bool
link_back(Inserting *ins, int level)
{
	LevelLinks *links = &ins->links[level];
	HnrEnd		self = {ins->tids[level], ins->vec, ins->rotated};
	int			made = 0;

	for (int i = 0; i < links->n; i++)
	{
		HnrLinkResult result = hnr_link_add(ins->index, level, &links->end[i], &self, false);

		CHECK_FOR_INTERRUPTS();
		if (result == HNR_LINK_MADE)
			made++;
		else if (result == HNR_LINK_GONE)
			hnr_link_remove(ins->index, level, &self.tid, &links->end[i].tid);
	}
	/* a vertex that nothing leads to would never be found */
	for (int i = 0; i < links->n && made == 0; i++)
		if (hnr_link_add(ins->index, level, &links->end[i], &self, true) == HNR_LINK_MADE)
			made++;
	return made > 0;
}

/*
 * The graph has no live vertex: writes the first one, unless somebody else did.
 * Holding the metapage's lock keeps two from doing so.
 */
static bool
store_first(Inserting *ins)
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
 * The entry point is live, yet no live vertex was found: what is left of the graph
 * is in pieces.  Links the new vertex to the entry point's own ground vertex.
 */
static bool
choose_entry_vertex(Inserting *ins)
{
	HnrEntry	entry = hnr_index_entry(ins->index);
	LevelLinks *links = &ins->links[0];
	HnrLockedVertex locked;
	float	   *vec = palloc(sizeof(float) * ins->index->layout.dims);
	float	   *rotated = palloc(sizeof(float) * Max(hnr_codec_rotated_dims(ins->index->codec), 1));
	HnrCodecPoint here = {ins->vec, ins->rotated};
	HnrCodecPoint there = {vec, rotated};

	if (entry.level < 0 || !hnr_vertex_lock(ins->index, &entry.tid, entry.level, &locked))
		return false;
	links->end = palloc(sizeof(HnrEnd));
	links->end->tid = entry.level == 0 ? entry.tid : locked.vertex->tids[0];
	hnr_vertex_get_vector(&locked, vec);
	hnr_vertex_unlock(&locked);
	hnr_codec_rotate(ins->index->codec, vec, rotated);
	links->end->vec = vec;
	links->end->rotated = rotated;
	links->slots = palloc(ins->index->layout.slot_size);
	links->n = 1;
	hnr_codec_encode(ins->index->codec, here, there, &links->end->tid, (HnrSlot *) links->slots);
	ins->level = 0;
	return true;
}

static void
begin_inserting(Inserting *ins, HnrIndex *index, const float *vec)
{
	memset(ins, 0, sizeof(*ins));
	ins->index = index;
	ins->vec = vec;
	ins->store = hnr_disk_store_create(index, true);
	hnr_disk_store_set_query(ins->store, vec);
	ins->rotated = hnr_disk_store_rotated_query(ins->store);
	ins->search = hnr_search_create(ins->store, index->meta.ef_construction);
}

/* Links from the new vertex, for one that is on disk already. */
static void
link_forward(Inserting *ins, int level)
{
	HnrEnd		self = {ins->tids[level], ins->vec, ins->rotated};

	for (int i = 0; i < ins->links[level].n; i++)
		hnr_link_add(ins->index, level, &self, &ins->links[level].end[i], false);
}

/*
 * Sets links to the neighbours of a ground vertex on disk that a search finds now.
 * *reachable: the search came by the vertex itself.  False: it found no other.
 */
static bool
find_links(Inserting *ins, bool *reachable)
{
	HnrCandidate entries[HNR_DESCENT_WIDTH];
	HnrCandidate *found;
	int			n = hnr_enter_graph(ins->index, ins->search, 0, &ins->entry, entries);
	int			others = 0;

	*reachable = false;
	if (n == 0)
		return false;
	n = hnr_search_run(ins->search, entries, n, 0, ins->index->meta.ef_construction, &found);
	for (int i = 0; i < n; i++)
	{
		if (found[i].id == hnr_node_of_tid(&ins->tids[0]))
			*reachable = true;
		else
			found[others++] = found[i];
	}
	choose_neighbors(ins, 0, found, others);
	return others > 0;
}

/*
 * Makes a ground vertex on disk part of the graph again; `self` is it, or an upper
 * vertex of it.  False if the graph changed so that it is worth another try.
 */
static bool
attach_vertex(Inserting *ins, HnrEntry self)
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
		if (!choose_entry_vertex(ins))
			return false;
		if (hnr_same_tid(&ins->links[0].end->tid, &ins->tids[0]))
			return true;
	}
	link_forward(ins, 0);
	return link_back(ins, 0) || reachable;
}

static void
count_try(Inserting *ins)
{
	CHECK_FOR_INTERRUPTS();
	if (++ins->tries > MAX_TRIES)
		hnr_report_corrupted(ins->index->rel, ItemPointerGetBlockNumberNoCheck(&ins->entry.tid),
							 "No vertex that can be reached from the entry point takes a link.");
}

void
hnr_relink_vertex(HnrIndex *index, ItemPointer tid)
{
	Inserting	ins;
	HnrEntry	self = {*tid, 0};
	HnrLockedVertex locked;
	float	   *vec = palloc(sizeof(float) * index->layout.dims);

	if (!hnr_vertex_lock(index, tid, 0, &locked))
		return;
	hnr_vertex_get_vector(&locked, vec);
	hnr_vertex_unlock(&locked);
	begin_inserting(&ins, index, vec);
	ins.tids[0] = *tid;
	while (!attach_vertex(&ins, self))
		count_try(&ins);
}

void
hnr_insert_row(HnrIndex *index, const HnrRow *row)
{
	Inserting	ins;
	HnrEntry	self;
	bool		found_any;
	bool		linked;

	begin_inserting(&ins, index, row->vec);
	ins.row = row;
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
		count_try(&ins);
		if (!hnr_index_entry_moved(index, ins.entry) && choose_entry_vertex(&ins))
			break;
	}
	store_vertex(&ins);
	HNR_DEBUG_POINT("insert_vertex_stored");
	self.tid = ins.tids[ins.level];
	self.level = ins.level;
	linked = link_back(&ins, 0);
	for (int level = 1; level <= ins.level; level++)
		link_back(&ins, level);
	while (!linked)
	{
		count_try(&ins);
		linked = attach_vertex(&ins, self);
	}
	if (self.level > ins.entry.level)
		hnr_index_set_entry(index, self, false);
}
