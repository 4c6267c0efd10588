/*-------------------------------------------------------------------------
 *
 * sound.c
 *		Whether what a vertex holds can be right.  See sound.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "am/sound.h"
#include "am/stored.h"
#include "distance/distance.h"
#include "miscadmin.h"

/* Deviations allowed: what instruction sets sum differently, and halves' digits. */
#define NORM_TOLERANCE		1e-3
#define BYTE_NORM_TOLERANCE	0.1
#define ESTIMATE_TOLERANCE	6e-3
#define FACTOR_TOLERANCE	0.05

/* What the square of the length of a unit vector may differ from one by. */
static double
norm_tolerance(const HnrLayout *layout, HnrScale scale)
{
	switch (layout->encoding)
	{
		case HNR_ENCODING_BYTE:
			return BYTE_NORM_TOLERANCE;
		case HNR_ENCODING_SHORT:
			/* a step for each coordinate, at most: see hnr_stored_most_lost() */
			return NORM_TOLERANCE + 2 * sqrt(layout->dims) * ldexp(1.0, scale.exponent);
		default:
			return NORM_TOLERANCE;
	}
}

const char *
hnr_sound_vector(const HnrIndex *index, const float *vec, HnrScale stored)
{
	const HnrLayout *layout = &index->layout;
	const HnrMetric *metric = index->metric;
	float		norm;
	HnrScale	scale;

	if (metric->type->problem)
		return metric->type->problem(metric, layout->column_dims, layout->dims, vec);
	norm = hnr_distance->inner_product(layout->dims, vec, vec);
	/* or the squares are out of range only */
	for (int i = 0; i < layout->dims && !isfinite(norm); i++)
		if (!isfinite(vec[i]))
			return "a vector has a coordinate that is not a finite number";
	if (metric->normalize && fabs(norm - 1) > norm_tolerance(layout, stored))
		return "a vector is not of unit length";
	scale = hnr_stored_scale(layout->encoding, layout->dims, vec);
	if (stored.exponent != scale.exponent || stored.bias != scale.bias)
		return "a vector is not stored with the scale that belongs to it";
	return NULL;
}

/*
 * What rounding has cost is not told by the vector as stored, only how it may be at
 * most, to which comes what sums are off by.
 */
bool
hnr_sound_rounding(const HnrIndex *index, const float *vec, HnrScale scale, float error)
{
	const HnrLayout *layout = &index->layout;
	double		sum = 0;
	double		most;

	if (!isfinite(error) || error < 0)
		return false;
	if (index->metric->type->error)
		return error == index->metric->type->error(index->metric, layout->dims, vec);
	if (layout->encoding == HNR_ENCODING_FLOAT && index->metric->kind != HNR_METRIC_COSINE)
		return error == 0;
	if (error == 0)
		return true;
	/* a sum of magnitudes is greater than any length */
	for (int i = 0; i < layout->dims; i++)
		sum += fabs(vec[i]);
	most = 1e-4 * sum + hnr_stored_most_lost(layout->encoding, scale, layout->dims, 1.01 * sum);
	return error <= 1.01 * most + 1e-4;
}

/*
 * An estimate is exact at the two ends of the link, whatever the code: from p itself and
 * from o, d(q, o) - d(q, p) is known.
 */
