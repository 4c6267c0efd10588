/*-------------------------------------------------------------------------
 *
 * verify_vertex.c
 *		check_index(): each vertex, its slots, and its selves on other levels.  See
 *		verify.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/buffer.h"
#include "am/sound.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "monitor/verify.h"

/*
 * Codes to verify at most, spread evenly: each reads another vertex and rotates two
 * vectors, so all of them would take as long as a build.
 */
#define MAX_CODES 2000000

typedef struct VertexPass
{
	HnrVerify  *v;
	int64		every;			/* verify each so many-th code */
	int64		count;
} VertexPass;

static HnrSlot *
slot_of(HnrVerify *v, const HnrVertexCopy *copy, int i)
{
	return (HnrSlot *) (copy->slots + (Size) i * v->index->layout.slot_size);
}

static void
report_at(HnrVerify *v, const HnrVertexCopy *copy, HnrFinding finding, const char *problem)
{
	hnr_verify_report(v, finding, ItemPointerGetBlockNumber(&copy->tid),
					  ItemPointerGetOffsetNumber(&copy->tid), "%s", problem);
}

static void
check_vector(HnrVerify *v, const HnrVertexCopy *copy)
{
	const char *problem = hnr_sound_vector(v->index, copy->vec, copy->head.scale);

	if (problem)
		report_at(v, copy, HNR_FOUND_VECTOR, problem);
	else if (copy->level == 0 && !hnr_sound_rounding(v->index, copy->vec, copy->head.scale, copy->head.error))
		report_at(v, copy, HNR_FOUND_ROUNDING,
				  "a vertex says that rounding has cost what it cannot have");
}

/* What is wrong about where a link leads; *suspect: look at it again later. */
static const char *
target_problem(HnrVerify *v, const HnrVertexCopy *copy, HnrNodeId id, bool *suspect)
{
	BlockNumber block = (BlockNumber) (id >> 16);
	int			kind = copy->level == 0 ? HNR_PAGE_GROUND : HNR_PAGE_UPPER;
	uint16	   *place;

	*suspect = false;
	if (block >= v->blocks)
		return block < RelationGetNumberOfBlocks(v->index->rel) ? NULL :
			"a link leads beyond the end of the index";
	if (block == HNR_METAPAGE || (v->kind[block] != 0 && v->kind[block] != kind))
		return "a link leads to a page of another kind";
	place = hnr_verify_place(v, id);
	if (place == NULL)
	{
		*suspect = v->kind[block] == 0;
		return *suspect ? NULL : "a link leads to a position that the page does not have";
	}
	*suspect = (*place & HNR_PLACE_STATE) != HNR_VERTEX_LIVE ||
		*place >> HNR_PLACE_LEVEL_SHIFT != copy->level;
	*place |= HNR_PLACE_LINKED;
	return NULL;
}

static void
check_targets(HnrVerify *v, const HnrVertexCopy *copy)
{
	HnrNodeId	self = hnr_node_of_tid(&copy->tid);

	for (int i = 0; i < copy->nslots; i++)
	{
		HnrNodeId	id = hnr_node_of_tid(&slot_of(v, copy, i)->vertex);
		bool		suspect = false;
		const char *problem;

		if (id == self)
			problem = "a vertex has a link to itself";
		else
			problem = target_problem(v, copy, id, &suspect);
		if (problem)
			report_at(v, copy, HNR_FOUND_LINK, problem);
		if (suspect)
			hnr_verify_suspect(&v->links, self, id);
	}
}

static bool
has_double_link(HnrVerify *v, const HnrVertexCopy *copy)
{
	for (int i = 1; i < copy->nslots; i++)
		for (int j = 0; j < i; j++)
			if (hnr_same_tid(&slot_of(v, copy, i)->vertex, &slot_of(v, copy, j)->vertex))
				return true;
	return false;
}

/* Slots on several pages are not written at once: believe it when it stays. */
static void
check_double_links(HnrVerify *v, const HnrVertexCopy *copy)
{
	bool		parts = (copy->level == 0 ? v->index->layout.ground : v->index->layout.upper).parts > 1;
	HnrVertexCopy again;

	if (!has_double_link(v, copy))
		return;
	if (parts && hnr_verify_load(v, hnr_node_of_tid(&copy->tid), &again) && !has_double_link(v, &again))
		return;
	report_at(v, copy, parts ? HNR_FOUND_LINK_TWICE : HNR_FOUND_LINK,
			  "a vertex has two links to the same neighbor");
}

/* rotated: the vertex's own vector; room: for another. */
static void
check_code(HnrVerify *v, const HnrVertexCopy *copy, int i, const float *rotated, float *room)
{
	HnrVertexCopy from = *copy;
	ItemPointerData to = slot_of(v, copy, i)->vertex;

	for (int try = 0; try < HNR_VERIFY_TRIES; try++)
	{
		HnrVertexCopy other;
		bool		agrees;

		/* look again: both may have changed */
		if (try > 0 && (!hnr_verify_load(v, hnr_node_of_tid(&copy->tid), &from) || from.problem))
			return;
		if (from.head.state != HNR_VERTEX_LIVE || i >= from.nslots ||
			!hnr_same_tid(&slot_of(v, &from, i)->vertex, &to) ||
			!hnr_verify_load(v, hnr_node_of_tid(&to), &other) || other.problem ||
			other.head.state != HNR_VERTEX_LIVE || other.level != copy->level)
			return;
		hnr_codec_rotate(v->index->codec, other.vec, room);
		agrees = !hnr_metric_same(v->index->metric, v->index->layout.dims, from.vec, copy->vec) ||
			hnr_sound_code(v->index->codec, slot_of(v, &from, i), (HnrCodecPoint) {from.vec, rotated},
						   (HnrCodecPoint) {other.vec, room});
		pfree(other.vec);
		pfree(other.slots);
		if (agrees)
			return;
	}
	report_at(v, copy, HNR_FOUND_CODE,
			  psprintf("the code of neighbor (%u,%u) does not agree with the vectors",
					   ItemPointerGetBlockNumberNoCheck(&to), ItemPointerGetOffsetNumberNoCheck(&to)));
}

