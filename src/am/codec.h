/*-------------------------------------------------------------------------
 *
 * codec.h
 *		Coded slots: what a vertex keeps about a neighbour, and estimates from it.
 *
 * Joins quant/ (codes of a direction) with a metric (what a direction and a
 * length mean for a distance).  With the dot product
 *		t = <q - p, o - p> ~ r g (<xbar, Rq> - <xbar, Rp>),   r = |o - p|
 *	squared L2:  d(q,o) = d(q,p) + r^2 - 2 t
 *	-<q,o>:      d(q,o) = d(q,p) - t - <p, o - p>
 * and so, for each of them, d(q,o) ~ d(q,p) + constant + factor <xbar, Rq>.
 *
 * For the inner product, <q, o - p> may as well be split at any multiple of p,
 *		<q, o - p> = <q - s p, o - p> + s <p, o - p>,
 * and then the constant counts s times.  The code's error grows with |q - s p|, so s
 * is the multiple that comes nearest to q: beside a long p that is the difference
 * between an error of |p| |o - p| and one of |q| |o - p|.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_CODEC_H
#define HNR_CODEC_H

#include "am/layout.h"
#include "am/metric.h"
#include "quant/quant.h"

typedef struct HnrCodec
{
	const HnrMetric *metric;
	const HnrLayout *layout;
	HnrQuantizer *quantizer;	/* NULL: plain slots */
	float	   *residual;		/* scratch, rotated dims */
} HnrCodec;

/* In the current memory context; the rotation is shared by the backend. */
extern HnrCodec *hnr_codec_create(const HnrMetric *metric, const HnrLayout *layout, uint64 seed);

/* Of the same rotation, with codes of as many bits as this layout says; `codec` has codes, and stays. */
extern HnrCodec *hnr_codec_with_bits(const HnrCodec *codec, const HnrLayout *layout);

/* Floats of a rotated vector; 0 where slots are plain. */
extern int	hnr_codec_rotated_dims(const HnrCodec *codec);
extern void hnr_codec_rotate(const HnrCodec *codec, const float *vec, float *rotated);

/*
 * Fills a slot of vertex p (layout->slot_size bytes at slot) with neighbour o at
 * tid.  p and o are the vectors; rp and ro rotated (ignored for plain slots).
 */
typedef struct HnrCodecPoint
{
	const float *vec;
	const float *rotated;
} HnrCodecPoint;

extern void hnr_codec_encode(HnrCodec *codec, HnrCodecPoint p, HnrCodecPoint o,
							 ItemPointer tid, HnrSlot *slot);

/*
 * Fills the slots of both ends, but for the TIDs: of p with o, and of o with p.  That is
 * little more work than one, for the opposite direction has the opposite code.
 */
extern void hnr_codec_encode_both(HnrCodec *codec, HnrCodecPoint p, HnrCodecPoint o,
								  HnrSlot *slot_of_p, HnrSlot *slot_of_o);

/* How often the constants of the vertex at p count for a query at this distance from it. */
extern float hnr_codec_constant_scale(const HnrMetric *metric, int n, const float *p,
									  float distance);

/* Under the inner product, for p rotated: -<p,o> + |p|^2, as exactly as the slot has it. */
extern float hnr_codec_product(const HnrCodec *codec, const HnrSlot *slot, const float *rotated);

/* |o - p| as the slot has it, and the estimated squared distance of two neighbours. */
extern float hnr_codec_length(const HnrCodec *codec, const HnrSlot *slot);
extern float hnr_codec_pair_l2_squared(const HnrCodec *codec, const HnrSlot *a, const HnrSlot *b);

/* The same for many pairs: what can be told of a neighbour from its slot alone. */
typedef struct HnrArm
{
	const HnrSlot *slot;
	float		length;			/* |o - p|, about */
	float		inverse;		/* of the code (hnr_code_inverse) */
} HnrArm;

extern void hnr_codec_measure_arm(const HnrCodec *codec, const HnrSlot *slot, HnrArm *arm);
extern float hnr_codec_arms_l2_squared(const HnrCodec *codec, const HnrArm *a, const HnrArm *b);

/*
 * A factor keeps eight digits: far more than the estimate it is for.  The constant
 * is made with the factor as kept, so that the two fit.
 */
static inline float
hnr_slot_factor(const HnrSlot *slot)
{
	union
	{
		uint32		u;
		float		f;
	}			v;

	v.u = (uint32) slot->factor << 16;
	return v.f;
}

/* The code behind a slot. */
static inline uint8 *
hnr_slot_code(const HnrSlot *slot)
{
	return (uint8 *) (slot + 1);
}

#endif							/* HNR_CODEC_H */
