/*-------------------------------------------------------------------------
 *
 * divide.c
 *		Rows in a temporary file, divided into shards of which one at a time fits into
 *		memory.  See shards.h.
 *
 * Some rows, chosen at random, are leaders, and each row goes to the cell of the nearest.
 * Cells near each other make up a shard.  A row is also a guest in the shards that have
 * the next nearest leaders' cells: so what two rows near each other are in has them both.
 *
 * Rows with equal vectors have to meet in one shard, to become one vertex.  They are in the
 * same cell, because ties go to the first leader; and where a cell takes several shards,
 * which one is up to the vector.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/halve.h"
#include "am/leaders.h"
#include "am/points.h"
#include "am/shards.h"
#include "am/slots.h"
#include "common/hashfn.h"
#include "lib/hyperloglog.h"
#include "miscadmin.h"
#include "throttle.h"
#include "utils/memutils.h"

/* Leaders for each shard, and how many there may be in all. */
#define LEADERS			24
#define LEAST_LEADERS	64
#define MOST_LEADERS	2000

/* Cells of a row: its own, and where it is a guest. */
#define MEET			4

/*
 * Guests that a shard has at most, as a multiple of the rows that shards have in the mean.  With
 * many dimensions some rows are near to very many others in all directions, and a leader
 * that is such a row has a good part of all rows for guests, of which it needs a few.
 */
#define MOST_GUESTS		6

/*
 * So many vectors that came last are known again, so that one with very many rows, as a part of all
 * often is, is not a guest as often: it would count as many vectors, and leave no place for others.
 */
#define MOST_RECENT		64

/* Of rows one in so many, at least, is in the sample of all shards. */
#define LEAST_STRIDE	HNR_SAMPLED

/* The number of different vectors, of which memory is needed, is known to 3 %: 1 kB for a shard. */
#define COUNTER_BITS	10
#define COUNTER_ERROR	1.07

/* In a cell, to 13 %: 64 bytes for each. */
#define CELL_BITS		6
#define CELL_ERROR		1.3

#define STRIP			HNR_POINTS_STRIP

typedef struct RowCells
{
	uint32		hash;			/* of the vector */
	uint16		cell[MEET];		/* nearest first, as many as there are */
} RowCells;

typedef struct Division
{
	HnrShards  *s;
	HnrLeaders	leaders;		/* one for each cell */
	HnrSpill   *rows;
	char	   *row;			/* scratch: a record */
	HnrSpill   *cells;			/* RowCells, by row */
	int			ncells;
	int			meet;			/* cells that each row has */
	uint32	   *weight;			/* different vectors of each cell's own, about */
	double		nvectors;		/* different ones, about */
	double	   *shard_vectors;	/* of each shard's own */
	uint32		nrecent;		/* places for MOST_RECENT, or as many as there is memory for */
	double	   *guest_share;	/* of those who would be its guests */
	int		   *first_shard;	/* of each cell */
	int		   *pieces;			/* how many it has */
} Division;

static Size
row_size(const HnrShards *s)
{
	return sizeof(HnrShardRow) + s->vector_size;
}

/* The nearest leaders' cells, from distances; of equal ones, the first. */
static void
find_nearest(const Division *d, const float *distances, RowCells *cells)
{
	HnrMemEdge	near[HNR_POINTS_MOST];
	int			n = hnr_points_nearest(distances, hnr_points_width(d->ncells), d->meet, INFINITY, near);

	for (int i = 0; i < d->meet; i++)
	{
		int			least = i;
		HnrMemEdge	swap;

		/* distances that are no numbers: anywhere */
		if (i >= n)
		{
			cells->cell[i] = i > 0 ? cells->cell[0] : cells->hash % d->ncells;
			continue;
		}
		for (int j = i + 1; j < n; j++)
			if (hnr_mem_compare_edges(&near[j], &near[least]) < 0)
				least = j;
		swap = near[i];
		near[i] = near[least];
		near[least] = swap;
		cells->cell[i] = near[i].node;
	}
}

/* How many different vectors a counter has seen, at most n; it is at its end. */
static double
count_vectors(hyperLogLogState *counter, double error, uint32 n)
{
	double		vectors = Min(error * estimateHyperLogLog(counter), n);

	freeHyperLogLog(counter);
	return vectors;
}

