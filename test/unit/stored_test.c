/*-------------------------------------------------------------------------
 *
 * stored_test.c
 *		What rounding loses against the most that check_index() allows for, without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "am/stored.h"
#include "distance/distance.h"

/* the server's own are not linked */
#undef printf

#define MAX_DIMS	12
#define TRIES		500000

/* what is linked, and not used */
const HnrDistanceKernels *hnr_distance;

bool
hnr_metric_form_vector(const HnrMetric *metric, Datum value, int dims, float *vec)
{
	return false;
}

static uint64 state = 1;

static uint32
draw(uint32 below)
{
	state = state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (uint32) (state >> 33) % below;
}

/*
 * Coordinates of about that magnitude: anything, the largest, what is halfway between two steps
 * of bytes or shorts, or next to that; of either sign, or of one.
 */
static float
coordinate(int exponent, bool one_sign)
{
	double		part = draw(1 << 24) / (double) (1 << 24);
	float		x;

	if (draw(2) == 0)
		part = 1 - ldexp(1, -24);
	else if (draw(2) == 0)
		part = (draw(512) + 0.5) / (draw(2) == 0 ? 256 : 32768) + (draw(3) - 1.0) * ldexp(1, -24);
	x = (float) ldexp(Min(part, 1 - ldexp(1, -24)), exponent);
	return !one_sign && draw(2) == 0 ? -x : x;
}

/* The worst part of what is allowed that any vector loses whose largest coordinates are below 2^exponent. */
static double
worst(HnrEncoding encoding, int least_exponent, int exponents)
{
	static const HnrColumnType type = {0};
	HnrMetric	metric = {.kind = HNR_METRIC_L1, .type = &type};
	double		worst = 0;

	for (int try = 0; try < TRIES; try++)
	{
		int			n = draw(2) == 0 ? 2 : 1 + draw(MAX_DIMS);
		int			exponent = least_exponent + draw(exponents);
		bool		one_sign = draw(2) == 0;
		float		vec[MAX_DIMS];
		double		sum = 0;
		double		lost;

		for (int i = 0; i < n; i++)
			vec[i] = coordinate(exponent, one_sign);
		lost = hnr_stored_round(&metric, encoding, n, vec);
		for (int i = 0; i < n; i++)
			sum += fabs(vec[i]);
		if (lost > 0)
			/* of the sum there are digits missing, too: as check_index() has it */
			worst = Max(worst, lost / hnr_stored_most_lost(encoding, hnr_stored_scale(encoding, n, vec), n, 1.01 * sum));
	}
	return worst;
}

int
main(void)
{
	static const struct
	{
		HnrEncoding encoding;
		int			least;
		int			exponents;
		const char *name;
	}			cases[] = {
		{HNR_ENCODING_BYTE, -118, 245, "bytes"},
		{HNR_ENCODING_BYTE, FLT_MAX_EXP, 1, "bytes next to FLT_MAX"},
		{HNR_ENCODING_BYTE, FLT_MIN_EXP - 20, 30, "bytes of the least steps"},
		{HNR_ENCODING_SHORT, -110, 237, "shorts"},
		{HNR_ENCODING_SHORT, FLT_MAX_EXP, 1, "shorts next to FLT_MAX"},
		{HNR_ENCODING_SHORT, FLT_MIN_EXP - 20, 30, "shorts of the least steps"},
		{HNR_ENCODING_HALF, -120, 247, "halves"},
		{HNR_ENCODING_HALF, FLT_MAX_EXP, 1, "halves next to FLT_MAX"},
	};
	int			failures = 0;

	for (int i = 0; i < lengthof(cases); i++)
	{
		double		part = worst(cases[i].encoding, cases[i].least, cases[i].exponents);
		bool		ok = part <= 1 + 1e-5 && part > 0.45;

		printf("%s %d - %s lose %.4f of what they may at most\n", ok ? "ok" : "not ok", i + 1, cases[i].name, part);
		failures += !ok;
	}
	printf("1..%d\n", (int) lengthof(cases));
	return failures > 0;
}
