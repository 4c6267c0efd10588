/*-------------------------------------------------------------------------
 *
 * cells.c
 *		Candidates for the links of the ground level: members are divided into cells that
 *		overlap, and in each all are compared with all.
 *
 * Some members, chosen at random, are leaders, and each member goes to the cells of its
 * nearest HNR_OVERLAP leaders.  A cell too large is divided further, without overlap.
 * What is near is in one cell with it in most cases; where it is not, another partition
 * with other leaders puts it right.  Comparing all with all is a product of matrices:
 * it reads little and computes much, which a search for each member's neighbours
 * does not.  (HCNNG, Munoz et al., Pattern Recognition 2019; PiPNN, 2026.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/weaving.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* Cells that a cell too large is divided into, at least. */
#define LEAST_LEADERS	4

/* Rows whose distances are made at a time; a divisor of HNR_CELLS_TASK. */
#define STRIP			HNR_POINTS_STRIP

struct HnrCells
{
	HnrWeave   *w;
	int			most_leaders;
	uint32	   *leaders;		/* members */
	int			nleaders;
	int			loaded;			/* the partition whose leaders these are, or -1 */
	const float *moved;			/* by this centre, or NULL */
	HnrPoints  *leader_points;
	HnrPoints  *strip;
	HnrPoints  *leaf;
	float	   *center;
	float	   *distances;
	uint32	   *nodes;			/* scratch */
	uint32	   *leaf_members;	/* likewise: of a leaf, who looks for something first */
};

/* A process's own, made when first needed. */
static HnrCells *
get_cells(HnrWeave *w)
{
	HnrCells   *c = w->cells;

	if (c)
		return c;
	w->cells = c = palloc0(sizeof(HnrCells));
	c->w = w;
	c->loaded = -1;
	c->most_leaders = w->leaf;
	c->leaders = palloc(sizeof(uint32) * c->most_leaders);
	c->leader_points = hnr_points_create(w->graph, c->most_leaders, true, HNR_POINTS_OF_NODES);
	c->strip = hnr_points_create(w->graph, STRIP, false, HNR_POINTS_OF_NODES);
	c->leaf = hnr_points_create(w->graph, w->leaf, true, HNR_POINTS_OF_NODES);
	c->center = palloc(sizeof(float) * w->graph->index->layout.dims);
	c->distances = palloc_extended(sizeof(float) * hnr_points_width(w->leaf) *
								   hnr_points_width(w->leaf), MCXT_ALLOC_HUGE);
	c->nodes = palloc(sizeof(uint32) * Max(w->leaf, STRIP));
	c->leaf_members = palloc(sizeof(uint32) * w->leaf);
	return c;
}

static void
load(HnrCells *c, HnrPoints *points, const uint32 *members, int n, const float *center)
{
	for (int i = 0; i < n; i++)
		c->nodes[i] = hnr_weave_node(c->w, members[i]);
	hnr_points_load(points, c->nodes, n, center);
}

/* Loads columns; their mean becomes the centre. */
static const float *
load_columns(HnrCells *c, HnrPoints *points, const uint32 *members, int n)
{
	load(c, points, members, n, NULL);
	if (!hnr_points_have_center(points))
		return NULL;
	hnr_points_center(points, c->center);
	hnr_points_move(points, c->center);
	return c->center;
}

/* Adds what a leaf found, nearest first, to a member's candidates. */
static void
add_candidates(HnrWeave *w, uint32 member, const HnrMemEdge *found, int n)
{
	HnrMemEdge *near = hnr_array_at(&w->near, member);
	uint32	   *count = hnr_array_at(&w->counts, member);
	HnrMemEdge	merged[HNR_POINTS_MOST + 1];
	uint8		known[256] = {0};	/* places in near, plus 1, by the last byte */
	uint8		before[HNR_POINTS_MOST];	/* the one before with the same byte */
	bool		drop[HNR_POINTS_MOST] = {false};	/* from near */
	int			i = 0;
	int			k = 0;

	Assert(w->most_near <= HNR_POINTS_MOST - 2);
	for (int j = 0; j < *count; j++)
	{
		before[j] = known[near[j].node & 0xFF];
		known[near[j].node & 0xFF] = j + 1;
	}
	for (int j = 0; j < n && k < w->most_near; j++)
	{
		bool		have = false;

		/* the same pair's distance may differ a little from one leaf to another */
		for (int at = known[found[j].node & 0xFF] - 1; at >= 0; at = before[at] - 1)
			if (near[at].node == found[j].node)
			{
				have = near[at].distance <= found[j].distance;
				drop[at] = !have;
				break;
			}
		if (have)
			continue;
		for (; i < *count && k < w->most_near && hnr_weave_nearer(&near[i], &found[j], member); i++)
			if (!drop[i])
				merged[k++] = near[i];
		if (k < w->most_near)
			merged[k++] = found[j];
	}
	for (; i < *count && k < w->most_near; i++)
		if (!drop[i])
			merged[k++] = near[i];
	memcpy(near, merged, sizeof(HnrMemEdge) * k);
	*count = k;
}

