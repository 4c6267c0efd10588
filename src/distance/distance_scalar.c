/*-------------------------------------------------------------------------
 *
 * distance_scalar.c
 *		The distance kernels in plain C, for any processor.
 *
 * The "register" is an array of four floats: enough for a compiler to use
 * whatever the platform's baseline has (SSE2 on x86-64).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "distance/half.h"
#include "distance/kernels.h"

#define LANES 4

typedef struct Lanes
{
	float		x[LANES];
} Lanes;

static inline Lanes
lanes_load(const float *p)
{
	return (Lanes) {{p[0], p[1], p[2], p[3]}};
}

static inline Lanes
lanes_load_part(const float *p, int count)
{
	return (Lanes) {{p[0], count > 1 ? p[1] : 0.0f, count > 2 ? p[2] : 0.0f, 0.0f}};
}

static inline Lanes
lanes_add(Lanes a, Lanes b)
{
	for (int i = 0; i < LANES; i++)
		a.x[i] += b.x[i];
	return a;
}

static inline Lanes
lanes_sub(Lanes a, Lanes b)
{
	for (int i = 0; i < LANES; i++)
		a.x[i] -= b.x[i];
	return a;
}

static inline Lanes
lanes_fma(Lanes a, Lanes b, Lanes c)
{
	for (int i = 0; i < LANES; i++)
		c.x[i] += a.x[i] * b.x[i];
	return c;
}

static inline Lanes
lanes_abs(Lanes a)
{
	for (int i = 0; i < LANES; i++)
		a.x[i] = fabsf(a.x[i]);
	return a;
}

static inline Lanes
lanes_mul(Lanes a, Lanes b)
{
	for (int i = 0; i < LANES; i++)
		a.x[i] *= b.x[i];
	return a;
}

static inline Lanes
lanes_half(const uint16 *p)
{
	Lanes		v;

	for (int i = 0; i < LANES; i++)
		v.x[i] = hnr_half_decode(p[i]);
	return v;
}

static inline void
lanes_store_half(uint16 *p, Lanes v)
{
	for (int i = 0; i < LANES; i++)
		p[i] = hnr_half_encode(v.x[i]);
}

static inline Lanes
lanes_short(const uint16 *p)
{
	Lanes		v;

	for (int i = 0; i < LANES; i++)
		v.x[i] = (int16) p[i];
	return v;
}

static inline Lanes
lanes_from_bytes(const uint8 *p, int bias, float scale)
{
	Lanes		v;

	for (int i = 0; i < LANES; i++)
		v.x[i] = (float) ((int) p[i] - bias) * scale;
	return v;
}

static inline Lanes
lanes_min(Lanes a, Lanes b)
{
	for (int i = 0; i < LANES; i++)
		a.x[i] = b.x[i] < a.x[i] ? b.x[i] : a.x[i];
	return a;
}

static inline Lanes
lanes_match(Lanes x, const int32 *p, int32 k, float y)
{
	for (int i = 0; i < LANES; i++)
		x.x[i] = p[i] == k ? y : x.x[i];
	return x;
}

static inline uint32
lanes_below(Lanes a, Lanes b)
{
	uint32		bits = 0;

	for (int i = 0; i < LANES; i++)
		bits |= (uint32) (a.x[i] <= b.x[i]) << i;
	return bits;
}

#define HNR_KERNELS			hnr_distance_scalar
#define HNR_ISA				"scalar"
#define HNR_TARGET
#define V					Lanes
#define V_WIDTH				LANES
#define V_ZERO()			((Lanes) {{0}})
#define V_LOAD(p)			lanes_load(p)
#define V_LOAD_PART(p, r)	lanes_load_part(p, r)
#define V_ADD(x, y)			lanes_add(x, y)
#define V_SUB(x, y)			lanes_sub(x, y)
#define V_MUL(x, y)			lanes_mul(x, y)
#define V_FMA(x, y, z)		lanes_fma(x, y, z)
#define V_ABS(v)			lanes_abs(v)
#define V_SUM(v)			lanes_sum(v)
#define V_HALF(p)			lanes_half(p)
#define V_STORE_HALF(p, v)	lanes_store_half(p, v)
#define V_SHORT(p)			lanes_short(p)
#define V_FROM_BYTES(p, b, s)	lanes_from_bytes(p, b, s)
#define V_STORE(p, v)		memcpy(p, (v).x, sizeof(Lanes))
#define V_SET1(s)			((Lanes) {{s, s, s, s}})
#define V_MIN(x, y)			lanes_min(x, y)
#define V_BELOW(x, y)		lanes_below(x, y)
#define V_MATCH(x, p, k, y)	lanes_match(x, p, k, y)
#define BLOCK_ROWS			4

static inline float
lanes_sum(Lanes v)
{
	return (v.x[0] + v.x[1]) + (v.x[2] + v.x[3]);
}

#include "distance/kernels.inc.h"
