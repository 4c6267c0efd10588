/*-------------------------------------------------------------------------
 *
 * repair.c
 *		New neighbours for a vertex that lost some.
 *
 * Candidates are the neighbours of those that it lost: they are still on their
 * pages, with codes of their neighbours that tell how far these are.  So only the
 * pages of the lost are read, and those of the few that are going to be linked to.
 * Where that is not enough, the neighbours of the remaining neighbours follow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/store_disk.h"
#include "am/vacuum.h"

/* How many more of the nearest candidates to look at than are needed. */
#define SPARE_CANDIDATES 3

struct HnrRepair
{
	HnrVacuum  *vac;
	HnrIndex   *index;
	HnrStore   *store;
	HnrDamaged *v;				/* being repaired */
	HnrCandidate *listed;		/* by one visit */
	HnrCandidate *candidates;
	int			ncandidates;
	int			maxcandidates;
	HnrSlot    *back;			/* a link back, before it is put to wait */
};

/* A candidate that was looked at. */
typedef struct Tried
{
	HnrNodeId	id;
	const float *vec;
	const float *rotated;
	HnrSlot    *slot;
} Tried;

HnrRepair *
hnr_repair_create(HnrVacuum *vac)
{
	HnrRepair  *r = palloc0(sizeof(HnrRepair));

	r->vac = vac;
	r->index = vac->index;
	r->store = hnr_disk_store_create(vac->index, false);
	r->listed = palloc(sizeof(HnrCandidate) * r->store->max_neighbors);
	r->maxcandidates = 256;
	r->candidates = palloc(sizeof(HnrCandidate) * r->maxcandidates);
	r->back = palloc(vac->index->layout.slot_size);
	return r;
}

static HnrSlot *
slot_at(const HnrRepair *r, char *slots, int i)
{
	return (HnrSlot *) (slots + (Size) i * r->index->layout.slot_size);
}

/* Adds the neighbours of a vertex to the candidates, the dead left out. */
static void
add_neighbors_of(HnrRepair *r, HnrNodeId id)
{
	HnrVisit	visit = r->store->visit(r->store, id, r->v->level, r->listed);

	if (r->ncandidates + visit.nneighbors > r->maxcandidates)
	{
		r->maxcandidates = (r->ncandidates + visit.nneighbors) * 2;
		r->candidates = repalloc(r->candidates, sizeof(HnrCandidate) * r->maxcandidates);
	}
	for (int i = 0; i < visit.nneighbors; i++)
		if (!hnr_vacuum_is_dead(r->vac, r->listed[i].id))
			r->candidates[r->ncandidates++] = r->listed[i];
}

static void
gather_candidates(HnrRepair *r, int need)
{
	HnrDamaged *v = r->v;

	r->ncandidates = 0;
	r->store->begin(r->store);
	r->store->mark(r->store, hnr_node_of_tid(&v->tid));
	for (int i = 0; i < v->degree; i++)
		r->store->mark(r->store, hnr_node_of_tid(&slot_at(r, v->slots, i)->vertex));
	for (int i = 0; i < v->nadded; i++)
		r->store->mark(r->store, hnr_node_of_tid(&slot_at(r, v->added, i)->vertex));
	for (int dead = 1; dead >= 0; dead--)
		for (int i = 0; i < v->degree; i++)
		{
			HnrNodeId	id = hnr_node_of_tid(&slot_at(r, v->slots, i)->vertex);

			if (!dead && r->ncandidates >= need)
				return;
			if (hnr_vacuum_is_dead(r->vac, id) == (dead == 1))
				add_neighbors_of(r, id);
		}
}

/* Moves the nearest n candidates to the front, sorted. */
static int
nearest_first(HnrRepair *r, int n)
{
	HnrCandidate *c = r->candidates;

	n = Min(n, r->ncandidates);
	for (int i = 0; i < n; i++)
	{
		int			least = i;
		HnrCandidate swap = c[i];

		for (int j = i + 1; j < r->ncandidates; j++)
			if (c[j].distance < c[least].distance)
				least = j;
		c[i] = c[least];
		c[least] = swap;
	}
	return n;
}

