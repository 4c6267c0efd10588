/*-------------------------------------------------------------------------
 *
 * distance_test.c
 *		Every distance kernel of this machine against sums in double, without a
 *		server.
 *
 * Each length from 1 to 2000 is tried, at a misaligned address, with the end of
 * the arrays against a page that cannot be read, so that a kernel that reads
 * behind the end dies.  With the argument "bench" it prints nanoseconds per call
 * instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "distance/bytes.h"
#include "distance/half.h"

#undef printf
#undef fprintf

#define MAX_N 2000

static int	tests = 0;
static int	failures = 0;

static void
report(bool pass, const char *isa, const char *what)
{
	tests++;
	if (!pass)
		failures++;
	printf("%s %d - %s: %s\n", pass ? "ok" : "not ok", tests, isa, what);
}

/* Coordinates with mixed signs and magnitudes, the same on every run. */
static float
random_float(void)
{
	static uint64 state = 20240611;

	state = state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (float) ((double) (state >> 40) / (1 << 23) - 1.0) * (float) (1 << (state >> 38 & 3));
}

/* A buffer of bytes whose end is followed by a page without access. */
static char *
guarded_end(size_t bytes)
{
	size_t		page = sysconf(_SC_PAGESIZE);
	size_t		size = (bytes + page - 1) / page * page;
	char	   *base = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
							MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED || mprotect(base + size, page, PROT_NONE) != 0)
	{
		printf("Bail out! no memory\n");
		exit(2);
	}
	return base + size;
}

/* |got - exact| within what float4 sums of terms of this total size may lose */
static bool
near(float got, double exact, double sum_of_magnitudes, int n)
{
	return fabs(got - exact) <= sum_of_magnitudes * FLT_EPSILON * (4 + n / 16.0);
}

typedef struct Sums
{
	double		l2,
				ip,
				ip_magnitude,
				l1,
				aa,
				bb;
} Sums;

static Sums
exact_sums(int n, const float *a, const float *b)
{
	Sums		s = {0};

	for (int i = 0; i < n; i++)
	{
		double		d = (double) a[i] - b[i];

		s.l2 += d * d;
		s.l1 += fabs(d);
		s.ip += (double) a[i] * b[i];
		s.ip_magnitude += fabs((double) a[i] * b[i]);
		s.aa += (double) a[i] * a[i];
		s.bb += (double) b[i] * b[i];
	}
	return s;
}

static void
test_kernels(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	bool		l2 = true,
				ip = true,
				l1 = true,
				products = true,
				special = true;
	float		ab,
				aa,
				bb;

	for (int n = 1; n <= MAX_N; n++)
	{
		float	   *a = (float *) end_a - n;
		float	   *b = (float *) end_b - n;
		Sums		s;

		for (int i = 0; i < n; i++)
		{
			a[i] = random_float();
			b[i] = random_float();
		}
		s = exact_sums(n, a, b);
		l2 &= near(k->l2_squared(n, a, b), s.l2, s.l2, n);
		ip &= near(k->inner_product(n, a, b), s.ip, s.ip_magnitude, n);
		l1 &= near(k->l1(n, a, b), s.l1, s.l1, n);
		k->products(n, a, b, &ab, &aa, &bb);
		products &= near(ab, s.ip, s.ip_magnitude, n) &&
			near(aa, s.aa, s.aa, n) && near(bb, s.bb, s.bb, n);
		special &= k->l2_squared(n, a, a) == 0 && k->l1(n, b, b) == 0;
		a[n - 1] = INFINITY;
		special &= isinf(k->l2_squared(n, a, b)) && isinf(k->l1(n, a, b));
		a[n - 1] = NAN;
		special &= isnan(k->l2_squared(n, a, b)) && isnan(k->inner_product(n, a, b));
	}
	report(l2, k->isa, "l2_squared, n = 1 .. 2000");
	report(ip, k->isa, "inner_product, n = 1 .. 2000");
	report(l1, k->isa, "l1, n = 1 .. 2000");
	report(products, k->isa, "products, n = 1 .. 2000");
	report(special, k->isa, "zero distance, infinity and NaN, n = 1 .. 2000");
}