static void
check_codes(VertexPass *pass, const HnrVertexCopy *copy)
{
	HnrCodec   *codec = pass->v->index->codec;
	int			rdims = hnr_codec_rotated_dims(codec);
	float	   *rotated;

	if (rdims == 0)
		return;
	rotated = palloc(sizeof(float) * rdims * 2);
	hnr_codec_rotate(codec, copy->vec, rotated);
	for (int i = 0; i < copy->nslots; i++)
		if (pass->count++ % pass->every == 0)
			check_code(pass->v, copy, i, rotated, rotated + rdims);
}

/*
 * What is wrong between an upper vertex and one of its selves below: the one at its
 * link, or the ground vertex.
 */
static const char *
self_problem(HnrVerify *v, const HnrVertexCopy *upper, const ItemPointerData *tid, int level)
{
	HnrVertexCopy below;

	if (!hnr_verify_load(v, hnr_node_of_tid(tid), &below) || below.level != level)
		return "an upper vertex leads down to what is not a vertex of that level";
	if (below.problem)
		return NULL;			/* reported there */
	if (below.head.state != HNR_VERTEX_LIVE && below.head.state != HNR_VERTEX_DELETED)
		return "an upper vertex leads down to a vertex that is not in use";
	if (!hnr_metric_same(v->index->metric, v->index->layout.dims, below.vec, upper->vec))
		return "an upper vertex leads down to a vertex with another vector";
	if (level > 0 && !hnr_same_tid(&below.head.tids[0], &upper->head.tids[0]))
		return "an upper vertex and the one below it name different ground vertices";
	if (level == 0 && upper->level == 1 &&
		!hnr_same_tid(&below.tid, &upper->head.link))
		return "an upper vertex of level 1 leads down to another than its ground vertex";
	return NULL;
}

static void
check_selves(HnrVerify *v, const HnrVertexCopy *copy)
{
	HnrVertexCopy upper = *copy;
	const char *problem = NULL;

	for (int try = 0; try < HNR_VERIFY_TRIES; try++)
	{
		/* vacuum marks the ground first and the others then */
		if (try > 0 && (!hnr_verify_load(v, hnr_node_of_tid(&copy->tid), &upper) ||
						upper.problem || upper.head.state != HNR_VERTEX_LIVE))
			return;
		problem = self_problem(v, &upper, &upper.head.tids[0], 0);
		if (problem == NULL && upper.level > 1)
			problem = self_problem(v, &upper, &upper.head.link, upper.level - 1);
		if (problem == NULL)
			return;
	}
	report_at(v, copy, HNR_FOUND_LEVELS, problem);
}

/* -0 is another vector than 0 here: rows share a vertex if they are the same bits. */
uint32
hnr_verify_print(HnrVerify *v, const float *vec)
{
	return hash_bytes((const unsigned char *) vec,
					  sizeof(float) * hnr_layout_words(&v->index->layout, vec));
}

static void
check_vertex(VertexPass *pass, HnrNodeId id)
{
	HnrVerify  *v = pass->v;
	HnrVertexCopy copy;
	HnrPrint   *print;

	if (!hnr_verify_load(v, id, &copy) || copy.head.state != HNR_VERTEX_LIVE)
		return;
	if (copy.problem)
	{
		report_at(v, &copy, HNR_FOUND_PART, copy.problem);
		return;
	}
	check_vector(v, &copy);
	check_targets(v, &copy);
	check_double_links(v, &copy);
	check_codes(pass, &copy);
	if (copy.level > 0)
	{
		check_selves(v, &copy);
		return;
	}
	print = &v->print[hnr_verify_place(v, id) - v->place];
	print->vector = hnr_verify_print(v, copy.vec);
	print->error = copy.head.error;
	if ((copy.head.flags & HNR_VERTEX_ALL_DEAD) != 0)
		*hnr_verify_place(v, id) |= HNR_PLACE_ALL_DEAD;
	if (copy.nslots == 0 && v->nlive > 1 && v->nunlinked++ == 0)
		v->unlinked = id;
	if (ItemPointerIsValid(&copy.head.link))
		hnr_verify_chain(v, &copy);
}

void
hnr_verify_vertices(HnrVerify *v)
{
	VertexPass	pass = {.v = v,.every = Max(v->nslots / MAX_CODES, 1)};
	MemoryContext old;

	v->print = palloc_extended(sizeof(HnrPrint) * Max(v->nplaces, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	old = MemoryContextSwitchTo(v->scratch);

	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
	{
		const HnrShape *shape = hnr_verify_shape(v, v->kind[block]);

		for (int pos = 1; shape && pos <= shape->per_page; pos++)
			if ((v->place[v->first[block] + pos - 1] & HNR_PLACE_STATE) == HNR_VERTEX_LIVE)
			{
				check_vertex(&pass, ((HnrNodeId) block << 16) | pos);
				MemoryContextReset(v->scratch);
			}
	}
	MemoryContextSwitchTo(old);
}
