/*-------------------------------------------------------------------------
 *
 * quant_kernel_test.c
 *		Each kernel of quant/, of every instruction set of this machine, against what
 *		quant/README says in plain C, and against the scalar one, without a server.
 *
 * Whole numbers and bytes have to be the same, floats nearly so.  What a kernel
 * reads stands against a page that cannot be read, and what it writes has marked
 * bytes behind it.
 *
 *-------------------------------------------------------------------------
 */
#include "quant_lib.h"

#include "quant/internal.h"

#define MARK	0xA5

/* All numbers of groups up to four, each with every tail, and a few more. */
static const int many_dims[] = {
	16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 272, 768, 784, 1520, 2000, 4096
};

/* How the floats of an array are chosen. */
enum
{
	RANDOM, UNIT, ZERO, MINUS_ZERO, SAME, ALTERNATING, SPIKE, HUGE_ONES, TINY, HALVES, KINDS
};

static void
fill_floats(int kind, int n, float *x)
{
	for (int i = 0; i < n; i++)
		switch (kind)
		{
			case RANDOM:
				x[i] = (uniform() - 0.5) * 8;
				break;
			case UNIT:
				random_unit(n, x);
				return;
			case ZERO:
			case MINUS_ZERO:
				x[i] = kind == ZERO ? 0.0f : -0.0f;
				break;
			case SAME:
				x[i] = -3.5f;
				break;
			case ALTERNATING:
				x[i] = i % 2 ? 7.75f : -7.75f;
				break;
			case SPIKE:
				x[i] = i == n - 1 ? -1e6f : 1e-6f;
				break;
			case HUGE_ONES:
				x[i] = (uniform() - 0.5) * 1e15;
				break;
			case TINY:
				x[i] = (uniform() - 0.5) * 1e-15;
				break;
			default:			/* on the boundaries of levels, of steps */
				x[i] = floor(uniform() * 33 - 16) / 2;
				break;
		}
}

/* Bytes of codes: random, all zero, all ones, or every other bit. */
static void
fill_bytes(int kind, int n, uint8 *bytes)
{
	for (int i = 0; i < n; i++)
		bytes[i] = kind % 4 == 0 ? uniform() * 256 : kind % 4 == 1 ? 0 : kind % 4 == 2 ? 0xFF : 0x55;
}

static bool
marked(const void *p, int n)
{
	for (int i = 0; i < n; i++)
		if (((const uint8 *) p)[i] != MARK)
			return false;
	return true;
}

/* Whether a sum of n floats, of magnitudes that add up to this, may have come out so. */
static bool
near(double got, double want, double magnitudes, int n)
{
	return fabs(got - want) <= magnitudes * FLT_EPSILON * (4 + n / 16.0) + 2 * n * FLT_MIN;
}

/* The value of coordinate i in a code. */
static int
value_of(const HnrQuantizer *qz, const uint8 *code, int i)
{
	int			base = i - i % 64;
	int			nb = Min(64, qz->rdims - base) * qz->bits / 8;

	return code[base * qz->bits / 8 + i % 64 % nb] >> (i % 64 / nb * qz->bits) & ((1 << qz->bits) - 1);
}

/* ---- the rotation ---- */