/* The same kernels of halves, against the sums of what these stand for. */
static void
test_half_kernels(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	static float x[MAX_N],
				y[MAX_N];
	bool		distances = true,
				products = true,
				special = true;
	float		ab,
				aa,
				bb;

	for (int n = 1; n <= MAX_N; n++)
	{
		uint16	   *a = (uint16 *) end_a - n;
		uint16	   *b = (uint16 *) end_b - n;
		Sums		s;

		for (int i = 0; i < n; i++)
		{
			a[i] = hnr_half_encode(random_float());
			b[i] = hnr_half_encode(random_float());
			x[i] = hnr_half_decode(a[i]);
			y[i] = hnr_half_decode(b[i]);
		}
		s = exact_sums(n, x, y);
		distances &= near(k->half_l2_squared(n, a, b), s.l2, s.l2, n) &&
			near(k->half_inner_product(n, a, b), s.ip, s.ip_magnitude, n) &&
			near(k->half_l1(n, a, b), s.l1, s.l1, n);
		k->half_products(n, a, b, &ab, &aa, &bb);
		products &= near(ab, s.ip, s.ip_magnitude, n) &&
			near(aa, s.aa, s.aa, n) && near(bb, s.bb, s.bb, n);
		special &= k->half_l2_squared(n, a, a) == 0 && k->half_l1(n, b, b) == 0;
		a[n - 1] = 0x7C00;		/* infinity */
		special &= isinf(k->half_l2_squared(n, a, b)) && isinf(k->half_l1(n, a, b));
		a[n - 1] = 0x7E00;		/* NaN */
		special &= isnan(k->half_l2_squared(n, a, b)) && isnan(k->half_inner_product(n, a, b));
	}
	report(distances, k->isa, "half_l2_squared, half_inner_product and half_l1, n = 1 .. 2000");
	report(products, k->isa, "half_products, n = 1 .. 2000");
	report(special, k->isa, "halves at zero distance, infinity and NaN, n = 1 .. 2000");
}

/*
 * Halves come back as they were, and what lies between two of them becomes the
 * nearer one, of two as near the even one.
 */
static void
test_half_encoding(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	bool		same = true,
				nearest = true;

	for (int h = 0; h < 0x7C00; h++)
	{
		int			n = 1 + h % 40;
		float	   *x = (float *) end_a - n;
		uint16	   *half = (uint16 *) end_b - n;
		/* half way to the next one; for the last one, where infinity begins */
		float		above = h == 0x7BFF ? 65536.0f : hnr_half_decode(h + 1);
		float		middle = (hnr_half_decode(h) + above) / 2;

		for (int i = 0; i < n; i++)
			x[i] = i % 2 ? -hnr_half_decode(h) : hnr_half_decode(h);
		k->to_half(n, x, half);
		for (int i = 0; i < n; i++)
			same &= half[i] == (i % 2 ? 0x8000 | h : h);
		for (int i = 0; i < n; i++)
			x[i] = i % 3 == 0 ? middle : nextafterf(middle, i % 3 == 1 ? 0 : INFINITY);
		k->to_half(n, x, half);
		for (int i = 0; i < n; i++)
			nearest &= half[i] == h + (i % 3 == 0 ? h % 2 : i % 3 == 2) &&
				half[i] == hnr_half_encode(x[i]);
	}
	report(same, k->isa, "to_half gives every half back");
	report(nearest, k->isa, "to_half rounds to the nearest");
}

