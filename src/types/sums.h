/*-------------------------------------------------------------------------
 *
 * sums.h
 *		Arithmetic on float4 coordinates, and sums over them taken in double: slower
 *		than the kernels of distance.h, but none overflows, underflows or depends on
 *		the processor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SUMS_H
#define HNR_SUMS_H

/*
 * A sum is made of so many parts, none of which waits for another; part[i % HNR_SUM_PARTS] has
 * coordinate i.  So coordinates that are zero may be left out without a change of the last digit.
 */
#define HNR_SUM_PARTS	8

static inline double
hnr_sum_of_parts(const double *part)
{
	return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

/* sum (a-b)^2, a*b, |a-b| over n coordinates. */
extern double hnr_exact_l2_squared(int n, const float *a, const float *b);
extern double hnr_exact_inner_product(int n, const float *a, const float *b);
extern double hnr_exact_l1(int n, const float *a, const float *b);

/* out = x + y, x - y, x * y over n coordinates; out may be x or y. */
extern void hnr_add(int n, const float *x, const float *y, float *out);
extern void hnr_subtract(int n, const float *x, const float *y, float *out);
extern void hnr_multiply(int n, const float *x, const float *y, float *out);

/*
 * 1 - the cosine of the angle of a and b, within 0 .. 2, from the products a.b, a.a
 * and b.b; NaN where one of them is a zero vector.
 */
extern double hnr_cosine_distance(double ab, double aa, double bb);

/* The Euclidean norm of n coordinates. */
extern double hnr_norm(int n, const float *x);

/*
 * out = x / |x|; x and out may be the same array.  A zero vector stays zero and
 * gives false.
 */
extern bool hnr_normalize(int n, const float *x, float *out);

#endif							/* HNR_SUMS_H */