static void
lock_member(HnrWeave *w, uint32 member, LWLockMode mode)
{
	if (w->locking)
		LWLockAcquire(&w->state->lock[member % HNR_WEAVE_LOCKS], mode);
}

static void
unlock_member(HnrWeave *w, uint32 member)
{
	if (w->locking)
		LWLockRelease(&w->state->lock[member % HNR_WEAVE_LOCKS]);
}

/* How near a candidate has to be to be one: of any distance while there is room. */
static float
worst_candidate(HnrWeave *w, uint32 member)
{
	const HnrMemEdge *near = hnr_array_at(&w->near, member);
	float		worst = INFINITY;

	lock_member(w, member, LW_SHARED);
	if (*(uint32 *) hnr_array_at(&w->counts, member) == w->most_near)
		worst = near[w->most_near - 1].distance;
	unlock_member(w, member);
	return worst;
}

/* Puts those first who look for candidates; returns how many do. */
static int
order_leaf(HnrCells *c, const uint32 *members, int n)
{
	HnrWeave   *w = c->w;
	int			looking = 0;
	int			others = n;

	for (int i = n - 1; i >= 0; i--)
		if (members[i] >= w->state->nlisted || !hnr_weave_wants(w, members[i]))
			c->leaf_members[--others] = members[i];
	for (int i = 0; i < n && looking < others; i++)
		if (members[i] < w->state->nlisted && hnr_weave_wants(w, members[i]))
			c->leaf_members[looking++] = members[i];
	return looking;
}

/* Compares those members of a leaf who look for candidates with all. */
static void
compare_leaf(HnrCells *c, const uint32 *members, int n)
{
	HnrWeave   *w = c->w;
	int			width = hnr_points_width(n);
	int			looking = order_leaf(c, members, n);
	HnrMemEdge	nearest[HNR_POINTS_MOST];

	members = c->leaf_members;
	if (looking > 0)
		load_columns(c, c->leaf, members, n);
	for (int first = 0; first < looking; first += STRIP)
	{
		int			count = Min(STRIP, n - first);

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(count);
		hnr_points_all(c->leaf, first, count, c->distances);
		for (int i = first; i < Min(first + count, looking); i++)
		{
			uint32		member = members[i];
			float	   *row = c->distances + (Size) i * width;
			int			k;

			row[i] = INFINITY;
			k = hnr_points_nearest(row, width, w->keep, worst_candidate(w, member), nearest);
			for (int j = 0; j < k; j++)
				nearest[j].node = members[nearest[j].node];
			hnr_weave_sort(nearest, k, member);
			lock_member(w, member, LW_EXCLUSIVE);
			add_candidates(w, member, nearest, Min(k, w->keep));
			unlock_member(w, member);
		}
	}
}

void
hnr_cells_choose_leaders(const uint32 *members, uint32 count, int n, uint64 seed, uint32 *leaders)
{
	pg_prng_state prng;

	pg_prng_seed(&prng, seed);
	for (int i = 0; i < n; i++)
	{
		uint64		from = (uint64) count * i / n;
		uint64		to = (uint64) count * (i + 1) / n;
		uint32		at = from + pg_prng_uint64_range(&prng, 0, to - from - 1);

		leaders[i] = members ? members[at] : at;
	}
}

/* The cells of up to STRIP members, the nearest leader's first; some may be HNR_NO_CELL. */
static void
find_cells(HnrCells *c, const uint32 *members, int n, const float *center, int overlap,
		   uint16 (*cells)[HNR_OVERLAP])
{
	int			width = hnr_points_width(c->nleaders);
	HnrMemEdge	nearest[HNR_POINTS_MOST];

	load(c, c->strip, members, n, center);
	hnr_points_distances(c->strip, 0, n, c->leader_points, c->distances);
	for (int r = 0; r < n; r++)
	{
		int			k = hnr_points_nearest(c->distances + (Size) r * width, width, overlap,
										   INFINITY, nearest);

		hnr_weave_sort(nearest, k, members[r]);
		k = Min(k, overlap);
		for (int i = 0; i < HNR_OVERLAP; i++)
			cells[r][i] = i < k ? nearest[i].node : HNR_NO_CELL;
		/* distances that are no numbers: anywhere */
		if (k == 0)
			cells[r][0] = members[r] % c->nleaders;
	}
}

/* Sorts members by the one cell each is in; first[i] is where cell i begins. */
static void
sort_by_cell(const uint32 *members, int n, const uint16 *cell, int ncells, uint32 *sorted,
			 uint32 *first)
{
	memset(first, 0, sizeof(uint32) * (ncells + 1));
	for (int i = 0; i < n; i++)
		first[cell[i] + 1]++;
	for (int i = 0; i < ncells; i++)
		first[i + 1] += first[i];
	for (int i = 0; i < n; i++)
		sorted[first[cell[i]]++] = members[i];
	for (int i = ncells; i > 0; i--)
		first[i] = first[i - 1];
	first[0] = 0;
}

