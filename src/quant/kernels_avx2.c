/*-------------------------------------------------------------------------
 *
 * kernels_avx2.c
 *		The kernels of quant/ for AVX2 with FMA and POPCNT.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "quant/internal.h"

#ifdef HNR_HAVE_X86_KERNELS

#include <immintrin.h>

#define HNR_TARGET			__attribute__((target("avx2,fma,popcnt")))
#define HNR_INLINE			HNR_TARGET static inline __attribute__((always_inline))
#define V					__m256
#define V_WIDTH				8
#define V_LOAD(p)			_mm256_loadu_ps(p)
#define V_STORE(p, v)		_mm256_storeu_ps(p, v)
#define V_ZERO()			_mm256_setzero_ps()
#define V_SET1(f)			_mm256_set1_ps(f)
#define V_ADD(x, y)			_mm256_add_ps(x, y)
#define V_SUB(x, y)			_mm256_sub_ps(x, y)
#define V_MUL(x, y)			_mm256_mul_ps(x, y)
#define V_MIN(x, y)			_mm256_min_ps(x, y)
#define V_MAX(x, y)			_mm256_max_ps(x, y)
#define V_FMA(x, y, z)		_mm256_fmadd_ps(x, y, z)
#define V_ABS(v)			_mm256_andnot_ps(_mm256_set1_ps(-0.0f), v)
#define V_TRUNC(v)			_mm256_round_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#define V_WITH_SIGN(x, y)	_mm256_or_ps(x, _mm256_and_ps(y, _mm256_set1_ps(-0.0f)))
#define V_SUM(v)			sum_lanes(v)
#define V_GREATEST(v)		greatest_lane(v)
#define V_HADAMARD(v)		hadamard_lanes(v)
#define V_STORE_BYTES(p, v)	store_low_bytes(p, _mm256_cvttps_epi32(v))
#define VI					__m256i
#define VI_ZERO()			_mm256_setzero_si256()
#define VI_ADD(x, y)		_mm256_add_epi32(x, y)
#define VI_SUM(v)			sum_int_lanes(v)
#define V_NEAREST(v)		_mm256_cvtps_epi32(v)
#define VI_STORE_LOW(p, v)	store_low_bytes(p, v)
#define VI_STORE_HIGH(p, v)	\
	store_low_bytes(p, _mm256_srai_epi32(_mm256_add_epi32(v, _mm256_set1_epi32(128)), 8))

HNR_INLINE float
sum_lanes(__m256 v)
{
	__m128		s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

HNR_INLINE float
greatest_lane(__m256 v)
{
	__m128		m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	m = _mm_max_ps(m, _mm_movehl_ps(m, m));
	return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

HNR_INLINE int32
sum_int_lanes(__m256i v)
{
	__m128i		s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
	return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

/* Each step: the lane's partner, plus or minus the lane. */
HNR_INLINE __m256
hadamard_lanes(__m256 v)
{
	const __m256 signs = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
	const __m256 signs2 = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
	const __m256 signs4 = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1);

	v = _mm256_fmadd_ps(v, signs, _mm256_permute_ps(v, 0xB1));
	v = _mm256_fmadd_ps(v, signs2, _mm256_permute_ps(v, 0x4E));
	return _mm256_fmadd_ps(v, signs4, _mm256_permute2f128_ps(v, v, 0x01));
}

/* The lowest byte of each lane. */
HNR_INLINE void
store_low_bytes(void *p, __m256i v)
{
	const __m256i pick = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1,
										  -1, -1, -1, -1, -1, -1, -1, -1,
										  -1, -1, -1, -1, 0, 4, 8, 12,
										  -1, -1, -1, -1, -1, -1, -1, -1);

	v = _mm256_shuffle_epi8(v, pick);
	_mm_storel_epi64((__m128i *) p, _mm_or_si128(_mm256_castsi256_si128(v),
												 _mm256_extracti128_si256(v, 1)));
}

#include "quant/floats.inc.h"

/*
 * The 64 values of a group, a byte each, in the order of the coordinates: the
 * code is repeated over the register, and shifted in each lane of eight bytes by
 * as much as the values that belong there.
 */
