/*-------------------------------------------------------------------------
 *
 * quant.h
 *		Rotation, vertex-relative codes, and the estimator on them.
 *
 * A graph vertex p keeps, for each neighbour o, a short code of the direction
 * from p to o, so that a search that reads p alone can estimate its distance
 * to all of p's neighbours (RaBitQ: Gao & Long, SIGMOD 2024 and 2025; kept in
 * the vertex as in SymphonyQG, SIGMOD 2025).
 *
 * With R a random rotation (orthogonal, D x D, D >= dims, seeded), let
 * x = R(o - p) / |o - p|.  The code holds, per rotated dimension, an unsigned
 * integer u_i of `bits` bits; it stands for the vector
 *		xbar_i = u_i - (2^bits - 1) / 2.
 * For any v, <xbar, Rv> / <xbar, x> is an unbiased estimate of <x, Rv>, whose
 * error falls as |v| / sqrt(D) and halves with each bit.  Because
 * <xbar, R(q-p)> = <xbar, Rq> - <xbar, Rp>, the query is rotated once, not once
 * per vertex, and <xbar, Rp> is a constant of the slot.
 *
 * Pure functions on arrays: no fmgr, no pages; what the creators allocate is in
 * the current memory context.  README has the mathematics, and what of it is disk
 * format.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_QUANT_H
#define HNR_QUANT_H

typedef struct HnrQuantizer HnrQuantizer;
typedef struct HnrCodeQuery HnrCodeQuery;
typedef struct HnrBlockQuery HnrBlockQuery;

/*
 * The rotation and code geometry for vectors of dims coordinates; bits is 1, 2
 * or 4.  The same (dims, bits, seed) gives the same rotation on every machine,
 * instruction set and release: pages depend on it.
 */
extern HnrQuantizer *hnr_quantizer_create(int dims, int bits, uint64 seed);
extern int	hnr_quantizer_rotated_dims(const HnrQuantizer *qz);

/* The same rotation, which is shared with qz, for codes of other bits. */
extern HnrQuantizer *hnr_quantizer_with_bits(const HnrQuantizer *qz, int bits);

/* Bytes that such a rotation takes. */
extern Size hnr_quantizer_memory(int dims);

/* Bytes of one code for these dims and bits. */
extern int	hnr_code_size(int dims, int bits);

/*
 * out[rotated_dims] = R in[dims]; |out| = |in| up to rounding.  Both may be the
 * same array.
 */
extern void hnr_rotate(const HnrQuantizer *qz, const float *in, float *out);

/*
 * Codes a rotated residual R(o - p) (rotated_dims floats).  Returns
 * g = 1 / <xbar, x>, finite and positive; 0 where the residual is zero (the
 * code then is all zero and every estimate from it is 0).
 */
extern float hnr_encode(const HnrQuantizer *qz, const float *residual, uint8 *code);

/*
 * Whether a code may be that of a residual: what hnr_encode makes of it may differ
 * by what instruction sets sum differently, so each value may be one off, but no
 * sign is wrong unless the coordinate is hardly different from zero.
 */
extern bool hnr_code_fits(const HnrQuantizer *qz, const float *residual, const uint8 *code);

/* <xbar, rotated>, exactly (float4 accumulation). */
extern float hnr_code_dot(const HnrQuantizer *qz, const uint8 *code, const float *rotated);

/*
 * A query prepared for many hnr_code_dots calls.  create once, set per query
 * with R q.  It points to qz.
 */
extern HnrCodeQuery *hnr_code_query_create(const HnrQuantizer *qz);
extern void hnr_code_query_set(HnrCodeQuery *cq, const float *rotated);

/*
 * out[i] = <xbar_i, R q> for n codes, the first at `codes`, each `stride` bytes
 * after the one before it.  Codes may stand at any alignment; nothing beyond the
 * last byte of the last code is read.
 */
extern void hnr_code_dots(const HnrCodeQuery *cq, const uint8 *codes, int stride,
						  int n, float *out);

/*
 * Estimated cosine of the angle at p between two coded neighbours, in [-1, 1];
 * ga and gb are what hnr_encode returned for a and b.
 */
extern float hnr_code_cosine(const HnrQuantizer *qz, const uint8 *a, float ga,
							 const uint8 *b, float gb);

/*
 * How far g xbar is off x, a unit vector, for a code and the g that hnr_encode returned
 * with it.  An estimate of <x, Rv> is off by that times |v| / sqrt(D), in the mean square.
 */
extern float hnr_code_error(const HnrQuantizer *qz, const uint8 *code, float g);

/*
 * Chooses the instruction set, as hnr_distance_init does: "avx512vnni", "avx512",
 * "avx2", "neon" or "scalar".
 */
extern bool hnr_quant_init(const char *isa);

/*
 * About what hnr_encode returned with a code, told from the code alone: right to a
 * few per cent.
 */
extern float hnr_code_inverse(const HnrQuantizer *qz, const uint8 *code);

/* ---- blocks: the heads of many codes at once (block.c) ---- */

/* Codes in a block, and the bytes of each at most. */
#define HNR_BLOCK		32
#define HNR_HEAD_SIZE	48

/*
 * The quantizer of the first bytes of codes, and so of the first rotated coordinates: for
 * hnr_code_dot and for blocks.  It shares what it can with qz.
 */
extern HnrQuantizer *hnr_quantizer_head(const HnrQuantizer *qz);
extern int	hnr_quantizer_code_size(const HnrQuantizer *qz);

/* That of the bytes behind a head, and so of the other rotated coordinates; NULL: there are none. */
extern HnrQuantizer *hnr_quantizer_tail(const HnrQuantizer *qz);

/* Puts the first size bytes of a code into a block, of HNR_BLOCK times size bytes, as the ith. */
extern void hnr_block_put(uint8 *block, int size, int i, const uint8 *code);

/* A query prepared for blocks of such heads; create once, set per query with R q. */
extern HnrBlockQuery *hnr_block_query_create(const HnrQuantizer *head);
extern void hnr_block_query_set(HnrBlockQuery *bq, const float *rotated);

typedef struct HnrBlockBound
{
	float		scale;			/* of the constants */
	float		offset;			/* is added to the products */
	float		most;
} HnrBlockBound;

/*
 * Which of the codes in a block have
 *		scale * constant + factor * (<xbar, R q> + offset) <= most,
 * or no number there: a bit for each.  terms are the HNR_BLOCK constants and then the factors,
 * none above zero.  Products, over the head's coordinates, are rounded so that no bit is
 * missing.  sums, of HNR_BLOCK, is for hnr_block_products.
 */
extern uint32 hnr_block_below(const HnrBlockQuery *bq, const uint8 *block, const float *terms,
							  const HnrBlockBound *bound, uint16 *sums);

/*
 * The products of those codes of a block that rows has a bit for, one behind the other.  They
 * are rounded: hnr_block_deviation is by how much, in the mean square (where there are many amounts:
 * a few are off alike), hnr_block_rounding by how much at most.
 */
extern void hnr_block_products(const HnrBlockQuery *bq, const uint16 *sums, uint32 rows,
							   float *products);
extern float hnr_block_deviation(const HnrBlockQuery *bq);
extern float hnr_block_rounding(const HnrBlockQuery *bq);

/* |xbar|^2 of a code. */
extern float hnr_code_norm2(const HnrQuantizer *qz, const uint8 *code);

#endif							/* HNR_QUANT_H */
