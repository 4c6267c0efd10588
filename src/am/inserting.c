/*-------------------------------------------------------------------------
 *
 * inserting.c
 *		The links of an insertion: chosen, encoded in both directions, made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/foster.h"
#include "am/inserting.h"
#include "am/select.h"
#include "am/vertex.h"
#include "miscadmin.h"

/*
 * How often to begin anew because vacuum has taken what a search found.  It takes
 * each vertex once, so there is an end to that, but not in a damaged graph.
 */
#define MAX_TRIES 1000

void
hnr_inserting_begin(HnrInserting *ins, HnrIndex *index, const float *vec)
{
	memset(ins, 0, sizeof(*ins));
	ins->index = index;
	ins->vec = vec;
	ins->store = hnr_disk_store_create(index, true);
	hnr_disk_store_set_query(ins->store, vec);
	ins->rotated = hnr_disk_store_rotated_query(ins->store);
	ins->other = palloc(sizeof(float) * Max(hnr_codec_rotated_dims(index->codec), 1));
	ins->search = hnr_search_create(ins->store, index->meta.ef_construction);
}

void
hnr_inserting_count_try(HnrInserting *ins)
{
	CHECK_FOR_INTERRUPTS();
	if (++ins->tries > MAX_TRIES)
		hnr_report_corrupted(ins->index->rel, ItemPointerGetBlockNumberNoCheck(&ins->entry.tid),
							 "No vertex that can be reached from the entry point takes a link.");
}

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

/* Makes room for n links at a level. */
static void
reserve_links(HnrInserting *ins, int level, int n)
{
	Size		slot_size = ins->index->layout.slot_size;
	HnrLevelLinks *links = &ins->links[level];
	char	   *back = palloc(slot_size * Max(n, 1));

	links->n = n;
	links->slots = palloc(slot_size * Max(n, 1));
	links->back = palloc0(sizeof(HnrNewLink) * Max(n, 1));
	for (int i = 0; i < n; i++)
		links->back[i].slot = (HnrSlot *) (back + i * slot_size);
}

static HnrSlot *
slot_to(HnrInserting *ins, int level, int i)
{
	return (HnrSlot *) (ins->links[level].slots + (Size) i * ins->index->layout.slot_size);
}

/* Sets link i of a level to a vertex as it was read, in both directions. */
static void
set_link(HnrInserting *ins, int level, int i, ItemPointer tid, uint32 generation, const float *vec)
{
	HnrIndex   *index = ins->index;
	HnrNewLink *back = &ins->links[level].back[i];
	HnrCodecPoint here = {ins->vec, ins->rotated};
	HnrCodecPoint there = {vec, ins->other};

	hnr_codec_rotate(index->codec, vec, ins->other);
	hnr_codec_encode_both(index->codec, here, there, slot_to(ins, level, i), back->slot);
	slot_to(ins, level, i)->vertex = *tid;
	back->from = *tid;
	back->generation = generation;
	back->mutual = true;
	if (index->codec->quantizer == NULL)
		/* the store frees its copy when the next level is searched */
		back->vec = hnr_metric_copy(index->metric, index->layout.dims, vec);
}

void
hnr_inserting_choose(HnrInserting *ins, int level, const HnrCandidate *found, int n)
{
	HnrIndex   *index = ins->index;
	Candidates	c = {.index = index};
	int			max = hnr_new_degree(&index->layout, level, index->meta.m);
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
	n = hnr_select_neighbors(distance, n, max, candidate_pair, &c, chosen);
	reserve_links(ins, level, n);
	for (int i = 0; i < n; i++)
	{
		const HnrVisited *v = hnr_disk_store_visited(ins->store, found[chosen[i]].ref);
		ItemPointerData tid = v->tid;

		set_link(ins, level, i, &tid, v->generation, v->vec);
	}
}

bool
hnr_inserting_choose_entry(HnrInserting *ins)
{
	HnrEntry	entry = hnr_index_entry(ins->index);
	ItemPointerData tid;
	HnrLockedVertex locked;
	uint32		generation;
	float	   *vec = palloc(sizeof(float) * ins->index->layout.dims);

	if (entry.level < 0 || !hnr_index_below_entry(ins->index, entry, &tid) ||
		!hnr_vertex_lock(ins->index, &tid, 0, &locked))
		return false;
	generation = locked.vertex->generation;
	hnr_vertex_get_vector(&locked, vec);
	hnr_vertex_unlock(&locked);
	reserve_links(ins, 0, 1);
	set_link(ins, 0, 0, &tid, generation, vec);
	ins->level = 0;
	return true;
}

/*
 * On an upper level nobody asks what is found without a link: every vertex stands on
 * the ground, too.
 */
static HnrWays *
ways_of(HnrInserting *ins, int level)
{
	return level == 0 ? hnr_disk_store_ways(ins->store) : NULL;
}

