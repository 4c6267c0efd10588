/*-------------------------------------------------------------------------
 *
 * phases.h
 *		Phases of a build, for progress.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_PHASES_H
#define HNR_PHASES_H

#include "am/am.h"
#include "am/page.h"

extern void hnr_build_set_phase(HnrBuildPhase phase);

/*
 * The share of the time that writing takes, of a graph that is linked row by row; right
 * within a few hundredths.
 */
extern double hnr_build_write_share(const HnrMetaPage *meta);

#endif							/* HNR_PHASES_H */
