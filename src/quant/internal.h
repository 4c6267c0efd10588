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

/* Coordinates that a butterfly stage joins: the first so many, the last so many. */
#define HNR_PAIRS(n)	((n) / (2 * HNR_DIMS_UNIT) * HNR_DIMS_UNIT)

/* What a stage of the rotation does after it multiplied by its weights. */
typedef enum HnrStage
{
	HNR_STAGE_FIRST = 'F',		/* Hadamard transform of the first fht_size */
	HNR_STAGE_LAST = 'L',		/* Hadamard transform of the last fht_size */
	HNR_STAGE_BUTTERFLY = 'B'	/* sums and differences of pairs */
} HnrStage;

struct HnrQuantizer
{
	int			dims;			/* of the vectors */
	int			rdims;			/* of the rotated ones, at least dims */
	int			bits;
	int			code_size;		/* bytes */
	int			groups;			/* full and partial */
	int			tail;			/* coordinates in the partial group, or 0 */
	int			fht_size;		/* largest power of two up to rdims */
	const char *stages;			/* of the rotation: HnrStage each */
	float	   *weights;		/* [stages][rdims]: signs times scales */
};

struct HnrCodeQuery
{
	const HnrQuantizer *qz;
	float		half_step;		/* half of the query's quantisation step */
	int32		bias;			/* (2^bits - 1) * sum of all steps */
	int			max_step;		/* steps are within +- this */

	/*
	 * The query in steps of 2 * half_step, each as 256 * high + low, HNR_GROUP of
	 * them per group, in the order of the values in the bytes that start at
	 * hnr_group_start.  Bytes that belong to no coordinate of the group meet
	 * zeros here.
	 */
	int8	   *high;
	int8	   *low;
};

/* Entries of a table: what half a byte may be. */
#define HNR_TABLE		16

/* The greatest amount in one: two of them fit a byte. */
#define HNR_MOST_STEPS	127

/*
 * The tables of two bytes of a code, each repeated, so that a load fills a register: for each
 * half, the lower first, that of the first byte and that of the second.
 */
typedef struct HnrBlockTables
{
	uint8		tables[2][2][2 * HNR_TABLE];
} HnrBlockTables;

struct HnrBlockQuery
{
	const HnrQuantizer *head;
	float		step;			/* of the amounts in the tables */
	float		least;			/* the product of a code all of whose amounts are zero */
	float		rounding;		/* how far rounding can move a product */
	HnrBlockTables tables[HNR_HEAD_SIZE / 2];
};

/*
 * Where to read a group's code, always as much as a full group's.  A partial
 * group is read with bytes of the one before it in front, so that nothing
 * behind the code is touched; where there is none (code_size is less than a
 * full group's), bytes behind it are read, and the reader has to see to it that
 * there are any.
 */
static inline int
hnr_group_start(const HnrQuantizer *qz, int group)
{
	int			bytes = HNR_GROUP / 8 * qz->bits;

	return Max(0, Min(group * bytes, qz->code_size - bytes));
}

typedef struct HnrQuantKernels
{
	const char *isa;

	/* x[rdims] = R x, in place */
	void		(*rotate) (const HnrQuantizer *qz, float *x);

	/* sum of x and maximum of |x|; n is a multiple of HNR_DIMS_UNIT here and below */
	void		(*sum_and_max) (int n, const float *x, float *sum, float *max);

	/* sum of squares */
	float		(*square_sum) (int n, const float *x);

	/*
	 * With level_i = min(floor(scale * |x_i|), top) + 1/2: dot = sum of level_i *
	 * |x_i| and norm2 = sum of level_i squared.
	 */
	void		(*level_sums) (int n, const float *x, float scale, float top,
							   float *dot, float *norm2);

	/* u[i] = the code value of x[i], sign(x_i) * level_i + top + 1/2 */
	void		(*code_values) (int n, const float *x, float scale, float top,
								uint8 *u);

	/* scale * x[i], rounded, as 256 * high[i] + low[i]; returns the sum */
	int32		(*split_steps) (int n, const float *x, float scale,
								int8 *high, int8 *low);

	/* sum of u_i * x[i], u being what the code holds */
	float		(*code_dot) (const HnrQuantizer *qz, const uint8 *code, const float *x);

	/* out[i] = estimates for n codes, see hnr_code_dots */
	void		(*code_dots) (const HnrCodeQuery *cq, const uint8 *codes, int stride,
							  int n, float *out);

	/* With xbar in units of 1/2: ab = <a, b>, aa = <a, a>, bb = <b, b> */
	void		(*code_products) (const HnrQuantizer *qz, const uint8 *a, const uint8 *b,
								  int32 *ab, int32 *aa, int32 *bb);

	/*
	 * table[p] = start + the sum of n x[i] * values[i][p], but no more than HNR_MOST_STEPS, and
	 * whole: none is below zero
	 */
	void		(*fill_table) (int n, const float *x, float start, const float (*values)[HNR_TABLE],
							   uint8 *table);

	/*
	 * The codes of a block that have scale * constant + factor * (offset + step * the sum of
	 * their amounts) <= most or no number there: a bit for each.  sums: of the amounts.  See
	 * hnr_block_below.
	 */
	uint32		(*block_below) (const HnrBlockQuery *bq, const uint8 *block,
								const float *terms, const HnrBlockBound *bound, uint16 *sums);
} HnrQuantKernels;

/* sum of u_i * x[i] over one group of count coordinates, in plain C */
extern float hnr_group_dot(int bits, int count, const uint8 *code, const float *x);

/* What code_dots returns for a code whose values times the steps add up to sum */
static inline float
hnr_dot_of_steps(const HnrCodeQuery *cq, int32 sum)
{
	return cq->half_step * (float) (2 * sum - cq->bias);
}

extern const HnrQuantKernels hnr_quant_scalar;
#ifdef HNR_HAVE_X86_KERNELS
extern const HnrQuantKernels hnr_quant_avx2;
extern const HnrQuantKernels hnr_quant_avx512;
extern const HnrQuantKernels hnr_quant_avx512vnni;

/* code_products for AVX2, AVX-512 too */
extern void hnr_code_products_popcnt(const HnrQuantizer *qz, const uint8 *a,
									 const uint8 *b, int32 *ab, int32 *aa, int32 *bb);
extern uint32 hnr_block_below_avx2(const HnrBlockQuery *bq, const uint8 *block,
								   const float *terms, const HnrBlockBound *bound, uint16 *sums);
#endif

/* block_below in plain C */
extern uint32 hnr_block_below_scalar(const HnrBlockQuery *bq, const uint8 *block,
									 const float *terms, const HnrBlockBound *bound, uint16 *sums);
#ifdef HNR_HAVE_NEON_KERNELS
extern const HnrQuantKernels hnr_quant_neon;
#endif

/* The kernels in use; never NULL. */
extern const HnrQuantKernels *hnr_quant_kernels;

#endif							/* HNR_QUANT_INTERNAL_H */
