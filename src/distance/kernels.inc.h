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
 *		V_FMA(x, y, z)		x * y + z
 *		V_ABS(x)
 *		V_SUM(x)			the sum over the lanes
 *		V_FROM_HALF(p, s)	V_WIDTH halves at p times the number s
 *		V_STORE(p, x)		to V_WIDTH floats at p, of any alignment
 *		and what blocks.inc.h, which is included below, asks for
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

#define AT(step, sum, i) \
	step(sum, V_LOAD(a + (i)), V_LOAD(b + (i)))

/* Defines the function name: the sum of one step over all coordinates. */
#define DEFINE_KERNEL(name, step) \
HNR_TARGET static float \
name(int n, const float *a, const float *b) \
{ \
	V			s0 = V_ZERO(); \
	V			s1 = V_ZERO(); \
	V			s2 = V_ZERO(); \
	V			s3 = V_ZERO(); \
	int			i = 0; \
\
	for (; n - i >= 4 * V_WIDTH; i += 4 * V_WIDTH) \
	{ \
		AT(step, s0, i); \
		AT(step, s1, i + V_WIDTH); \
		AT(step, s2, i + 2 * V_WIDTH); \
		AT(step, s3, i + 3 * V_WIDTH); \
	} \
	if (n - i >= 2 * V_WIDTH) \
	{ \
		AT(step, s0, i); \
		AT(step, s1, i + V_WIDTH); \
		i += 2 * V_WIDTH; \
	} \
	if (n - i >= V_WIDTH) \
	{ \
		AT(step, s2, i); \
		i += V_WIDTH; \
	} \
	if (n > i) \
		step(s3, V_LOAD_PART(a + i, n - i), V_LOAD_PART(b + i, n - i)); \
	return V_SUM(V_ADD(V_ADD(s0, s1), V_ADD(s2, s3))); \
}

DEFINE_KERNEL(l2_squared, STEP_L2)
DEFINE_KERNEL(inner_product, STEP_IP)
DEFINE_KERNEL(l1, STEP_L1)

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

/*
 * a.b, a.a and b.b in one pass.  Three sums in two registers each keep as many
 * additions under way as the kernels above do with four.
 */
HNR_TARGET static void
products(int n, const float *a, const float *b, float *ab, float *aa, float *bb)
{
	V			ab0 = V_ZERO();
	V			ab1 = V_ZERO();
	V			aa0 = V_ZERO();
	V			aa1 = V_ZERO();
	V			bb0 = V_ZERO();
	V			bb1 = V_ZERO();
	V			x;
	V			y;
	int			i = 0;

	for (; n - i >= 2 * V_WIDTH; i += 2 * V_WIDTH)
	{
		x = V_LOAD(a + i);
		y = V_LOAD(b + i);
		STEP_IP(ab0, x, y);
		STEP_IP(aa0, x, x);
		STEP_IP(bb0, y, y);
		x = V_LOAD(a + i + V_WIDTH);
		y = V_LOAD(b + i + V_WIDTH);
		STEP_IP(ab1, x, y);
		STEP_IP(aa1, x, x);
		STEP_IP(bb1, y, y);
	}
	if (n - i >= V_WIDTH)
	{
		x = V_LOAD(a + i);
		y = V_LOAD(b + i);
		STEP_IP(ab0, x, y);
		STEP_IP(aa0, x, x);
		STEP_IP(bb0, y, y);
		i += V_WIDTH;
	}
	if (n > i)
	{
		x = V_LOAD_PART(a + i, n - i);
		y = V_LOAD_PART(b + i, n - i);
		STEP_IP(ab1, x, y);
		STEP_IP(aa1, x, x);
		STEP_IP(bb1, y, y);
	}
	*ab = V_SUM(V_ADD(ab0, ab1));
	*aa = V_SUM(V_ADD(aa0, aa1));
	*bb = V_SUM(V_ADD(bb0, bb1));
}

HNR_TARGET static void
from_half(int n, const uint16 *half, float scale, float *out)
{
	int			i = 0;

	for (; n - i >= V_WIDTH; i += V_WIDTH)
		V_STORE(out + i, V_FROM_HALF(half + i, scale));
	if (n > i)
	{
		uint16		rest[V_WIDTH] = {0};
		float		lanes[V_WIDTH];

		memcpy(rest, half + i, sizeof(uint16) * (n - i));
		V_STORE(lanes, V_FROM_HALF(rest, scale));
		memcpy(out + i, lanes, sizeof(float) * (n - i));
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

#include "distance/blocks.inc.h"

const HnrDistanceKernels HNR_KERNELS = {
	.isa = HNR_ISA,
	.l2_squared = l2_squared,
	.inner_product = inner_product,
	.l1 = l1,
	.l2_squared_tile = l2_squared_tile,
	.inner_product_tile = inner_product_tile,
	.l1_tile = l1_tile,
	.products = products,
	.from_half = from_half,
	.from_bytes = from_bytes,
	.block_products = block_products,
	.lane_minima = lane_minima,
	.list_below = list_below,
	.count_below = count_below,
};
