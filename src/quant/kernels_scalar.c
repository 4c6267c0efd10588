/*-------------------------------------------------------------------------
 *
 * kernels_scalar.c
 *		The kernels of quant/ in plain C: what the others must agree with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "quant/internal.h"

#define HNR_TARGET
#define V					float
#define V_WIDTH				1
#define V_LOAD(p)			(*(p))
#define V_STORE(p, v)		(*(p) = (v))
#define V_ZERO()			0.0f
#define V_SET1(f)			(f)
#define V_ADD(x, y)			((x) + (y))
#define V_SUB(x, y)			((x) - (y))
#define V_MUL(x, y)			((x) * (y))
#define V_MIN(x, y)			Min(x, y)
#define V_MAX(x, y)			Max(x, y)
#define V_FMA(x, y, z)		((x) * (y) + (z))
#define V_ABS(v)			fabsf(v)
#define V_TRUNC(v)			((float) (int) (v))
#define V_WITH_SIGN(x, y)	copysignf(x, y)
#define V_SUM(v)			(v)
#define V_GREATEST(v)		(v)
#define V_HADAMARD(v)		(v)
#define V_STORE_BYTES(p, v)	(*(p) = (uint8) (v))
#define VI					int32
#define VI_ZERO()			0
#define VI_ADD(x, y)		((x) + (y))
#define VI_SUM(v)			(v)
#define V_NEAREST(v)		((int32) lrintf(v))
#define VI_STORE_LOW(p, v)	(*(p) = (int8) (uint8) (v))
#define VI_STORE_HIGH(p, v)	(*(p) = (int8) (((v) + 128) >> 8))

#include "quant/floats.inc.h"

#include "quant/products.inc.h"

/* The 64 values of a group, a byte each, in the order of the coordinates. */
static inline void
group_values(int bits, const uint8 *code, uint8 *u)
{
	const uint64 mask = PG_UINT64_MAX / 255 * ((1 << bits) - 1);
	uint64		values[HNR_GROUP / 8];

	/* Eight bytes at a time; a value does not leave its byte. */
	for (int w = 0; w < bits; w++)
	{
		uint64		word;

		memcpy(&word, code + 8 * w, sizeof(word));
		for (int j = 0; j < 8 / bits; j++)
			values[j * bits + w] = (word >> (j * bits)) & mask;
	}
	memcpy(u, values, HNR_GROUP);
}

static inline float
code_dot_bits(int bits, const HnrQuantizer *qz, const uint8 *code, const float *x)
{
	float		sums[4] = {0};
	int			whole = qz->rdims - qz->tail;

	for (int i = 0; i < whole; i += HNR_GROUP, code += HNR_GROUP / 8 * bits)
	{
		uint8		u[HNR_GROUP];

		group_values(bits, code, u);
		for (int k = 0; k < HNR_GROUP; k += 4)
			for (int s = 0; s < 4; s++)
				sums[s] += (float) u[k + s] * x[i + k + s];
	}
	if (qz->tail > 0)
		sums[0] += hnr_group_dot(bits, qz->tail, code, x + whole);
	return sums[0] + sums[1] + sums[2] + sums[3];
}

static float
code_dot(const HnrQuantizer *qz, const uint8 *code, const float *x)
{
	switch (qz->bits)
	{
		case 1:
			return code_dot_bits(1, qz, code, x);
		case 2:
			return code_dot_bits(2, qz, code, x);
		default:
			return code_dot_bits(4, qz, code, x);
	}
}

static inline void
code_dots_bits(int bits, const HnrCodeQuery *cq, const uint8 *codes, int stride,
			   int n, float *out)
{
	const HnrQuantizer *qz = cq->qz;

	for (int i = 0; i < n; i++, codes += stride)
	{
		int32		high_sum = 0;
		int32		low_sum = 0;

		for (int g = 0; g < qz->groups; g++)
		{
			const int8 *high = cq->high + g * HNR_GROUP;
			const int8 *low = cq->low + g * HNR_GROUP;
			uint8		u[HNR_GROUP];

			group_values(bits, codes + hnr_group_start(qz, g), u);
			for (int k = 0; k < HNR_GROUP; k++)
			{
				high_sum += (int16) u[k] * high[k];
				low_sum += (int16) u[k] * low[k];
			}
		}
		out[i] = hnr_dot_of_steps(cq, 256 * high_sum + low_sum);
	}
}

static void
code_dots(const HnrCodeQuery *cq, const uint8 *codes, int stride, int n, float *out)
{
	switch (cq->qz->bits)
	{
		case 1:
			code_dots_bits(1, cq, codes, stride, n, out);
			break;
		case 2:
			code_dots_bits(2, cq, codes, stride, n, out);
			break;
		default:
			code_dots_bits(4, cq, codes, stride, n, out);
			break;
	}
}

/* xbar is 2u - 15 in its units, for both nibbles of each byte. */
static void
products_4bit(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	*ab = *aa = *bb = 0;
	for (int k = 0; k < qz->code_size; k++)
		for (int j = 0; j < 8; j += 4)
		{
			int			va = 2 * ((a[k] >> j) & 15) - 15;
			int			vb = 2 * ((b[k] >> j) & 15) - 15;

			*ab += va * vb;
			*aa += va * va;
			*bb += vb * vb;
		}
}

static void
code_products(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	switch (qz->bits)
	{
		case 1:
			products_1bit(qz, a, b, ab, aa, bb);
			break;
		case 2:
			products_2bit(qz, a, b, ab, aa, bb);
			break;
		default:
			products_4bit(qz, a, b, ab, aa, bb);
			break;
	}
}

uint32
hnr_block_below_scalar(const HnrBlockQuery *bq, const uint8 *block, const float *terms,
					   const HnrBlockBound *bound, uint16 *sums)
{
	uint32		below = 0;

	memset(sums, 0, sizeof(*sums) * HNR_BLOCK);
	for (int k = 0; k < bq->head->code_size; k++, block += HNR_BLOCK)
		for (int i = 0; i < HNR_BLOCK; i++)
			sums[i] += bq->tables[k / 2].tables[0][k % 2][block[i] & 15] +
				bq->tables[k / 2].tables[1][k % 2][block[i] >> 4];
	for (int i = 0; i < HNR_BLOCK; i++)
	{
		float		least = bound->scale * terms[i] +
			terms[HNR_BLOCK + i] * (bound->offset + bq->step * (float) sums[i]);

		if (!(least > bound->most))
			below |= (uint32) 1 << i;
	}
	return below;
}

const HnrQuantKernels hnr_quant_scalar = {
	"scalar",
	rotate,
	sum_and_max,
	square_sum,
	level_sums,
	code_values,
	split_steps,
	code_dot,
	code_dots,
	code_products,
	fill_table,
	hnr_block_below_scalar
};
