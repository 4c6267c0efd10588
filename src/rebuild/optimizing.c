/*-------------------------------------------------------------------------
 *
 * optimizing.c
 *		The one step of an optimisation: the index is made better where it stands.
 *
 * One transaction without a snapshot, so that it holds up no VACUUM elsewhere.  Whatever ends
 * it, what it has done to the pages is done, and the rest is found by the next one.
 *
 * Locks: ShareUpdateExclusiveLock on the table, for the session, and on the index; both
 * watched (watch.c).  Who needs them more than we ends the job.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "commands/progress.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "am/optimize.h"
#include "rebuild/job.h"
#include "rebuild/target.h"
#include "rebuild/worker.h"
#include "transaction.h"

/* Checks once more, now under the table's lock. */
static void
check(HnrRun *run)
{
	HnrTarget	target;

	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	PushActiveSnapshot(GetTransactionSnapshot());
	hnr_check_target(run->ids.live, run->job->requested_by, false, &target);
	if (target.table != run->ids.table)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index %s has been replaced by another one", target.name)));
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static char *
figures_as_json(const HnrOptimizeFigures *f)
{
	const struct
	{
		const char *name;
		int64		value;
	}			figures[] = {
		{"vertices", f->vertices},
		{"due", f->due},
		{"looked_at", f->relisted},
		{"changed", f->changed},
		{"links_added", f->links_added},
		{"links_dropped", f->links_dropped},
		{"far_links", f->far_links},
		{"codes_renewed", f->codes},
		{"attached", f->attached},
		{"still_due", f->left},
		{"pages", f->pages},
		{"pages_cut", f->pages_cut},
		{"pages_not_cut", f->pages_left},
	};
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < lengthof(figures); i++)
		appendStringInfo(&buf, "%c\"%s\": " INT64_FORMAT, i == 0 ? '{' : ',',
						 figures[i].name, figures[i].value);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

void
hnr_optimizing_keep_work(HnrRun *run)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);

	/* before the survey is through, there is nothing to tell */
	if (run->figures.vertices > 0 || run->optimized)
		run->job->work = figures_as_json(&run->figures);
	MemoryContextSwitchTo(old);
}

void
hnr_phase_optimize(HnrRun *run)
{
	HnrJob	   *job = run->job;
	Relation	index;

	check(run);
	hnr_start_transaction();
	CHECK_FOR_INTERRUPTS();
	hnr_watch_shadow(run->ids.live);
	index = index_open(run->ids.live, NoLock);
	run->am = index->rd_rel->relam;
	hnr_run_progress(run, PROGRESS_CREATEIDX_PHASE_BUILD);
	/* that of the catalogue, which would hold back VACUUM's horizon */
	InvalidateCatalogSnapshot();
	hnr_compact_prepare(run, index);
	hnr_index_optimize(index, job->share, &run->figures);
	index_close(index, NoLock);
	hnr_watch_shadow_end();
	hnr_run_keep_progress(run);
	pgstat_progress_end_command();
	CommitTransactionCommand();
	MemoryContextSwitchTo(run->context);
	run->optimized = true;
	hnr_optimizing_keep_work(run);
	job->tuples_total = job->tuples_done;
	job->m_after = job->m_before;
	job->ef_construction_after = job->ef_construction_before;
}