/*
 * Makes n links back, and finds another place for those that lost what may have been
 * their only link.  No interrupt comes between: they are others' rows.
 */
static int
link_back(HnrInserting *ins, int level, HnrNewLink *links, int n, const HnrLinkTarget *to)
{
	int			made;

	CHECK_FOR_INTERRUPTS();
	HOLD_INTERRUPTS();
	made = hnr_link_add_all(ins->index, level, links, n, to);
	hnr_foster_evicted(ins->index, to, links, n, &ins->tids[0]);
	RESUME_INTERRUPTS();
	return made;
}

/* A vertex that nothing leads to would never be found. */
static bool
force_link(HnrInserting *ins, int level)
{
	HnrLevelLinks *links = &ins->links[level];
	HnrWays    *ways = ways_of(ins, level);
	HnrLinkTarget to = {ins->vec, links->back, links->n, ways,.force = true};
	HnrFosterChild child = {ins->tids[0], 0, ins->vec, ins->rotated, links->back, links->n, ways, ins->paths};
	int			made = 0;

	if (level == 0 && hnr_foster(ins->index, &child, &ins->from))
		return true;
	if (ins->paths)
	{
		child.force = true;
		return hnr_foster(ins->index, &child, &ins->from);
	}
	for (int i = 0; i < links->n && made == 0; i++)
		made = link_back(ins, level, &links->back[i], 1, &to);
	return made > 0;
}

void
hnr_inserting_drop_gone(HnrInserting *ins, int level)
{
	HnrLevelLinks *links = &ins->links[level];

	for (int i = 0; i < links->n; i++)
		if (!hnr_link_end_stands(ins->index, level, &links->back[i]))
			hnr_link_remove(ins->index, level, &ins->tids[level], &links->back[i].from);
}

bool
hnr_inserting_link_back(HnrInserting *ins, int level)
{
	HnrLevelLinks *links = &ins->links[level];
	HnrIndex   *index = ins->index;
	ItemPointer self = &ins->tids[level];
	HnrLinkTarget to = {ins->vec, links->back, links->n, ways_of(ins, level),.paths = ins->paths};
	/* a plain list has its neighbours read, which takes long */
	int			at_once = index->codec->quantizer ? Max(links->n, 1) : 1;
	int			made = 0;

	for (int i = 0; i < links->n; i++)
		links->back[i].slot->vertex = *self;
	for (int i = 0; i < links->n; i += at_once)
		made += link_back(ins, level, &links->back[i], at_once, &to);
	for (int i = 0; i < links->n; i++)
	{
		if (links->back[i].result == HNR_LINK_GONE)
			hnr_link_remove(index, level, self, &links->back[i].from);
		if (links->back[i].result == HNR_LINK_MADE)
			ins->from = links->back[i].from;
	}
	return made > 0 || force_link(ins, level);
}

/* Notes which links a ground vertex on disk has now. */
static void
note_mutual(HnrInserting *ins)
{
	HnrLevelLinks *links = &ins->links[0];
	Size		size = ins->index->layout.slot_size;
	char	   *slots = palloc(ins->index->layout.ground.slots * size);
	HnrLockedVertex locked;
	int			degree = 0;

	if (hnr_vertex_lock(ins->index, &ins->tids[0], 0, &locked))
	{
		degree = locked.vertex->degree;
		hnr_vertex_get_slots(&locked, slots);
		hnr_vertex_unlock(&locked);
	}
	for (int i = 0; i < links->n; i++)
	{
		links->back[i].mutual = false;
		for (int j = 0; j < degree && !links->back[i].mutual; j++)
			links->back[i].mutual = hnr_same_tid(&((HnrSlot *) (slots + j * size))->vertex,
												 &links->back[i].from);
	}
	pfree(slots);
}

void
hnr_inserting_link_forward(HnrInserting *ins)
{
	HnrLevelLinks *links = &ins->links[0];

	for (int i = 0; i < links->n; i++)
	{
		HnrNewLink	link = {ins->tids[0], ins->generation, ins->vec, slot_to(ins, 0, i)};
		HnrLinkTarget to = {.vec = links->back[i].vec,.ways = ways_of(ins, 0),.gentle = true,.paths = ins->paths};

		CHECK_FOR_INTERRUPTS();
		/* see store_linked in insert.c; vacuum itself is alone */
		HOLD_INTERRUPTS();
		hnr_link_add_all(ins->index, 0, &link, 1, &to);
		hnr_foster_evicted(ins->index, &to, &link, 1, &links->back[i].from);
		if (ins->row && !hnr_link_end_stands(ins->index, 0, &links->back[i]))
			hnr_link_remove(ins->index, 0, &ins->tids[0], &links->back[i].from);
		RESUME_INTERRUPTS();
	}
	note_mutual(ins);
}
