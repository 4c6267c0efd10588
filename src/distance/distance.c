/*-------------------------------------------------------------------------
 *
 * distance.c
 *		The choice of the distance kernels: the only CPU detection there is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/kernels.h"

const HnrDistanceKernels *hnr_distance = &hnr_distance_scalar;

/*
 * The builtins ask the operating system too: a processor may have registers
 * that the kernel does not save.
 */
#ifdef HNR_HAVE_X86_KERNELS
static bool
have_avx2(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool
have_avx512(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f");
}
#endif

static bool
have_always(void)
{
	return true;
}

/* What the build has, best first. */
static const struct
{
	const HnrDistanceKernels *kernels;
	bool		(*usable) (void);
}			choices[] = {
#ifdef HNR_HAVE_X86_KERNELS
	{&hnr_distance_avx512, have_avx512},
	{&hnr_distance_avx2, have_avx2},
#endif
#ifdef HNR_HAVE_NEON_KERNELS
	{&hnr_distance_neon, have_always},
#endif
	{&hnr_distance_scalar, have_always},
};

bool
hnr_distance_init(const char *isa)
{
	for (int i = 0; i < lengthof(choices); i++)
	{
		if (isa != NULL && strcmp(isa, choices[i].kernels->isa) != 0)
			continue;
		if (!choices[i].usable())
			continue;
		hnr_distance = choices[i].kernels;
		return true;
	}
	return false;
}
