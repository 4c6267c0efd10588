/*-------------------------------------------------------------------------
 *
 * kernels_avx512.c
 *		The kernels of quant/ for AVX-512, with and without its byte dot
 *		product (VNNI).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "quant/internal.h"

#ifdef HNR_HAVE_X86_KERNELS

#include <immintrin.h>

#define HNR_TARGET			__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define V					__m512
#define V_WIDTH				16
#define V_LOAD(p)			_mm512_loadu_ps(p)
#define V_STORE(p, v)		_mm512_storeu_ps(p, v)
#define V_ZERO()			_mm512_setzero_ps()
#define V_SET1(f)			_mm512_set1_ps(f)
#define V_ADD(x, y)			_mm512_add_ps(x, y)
#define V_SUB(x, y)			_mm512_sub_ps(x, y)
#define V_MUL(x, y)			_mm512_mul_ps(x, y)
#define V_MIN(x, y)			_mm512_min_ps(x, y)
#define V_MAX(x, y)			_mm512_max_ps(x, y)
#define V_FMA(x, y, z)		_mm512_fmadd_ps(x, y, z)
#define V_ABS(v)			_mm512_abs_ps(v)
#define V_TRUNC(v)			_mm512_roundscale_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#define V_WITH_SIGN(x, y)	_mm512_or_ps(x, _mm512_and_ps(y, _mm512_set1_ps(-0.0f)))
#define V_SUM(v)			_mm512_reduce_add_ps(v)
#define V_GREATEST(v)		_mm512_reduce_max_ps(v)
#define V_HADAMARD(v)		hadamard_lanes(v)
#define V_STORE_BYTES(p, v) \
	_mm_storeu_si128((__m128i *) (p), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v)))
#define VI					__m512i
#define VI_ZERO()			_mm512_setzero_si512()
#define VI_ADD(x, y)		_mm512_add_epi32(x, y)
#define VI_SUM(v)			_mm512_reduce_add_epi32(v)
#define V_NEAREST(v)		_mm512_cvtps_epi32(v)
#define VI_STORE_LOW(p, v)	_mm_storeu_si128((__m128i *) (p), _mm512_cvtepi32_epi8(v))
#define VI_STORE_HIGH(p, v)	\
	VI_STORE_LOW(p, _mm512_srai_epi32(_mm512_add_epi32(v, _mm512_set1_epi32(128)), 8))

/* Each step: the lane's partner, plus or minus the lane. */
HNR_TARGET static inline __m512
hadamard_lanes(__m512 v)
{
	const __m512 signs = _mm512_setr_ps(1, -1, 1, -1, 1, -1, 1, -1,
										1, -1, 1, -1, 1, -1, 1, -1);
	const __m512 signs2 = _mm512_permute_ps(signs, 0x50);
	const __m512 signs4 = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1,
																  0, 0, 0, 0, 1, 1, 1, 1),
												signs);
	const __m512 signs8 = _mm512_shuffle_f32x4(signs4, signs4, 0x50);

	v = _mm512_fmadd_ps(v, signs, _mm512_permute_ps(v, 0xB1));
	v = _mm512_fmadd_ps(v, signs2, _mm512_permute_ps(v, 0x4E));
	v = _mm512_fmadd_ps(v, signs4, _mm512_shuffle_f32x4(v, v, 0xB1));
	return _mm512_fmadd_ps(v, signs8, _mm512_shuffle_f32x4(v, v, 0x4E));
}

#include "quant/floats.inc.h"

/* A full group's code in each lane of its width. */
HNR_TARGET static inline __attribute__((always_inline)) __m512i
spread_group(int bits, const uint8 *code)
{
	int64		word;

	switch (bits)
	{
		case 1:
			memcpy(&word, code, sizeof(word));
			return _mm512_set1_epi64(word);
		case 2:
			return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) code));
		default:
			return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *) code));
	}
}

/* By how many bits the values in each lane of eight bytes have to be shifted. */
HNR_TARGET static inline __attribute__((always_inline)) __m512i
lane_shifts(int bits)
{
	switch (bits)
	{
		case 1:
			return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
		case 2:
			return _mm512_setr_epi64(0, 0, 2, 2, 4, 4, 6, 6);
		default:
			return _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
	}
}

/* The 64 values of a group, a byte each, in the order of the coordinates. */
HNR_TARGET static inline __attribute__((always_inline)) __m512i
group_values(int bits, const uint8 *code)
{
	return _mm512_and_si512(_mm512_srlv_epi64(spread_group(bits, code), lane_shifts(bits)),
							_mm512_set1_epi8((1 << bits) - 1));
}

HNR_TARGET static inline __attribute__((always_inline)) float
code_dot_bits(int bits, const HnrQuantizer *qz, const uint8 *code, const float *x)
{
	__m512		sum[4];
	int			whole = qz->rdims - qz->tail;
	float		rest = 0;

	for (int i = 0; i < 4; i++)
		sum[i] = _mm512_setzero_ps();
	for (int g = 0; g < whole; g += HNR_GROUP, code += HNR_GROUP / 8 * bits)
	{
		__m512i		u = group_values(bits, code);

#define ADD_QUARTER(i) \
		sum[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(u, i))), \
								 _mm512_loadu_ps(x + g + 16 * (i)), sum[i])
		ADD_QUARTER(0);
		ADD_QUARTER(1);
		ADD_QUARTER(2);
		ADD_QUARTER(3);
