/*-------------------------------------------------------------------------
 *
 * graph.h
 *		The graph as search and neighbour selection see it.
 *
 * Nothing here knows pages.  A store holds vertices and answers for one query at
 * a time; there is one in memory (for builds) and one on disk.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_GRAPH_H
#define HNR_GRAPH_H

/* A vertex at one level, as its store names it. */
typedef uint64 HnrNodeId;

#define HNR_NO_NODE		((HnrNodeId) -1)

/* A vertex and its distance from the query, estimated or exact. */
typedef struct HnrCandidate
{
	HnrNodeId	id;
	float		distance;
	uint32		ref;			/* the store's own handle of a visited vertex */
} HnrCandidate;

/* What a visit tells of a vertex. */
typedef struct HnrVisit
{
	bool		present;		/* false: there is no such vertex any more */
	bool		live;			/* may be returned; else only passed through */
	bool		waited;			/* for the disk */
	float		distance;		/* exact */
	uint32		ref;
	int			nneighbors;		/* in the caller's array */
} HnrVisit;

typedef struct HnrStore HnrStore;

struct HnrStore
{
	int			max_neighbors;	/* of one vertex at any level */
	bool		products;		/* distances are inner products, with no zero to take a
								 * part of the way from */

	/* Forgets which vertices this query has seen. */
	void		(*begin) (HnrStore *store);

	/* Marks a vertex as seen, so that no visit lists it; false if it was. */
	bool		(*mark) (HnrStore *store, HnrNodeId node);

	/*
	 * Visits a vertex at a level: its exact distance, and those of its neighbours
	 * that were not seen before, now marked, with a distance each.
	 */
	HnrVisit	(*visit) (HnrStore *store, HnrNodeId node, int level,
						  HnrCandidate *neighbors);

	/* Says that a vertex is likely to be visited soon; may be NULL. */
	void		(*prefetch) (HnrStore *store, HnrNodeId node, int level);

	/*
	 * Where visits wait for the disk: has a vertex read in the background, one of
	 * io_concurrency at most (0: that is not wanted).
	 */
	int			io_concurrency;
	void		(*read_ahead) (HnrStore *store, HnrNodeId node, int level);

	/* The same vertex one level down. */
	HnrNodeId	(*down) (HnrStore *store, const HnrCandidate *found);
};

#endif							/* HNR_GRAPH_H */