HNR_INLINE void
group_values(int bits, const uint8 *code, __m256i *u0, __m256i *u1)
{
	const __m256i mask = _mm256_set1_epi8((1 << bits) - 1);
	__m256i		spread;
	int64		word;

	switch (bits)
	{
		case 1:
			memcpy(&word, code, sizeof(word));
			spread = _mm256_srlv_epi64(_mm256_set1_epi64x(word),
									   _mm256_setr_epi64x(0, 1, 2, 3));
			break;
		case 2:
			spread = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *) code));
			spread = _mm256_srlv_epi64(spread, _mm256_setr_epi64x(0, 0, 2, 2));
			break;
		default:
			spread = _mm256_loadu_si256((const __m256i *) code);
			break;
	}
	*u0 = _mm256_and_si256(spread, mask);
	*u1 = _mm256_and_si256(_mm256_srli_epi64(spread, 4), mask);
}

/* sum of u times x over 32 coordinates, added to four sums */
HNR_INLINE void
add_half_group(__m256i u, const float *x, __m256 *sum)
{
	__m128i		lower = _mm256_castsi256_si128(u);
	__m128i		upper = _mm256_extracti128_si256(u, 1);

#define FLOATS(v)	_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v))
	sum[0] = _mm256_fmadd_ps(FLOATS(lower), _mm256_loadu_ps(x), sum[0]);
	sum[1] = _mm256_fmadd_ps(FLOATS(_mm_srli_si128(lower, 8)), _mm256_loadu_ps(x + 8), sum[1]);
	sum[2] = _mm256_fmadd_ps(FLOATS(upper), _mm256_loadu_ps(x + 16), sum[2]);
	sum[3] = _mm256_fmadd_ps(FLOATS(_mm_srli_si128(upper, 8)), _mm256_loadu_ps(x + 24), sum[3]);
#undef FLOATS
}

HNR_INLINE float
code_dot_bits(int bits, const HnrQuantizer *qz, const uint8 *code, const float *x)
{
	__m256		sum[4];
	int			whole = qz->rdims - qz->tail;
	float		rest = 0;

	for (int i = 0; i < 4; i++)
		sum[i] = _mm256_setzero_ps();
	for (int g = 0; g < whole; g += HNR_GROUP, code += HNR_GROUP / 8 * bits)
	{
		__m256i		u0;
		__m256i		u1;

		group_values(bits, code, &u0, &u1);
		add_half_group(u0, x + g, sum);
		add_half_group(u1, x + g + 32, sum);
	}
	if (qz->tail > 0)
		rest = hnr_group_dot(bits, qz->tail, code, x + whole);
	return rest + sum_lanes(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]),
										  _mm256_add_ps(sum[2], sum[3])));
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

/* int32 sums of the pairs of int16 lanes */
#define WIDEN(v)	_mm256_madd_epi16(v, _mm256_set1_epi16(1))

/* Adds the group whose code starts at byte `from`, for one code. */
#define ADD_PRODUCTS(sum, u, s) \
	((sum) = _mm256_add_epi16(sum, _mm256_maddubs_epi16(u, _mm256_loadu_si256(s))))
#define ADD_ONE(h, l, code, g, from) \
	do { \
		const __m256i *sh_ = (const __m256i *) (cq->high + (g) * HNR_GROUP); \
		const __m256i *sl_ = (const __m256i *) (cq->low + (g) * HNR_GROUP); \
		__m256i u0_; \
		__m256i u1_; \
		group_values(bits, (code) + (from), &u0_, &u1_); \
		ADD_PRODUCTS(h, u0_, sh_); \
		ADD_PRODUCTS(l, u0_, sl_); \
		ADD_PRODUCTS(h, u1_, sh_ + 1); \
		ADD_PRODUCTS(l, u1_, sl_ + 1); \
	} while (0)
#define ADD_GROUP(g, from) \
	do { \
		ADD_ONE(h0, l0, code0, g, from); \
		ADD_ONE(h1, l1, code1, g, from); \
	} while (0)
#define TOTAL(high, low) \
	_mm256_add_epi32(_mm256_slli_epi32(WIDEN(high), 8), WIDEN(low))

/*
 * The sums of values times steps for two codes, in the two lanes of the result.
 * One group adds up to 4 * 128 * (2^bits - 1) to a 16-bit lane, so these are
 * emptied in time.
 */
