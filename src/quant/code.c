/*-------------------------------------------------------------------------
 *
 * code.c
 *		Codes: encoding, and what can be estimated from them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "quant/internal.h"

/* Scales that encoding tries: more for fewer coordinates, where each counts. */
#define SCALES_TRIED(n)		Max(12, 1024 / (n))

/* Coordinates between these can be squared and summed in float4. */
#define LEAST_MAGNITUDE		1e-15f
#define GREATEST_MAGNITUDE	1e+15f
/* A query with no coordinate above this counts as zero: 2^16 / it is finite. */
#define LEAST_QUERY			1e-33f

/* A rotated coordinate of less than this part of the largest may have either sign. */
#define SIGN_TOLERANCE		1e-4f

/* Optimal steps of uniform quantisers of a normal variable, in its deviation. */
#define NORMAL_STEP_2BIT	0.9957f
#define NORMAL_STEP_4BIT	0.3352f

/*
 * The factor on the coordinates for which their levels point as exactly as can
 * be in the direction of x.  The tried ones run from the one at which the
 * largest coordinate just reaches the top level (best for a few large
 * coordinates) to somewhat beyond the one best for normal coordinates.
 */
static float
best_scale(int bits, int n, const float *x, float norm, float max)
{
	float		top = (1 << (bits - 1)) - 1;
	float		normal = sqrtf(n) / norm / (bits == 2 ? NORMAL_STEP_2BIT : NORMAL_STEP_4BIT);
	float		from = (top + 0.5f) / max;
	float		to = Max(from, normal) * 1.4f;
	int			tries = SCALES_TRIED(n);
	float		factor;
	float		best = from;
	float		best_score = -1;

	from = Max(from, normal * 0.7f);
	factor = powf(to / from, 1.0f / (tries - 1));
	for (int i = 0; i < tries; i++, from *= factor)
	{
		float		dot;
		float		norm2;

		hnr_quant_kernels->level_sums(n, x, from, top, &dot, &norm2);
		if (dot * dot / norm2 > best_score)
		{
			best_score = dot * dot / norm2;
			best = from;
		}
	}
	return best;
}

/* Packs one value per byte, of one group; see HNR_GROUP for the order. */
static void
pack_values(int bits, int count, const uint8 *u, uint8 *code)
{
	int			nb = count * bits / 8;
	uint64		values[HNR_GROUP / 8];

	if (count < HNR_GROUP)
	{
		for (int k = 0; k < nb; k++)
		{
			int			byte = 0;

			for (int j = 0; j < 8 / bits; j++)
				byte |= u[j * nb + k] << (j * bits);
			code[k] = byte;
		}
		return;
	}

	/* Eight bytes at a time: no value is shifted out of its byte. */
	memcpy(values, u, HNR_GROUP);
	for (int w = 0; w < bits; w++)
	{
		uint64		word = 0;

		for (int j = 0; j < 8 / bits; j++)
			word |= values[j * bits + w] << (j * bits);
		memcpy(code + 8 * w, &word, sizeof(word));
	}
}

float
hnr_group_dot(int bits, int count, const uint8 *code, const float *x)
{
	int			nb = count * bits / 8;
	int			mask = (1 << bits) - 1;
	float		sum = 0;

	for (int j = 0; j < 8; j += bits, x += nb)
		for (int k = 0; k < nb; k++)
			sum += (float) ((code[k] >> j) & mask) * x[k];
	return sum;
}

/*
 * Encodes x, whose largest magnitude is max, of a size whose squares a float can
 * hold.
 */
static float
encode(const HnrQuantizer *qz, const float *x, float max, uint8 *code)
{
	const HnrQuantKernels *kernels = hnr_quant_kernels;
	int			bits = qz->bits;
	int			n = qz->rdims;
	float		top = (1 << (bits - 1)) - 1;
	float		scale = 1;
	float		norm2;
	float		dot;
	float		level_norm2;
	uint8		u[HNR_GROUP];

	norm2 = kernels->square_sum(n, x);
	if (bits > 1)
		scale = best_scale(bits, n, x, sqrtf(norm2), max);
	for (int base = 0; base < n; base += HNR_GROUP)
	{
		int			count = Min(HNR_GROUP, n - base);

		kernels->code_values(count, x + base, scale, top, u);
		pack_values(bits, count, u, code);
		code += count * bits / 8;
	}
	kernels->level_sums(n, x, scale, top, &dot, &level_norm2);
	return sqrtf(norm2) / dot;
}