static hyperLogLogState *
create_counters(int n, int bits)
{
	hyperLogLogState *counters = palloc(sizeof(hyperLogLogState) * n);

	for (int i = 0; i < n; i++)
		initHyperLogLog(&counters[i], bits);
	return counters;
}

/* Finds the cells of all rows. */
static void
assign_rows(Division *d)
{
	HnrShards  *s = d->s;
	int			width = hnr_points_width(d->ncells);
	RowCells	cells[STRIP];
	hyperLogLogState *counter = create_counters(1, COUNTER_BITS);
	hyperLogLogState *of_cell = create_counters(d->ncells, CELL_BITS);

	memset(cells, 0, sizeof(cells));
	d->weight = palloc0(sizeof(uint32) * d->ncells);
	d->cells = hnr_spill_create(sizeof(RowCells));
	hnr_spill_rewind(d->rows);
	for (uint32 from = 0; from < s->nrows; from += STRIP)
	{
		int			n = Min(STRIP, s->nrows - from);

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(STRIP);
		for (int i = 0; i < n; i++)
		{
			hnr_spill_read(d->rows, d->row);
			cells[i].hash = hash_bytes((const unsigned char *) d->row + sizeof(HnrShardRow), s->vector_size);
			hnr_leaders_load(&d->leaders, i);
		}
		hnr_leaders_measure(&d->leaders, n);
		for (int i = 0; i < n; i++)
		{
			find_nearest(d, d->leaders.distances + (Size) i * width, &cells[i]);
			d->weight[cells[i].cell[0]]++;
			addHyperLogLog(counter, cells[i].hash);
			addHyperLogLog(&of_cell[cells[i].cell[0]], cells[i].hash);
			hnr_spill_write(d->cells, &cells[i]);
		}
	}
	d->nvectors = count_vectors(counter, COUNTER_ERROR, s->nrows);
	for (int i = 0; i < d->ncells; i++)
		d->weight[i] = count_vectors(&of_cell[i], CELL_ERROR, d->weight[i]);
	pfree(of_cell);
	pfree(counter);
}

/* The shards of a row, its own first; returns how many. */
static int
find_shards(const Division *d, const RowCells *cells, int *shards)
{
	int			n = 0;

	for (int i = 0; i < d->meet; i++)
	{
		int			shard = d->first_shard[cells->cell[i]] + cells->hash % d->pieces[cells->cell[i]];
		bool		have = false;

		for (int j = 0; j < n && !have; j++)
			have = shards[j] == shard;
		if (!have)
			shards[n++] = shard;
	}
	return n;
}

/* Whether a hash is that of the vector that came last to its place, where it stands afterwards. */
static bool
came_lately(const Division *d, uint64 *recent, uint32 hash)
{
	uint64	   *place = &recent[hash % d->nrecent];
	bool		again = *place == hash;

	*place = hash;
	return again;
}

/* No vector has been at any place, whose hash would be in 32 bits. */
static uint64 *
no_recent(const Division *d)
{
	uint64	   *recent = palloc(sizeof(uint64) * d->nrecent);

	memset(recent, 0xFF, sizeof(uint64) * d->nrecent);
	return recent;
}

/* Counts what each shard has. */
static void
count_rows(Division *d)
{
	HnrShards  *s = d->s;
	hyperLogLogState *counter = create_counters(s->nshards, COUNTER_BITS);
	uint64	   *recent = no_recent(d);
	RowCells	row;
	int			shards[MEET];
	uint32		id = 0;

	hnr_spill_rewind(d->cells);
	for (uint32 i = 0; i < s->nrows; i++)
	{
		int			count;

		CHECK_FOR_INTERRUPTS();
		hnr_spill_read(d->cells, &row);
		count = find_shards(d, &row, shards);
		s->shard[shards[0]].nrows++;
		addHyperLogLog(&counter[shards[0]], row.hash);
		if (came_lately(d, recent, row.hash))
			continue;
		for (int j = 1; j < count; j++)
			s->shard[shards[j]].nguests++;
	}
	for (int i = 0; i < s->nshards; i++)
	{
		double		most = (double) MOST_GUESTS * s->nrows / s->nshards + 1;

		d->guest_share[i] = 1;
		if (s->shard[i].nguests > most)
		{
			d->guest_share[i] = most / s->shard[i].nguests;
			s->shard[i].nguests = (uint32) most;
		}
		s->shard[i].first_id = id;
		id += s->shard[i].nrows;
		d->shard_vectors[i] = count_vectors(&counter[i], COUNTER_ERROR, s->shard[i].nrows);
	}
	pfree(recent);
	pfree(counter);
}