/* The two and four arrays of a tile share their memory, a float apart. */
static void
test_tiles(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	bool		near_all = true,
				same = true;

	for (int n = 1; n <= MAX_N; n += 1 + n / 64)
	{
		const float *a[HNR_TILE_A];
		const float *b[HNR_TILE_B];
		const float *one_a[HNR_TILE_A];
		const float *one_b[HNR_TILE_B];
		float		l2[HNR_TILE_A * HNR_TILE_B];
		float		ip[HNR_TILE_A * HNR_TILE_B];
		float		l1[HNR_TILE_A * HNR_TILE_B];
		float		alone[HNR_TILE_A * HNR_TILE_B];

		for (int i = 0; i < HNR_TILE_A; i++)
			a[i] = (float *) end_a - n - i;
		for (int i = 0; i < HNR_TILE_B; i++)
			b[i] = (float *) end_b - n - i;
		for (int i = 1; i <= n + HNR_TILE_B; i++)
			((float *) end_a)[-i] = random_float(), ((float *) end_b)[-i] = random_float();
		k->l2_squared_tile(n, a, b, l2);
		k->inner_product_tile(n, a, b, ip);
		k->l1_tile(n, a, b, l1);
		for (int i = 0; i < HNR_TILE_A * HNR_TILE_B; i++)
		{
			const float *x = a[i / HNR_TILE_B];
			const float *y = b[i % HNR_TILE_B];
			Sums		s = exact_sums(n, x, y);

			near_all &= near(l2[i], s.l2, s.l2, n) && near(l1[i], s.l1, s.l1, n) &&
				near(ip[i], s.ip, s.ip_magnitude, n);
			one_a[0] = one_a[1] = x;
			one_b[0] = one_b[1] = one_b[2] = one_b[3] = y;
			k->l2_squared_tile(n, one_a, one_b, alone);
			same &= alone[0] == l2[i];
			k->inner_product_tile(n, one_a, one_b, alone);
			same &= alone[HNR_TILE_B - 1] == ip[i];
			k->l1_tile(n, one_a, one_b, alone);
			same &= alone[HNR_TILE_B] == l1[i];
		}
	}
	report(near_all, k->isa, "tiles, n = 1 .. 2000");
	report(same, k->isa, "tiles, the place in one makes no difference");
}

static void
test_short_kernels(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	static float x[MAX_N],
				y[MAX_N];
	bool		distances = true,
				same = true;

	for (int n = 1; n <= MAX_N; n++)
	{
		uint16	   *a = (uint16 *) end_a - n;
		uint16	   *b = (uint16 *) end_b - n;
		Sums		s;

		for (int i = 0; i < n; i++)
		{
			a[i] = (uint16) random();
			b[i] = (uint16) random();
			x[i] = (int16) a[i];
			y[i] = (int16) b[i];
		}
		a[0] = b[n - 1] = 0x8000;	/* the least */
		x[0] = y[n - 1] = INT16_MIN;
		s = exact_sums(n, x, y);
		distances &= near(k->short_l2_squared(n, a, b), s.l2, s.l2, n) &&
			near(k->short_inner_product(n, a, b), s.ip, s.ip_magnitude, n);
		same &= k->short_l2_squared(n, a, b) == k->l2_squared(n, x, y) &&
			k->short_inner_product(n, a, b) == k->inner_product(n, x, y);
	}
	report(distances, k->isa, "short_l2_squared and short_inner_product, n = 1 .. 2000");
	report(same, k->isa, "shorts, as they are as floats");
}

/* What is stored in fewer bits comes back exactly, whatever its scale. */
static void
test_decoding(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	float		out[MAX_N];
	bool		halves = true,
				shorts = true,
				bytes = true;

	for (int n = 1; n <= MAX_N; n++)
	{
		uint16	   *half = (uint16 *) end_a - n;
		uint8	   *byte = (uint8 *) end_b - n;
		float		scale = ldexpf(1.0f, n % 200 - 126);
		int			bias = n % 256;

		for (int i = 0; i < n; i++)
		{
			half[i] = hnr_half_encode(random_float());
			byte[i] = (uint8) random();
		}
		k->from_half(n, half, scale, out);
		for (int i = 0; i < n; i++)
			halves &= out[i] == hnr_half_decode(half[i]) * scale;
		for (int i = 0; i < n; i++)
			half[i] = (uint16) random();
		k->from_short(n, half, scale, out);
		for (int i = 0; i < n; i++)
			shorts &= out[i] == (int16) half[i] * scale;
		k->from_bytes(n, byte, bias, scale, out);
		for (int i = 0; i < n; i++)
			bytes &= out[i] == (float) ((int) byte[i] - bias) * scale;
	}
	report(halves, k->isa, "from_half, n = 1 .. 2000");
	report(shorts, k->isa, "from_short, n = 1 .. 2000");
	report(bytes, k->isa, "from_bytes, n = 1 .. 2000");
}

