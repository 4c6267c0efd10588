/*-------------------------------------------------------------------------
 *
 * shards.h
 *		Making a graph that does not fit into memory: its rows in temporary files, its
 *		links part by part.
 *
 *	rows.c		rows in a temporary file
 *	divide.c	rows to shards of near ones, each with guests: near rows of other shards
 *	shards.c	in each shard, its own vertices choose links among all
 *	stitch.c	of those that a vertex chose and those who chose it, its links; to pages
 *
 * A row's id is its number among all, those of a shard being consecutive.  A vertex's is
 * the id of the first row with its vector.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SHARDS_H
#define HNR_SHARDS_H

#include "am/chunks.h"
#include "am/flush.h"
#include "am/spill.h"

/* Records; each but the last three has the stored vector behind it. */
typedef struct HnrShardRow
{
	ItemPointerData tid;
	HnrScale	scale;
	float		error;
} HnrShardRow;

typedef struct HnrShardGuest
{
	uint32		id;
	HnrScale	scale;
} HnrShardGuest;

typedef struct HnrShardNode
{
	uint64		chunk;			/* its first, or HNR_NO_CHUNK */
	uint32		position;		/* at the ground; HNR_MEM_NONE: the row is no vertex's first */
	float		error;
	HnrScale	scale;
	uint8		level;
	uint8		ntids;
	ItemPointerData tids[HNR_INLINE_TIDS];
} HnrShardNode;

typedef struct HnrShardLink
{
	uint32		owner;			/* row of the shard, perhaps with HNR_LINK_KEPT */
	uint32		other;			/* id */
	float		distance;
} HnrShardLink;

/* Heap TIDs beyond those in the vertex, for chunks. */
typedef struct HnrShardTid
{
	uint32		position;		/* of the owner */
	uint32		left;			/* how many of the owner follow */
	ItemPointerData tid;
} HnrShardTid;

typedef struct HnrShard
{
	uint32		nrows;
	uint32		nguests;		/* at most */
	uint32		first_id;
	uint32		first_position; /* of its vertices: page after page */
	uint32		nnodes;
	HnrSpill   *rows;			/* HnrShardRow */
	HnrSpill   *guests;			/* HnrShardGuest */
	HnrSpill   *links;			/* HnrShardLink */
} HnrShard;

typedef struct HnrShards
{
	HnrIndex   *index;
	int			nworkers;
	Size		vector_size;
	Size		budget;			/* bytes for one shard at a time */
	uint32		nrows;
	int			nshards;
	HnrShard   *shard;
	HnrSpill   *sample;			/* HnrShardGuest: of vertices of all shards */
	HnrSpill   *nodes;			/* HnrShardNode, by id */
	HnrSpill   *upper;			/* uint32: ids of what stands above the ground */
	HnrSpill   *tids;			/* HnrShardTid */
	uint32		sparser;		/* of the vertices that would stand above, one in so many does */
	uint32		level_count[HNR_MAX_LEVEL + 1];
	uint32		npositions;
	uint64		nchunks;
	const char *problem;		/* with shared memory; NULL: there was none */
	HnrFlushProgress progress;
	void	   *progress_state;
} HnrShards;

/* Bytes of a vector as all these files have it: as a graph in memory does. */
extern Size hnr_shards_vector_size(const HnrIndex *index);

/* A temporary file for rows of an index; adding one, or all of a graph. */
extern HnrSpill *hnr_shards_spill_rows(HnrIndex *index);
extern void hnr_shards_add_row(HnrSpill *rows, HnrIndex *index, const HnrRow *row);
extern void hnr_shards_add_graph(HnrSpill *rows, HnrMemGraph *graph);

/* Reads the next row, for which there is a vector of the index's dimensions. */
extern void hnr_shards_read_row(HnrSpill *rows, HnrIndex *index, HnrRow *row);

/*
 * Divides the rows, whose file is closed then; NULL, with the file as it was, if there are
 * so many that memory is too small even for this.
 */
extern HnrShards *hnr_shards_divide(HnrIndex *index, HnrSpill *rows, int nworkers);

/* Chooses links; progress is told the share that is done. */
extern void hnr_shards_choose(HnrShards *s);

/* Writes the graph to the relation, which has its metapage only, and sets the entry point. */
extern void hnr_shards_write(HnrShards *s);

/* Bytes that a shard needs, for each vertex and each guest. */
extern Size hnr_shards_node_memory(const HnrIndex *index);
extern Size hnr_shards_guest_memory(const HnrIndex *index);

/* And the sample of all shards, for each vertex. */
extern Size hnr_shards_sample_memory(const HnrIndex *index);

/* Which shard has the row with an id. */
static inline HnrShard *
hnr_shard_of(const HnrShards *s, uint32 id)
{
	int			lo = 0;
	int			hi = s->nshards - 1;

	while (lo < hi)
	{
		int			mid = (lo + hi + 1) / 2;

		if (s->shard[mid].first_id <= id)
			lo = mid;
		else
			hi = mid - 1;
	}
	return &s->shard[lo];
}

#endif							/* HNR_SHARDS_H */
