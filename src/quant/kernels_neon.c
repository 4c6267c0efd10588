/*-------------------------------------------------------------------------
 *
 * kernels_neon.c
 *		The kernels of quant/ for 64-bit ARM, whose baseline has NEON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "quant/internal.h"

#ifdef HNR_HAVE_NEON_KERNELS

#include <arm_neon.h>

#define HNR_TARGET
#define HNR_INLINE			static inline __attribute__((always_inline))
#define V					float32x4_t
#define V_WIDTH				4
#define V_LOAD(p)			vld1q_f32(p)
#define V_STORE(p, v)		vst1q_f32(p, v)
#define V_ZERO()			vdupq_n_f32(0)
#define V_SET1(f)			vdupq_n_f32(f)
#define V_ADD(x, y)			vaddq_f32(x, y)
#define V_SUB(x, y)			vsubq_f32(x, y)
#define V_MUL(x, y)			vmulq_f32(x, y)
#define V_MIN(x, y)			vminq_f32(x, y)
#define V_MAX(x, y)			vmaxq_f32(x, y)
#define V_FMA(x, y, z)		vfmaq_f32(z, x, y)
#define V_ABS(v)			vabsq_f32(v)
#define V_TRUNC(v)			vrndq_f32(v)
#define V_WITH_SIGN(x, y)	vbslq_f32(vdupq_n_u32(0x80000000), y, x)
#define V_SUM(v)			vaddvq_f32(v)
#define V_GREATEST(v)		vmaxvq_f32(v)
#define V_HADAMARD(v)		hadamard_lanes(v)
#define V_STORE_BYTES(p, v)	store_low_bytes(p, vcvtq_s32_f32(v))
#define VI					int32x4_t
#define VI_ZERO()			vdupq_n_s32(0)
#define VI_ADD(x, y)		vaddq_s32(x, y)
#define VI_SUM(v)			vaddvq_s32(v)
#define V_NEAREST(v)		vcvtnq_s32_f32(v)
#define VI_STORE_LOW(p, v)	store_low_bytes(p, v)
#define VI_STORE_HIGH(p, v)	\
	store_low_bytes(p, vshrq_n_s32(vaddq_s32(v, vdupq_n_s32(128)), 8))

/* Each step: the lane's partner, plus or minus the lane. */
HNR_INLINE float32x4_t
hadamard_lanes(float32x4_t v)
{
	const float32x4_t signs = {1, -1, 1, -1};
	const float32x4_t signs2 = {1, 1, -1, -1};

	v = vfmaq_f32(vrev64q_f32(v), v, signs);
	return vfmaq_f32(vextq_f32(v, v, 2), v, signs2);
}

/* The lowest byte of each lane. */
HNR_INLINE void
store_low_bytes(void *p, int32x4_t v)
{
	int16x4_t	half = vmovn_s32(v);
	int8x8_t	bytes = vmovn_s16(vcombine_s16(half, half));
	uint32		word = vget_lane_u32(vreinterpret_u32_s8(bytes), 0);

	memcpy(p, &word, sizeof(word));
}

#include "quant/floats.inc.h"
#include "quant/products.inc.h"

/* The 64 values of a group, a byte each, in the order of the coordinates. */
HNR_INLINE void
group_values(int bits, const uint8 *code, uint8x16_t *u)
{
	const uint8x16_t mask = vdupq_n_u8((1 << bits) - 1);
	uint8x16_t	v;
	uint8x16_t	v1;
	uint64		word;

	switch (bits)
	{
		case 1:
			memcpy(&word, code, sizeof(word));
			for (int i = 0; i < 4; i++)
			{
				const int64x2_t shifts = {-2 * i, -2 * i - 1};

				u[i] = vandq_u8(vreinterpretq_u8_u64(vshlq_u64(vdupq_n_u64(word), shifts)), mask);
			}
			break;
		case 2:
			v = vld1q_u8(code);
			for (int i = 0; i < 4; i++)
				u[i] = vandq_u8(vshlq_u8(v, vdupq_n_s8(-2 * i)), mask);
			break;
		default:
			v = vld1q_u8(code);
			v1 = vld1q_u8(code + 16);
			u[0] = vandq_u8(v, mask);
			u[1] = vandq_u8(v1, mask);
			u[2] = vshrq_n_u8(v, 4);
			u[3] = vshrq_n_u8(v1, 4);
			break;
	}
}

