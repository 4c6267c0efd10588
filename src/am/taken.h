/*-------------------------------------------------------------------------
 *
 * taken.h
 *		Vectors of some nodes of a graph in memory, to be compared with each other: as
 *		bytes where those can be compared, else as floats.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TAKEN_H
#define HNR_TAKEN_H

#include "am/byte_points.h"
#include "distance/bytes.h"

typedef struct HnrTaken
{
	HnrMemGraph *graph;
	int			dims;
	bool		bytes;
	float		scale;			/* of the distances of bytes */
	HnrNarrowDistanceFn narrow; /* what distances are made of, where vectors are halves or shorts; or NULL */
	float	   *room;			/* for floats, by place; NULL: they are read where they are */
	int			stride;
	const void **at;			/* by place */
} HnrTaken;

/* In the current memory context, when the graph has all its nodes. */
extern void hnr_taken_init(HnrTaken *t, HnrMemGraph *graph, int places);

/* The vector of a node, which stays while no other takes its place. */
static inline const void *
hnr_take(HnrTaken *t, uint32 node, int place)
{
	if (t->bytes || t->room == NULL)
		return t->at[place] = hnr_mem_graph_encoded(t->graph, node);
	hnr_mem_graph_decode(t->graph, node, t->room + (Size) place * t->stride);
	return t->at[place] = t->room + (Size) place * t->stride;
}

static inline float
hnr_taken_distance(const HnrTaken *t, const void *a, const void *b)
{
	if (t->bytes)
		return t->scale * hnr_bytes->l2_squared(t->dims, a, b);
	return hnr_metric_distance(t->graph->index->metric, t->dims, a, b);
}

/*
 * The distance of a node from one whose vector was taken, where it is compared with nothing
 * else: the same that it is as floats.
 */
extern float hnr_taken_once(HnrTaken *t, uint32 taken, const void *vec, uint32 node, int place);

/* Begins to fetch a vector that is taken soon: they lie anywhere. */
static inline void
hnr_taken_prefetch(const HnrTaken *t, uint32 node)
{
	const char *vec = hnr_mem_graph_encoded(t->graph, node);

	for (Size i = 0; i < t->graph->vector_size; i += PG_CACHE_LINE_SIZE / 2)
		__builtin_prefetch(vec + i);
}

#endif							/* HNR_TAKEN_H */
