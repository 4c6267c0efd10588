/*-------------------------------------------------------------------------
 *
 * quant_test.c
 *		The rotation, and the errors of the estimates, by every instruction set of
 *		this machine, without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "quant_lib.h"

/* A unit vector that is not random. */
static void
plain_unit(int n, int kind, float *x)
{
	for (int i = 0; i < n; i++)
		switch (kind)
		{
			case 0:				/* the first axis */
				x[i] = i == 0;
				break;
			case 1:				/* the last axis */
				x[i] = i == n - 1;
				break;
			case 2:				/* all the same */
				x[i] = 1;
				break;
			case 3:				/* alternating */
				x[i] = i % 2 ? -1 : 1;
				break;
			default:			/* the last quarter */
				x[i] = i >= n - (n + 3) / 4;
				break;
		}
	scale_to(n, x, 1);
}

/* Pages hold vectors that this rotation made: it may never change. */
static void
test_rotation_is_fixed(const char *isa)
{
	static const struct
	{
		int			dims;
		float		first,
					last;
	}			known[] = {
		{16, 2.125000f, -0.125000f},
		{17, 0.353553f, 0.464039f},
		{100, 0.969036f, 0.078805f},
		{784, -0.643949f, 1.123118f},
		{1536, -2.048641f, 0.128073f}
	};
	bool		ok = true;

	for (int i = 0; i < lengthof(known); i++)
	{
		int			dims = known[i].dims;
		HnrQuantizer *qz = hnr_quantizer_create(dims, 1, UINT64CONST(0x123456789ABCDEF0));
		int			n = hnr_quantizer_rotated_dims(qz);
		static float x[MAX_DIMS],
					out[MAX_DIMS];

		for (int k = 0; k < dims; k++)
			x[k] = k % 7 - 2.5f;
		hnr_rotate(qz, x, out);
		ok &= check(fabs(out[0] - known[i].first) < 1e-4 && fabs(out[n - 1] - known[i].last) < 1e-4,
					"rotated otherwise, last", dims, 1, out[n - 1]);
	}
	report(ok, isa, "the rotation of the disk format");
}

static void
test_rotation(const char *isa)
{
	bool		lengths = true;
	bool		products = true;
	bool		same = true;
	static float x[MAX_DIMS],
				y[MAX_DIMS],
				rx[MAX_DIMS],
				ry[MAX_DIMS],
				again[MAX_DIMS];
	static uint8 code[MAX_DIMS],
				other_code[MAX_DIMS];

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int kind = 0; kind < 5; kind++)
		{
			int			dims = all_dims[i];
			HnrQuantizer *qz = hnr_quantizer_create(dims, 2, kind);
			HnrQuantizer *other = hnr_quantizer_create(dims, 2, kind);
			HnrQuantizer *finer = hnr_quantizer_with_bits(hnr_quantizer_create(dims, 1, kind), 2);
			int			n = hnr_quantizer_rotated_dims(qz);
			float		factor;

			plain_unit(dims, kind, x);
			random_unit(dims, y);
			hnr_rotate(qz, x, rx);
			hnr_rotate(qz, y, ry);
			lengths &= check(fabs(sqrt(dot(n, rx, rx)) - 1) < 1e-5, "length", dims, 0, dot(n, rx, rx));
			products &= check(fabs(dot(n, rx, ry) - dot(dims, x, y)) < 1e-5, "product", dims, 0,
							  dot(n, rx, ry) - dot(dims, x, y));
			hnr_rotate(other, x, again);
			same &= memcmp(rx, again, sizeof(float) * n) == 0;
			hnr_rotate(finer, x, again);
			same &= memcmp(rx, again, sizeof(float) * n) == 0;
			factor = hnr_encode(qz, rx, code);
			same &= hnr_encode(finer, rx, other_code) == factor &&
				memcmp(code, other_code, hnr_code_size(dims, 2)) == 0;
			hnr_quant_init("scalar");
			hnr_rotate(qz, x, again);
			hnr_quant_init(isa);
			for (int k = 0; k < n; k++)
				same &= check(fabsf(rx[k] - again[k]) < 1e-5, "rotated by scalar", dims, 0,
							  rx[k] - again[k]);
		}
	report(lengths, isa, "rotation keeps lengths");
	report(products, isa, "rotation keeps products");
	report(same, isa, "rotation depends on the seed alone, whatever the bits, and agrees with scalar");
}

/*
 * The errors of the estimate of <x, y>, y being a unit vector orthogonal to x,
 * over many rotations.
 */
