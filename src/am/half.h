/*-------------------------------------------------------------------------
 *
 * half.h
 *		IEEE 754 half precision for positive finite numbers, as slots keep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_HALF_H
#define HNR_HALF_H

/* Rounds to nearest; beyond the range gives the largest half, below it 0. */
static inline uint16
hnr_half_from_float(float f)
{
	union
	{
		float		f;
		uint32		u;
	}			v;

	v.f = f;
	if (!(f >= 6.104e-5f))		/* the smallest normal half */
		return 0;
	if (f >= 65504.0f)
		return 0x7BFF;
	/* rebias the exponent from 127 to 15; rounding may carry into it rightly */
	return (uint16) ((v.u - ((127u - 15u) << 23) + 0x1000) >> 13);
}

static inline float
hnr_half_to_float(uint16 h)
{
	union
	{
		float		f;
		uint32		u;
	}			v;

	if (h == 0)
		return 0;
	v.u = ((uint32) h << 13) + ((127u - 15u) << 23);
	return v.f;
}

#endif							/* HNR_HALF_H */