/* Counts of bits against those taken bit by bit. */
static void
test_bits(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	bool		different = true,
				shared = true;

	for (int n = 1; n <= MAX_N; n += 1 + n / 64)
	{
		uint8	   *a = (uint8 *) end_a - n;
		uint8	   *b = (uint8 *) end_b - n;
		int64		in_one = 0,
					in_both = 0,
					both,
					any;

		for (int i = 0; i < n; i++)
		{
			a[i] = (uint8) random();
			b[i] = (uint8) random();
			for (int bit = 1; bit < 256; bit *= 2)
			{
				in_one += (a[i] & bit) != (b[i] & bit);
				in_both += (a[i] & b[i] & bit) != 0;
			}
		}
		different &= k->bits_different(n, a, b) == in_one && k->bits_different(n, a, a) == 0;
		k->bits_shared(n, a, b, &both, &any);
		shared &= both == in_both && any == in_both + in_one;
	}
	report(different, k->isa, "bits_different, n = 1 .. 2000");
	report(shared, k->isa, "bits_shared, n = 1 .. 2000");
}

/* Vectors of bytes against sums, with the largest there are. */
static void
test_bytes(const HnrByteKernels *k, const char *isa, char *end_a, char *end_b)
{
	static int8 columns[MAX_N * HNR_BLOCK_COLUMNS];
	bool		apart = true,
				products = true;

	for (int n = 1; n <= MAX_N; n += 1 + n / 64)
	{
		uint8	   *a = (uint8 *) end_a - n;
		uint8	   *b = (uint8 *) end_b - n;
		int32		sum = 0;

		for (int i = 0; i < n; i++)
		{
			a[i] = n % 3 == 0 ? 255 : (uint8) random();
			b[i] = n % 3 == 0 ? 0 : (uint8) random();
			sum += (a[i] - b[i]) * (a[i] - b[i]);
		}
		apart &= k->l2_squared(n, a, b) == sum && k->l2_squared(n, b, a) == sum;
	}
	for (int n = HNR_BYTES_GROUP; n <= MAX_N; n += HNR_BYTES_GROUP * (1 + n / 256))
	{
		const uint8 *rows[HNR_BLOCK_ROWS];
		int32		out[HNR_BLOCK_ROWS * HNR_BLOCK_COLUMNS];

		for (int i = 0; i < n; i++)
			((uint8 *) end_a - n)[i] = n % 3 == 0 ? 255 : (uint8) random();
		for (int i = 0; i < n * HNR_BLOCK_COLUMNS; i++)
			columns[i] = n % 3 == 0 ? -128 : (int8) random();
		/* rows of which the last begins n before the end, and none is quite the same */
		for (int r = 0; r < HNR_BLOCK_ROWS; r++)
			rows[r] = (uint8 *) end_a - n - (r < HNR_BLOCK_ROWS - 1 ? r * HNR_BYTES_GROUP : 0);
		k->block_products(n, rows, columns, out);
		for (int r = 0; r < HNR_BLOCK_ROWS; r++)
			for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
			{
				int32		sum = 0;

				for (int i = 0; i < n; i++)
					sum += rows[r][i] * columns[(i / HNR_BYTES_GROUP * HNR_BLOCK_COLUMNS + c) *
												HNR_BYTES_GROUP + i % HNR_BYTES_GROUP];
				products &= out[r * HNR_BLOCK_COLUMNS + c] == sum;
			}
	}
	report(apart, isa, "bytes l2_squared, n = 1 .. 2000");
	report(products, isa, "bytes block_products, n = 4 .. 2000");
}

/* n ascending indices and small whole numbers at the end of a page each. */
static void
random_sparse(int n, char *end_of_indices, char *end_of_values, int32 **index, float **value)
{
	*index = (int32 *) end_of_indices - n;
	*value = (float *) end_of_values - n;
	for (int i = 0; i < n; i++)
	{
		(*index)[i] = (i > 0 ? (*index)[i - 1] : -1) + 1 + random() % (random() % 8 == 0 ? 100 : 3);
		(*value)[i] = random() % 9 - 4;
	}
}

