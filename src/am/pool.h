/*-------------------------------------------------------------------------
 *
 * pool.h
 *		The best vertices that a search knows, nearest first.
 *
 * Two arrays, because finding a place reads distances only.  A vertex stands
 * with an estimate until it is visited, and with its exact distance then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_POOL_H
#define HNR_POOL_H

#include "am/graph.h"
#include "utils/float.h"

typedef struct HnrPool
{
	int			size;			/* holds as many */
	int			n;
	int			cursor;			/* no unvisited one stands before it */
	float	   *distance;
	HnrNodeId  *id;				/* with flags in the bits above */
} HnrPool;

#define HNR_POOL_VISITED	(UINT64CONST(1) << 63)
#define HNR_POOL_READ_AHEAD	(UINT64CONST(1) << 62)	/* is being read from disk */
#define HNR_POOL_FLAGS		(HNR_POOL_VISITED | HNR_POOL_READ_AHEAD)

/* So many distances are compared sooner than halved. */
#define HNR_POOL_COMPARED	64

static inline void
hnr_pool_init(HnrPool *pool, int max_size)
{
	pool->distance = palloc(sizeof(float) * max_size);
	pool->id = palloc(sizeof(HnrNodeId) * max_size);
	pool->size = pool->n = pool->cursor = 0;
}

static inline void
hnr_pool_clear(HnrPool *pool, int size)
{
	pool->size = size;
	pool->n = pool->cursor = 0;
}

static inline HnrNodeId
hnr_pool_id(const HnrPool *pool, int i)
{
	return pool->id[i] & ~HNR_POOL_FLAGS;
}

static inline bool
hnr_pool_is_visited(const HnrPool *pool, int i)
{
	return (pool->id[i] & HNR_POOL_VISITED) != 0;
}

/* What is >= does not get in; NaN, which nothing is, while there is room. */
static inline float
hnr_pool_limit(const HnrPool *pool)
{
	return pool->n == pool->size ? pool->distance[pool->n - 1] : get_float4_nan();
}

/* How many are not farther.  Without a branch to mispredict. */
static inline int
hnr_pool_rank(const HnrPool *pool, float distance)
{
	const float *d = pool->distance;
	int			n = pool->n;
	int			rank = 0;

	while (n > HNR_POOL_COMPARED)
	{
		int			half = n / 2;

		d += d[half - 1] <= distance ? half : 0;
		n -= half;
	}
	for (int i = 0; i < n; i++)
		rank += d[i] <= distance;
	return (d - pool->distance) + rank;
}

/* Puts an unvisited vertex where it belongs; in a full pool, in place of the last. */
static inline void
hnr_pool_insert(HnrPool *pool, HnrNodeId id, float distance)
{
	int			at = hnr_pool_rank(pool, distance);
	int			behind;

	if (pool->n < pool->size)
		pool->n++;
	else if (at == pool->n)
		return;
	behind = pool->n - 1 - at;
	memmove(&pool->distance[at + 1], &pool->distance[at], sizeof(float) * behind);
	memmove(&pool->id[at + 1], &pool->id[at], sizeof(HnrNodeId) * behind);
	pool->distance[at] = distance;
	pool->id[at] = id;
	if (at < pool->cursor)
		pool->cursor = at;
}

/* Moves the cursor to the nearest unvisited vertex; false: there is none. */
static inline bool
hnr_pool_next(HnrPool *pool)
{
	while (pool->cursor < pool->n && hnr_pool_is_visited(pool, pool->cursor))
		pool->cursor++;
	return pool->cursor < pool->n;
}

/* A vertex was visited and is this far: it moves to its place. */
static inline void
hnr_pool_settle(HnrPool *pool, int at, float distance)
{
	float	   *d = pool->distance;
	HnrNodeId	id = pool->id[at];

	for (; at > 0 && d[at - 1] > distance; at--)
	{
		d[at] = d[at - 1];
		pool->id[at] = pool->id[at - 1];
	}
	for (; at + 1 < pool->n && d[at + 1] <= distance; at++)
	{
		d[at] = d[at + 1];
		pool->id[at] = pool->id[at + 1];
	}
	d[at] = distance;
	pool->id[at] = id | HNR_POOL_VISITED;
}

/* A vertex turned out not to be one to find. */
static inline void
hnr_pool_drop(HnrPool *pool, int at)
{
	int			behind = --pool->n - at;

	memmove(&pool->distance[at], &pool->distance[at + 1], sizeof(float) * behind);
	memmove(&pool->id[at], &pool->id[at + 1], sizeof(HnrNodeId) * behind);
}

#endif							/* HNR_POOL_H */
