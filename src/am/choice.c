/*-------------------------------------------------------------------------
 *
 * choice.c
 *		The new list of a vertex, of what it has and what it may get.  See choice.h.
 *
 * As a build does it: a vertex chooses m neighbours, and of these and those that chose it, it
 * has as many as there are slots (links.c, mend.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/choice.h"
#include "am/select.h"
#include "am/weaving.h"
#include "utils/float.h"

typedef struct Choosing
{
	const HnrIndex *index;
	HnrChoices *c;
	int			slots;
	int			new_degree;
	HnrChoice **wanted;			/* what is there or is to be, nearest first */
	int			nwanted;
} Choosing;

static float
pair_distance(void *context, int i, int j)
{
	Choosing   *g = context;

	return hnr_metric_distance(g->index->metric, g->index->layout.dims,
							   g->c->choice[i].vec, g->c->choice[j].vec);
}

static void
take(Choosing *g, HnrChoice *choice)
{
	choice->taken = true;
	g->c->chosen[g->c->nchosen++] = choice;
}

/* Marks what a new vertex would choose. */
static void
mark_best(Choosing *g)
{
	int			n = Min(g->c->n, Max(g->index->meta.ef_construction, g->slots));
	float	   *distance = palloc(sizeof(float) * Max(n, 1));
	int		   *best = palloc(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		distance[i] = g->c->choice[i].distance;
	n = hnr_select_neighbors(distance, n, g->new_degree, pair_distance, g, best);
	for (int i = 0; i < n; i++)
		g->c->choice[best[i]].taken = true;
}

/* What is farther than this is far off. */
static float
far_limit(const Choosing *g)
{
	float		beyond = g->index->metric->kind == HNR_METRIC_L1 ? HNR_FAR_BEYOND :
		HNR_FAR_BEYOND * HNR_FAR_BEYOND;

	/* under the inner product, that says nothing */
	if (g->c->n < g->new_degree || g->index->metric->kind == HNR_METRIC_IP)
		return get_float4_infinity();
	return g->c->choice[g->new_degree - 1].distance * beyond;
}

/* Leaves out what is neither there nor to be. */
static void
list_wanted(Choosing *g)
{
	float		limit = far_limit(g);

	for (int i = 0; i < g->c->n; i++)
	{
		HnrChoice  *choice = &g->c->choice[i];

		if (!choice->taken && choice->slot == NULL && !choice->far)
			continue;
		choice->taken = false;
		choice->far |= choice->slot != NULL && choice->distance > limit;
		g->wanted[g->nwanted++] = choice;
	}
}

static bool
is_diverse(Choosing *g, const HnrChoice *choice)
{
	for (int i = 0; i < g->c->nchosen; i++)
		if (pair_distance(g, choice - g->c->choice, g->c->chosen[i] - g->c->choice) < choice->distance)
			return false;
	return true;
}

void
hnr_choose_list(const HnrIndex *index, HnrChoices *c)
{
	Choosing	g = {.index = index,.c = c};
	HnrChoice **waiting = palloc(sizeof(HnrChoice *) * (c->n + 1));
	int			nwaiting = 0;
	int			most_far;

	g.slots = index->layout.ground.slots;
	g.new_degree = hnr_new_degree(&index->layout, 0, index->meta.m);
	g.wanted = palloc(sizeof(HnrChoice *) * (c->n + 1));
	c->chosen = palloc(sizeof(HnrChoice *) * (c->n + 1));
	c->nchosen = 0;
	mark_best(&g);
	list_wanted(&g);
	most_far = Min(HNR_FAR_KEPT, (g.slots + 1) / 2);
	for (int i = 0; i < g.nwanted && c->nchosen < most_far; i++)
		if (g.wanted[i]->far)
			take(&g, g.wanted[i]);
	for (int i = 0; i < g.nwanted && c->nchosen < g.slots; i++)
	{
		if (g.wanted[i]->taken)
			continue;
		if (g.nwanted <= g.slots || is_diverse(&g, g.wanted[i]))
			take(&g, g.wanted[i]);
		else
			waiting[nwaiting++] = g.wanted[i];
	}
	for (int i = 0; i < nwaiting && c->nchosen < g.slots; i++)
		take(&g, waiting[i]);
}