/* Sums of whole numbers, which are exact; b has its indices and values in two pages, too. */
static void
test_sparse(const HnrDistanceKernels *k, char *end_a, char *end_b)
{
	static float room[2][MAX_N];
	bool		right = true;

	for (int round = 0; round < 2000; round++)
	{
		int			na = random() % (random() % 4 == 0 ? 400 : 40);
		int			nb = random() % (random() % 4 == 0 ? 400 : 40);
		int32	   *ai,
				   *bi;
		float	   *a,
				   *b;
		float		sum = 0;
		float		norms = 0;
		float		squares = 0;
		float		l1 = 0;
		float		got[4];

		random_sparse(na, end_a, (char *) (room[0] + MAX_N), &ai, &a);
		random_sparse(nb, (char *) (room[1] + MAX_N), end_b, &bi, &b);
		for (int i = 0; i < na; i++)
		{
			norms += fabsf(a[i]);
			squares += a[i] * a[i];
		}
		for (int j = 0; j < nb; j++)
		{
			norms += fabsf(b[j]);
			squares += b[j] * b[j];
		}
		l1 = norms;
		for (int i = 0; i < na; i++)
			for (int j = 0; j < nb; j++)
				if (ai[i] == bi[j])
				{
					sum += a[i] * b[j];
					l1 += fabsf(a[i] - b[j]) - fabsf(a[i]) - fabsf(b[j]);
				}
		right &= k->sparse_product(na, ai, a, nb, bi, b) == sum &&
			k->sparse_product(nb, bi, b, na, ai, a) == sum;
		right &= k->sparse_l1(na, ai, a, nb, bi, b, &got[0]) == l1 && got[0] == norms &&
			k->sparse_l1(nb, bi, b, na, ai, a, &got[1]) == l1 && got[1] == norms;
		right &= k->sparse_l2_squared(na, ai, a, nb, bi, b, &got[2]) == squares - 2 * sum && got[2] == squares &&
			k->sparse_l2_squared(nb, bi, b, na, ai, a, &got[3]) == squares - 2 * sum && got[3] == squares;
	}
	report(right, k->isa, "sparse_product, sparse_l1 and sparse_l2_squared, of up to 400");
}

/* Products of rows with packed columns, nothing behind the columns being read. */
static void
test_blocks(const HnrDistanceKernels *k, char *end_a)
{
	static float row[HNR_BLOCK_ROWS][MAX_N / HNR_BLOCK_COLUMNS];
	bool		right = true;

	for (int n = 1; n <= MAX_N / HNR_BLOCK_COLUMNS; n++)
	{
		float	   *columns = (float *) end_a - n * HNR_BLOCK_COLUMNS;
		float		out[HNR_BLOCK_ROWS * HNR_BLOCK_COLUMNS];
		const float *rows[HNR_BLOCK_ROWS];

		for (int i = 0; i < n * HNR_BLOCK_COLUMNS; i++)
			columns[i] = random_float();
		for (int r = 0; r < HNR_BLOCK_ROWS; r++)
		{
			rows[r] = row[r];
			for (int i = 0; i < n; i++)
				row[r][i] = random_float();
		}
		k->block_products(n, rows, columns, out);
		for (int r = 0; r < HNR_BLOCK_ROWS; r++)
			for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
			{
				float		column[MAX_N / HNR_BLOCK_COLUMNS];
				Sums		s;

				for (int i = 0; i < n; i++)
					column[i] = columns[i * HNR_BLOCK_COLUMNS + c];
				s = exact_sums(n, row[r], column);
				right &= near(out[r * HNR_BLOCK_COLUMNS + c], s.ip, s.ip_magnitude, n);
			}
	}
	report(right, k->isa, "block_products, n = 1 .. 62");
}