bool
hnr_sound_code(HnrCodec *codec, const HnrSlot *slot, HnrCodecPoint at, HnrCodecPoint there)
{
	int			n = codec->layout->dims;
	const float *p = at.vec;
	const float *o = there.vec;
	HnrSlot    *now = palloc(codec->layout->slot_size);
	ItemPointerData tid = slot->vertex;
	double		xp,
				xo,
				from_p = 0,
				from_o = 0,
				r2 = 0,
				norms = 0,
				tolerance,
				factor;

	hnr_codec_encode(codec, at, there, &tid, now);
	factor = hnr_slot_factor(now);
	pfree(now);
	xp = hnr_code_dot(codec->quantizer, hnr_slot_code(slot), at.rotated);
	xo = hnr_code_dot(codec->quantizer, hnr_slot_code(slot), there.rotated);
	for (int i = 0; i < n; i++)
	{
		double		d = (double) o[i] - p[i];

		r2 += d * d;
		norms += (double) o[i] * o[i] + (double) p[i] * p[i];
		from_p -= d * p[i];
		from_o -= d * o[i];
	}
	if (codec->metric->kind == HNR_METRIC_L2)
	{
		from_p = r2;
		from_o = -r2;
	}
	tolerance = ESTIMATE_TOLERANCE * (r2 + sqrt(r2 * norms) + fabs(hnr_slot_factor(slot)) * (fabs(xp) + fabs(xo)));
	/* beyond the range of the estimates, which are made of squares in float */
	if (!isfinite((float) (tolerance * 1e3)) || r2 < FLT_MIN)
		return true;
	for (int i = 0; i < hnr_codec_rotated_dims(codec); i++)
		codec->residual[i] = there.rotated[i] - at.rotated[i];
	if (!hnr_code_fits(codec->quantizer, codec->residual, hnr_slot_code(slot)))
		return false;
	/* written so that NaN does not agree */
	return fabs(slot->constant + hnr_slot_factor(slot) * xp - from_p) <= tolerance &&
		fabs(slot->constant + hnr_slot_factor(slot) * xo - from_o) <= tolerance &&
		fabs(hnr_slot_factor(slot) - factor) <= FACTOR_TOLERANCE * fabs(factor);
}

struct HnrCodeSample
{
	HnrCodec   *codec;
	uint32		every;			/* of so many vertices, a link of one */
	uint32		seen;
	int			n;
	int			max;
	uint32	   *from;
	uint32	   *to;
	char	   *slots;
};

HnrCodeSample *
hnr_code_sample_create(const HnrIndex *index, uint32 vertices, int n)
{
	HnrCodeSample *s = palloc0(sizeof(HnrCodeSample));

	s->codec = index->codec;
	s->max = hnr_codec_rotated_dims(index->codec) > 0 ? n : 0;
	s->every = vertices / n + 1;
	s->from = palloc(sizeof(uint32) * n);
	s->to = palloc(sizeof(uint32) * n);
	s->slots = palloc((Size) index->layout.slot_size * n);
	return s;
}

bool
hnr_code_sample_wants(HnrCodeSample *s)
{
	return s->n < s->max && s->seen++ % s->every == 0;
}

void
hnr_code_sample_add(HnrCodeSample *s, uint32 from, uint32 to, const HnrSlot *slot)
{
	Size		size = s->codec->layout->slot_size;

	s->from[s->n] = from;
	s->to[s->n] = to;
	memcpy(s->slots + size * s->n++, slot, size);
}

uint32
hnr_code_sample_check(HnrCodeSample *s, const HnrMemGraph *graph)
{
	int			dims = s->codec->layout->dims;
	int			rdims = hnr_codec_rotated_dims(s->codec);
	float	   *room = palloc(sizeof(float) * 2 * (dims + rdims));
	HnrCodecPoint at = {room, room + 2 * dims};
	HnrCodecPoint there = {room + dims, room + 2 * dims + rdims};
	uint32		wrong = HNR_MEM_NONE;

	for (int i = 0; i < s->n && wrong == HNR_MEM_NONE; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnr_mem_graph_decode(graph, s->from[i], room);
		hnr_mem_graph_decode(graph, s->to[i], room + dims);
		hnr_codec_rotate(s->codec, at.vec, room + 2 * dims);
		hnr_codec_rotate(s->codec, there.vec, room + 2 * dims + rdims);
		if (!hnr_sound_code(s->codec, (HnrSlot *) (s->slots + (Size) i * s->codec->layout->slot_size),
							at, there))
			wrong = s->from[i];
	}
	pfree(room);
	return wrong;
}
