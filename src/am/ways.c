/*-------------------------------------------------------------------------
 *
 * ways.c
 *		By how many ways a search came to vertices.  See ways.h.
 *
 * Plain lists, for they are much longer than what is asked of them: to make a set of
 * them would take a tenth of an insertion's time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/node.h"
#include "am/page.h"
#include "am/ways.h"
#include "utils/memutils.h"

struct HnrWays
{
	int			nnoted;
	int			maxnoted;
	uint32	   *noted;			/* keys of what links lead to */
	int			nvisited;
	int			maxvisited;
	uint32	   *visited;		/* keys */
	int		   *noted_before;	/* each visit */
	bool		(*counts) (HnrNodeId id, void *state);
	void	   *counts_state;
};

/* Different up to 512 MB; beyond, one in four thousand million is taken for another. */
static inline uint32
key_of(HnrNodeId id)
{
	return (uint32) id ^ (uint32) (id >> 32) * 0x85EBCA6B;
}

HnrWays *
hnr_ways_create(void)
{
	HnrWays    *ways = palloc0(sizeof(HnrWays));

	ways->maxnoted = 4096;
	ways->noted = palloc(sizeof(uint32) * ways->maxnoted);
	ways->maxvisited = 128;
	ways->visited = palloc(sizeof(uint32) * ways->maxvisited);
	ways->noted_before = palloc(sizeof(int) * ways->maxvisited);
	return ways;
}

void
hnr_ways_clear(HnrWays *ways)
{
	ways->nnoted = ways->nvisited = 0;
}

bool
hnr_ways_visit(HnrWays *ways, HnrNodeId id)
{
	if (ways->nvisited == ways->maxvisited)
	{
		ways->maxvisited *= 2;
		ways->visited = repalloc_huge(ways->visited, sizeof(uint32) * ways->maxvisited);
		ways->noted_before = repalloc_huge(ways->noted_before, sizeof(int) * ways->maxvisited);
	}
	ways->visited[ways->nvisited] = key_of(id);
	ways->noted_before[ways->nvisited++] = ways->nnoted;
	return ways->counts == NULL || ways->counts(id, ways->counts_state);
}

void
hnr_ways_note(HnrWays *ways, const char *slots, int slot_size, int n)
{
	uint32	   *noted;

	while (ways->nnoted + n > ways->maxnoted)
	{
		ways->maxnoted *= 2;
		ways->noted = repalloc_huge(ways->noted, sizeof(uint32) * ways->maxnoted);
	}
	noted = ways->noted + ways->nnoted;
	for (int i = 0; i < n; i++)
		noted[i] = key_of(hnr_node_of_tid(&((const HnrSlot *) (slots + (Size) i * slot_size))->vertex));
	ways->nnoted += n;
}

/* Where a key is, from a place on; n: nowhere.  By blocks, for the compiler's vectors. */
static int
find(const uint32 *keys, int n, int from, uint32 key)
{
	while (from + 32 <= n)
	{
		uint32		any = 0;

		for (int i = 0; i < 32; i++)
			any |= keys[from + i] == key;
		if (any)
			break;
		from += 32;
	}
	while (from < n && keys[from] != key)
		from++;
	return from;
}

/*
 * Where a vertex is noted for the second time, or -1.  What was noted after the visit
 * there may have been found through it, and is no other way to it.
 */
static int
find_second(const HnrWays *ways, HnrNodeId id)
{
	uint32		key = key_of(id);
	int			visit = find(ways->visited, ways->nvisited, 0, key);
	int			n = visit < ways->nvisited ? ways->noted_before[visit] : ways->nnoted;
	int			first = find(ways->noted, n, 0, key);
	int			second = find(ways->noted, n, first + 1, key);

	return second < n ? second : -1;
}

bool
hnr_ways_two(const HnrWays *ways, HnrNodeId id)
{
	return find_second(ways, id) >= 0;
}

bool
hnr_ways_leads(const HnrWays *ways, HnrNodeId from, HnrNodeId to)
{
	int			visit = find(ways->visited, ways->nvisited, 0, key_of(from));
	int			end;

	if (visit == ways->nvisited)
		return false;
	end = visit + 1 < ways->nvisited ? ways->noted_before[visit + 1] : ways->nnoted;
	return find(ways->noted, end, ways->noted_before[visit], key_of(to)) < end;
}

bool
hnr_ways_lose(HnrWays *ways, HnrNodeId id)
{
	int			i = find_second(ways, id);

	/* a key that no vertex has: the metapage's */
	if (i >= 0)
		ways->noted[i] = 0;
	return i >= 0;
}

void
hnr_ways_restrict(HnrWays *ways, bool (*counts) (HnrNodeId id, void *state), void *state)
{
	ways->counts = counts;
	ways->counts_state = state;
}
