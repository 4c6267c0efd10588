/*-------------------------------------------------------------------------
 *
 * degradation.h
 *		Degradation of an index, partitioned ones included.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_DEGRADATION_H
#define HNR_DEGRADATION_H

#include "recall/recall.h"

/*
 * Measures an index, or all leaves of a partitioned one, each with its share
 * of the sample and of the result by its size.  Takes AccessShareLock on table
 * and index and releases it at the end, so that a caller whose transaction goes
 * on is in nobody's way.  Errors where the index is invalid, another session's
 * temporary one, or gone.  The caller has checked that it is of ours.
 */
extern void hnr_measure_index(Oid index, const HnrRecallRequest *request,
							  HnrRecall *result);

/*
 * Opens an index, not a partitioned one, and its table with AccessShareLock, or raises
 * those errors; also where it has no contents on a standby.
 */
extern Relation hnr_open_to_measure(Oid index, Relation *table);

#endif							/* HNR_DEGRADATION_H */
