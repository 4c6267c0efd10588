/*-------------------------------------------------------------------------
 *
 * topk.h
 *		The k smallest of a stream of distances: a bounded max-heap of floats.
 *
 * No server headers: test/unit compiles it alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TOPK_H
#define HNR_TOPK_H

/*
 * Offers d to heap[0 .. *n), which keeps the k smallest, the largest of them
 * first.  heap has room for k floats, k > 0.
 */
static inline void
hnr_topk_offer(float *heap, int *n, int k, float d)
{
	int			i;

	if (*n < k)
	{
		/* Sift up from a new leaf. */
		for (i = (*n)++; i > 0 && heap[(i - 1) / 2] < d; i = (i - 1) / 2)
			heap[i] = heap[(i - 1) / 2];
		heap[i] = d;
		return;
	}
	if (!(d < heap[0]))
		return;
	/* Replace the largest, sift down. */
	for (i = 0;;)
	{
		int			child = 2 * i + 1;

		if (child >= k)
			break;
		if (child + 1 < k && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= d)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = d;
}

#endif							/* HNR_TOPK_H */
