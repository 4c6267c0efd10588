/*-------------------------------------------------------------------------
 *
 * distance_avx512.c
 *		The distance kernels for AVX-512 (foundation instructions only; a
 *		processor that has these has POPCNT).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/kernels.h"

#ifdef HNR_HAVE_X86_KERNELS

#include <immintrin.h>

#define HNR_KERNELS			hnr_distance_avx512
#define HNR_ISA				"avx512"
#define HNR_TARGET			__attribute__((target("avx512f,popcnt")))
#define V					__m512
#define V_WIDTH				16
#define V_ZERO()			_mm512_setzero_ps()
#define V_LOAD(p)			_mm512_loadu_ps(p)
#define V_LOAD_PART(p, r)	_mm512_maskz_loadu_ps((__mmask16) ((1U << (r)) - 1), p)
#define V_ADD(x, y)			_mm512_add_ps(x, y)
#define V_SUB(x, y)			_mm512_sub_ps(x, y)
#define V_MUL(x, y)			_mm512_mul_ps(x, y)
#define V_FMA(x, y, z)		_mm512_fmadd_ps(x, y, z)
#define V_ABS(v)			_mm512_abs_ps(v)
#define V_SUM(v)			_mm512_reduce_add_ps(v)
#define V_HALF(p)			_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (p)))
#define V_STORE_HALF(p, v) \
	_mm256_storeu_si256((__m256i *) (p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT))
#define V_SHORT(p) \
	_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *) (p))))
#define V_FROM_BYTES(p, b, s) \
	_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32( \
		_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) (p))), \
		_mm512_set1_epi32(b))), _mm512_set1_ps(s))
#define V_STORE(p, v)		_mm512_storeu_ps(p, v)
#define V_SET1(s)			_mm512_set1_ps(s)
#define V_MIN(x, y)			_mm512_min_ps(x, y)
#define V_BELOW(x, y)		((uint32) _mm512_cmp_ps_mask(x, y, _CMP_LE_OQ))
#define V_MATCH(x, p, k, y) \
	_mm512_mask_mov_ps(x, _mm512_cmpeq_epi32_mask(_mm512_loadu_si512(p), _mm512_set1_epi32(k)), \
		_mm512_set1_ps(y))
#define BLOCK_ROWS			8

#include "distance/kernels.inc.h"

#endif							/* HNR_HAVE_X86_KERNELS */
