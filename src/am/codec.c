/*-------------------------------------------------------------------------
 *
 * codec.c
 *		Coded slots.  See codec.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/codec.h"
#include "distance/distance.h"
#include "utils/memutils.h"

/*
 * A rotation depends on (dims, seed) only and costs more to make than a search step (of 768
 * dimensions, as much as some ten), so a backend keeps the first ones it uses for its life: of
 * 768 dimensions all 64, of 2000 a half of them.
 */
#define CACHED_QUANTIZERS 64
#define CACHED_BYTES	((Size) 1280 * 1024)

typedef struct CachedQuantizer
{
	int			dims;
	int			bits;
	uint64		seed;
	HnrQuantizer *quantizer;
} CachedQuantizer;

static CachedQuantizer cache[CACHED_QUANTIZERS];
static Size cached_bytes = 0;

static HnrQuantizer *
create_in(MemoryContext context, int dims, int bits, uint64 seed)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	HnrQuantizer *qz = hnr_quantizer_create(dims, bits, seed);

	MemoryContextSwitchTo(old);
	return qz;
}

/*
 * From the cache or, when that is full of others, a private one in the current
 * context.  Cached rotations are never freed, so no scan can lose the one it uses.
 */
static HnrQuantizer *
get_quantizer(int dims, int bits, uint64 seed)
{
	for (int i = 0; i < CACHED_QUANTIZERS; i++)
	{
		CachedQuantizer *c = &cache[i];

		if (c->quantizer == NULL && cached_bytes + hnr_quantizer_memory(dims) > CACHED_BYTES)
			break;
		if (c->quantizer == NULL)
		{
			c->quantizer = create_in(TopMemoryContext, dims, bits, seed);
			cached_bytes += hnr_quantizer_memory(dims);
			c->dims = dims;
			c->bits = bits;
			c->seed = seed;
			return c->quantizer;
		}
		if (c->dims == dims && c->bits == bits && c->seed == seed)
			return c->quantizer;
	}
	return create_in(CurrentMemoryContext, dims, bits, seed);
}

HnrCodec *
hnr_codec_create(const HnrMetric *metric, const HnrLayout *layout, uint64 seed)
{
	HnrCodec   *codec = palloc0(sizeof(HnrCodec));

	codec->metric = metric;
	codec->layout = layout;
	if (layout->code_bits > 0)
	{
		codec->quantizer = get_quantizer(layout->dims, layout->code_bits, seed);
		codec->residual = palloc(sizeof(float) * hnr_codec_rotated_dims(codec));
	}
	return codec;
}

HnrCodec *
hnr_codec_with_bits(const HnrCodec *codec, const HnrLayout *layout)
{
	HnrCodec   *other = palloc0(sizeof(HnrCodec));

	other->metric = codec->metric;
	other->layout = layout;
	other->quantizer = hnr_quantizer_with_bits(codec->quantizer, layout->code_bits);
	other->residual = palloc(sizeof(float) * hnr_codec_rotated_dims(other));
	return other;
}

int
hnr_codec_rotated_dims(const HnrCodec *codec)
{
	return codec->quantizer ? hnr_quantizer_rotated_dims(codec->quantizer) : 0;
}

void
hnr_codec_rotate(const HnrCodec *codec, const float *vec, float *rotated)
{
	if (codec->quantizer)
		hnr_rotate(codec->quantizer, vec, rotated);
}

/* Rounds a factor to what a slot keeps. */
static void
set_factor(HnrSlot *slot, float factor)
{
	union
	{
		float		f;
		uint32		u;
	}			v;

	v.f = factor;
	slot->factor = (uint16) ((v.u + 0x7FFF + ((v.u >> 16) & 1)) >> 16);
}

/*
 * Completes a slot of p that has its code: factor and constant, from the code's g and
 * the squared length of o - p.
 */
static void
fill_slot(const HnrCodec *codec, HnrCodecPoint p, HnrCodecPoint o, float g, float r2,
		  HnrSlot *slot)
{
	int			n = codec->layout->dims;
	float		xbar_p = hnr_code_dot(codec->quantizer, hnr_slot_code(slot), p.rotated);

	if (codec->metric->kind == HNR_METRIC_L2)
	{
		set_factor(slot, -2.0f * sqrtf(r2) * g);
		slot->constant = r2 - hnr_slot_factor(slot) * xbar_p;
	}
	else
	{
		/* <p, o - p> loses digits as a difference of products: sum it as such */
		double		p_op = 0;

		for (int i = 0; i < n; i++)
			p_op += (double) p.vec[i] * ((double) o.vec[i] - p.vec[i]);
		set_factor(slot, -sqrtf(r2) * g);
		slot->constant = (float) (-p_op) - hnr_slot_factor(slot) * xbar_p;
	}
}