/* The kernels that look for the least of many numbers. */
static void
test_least(const HnrDistanceKernels *k, char *end_a)
{
	bool		minima = true,
				lists = true,
				counts = true;

	for (int n = HNR_BLOCK_COLUMNS; n <= MAX_N; n += HNR_BLOCK_COLUMNS)
	{
		float	   *x = (float *) end_a - n;
		float		least[HNR_BLOCK_COLUMNS];
		int			where[MAX_N];
		int			most = n / 2;
		int			found;
		int			below = 0;

		for (int i = 0; i < n; i++)
			x[i] = i % 7 == 0 ? INFINITY : random_float();
		k->lane_minima(n, x, least);
		for (int c = 0; c < HNR_BLOCK_COLUMNS; c++)
		{
			float		expected = INFINITY;

			for (int i = c; i < n; i += HNR_BLOCK_COLUMNS)
				expected = Min(expected, x[i]);
			minima &= least[c] == expected;
		}
		found = k->list_below(n, x, x[1], most, where);
		for (int i = 0; i < n; i++)
			if (x[i] <= x[1])
			{
				lists &= below >= most || where[below] == i;
				below++;
			}
		lists &= found == Min(below, most);
		counts &= k->count_below(n, x, x[1]) == below;
	}
	report(minima, k->isa, "lane_minima");
	report(lists, k->isa, "list_below");
	report(counts, k->isa, "count_below");
}

static float
naive_l2(int n, const float *a, const float *b)
{
	float		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sum;
}

static double
time_kernel(HnrDistanceFn fn, int n, const float *a, const float *b)
{
	struct timespec t0,
				t1;
	int			calls = 20000000 / (n + 50);
	volatile float sink = 0;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (int i = 0; i < calls; i++)
		sink = sink + fn(n, a, b);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	return ((t1.tv_sec - t0.tv_sec) * 1e9 + (t1.tv_nsec - t0.tv_nsec)) / calls;
}

static void
bench(const char *isa, HnrDistanceFn l2, HnrDistanceFn ip, HnrDistanceFn l1)
{
	static const int sizes[] = {8, 25, 100, 128, 384, 768, 1536, 2000};
	static float a[MAX_N],
				b[MAX_N];

	for (int i = 0; i < lengthof(sizes); i++)
		printf("%-8s n = %4d: l2 %6.1f ns, ip %6.1f ns, l1 %6.1f ns\n", isa, sizes[i],
			   time_kernel(l2, sizes[i], a, b), time_kernel(ip, sizes[i], a, b),
			   time_kernel(l1, sizes[i], a, b));
}

int
main(int argc, char **argv)
{
	static const char *const isas[] = {"scalar", "avx2", "avx512", "neon"};
	bool		benching = argc > 1 && strcmp(argv[1], "bench") == 0;
	char	   *end_a = guarded_end((MAX_N + HNR_TILE_B) * sizeof(float));
	char	   *end_b = guarded_end((MAX_N + HNR_TILE_B) * sizeof(float));

	if (benching)
		bench("naive", naive_l2, naive_l2, naive_l2);
	for (int i = 0; i < lengthof(isas); i++)
	{
		if (!hnr_distance_init(isas[i]))
			printf("# %s: not on this machine\n", isas[i]);
		else if (benching)
			bench(isas[i], hnr_distance->l2_squared, hnr_distance->inner_product,
				  hnr_distance->l1);
		else
		{
			test_kernels(hnr_distance, end_a, end_b);
			test_half_kernels(hnr_distance, end_a, end_b);
			test_short_kernels(hnr_distance, end_a, end_b);
			test_half_encoding(hnr_distance, end_a, end_b);
			test_tiles(hnr_distance, end_a, end_b);
			test_decoding(hnr_distance, end_a, end_b);
			test_bits(hnr_distance, end_a, end_b);
			if (hnr_bytes)
				test_bytes(hnr_bytes, hnr_distance->isa, end_a, end_b);
			test_sparse(hnr_distance, end_a, end_b);
			test_blocks(hnr_distance, end_a);
			test_least(hnr_distance, end_a);
		}
	}
	if (benching)
		return 0;
	report(hnr_distance_init(NULL), hnr_distance->isa, "chosen for this machine");
	report(!hnr_distance_init("none"), "none", "an unknown instruction set is refused");
	printf("1..%d\n", tests);
	return failures > 0;
}
