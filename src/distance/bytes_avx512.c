/*-------------------------------------------------------------------------
 *
 * bytes_avx512.c
 *		The kernels on bytes for AVX-512 with VNNI.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/kernels.h"

#ifdef HNR_HAVE_X86_KERNELS

#include <immintrin.h>

#define BYTES_TARGET	__attribute__((target("avx512f,avx512bw,avx512vnni")))
#define WIDTH			64

BYTES_TARGET static inline __m512i
add_squares(__m512i sum, __m512i a, __m512i b)
{
	__m512i		apart = _mm512_or_si512(_mm512_subs_epu8(a, b), _mm512_subs_epu8(b, a));
	__m512i		low = _mm512_unpacklo_epi8(apart, _mm512_setzero_si512());
	__m512i		high = _mm512_unpackhi_epi8(apart, _mm512_setzero_si512());

	return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sum, low, low), high, high);
}

BYTES_TARGET static int32
l2_squared(int n, const uint8 *a, const uint8 *b)
{
	__m512i		sum = _mm512_setzero_si512();
	int			i = 0;

	for (; i + WIDTH <= n; i += WIDTH)
		sum = add_squares(sum, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
	if (i < n)
	{
		__mmask64	mask = ~UINT64CONST(0) >> (WIDTH - (n - i));

		sum = add_squares(sum, _mm512_maskz_loadu_epi8(mask, a + i),
						  _mm512_maskz_loadu_epi8(mask, b + i));
	}
	return _mm512_reduce_add_epi32(sum);
}

BYTES_TARGET static void
block_products(int n, const uint8 *const *rows, const int8 *columns, int32 *out)
{
	const int	half = HNR_BLOCK_COLUMNS / 2;
	__m512i		left[HNR_BLOCK_ROWS];
	__m512i		right[HNR_BLOCK_ROWS];

	for (int r = 0; r < HNR_BLOCK_ROWS; r++)
		left[r] = right[r] = _mm512_setzero_si512();
	for (int k = 0; k < n; k += HNR_BYTES_GROUP)
	{
		__m512i		x = _mm512_loadu_si512(columns + (size_t) k * HNR_BLOCK_COLUMNS);
		__m512i		y = _mm512_loadu_si512(columns + (size_t) k * HNR_BLOCK_COLUMNS + WIDTH);

#pragma GCC unroll 8
		for (int r = 0; r < HNR_BLOCK_ROWS; r++)
		{
			int32		group;
			__m512i		row;

			memcpy(&group, rows[r] + k, sizeof(group));
			row = _mm512_set1_epi32(group);
			left[r] = _mm512_dpbusd_epi32(left[r], row, x);
			right[r] = _mm512_dpbusd_epi32(right[r], row, y);
		}
	}
	for (int r = 0; r < HNR_BLOCK_ROWS; r++)
	{
		_mm512_storeu_si512(out + r * HNR_BLOCK_COLUMNS, left[r]);
		_mm512_storeu_si512(out + r * HNR_BLOCK_COLUMNS + half, right[r]);
	}
}

const HnrByteKernels hnr_bytes_avx512 = {
	.l2_squared = l2_squared,
	.block_products = block_products,
};

#endif							/* HNR_HAVE_X86_KERNELS */
