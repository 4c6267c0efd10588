/*-------------------------------------------------------------------------
 *
 * doubt.h
 *		The benefit of the doubt: estimates that may be far off are taken to be lower.
 *
 * A neighbour's estimate is made once in a search, from the first list that it is seen
 * in, and its error grows with the way to it (codec.h).  Under the inner product what is
 * near is what is long, and so is the way to it: just the best are easily taken to be much
 * worse than they are, and never looked at.  So there an estimate is lowered by what its
 * error exceeds the usual by, that is the mean of those seen so far in the search.
 * Where all ways are about as long, as between vectors of equal lengths, nothing changes;
 * were the usual error counted, too, a search would make more visits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_DOUBT_H
#define HNR_DOUBT_H

#include "am/codec.h"

/* Of a search at a level; begins as zeros but for query2. */
typedef struct HnrDoubt
{
	float		query2;			/* |q|^2 */
	double		ways;			/* sum of the lengths of ways seen, as factors */
	double		nways;
} HnrDoubt;

/*
 * How far the query is from a vertex at this distance, or rather from its nearest multiple
 * (hnr_codec_constant_scale); with the way to a neighbour, it makes the error.
 */
extern float hnr_doubt_reach(const HnrDoubt *doubt, float distance, float constant_scale);

/* Corrects the dots of n slots of a vertex, each `size` bytes from the one before. */
extern void hnr_doubt_apply(HnrDoubt *doubt, float reach, const char *slots, int size, int n,
							float *dots);

#endif							/* HNR_DOUBT_H */