static void
estimate_errors(int dims, int bits, int kind, double *bias, double *rms)
{
	const int	samples = dims > 1000 ? 40 : 200;
	static float x[MAX_DIMS],
				y[MAX_DIMS],
				rx[MAX_DIMS],
				ry[MAX_DIMS];
	static uint8 code[MAX_DIMS];
	double		sum = 0;
	double		squares = 0;

	for (int s = 0; s < samples; s++)
	{
		HnrQuantizer *qz = hnr_quantizer_create(dims, bits, s + 1000 * kind);
		double		along;
		double		error;
		float		g;

		random_unit(dims, x);
		random_unit(dims, y);
		if (kind > 0)
			plain_unit(dims, kind - 1, x);
		if (kind > 1)
			plain_unit(dims, kind - 2, y);
		along = dot(dims, x, y);
		for (int i = 0; i < dims; i++)
			y[i] -= along * x[i];
		scale_to(dims, y, 1);
		hnr_rotate(qz, x, rx);
		hnr_rotate(qz, y, ry);
		g = hnr_encode(qz, rx, code);
		error = g * hnr_code_dot(qz, code, ry);
		sum += error;
		squares += error * error;
		release_all();
	}
	*rms = sqrt(squares / samples);
	*bias = sum / samples / (*rms / sqrt(samples));
}

static void
test_errors(const char *isa)
{
	/* sqrt((1 - a^2) / a^2) with a the cosine of a normal vector and its code */
	static const double expected[] = {0, 0.756, 0.367, 0, 0.109};
	bool		small = true;
	bool		unbiased = true;

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int j = 0; j < lengthof(all_bits); j++)
			for (int kind = 0; kind < 6; kind++)
			{
				int			dims = all_dims[i];
				int			bits = all_bits[j];
				double		bias;
				double		rms;

				if (dims < 8)
					continue;	/* hardly a y orthogonal to x */
				estimate_errors(dims, bits, kind, &bias, &rms);
				small &= check(rms * sqrt(dims) < expected[bits] * (dims < 100 ? 1.6 : 1.3),
							   "error", dims, bits, rms * sqrt(dims));
				unbiased &= check(fabs(bias) < 4.5, "bias in standard errors", dims, bits, bias);
			}
	report(small, isa, "the estimate's error is within the theory's, spikes included");
	report(unbiased, isa, "the estimate has no bias");
}

/* Along x itself the estimate is exact, in however few dimensions. */
static void
test_exact_direction(const char *isa)
{
	bool		ok = true;
	static float x[MAX_DIMS],
				rx[MAX_DIMS];
	static uint8 code[MAX_DIMS];

	for (int i = 0; i < lengthof(all_dims); i++)
		for (int j = 0; j < lengthof(all_bits); j++)
			for (int kind = 0; kind < 6; kind++)
			{
				HnrQuantizer *qz = hnr_quantizer_create(all_dims[i], all_bits[j], kind);
				float		g;

				if (kind < 5)
					plain_unit(all_dims[i], kind, x);
				else
					random_unit(all_dims[i], x);
				hnr_rotate(qz, x, rx);
				g = hnr_encode(qz, rx, code);
				ok &= check(g > 0 && g <= FLT_MAX && fabs(g * hnr_code_dot(qz, code, rx) - 1) < 1e-4,
							"x from itself", all_dims[i], all_bits[j],
							g * hnr_code_dot(qz, code, rx));
			}
	report(ok, isa, "the factor makes the estimate exact along the coded vector");
}

/* A far query: <x, q - p> from a |q| that is many times |q - p|. */
static void
test_far_query(const char *isa)
{
	bool		ok = true;
	static float x[MAX_DIMS],
				p[MAX_DIMS],
				q[MAX_DIMS],
				rx[MAX_DIMS],
				rp[MAX_DIMS],
				rq[MAX_DIMS];
	static uint8 code[MAX_DIMS];

	for (int j = 0; j < lengthof(all_bits); j++)
	{
		int			bits = all_bits[j];
		HnrQuantizer *qz = hnr_quantizer_create(784, bits, 11);
		HnrCodeQuery *cq = hnr_code_query_create(qz);
		double		extra = 0;
		double		inherent = 0;

		for (int s = 0; s < 100; s++)
		{
			float		estimate;
			float		exact;
			float		g;

			random_unit(784, x);
			random_unit(784, p);
			random_unit(784, q);
			for (int i = 0; i < 784; i++)
			{
				p[i] *= 100;
				q[i] += p[i];
			}
			hnr_rotate(qz, x, rx);
			hnr_rotate(qz, p, rp);
			hnr_rotate(qz, q, rq);
			g = hnr_encode(qz, rx, code);
			hnr_code_query_set(cq, rq);
			hnr_code_dots(cq, code, 0, 1, &estimate);
			exact = g * (hnr_code_dot(qz, code, rq) - hnr_code_dot(qz, code, rp));
			estimate = g * (estimate - hnr_code_dot(qz, code, rp));
			extra += pow(estimate - exact, 2);
			inherent += pow(exact - (dot(784, x, q) - dot(784, x, p)), 2);
		}
		ok &= check(sqrt(extra / inherent) < 0.1, "error of the query", 784, bits, sqrt(extra / inherent));
	}
	report(ok, isa, "a query at 100 times the distance adds no error that counts");
}

int
main(void)
{
	static void (*const parts[]) (const char *) = {
		test_rotation_is_fixed, test_rotation, test_errors, test_exact_direction, test_far_query
	};

	run_parts(lengthof(parts), parts);
	report(hnr_quant_init(NULL), "all", "chosen for this machine");
	report(!hnr_quant_init("none"), "none", "an unknown instruction set is refused");
	printf("1..%d\n", tests);
	return failures > 0;
}
