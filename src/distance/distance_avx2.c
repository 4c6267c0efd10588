/*-------------------------------------------------------------------------
 *
 * distance_avx2.c
 *		The distance kernels for AVX2 with FMA.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/kernels.h"

#ifdef HNR_HAVE_X86_KERNELS

#include <immintrin.h>

#define HNR_KERNELS			hnr_distance_avx2
#define HNR_ISA				"avx2"
#define HNR_TARGET			__attribute__((target("avx2,fma,f16c,popcnt")))
#define V					__m256
#define V_WIDTH				8
#define V_ZERO()			_mm256_setzero_ps()
#define V_LOAD(p)			_mm256_loadu_ps(p)
#define V_LOAD_PART(p, r)	load_part(p, r)
#define V_ADD(x, y)			_mm256_add_ps(x, y)
#define V_SUB(x, y)			_mm256_sub_ps(x, y)
#define V_MUL(x, y)			_mm256_mul_ps(x, y)
#define V_FMA(x, y, z)		_mm256_fmadd_ps(x, y, z)
#define V_ABS(v)			_mm256_andnot_ps(_mm256_set1_ps(-0.0f), v)
#define V_SUM(v)			sum_lanes(v)
#define V_HALF(p)			_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) (p)))
#define V_STORE_HALF(p, v) \
	_mm_storeu_si128((__m128i *) (p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT))
#define V_SHORT(p) \
	_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *) (p))))
#define V_FROM_BYTES(p, b, s) \
	_mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32( \
		_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) (p))), \
		_mm256_set1_epi32(b))), _mm256_set1_ps(s))
#define V_STORE(p, v)		_mm256_storeu_ps(p, v)
#define V_SET1(s)			_mm256_set1_ps(s)
#define V_MIN(x, y)			_mm256_min_ps(x, y)
#define V_BELOW(x, y)		((uint32) _mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_LE_OQ)))
#define V_MATCH(x, p, k, y) \
	_mm256_blendv_ps(x, _mm256_set1_ps(y), _mm256_castsi256_ps(_mm256_cmpeq_epi32( \
		_mm256_loadu_si256((const __m256i *) (p)), _mm256_set1_epi32(k))))
#define BLOCK_ROWS			4

/* A masked load reads, and can fault on, none of the lanes masked out. */
HNR_TARGET static inline __m256
load_part(const float *p, int count)
{
	__m256i		lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

	return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane));
}

HNR_TARGET static inline float
sum_lanes(__m256 v)
{
	__m128		s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	s = _mm_add_ss(s, _mm_movehdup_ps(s));
	return _mm_cvtss_f32(s);
}

#include "distance/kernels.inc.h"

#endif							/* HNR_HAVE_X86_KERNELS */
