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
#include "am/half.h"
#include "distance/distance.h"
#include "utils/memutils.h"

/*
 * A rotation depends on (dims, bits, seed) only and costs more to make than a
 * search step, so a backend keeps the first few it uses for its life.
 */
#define CACHED_QUANTIZERS 8

typedef struct CachedQuantizer
{
	int			dims;
	int			bits;
	uint64		seed;
	HnrQuantizer *quantizer;
} CachedQuantizer;

static CachedQuantizer cache[CACHED_QUANTIZERS];

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

		if (c->quantizer == NULL)
		{
			c->quantizer = create_in(TopMemoryContext, dims, bits, seed);
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

void
hnr_codec_encode(HnrCodec *codec, HnrCodecPoint p, HnrCodecPoint o,
				 ItemPointer tid, HnrSlot *slot)
{
	int			n = codec->layout->dims;
	int			rn = hnr_codec_rotated_dims(codec);
	float		g,
				r2,
				xbar_p;

	if (codec->quantizer == NULL)
	{
		memset(slot, 0, HNR_PLAIN_SLOT_SIZE);
		slot->vertex = *tid;
		return;
	}

	memset(slot, 0, codec->layout->slot_size);
	slot->vertex = *tid;
	for (int i = 0; i < rn; i++)
		codec->residual[i] = o.rotated[i] - p.rotated[i];
	g = hnr_encode(codec->quantizer, codec->residual, hnr_slot_code(slot));
	slot->inverse = hnr_half_from_float(g);
	r2 = hnr_distance->l2_squared(n, p.vec, o.vec);
	xbar_p = hnr_code_dot(codec->quantizer, hnr_slot_code(slot), p.rotated);
	if (codec->metric->kind == HNR_METRIC_L2)
	{
		slot->factor = -2.0f * sqrtf(r2) * g;
		slot->constant = r2 - slot->factor * xbar_p;
	}
	else
	{
		/* <p, o - p> loses digits as a difference of products: sum it as such */
		double		p_op = 0;

		for (int i = 0; i < n; i++)
			p_op += (double) p.vec[i] * ((double) o.vec[i] - p.vec[i]);
		slot->factor = -sqrtf(r2) * g;
		slot->constant = (float) (-p_op) - slot->factor * xbar_p;
	}
}

float
hnr_codec_length(const HnrCodec *codec, const HnrSlot *slot)
{
	float		g = hnr_half_to_float(slot->inverse);

	if (g == 0)
		return 0;
	return -slot->factor / (codec->metric->kind == HNR_METRIC_L2 ? 2.0f * g : g);
}

float
hnr_codec_pair_l2_squared(const HnrCodec *codec, const HnrSlot *a, const HnrSlot *b)
{
	float		ra = hnr_codec_length(codec, a);
	float		rb = hnr_codec_length(codec, b);
	float		cosine = hnr_code_cosine(codec->quantizer,
										 hnr_slot_code(a), hnr_half_to_float(a->inverse),
										 hnr_slot_code(b), hnr_half_to_float(b->inverse));

	return ra * ra + rb * rb - 2.0f * ra * rb * cosine;
}