/* Reads a candidate and encodes it as a neighbour; false if it is gone. */
static bool
try_candidate(HnrRepair *r, HnrNodeId id, Tried *tried)
{
	HnrCodec   *codec = r->index->codec;
	const float *vec = hnr_disk_store_vector(r->store, id, r->v->level);
	HnrCodecPoint here = {r->v->vec, hnr_disk_store_rotated_query(r->store)};
	HnrCodecPoint there;
	float	   *copy;
	float	   *rotated;
	ItemPointerData tid;

	if (vec == NULL)
		return false;
	copy = hnr_metric_copy(r->index->metric, r->index->layout.dims, vec);
	rotated = palloc(sizeof(float) * Max(hnr_codec_rotated_dims(codec), 1));
	hnr_codec_rotate(codec, copy, rotated);
	tried->id = id;
	tried->vec = there.vec = copy;
	tried->rotated = there.rotated = rotated;
	tried->slot = palloc(r->index->layout.slot_size);
	hnr_tid_of_node(id, &tid);
	hnr_codec_encode(codec, here, there, &tid, tried->slot);
	return true;
}

/*
 * Whether a new neighbour is nearer to the vertex than to any that it has.  Plain
 * slots do not tell.
 */
static bool
is_diverse(HnrRepair *r, const HnrSlot *slot)
{
	HnrCodec   *codec = r->index->codec;
	float		length;

	if (codec->quantizer == NULL)
		return true;
	length = hnr_codec_length(codec, slot);
	for (int i = 0; i < r->v->degree + r->v->nadded; i++)
	{
		const HnrSlot *other = i < r->v->degree ? slot_at(r, r->v->slots, i) :
			slot_at(r, r->v->added, i - r->v->degree);

		if (!hnr_vacuum_is_dead(r->vac, hnr_node_of_tid(&other->vertex)) &&
			hnr_codec_pair_l2_squared(codec, slot, other) < length * length)
			return false;
	}
	return true;
}

/* Makes a candidate a neighbour; the link back waits for its page. */
static void
take_candidate(HnrRepair *r, const Tried *tried)
{
	HnrDamaged *v = r->v;
	HnrCodecPoint here = {v->vec, hnr_disk_store_rotated_query(r->store)};
	HnrCodecPoint there = {tried->vec, tried->rotated};

	memcpy(slot_at(r, v->added, v->nadded++), tried->slot, r->index->layout.slot_size);
	hnr_codec_encode(r->index->codec, there, here, &v->tid, r->back);
	hnr_backlinks_add(r->vac->backlinks, tried->id, r->back);
}

void
hnr_repair_find(HnrRepair *r, HnrDamaged *v, int n)
{
	int			want = v->nadded + n;
	int			nwaiting = 0;
	Size		size = (Size) want * r->index->layout.slot_size;
	Tried		tried;
	Tried	   *waiting;

	Assert(n > 0);
	r->v = v;
	v->added = v->nadded > 0 ? repalloc(v->added, size) : palloc(size);
	hnr_disk_store_set_query(r->store, v->vec);
	gather_candidates(r, n);
	n = nearest_first(r, n + SPARE_CANDIDATES);
	waiting = palloc(sizeof(Tried) * (n + 1));
	for (int i = 0; i < n && v->nadded < want; i++)
	{
		if (!try_candidate(r, r->candidates[i].id, &tried))
			continue;
		if (is_diverse(r, tried.slot))
			take_candidate(r, &tried);
		else
			waiting[nwaiting++] = tried;
	}
	for (int i = 0; i < nwaiting && v->nadded < want; i++)
		take_candidate(r, &waiting[i]);
}