float
hnr_encode(const HnrQuantizer *qz, const float *residual, uint8 *code)
{
	float		sum;
	float		max;
	float	   *scaled;
	float		g;
	int			exponent;

	hnr_quant_kernels->sum_and_max(qz->rdims, residual, &sum, &max);
	if (!(max > 0 && max <= FLT_MAX))
	{
		memset(code, 0, qz->code_size);
		return 0;
	}
	if (max > LEAST_MAGNITUDE && max < GREATEST_MAGNITUDE)
		return encode(qz, residual, max, code);

	/* Code and factor do not depend on the length, so change that. */
	frexpf(max, &exponent);
	scaled = palloc(sizeof(float) * qz->rdims);
	for (int i = 0; i < qz->rdims; i++)
		scaled[i] = ldexpf(residual[i], -exponent);
	g = encode(qz, scaled, ldexpf(max, -exponent), code);
	pfree(scaled);
	return g;
}

/* The values that the code of one group of count coordinates holds. */
static void
unpack_values(int bits, int count, const uint8 *code, uint8 *u)
{
	int			nb = count * bits / 8;

	for (int i = 0; i < count; i++)
		u[i] = (code[i % nb] >> (i / nb * bits)) & ((1 << bits) - 1);
}

bool
hnr_code_fits(const HnrQuantizer *qz, const float *residual, const uint8 *code)
{
	uint8	   *expected = palloc(qz->code_size);
	const uint8 *now = expected;
	int			half = 1 << (qz->bits - 1);
	bool		fits = true;
	float		sum;
	float		max;

	hnr_encode(qz, residual, expected);
	hnr_quant_kernels->sum_and_max(qz->rdims, residual, &sum, &max);
	for (int base = 0; base < qz->rdims && fits; base += HNR_GROUP)
	{
		int			count = Min(HNR_GROUP, qz->rdims - base);
		uint8		u[HNR_GROUP];
		uint8		w[HNR_GROUP];

		unpack_values(qz->bits, count, code, u);
		unpack_values(qz->bits, count, now, w);
		for (int i = 0; i < count; i++)
			if (abs((int) u[i] - (int) w[i]) > 1 ||
				((u[i] < half) != (w[i] < half) && fabsf(residual[base + i]) > SIGN_TOLERANCE * max))
				fits = false;
		code += count * qz->bits / 8;
		now += count * qz->bits / 8;
	}
	pfree(expected);
	return fits;
}

float
hnr_code_norm2(const HnrQuantizer *qz, const uint8 *code)
{
	int32		ab,
				aa,
				bb;

	if (qz->bits == 1)
		return qz->rdims / 4.0f;
	hnr_quant_kernels->code_products(qz, code, code, &ab, &aa, &bb);
	return aa / 4.0f;
}

float
hnr_code_error(const HnrQuantizer *qz, const uint8 *code, float g)
{
	/* what there is more of g xbar than x is at a right angle to it */
	return sqrtf(Max(g * g * hnr_code_norm2(qz, code) - 1.0f, 0.0f));
}

float
hnr_code_dot(const HnrQuantizer *qz, const uint8 *code, const float *rotated)
{
	float		sum;
	float		max;

	hnr_quant_kernels->sum_and_max(qz->rdims, rotated, &sum, &max);
	return hnr_quant_kernels->code_dot(qz, code, rotated) -
		0.5f * ((1 << qz->bits) - 1) * sum;
}

HnrCodeQuery *
hnr_code_query_create(const HnrQuantizer *qz)
{
	HnrCodeQuery *cq = palloc0(sizeof(HnrCodeQuery));
	int			max_value = (1 << qz->bits) - 1;

	cq->qz = qz;
	/* 2 * sum of value * step must fit an int32, high must fit an int8 */
	cq->max_step = Min(127 * 256, (1 << 30) / (qz->rdims * max_value));
	cq->high = palloc0(qz->groups * HNR_GROUP);
	cq->low = palloc0(qz->groups * HNR_GROUP);
	return cq;
}

/*
 * Puts the steps of a partial group, which stand at high and low in the order of
 * the coordinates, where hnr_group_start says that they belong.
 */
