/*-------------------------------------------------------------------------
 *
 * quant_code_test.c
 *		Codes: their order, and what every instruction set of this machine makes
 *		of them, without a server.
 *
 * Codes stand against a page that cannot be read.  With the argument "bench" it
 * prints nanoseconds instead.
 *
 *-------------------------------------------------------------------------
 */
#include "quant_lib.h"

static void
test_sizes(void)
{
	bool		ok = true;

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int j = 0; j < lengthof(all_bits); j++)
		{
			HnrQuantizer *qz = hnr_quantizer_create(all_dims[i], all_bits[j], 1);
			int			n = hnr_quantizer_rotated_dims(qz);

			ok &= n >= all_dims[i] && n < all_dims[i] + 16 &&
				hnr_code_size(all_dims[i], all_bits[j]) * 8 == n * all_bits[j];
		}
	report(ok, "all", "rotated dimensions and code sizes");
	report(hnr_code_size(784, 1) == 98 && hnr_code_size(128, 2) == 32 &&
		   hnr_code_size(16, 4) == 8, "all", "code sizes without waste");
}

/* The order of the values in a code is part of the disk format. */
static void
test_code_order(const char *isa)
{
	bool		ok = true;
	static float x[MAX_DIMS];
	static uint8 code[MAX_DIMS];

	for (int j = 0; j < lengthof(all_bits); j++)
	{
		int			bits = all_bits[j];
		HnrQuantizer *qz = hnr_quantizer_create(112, bits, 0);

		for (int i = 0; i < 112; i++)
		{
			int			in_group = i % 64;
			int			bytes = (i < 64 ? 64 : 48) * bits / 8;
			int			at = (i < 64 ? 0 : 8 * bits) + in_group % bytes;
			int			shift = in_group / bytes * bits;

			for (int k = 0; k < 112; k++)
				x[k] = -0.1f;
			x[i] = 100;
			hnr_encode(qz, x, code);
			ok &= check((code[at] >> shift & ((1 << bits) - 1)) == (1 << bits) - 1,
						"place of coordinate", 112, bits, i);
		}
	}
	report(ok, isa, "the order of the disk format");
}

/* Codes at the end of readable memory, with the given stride. */
static uint8 *
place_codes(int size, int stride, int n, const uint8 *codes)
{
	uint8	   *first = (uint8 *) guard - (n - 1) * stride - size;

	for (int i = 0; i < n; i++)
		memcpy(first + i * stride, codes + i * size, size);
	return first;
}

static void
test_dots_of(HnrQuantizer *qz, int dims, int bits, const char *isa, bool *exact, bool *agree)
{
	static const int counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, MAX_CODES};
	static uint8 codes[MAX_CODES * MAX_DIMS];
	static float x[MAX_DIMS],
				rx[MAX_DIMS],
				rq[MAX_DIMS];
	HnrCodeQuery *cq = hnr_code_query_create(qz);
	int			size = hnr_code_size(dims, bits);
	int			n = hnr_quantizer_rotated_dims(qz);

	for (int i = 0; i < MAX_CODES; i++)
	{
		random_unit(dims, x);
		hnr_rotate(qz, x, rx);
		hnr_encode(qz, rx, codes + i * size);
	}
	random_unit(dims, x);
	scale_to(dims, x, 1000);
	hnr_rotate(qz, x, rq);
	hnr_code_query_set(cq, rq);
	for (int c = 0; c < lengthof(counts); c++)
		for (int extra = 0; extra < 15; extra += 7)
		{
			uint8	   *first = place_codes(size, size + extra, counts[c], codes);
			float		got[MAX_CODES + 1];
			float		scalar[MAX_CODES];

			got[counts[c]] = 12345;
			hnr_code_dots(cq, first, size + extra, counts[c], got);
			hnr_quant_init("scalar");
			hnr_code_dots(cq, first, size + extra, counts[c], scalar);
			hnr_quant_init(isa);
			*agree &= memcmp(got, scalar, sizeof(float) * counts[c]) == 0 && got[counts[c]] == 12345;
			for (int i = 0; i < counts[c]; i++)
			{
				float		want = hnr_code_dot(qz, first + i * (size + extra), rq);

				/* half a step in each coordinate, at random; 6 deviations */
				*exact &= check(fabs(got[i] - want) < 0.02 * sqrt(n) * (1 << bits),
								"dot", dims, bits, got[i] - want);
			}
		}
}

