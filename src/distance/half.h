/*-------------------------------------------------------------------------
 *
 * half.h
 *		IEEE 754 half precision, in plain C.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_HALF_H
#define HNR_HALF_H

typedef union HnrFloatBits
{
	float		f;
	uint32		u;
} HnrFloatBits;

/* Numbers from here on are nearer to what would follow the largest half, 65504. */
#define HNR_HALF_LIMIT 65520.0f

/* Any half is exact as a float. */
static inline float
hnr_half_decode(uint16 h)
{
	uint32		magnitude = h & 0x7FFF;
	HnrFloatBits v;

	if (magnitude >= 0x7C00)	/* infinity, NaN */
		v.u = (magnitude << 13) | 0x7F800000;
	else if (magnitude >= 0x0400)
		v.u = (magnitude << 13) + ((127u - 15u) << 23);
	else
		v.f = (float) magnitude * 5.9604644775390625e-8f;	/* 2^-24 */
	v.u |= (uint32) (h & 0x8000) << 16;
	return v.f;
}

/* The nearest half, of two the even one; beyond the range, infinity. */
static inline uint16
hnr_half_encode(float f)
{
	HnrFloatBits v = {.f = f};
	uint16		sign = (v.u >> 16) & 0x8000;

	v.u &= 0x7FFFFFFF;
	if (v.u > 0x7F800000)
		return sign | 0x7E00;	/* NaN */
	if (v.u >= 0x47800000)		/* 65536 */
		return sign | 0x7C00;
	if (v.u < 0x38800000)		/* 2^-14: subnormal halves */
	{
		/* adding 1/2 leaves the bits wanted at the end of the fraction */
		v.f += 0.5f;
		return sign | (uint16) (v.u - 0x3F000000);
	}
	/* round to even at bit 13; a carry into the exponent is right */
	v.u += 0x0FFF + ((v.u >> 13) & 1);
	return sign | (uint16) ((v.u - ((127u - 15u) << 23)) >> 13);
}

#endif							/* HNR_HALF_H */
