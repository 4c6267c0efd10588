/*-------------------------------------------------------------------------
 *
 * repair.c
 *		New neighbours for a vertex that lost too many.
 *
 * Candidates are the neighbours of the neighbours it has and of those it lost; no
 * search is made.  They are measured exactly and chosen as on insertion.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/buffer.h"
#include "am/link.h"
#include "am/select.h"
#include "am/store_disk.h"
#include "am/vacuum.h"
#include "am/vertex.h"

/* How many vertices to measure for one repair. */
#define MAX_CANDIDATES 96

typedef struct RepairCandidate
{
	float		distance;
	float	   *vec;
	ItemPointerData tid;
	bool		present;		/* a neighbour already */
} RepairCandidate;

typedef struct Repair
{
	HnrVacuum  *vac;
	HnrIndex   *index;
	int			level;
	HnrEnd		self;
	HnrIdSet	seen;
	HnrNodeId	ids[MAX_CANDIDATES];
	int			nids;
	int			npresent;		/* the first of ids are neighbours */
	RepairCandidate candidates[MAX_CANDIDATES];
	int			ncandidates;
} Repair;

/* Adds the neighbours in one part of a vertex to the candidates, dead ones left out. */
static void
add_neighbors_in(Repair *r, const HnrPartLayout *pl, char *part, int degree)
{
	int			end = Min(pl->slot_first + pl->slot_count, degree);

	for (int i = pl->slot_first; i < end && r->nids < MAX_CANDIDATES; i++)
	{
		HnrSlot    *slot = hnr_slot_in_part(&r->index->layout, pl, part, i);
		HnrNodeId	id = hnr_node_of_tid(&slot->vertex);

		if (!hnr_vacuum_is_dead(r->vac, id) && hnr_idset_add(&r->seen, id))
			r->ids[r->nids++] = id;
	}
}

/* Adds the neighbours of a vertex, one that is deleted included. */
static void
add_neighbors_of(Repair *r, HnrNodeId id)
{
	const HnrShape *shape = hnr_layout_shape(&r->index->layout, r->level);
	ItemPointerData tid;
	Buffer		buf;
	HnrVertex	v;

	hnr_tid_of_node(id, &tid);
	buf = hnr_buffer_read(r->index->rel, ItemPointerGetBlockNumberNoCheck(&tid), BUFFER_LOCK_SHARE,
						  HNR_KIND_BIT(shape->kind));
	hnr_vertex_check_position(r->index, shape, &tid);
	v = *hnr_vertex_at(shape, BufferGetPage(buf), ItemPointerGetOffsetNumber(&tid));
	if (v.state == HNR_VERTEX_REMOVED || v.state == HNR_VERTEX_FREE || v.level != r->level)
		v.degree = 0;
	add_neighbors_in(r, &shape->part[0],
					 (char *) hnr_vertex_at(shape, BufferGetPage(buf), ItemPointerGetOffsetNumber(&tid)),
					 v.degree);
	hnr_buffer_release(buf);

	for (int p = 1; p < shape->parts && shape->part[p].slot_first < v.degree; p++)
	{
		char	   *part;

		if (shape->part[p].slot_count == 0)
			continue;
		buf = hnr_buffer_read(r->index->rel, ItemPointerGetBlockNumber(&tid) + p, BUFFER_LOCK_SHARE,
							  HNR_KIND_BIT(HNR_PAGE_PART));
		part = hnr_page_contents(BufferGetPage(buf));
		if (((HnrPart *) part)->generation == v.generation)
			add_neighbors_in(r, &shape->part[p], part, v.degree);
		hnr_buffer_release(buf);
	}
}

