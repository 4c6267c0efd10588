/*-------------------------------------------------------------------------
 *
 * log.h
 *		Logging a relation that was built without.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_LOG_H
#define HNR_LOG_H

#include "utils/rel.h"

/*
 * Adds an image of every page of the main fork to the WAL, if the relation is one
 * that is logged.  Nobody else changes it meanwhile.
 */
extern void hnr_log_relation(Relation rel);

#endif							/* HNR_LOG_H */