/* Makes so many shards. */
static void
make_shards(Division *d, int n)
{
	HnrShards  *s = d->s;
	HnrHalving	halving = {s->index->metric, d->leaders.columns, d->weight, d->first_shard, d->pieces};

	hnr_halve_cells(&halving, d->ncells, n);
	s->nshards = n;
	s->shard = palloc0(sizeof(HnrShard) * n);
	d->shard_vectors = palloc(sizeof(double) * n);
	d->guest_share = palloc(sizeof(double) * n);
	count_rows(d);
}

/*
 * Whether each shard fits into memory.  That a vector has very many rows does not count:
 * no division helps against it.
 */
static bool
all_fit(const Division *d)
{
	HnrShards  *s = d->s;
	Size		node = hnr_shards_node_memory(s->index);
	Size		guest = hnr_shards_guest_memory(s->index);
	Size		files = 3 * HNR_SPILL_MEMORY * s->nshards;

	for (int i = 0; i < s->nshards; i++)
		if (node * d->shard_vectors[i] + (double) guest * s->shard[i].nguests + files > s->budget)
			return false;
	return true;
}

/*
 * Whether a row is taken for a guest of a shard.  Of rows with one vector, those that are not come
 * last: the id of a vertex is that of its first row.
 */
static bool
is_guest(const Division *d, int shard, uint32 hash)
{
	const HnrShard *s = &d->s->shard[shard];

	return hnr_spill_count(s->guests) < s->nguests &&
		(d->guest_share[shard] == 1 ||
		 murmurhash32(hash ^ (uint32) shard) < d->guest_share[shard] * PG_UINT32_MAX);
}

static Size
guest_size(const HnrShards *s)
{
	return sizeof(HnrShardGuest) + s->vector_size;
}

/* As came_lately(), of a vector itself: another may have its hash, and must not stand for it. */
static bool
is_recent(const Division *d, uint64 *recent, char *guests, uint32 hash, const char *guest)
{
	const Size	id = offsetof(HnrShardGuest, scale);
	char	   *place = guests + (hash % d->nrecent) * guest_size(d->s);
	bool		again = came_lately(d, recent, hash) &&
		memcmp(place + id, guest + id, guest_size(d->s) - id) == 0;

	memcpy(place, guest, guest_size(d->s));
	return again;
}

/* Makes the files of shards. */
static void
create_files(Division *d)
{
	HnrShards  *s = d->s;

	for (int i = 0; i < s->nshards; i++)
	{
		s->shard[i].rows = hnr_spill_create(row_size(s));
		s->shard[i].guests = hnr_spill_create(guest_size(s));
	}
	s->sample = hnr_spill_create(guest_size(s));
}

/* Gives each row to its shards. */
static void
distribute(Division *d, uint32 stride)
{
	HnrShards  *s = d->s;
	char	   *guest = palloc0(guest_size(s));
	uint64	   *recent = no_recent(d);
	char	   *recent_guests = palloc(guest_size(s) * d->nrecent);
	uint32	   *next = palloc(sizeof(uint32) * s->nshards);
	RowCells	cells;
	int			shards[MEET];

	create_files(d);
	for (int i = 0; i < s->nshards; i++)
		next[i] = s->shard[i].first_id;
	hnr_spill_rewind(d->rows);
	hnr_spill_rewind(d->cells);
	for (uint32 i = 0; i < s->nrows; i++)
	{
		HnrShardGuest *g = (HnrShardGuest *) guest;
		int			n;

		CHECK_FOR_INTERRUPTS();
		hnr_throttle(1);
		hnr_spill_read(d->rows, d->row);
		hnr_spill_read(d->cells, &cells);
		n = find_shards(d, &cells, shards);
		hnr_spill_write(s->shard[shards[0]].rows, d->row);
		g->id = next[shards[0]]++;
		g->scale = ((HnrShardRow *) d->row)->scale;
		memcpy(guest + sizeof(HnrShardGuest), d->row + sizeof(HnrShardRow), s->vector_size);
		if (is_recent(d, recent, recent_guests, cells.hash, guest))
			continue;
		for (int j = 1; j < n; j++)
			if (is_guest(d, shards[j], cells.hash))
				hnr_spill_write(s->shard[shards[j]].guests, guest);
		if ((cells.hash >> 8) % stride == 0)
			hnr_spill_write(s->sample, guest);
	}
	pfree(next);
	pfree(recent_guests);
	pfree(recent);
	pfree(guest);
}

