/*-------------------------------------------------------------------------
 *
 * kernels.inc.h
 *		The distance kernels, written once and instantiated per instruction set.
 *
 * This is a template: distance_<isa>.c defines the macros below and includes
 * it, which defines one HnrDistanceKernels of the name HNR_KERNELS.
 *
 *		HNR_KERNELS			name of the table to define
 *		HNR_ISA				what the table says in its field isa
 *		HNR_TARGET			function attribute that turns the instructions on
 *		V, V_WIDTH			a register of floats, and how many it holds
 *		V_ZERO()			all lanes zero
 *		V_LOAD(p)			V_WIDTH floats at p, of any alignment
 *		V_LOAD_PART(p, r)	the first r < V_WIDTH floats at p, the other lanes
 *							zero; nothing behind the r floats is read
 *		V_ADD, V_SUB(x, y)	lane by lane
 *		V_MUL(x, y)
 *		V_FMA(x, y, z)		x * y + z
 *		V_ABS(x)
 *		V_SUM(x)			the sum over the lanes
 *		V_HALF(p)			V_WIDTH halves at p, of any alignment
 *		V_STORE_HALF(p, x)	to V_WIDTH halves at p, rounded to the nearest
 *		V_SHORT(p)			V_WIDTH shorts, as uint16, at p, of any alignment
 *		V_STORE(p, x)		to V_WIDTH floats at p, of any alignment
 *		and what blocks.inc.h and sparse.inc.h, which are included below, ask for
 *
 * A sum is kept in four registers, so that consecutive additions do not wait
 * for each other: an addition takes about four cycles and one can start in each.
 * The lanes behind the end are zero in both arrays, so that they add nothing to
 * any of these sums.
 *
 *-------------------------------------------------------------------------
 */

#define STEP_L2(sum, x, y) \
	do { V d_ = V_SUB(x, y); (sum) = V_FMA(d_, d_, sum); } while (0)
#define STEP_IP(sum, x, y) \
	do { (sum) = V_FMA(x, y, sum); } while (0)
#define STEP_L1(sum, x, y) \
	do { V d_ = V_SUB(x, y); (sum) = V_ADD(sum, V_ABS(d_)); } while (0)

/* The first r < V_WIDTH halves or shorts at p, the other lanes zero. */
#define DEFINE_LOAD_PART(name, load) \
HNR_TARGET static inline V \
name(const uint16 *p, int r) \
{ \
	uint16		narrow[V_WIDTH] = {0}; \
\
	memcpy(narrow, p, sizeof(uint16) * r); \
	return load(narrow); \
}

DEFINE_LOAD_PART(load_half_part, V_HALF)
DEFINE_LOAD_PART(load_short_part, V_SHORT)

#define AT(step, sum, load, i) \
	step(sum, load(a + (i)), load(b + (i)))

/*
 * Defines the function name: the sum of one step over all coordinates, which are of
 * the type element and come into a register by load and, the last ones, load_part.
 */
#define DEFINE_KERNEL(name, step, element, load, load_part) \
HNR_TARGET static float \
name(int n, const element *a, const element *b) \
{ \
	V			s0 = V_ZERO(); \
	V			s1 = V_ZERO(); \
	V			s2 = V_ZERO(); \
	V			s3 = V_ZERO(); \
	int			i = 0; \
\
	for (; n - i >= 4 * V_WIDTH; i += 4 * V_WIDTH) \
	{ \
		AT(step, s0, load, i); \
		AT(step, s1, load, i + V_WIDTH); \
		AT(step, s2, load, i + 2 * V_WIDTH); \
		AT(step, s3, load, i + 3 * V_WIDTH); \
	} \
	if (n - i >= 2 * V_WIDTH) \
	{ \
		AT(step, s0, load, i); \
		AT(step, s1, load, i + V_WIDTH); \
		i += 2 * V_WIDTH; \
	} \
	if (n - i >= V_WIDTH) \
	{ \
		AT(step, s2, load, i); \
		i += V_WIDTH; \
	} \
	if (n > i) \
		step(s3, load_part(a + i, n - i), load_part(b + i, n - i)); \
	return V_SUM(V_ADD(V_ADD(s0, s1), V_ADD(s2, s3))); \
}