#undef ADD_QUARTER
	}
	if (qz->tail > 0)
		rest = hnr_group_dot(bits, qz->tail, code, x + whole);
	return rest + _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]),
													 _mm512_add_ps(sum[2], sum[3])));
}

HNR_TARGET static float
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

/* Lane i: the sum over the lanes of the argument i. */
HNR_TARGET static inline __attribute__((always_inline)) __m128i
sum_four(__m512i v0, __m512i v1, __m512i v2, __m512i v3)
{
	__m256i		h;

#define FOLD(v) \
	_mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1))
	h = _mm256_hadd_epi32(_mm256_hadd_epi32(FOLD(v0), FOLD(v1)),
						  _mm256_hadd_epi32(FOLD(v2), FOLD(v3)));
#undef FOLD
	return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

/* Bits of those of sixteen rows, from their sums, that are not above. */
HNR_TARGET static inline __attribute__((always_inline)) uint32
sixteen_below(const HnrBlockQuery *bq, __m256i sums, const float *terms, const HnrBlockBound *b)
{
	__m512		sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums));
	__m512		product = _mm512_fmadd_ps(sum, _mm512_set1_ps(bq->step), _mm512_set1_ps(b->offset));
	__m512		least = _mm512_mul_ps(_mm512_loadu_ps(terms), _mm512_set1_ps(b->scale));

	least = _mm512_fmadd_ps(_mm512_loadu_ps(terms + HNR_BLOCK), product, least);
	return _mm512_cmp_ps_mask(least, _mm512_set1_ps(b->most), _CMP_NGT_UQ);
}

/* Where the sums of rows stand when those of the even rows come first. */
static const uint16 row_order[HNR_BLOCK] = {
	0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
	8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
};

/* As hnr_block_below_avx2; a register has a byte of each code, and the next. */
HNR_TARGET static uint32
block_below(const HnrBlockQuery *bq, const uint8 *block, const float *terms,
			const HnrBlockBound *bound, uint16 *sums)
{
	const HnrBlockTables *tables = bq->tables;
	const HnrBlockTables *end = tables + bq->head->code_size / 2;
	const __m512i mask = _mm512_set1_epi8(15);
	__m512i		even = _mm512_setzero_si512();
	__m512i		odd = even;
	__m512i		both;

#define LOOK_UP(half, v) \
	_mm512_shuffle_epi8(_mm512_loadu_si512(tables->tables[half]), _mm512_and_si512(v, mask))
	for (; tables < end; tables++, block += 2 * HNR_BLOCK)
	{
		__m512i		v = _mm512_loadu_si512(block);
		__m512i		sum = _mm512_add_epi8(LOOK_UP(0, v), LOOK_UP(1, _mm512_srli_epi16(v, 4)));

		even = _mm512_add_epi16(even, sum);
		odd = _mm512_add_epi16(odd, _mm512_srli_epi16(sum, 8));
	}
#undef LOOK_UP
	even = _mm512_sub_epi16(even, _mm512_slli_epi16(odd, 8));
	/* both bytes together, in the upper half those of the odd rows */
	both = _mm512_add_epi16(_mm512_shuffle_i64x2(even, odd, 0x44), _mm512_shuffle_i64x2(even, odd, 0xEE));
	/* and then in the order of the rows */
	both = _mm512_permutexvar_epi16(_mm512_loadu_si512(row_order), both);
	_mm512_storeu_si512(sums, both);
	return sixteen_below(bq, _mm512_castsi512_si256(both), terms, bound) |
		sixteen_below(bq, _mm512_extracti64x4_epi64(both, 1), terms + 16, bound) << 16;
}

#define HNR_KERNELS			hnr_quant_avx512
#define HNR_ISA				"avx512"
#define CODES_TARGET		HNR_TARGET
#define CODES(name)			name##_bw
/* Pairs of products add up to 16 bits, so the values must be small. */
#define CODES_VALUES(bits, code)	group_values(bits, code)
#define CODES_ADD(sum, u, s) \
	_mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(u, s), _mm512_set1_epi16(1)))
#define CODES_FINISH(bits, sum)		(sum)
#include "quant/codes_avx512.inc.h"

#define HNR_KERNELS			hnr_quant_avx512vnni
#define HNR_ISA				"avx512vnni"
#define CODES_TARGET		__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define CODES(name)			name##_vnni
/* Values stay where they are in their byte: the sums are shifted, once. */
#define CODES_VALUES(bits, code) \
	_mm512_and_si512(spread_group(bits, code), \
					 _mm512_sllv_epi64(_mm512_set1_epi8((1 << (bits)) - 1), lane_shifts(bits)))
#define CODES_ADD(sum, u, s)		_mm512_dpbusd_epi32(sum, u, s)
#define CODES_FINISH(bits, sum) \
	_mm512_srav_epi32(sum, _mm512_or_si512(lane_shifts(bits), \
										   _mm512_slli_epi64(lane_shifts(bits), 32)))
#include "quant/codes_avx512.inc.h"

#endif							/* HNR_HAVE_X86_KERNELS */
