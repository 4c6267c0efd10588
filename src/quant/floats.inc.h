/*-------------------------------------------------------------------------
 *
 * floats.inc.h
 *		The kernels of quant/ that work on floats, written once and instantiated
 *		per instruction set.
 *
 * This is a template: kernels_<isa>.c defines the macros below and includes it,
 * which defines the static functions rotate, sum_and_max, square_sum, level_sums,
 * code_values and split_steps of HnrQuantKernels.  Arrays need no alignment.
 *
 *		HNR_TARGET			function attribute that turns the instructions on
 *		V, V_WIDTH			a register of floats, and how many it holds: 1 to 16
 *		V_LOAD(p), V_STORE(p, v), V_ZERO(), V_SET1(f)
 *		V_ADD, V_SUB, V_MUL, V_MIN, V_MAX(x, y)		lane by lane
 *		V_FMA(x, y, z)		x * y + z, rounded once or twice
 *		V_ABS(v), V_TRUNC(v)
 *		V_WITH_SIGN(x, y)	x, not negative, with the sign of y
 *		V_SUM(v), V_GREATEST(v)		over the lanes
 *		V_HADAMARD(v)		the Walsh-Hadamard transform of the lanes
 *		V_STORE_BYTES(p, v)	whole numbers from 0 to 255 as V_WIDTH bytes
 *		VI, VI_ZERO(), VI_ADD(x, y), VI_SUM(v)		of int32
 *		V_NEAREST(v)		VI: rounded to the nearest, ties to even
 *		VI_STORE_LOW(p, v)	the lowest byte of each lane
 *		VI_STORE_HIGH(p, v)	(lane + 128) >> 8, which fits a byte
 *
 *-------------------------------------------------------------------------
 */

/* In place: x = H (w * x), H without its scale; n is a power of two from 16. */
HNR_TARGET static void
weighted_hadamard(int n, float *x, const float *w)
{
	int			h = V_WIDTH;

	for (int i = 0; i < n; i += V_WIDTH)
	{
		V			v = V_MUL(V_LOAD(x + i), V_LOAD(w + i));

		V_STORE(x + i, V_HADAMARD(v));
	}
	/* two steps at a time, for each pass goes through memory */
	for (; h * 4 <= n; h *= 4)
		for (int i = 0; i < n; i += 4 * h)
			for (float *p = x + i; p < x + i + h; p += V_WIDTH)
			{
				V			a = V_LOAD(p);
				V			b = V_LOAD(p + h);
				V			c = V_LOAD(p + 2 * h);
				V			d = V_LOAD(p + 3 * h);
				V			ab = V_ADD(a, b);
				V			a_b = V_SUB(a, b);
				V			cd = V_ADD(c, d);
				V			c_d = V_SUB(c, d);

				V_STORE(p, V_ADD(ab, cd));
				V_STORE(p + h, V_ADD(a_b, c_d));
				V_STORE(p + 2 * h, V_SUB(ab, cd));
				V_STORE(p + 3 * h, V_SUB(a_b, c_d));
			}
	if (h * 2 <= n)
		for (float *p = x; p < x + h; p += V_WIDTH)
		{
			V			a = V_LOAD(p);
			V			b = V_LOAD(p + h);

			V_STORE(p, V_ADD(a, b));
			V_STORE(p + h, V_SUB(a, b));
		}
}

HNR_TARGET static void
multiply(int n, float *x, const float *w)
{
	for (int i = 0; i < n; i += V_WIDTH)
		V_STORE(x + i, V_MUL(V_LOAD(x + i), V_LOAD(w + i)));
}

HNR_TARGET static void
weighted_butterfly(int n, float *x, const float *w)
{
	int			pairs = HNR_PAIRS(n);
	int			far = n - pairs;

	for (int i = 0; i < pairs; i += V_WIDTH)
	{
		V			a = V_MUL(V_LOAD(x + i), V_LOAD(w + i));
		V			b = V_MUL(V_LOAD(x + far + i), V_LOAD(w + far + i));

		V_STORE(x + i, V_ADD(a, b));
		V_STORE(x + far + i, V_SUB(a, b));
	}
	multiply(far - pairs, x + pairs, w + pairs);
}