/* The i-th sign of a rotation, see quant/README. */
static double
sign_of(uint64 seed, int i)
{
	uint64		z = seed + (i / 64 + 1) * UINT64CONST(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	z ^= z >> 31;
	return (z >> i % 64) & 1 ? -1 : 1;
}

static void
plain_pairs(int count, double *a, double *b)
{
	for (int i = 0; i < count; i++)
	{
		double		sum = (a[i] + b[i]) * M_SQRT1_2;

		b[i] = (a[i] - b[i]) * M_SQRT1_2;
		a[i] = sum;
	}
}

static void
plain_rotation(int n, uint64 seed, double *x)
{
	int			size = 16;
	const char *stages;

	while (size * 2 <= n)
		size *= 2;
	stages = size == n ? "FFF" : "FLBFL";
	for (int s = 0; stages[s]; s++)
	{
		double	   *from = stages[s] == 'L' ? x + n - size : x;

		for (int i = 0; i < n; i++)
			x[i] *= sign_of(seed, (n + 63) / 64 * 64 * s + i);
		if (stages[s] == 'B')
			plain_pairs(n / 32 * 16, x, x + n - n / 32 * 16);
		else
			for (int h = 1; h < size; h *= 2)
				for (int i = 0; i < size; i += 2 * h)
					plain_pairs(h, from + i, from + i + h);
	}
}

static void
test_rotation(const char *isa)
{
	bool		ok = true;
	static double want[MAX_DIMS];

	for (int d = 0; d < lengthof(many_dims); d++)
		for (int kind = 0; kind < KINDS; kind++)
		{
			int			n = many_dims[d];
			HnrQuantizer *qz = hnr_quantizer_create(n, 1, kind * UINT64CONST(0x123456789ABCDEF0));
			float	   *x = (float *) guard - n;
			double		length;

			fill_floats(kind, n, x);
			for (int i = 0; i < n; i++)
				want[i] = x[i];
			length = sqrt(dot(n, x, x));
			plain_rotation(n, kind * UINT64CONST(0x123456789ABCDEF0), want);
			hnr_quant_kernels->rotate(qz, x);
			for (int i = 0; i < n; i++)
				ok &= check(fabs(x[i] - want[i]) <= length * 1e-6, "rotated", n, kind, x[i] - want[i]);
		}
	report(ok, isa, "the rotation");
}

/* ---- floats ---- */

static bool
sums_are_right(int n, int kind, const float *x)
{
	double		sum = 0;
	double		magnitudes = 0;
	double		max = 0;
	float		got;
	float		got_max;
	float		scalar;
	float		scalar_max;
	bool		ok;

	for (int i = 0; i < n; i++)
	{
		sum += x[i];
		magnitudes += fabs(x[i]);
		max = Max(max, fabs(x[i]));
	}
	hnr_quant_kernels->sum_and_max(n, x, &got, &got_max);
	hnr_quant_scalar.sum_and_max(n, x, &scalar, &scalar_max);
	ok = check(near(got, sum, magnitudes, n) && near(scalar, sum, magnitudes, n), "sum", n, kind, got - sum);
	ok &= check(got_max == max && scalar_max == max, "max", n, kind, got_max);
	sum = dot(n, x, x);
	ok &= check(near(hnr_quant_kernels->square_sum(n, x), sum, sum, n), "squares", n, kind, sum);
	return ok;
}

/* Levels and code values; scale makes some magnitudes of the array meet the levels' boundaries. */
static bool
levels_are_right(int n, int kind, int bits, const float *x, float scale)
{
	float		top = (1 << (bits - 1)) - 1;
	double		dot = 0;
	double		norm2 = 0;
	float		got_dot;
	float		got_norm2;
	bool		ok = true;
	uint8		u[MAX_DIMS + 1];

	hnr_quant_kernels->level_sums(n, x, scale, top, &got_dot, &got_norm2);
	memset(u, MARK, sizeof(u));
	hnr_quant_kernels->code_values(n, x, scale, top, u);
	for (int i = 0; i < n; i++)
	{
		float		product = fabsf(x[i]) * scale;	/* rounded, as in the kernels */
		double		level = floor(Min(product, top)) + 0.5;

		dot += level * fabs(x[i]);
		norm2 += level * level;
		ok &= check(u[i] == (signbit(x[i]) ? -level : level) + top + 0.5, "value", n, bits, u[i]);
	}
	ok &= check(near(got_dot, dot, dot, n), "level, product", n, kind, got_dot - dot);
	ok &= check(near(got_norm2, norm2, norm2, n), "level, square", n, kind, got_norm2 - norm2);
	ok &= check(marked(u + n, 1), "behind the values", n, bits, u[n]);
	return ok;
}

/* Steps are whole numbers, and 256 times one byte plus another. */
static bool
steps_are_right(int n, int kind, int most, const float *x)
{
	static int8 high[MAX_DIMS + 1],
				low[MAX_DIMS + 1];
	float		max = 0;
	float		scale;
	int32		sum = 0;
	bool		ok = true;

	for (int i = 0; i < n; i++)
		max = Max(max, fabsf(x[i]));
	scale = max > 0 ? most / max : 0;
	memset(high, MARK, sizeof(high));
	memset(low, MARK, sizeof(low));
	for (int i = 0; i < n; i++)
		sum += rint(x[i] * scale);
	ok &= check(hnr_quant_kernels->split_steps(n, x, scale, high, low) == sum, "sum of steps", n, kind, sum);
	for (int i = 0; i < n; i++)
		ok &= check(256 * high[i] + low[i] == (int) rint(x[i] * scale), "step", n, kind, 256 * high[i] + low[i]);
	ok &= check(marked(high + n, 1) && marked(low + n, 1), "behind the steps", n, kind, most);
	return ok;
}

static void
test_floats(const char *isa)
{
	bool		sums = true;
	bool		levels = true;
	bool		steps = true;

	for (int n = 16; n <= MAX_DIMS; n += n < 1200 ? 16 : 1024)
		for (int kind = 0; kind < KINDS; kind++)
		{
			float	   *x = (float *) guard - n;

			fill_floats(kind, n, x);
			sums &= sums_are_right(n, kind, x);
			for (int j = 0; j < lengthof(all_bits); j++)
				for (float scale = 0.25f; scale < 17; scale *= 8)
					levels &= levels_are_right(n, kind, all_bits[j], x, scale);
			for (int most = 1; most <= 127 * 256; most = Min(most * 17, 127 * 256) + (most == 127 * 256))
				steps &= steps_are_right(n, kind, most, x);
		}
	report(sums, isa, "sums, greatest magnitudes and squares");
	report(levels, isa, "levels and values of codes");
	report(steps, isa, "a query in steps");
}

/* ---- codes ---- */

static bool
dots_are_right(HnrQuantizer *qz, int n, int stride, const uint8 *codes, const float *x)
{
	HnrCodeQuery *cq = hnr_code_query_create(qz);
	static int	steps[MAX_DIMS];
	float		got[MAX_CODES + 1];
	float		max = 0;
	float		scale;
	int64		bias = 0;
	bool		ok = true;

	hnr_code_query_set(cq, x);
	for (int i = 0; i < qz->rdims; i++)
		max = Max(max, fabsf(x[i]));
	scale = max > 0 ? cq->max_step / max : 0;
	for (int i = 0; i < qz->rdims; i++)
	{
		steps[i] = rint(x[i] * scale);
		bias += steps[i] * ((1 << qz->bits) - 1);
	}
	memset(got, MARK, sizeof(got));
	hnr_code_dots(cq, codes, stride, n, got);
	for (int c = 0; c < n; c++)
	{
		const uint8 *code = codes + c * stride;
		int64		sum = 0;
		double		exact = 0;
		double		magnitudes = 0;

		for (int i = 0; i < qz->rdims; i++)
		{
			int			u = value_of(qz, code, i);

			sum += u * steps[i];
			exact += u * (double) x[i];
			magnitudes += u * fabs(x[i]);
		}
		/* one product of whole numbers that fit: no instruction set rounds it otherwise */
		ok &= check(got[c] == cq->half_step * (float) (2 * sum - bias), "product in steps", qz->rdims, qz->bits,
					got[c]);
		if (stride == qz->code_size)
			ok &= check(near(hnr_quant_kernels->code_dot(qz, code, x), exact, magnitudes, qz->rdims), "product",
						qz->rdims, qz->bits, exact);
	}
	ok &= check(marked(got + n, sizeof(float)), "behind the products", qz->rdims, qz->bits, n);
	return ok;
}

static bool
products_are_right(const HnrQuantizer *qz, const uint8 *a, const uint8 *b)
{
	int			top = (1 << qz->bits) - 1;
	int64		want[3] = {0};
	int32		got[3];
	int32		scalar[3];
	bool		ok = true;

	for (int i = 0; i < qz->rdims; i++)
	{
		int			va = 2 * value_of(qz, a, i) - top;
		int			vb = 2 * value_of(qz, b, i) - top;

		want[0] += va * vb;
		want[1] += va * va;
		want[2] += vb * vb;
	}
	hnr_quant_kernels->code_products(qz, a, b, &got[0], &got[1], &got[2]);
	hnr_quant_scalar.code_products(qz, a, b, &scalar[0], &scalar[1], &scalar[2]);
	for (int i = 0; i < 3; i++)
		ok &= check(got[i] == want[i] && scalar[i] == want[i], "product of codes", qz->rdims, qz->bits, got[i]);
	return ok;
}

static void
test_codes(const char *isa)
{
	static const int counts[] = {0, 1, 2, 3, 4, 5, 6, 7, MAX_CODES};
	static float x[MAX_DIMS];
	bool		dots = true;
	bool		products = true;

	for (int d = 0; d < lengthof(many_dims); d++)
		for (int j = 0; j < lengthof(all_bits); j++)
		{
			HnrQuantizer *qz = hnr_quantizer_create(many_dims[d], all_bits[j], d);
			int			size = qz->code_size;

			for (int kind = 0; kind < KINDS; kind++)
				for (int c = 0; c < lengthof(counts); c++)
				{
					int			stride = size + (kind + c) % 3 * 5;
					int			n = counts[c];
					uint8	   *codes = (uint8 *) guard - (n > 0 ? (n - 1) * stride + size : 0);

					fill_floats(kind, many_dims[d], x);
					fill_bytes(kind + c, (uint8 *) guard - codes, codes);
					dots &= dots_are_right(qz, n, stride, codes, x);
					if (n < 2)
						continue;
					products &= products_are_right(qz, codes, codes + (n - 1) * stride);
					products &= products_are_right(qz, codes + (n - 1) * stride, codes);
				}
			release_all();
		}
	report(dots, isa, "products of codes and queries");
	report(products, isa, "products of two codes");
}

/* ---- tables and blocks ---- */

static void
test_tables(const char *isa)
{
	bool		exact = true;
	bool		close = true;

	for (int run = 0; run < 3000; run++)
	{
		float		values[4][HNR_TABLE];
		float		x[4];
		float		start = run % 2 ? floor(uniform() * 40) + 0.5 : uniform() * 40;
		uint8		got[HNR_TABLE + 1];
		int			n = 1 << run % 3;

		/* halves, which are added up exactly, or anything */
		for (int i = 0; i < n; i++)
		{
			x[i] = run % 2 ? floor(uniform() * 40) / 2 : uniform() * (run % 7 == 0 ? 1e30 : 20);
			for (int p = 0; p < HNR_TABLE; p++)
				values[i][p] = (int) (uniform() * 16);
		}
		got[HNR_TABLE] = MARK;
		hnr_quant_kernels->fill_table(n, x, start, (const float (*)[HNR_TABLE]) values, got);
		for (int p = 0; p < HNR_TABLE; p++)
		{
			double		sum = start;

			for (int i = 0; i < n; i++)
				sum += (double) x[i] * values[i][p];
			sum = Min(sum, HNR_MOST_STEPS);
			if (run % 2)
				exact &= check(got[p] == (int) sum, "amount", n, run, got[p]);
			else
				close &= check(got[p] > sum - 1.001 && got[p] < sum + 0.001, "amount, near", n, run, got[p] - sum);
		}
		exact &= check(got[HNR_TABLE] == MARK, "behind the table", n, run, got[HNR_TABLE]);
	}
	report(exact, isa, "tables of halves");
	report(close, isa, "tables");
}

/* A query of random tables, none or all of whose amounts may be the greatest that there is. */
static void
fill_tables(int kind, HnrBlockQuery *bq)
{
	for (int k = 0; k < bq->head->code_size; k++)
		for (int half = 0; half < 2; half++)
		{
			uint8	   *table = bq->tables[k / 2].tables[half][k % 2];

			for (int p = 0; p < HNR_TABLE; p++)
				table[p] = kind == 0 ? HNR_MOST_STEPS : kind == 1 ? 0 : uniform() * (HNR_MOST_STEPS + 1);
			memcpy(table + HNR_TABLE, table, HNR_TABLE);
		}
	bq->step = 0.25f;
}

/* Terms such that each row's least is exact, and some that are no numbers, or too large. */
static void
fill_terms(int kind, float *terms)
{
	for (int i = 0; i < HNR_BLOCK; i++)
	{
		terms[i] = floor(uniform() * 64) - 32;
		terms[HNR_BLOCK + i] = -floor(uniform() * 8) / 2;
		if (kind % 2)
		{
			if (i % 7 == 3)
				terms[i] = i % 2 ? NAN : kind % 4 == 1 ? INFINITY : -INFINITY;
			if (i % 11 == 5)
				terms[HNR_BLOCK + i] = i % 2 ? -INFINITY : -FLT_MAX;
		}
	}
}

/* The sums of a block, and whether each row may be left out, as hnr_block_below has it. */
static uint32
plain_below(const HnrBlockQuery *bq, const uint8 *block, const float *terms, const HnrBlockBound *b, int *sums)
{
	uint32		below = 0;

	for (int i = 0; i < HNR_BLOCK; i++)
	{
		float		least;		/* infinite where a float is */

		sums[i] = 0;
		for (int k = 0; k < bq->head->code_size; k++)
			sums[i] += bq->tables[k / 2].tables[0][k % 2][block[k * HNR_BLOCK + i] % 16] +
				bq->tables[k / 2].tables[1][k % 2][block[k * HNR_BLOCK + i] / 16];
		least = (double) b->scale * terms[i] + terms[HNR_BLOCK + i] * ((double) b->offset + bq->step * sums[i]);
		if (!(least > b->most))
			below |= (uint32) 1 << i;
	}
	return below;
}

static void
test_blocks(const char *isa)
{
	bool		sums_ok = true;
	bool		rows_ok = true;
	bool		scalar_ok = true;
	uint8		block_copy[HNR_BLOCK * HNR_HEAD_SIZE];

	for (int size = 2; size <= HNR_HEAD_SIZE; size += 2)
		for (int run = 0; run < 60; run++)
		{
			HnrQuantizer head = {.bits = 1, .code_size = size};
			HnrBlockQuery *bq = hnr_block_query_create(&head);
			uint8	   *block = (uint8 *) guard - HNR_BLOCK * size;
			float	   *terms;
			HnrBlockBound bound = {floor(uniform() * 3), floor(uniform() * 9) - 4 - run * size, 0};
			uint16		sums[HNR_BLOCK + 1];
			uint16		scalar[HNR_BLOCK];
			int			want[HNR_BLOCK];
			uint32		below;
			uint32		plain;

			/* terms and block in turns stand at the end of what can be read */
			fill_tables(run % 5, bq);
			fill_bytes(run, HNR_BLOCK * size, block);
			memcpy(block_copy, block, HNR_BLOCK * size);
			terms = (float *) (run % 2 ? guard : (char *) block) - 2 * HNR_BLOCK;
			if (run % 2)
				block = block_copy;
			fill_terms(run, terms);
			/* that of one of the rows, so that it is just not above */
			plain_below(bq, block, terms, &bound, want);
			bound.most = bound.scale * terms[run % HNR_BLOCK] +
				terms[HNR_BLOCK + run % HNR_BLOCK] * (bound.offset + bq->step * want[run % HNR_BLOCK]);
			plain = plain_below(bq, block, terms, &bound, want);

			memset(sums, MARK, sizeof(sums));
			below = hnr_quant_kernels->block_below(bq, block, terms, &bound, sums);
			rows_ok &= check(below == plain && (below >> run % HNR_BLOCK & 1), "rows", size, run, below ^ plain);
			for (int i = 0; i < HNR_BLOCK; i++)
				sums_ok &= check(sums[i] == want[i], "sum", size, run, sums[i] - want[i]);
			sums_ok &= check(marked(sums + HNR_BLOCK, sizeof(uint16)), "behind the sums", size, run, 0);
			scalar_ok &= hnr_quant_scalar.block_below(bq, block, terms, &bound, scalar) == below &&
				memcmp(sums, scalar, sizeof(scalar)) == 0;
			release_all();
		}
	report(sums_ok, isa, "sums of blocks");
	report(rows_ok, isa, "rows of blocks that are not above, infinities and no numbers too");
	report(scalar_ok, isa, "blocks as by the scalar kernel");
}

/* A block of n codes and zeros behind them: what is told of each is right within hnr_block_rounding. */
static bool
rows_are_right(const HnrQuantizer *head, HnrBlockQuery *bq, int n, const float *x)
{
	static uint8 codes[HNR_BLOCK][HNR_HEAD_SIZE];
	static uint8 block[HNR_BLOCK * HNR_HEAD_SIZE];
	float		terms[2 * HNR_BLOCK] = {0};
	HnrBlockBound bound = {1, 0, FLT_MAX};
	uint16		sums[HNR_BLOCK];
	float		products[HNR_BLOCK + 1];
	uint32		wanted = 0;
	int			found = 0;
	bool		ok = true;

	memset(block, 0, sizeof(block));
	for (int i = 0; i < n; i++)
	{
		fill_bytes(i, HNR_HEAD_SIZE, codes[i]);
		hnr_block_put(block, head->code_size, i, codes[i]);
		/* in no order, and not all of them */
		if (i % 3 != 1)
			wanted |= (uint32) 1 << i;
	}
	if (hnr_block_below(bq, block, terms, &bound, sums) != PG_UINT32_MAX)
		return check(false, "without a bound", head->rdims, head->bits, n);
	memset(products, MARK, sizeof(products));
	hnr_block_products(bq, sums, wanted, products);
	for (int i = 0; i < n; i++)
	{
		double		want = 0;
		double		magnitudes = 0;

		for (int k = 0; k < head->rdims; k++)
		{
			want += (value_of(head, codes[i], k) - 0.5 * ((1 << head->bits) - 1)) * x[k];
			magnitudes += fabs(x[k]) * (1 << head->bits);
		}
		if (wanted >> i & 1)
			ok &= check(fabs(products[found++] - want) <= hnr_block_rounding(bq) * 1.001 + magnitudes * 1e-5,
						"product of a row", head->rdims, head->bits, want);
	}
	ok &= check(marked(products + found, sizeof(float)), "behind the rows", head->rdims, head->bits, n);
	return ok;
}

static void
test_partial_blocks(const char *isa)
{
	static const int counts[] = {1, 2, 15, 16, 17, 31, HNR_BLOCK};
	static float x[MAX_DIMS];
	bool		ok = true;

	for (int d = 0; d < lengthof(many_dims); d++)
		for (int j = 0; j < lengthof(all_bits); j++)
		{
			HnrQuantizer *head = hnr_quantizer_head(hnr_quantizer_create(many_dims[d], all_bits[j], d));
			HnrBlockQuery *bq = hnr_block_query_create(head);

			for (int kind = 0; kind < KINDS; kind++)
			{
				fill_floats(kind, many_dims[d], x);
				hnr_block_query_set(bq, x);
				for (int c = 0; c < lengthof(counts); c++)
					ok &= rows_are_right(head, bq, counts[c], x);
			}
			release_all();
		}
	report(ok, isa, "full and partial blocks, within the rounding that is told");
}

int
main(void)
{
	static void (*const parts[]) (const char *) = {
		test_rotation, test_floats, test_codes, test_tables, test_blocks, test_partial_blocks
	};

	run_parts(lengthof(parts), parts);
	report(hnr_quant_init(NULL), "all", "chosen for this machine");
	printf("1..%d\n", tests);
	return failures > 0;
}
