/*-------------------------------------------------------------------------
 *
 * blocks.inc.h
 *		Kernels for the distances of many vectors to many others: part of the
 *		template kernels.inc.h, with the macros told there and
 *
 *		V_SET1(s)			the number s in every lane
 *		V_MIN(x, y)			lane by lane
 *		V_BELOW(x, y)		a bit for each lane where x <= y, lane 0 lowest
 *		BLOCK_ROWS			rows whose sums fit into registers with a pair of
 *							columns, a divisor of HNR_BLOCK_ROWS
 *
 * A coordinate of a pair of registers of columns is read once for BLOCK_ROWS rows, so
 * that the products, and not the reading, are what takes the time.  Each sum is made in
 * the order of the coordinates, wherever in a block its row and column stand.
 *
 *-------------------------------------------------------------------------
 */

HNR_TARGET static void
block_products(int n, const float *const *rows, const float *columns, float *out)
{
	for (int c = 0; c < HNR_BLOCK_COLUMNS; c += 2 * V_WIDTH)
	{
		for (int r = 0; r < HNR_BLOCK_ROWS; r += BLOCK_ROWS)
		{
			const float *at = columns + c;
			V			left[BLOCK_ROWS];
			V			right[BLOCK_ROWS];

			for (int i = 0; i < BLOCK_ROWS; i++)
				left[i] = right[i] = V_ZERO();
			for (int k = 0; k < n; k++, at += HNR_BLOCK_COLUMNS)
			{
				V			x = V_LOAD(at);
				V			y = V_LOAD(at + V_WIDTH);

#pragma GCC unroll 8
				for (int i = 0; i < BLOCK_ROWS; i++)
				{
					V			s = V_SET1(rows[r + i][k]);

					left[i] = V_FMA(s, x, left[i]);
					right[i] = V_FMA(s, y, right[i]);
				}
			}
			for (int i = 0; i < BLOCK_ROWS; i++)
			{
				V_STORE(out + (r + i) * HNR_BLOCK_COLUMNS + c, left[i]);
				V_STORE(out + (r + i) * HNR_BLOCK_COLUMNS + c + V_WIDTH, right[i]);
			}
		}
	}
}

HNR_TARGET static void
lane_minima(int n, const float *x, float *minima)
{
	for (int c = 0; c < HNR_BLOCK_COLUMNS; c += V_WIDTH)
	{
		V			least = V_LOAD(x + c);

		for (int i = c + HNR_BLOCK_COLUMNS; i < n; i += HNR_BLOCK_COLUMNS)
			least = V_MIN(least, V_LOAD(x + i));
		V_STORE(minima + c, least);
	}
}

HNR_TARGET static int
list_below(int n, const float *x, float bound, int most, int *where)
{
	V			limit = V_SET1(bound);
	int			found = 0;

	for (int i = 0; i < n; i += V_WIDTH)
	{
		uint32		below = V_BELOW(V_LOAD(x + i), limit);

		for (; below != 0 && found < most; below &= below - 1)
			where[found++] = i + __builtin_ctz(below);
	}
	return found;
}

HNR_TARGET static int
count_below(int n, const float *x, float bound)
{
	V			limit = V_SET1(bound);
	int			count = 0;

	for (int i = 0; i < n; i += V_WIDTH)
		count += __builtin_popcount(V_BELOW(V_LOAD(x + i), limit));
	return count;
}