static void
test_dots(const char *isa)
{
	bool		exact = true;
	bool		agree = true;

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int j = 0; j < lengthof(all_bits); j++)
			test_dots_of(hnr_quantizer_create(all_dims[i], all_bits[j], 3), all_dims[i],
						 all_bits[j], isa, &exact, &agree);
	report(exact, isa, "products with a query, nothing read behind the codes");
	report(agree, isa, "products with a query are those of scalar, bit by bit");
}

/* What a block is asked: all codes of which the product can be as small as that of each. */
static void
test_blocks_of(HnrQuantizer *qz, int dims, int bits, const char *isa, bool *good)
{
	static uint8 codes[HNR_BLOCK][MAX_DIMS];
	static uint8 block[HNR_BLOCK * HNR_HEAD_SIZE];
	static float x[MAX_DIMS];
	HnrQuantizer *head = hnr_quantizer_head(qz);
	HnrQuantizer *tail = hnr_quantizer_tail(qz);
	HnrBlockQuery *bq = hnr_block_query_create(head);
	int			size = hnr_quantizer_code_size(head);
	float		terms[2 * HNR_BLOCK];
	float		want[HNR_BLOCK];
	float		norm;

	good[0] &= size <= HNR_HEAD_SIZE && size >= Min(hnr_code_size(dims, bits), HNR_HEAD_SIZE / 2);
	for (int i = 0; i < HNR_BLOCK; i++)
	{
		random_unit(dims, x);
		hnr_rotate(qz, x, x);
		hnr_encode(qz, x, codes[i]);
		hnr_block_put(block, size, i, codes[i]);
		terms[i] = i % 5;
		terms[HNR_BLOCK + i] = -1 - i % 3;
	}
	random_unit(dims, x);
	scale_to(dims, x, 10);
	hnr_rotate(qz, x, x);
	hnr_block_query_set(bq, x);
	norm = sqrtf(hnr_code_norm2(head, codes[0]));
	good[4] &= check((tail == NULL) == (size == hnr_code_size(dims, bits)), "tail", dims, bits, size);
	for (int i = 0; i < HNR_BLOCK && tail; i++)
	{
		float		sum = hnr_code_dot(head, codes[i], x) +
			hnr_code_dot(tail, codes[i] + size, x + hnr_quantizer_rotated_dims(head));

		good[4] &= check(fabsf(sum - hnr_code_dot(qz, codes[i], x)) < 1e-3f, "head and tail", dims, bits, sum);
	}
	for (int i = 0; i < HNR_BLOCK; i++)
		want[i] = 2 * terms[i] + terms[HNR_BLOCK + i] * (hnr_code_dot(head, codes[i], x) + 3);
	for (int i = 0; i < HNR_BLOCK; i++)
	{
		HnrBlockBound bound = {2, 3, want[i] + 1e-3f};
		uint16		sums[HNR_BLOCK];
		uint32		below = hnr_block_below(bq, block, terms, &bound, sums);
		float		products[HNR_BLOCK];

		hnr_block_products(bq, sums, PG_UINT32_MAX, products);
		for (int j = 0; j < HNR_BLOCK; j++)
		{
			bool		bit = (below >> j) & 1;

			good[0] &= check(bit || want[j] > want[i], "block", dims, bits, j);
			/* 64 amounts, each rounded by half a step of the widest at most */
			good[3] &= check(fabsf(products[j] - hnr_code_dot(head, codes[j], x)) < 5 * hnr_block_deviation(bq),
							 "block, product", dims, bits, products[j]);
			good[1] &= check(!bit || want[j] < want[i] + 10 * norm, "block, more", dims, bits, want[j] - want[i]);
		}
		hnr_quant_init("scalar");
		good[2] &= check(below == hnr_block_below(bq, block, terms, &bound, sums), "block, scalar", dims, bits, i);
		hnr_quant_init(isa);
	}
}

