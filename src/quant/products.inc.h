/*-------------------------------------------------------------------------
 *
 * products.inc.h
 *		Products of two codes of one or two bits by counting bits, instantiated
 *		per instruction set with HNR_TARGET as function attribute.
 *
 *-------------------------------------------------------------------------
 */

/*
 * Calls step(wa, wb) for the words of eight bytes of two codes, with zeros
 * behind the last bytes.
 */
#define FOR_EACH_WORD_PAIR(size, a, b, step) \
	do { \
		int			k_ = 0; \
		uint64		wa_ = 0; \
		uint64		wb_ = 0; \
		for (; k_ + 8 <= (size); k_ += 8) \
		{ \
			memcpy(&wa_, (a) + k_, 8); \
			memcpy(&wb_, (b) + k_, 8); \
			step(wa_, wb_); \
		} \
		if (k_ == (size)) \
			break; \
		for (wa_ = wb_ = 0; k_ < (size); k_++) \
		{ \
			wa_ = wa_ << 8 | (a)[k_]; \
			wb_ = wb_ << 8 | (b)[k_]; \
		} \
		step(wa_, wb_); \
	} while (0)

HNR_TARGET static inline void
products_1bit(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	int			differ = 0;

#define STEP(wa, wb) (differ += __builtin_popcountll((wa) ^ (wb)))
	FOR_EACH_WORD_PAIR(qz->code_size, a, b, STEP);
#undef STEP
	*ab = qz->rdims - 2 * differ;
	*aa = *bb = qz->rdims;
}

/*
 * With the two bits of a value as signs H and L, xbar is 2H + L in its units;
 * products of signs add up to the coordinates less twice those that differ.
 */
HNR_TARGET static inline void
products_2bit(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	const uint64 low = UINT64CONST(0x5555555555555555);
	int			n = qz->rdims;
	int			high_high = 0;
	int			low_low = 0;
	int			high_low = 0;
	int			in_a = 0;
	int			in_b = 0;

#define STEP(wa, wb) \
	do { \
		uint64		swapped_ = (((wb) >> 1) & low) | (((wb) & low) << 1); \
		high_high += __builtin_popcountll(((wa) ^ (wb)) & ~low); \
		low_low += __builtin_popcountll(((wa) ^ (wb)) & low); \
		high_low += __builtin_popcountll((wa) ^ swapped_); \
		in_a += __builtin_popcountll(((wa) ^ ((wa) >> 1)) & low); \
		in_b += __builtin_popcountll(((wb) ^ ((wb) >> 1)) & low); \
	} while (0)
	FOR_EACH_WORD_PAIR(qz->code_size, a, b, STEP);
#undef STEP
	*ab = 4 * (n - 2 * high_high) + 2 * (2 * n - 2 * high_low) + (n - 2 * low_low);
	*aa = 5 * n + 4 * (n - 2 * in_a);
	*bb = 5 * n + 4 * (n - 2 * in_b);
}

#undef FOR_EACH_WORD_PAIR
