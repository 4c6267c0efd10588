/*-------------------------------------------------------------------------
 *
 * sparse.inc.h
 *		The kernel for vectors of which only the coordinates that are not zero are
 *		there.  Part of the template kernels.inc.h, which tells of the macros; beside them
 *
 *		V_ADD_MATCH(sum, p, k, q, y)	sum + y * q[lane] in the lanes where p[lane] is k,
 *										for V_WIDTH integers at p and floats at q
 *
 *-------------------------------------------------------------------------
 */

/* The sum over what two lists of ascending indices have in common. */
HNR_TARGET static float
merged_product(int na, const int32 *a_index, const float *a,
			   int nb, const int32 *b_index, const float *b)
{
	float		sum = 0;

	for (int i = 0, j = 0; i < na && j < nb;)
	{
		int32		at_a = a_index[i];
		int32		at_b = b_index[j];

		/* which of them is next cannot be foretold: no branch on it */
		sum += at_a == at_b ? a[i] * b[j] : 0;
		i += at_a <= at_b;
		j += at_b <= at_a;
	}
	return sum;
}

/*
 * One index of the shorter list is compared with a register of the longer one at a time;
 * whichever ends first makes room for the next.
 */
HNR_TARGET static float
sparse_product(int na, const int32 *a_index, const float *a,
			   int nb, const int32 *b_index, const float *b)
{
	V			sum = V_ZERO();
	int			i = 0;
	int			j = 0;

	if (na > nb)
		return sparse_product(nb, b_index, b, na, a_index, a);
	while (i < na && nb - j >= V_WIDTH)
	{
		int32		at_a = a_index[i];
		int32		last = b_index[j + V_WIDTH - 1];

		sum = V_ADD_MATCH(sum, b_index + j, at_a, b + j, a[i]);
		i += at_a <= last;
		j += last <= at_a ? V_WIDTH : 0;
	}
	return V_SUM(sum) + merged_product(na - i, a_index + i, a + i, nb - j, b_index + j, b + j);
}
