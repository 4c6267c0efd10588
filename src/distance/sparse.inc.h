/*-------------------------------------------------------------------------
 *
 * sparse.inc.h
 *		The kernels for vectors of which only the coordinates that are not zero are
 *		there.  Part of the template kernels.inc.h, which tells of the macros; beside them
 *
 *		V_MATCH(x, p, k, y)		y in the lanes where p[lane], of V_WIDTH integers at p, is
 *								k; the other lanes as in x
 *
 * What two ascending lists of indices have in common is found block by block: of two
 * blocks all are compared with all, and the one that ends first makes room for the next, so
 * that no two blocks meet twice.  Which that is cannot be foretold, so there is no branch
 * on it, and the larger the blocks the fewer such steps, of which each waits for the one
 * before.  What the comparisons leave is a register with, for each coordinate of b's block,
 * the value that a has there, or zero.
 *
 *-------------------------------------------------------------------------
 */

/* Indices of a that are compared with a register of b's at a time. */
#define SPARSE_BLOCK	(V_WIDTH < 16 ? 4 : 8)

/* What is left of b behind its whole registers, with zeros behind it, which add nothing. */
typedef struct SparseRest
{
	int32		index[V_WIDTH];
	float		value[V_WIDTH];
} SparseRest;

HNR_TARGET static inline void
take_rest(SparseRest *rest, int n, const int32 *index, const float *value)
{
	int			r = n % V_WIDTH;

	/* indices are only moved */
	V_STORE((float *) rest->index, V_LOAD_PART((const float *) (index + n - r), r));
	V_STORE(rest->value, V_LOAD_PART(value + n - r, r));
}

/* Adds TERM of p, the values of b's block, and w, those of a there, for all blocks that meet. */
#define FOR_EACH_MEETING(TERM) \
	do { \
		SparseRest	rest; \
		int			i = 0; \
		int			j = 0; \
\
		if (nb % V_WIDTH > 0) \
			take_rest(&rest, nb, b_index, b); \
		while (i < na && j < nb) \
		{ \
			bool		is_rest = nb - j < V_WIDTH; \
			const int32 *at = is_rest ? rest.index : b_index + j; \
			int			block = na - i < SPARSE_BLOCK ? na - i : SPARSE_BLOCK; \
			int32		a_last = a_index[i + block - 1]; \
			int32		b_last = is_rest ? PG_INT32_MAX : at[V_WIDTH - 1]; \
			V			w = V_ZERO(); \
			V			p = V_LOAD(is_rest ? rest.value : b + j); \
\
			if (block == SPARSE_BLOCK) \
				for (int k = 0; k < SPARSE_BLOCK; k++) \
					w = V_MATCH(w, at, a_index[i + k], a[i + k]); \
			else	/* the last one again, instead of what is not there */ \
				for (int k = 0; k < SPARSE_BLOCK; k++) \
				{ \
					int			from = i + (k < block ? k : block - 1); \
\
					w = V_MATCH(w, at, a_index[from], a[from]); \
				} \
			TERM; \
			i += a_last <= b_last ? block : 0; \
			j += b_last <= a_last ? V_WIDTH : 0; \
		} \
	} while (0)

HNR_TARGET static float
sparse_product(int na, const int32 *a_index, const float *a,
			   int nb, const int32 *b_index, const float *b)
{
	V			sum = V_ZERO();

	if (na > nb)
		return sparse_product(nb, b_index, b, na, a_index, a);
	FOR_EACH_MEETING(sum = V_FMA(p, w, sum));
	return V_SUM(sum);
}

/*
 * Defines the function name: the sum over all of a and all of b of what step adds to a sum
 * of values.
 */
#define DEFINE_SUM(name, step) \
HNR_TARGET static inline float \
name(int na, const float *a, int nb, const float *b) \
{ \
	V			sum[2] = {V_ZERO(), V_ZERO()}; \
\
	for (int list = 0; list < 2; list++) \
	{ \
		int			n = list == 0 ? na : nb; \
		const float *x = list == 0 ? a : b; \
		int			i = 0; \
\
		for (; n - i >= V_WIDTH; i += V_WIDTH) \
			step(sum[list], V_LOAD(x + i)); \
		if (n > i) \
			step(sum[list], V_LOAD_PART(x + i, n - i)); \
	} \
	return V_SUM(V_ADD(sum[0], sum[1])); \
}

#define STEP_ABSOLUTE(sum, x) \
	do { V x_ = (x); (sum) = V_ADD(sum, V_ABS(x_)); } while (0)
#define STEP_SQUARE(sum, x) \
	do { V x_ = (x); (sum) = V_FMA(x_, x_, sum); } while (0)

DEFINE_SUM(sum_of_absolutes, STEP_ABSOLUTE)
DEFINE_SUM(sum_of_squares, STEP_SQUARE)

/* Of coordinates in common, what is not |a| + |b|. */
HNR_TARGET static float
sparse_l1(int na, const int32 *a_index, const float *a,
		  int nb, const int32 *b_index, const float *b, float *norms)
{
	V			less = V_ZERO();

	if (na > nb)
		return sparse_l1(nb, b_index, b, na, a_index, a, norms);
	FOR_EACH_MEETING(less = V_ADD(less, V_SUB(V_ADD(V_ABS(p), V_ABS(w)), V_ABS(V_SUB(p, w)))));
	*norms = sum_of_absolutes(na, a, nb, b);
	return *norms - V_SUM(less);
}

HNR_TARGET static float
sparse_l2_squared(int na, const int32 *a_index, const float *a,
				  int nb, const int32 *b_index, const float *b, float *norms)
{
	float		product = sparse_product(na, a_index, a, nb, b_index, b);

	*norms = sum_of_squares(na, a, nb, b);
	return *norms - 2 * product;
}