/*
 * Divides cells into as many shards as it takes; false if there are too many.  Whatever
 * their number, half of memory is left by the buffers of their files.
 */
static bool
settle_shards(Division *d, int most)
{
	HnrShards  *s = d->s;
	double		needed = hnr_shards_node_memory(s->index) * d->nvectors;
	int			n = (int) Min(needed / s->budget + 2, most + 1.0);

	d->first_shard = palloc(sizeof(int) * d->ncells);
	d->pieces = palloc(sizeof(int) * d->ncells);
	for (; n <= most; n += n / 8 + 1)
	{
		make_shards(d, n);
		if (all_fit(d))
			return true;
		pfree(s->shard);
		pfree(d->shard_vectors);
		pfree(d->guest_share);
	}
	return false;
}

static void
end_division(Division *d)
{
	if (d->cells)
		hnr_spill_free(d->cells);
	hnr_leaders_free(&d->leaders);
}

static int
how_many_leaders(const HnrShards *s)
{
	Size		leader = sizeof(float) * (2 * s->index->layout.dims + STRIP) + s->vector_size;
	double		shards = (double) hnr_shards_node_memory(s->index) * s->nrows / s->budget;
	double		most = Min(Min(MOST_LEADERS, (Size) maintenance_work_mem * 1024 / 4 / leader), s->nrows);

	return (int) Max(Min(Max(shards * LEADERS, LEAST_LEADERS), most), 1);
}

static void
tell(const HnrShards *s)
{
	uint64		guests = 0;

	for (int i = 0; i < s->nshards; i++)
		guests += s->shard[i].nguests;
	ereport(DEBUG1,
			(errmsg_internal("hnsw graph is made in %d shards, of %u rows and " UINT64_FORMAT " guests",
							 s->nshards, s->nrows, guests)));
}

HnrShards *
hnr_shards_divide(HnrIndex *index, HnrSpill *rows, int nworkers)
{
	Size		memory = (Size) maintenance_work_mem * 1024;
	Size		fixed = hnr_weave_process_memory(index) * (nworkers + 1) + hnr_slots_memory(index, false) + memory / 32;
	int			most = memory / 2 / (3 * HNR_SPILL_MEMORY);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw division", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	Division	d = {0};
	bool		settled;

	if (hnr_spill_count(rows) >= HNR_LINK_KEPT || memory / 2 < fixed || most < 2)
		return NULL;
	d.s = palloc0(sizeof(HnrShards));
	d.s->index = index;
	d.s->nworkers = nworkers;
	d.s->nrows = hnr_spill_count(rows);
	d.s->vector_size = hnr_shards_vector_size(index);
	d.s->budget = memory - fixed;
	d.nrecent = Max(Min(memory / 64 / guest_size(d.s), MOST_RECENT), 1);
	d.rows = rows;
	d.row = palloc(row_size(d.s));
	d.leaders = (HnrLeaders) {index, rows, d.row};
	old = MemoryContextSwitchTo(context);
	hnr_leaders_choose(&d.leaders, how_many_leaders(d.s));
	d.ncells = d.leaders.n;
	d.meet = Min(MEET, d.ncells);
	MemoryContextSwitchTo(old);
	assign_rows(&d);
	settled = settle_shards(&d, most);
	if (settled)
	{
		d.s->budget -= 3 * HNR_SPILL_MEMORY * d.s->nshards;
		distribute(&d, Max(LEAST_STRIDE, d.s->nrows / Max(d.s->budget / hnr_shards_sample_memory(index), 1) + 1));
	}
	end_division(&d);
	if (settled)
	{
		tell(d.s);
		hnr_spill_free(rows);
	}
	MemoryContextDelete(context);
	return settled ? d.s : NULL;
}