HNR_INLINE float
code_dot_bits(int bits, const HnrQuantizer *qz, const uint8 *code, const float *x)
{
	float32x4_t sum[4];
	int			whole = qz->rdims - qz->tail;
	float		rest = 0;

	for (int i = 0; i < 4; i++)
		sum[i] = vdupq_n_f32(0);
	for (int g = 0; g < whole; g += HNR_GROUP, code += HNR_GROUP / 8 * bits)
	{
		uint8x16_t	u[4];

		group_values(bits, code, u);
		for (int i = 0; i < 4; i++)
		{
			uint16x8_t	lower = vmovl_u8(vget_low_u8(u[i]));
			uint16x8_t	upper = vmovl_u8(vget_high_u8(u[i]));
			const float *xi = x + g + 16 * i;

#define FLOATS(v)	vcvtq_f32_u32(vmovl_u16(v))
			sum[0] = vfmaq_f32(sum[0], FLOATS(vget_low_u16(lower)), vld1q_f32(xi));
			sum[1] = vfmaq_f32(sum[1], FLOATS(vget_high_u16(lower)), vld1q_f32(xi + 4));
			sum[2] = vfmaq_f32(sum[2], FLOATS(vget_low_u16(upper)), vld1q_f32(xi + 8));
			sum[3] = vfmaq_f32(sum[3], FLOATS(vget_high_u16(upper)), vld1q_f32(xi + 12));
#undef FLOATS
		}
	}
	if (qz->tail > 0)
		rest = hnr_group_dot(bits, qz->tail, code, x + whole);
	return rest + vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

static float
code_dot(const HnrQuantizer *qz, const uint8 *code, const float *x)
{
	switch (qz->bits)
	{
		case 1:
			return code_dot_bits(1, qz, code, x);
		case 2:
			return code_dot_bits(2, qz, code, x);
		default:
			return code_dot_bits(4, qz, code, x);
	}
}

/*
 * The sum of values times steps.  One group adds up to 8 * 128 * (2^bits - 1) to
 * a 16-bit lane, so these are emptied in time.
 */
HNR_INLINE int32
one_dot(int bits, const HnrCodeQuery *cq, const uint8 *code)
{
	const HnrQuantizer *qz = cq->qz;
	const int	groups_at_a_time = 31 / ((1 << bits) - 1);
	int32x4_t	total_high = vdupq_n_s32(0);
	int32x4_t	total_low = total_high;

	for (int g = 0; g < qz->groups;)
	{
		int			end = Min(g + groups_at_a_time, qz->groups);
		int16x8_t	high = vdupq_n_s16(0);
		int16x8_t	low = high;

		for (; g < end; g++)
		{
			uint8x16_t	values[4];

			group_values(bits, code + hnr_group_start(qz, g), values);
			for (int i = 0; i < 4; i++)
			{
				int8x16_t	u = vreinterpretq_s8_u8(values[i]);
				int8x16_t	sh = vld1q_s8(cq->high + g * HNR_GROUP + 16 * i);
				int8x16_t	sl = vld1q_s8(cq->low + g * HNR_GROUP + 16 * i);

				high = vmlal_s8(high, vget_low_s8(u), vget_low_s8(sh));
				low = vmlal_s8(low, vget_low_s8(u), vget_low_s8(sl));
				high = vmlal_high_s8(high, u, sh);
				low = vmlal_high_s8(low, u, sl);
			}
		}
		total_high = vpadalq_s16(total_high, high);
		total_low = vpadalq_s16(total_low, low);
	}
	return 256 * vaddvq_s32(total_high) + vaddvq_s32(total_low);
}

static void
code_dots(const HnrCodeQuery *cq, const uint8 *codes, int stride, int n, float *out)
{
	for (int i = 0; i < n; i++, codes += stride)
		switch (cq->qz->bits)
		{
			case 1:
				out[i] = hnr_dot_of_steps(cq, one_dot(1, cq, codes));
				break;
			case 2:
				out[i] = hnr_dot_of_steps(cq, one_dot(2, cq, codes));
				break;
			default:
				out[i] = hnr_dot_of_steps(cq, one_dot(4, cq, codes));
				break;
		}
}

/* xbar is 2u - 15 in its units, for both nibbles of each byte. */
static void
products_4bit(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	const uint8x8_t mask = vdup_n_u8(15);
	uint32x4_t	uab = vdupq_n_u32(0);
	uint32x4_t	uaa = uab;
	uint32x4_t	ubb = uab;
	int32		sa = 0;
	int32		sb = 0;

#define PRODUCTS(x, y) \
	vmlal_u8(vmull_u8(x##0, y##0), x##1, y##1)
	/* HNR_DIMS_UNIT makes the code a multiple of eight bytes */
	for (int k = 0; k < qz->code_size; k += 8)
	{
		uint8x8_t	ca = vld1_u8(a + k);
		uint8x8_t	cb = vld1_u8(b + k);
		uint8x8_t	a0 = vand_u8(ca, mask);
		uint8x8_t	a1 = vshr_n_u8(ca, 4);
		uint8x8_t	b0 = vand_u8(cb, mask);
		uint8x8_t	b1 = vshr_n_u8(cb, 4);

		uab = vpadalq_u16(uab, PRODUCTS(a, b));
		uaa = vpadalq_u16(uaa, PRODUCTS(a, a));
		ubb = vpadalq_u16(ubb, PRODUCTS(b, b));
		sa += vaddv_u8(vadd_u8(a0, a1));
		sb += vaddv_u8(vadd_u8(b0, b1));
	}
#undef PRODUCTS
	*ab = 4 * (int32) vaddvq_u32(uab) - 30 * (sa + sb) + 225 * qz->rdims;
	*aa = 4 * (int32) vaddvq_u32(uaa) - 60 * sa + 225 * qz->rdims;
	*bb = 4 * (int32) vaddvq_u32(ubb) - 60 * sb + 225 * qz->rdims;
}

static void
code_products(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	switch (qz->bits)
	{
		case 1:
			products_1bit(qz, a, b, ab, aa, bb);
			break;
		case 2:
			products_2bit(qz, a, b, ab, aa, bb);
			break;
		default:
			products_4bit(qz, a, b, ab, aa, bb);
			break;
	}
}

const HnrQuantKernels hnr_quant_neon = {
	"neon",
	rotate,
	sum_and_max,
	square_sum,
	level_sums,
	code_values,
	split_steps,
	code_dot,
	code_dots,
	code_products,
	fill_table,
	hnr_block_below_scalar
};

#endif							/* HNR_HAVE_NEON_KERNELS */