/* Codes o as seen from p; returns g. */
static float
code_direction(HnrCodec *codec, HnrCodecPoint p, HnrCodecPoint o, HnrSlot *slot)
{
	int			rn = hnr_codec_rotated_dims(codec);

	for (int i = 0; i < rn; i++)
		codec->residual[i] = o.rotated[i] - p.rotated[i];
	return hnr_encode(codec->quantizer, codec->residual, hnr_slot_code(slot));
}

void
hnr_codec_encode(HnrCodec *codec, HnrCodecPoint p, HnrCodecPoint o,
				 ItemPointer tid, HnrSlot *slot)
{
	float		g;

	memset(slot, 0, codec->layout->slot_size);
	slot->vertex = *tid;
	if (codec->quantizer == NULL)
		return;
	g = code_direction(codec, p, o, slot);
	fill_slot(codec, p, o, g, hnr_distance->l2_squared(codec->layout->dims, p.vec, o.vec), slot);
}

void
hnr_codec_encode_both(HnrCodec *codec, HnrCodecPoint p, HnrCodecPoint o,
					  HnrSlot *slot_of_p, HnrSlot *slot_of_o)
{
	int			size = hnr_code_size(codec->layout->dims, codec->layout->code_bits);
	float		g;
	float		r2;

	memset(slot_of_p, 0, codec->layout->slot_size);
	memset(slot_of_o, 0, codec->layout->slot_size);
	if (codec->quantizer == NULL)
		return;
	g = code_direction(codec, p, o, slot_of_p);
	/* levels lie symmetrically around zero */
	if (g != 0)
		for (int i = 0; i < size; i++)
			hnr_slot_code(slot_of_o)[i] = ~hnr_slot_code(slot_of_p)[i];
	r2 = hnr_distance->l2_squared(codec->layout->dims, p.vec, o.vec);
	fill_slot(codec, p, o, g, r2, slot_of_p);
	fill_slot(codec, o, p, g, r2, slot_of_o);
}

float
hnr_codec_constant_scale(const HnrMetric *metric, int n, const float *p, float distance)
{
	float		length2;

	if (metric->kind == HNR_METRIC_COSINE)
		return 1.0f - distance; /* p is of unit length */
	if (metric->kind != HNR_METRIC_IP)
		return 1.0f;
	length2 = hnr_distance->inner_product(n, p, p);
	return length2 > 0 ? -distance / length2 : 1.0f;
}

float
hnr_codec_product(const HnrCodec *codec, const HnrSlot *slot, const float *rotated)
{
	return slot->constant +
		hnr_slot_factor(slot) * hnr_code_dot(codec->quantizer, hnr_slot_code(slot), rotated);
}

void
hnr_codec_measure_arm(const HnrCodec *codec, const HnrSlot *slot, HnrArm *arm)
{
	float		factor = hnr_slot_factor(slot);

	arm->slot = slot;
	arm->length = 0;
	arm->inverse = hnr_code_inverse(codec->quantizer, hnr_slot_code(slot));
	if (factor != 0)
		arm->length = -factor / arm->inverse;
	if (codec->metric->kind == HNR_METRIC_L2)
		arm->length /= 2;
}

float
hnr_codec_arms_l2_squared(const HnrCodec *codec, const HnrArm *a, const HnrArm *b)
{
	float		ra = a->length;
	float		rb = b->length;

	if (ra == 0 || rb == 0)
		return ra * ra + rb * rb;
	return ra * ra + rb * rb -
		2.0f * ra * rb * hnr_code_cosine(codec->quantizer, hnr_slot_code(a->slot), a->inverse,
										 hnr_slot_code(b->slot), b->inverse);
}

float
hnr_codec_length(const HnrCodec *codec, const HnrSlot *slot)
{
	HnrArm		arm;

	hnr_codec_measure_arm(codec, slot, &arm);
	return arm.length;
}

float
hnr_codec_pair_l2_squared(const HnrCodec *codec, const HnrSlot *a, const HnrSlot *b)
{
	HnrArm		arm_a;
	HnrArm		arm_b;

	hnr_codec_measure_arm(codec, a, &arm_a);
	hnr_codec_measure_arm(codec, b, &arm_b);
	return hnr_codec_arms_l2_squared(codec, &arm_a, &arm_b);
}
