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

/* One walk over a code: calls step(u, i) for the value of each coordinate i. */
#define FOR_EACH_VALUE(qz, code, step) \
	do { \
		const uint8 *c_ = (code); \
		const int	bits_ = (qz)->bits; \
		const int	mask_ = (1 << bits_) - 1; \
		for (int base_ = 0; base_ < (qz)->rdims; base_ += HNR_GROUP) \
		{ \
			int			nb_ = Min(HNR_GROUP, (qz)->rdims - base_) * bits_ / 8; \
			for (int j_ = 0; j_ < 8 / bits_; j_++) \
				for (int k_ = 0; k_ < nb_; k_++) \
					step((c_[k_] >> (j_ * bits_)) & mask_, base_ + j_ * nb_ + k_); \
			c_ += nb_; \
		} \
	} while (0)

/* Walsh-Hadamard transform without its scale; n is a power of two. */
static void
hadamard(int n, float *x)
{
	for (int h = 1; h < n; h *= 2)
		for (int i = 0; i < n; i += 2 * h)
			for (int j = i; j < i + h; j++)
			{
				float		a = x[j];
				float		b = x[j + h];

				x[j] = a + b;
				x[j + h] = a - b;
			}
}

static void
rotate(const HnrQuantizer *qz, float *x)
{
	int			n = qz->rdims;
	int			rest = n - qz->fht_size;

	for (int r = 0; r < qz->rounds; r++)
	{
		const float *w = qz->weights + (size_t) r * n;

		for (int i = 0; i < n; i++)
			x[i] *= w[i];
		hadamard(qz->fht_size, r % 2 == 0 ? x : x + rest);
		if (rest == 0 || r == qz->rounds - 1)
			continue;
		for (int i = 0, j = n - HNR_PAIRS(n); j < n; i++, j++)
		{
			float		a = x[i];
			float		b = x[j];

			x[i] = a + b;
			x[j] = a - b;
		}
	}
}

static void
magnitudes(int n, const float *x, float *sum, float *max)
{
	float		s = 0;
	float		m = 0;

	for (int i = 0; i < n; i++)
	{
		float		a = fabsf(x[i]);

		s += a;
		m = a > m ? a : m;
	}
	*sum = s;
	*max = m;
}

static float
square_sum(int n, const float *x)
{
	float		sum = 0;

	for (int i = 0; i < n; i++)
		sum += x[i] * x[i];
	return sum;
}

static void
level_sums(int n, const float *x, float scale, float top, float *dot, float *norm)
{
	float		d = 0;
	float		s = 0;

	for (int i = 0; i < n; i++)
	{
		float		a = fabsf(x[i]);
		float		level = (float) (int) Min(a * scale, top) + 0.5f;

		d += level * a;
		s += level * level;
	}
	*dot = d;
	*norm = s;
}

static void
code_values(int n, const float *x, float scale, float top, uint8 *u)
{
	for (int i = 0; i < n; i++)
	{
		int			level = (int) Min(fabsf(x[i]) * scale, top);

		u[i] = signbit(x[i]) ? (int) top - level : (int) top + 1 + level;
	}
}

static float
code_dot(const HnrQuantizer *qz, const uint8 *code, const float *x)
{
	float		sum = 0;

#define STEP(u, i) sum += (float) (u) * x[i]
	FOR_EACH_VALUE(qz, code, STEP);
#undef STEP
	return sum;
}

static void
code_dots(const HnrCodeQuery *cq, const uint8 *codes, int stride, int n, float *out)
{
	for (int i = 0; i < n; i++)
	{
		int32		sum = 0;

#define STEP(u, i) sum += (u) * cq->steps[i]
		FOR_EACH_VALUE(cq->qz, codes + (size_t) i * stride, STEP);
#undef STEP
		out[i] = cq->half_step * (float) (2 * sum - cq->bias);
	}
}

static void
code_products(const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
			  int32 *ab, int32 *aa, int32 *bb)
{
	int			bits = qz->bits;
	int			mask = (1 << bits) - 1;
	int32		sum_ab = 0;
	int32		sum_aa = 0;
	int32		sum_bb = 0;

	/* the same order in both, so bytes can be taken as they come */
	for (int k = 0; k < qz->code_size; k++)
		for (int j = 0; j < 8; j += bits)
		{
			int			va = 2 * ((a[k] >> j) & mask) - mask;
			int			vb = 2 * ((b[k] >> j) & mask) - mask;

			sum_ab += va * vb;
			sum_aa += va * va;
			sum_bb += vb * vb;
		}
	*ab = sum_ab;
	*aa = sum_aa;
	*bb = sum_bb;
}

const HnrQuantKernels hnr_quant_scalar = {
	"scalar",
	rotate,
	magnitudes,
	square_sum,
	level_sums,
	code_values,
	code_dot,
	code_dots,
	code_products
};