HNR_INLINE __m128i
two_dots(int bits, const HnrCodeQuery *cq, const uint8 *code0, const uint8 *code1)
{
	const HnrQuantizer *qz = cq->qz;
	const int	groups_at_a_time = 63 / ((1 << bits) - 1);
	const __m256i zero = _mm256_setzero_si256();
	__m256i		total0 = zero;
	__m256i		total1 = zero;
	size_t		from = 0;

	for (int g = 0; g < qz->groups;)
	{
		int			end = Min(g + groups_at_a_time, qz->groups);
		__m256i		h0 = zero;
		__m256i		h1 = zero;
		__m256i		l0 = zero;
		__m256i		l1 = zero;

		for (; g < end - 1; g++, from += HNR_GROUP / 8 * bits)
			ADD_GROUP(g, from);
		from = hnr_group_start(qz, g);
		ADD_GROUP(g, from);
		g++, from += HNR_GROUP / 8 * bits;
		total0 = _mm256_add_epi32(total0, TOTAL(h0, l0));
		total1 = _mm256_add_epi32(total1, TOTAL(h1, l1));
	}
	total0 = _mm256_hadd_epi32(total0, total1);
	total0 = _mm256_hadd_epi32(total0, total0);
	return _mm_add_epi32(_mm256_castsi256_si128(total0),
						 _mm256_extracti128_si256(total0, 1));
}

HNR_INLINE void
code_dots_bits(int bits, const HnrCodeQuery *cq, const uint8 *codes, int stride,
			   int n, float *out)
{
	__m128i		bias = _mm_set1_epi32(cq->bias);
	__m128		half_step = _mm_set1_ps(cq->half_step);
	int			i;

#define ESTIMATES(sums) \
	_mm_mul_ps(half_step, _mm_cvtepi32_ps(_mm_sub_epi32(_mm_add_epi32(sums, sums), bias)))
	for (i = 0; i + 1 < n; i += 2, codes += 2 * (size_t) stride)
	{
		__m128i		sums = two_dots(bits, cq, codes, codes + stride);

		_mm_storel_pi((__m64 *) (out + i), ESTIMATES(sums));
	}
	if (i < n)
	{
		__m128i		sums = two_dots(bits, cq, codes, codes);

		_mm_store_ss(out + i, ESTIMATES(sums));
	}
#undef ESTIMATES
}

HNR_TARGET static void
code_dots(const HnrCodeQuery *cq, const uint8 *codes, int stride, int n, float *out)
{
	switch (cq->qz->bits)
	{
		case 1:
			code_dots_bits(1, cq, codes, stride, n, out);
			break;
		case 2:
			code_dots_bits(2, cq, codes, stride, n, out);
			break;
		default:
			code_dots_bits(4, cq, codes, stride, n, out);
			break;
	}
}

#include "quant/products.inc.h"

/* xbar is 2u - 15 in its units, for both nibbles of each byte. */
HNR_INLINE void
products_4bit(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	const __m256i mask = _mm256_set1_epi8(0x0F);
	const __m256i zero = _mm256_setzero_si256();
	__m256i		uab = zero;
	__m256i		uaa = zero;
	__m256i		ubb = zero;
	__m256i		ua = zero;
	__m256i		ub = zero;
	int			k = 0;
	int32		sa,
				sb;

#define PRODUCTS(x, y) \
	_mm256_add_epi32(WIDEN(_mm256_maddubs_epi16(x##0, y##0)), WIDEN(_mm256_maddubs_epi16(x##1, y##1)))
#define ADD_BYTES(ca, cb) \
	do { \
		__m256i		a0 = _mm256_and_si256(ca, mask); \
		__m256i		a1 = _mm256_and_si256(_mm256_srli_epi64(ca, 4), mask); \
		__m256i		b0 = _mm256_and_si256(cb, mask); \
		__m256i		b1 = _mm256_and_si256(_mm256_srli_epi64(cb, 4), mask); \
		uab = _mm256_add_epi32(uab, PRODUCTS(a, b)); \
		uaa = _mm256_add_epi32(uaa, PRODUCTS(a, a)); \
		ubb = _mm256_add_epi32(ubb, PRODUCTS(b, b)); \
		ua = _mm256_add_epi32(ua, _mm256_sad_epu8(_mm256_add_epi8(a0, a1), zero)); \
		ub = _mm256_add_epi32(ub, _mm256_sad_epu8(_mm256_add_epi8(b0, b1), zero)); \
	} while (0)
#define EIGHT_BYTES(p) \
	_mm256_inserti128_si256(zero, _mm_loadl_epi64((const __m128i *) (p)), 0)

	for (; k + 32 <= qz->code_size; k += 32)
		ADD_BYTES(_mm256_loadu_si256((const __m256i *) (a + k)),
				  _mm256_loadu_si256((const __m256i *) (b + k)));
	/* HNR_DIMS_UNIT makes the code a multiple of eight bytes */
	for (; k < qz->code_size; k += 8)
		ADD_BYTES(EIGHT_BYTES(a + k), EIGHT_BYTES(b + k));
#undef PRODUCTS
#undef ADD_BYTES
#undef EIGHT_BYTES
	sa = sum_int_lanes(ua);
	sb = sum_int_lanes(ub);
	*ab = 4 * sum_int_lanes(uab) - 30 * (sa + sb) + 225 * qz->rdims;
	*aa = 4 * sum_int_lanes(uaa) - 60 * sa + 225 * qz->rdims;
	*bb = 4 * sum_int_lanes(ubb) - 60 * sb + 225 * qz->rdims;
}

HNR_TARGET void
hnr_code_products_popcnt(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
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

/* Bits of those of eight rows, from their sums, that are not above. */
HNR_INLINE uint32
eight_below(const HnrBlockQuery *bq, const uint16 *sums, const float *terms, const HnrBlockBound *b)
{
	__m256		sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *) sums)));
	__m256		product = _mm256_fmadd_ps(sum, _mm256_set1_ps(bq->step), _mm256_set1_ps(b->offset));
	__m256		least = _mm256_mul_ps(_mm256_loadu_ps(terms), _mm256_set1_ps(b->scale));

	least = _mm256_fmadd_ps(_mm256_loadu_ps(terms + HNR_BLOCK), product, least);
	return _mm256_movemask_ps(_mm256_cmp_ps(least, _mm256_set1_ps(b->most), _CMP_NGT_UQ));
}