/*
 * The members of a cell, all different: divides it until parts are no larger than a
 * leaf, and compares each.
 */
static void
compare_cell(HnrCells *c, const uint32 *members, int n)
{
	HnrWeave   *w = c->w;
	int			nleaders = Min(Max(n * 2 / w->leaf + 1, LEAST_LEADERS), c->most_leaders);
	const float *center;
	uint16	   *cell;
	uint32	   *sorted;
	uint32	   *first;

	if (n <= w->leaf)
	{
		if (n > 1)
			compare_leaf(c, members, n);
		return;
	}
	check_stack_depth();
	hnr_cells_choose_leaders(members, n, nleaders, members[0], c->leaders);
	c->nleaders = nleaders;
	c->loaded = -1;
	center = load_columns(c, c->leader_points, c->leaders, nleaders);
	cell = palloc_extended(sizeof(uint16) * n, MCXT_ALLOC_HUGE);
	sorted = palloc_extended(sizeof(uint32) * n, MCXT_ALLOC_HUGE);
	first = palloc(sizeof(uint32) * (nleaders + 1));
	for (int i = 0; i < n; i += STRIP)
	{
		uint16		cells[STRIP][HNR_OVERLAP];
		int			count = Min(STRIP, n - i);

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(count);
		find_cells(c, members + i, count, center, 1, cells);
		for (int r = 0; r < count; r++)
			cell[i + r] = cells[r][0];
	}
	sort_by_cell(members, n, cell, nleaders, sorted, first);
	for (int i = 0, next; i < nleaders; i = next)
	{
		int			size = first[i + 1] - first[i];

		for (next = i + 1; next < nleaders && size + first[next + 1] - first[next] <= w->leaf / 2; next++)
			size += first[next + 1] - first[next];
		/* leaders that divide nothing: cut it anywhere */
		if (size > n - n / 8)
			for (int from = 0; from < size; from += w->leaf)
				compare_cell(c, sorted + first[i] + from, Min(w->leaf, size - from));
		else
			compare_cell(c, sorted + first[i], size);
	}
	pfree(first);
	pfree(sorted);
	pfree(cell);
}

static int
compare_members(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

void
hnr_cells_compare(HnrWeave *w, uint32 task)
{
	const HnrCell *cell = hnr_array_at(&w->cell, task);
	uint32	   *members = palloc_extended(sizeof(uint32) * (Size) Max(cell->count, 1), MCXT_ALLOC_HUGE);
	uint32		n = 0;

	for (uint32 i = 0; i < cell->count; i++)
		members[i] = *(uint32 *) hnr_array_at(&w->members, cell->first + i);
	/* of small cells put together, some may be in several; and tasks have no order */
	qsort(members, cell->count, sizeof(uint32), compare_members);
	for (uint32 i = 0; i < cell->count; i++)
		if (n == 0 || members[n - 1] != members[i])
			members[n++] = members[i];
	compare_cell(get_cells(w), members, n);
	pfree(members);
}

/* The leaders of the present partition. */
static void
load_leaders(HnrCells *c)
{
	HnrWeave   *w = c->w;

	if (c->loaded == w->state->partition)
		return;
	c->loaded = w->state->partition;
	c->nleaders = w->state->nleaders;
	for (int i = 0; i < c->nleaders; i++)
		c->leaders[i] = *(uint32 *) hnr_array_at(&w->leaders, i);
	c->moved = load_columns(c, c->leader_points, c->leaders, c->nleaders);
}

/* Finds the cells of STRIP members from `from` on. */
static void
assign_strip(HnrCells *c, uint32 from)
{
	HnrWeave   *w = c->w;
	int			count = Min(STRIP, w->state->n - from);
	uint32		members[STRIP] = {0};
	uint16		cells[STRIP][HNR_OVERLAP];

	for (int i = 0; i < count; i++)
		members[i] = from + i;
	find_cells(c, members, count, c->moved, HNR_OVERLAP, cells);
	for (int i = 0; i < count; i++)
	{
		uint32	   *leaders;

		memcpy(hnr_array_at(&w->assigned, from + i), cells[i], sizeof(cells[i]));
		if (from + i >= w->state->nlisted)
			continue;
		leaders = hnr_array_at(&w->nearest_leaders, from + i);
		for (int j = 0, k = 0; j < HNR_LEADERS && k < HNR_LEADERS / 2; j++)
			if (leaders[j] == HNR_MEM_NONE && cells[i][k] != HNR_NO_CELL)
				leaders[j] = c->leaders[cells[i][k++]];
	}
}

void
hnr_cells_assign(HnrWeave *w, uint32 task)
{
	HnrCells   *c = get_cells(w);

	load_leaders(c);
	for (int i = 0; i < HNR_CELLS_TASK / STRIP; i++)
	{
		uint32		from = task * HNR_CELLS_TASK + i * STRIP;

		if (from >= w->state->n)
			break;
		CHECK_FOR_INTERRUPTS();
		hnr_throttle(STRIP);
		assign_strip(c, from);
	}
}