static void
place_partial(const HnrQuantizer *qz, int8 *high, int8 *low)
{
	int			bytes = HNR_GROUP / 8 * qz->bits;
	int			nb = qz->tail / 8 * qz->bits;
	int			at = qz->code_size < bytes ? 0 : bytes - nb;
	int8		values[2][HNR_GROUP];

	memcpy(values[0], high, qz->tail);
	memcpy(values[1], low, qz->tail);
	memset(high, 0, HNR_GROUP);
	memset(low, 0, HNR_GROUP);
	for (int i = 0; i < qz->tail; i += nb, at += bytes)
	{
		memcpy(high + at, values[0] + i, nb);
		memcpy(low + at, values[1] + i, nb);
	}
}

void
hnr_code_query_set(HnrCodeQuery *cq, const float *rotated)
{
	const HnrQuantizer *qz = cq->qz;
	int			whole = qz->rdims - qz->tail;
	float		scale = 0;
	float		sum;
	float		max;

	hnr_quant_kernels->sum_and_max(qz->rdims, rotated, &sum, &max);
	cq->half_step = 0;
	if (max > LEAST_QUERY && max <= FLT_MAX)
	{
		scale = cq->max_step / max;
		cq->half_step = 0.5f * max / cq->max_step;
	}
	cq->bias = hnr_quant_kernels->split_steps(qz->rdims, rotated, scale, cq->high, cq->low);
	cq->bias *= (1 << qz->bits) - 1;
	if (qz->tail > 0)
		place_partial(qz, cq->high + whole, cq->low + whole);
}

void
hnr_code_dots(const HnrCodeQuery *cq, const uint8 *codes, int stride, int n, float *out)
{
	const HnrQuantizer *qz = cq->qz;
	int			bytes = HNR_GROUP / 8 * qz->bits;
	int			behind = bytes - qz->code_size;
	int			last = 0;
	uint8		copy[4][HNR_GROUP / 2] = {0};

	if (n <= 0)
		return;

	/*
	 * Kernels read bytes behind a code that is shorter than a full group's (see
	 * hnr_group_start), so the last few are copied.  A code has at least a
	 * quarter of a group's bytes: it is four at most.
	 */
	if (behind > 0)
		last = Min(n, (behind + stride - 1) / stride);
	if (n > last)
		hnr_quant_kernels->code_dots(cq, codes, stride, n - last, out);
	if (last > 0)
	{
		for (int i = 0; i < last; i++)
			memcpy(copy[i], codes + (size_t) (n - last + i) * stride, qz->code_size);
		hnr_quant_kernels->code_dots(cq, copy[0], sizeof(copy[0]), last, out + n - last);
	}
}

/*
 * The codes' own cosine c is nearer to zero than that of what they stand for,
 * unless they are equal.  Of one bit, c is 2/pi times the arc sine of it.  Of
 * more, the factors ga and gb tell how much is missing where the vectors are not
 * much alike; this fades out towards c = 1, with about the power of c that the
 * integral of the bivariate normal density over the levels gives.
 */
float
hnr_code_cosine(const HnrQuantizer *qz, const uint8 *a, float ga,
				const uint8 *b, float gb)
{
	int32		ab,
				aa,
				bb;
	float		cosine;
	float		fade;

	if (ga == 0 || gb == 0)
		return 0;
	hnr_quant_kernels->code_products(qz, a, b, &ab, &aa, &bb);
	cosine = ab / sqrtf((float) aa * (float) bb);
	if (qz->bits == 1)
		return sinf(cosine * (float) (M_PI / 2));
	fade = cosine * cosine;
	for (int i = 0; i < (qz->bits == 2 ? 2 : 5); i++)
		fade *= fade;
	cosine += (0.25f * ga * gb * ab - cosine) * (1 - fade);
	return Max(-1.0f, Min(1.0f, cosine));
}

/* The cosine between a direction and what its code stands for, on average. */
static const float code_fidelity[] = {[1] = 0.798f,[2] = 0.940f,[4] = 0.994f};

float
hnr_code_inverse(const HnrQuantizer *qz, const uint8 *code)
{
	int32		ab,
				aa,
				bb;

	hnr_quant_kernels->code_products(qz, code, code, &ab, &aa, &bb);
	return 2.0f / (sqrtf((float) aa) * code_fidelity[qz->bits]);
}