/* Reads the candidates' vectors and sorts them by distance. */
static void
measure_candidates(Repair *r)
{
	int			dims = r->index->layout.dims;

	for (int i = 0; i < r->nids; i++)
	{
		RepairCandidate c;
		HnrLockedVertex locked;
		int			j = r->ncandidates;

		hnr_tid_of_node(r->ids[i], &c.tid);
		if (!hnr_vertex_lock(r->index, &c.tid, r->level, &locked))
			continue;
		c.vec = palloc(sizeof(float) * dims);
		hnr_vertex_get_vector(&locked, c.vec);
		hnr_vertex_unlock(&locked);
		c.distance = hnr_metric_distance(r->index->metric, dims, r->self.vec, c.vec);
		c.present = i < r->npresent;
		for (; j > 0 && r->candidates[j - 1].distance > c.distance; j--)
			r->candidates[j] = r->candidates[j - 1];
		r->candidates[j] = c;
		r->ncandidates++;
	}
}

static float
pair(void *context, int i, int j)
{
	Repair	   *r = context;

	return hnr_metric_distance(r->index->metric, r->index->layout.dims,
							   r->candidates[i].vec, r->candidates[j].vec);
}

/* Links the vertex and a chosen candidate, both ways. */
static void
link_both(Repair *r, RepairCandidate *c)
{
	HnrEnd		other = {.tid = c->tid,.vec = c->vec};
	int			rdims = hnr_codec_rotated_dims(r->index->codec);

	if (rdims > 0)
	{
		float	   *rotated = palloc(sizeof(float) * rdims);

		hnr_codec_rotate(r->index->codec, c->vec, rotated);
		other.rotated = rotated;
	}
	hnr_link_add(r->index, r->level, &r->self, &other, false);
	hnr_link_add(r->index, r->level, &other, &r->self, false);
}

/* Reads the vertex itself and its present neighbours. */
static bool
read_self(Repair *r, ItemPointer tid)
{
	HnrLockedVertex locked;
	float	   *vec = palloc(sizeof(float) * r->index->layout.dims);
	float	   *rotated = palloc(sizeof(float) * Max(hnr_codec_rotated_dims(r->index->codec), 1));
	char	   *slots;
	int			degree;

	if (!hnr_vertex_lock(r->index, tid, r->level, &locked))
		return false;
	degree = locked.vertex->degree;
	slots = palloc((Size) Max(degree, 1) * r->index->layout.slot_size);
	hnr_vertex_get_vector(&locked, vec);
	hnr_vertex_get_slots(&locked, slots);
	hnr_vertex_unlock(&locked);
	hnr_codec_rotate(r->index->codec, vec, rotated);
	r->self.tid = *tid;
	r->self.vec = vec;
	r->self.rotated = rotated;
	hnr_idset_add(&r->seen, hnr_node_of_tid(tid));
	for (int i = 0; i < Min(degree, MAX_CANDIDATES); i++)
	{
		HnrNodeId	id = hnr_node_of_tid(&((HnrSlot *) (slots + (Size) i * r->index->layout.slot_size))->vertex);

		if (hnr_idset_add(&r->seen, id))
			r->ids[r->nids++] = id;
	}
	r->npresent = r->nids;
	return true;
}

void
hnr_repair_vertex(HnrVacuum *vac, ItemPointer tid, int level,
				  const HnrNodeId *lost, int nlost)
{
	Repair	   *r = palloc0(sizeof(Repair));
	float		distance[MAX_CANDIDATES];
	int			chosen[MAX_CANDIDATES];
	int			n;

	r->vac = vac;
	r->index = vac->index;
	r->level = level;
	hnr_idset_init(&r->seen, 512);
	if (!read_self(r, tid))
		return;
	for (int i = 0; i < nlost; i++)
		add_neighbors_of(r, lost[i]);
	for (int i = 0; i < r->npresent; i++)
		add_neighbors_of(r, r->ids[i]);
	measure_candidates(r);
	for (int i = 0; i < r->ncandidates; i++)
		distance[i] = r->candidates[i].distance;
	n = hnr_select_neighbors(distance, r->ncandidates, vac->index->meta.m, pair, r, chosen);
	for (int i = 0; i < n; i++)
		if (!r->candidates[chosen[i]].present)
			link_both(r, &r->candidates[chosen[i]]);
}
