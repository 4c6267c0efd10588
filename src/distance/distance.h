/*-------------------------------------------------------------------------
 *
 * distance.h
 *		Distance kernels: arrays of float4, halves or bits in, one number out.
 *
 * No fmgr, no memory allocation, no pages.  The best instruction set of the
 * running processor is chosen once, by hnr_distance_init(); until then the
 * scalar kernels serve.  Accumulation is in float4 lanes, so the last bits of a
 * result depend on the instruction set.  n may be any positive number; the
 * arrays need no more alignment than a float, but are read fastest where both
 * begin at multiples of 64 bytes.  NaN and infinity follow IEEE rules: callers
 * keep them out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_DISTANCE_H
#define HNR_DISTANCE_H

/* Rows and columns that block_products multiplies. */
#define HNR_BLOCK_ROWS		8
#define HNR_BLOCK_COLUMNS	32

typedef float (*HnrDistanceFn) (int n, const float *a, const float *b);
/* Of coordinates of 16 bits, halves or shorts. */
typedef float (*HnrNarrowDistanceFn) (int n, const uint16 *a, const uint16 *b);

/*
 * The same between each of two arrays a and each of four arrays b, for much less
 * than eight calls cost: out[4 * i + j] of a[i] and b[j].  The last bits may differ
 * from those of the kernel for one pair, but do not depend on i and j.
 */
#define HNR_TILE_A	2
#define HNR_TILE_B	4
typedef void (*HnrDistanceTileFn) (int n, const float *const *a, const float *const *b,
								   float *out);

typedef struct HnrDistanceKernels
{
	const char *isa;			/* "avx512", "avx2", "neon" or "scalar" */
	HnrDistanceFn l2_squared;	/* sum (a-b)^2 */
	HnrDistanceFn inner_product;	/* sum a*b */
	HnrDistanceFn l1;			/* sum |a-b| */
	HnrDistanceTileFn l2_squared_tile;
	HnrDistanceTileFn inner_product_tile;
	HnrDistanceTileFn l1_tile;
	/* a.b, a.a and b.b in one pass */
	void		(*products) (int n, const float *a, const float *b,
							 float *ab, float *aa, float *bb);
	/* the same of halves (IEEE 754 binary16, as uint16) */
	HnrNarrowDistanceFn half_l2_squared;
	HnrNarrowDistanceFn half_inner_product;
	HnrNarrowDistanceFn half_l1;
	void		(*half_products) (int n, const uint16 *a, const uint16 *b,
								  float *ab, float *aa, float *bb);
	/* and of shorts (int16, as uint16) */
	HnrNarrowDistanceFn short_l2_squared;
	HnrNarrowDistanceFn short_inner_product;
	/* half = x, the nearest, of two the even one; infinity beyond the range */
	void		(*to_half) (int n, const float *x, uint16 *half);
	/* out = scale * half, exact for a scale that is a power of two in float's range */
	void		(*from_half) (int n, const uint16 *half, float scale, float *out);
	/* out = scale * short, exact likewise */
	void		(*from_short) (int n, const uint16 *numbers, float scale, float *out);
	/* out = scale * (byte - bias), exact likewise */
	void		(*from_bytes) (int n, const uint8 *bytes, int bias, float scale, float *out);
	/* of n bytes each, the bits set in one only; in both, and in one or both */
	int64		(*bits_different) (int n, const uint8 *a, const uint8 *b);
	void		(*bits_shared) (int n, const uint8 *a, const uint8 *b,
								int64 *both, int64 *any);
	/* the sum of a*b over the indices, ascending in both, that a and b have in common */
	float		(*sparse_product) (int na, const int32 *a_index, const float *a,
								   int nb, const int32 *b_index, const float *b);

	/*
	 * sum |a-b| and sum (a-b)^2 likewise, by way of the sums of |a| and |b|, or a^2 and b^2;
	 * set *norms to these two's sum
	 */
	float		(*sparse_l1) (int na, const int32 *a_index, const float *a,
							  int nb, const int32 *b_index, const float *b, float *norms);
	float		(*sparse_l2_squared) (int na, const int32 *a_index, const float *a,
									  int nb, const int32 *b_index, const float *b, float *norms);

	/*
	 * out[r][c] = the product of rows[r] with column c, for HNR_BLOCK_ROWS rows and
	 * HNR_BLOCK_COLUMNS columns; coordinate k of column c is columns[k][c]
	 */
	void		(*block_products) (int n, const float *const *rows, const float *columns,
								   float *out);
	/* The least of x[c], x[c + 32], ..., for c up to HNR_BLOCK_COLUMNS, which divides n */
	void		(*lane_minima) (int n, const float *x, float *minima);
	/* Where x is at most bound, in order, the first `most` of them; n is such a multiple */
	int			(*list_below) (int n, const float *x, float bound, int most, int *where);
	int			(*count_below) (int n, const float *x, float bound);
} HnrDistanceKernels;

/* The kernels in use; never NULL. */
extern const HnrDistanceKernels *hnr_distance;

/*
 * Chooses the kernels by CPU detection.  A non-NULL isa asks for that one
 * (tests compare them all); returns false, changing nothing, where the
 * processor or the build lacks it.
 */
extern bool hnr_distance_init(const char *isa);

#endif							/* HNR_DISTANCE_H */
