/*-------------------------------------------------------------------------
 *
 * cpu.c
 *		CPU detection for the modules that have kernels per instruction set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "distance/cpu.h"

#ifdef HNR_HAVE_X86_KERNELS

bool
hnr_cpu_has(HnrCpuLevel level)
{
	bool		has_avx512bw;

	__builtin_cpu_init();
	has_avx512bw = __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512dq");
	switch (level)
	{
		case HNR_CPU_ANY:
			return true;
		case HNR_CPU_AVX2:
			return __builtin_cpu_supports("avx2") &&
				__builtin_cpu_supports("fma") &&
				__builtin_cpu_supports("popcnt");
		case HNR_CPU_AVX512F:
			return __builtin_cpu_supports("avx512f");
		case HNR_CPU_AVX512BW:
			return has_avx512bw;
		case HNR_CPU_AVX512VNNI:
			return has_avx512bw && __builtin_cpu_supports("avx512vnni");
	}
	return false;
}

#else							/* !HNR_HAVE_X86_KERNELS */

bool
hnr_cpu_has(HnrCpuLevel level)
{
	return level == HNR_CPU_ANY;
}

#endif							/* HNR_HAVE_X86_KERNELS */
