/*-------------------------------------------------------------------------
 *
 * codes_avx512.inc.h
 *		Dot products of codes and a query for AVX-512, instantiated by
 *		kernels_avx512.c for processors without and with VNNI.
 *
 *		HNR_KERNELS, HNR_ISA		the table to define, and its name
 *		CODES_TARGET				function attribute
 *		CODES(name)					a name of its own for each instance
 *		CODES_VALUES(bits, code)	the values of a group, possibly shifted
 *		CODES_ADD(sum, u, s)		sum of int32 plus u (unsigned) times s (signed)
 *		CODES_FINISH(bits, sum)		undoes the shift
 *
 * Four codes go at a time, so that the query is loaded once for four and the
 * sums over the lanes are taken together.
 *
 *-------------------------------------------------------------------------
 */

#define CODES_AT_A_TIME		4

/* Adds the group whose code starts at byte `from`, for four codes. */
#define ADD_ONE(h, l, code, from) \
	do { \
		__m512i u_ = CODES_VALUES(bits, (code) + (from)); \
		h = CODES_ADD(h, u_, sh); \
		l = CODES_ADD(l, u_, sl); \
	} while (0)
#define ADD_GROUP(g, from) \
	do { \
		__m512i sh = _mm512_loadu_si512(cq->high + (g) * HNR_GROUP); \
		__m512i sl = _mm512_loadu_si512(cq->low + (g) * HNR_GROUP); \
		ADD_ONE(h0, l0, codes, from); \
		ADD_ONE(h1, l1, code1, from); \
		ADD_ONE(h2, l2, code2, from); \
		ADD_ONE(h3, l3, code3, from); \
	} while (0)
#define TOTAL(high, low) \
	_mm512_add_epi32(_mm512_slli_epi32(CODES_FINISH(bits, high), 8), CODES_FINISH(bits, low))

/* Values times steps of the four codes at codes, codes + offsets[0], ... */
CODES_TARGET static inline __attribute__((always_inline)) __m128i
CODES(four_dots) (int bits, const HnrCodeQuery *cq, const uint8 *codes,
				  const size_t *offsets)
{
	const uint8 *code1 = codes + offsets[0];
	const uint8 *code2 = codes + offsets[1];
	const uint8 *code3 = codes + offsets[2];
	int			last = cq->qz->groups - 1;
	size_t		from = 0;
	__m512i		h0 = _mm512_setzero_si512();
	__m512i		h1 = h0;
	__m512i		h2 = h0;
	__m512i		h3 = h0;
	__m512i		l0 = h0;
	__m512i		l1 = h0;
	__m512i		l2 = h0;
	__m512i		l3 = h0;

	for (int g = 0; g < last; g++, from += HNR_GROUP / 8 * bits)
		ADD_GROUP(g, from);
	from = hnr_group_start(cq->qz, last);
	ADD_GROUP(last, from);
	return sum_four(TOTAL(h0, l0), TOTAL(h1, l1),
					TOTAL(h2, l2), TOTAL(h3, l3));
}

CODES_TARGET static inline __attribute__((always_inline)) void
CODES(code_dots_bits) (int bits, const HnrCodeQuery *cq, const uint8 *codes, int stride,
					   int n, float *out)
{
	size_t		offsets[CODES_AT_A_TIME - 1] = {stride, 2 * (size_t) stride, 3 * (size_t) stride};
	__m128i		bias = _mm_set1_epi32(cq->bias);
	__m128		half_step = _mm_set1_ps(cq->half_step);

	for (int i = 0; i < n; i += CODES_AT_A_TIME)
	{
		__mmask8	wanted = 0x0F;
		__m128i		sums;

		/* where fewer are left, the first of them stands in for the missing */
		if (n - i < CODES_AT_A_TIME)
		{
			wanted >>= CODES_AT_A_TIME - (n - i);
			for (int c = n - i; c < CODES_AT_A_TIME; c++)
				offsets[c - 1] = 0;
		}
		sums = CODES(four_dots) (bits, cq, codes, offsets);
		sums = _mm_sub_epi32(_mm_add_epi32(sums, sums), bias);
		_mm_mask_storeu_ps(out + i, wanted, _mm_mul_ps(half_step, _mm_cvtepi32_ps(sums)));
		codes += CODES_AT_A_TIME * (size_t) stride;
	}
}

CODES_TARGET static void
CODES(code_dots) (const HnrCodeQuery *cq, const uint8 *codes, int stride, int n, float *out)
{
	switch (cq->qz->bits)
	{
		case 1:
			CODES(code_dots_bits) (1, cq, codes, stride, n, out);
			break;
		case 2:
			CODES(code_dots_bits) (2, cq, codes, stride, n, out);
			break;
		default:
			CODES(code_dots_bits) (4, cq, codes, stride, n, out);
			break;
	}
}

const HnrQuantKernels HNR_KERNELS = {
	HNR_ISA,
	rotate,
	sum_and_max,
	square_sum,
	level_sums,
	code_values,
	split_steps,
	code_dot,
	CODES(code_dots),
	hnr_code_products_popcnt,
	fill_table,
	block_below
};

#undef HNR_KERNELS
#undef HNR_ISA
#undef CODES_TARGET
#undef CODES
#undef CODES_VALUES
#undef CODES_ADD
#undef CODES_FINISH
#undef CODES_AT_A_TIME
#undef ADD_ONE
#undef ADD_GROUP
#undef TOTAL
