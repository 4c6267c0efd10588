/*-------------------------------------------------------------------------
 *
 * kernels.h
 *		The kernel tables that this build has.  For distance.c alone: a table
 *		other than the scalar one is called only after the processor was asked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_KERNELS_H
#define HNR_KERNELS_H

#include "distance/bytes.h"
#include "distance/cpu.h"
#include "distance/distance.h"

extern const HnrDistanceKernels hnr_distance_scalar;

#ifdef HNR_HAVE_X86_KERNELS
extern const HnrDistanceKernels hnr_distance_avx2;
extern const HnrDistanceKernels hnr_distance_avx512;
extern const HnrByteKernels hnr_bytes_avx512;
#endif
#ifdef HNR_HAVE_NEON_KERNELS
extern const HnrDistanceKernels hnr_distance_neon;
#endif

#endif							/* HNR_KERNELS_H */
