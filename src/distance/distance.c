/*-------------------------------------------------------------------------
 *
 * distance.c
 *		The choice of the distance kernels.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/cpu.h"
#include "distance/kernels.h"

const HnrDistanceKernels *hnr_distance = &hnr_distance_scalar;
const HnrByteKernels *hnr_bytes = NULL;

/* What the build has, best first. */
static const struct
{
	const HnrDistanceKernels *kernels;
	HnrCpuLevel needs;
}			choices[] = {
#ifdef HNR_HAVE_X86_KERNELS
	{&hnr_distance_avx512, HNR_CPU_AVX512F},
	{&hnr_distance_avx2, HNR_CPU_AVX2},
#endif
#ifdef HNR_HAVE_NEON_KERNELS
	{&hnr_distance_neon, HNR_CPU_ANY},
#endif
	{&hnr_distance_scalar, HNR_CPU_ANY},
};

/* What goes with kernels on floats. */
static const HnrByteKernels *
bytes_beside(const HnrDistanceKernels *kernels)
{
#ifdef HNR_HAVE_X86_KERNELS
	if (kernels == &hnr_distance_avx512 && hnr_cpu_has(HNR_CPU_AVX512VNNI))
		return &hnr_bytes_avx512;
#endif
	return NULL;
}

bool
hnr_distance_init(const char *isa)
{
	for (int i = 0; i < lengthof(choices); i++)
	{
		if (isa != NULL && strcmp(isa, choices[i].kernels->isa) != 0)
			continue;
		if (!hnr_cpu_has(choices[i].needs))
			continue;
		hnr_distance = choices[i].kernels;
		hnr_bytes = bytes_beside(hnr_distance);
		return true;
	}
	return false;
}
