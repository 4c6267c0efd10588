/*-------------------------------------------------------------------------
 *
 * api.h
 *		What the modules above may do with the online rebuild.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REBUILD_API_H
#define HNR_REBUILD_API_H

#include "rebuild/state.h"

/* Of the vertices, where optimize_index() is not told: a run of a quarter of a rebuild's cost or so. */
#define HNR_OPTIMIZE_SHARE	0.2

/* What a rebuild is asked to do; zero-initialise and fill in. */
typedef struct HnrRebuildRequest
{
	Oid			index;
	int			m;				/* 0: keep the present option */
	int			ef_construction;	/* 0: keep */
	HnrJobTrigger trigger;
	Oid			requested_by;	/* role whose right it is checked against */
	bool		measure;		/* recall before and after */
	HnrWarmStart warm_start;
	bool		optimize;		/* no rebuild: make it better in place, as optimize_index() */
	double		share;			/* then: of the vertices, 0 .. 1 */
	double		recall_before;	/* known already: used instead of measuring; else -1 */
} HnrRebuildRequest;

/*
 * Starts an online rebuild, or an optimisation in place: writes the job record and registers its worker,
 * which begins when the present transaction commits, and vanishes if it does
 * not.  Returns the job's id.  In a transaction; errors as rebuild_index():
 *		ERRCODE_OBJECT_IN_USE			a rebuild of this index runs already
 *		ERRCODE_INSUFFICIENT_PRIVILEGE	requested_by may not
 *		ERRCODE_CONFIGURATION_LIMIT_EXCEEDED	no background worker to be had
 *		ERRCODE_WRONG_OBJECT_TYPE, ERRCODE_FEATURE_NOT_SUPPORTED,
 *		ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
 *		ERRCODE_INVALID_PARAMETER_VALUE	the index or the options do not qualify
 */
extern int64 hnr_rebuild_start(const HnrRebuildRequest *request);

/*
 * Whether this database has anything for the sweep: a shadow index, or a record
 * of a running job, whose worker is gone.  In a transaction; cheap.
 */
extern bool hnr_rebuild_sweep_needed(void);

/*
 * Drops every leftover shadow in this database and marks the jobs of dead
 * workers as failed.  Outside a transaction, in a process of ours that may
 * start and end transactions (the launcher's database worker, a rebuild
 * worker), connected with all rights.  Waits some seconds for the lock on a
 * table, and for old transactions on it.  Errors of one leftover are logged, not thrown.
 */
extern void hnr_rebuild_sweep(void);

#endif							/* HNR_REBUILD_API_H */
