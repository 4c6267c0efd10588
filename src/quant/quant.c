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

/*
 * The rotation, where the Hadamard transform covers all coordinates or not:
 * HnrStage each.  Part of the disk format.
 */
#define STAGES_WHOLE	"FFF"
#define STAGES_PARTS	"FLBFL"

/* What the build has, best first. */
static const struct
{
	const HnrQuantKernels *kernels;
	HnrCpuLevel needs;
}			choices[] = {
#ifdef HNR_HAVE_X86_KERNELS
	{&hnr_quant_avx512vnni, HNR_CPU_AVX512VNNI},
	{&hnr_quant_avx512, HNR_CPU_AVX512BW},
	{&hnr_quant_avx2, HNR_CPU_AVX2},
#endif
#ifdef HNR_HAVE_NEON_KERNELS
	{&hnr_quant_neon, HNR_CPU_ANY},
#endif
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
 * One stage's weights: random signs, times the scale that makes what the stage
 * does orthogonal.
 */
static void
fill_weights(const HnrQuantizer *qz, HnrStage stage, uint64 *state, float *weights)
{
	int			n = qz->rdims;
	int			edge = stage == HNR_STAGE_BUTTERFLY ? HNR_PAIRS(n) : qz->fht_size;
	float		scale = stage == HNR_STAGE_BUTTERFLY ? sqrt(0.5) : 1 / sqrt((double) edge);
	uint64		word = 0;

	for (int i = 0; i < n; i++)
	{
		bool		scaled = (i < edge && stage != HNR_STAGE_LAST) ||
			(i >= n - edge && stage != HNR_STAGE_FIRST);

		if (i % 64 == 0)
			word = next_random(state);
		weights[i] = scaled ? scale : 1;
		if ((word >> (i % 64)) & 1)
			weights[i] = -weights[i];
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
	qz->stages = qz->fht_size == qz->rdims ? STAGES_WHOLE : STAGES_PARTS;
	qz->weights = palloc(sizeof(float) * qz->rdims * strlen(qz->stages));
	for (int i = 0; qz->stages[i]; i++)
		fill_weights(qz, qz->stages[i], &state, qz->weights + (size_t) i * qz->rdims);
	return qz;
}

HnrQuantizer *
hnr_quantizer_with_bits(const HnrQuantizer *qz, int bits)
{
	HnrQuantizer *other = palloc(sizeof(HnrQuantizer));

	*other = *qz;
	other->bits = bits;
	other->code_size = hnr_code_size(qz->dims, bits);
	return other;
}

int
hnr_quantizer_rotated_dims(const HnrQuantizer *qz)
{
	return qz->rdims;
}

Size
hnr_quantizer_memory(int dims)
{
	return sizeof(HnrQuantizer) + sizeof(float) * rotated_dims(dims) * strlen(STAGES_PARTS);
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