DEFINE_KERNEL(l2_squared, STEP_L2, float, V_LOAD, V_LOAD_PART)
DEFINE_KERNEL(inner_product, STEP_IP, float, V_LOAD, V_LOAD_PART)
DEFINE_KERNEL(l1, STEP_L1, float, V_LOAD, V_LOAD_PART)
DEFINE_KERNEL(half_l2_squared, STEP_L2, uint16, V_HALF, load_half_part)
DEFINE_KERNEL(half_inner_product, STEP_IP, uint16, V_HALF, load_half_part)
DEFINE_KERNEL(half_l1, STEP_L1, uint16, V_HALF, load_half_part)
DEFINE_KERNEL(short_l2_squared, STEP_L2, uint16, V_SHORT, load_short_part)
DEFINE_KERNEL(short_inner_product, STEP_IP, uint16, V_SHORT, load_short_part)

#define TILE_STEPS(step, load) \
	do { \
		V			a0_ = load(a[0]); \
		V			a1_ = load(a[1]); \
		V			b_; \
\
		b_ = load(b[0]); step(s00, a0_, b_); step(s10, a1_, b_); \
		b_ = load(b[1]); step(s01, a0_, b_); step(s11, a1_, b_); \
		b_ = load(b[2]); step(s02, a0_, b_); step(s12, a1_, b_); \
		b_ = load(b[3]); step(s03, a0_, b_); step(s13, a1_, b_); \
	} while (0)

#define LOAD_WHOLE(p)	V_LOAD((p) + i)
#define LOAD_REST(p)	V_LOAD_PART((p) + i, n - i)

/*
 * Defines the function name: the sums of one step between each of two and each of
 * four arrays.  Eight sums keep as many additions under way as there can be, and a
 * coordinate is loaded once for all of them.
 */
#define DEFINE_TILE_KERNEL(name, step) \
HNR_TARGET static void \
name(int n, const float *const *a, const float *const *b, float *out) \
{ \
	V			s00 = V_ZERO(), s01 = V_ZERO(), s02 = V_ZERO(), s03 = V_ZERO(); \
	V			s10 = V_ZERO(), s11 = V_ZERO(), s12 = V_ZERO(), s13 = V_ZERO(); \
	int			i = 0; \
\
	for (; n - i >= V_WIDTH; i += V_WIDTH) \
		TILE_STEPS(step, LOAD_WHOLE); \
	if (n > i) \
		TILE_STEPS(step, LOAD_REST); \
	out[0] = V_SUM(s00); \
	out[1] = V_SUM(s01); \
	out[2] = V_SUM(s02); \
	out[3] = V_SUM(s03); \
	out[4] = V_SUM(s10); \
	out[5] = V_SUM(s11); \
	out[6] = V_SUM(s12); \
	out[7] = V_SUM(s13); \
}

DEFINE_TILE_KERNEL(l2_squared_tile, STEP_L2)
DEFINE_TILE_KERNEL(inner_product_tile, STEP_IP)
DEFINE_TILE_KERNEL(l1_tile, STEP_L1)

#define PRODUCTS_AT(ab, aa, bb, x_, y_) \
	do { \
		x = x_; \
		y = y_; \
		STEP_IP(ab, x, y); \
		STEP_IP(aa, x, x); \
		STEP_IP(bb, y, y); \
	} while (0)

/*
 * Defines the function name: a.b, a.a and b.b in one pass.  Three sums in two
 * registers each keep as many additions under way as the kernels above do with four.
 */
#define DEFINE_PRODUCTS(name, element, load, load_part) \
HNR_TARGET static void \
name(int n, const element *a, const element *b, float *ab, float *aa, float *bb) \
{ \
	V			ab0 = V_ZERO(), aa0 = V_ZERO(), bb0 = V_ZERO(); \
	V			ab1 = V_ZERO(), aa1 = V_ZERO(), bb1 = V_ZERO(); \
	V			x, \
				y; \
	int			i = 0; \
\
	for (; n - i >= 2 * V_WIDTH; i += 2 * V_WIDTH) \
	{ \
		PRODUCTS_AT(ab0, aa0, bb0, load(a + i), load(b + i)); \
		PRODUCTS_AT(ab1, aa1, bb1, load(a + i + V_WIDTH), load(b + i + V_WIDTH)); \
	} \
	if (n - i >= V_WIDTH) \
	{ \
		PRODUCTS_AT(ab0, aa0, bb0, load(a + i), load(b + i)); \
		i += V_WIDTH; \
	} \
	if (n > i) \
		PRODUCTS_AT(ab1, aa1, bb1, load_part(a + i, n - i), load_part(b + i, n - i)); \
	*ab = V_SUM(V_ADD(ab0, ab1)); \
	*aa = V_SUM(V_ADD(aa0, aa1)); \
	*bb = V_SUM(V_ADD(bb0, bb1)); \
}

