/*-------------------------------------------------------------------------
 *
 * distance_neon.c
 *		The distance kernels for NEON, which every 64-bit ARM processor has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/kernels.h"

#ifdef HNR_HAVE_NEON_KERNELS

#include <arm_neon.h>

#define HNR_KERNELS			hnr_distance_neon
#define HNR_ISA				"neon"
#define HNR_TARGET
#define V					float32x4_t
#define V_WIDTH				4
#define V_ZERO()			vdupq_n_f32(0.0f)
#define V_LOAD(p)			vld1q_f32(p)
#define V_LOAD_PART(p, r)	load_part(p, r)
#define V_ADD(x, y)			vaddq_f32(x, y)
#define V_SUB(x, y)			vsubq_f32(x, y)
#define V_MUL(x, y)			vmulq_f32(x, y)
#define V_FMA(x, y, z)		vfmaq_f32(z, x, y)
#define V_ABS(v)			vabsq_f32(v)
#define V_SUM(v)			vaddvq_f32(v)
#define V_HALF(p)			vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))
#define V_STORE_HALF(p, v)	vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)))
#define V_SHORT(p)			vcvtq_f32_s32(vmovl_s16(vreinterpret_s16_u16(vld1_u16(p))))
#define V_FROM_BYTES(p, b, s)	vmulq_n_f32(vcvtq_f32_s32(load_biased(p, b)), s)
#define V_STORE(p, v)		vst1q_f32(p, v)
#define V_SET1(s)			vdupq_n_f32(s)
#define V_MIN(x, y)			vminq_f32(x, y)
#define V_BELOW(x, y)		bits_of_lanes(vcleq_f32(x, y))
#define V_MATCH(x, p, k, y) \
	vbslq_f32(vceqq_s32(vld1q_s32(p), vdupq_n_s32(k)), vdupq_n_f32(y), x)
#define BLOCK_ROWS			8

static inline uint32
bits_of_lanes(uint32x4_t mask)
{
	const uint32 bit[4] = {1, 2, 4, 8};

	return vaddvq_u32(vandq_u32(mask, vld1q_u32(bit)));
}

static inline int32x4_t
load_biased(const uint8 *p, int bias)
{
	uint8		bytes[8] = {p[0], p[1], p[2], p[3]};
	uint16x8_t	wide = vmovl_u8(vld1_u8(bytes));

	return vsubq_s32(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide))), vdupq_n_s32(bias));
}

static inline float32x4_t
load_part(const float *p, int count)
{
	float		lanes[4] = {0};

	for (int i = 0; i < count; i++)
		lanes[i] = p[i];
	return vld1q_f32(lanes);
}

#include "distance/kernels.inc.h"

#endif							/* HNR_HAVE_NEON_KERNELS */
