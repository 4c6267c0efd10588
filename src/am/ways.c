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
	uint32	   *visited;		/* keys, which are looked through faster than ids */
	HnrNodeId  *visited_id;		/* of these */
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
	ways->visited_id = palloc(sizeof(HnrNodeId) * ways->maxvisited);
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
		ways->visited_id = repalloc_huge(ways->visited_id, sizeof(HnrNodeId) * ways->maxvisited);
		ways->noted_before = repalloc_huge(ways->noted_before, sizeof(int) * ways->maxvisited);
	}
	ways->visited[ways->nvisited] = key_of(id);
	ways->visited_id[ways->nvisited] = id;
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
 * How much of what is noted leads to a vertex by itself: what was noted after the visit there may
 * have been found through it, and is no other way to it.
 */
static int
noted_before_visit(const HnrWays *ways, HnrNodeId id)
{
	int			visit = find(ways->visited, ways->nvisited, 0, key_of(id));

	return visit < ways->nvisited ? ways->noted_before[visit] : ways->nnoted;
}

bool
hnr_ways_two(const HnrWays *ways, HnrNodeId id)
{
	int			n = noted_before_visit(ways, id);
	int			first = find(ways->noted, n, 0, key_of(id));

	return find(ways->noted, n, first + 1, key_of(id)) < n;
}

/* Whose link is noted at a place: that of the last visited before.  Some have none noted. */
static int
noted_by(const HnrWays *ways, int noted)
{
	int			low = 0;
	int			high = ways->nvisited - 1;

	while (low < high)
	{
		int			mid = (low + high + 1) / 2;

		if (ways->noted_before[mid] <= noted)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

bool
hnr_ways_other(const HnrWays *ways, HnrNodeId from, HnrNodeId id, HnrWay *other)
{
	uint32		key = key_of(id);
	int			n = noted_before_visit(ways, id);

	for (int i = find(ways->noted, n, 0, key); i < n; i = find(ways->noted, n, i + 1, key))
	{
		int			visit = noted_by(ways, i);

		other->from = ways->visited_id[visit];
		other->at = i - ways->noted_before[visit];
		if (other->from != from)
			return true;
	}
	return false;
}

/* Where a link is noted; -1: nowhere. */
static int
find_link(const HnrWays *ways, HnrNodeId from, HnrNodeId to)
{
	int			visit = find(ways->visited, ways->nvisited, 0, key_of(from));
	int			end;
	int			i;

	if (visit == ways->nvisited)
		return -1;
	end = visit + 1 < ways->nvisited ? ways->noted_before[visit + 1] : ways->nnoted;
	i = find(ways->noted, end, ways->noted_before[visit], key_of(to));
	return i < end ? i : -1;
}

bool
hnr_ways_leads(const HnrWays *ways, HnrNodeId from, HnrNodeId to)
{
	return find_link(ways, from, to) >= 0;
}

void
hnr_ways_lose(HnrWays *ways, HnrNodeId from, HnrNodeId id)
{
	int			i = find_link(ways, from, id);

	/* a key that no vertex has: the metapage's */
	if (i >= 0)
		ways->noted[i] = 0;
}

void
hnr_ways_restrict(HnrWays *ways, bool (*counts) (HnrNodeId id, void *state), void *state)
{
	ways->counts = counts;
	ways->counts_state = state;
}
