/*-------------------------------------------------------------------------
 *
 * cpu.h
 *		What the running processor can do: the only CPU detection there is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_CPU_H
#define HNR_CPU_H

#if defined(__x86_64__) && defined(__GNUC__)
#define HNR_HAVE_X86_KERNELS
#endif
#if defined(__aarch64__) && defined(__GNUC__)
#define HNR_HAVE_NEON_KERNELS
#endif

typedef enum HnrCpuLevel
{
	HNR_CPU_ANY,				/* what the build's baseline has (NEON too) */
	HNR_CPU_AVX2,				/* AVX2, FMA, POPCNT, and F16C, which is older */
	HNR_CPU_AVX512F,			/* AVX-512 foundation */
	HNR_CPU_AVX512BW,			/* and byte and word, length and double-quad */
	HNR_CPU_AVX512VNNI			/* and the byte dot product */
} HnrCpuLevel;

/*
 * Has this machine all of a level?  The operating system is asked too: a
 * processor may have registers that the kernel does not save.
 */
extern bool hnr_cpu_has(HnrCpuLevel level);

#endif							/* HNR_CPU_H */
