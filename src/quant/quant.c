/*-------------------------------------------------------------------------
 *
 * quant.c
 *		The quantizer: its geometry, its rotation, and the choice of kernels.
 *
 * The order of the coordinates in a code and the rotation are part of the disk
 * format; README defines both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "quant/internal.h"

const HnrQuantKernels *hnr_quant_kernels = &hnr_quant_scalar;

/* What the build has, best first. */
static const struct
{
	const HnrQuantKernels *kernels;
	HnrCpuLevel needs;
}			choices[] = {
	{&hnr_quant_scalar, HNR_CPU_ANY},
};

bool
hnr_quant_init(const char *isa)
{
	for (int i = 0; i < lengthof(choices); i++)
	{
		if (isa != NULL && strcmp(isa, choices[i].kernels->isa) != 0)
			continue;
		if (!hnr_cpu_has(choices[i].needs))
			continue;
		hnr_quant_kernels = choices[i].kernels;
		return true;
	}
	return false;
}

static int
rotated_dims(int dims)
{
	return TYPEALIGN(HNR_DIMS_UNIT, dims);
}

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014) */
static uint64
next_random(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/*
 * One round's weights: random signs, times the scale that makes its Hadamard
 * transform orthogonal, times the scale that the butterflies at the end of the
 * round before left out.
 */
static void
fill_weights(const HnrQuantizer *qz, int round, uint64 *state, float *weights)
{
	int			n = qz->rdims;
	int			first = round % 2 == 0 ? 0 : n - qz->fht_size;
	double		fht_scale = 1 / sqrt((double) qz->fht_size);
	uint64		word = 0;

	for (int i = 0; i < n; i++)
	{
		double		w = 1;

		if (i % 64 == 0)
			word = next_random(state);
		if (i >= first && i < first + qz->fht_size)
			w *= fht_scale;
		if (round > 0 && qz->fht_size < n &&
			(i < HNR_PAIRS(n) || i >= n - HNR_PAIRS(n)))
			w *= sqrt(0.5);
		weights[i] = (word >> (i % 64)) & 1 ? -w : w;
	}
}

HnrQuantizer *
hnr_quantizer_create(int dims, int bits, uint64 seed)
{
	HnrQuantizer *qz = palloc0(sizeof(HnrQuantizer));
	uint64		state = seed;

	Assert(dims > 0 && (bits == 1 || bits == 2 || bits == 4));
	qz->dims = dims;
	qz->rdims = rotated_dims(dims);
	qz->bits = bits;
	qz->code_size = hnr_code_size(dims, bits);
	qz->groups = (qz->rdims + HNR_GROUP - 1) / HNR_GROUP;
	qz->tail = qz->rdims % HNR_GROUP;
	qz->fht_size = HNR_DIMS_UNIT;
	while (qz->fht_size * 2 <= qz->rdims)
		qz->fht_size *= 2;
	qz->rounds = qz->fht_size == qz->rdims ? HNR_ROUNDS_WHOLE : HNR_ROUNDS_PARTS;
	qz->weights = palloc(sizeof(float) * qz->rdims * qz->rounds);
	for (int r = 0; r < qz->rounds; r++)
		fill_weights(qz, r, &state, qz->weights + (size_t) r * qz->rdims);
	return qz;
}

int
hnr_quantizer_rotated_dims(const HnrQuantizer *qz)
{
	return qz->rdims;
}

int
hnr_code_size(int dims, int bits)
{
	return rotated_dims(dims) * bits / 8;
}

void
hnr_rotate(const HnrQuantizer *qz, const float *in, float *out)
{
	memmove(out, in, sizeof(float) * qz->dims);
	memset(out + qz->dims, 0, sizeof(float) * (qz->rdims - qz->dims));
	hnr_quant_kernels->rotate(qz, out);
}
