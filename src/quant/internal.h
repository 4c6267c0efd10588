/*-------------------------------------------------------------------------
 *
 * internal.h
 *		What the files of quant/ share: the quantizer, the prepared query, and
 *		the table of kernels.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_QUANT_INTERNAL_H
#define HNR_QUANT_INTERNAL_H

#include "distance/cpu.h"
#include "quant/quant.h"

/*
 * Coordinates are handled in groups of 64.  The code of a group of n (64, or
 * 16, 32 or 48 in the last one) takes nb = n * bits / 8 bytes; byte k holds, at
 * bit j * bits, the value of the group's coordinate j * nb + k.  See README.
 */
#define HNR_GROUP		64
/* Rotated dimensions are a multiple of this, so that every nb is even. */
#define HNR_DIMS_UNIT	16

/* Rounds of the rotation, where the transform covers all coordinates or not. */
#define HNR_ROUNDS_WHOLE	3
#define HNR_ROUNDS_PARTS	4
/* Coordinates that a butterfly joins: the first so many with the last so many. */
#define HNR_PAIRS(n)		((n) / (2 * HNR_DIMS_UNIT) * HNR_DIMS_UNIT)

struct HnrQuantizer
{
	int			dims;			/* of the vectors */
	int			rdims;			/* of the rotated ones, at least dims */
	int			bits;
	int			code_size;		/* bytes */
	int			groups;			/* full and partial */
	int			tail;			/* coordinates in the partial group, or 0 */
	int			fht_size;		/* largest power of two up to rdims */
	int			rounds;
	float	   *weights;		/* [rounds][rdims]: signs times scales */
};

struct HnrCodeQuery
{
	const HnrQuantizer *qz;
	float		half_step;		/* half of the query's quantisation step */
	int32		bias;			/* (2^bits - 1) * sum of all steps */
	int			max_step;		/* steps are within +- this */
	int16	   *steps;			/* [rdims] the query in steps */

	/*
	 * The steps as 256 * high + low, 64 for each group in the order of the
	 * group's unpacked codes.  A partial group is moved up, as if its code
	 * were the last bytes of a full group's; zeros stand in front.
	 */
	int8	   *high;
	int8	   *low;
};

typedef struct HnrQuantKernels
{
	const char *isa;

	/* x[rdims] = R x, in place */
	void		(*rotate) (const HnrQuantizer *qz, float *x);

	/* sum and maximum of |x|; n is a multiple of HNR_DIMS_UNIT here and below */
	void		(*magnitudes) (int n, const float *x, float *sum, float *max);

	/* sum of squares */
	float		(*square_sum) (int n, const float *x);

	/*
	 * With level_i = min(floor(scale * |x_i|), top) + 1/2: dot = sum of level_i *
	 * |x_i| and norm = sum of level_i squared.
	 */
	void		(*level_sums) (int n, const float *x, float scale, float top,
							   float *dot, float *norm);

	/* u[i] = the code value of x[i], sign(x_i) * level_i + top + 1/2 */
	void		(*code_values) (int n, const float *x, float scale, float top,
								uint8 *u);

	/* sum of u_i * x[i], u being what the code holds */
	float		(*code_dot) (const HnrQuantizer *qz, const uint8 *code, const float *x);

	/* out[i] = estimates for n codes, see hnr_code_dots */
	void		(*code_dots) (const HnrCodeQuery *cq, const uint8 *codes, int stride,
							  int n, float *out);

	/* With xbar in units of 1/2: ab = <a, b>, aa = <a, a>, bb = <b, b> */
	void		(*code_products) (const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
								  int32 *ab, int32 *aa, int32 *bb);
} HnrQuantKernels;

extern const HnrQuantKernels hnr_quant_scalar;
#ifdef HNR_HAVE_X86_KERNELS
extern const HnrQuantKernels hnr_quant_avx2;
extern const HnrQuantKernels hnr_quant_avx512;
extern const HnrQuantKernels hnr_quant_avx512vnni;
#endif
#ifdef HNR_HAVE_NEON_KERNELS
extern const HnrQuantKernels hnr_quant_neon;
#endif

/* The kernels in use; never NULL. */
extern const HnrQuantKernels *hnr_quant_kernels;

#endif							/* HNR_QUANT_INTERNAL_H */