HNR_TARGET static void
rotate(const HnrQuantizer *qz, float *x)
{
	int			n = qz->rdims;
	int			size = qz->fht_size;
	int			rest = n - size;
	const float *w = qz->weights;

	for (const char *stage = qz->stages; *stage; stage++, w += n)
		switch ((HnrStage) *stage)
		{
			case HNR_STAGE_FIRST:
				weighted_hadamard(size, x, w);
				multiply(rest, x + size, w + size);
				break;
			case HNR_STAGE_LAST:
				multiply(rest, x, w);
				weighted_hadamard(size, x + rest, w + rest);
				break;
			case HNR_STAGE_BUTTERFLY:
				weighted_butterfly(n, x, w);
				break;
		}
}

HNR_TARGET static void
sum_and_max(int n, const float *x, float *sum, float *max)
{
	V			s = V_ZERO();
	V			m = V_ZERO();

	for (int i = 0; i < n; i += V_WIDTH)
	{
		V			a = V_LOAD(x + i);

		s = V_ADD(s, a);
		m = V_MAX(m, V_ABS(a));
	}
	*sum = V_SUM(s);
	*max = V_GREATEST(m);
}

HNR_TARGET static float
square_sum(int n, const float *x)
{
	V			s = V_ZERO();

	for (int i = 0; i < n; i += V_WIDTH)
	{
		V			a = V_LOAD(x + i);

		s = V_FMA(a, a, s);
	}
	return V_SUM(s);
}

/* min(floor(scale * |x|), top) + 1/2 */
#define LEVEL(magnitude) \
	V_ADD(V_TRUNC(V_MIN(V_MUL(magnitude, vscale), vtop)), vhalf)

HNR_TARGET static void
level_sums(int n, const float *x, float scale, float top, float *dot, float *norm2)
{
	V			vscale = V_SET1(scale);
	V			vtop = V_SET1(top);
	V			vhalf = V_SET1(0.5f);
	V			d = V_ZERO();
	V			s = V_ZERO();

	for (int i = 0; i < n; i += V_WIDTH)
	{
		V			a = V_ABS(V_LOAD(x + i));
		V			level = LEVEL(a);

		d = V_FMA(level, a, d);
		s = V_FMA(level, level, s);
	}
	*dot = V_SUM(d);
	*norm2 = V_SUM(s);
}

HNR_TARGET static void
code_values(int n, const float *x, float scale, float top, uint8 *u)
{
	V			vscale = V_SET1(scale);
	V			vtop = V_SET1(top);
	V			vhalf = V_SET1(0.5f);
	V			middle = V_SET1(top + 0.5f);

	for (int i = 0; i < n; i += V_WIDTH)
	{
		V			v = V_LOAD(x + i);
		V			level = LEVEL(V_ABS(v));

		V_STORE_BYTES(u + i, V_ADD(V_WITH_SIGN(level, v), middle));
	}
}

HNR_TARGET static int32
split_steps(int n, const float *x, float scale, int8 *high, int8 *low)
{
	V			vscale = V_SET1(scale);
	VI			sum = VI_ZERO();

	for (int i = 0; i < n; i += V_WIDTH)
	{
		VI			step = V_NEAREST(V_MUL(V_LOAD(x + i), vscale));

		VI_STORE_LOW(low + i, step);
		VI_STORE_HIGH(high + i, step);
		sum = VI_ADD(sum, step);
	}
	return VI_SUM(sum);
}

HNR_TARGET static void
fill_table(int n, const float *x, float start, const float (*values)[HNR_TABLE], uint8 *table)
{
	for (int p = 0; p < HNR_TABLE; p += V_WIDTH)
	{
		V			v = V_SET1(start);

		for (int i = 0; i < n; i++)
			v = V_FMA(V_SET1(x[i]), V_LOAD(values[i] + p), v);
		V_STORE_BYTES(table + p, V_MIN(v, V_SET1((float) HNR_MOST_STEPS)));
	}
}
