/*-------------------------------------------------------------------------
 *
 * phases.c
 *		Phases of a build, for progress.  See phases.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/callbacks.h"
#include "am/phases.h"
#include "commands/progress.h"
#include "pgstat.h"

const char *
hnr_build_phase_name(int64 subphase)
{
	switch (subphase)
	{
		case HNR_BUILD_GRAPH:
			return "building graph";
		case HNR_BUILD_WRITE:
			return "writing graph";
		case HNR_BUILD_LOG:
			return "writing log";
		default:
			return NULL;
	}
}

char *
hnr_buildphasename(int64 phase)
{
	if (phase == PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE)
		return "initializing";
	return unconstify(char *, hnr_build_phase_name(phase));
}

void
hnr_build_set_phase(HnrBuildPhase phase)
{
	const int	columns[] = {PROGRESS_CREATEIDX_SUBPHASE, PROGRESS_SCAN_BLOCKS_TOTAL,
	PROGRESS_SCAN_BLOCKS_DONE};
	int64		values[] = {phase, 0, 0};

	/* the last phase counts blocks anew; the first goes on while the table is read */
	pgstat_progress_update_multi_param(phase == HNR_BUILD_LOG ? 3 : 1, columns, values);
}

/* Measured at 8 <= m <= 32, 32 <= ef_construction <= 200 and 128 to 768 dimensions. */
double
hnr_build_write_share(const HnrMetaPage *meta)
{
	return 1 / (1 + 0.56 * pow(meta->m, -0.23) * pow(meta->ef_construction, 0.64));
}