static void
test_blocks(const char *isa)
{
	bool		good[5] = {true, true, true, true, true};

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int j = 0; j < lengthof(all_bits); j++)
			test_blocks_of(hnr_quantizer_create(all_dims[i], all_bits[j], i), all_dims[i], all_bits[j], isa, good);
	report(good[0], isa, "blocks leave out none that is as near");
	report(good[1], isa, "blocks leave out what is far");
	report(good[2], isa, "blocks as in plain C");
	report(good[3], isa, "products from blocks");
	report(good[4], isa, "a product is those of head and tail");
}

static void
test_cosines(const char *isa)
{
	static const double cosines[] = {-1, -0.9, -0.5, 0, 0.3, 0.6, 0.9, 0.97, 1};
	static float a[MAX_DIMS],
				b[MAX_DIMS],
				r[MAX_DIMS];
	static uint8 codes[2 * MAX_DIMS];
	bool		ok = true;
	bool		agree = true;

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int j = 0; j < lengthof(all_bits); j++)
			for (int k = 0; k < lengthof(cosines); k++)
			{
				int			dims = all_dims[i];
				int			bits = all_bits[j];
				int			size = hnr_code_size(dims, bits);
				const int	samples = 20;
				double		sum = 0;
				/* four deviations of the mean, and what the formula lacks */
				double		limit = 6.5 / bits / sqrt(dims * samples) + 0.015;

				for (int s = 0; s < samples; s++)
				{
					HnrQuantizer *qz = hnr_quantizer_create(dims, bits, s);
					uint8	   *first;
					float		ga,
								gb,
								cosine;
					double		along;

					random_unit(dims, a);
					random_unit(dims, b);
					along = dot(dims, a, b);
					for (int m = 0; m < dims; m++)
						b[m] -= along * a[m];
					if (dims > 1)
						scale_to(dims, b, sqrt(1 - cosines[k] * cosines[k]));
					for (int m = 0; m < dims; m++)
						b[m] += cosines[k] * a[m];
					hnr_rotate(qz, a, r);
					ga = hnr_encode(qz, r, codes);
					hnr_rotate(qz, b, r);
					gb = hnr_encode(qz, r, codes + size);
					first = place_codes(size, size, 2, codes);
					cosine = hnr_code_cosine(qz, first, ga, first + size, gb);
					ok &= check(cosine >= -1 && cosine <= 1, "cosine", dims, bits, cosine);
					ok &= cosine == hnr_code_cosine(qz, first + size, gb, first, ga);
					hnr_quant_init("scalar");
					agree &= cosine == hnr_code_cosine(qz, first, ga, first + size, gb);
					hnr_quant_init(isa);
					sum += cosine;
					release_all();
				}
				if (dims >= 8)
					ok &= check(fabs(sum / samples - cosines[k]) < limit,
								"mean error of the cosine", dims, bits, sum / samples - cosines[k]);
			}
	report(ok, isa, "cosines of two codes");
	report(agree, isa, "cosines are those of scalar");
}

