/*-------------------------------------------------------------------------
 *
 * pool_test.c
 *		A search's pool against a list kept in order the plain way, without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "am/pool.h"

/* the server's own are not linked */
#undef printf

#define MAX_SIZE	300
#define STEPS		20000

void *
palloc(Size size)
{
	return malloc(size);
}

typedef struct Plain
{
	int			n;
	float		distance[MAX_SIZE + 1];
	HnrNodeId	id[MAX_SIZE + 1];
	bool		visited[MAX_SIZE + 1];
} Plain;

static void
plain_put(Plain *p, int size, HnrNodeId id, float distance, bool visited)
{
	int			at = p->n;

	for (; at > 0 && p->distance[at - 1] > distance; at--)
	{
		p->distance[at] = p->distance[at - 1];
		p->id[at] = p->id[at - 1];
		p->visited[at] = p->visited[at - 1];
	}
	p->distance[at] = distance;
	p->id[at] = id;
	p->visited[at] = visited;
	p->n = Min(p->n + 1, size);
}

static void
plain_drop(Plain *p, int at)
{
	p->n--;
	for (; at < p->n; at++)
	{
		p->distance[at] = p->distance[at + 1];
		p->id[at] = p->id[at + 1];
		p->visited[at] = p->visited[at + 1];
	}
}

static int
plain_next(const Plain *p)
{
	int			at = 0;

	while (at < p->n && p->visited[at])
		at++;
	return at;
}

/* Distances from a few values, so that many are equal, or from many. */
static float
any_distance(int values)
{
	return (float) (rand() % values) / 7;
}

/* Where equal distances stand may differ in nothing but which of them was settled. */
static bool
same(const HnrPool *pool, const Plain *p)
{
	if (pool->n != p->n)
		return false;
	for (int i = 0; i < p->n; i++)
		if (pool->distance[i] != p->distance[i])
			return false;
	return true;
}

static bool
same_vertices(const HnrPool *pool, const Plain *p)
{
	for (int i = 0; i < p->n; i++)
		if ((pool->id[i] & ~HNR_POOL_VISITED) != p->id[i] ||
			hnr_pool_is_visited(pool, i) != p->visited[i])
			return false;
	return true;
}

/* Random work on both; the steps that went well. */
static int
agree(int size, int values)
{
	HnrPool		pool;
	Plain		p = {0};
	bool		distinct = values > 1000000;
	int			step;

	hnr_pool_init(&pool, MAX_SIZE);
	hnr_pool_clear(&pool, size);
	for (step = 0; step < STEPS; step++)
	{
		float		distance = any_distance(values);

		if (rand() % 3 > 0)
		{
			bool		gets_in = !(distance >= hnr_pool_limit(&pool));

			if (gets_in != (p.n < size || distance < p.distance[size - 1]))
				break;
			hnr_pool_insert(&pool, step + 1, distance);
			if (gets_in)
				plain_put(&p, size, step + 1, distance, false);
		}
		else
		{
			int			at = plain_next(&p);

			if (hnr_pool_next(&pool) != (at < p.n) || pool.cursor != at)
				break;
			if (at == p.n)
				hnr_pool_clear(&pool, size);
			if (at == p.n)
				p.n = 0;
			else if (rand() % 10 == 0)
			{
				plain_drop(&p, at);
				hnr_pool_drop(&pool, at);
			}
			else
			{
				HnrNodeId	id = p.id[at];

				plain_drop(&p, at);
				plain_put(&p, size, id, distance, true);
				hnr_pool_settle(&pool, at, distance);
			}
		}
		if (!same(&pool, &p) || (distinct && !same_vertices(&pool, &p)))
			break;
	}
	return step;
}

int
main(void)
{
	int			sizes[] = {1, 2, 12, HNR_POOL_COMPARED, HNR_POOL_COMPARED + 1, 200, MAX_SIZE};
	int			tests = 0;
	int			status = 0;

	srand(1);
	for (int i = 0; i < lengthof(sizes); i++)
		for (int values = 0; values < 2; values++)
		{
			int			steps = agree(sizes[i], values ? 1000000007 : 20);

			if (steps != STEPS)
				status = 1;
			printf("%s %d - pool of %d, %s distances\n", steps == STEPS ? "ok" : "not ok",
				   ++tests, sizes[i], values ? "many" : "few");
			if (steps != STEPS)
				printf("# differs after %d steps\n", steps);
		}
	printf("1..%d\n", tests);
	return status;
}