/*
 * Two amounts fit a byte.  The sums of the odd rows, in the upper bytes, are kept apart; what
 * of them has got into those of the even rows is taken out at the end.
 */
HNR_TARGET uint32
hnr_block_below_avx2(const HnrBlockQuery *bq, const uint8 *block, const float *terms,
					 const HnrBlockBound *bound, uint16 *sums)
{
	const HnrBlockTables *tables = bq->tables;
	const HnrBlockTables *end = tables + bq->head->code_size / 2;
	const __m256i mask = _mm256_set1_epi8(15);
	__m256i		even = _mm256_setzero_si256();
	__m256i		odd = even;
	__m256i		low;
	__m256i		high;

#define LOOK_UP(half, byte, v) \
	_mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *) tables->tables[half][byte]), _mm256_and_si256(v, mask))
#define ADD_BYTE(byte) \
	do { \
		__m256i		v = _mm256_loadu_si256((const __m256i *) (block + (byte) * HNR_BLOCK)); \
		__m256i		sum = _mm256_add_epi8(LOOK_UP(0, byte, v), LOOK_UP(1, byte, _mm256_srli_epi16(v, 4))); \
		even = _mm256_add_epi16(even, sum); \
		odd = _mm256_add_epi16(odd, _mm256_srli_epi16(sum, 8)); \
	} while (0)

	for (; tables < end; tables++, block += 2 * HNR_BLOCK)
	{
		ADD_BYTE(0);
		ADD_BYTE(1);
	}
#undef LOOK_UP
#undef ADD_BYTE
	even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
	low = _mm256_unpacklo_epi16(even, odd);
	high = _mm256_unpackhi_epi16(even, odd);
	_mm256_storeu_si256((__m256i *) sums, _mm256_permute2x128_si256(low, high, 0x20));
	_mm256_storeu_si256((__m256i *) (sums + 16), _mm256_permute2x128_si256(low, high, 0x31));
	return eight_below(bq, sums, terms, bound) |
		eight_below(bq, sums + 8, terms + 8, bound) << 8 |
		eight_below(bq, sums + 16, terms + 16, bound) << 16 |
		eight_below(bq, sums + 24, terms + 24, bound) << 24;
}

const HnrQuantKernels hnr_quant_avx2 = {
	"avx2",
	rotate,
	sum_and_max,
	square_sum,
	level_sums,
	code_values,
	split_steps,
	code_dot,
	code_dots,
	hnr_code_products_popcnt,
	fill_table,
	hnr_block_below_avx2
};

#endif							/* HNR_HAVE_X86_KERNELS */