static void
test_extremes(const char *isa)
{
	bool		zero = true;
	bool		sizes = true;
	static float x[MAX_DIMS],
				y[MAX_DIMS];
	static uint8 code[MAX_DIMS],
				other[MAX_DIMS];

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int j = 0; j < lengthof(all_bits); j++)
		{
			HnrQuantizer *qz = hnr_quantizer_create(all_dims[i], all_bits[j], 5);
			HnrCodeQuery *cq = hnr_code_query_create(qz);
			int			n = hnr_quantizer_rotated_dims(qz);
			int			size = hnr_code_size(all_dims[i], all_bits[j]);
			float		g;
			float		out;

			memset(x, 0, sizeof(x));
			memset(other, 0, sizeof(other));
			memset(code, 0xFF, sizeof(code));
			zero &= hnr_encode(qz, x, code) == 0 && memcmp(code, other, size) == 0 && code[size] == 0xFF;
			zero &= hnr_code_cosine(qz, code, 0, code, 0) == 0;
			hnr_code_query_set(cq, x);
			hnr_code_dots(cq, code, size, 1, &out);
			zero &= out == 0 && hnr_code_dot(qz, code, x) == 0;

			random_unit(n, x);
			g = hnr_encode(qz, x, code);
			for (int exponent = -120; exponent <= 120; exponent += 60)
			{
				float		scaled;

				for (int k = 0; k < n; k++)
					y[k] = ldexpf(x[k], exponent);
				scaled = hnr_encode(qz, y, other);
				sizes &= check(fabsf(scaled - g) < 1e-3 * g, "factor", n, all_bits[j], scaled - g);
				hnr_code_query_set(cq, y);
				hnr_code_dots(cq, other, size, 1, &out);
				out = ldexpf(out, -exponent) * scaled;
				sizes &= check(fabsf(out - 1) < 0.01 || (exponent == -120 && out == 0), "estimate",
							   n, all_bits[j], out);
			}
		}
	report(zero, isa, "a zero residual and a zero query");
	report(sizes, isa, "very short and very long residuals");
}

static double
nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* The best of ten runs, in nanoseconds per call. */
#define TIME(calls, call) \
	do { \
		best = 1e18; \
		for (int run_ = 0; run_ < 10; run_++) \
		{ \
			double		start_ = nanoseconds(); \
			for (int i_ = 0; i_ < (calls); i_++) \
				call; \
			best = Min(best, (nanoseconds() - start_) / (calls)); \
		} \
	} while (0)

static void
bench(const char *isa, int dims, int bits)
{
	static float x[MAX_DIMS],
				out[MAX_CODES];
	static uint8 codes[MAX_CODES * MAX_DIMS];
	HnrQuantizer *qz = hnr_quantizer_create(dims, bits, 1);
	HnrCodeQuery *cq = hnr_code_query_create(qz);
	int			size = hnr_code_size(dims, bits);
	float		g = 0;
	double		best;

	for (int i = 0; i < MAX_CODES; i++)
	{
		random_unit(dims, x);
		hnr_rotate(qz, x, x);
		g = hnr_encode(qz, x, codes + i * size);
	}
	hnr_code_query_set(cq, x);
	printf("%-10s %4d dims, %d bits:", isa, dims, bits);
	TIME(500, hnr_code_dots(cq, codes, size, 32, out));
	printf(" code %5.1f", best / 32);
	TIME(500, hnr_code_query_set(cq, x));
	printf(", query %5.0f", best);
	TIME(500, g = hnr_encode(qz, x, codes));
	printf(", encode %5.0f", best);
	TIME(500, out[0] = hnr_code_dot(qz, codes + size, x));
	printf(", exact dot %4.0f", best);
	TIME(500, out[1] = hnr_code_cosine(qz, codes + size, g, codes, g));
	printf(", cosine %4.0f", best);
	TIME(500, hnr_rotate(qz, x, x));
	printf(", rotate %5.0f ns\n", best);
}

static void
bench_all(const char *isa)
{
	bench(isa, 784, 1);
	bench(isa, 1536, 1);
	bench(isa, 128, 2);
	bench(isa, 100, 2);
	bench(isa, 64, 4);
	bench(isa, 16, 4);
}

int
main(int argc, char **argv)
{
	static void (*const parts[]) (const char *) = {
		test_code_order, test_dots, test_blocks, test_cosines, test_extremes
	};
	static void (*const benches[]) (const char *) = {bench_all};

	if (argc > 1 && strcmp(argv[1], "bench") == 0)
	{
		run_parts(lengthof(benches), benches);
		return 0;
	}
	run_parts(lengthof(parts), parts);
	test_sizes();
	printf("1..%d\n", tests);
	return failures > 0;
}
