/*-------------------------------------------------------------------------
 *
 * doubt.c
 *		The benefit of the doubt.  See doubt.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/doubt.h"

/*
 * A code rounds each coordinate to a step of one, so its product with a vector of unit
 * length errs by 1 / sqrt(12) or so, whatever the bits.
 */
#define CODE_ERROR	0.3f

/* How many times the error; see README for others. */
#define ERRORS		1.5f

float
hnr_doubt_reach(const HnrDoubt *doubt, float distance, float constant_scale)
{
	/* distance is -<q,p>, s is <q,p> / |p|^2 */
	return sqrtf(Max(doubt->query2 + distance * constant_scale, 0.0f));
}

static float
way_of(const char *slots, int size, int i)
{
	return -hnr_slot_factor((const HnrSlot *) (slots + (Size) i * size));
}

void
hnr_doubt_apply(HnrDoubt *doubt, float reach, const char *slots, int size, int n, float *dots)
{
	float		usual;

	for (int i = 0; i < n; i++)
		doubt->ways += way_of(slots, size, i);
	doubt->nways += n;
	usual = doubt->ways / doubt->nways;
	for (int i = 0; i < n; i++)
	{
		float		way = way_of(slots, size, i);

		/* the estimate is lowered by the factor, which is the way's, times this */
		if (way > usual)
			dots[i] += ERRORS * CODE_ERROR * reach * (1.0f - usual / way);
	}
}