DEFINE_PRODUCTS(products, float, V_LOAD, V_LOAD_PART)
DEFINE_PRODUCTS(half_products, uint16, V_HALF, load_half_part)

/* Defines the function name: out = scale * narrow. */
#define DEFINE_FROM(name, load, load_part) \
HNR_TARGET static void \
name(int n, const uint16 *narrow, float scale, float *out) \
{ \
	int			i = 0; \
\
	for (; n - i >= V_WIDTH; i += V_WIDTH) \
		V_STORE(out + i, V_MUL(load(narrow + i), V_SET1(scale))); \
	if (n > i) \
	{ \
		float		lanes[V_WIDTH]; \
\
		V_STORE(lanes, V_MUL(load_part(narrow + i, n - i), V_SET1(scale))); \
		memcpy(out + i, lanes, sizeof(float) * (n - i)); \
	} \
}

DEFINE_FROM(from_half, V_HALF, load_half_part)
DEFINE_FROM(from_short, V_SHORT, load_short_part)

HNR_TARGET static void
to_half(int n, const float *x, uint16 *half)
{
	int			i = 0;

	for (; n - i >= V_WIDTH; i += V_WIDTH)
		V_STORE_HALF(half + i, V_LOAD(x + i));
	if (n > i)
	{
		uint16		halves[V_WIDTH];

		V_STORE_HALF(halves, V_LOAD_PART(x + i, n - i));
		memcpy(half + i, halves, sizeof(uint16) * (n - i));
	}
}

HNR_TARGET static void
from_bytes(int n, const uint8 *bytes, int bias, float scale, float *out)
{
	int			i = 0;

	for (; n - i >= V_WIDTH; i += V_WIDTH)
		V_STORE(out + i, V_FROM_BYTES(bytes + i, bias, scale));
	for (; i < n; i++)
		out[i] = (float) ((int) bytes[i] - bias) * scale;
}

/* The 8 bytes at p, or the first r of them and zero. */
HNR_TARGET static inline uint64
load_bits(const uint8 *p, int r)
{
	uint64		word = 0;

	memcpy(&word, p, r);
	return word;
}

#define FOR_EACH_WORD(x, y, body) \
	do { \
		uint64		x, \
					y; \
		int			i_ = 0; \
\
		for (; n - i_ >= 8; i_ += 8) \
		{ \
			x = load_bits(a + i_, 8); \
			y = load_bits(b + i_, 8); \
			body; \
		} \
		if (n > i_) \
		{ \
			x = load_bits(a + i_, n - i_); \
			y = load_bits(b + i_, n - i_); \
			body; \
		} \
	} while (0)

HNR_TARGET static int64
bits_different(int n, const uint8 *a, const uint8 *b)
{
	int64		count = 0;

	FOR_EACH_WORD(x, y, count += __builtin_popcountll(x ^ y));
	return count;
}

HNR_TARGET static void
bits_shared(int n, const uint8 *a, const uint8 *b, int64 *both, int64 *any)
{
	int64		in_both = 0;
	int64		in_any = 0;

	FOR_EACH_WORD(x, y, (in_both += __builtin_popcountll(x & y),
						 in_any += __builtin_popcountll(x | y)));
	*both = in_both;
	*any = in_any;
}

#include "distance/blocks.inc.h"
#include "distance/sparse.inc.h"

const HnrDistanceKernels HNR_KERNELS = {
	.isa = HNR_ISA,
	.l2_squared = l2_squared,
	.inner_product = inner_product,
	.l1 = l1,
	.l2_squared_tile = l2_squared_tile,
	.inner_product_tile = inner_product_tile,
	.l1_tile = l1_tile,
	.products = products,
	.half_l2_squared = half_l2_squared,
	.half_inner_product = half_inner_product,
	.half_l1 = half_l1,
	.half_products = half_products,
	.short_l2_squared = short_l2_squared,
	.short_inner_product = short_inner_product,
	.from_half = from_half,
	.from_short = from_short,
	.to_half = to_half,
	.from_bytes = from_bytes,
	.bits_different = bits_different,
	.bits_shared = bits_shared,
	.sparse_product = sparse_product,
	.sparse_l1 = sparse_l1,
	.sparse_l2_squared = sparse_l2_squared,
	.block_products = block_products,
	.lane_minima = lane_minima,
	.list_below = list_below,
	.count_below = count_below,
};
