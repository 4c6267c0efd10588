/*-------------------------------------------------------------------------
 *
 * subject.c
 *		The figures that are decided upon.  See subject.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

#include "am/am.h"
#include "compat.h"
#include "guc.h"
#include "monitor/queries.h"
#include "monitor/subject.h"
#include "rebuild/job.h"
#include "rebuild/worker.h"

static double
seconds_since(TimestampTz then)
{
	if (then == 0)
		return -1;
	return TimestampDifferenceMilliseconds(then, GetCurrentTimestamp()) / 1000.0;
}

bool
hnr_any_rebuild_runs(void)
{
	ListCell   *cell;

	foreach(cell, hnr_jobs_active())
	{
		if (hnr_job_is_alive(lfirst(cell)))
			return true;
	}
	return false;
}

/* A survey gives way to whoever waits for the table, like a measurement. */
static void
give_way(void *arg)
{
	HnrSubject *s = arg;

	if (hnr_table_is_wanted(s->table))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("measurement of index \"%s\" gave way to a session that waits for its table",
						RelationGetRelationName(s->index_rel))));
}

static void
measure(HnrSubject *s, HnrMeasurement *m)
{
	HnrRecallRequest request = {
		.sample_size = hnr_guc_auto_sample_size,.k = HNR_RECALL_DEFAULT_K,
		.is_wanted = hnr_table_is_wanted,
		.nqueries = s->nqueries,.queries = s->queries
	};

	hnr_index_survey(s->index_rel, give_way, s, &m->survey);
	m->surveyed = true;
	hnr_recall_measure(s->table, s->index_rel, &request, &m->figures);
	m->dead_entries = Max(0, m->survey.entries + m->survey.pending - m->figures.rows);
	m->by_queries = m->figures.by_queries;
	m->measured_at = GetCurrentTimestamp();
	m->changes = s->changes;
	m->file_node = s->index_rel->rd_rel->relfilenode;
	if (m->figures.sample == 0)
		m->figures.recall = 1;	/* nothing to be found, nothing missed */
	hnr_record_measurement(s->index, m);
}

/*
 * After a rebuild: keeps what it reached as the baseline.  Most rebuilds have
 * measured it; what one has not is measured now.
 */
static void
keep_baseline(HnrSubject *s, const HnrJob *done)
{
	HnrMeasurement m;
	double		recall = done->recall_after;

	if (hnr_last_baseline(s->index, s->nqueries > 0, &m) && m.measured_at >= done->finished_at)
		return;
	memset(&m, 0, sizeof(m));
	m.purpose = HNR_MEASURED_REBUILD;
	if (recall < 0 || s->nqueries > 0)
	{
		measure(s, &m);
		return;
	}
	m.measured_at = done->finished_at;
	m.changes = done->table_changes >= 0 ? done->table_changes : s->changes;
	m.file_node = s->index_rel->rd_rel->relfilenode;
	m.figures.recall = recall;
	m.figures.k = HNR_RECALL_DEFAULT_K;
	m.figures.ef_search = hnr_guc_ef_search();
	m.figures.sample = HNR_RECALL_DEFAULT_SAMPLE;
	m.figures.rows = -1;
	m.figures.std_error = hnr_recall_most_error(recall);
	hnr_record_measurement(s->index, &m);
}

/*
 * Rows that the index covers, cheaply: as its last build or vacuum counted
 * them, or, for an index on the whole table, the server's counter.
 */
static double
estimate_rows(const HnrSubject *s)
{
	double		rows = Max(0, s->index_rel->rd_rel->reltuples);
	Datum		table = ObjectIdGetDatum(RelationGetRelid(s->table));

	if (!hnr_index_has_predicate(s->index_rel))
		rows = Max(rows, (double)
				   DatumGetInt64(DirectFunctionCall1(pg_stat_get_live_tuples, table)));
	return rows;
}

/* Whether the next build would use the options that the graph was built with. */
static bool
same_options(Relation index)
{
	HnrIndexFigures figures;

	hnr_index_figures(index, &figures);
	return figures.m == hnr_option_m(index) &&
		figures.ef_construction == hnr_option_ef_construction(index);
}

/* Whether two measurements can be compared. */
static bool
comparable(const HnrSubject *s, const HnrMeasurement *m)
{
	return m->figures.k == HNR_RECALL_DEFAULT_K &&
		m->figures.ef_search == hnr_guc_ef_search() &&
		m->by_queries == (s->nqueries > 0);
}

/* Whether a VACUUM of the table has ended since; what it left, the next measurement tells. */
static bool
vacuumed_since(const HnrSubject *s, TimestampTz then)
{
	FunctionCallInfo fcinfo;
	LOCAL_FCINFO(call, 1);
	PGFunction	functions[] = {pg_stat_get_last_vacuum_time, pg_stat_get_last_autovacuum_time};

	fcinfo = call;
	for (int i = 0; i < lengthof(functions); i++)
	{
		Datum		at;

		InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
		fcinfo->args[0].value = ObjectIdGetDatum(RelationGetRelid(s->table));
		fcinfo->args[0].isnull = false;
		at = functions[i] (fcinfo);
		if (!fcinfo->isnull && DatumGetTimestampTz(at) > then)
			return true;
	}
	return false;
}

static void
take_measurement(HnrSubject *s, const HnrMeasurement *m)
{
	HnrAutoFigures *f = &s->figures;

	f->measured = true;
	f->degradation = hnr_degradation(m->figures.recall);
	f->std_error = m->figures.std_error;
	f->surveyed = m->surveyed;
	f->entries = m->survey.entries;
	f->dead = vacuumed_since(s, m->measured_at) ? 0 : m->dead_entries;
	/* A smaller counter was reset meanwhile. */
	f->changed = s->changes >= m->changes ? s->changes - m->changes : s->changes;
}

/* Whether the last attempt failed so lately that nothing is tried. */
static bool
is_backing_off(const HnrAutoFigures *f)
{
	return f->failures > 0 && f->since_failure >= 0 &&
		f->since_failure < hnr_auto_backoff(f->failures, f->cooldown);
}

/*
 * What is known of a better time of the index, and of what an optimisation has left.  Whether
 * nothing has been measured since that.
 */
static bool
gather_reference(HnrSubject *s)
{
	HnrAutoFigures *f = &s->figures;
	HnrJob	   *last = hnr_job_last_finished(s->index);
	HnrMeasurement like = {
		.by_queries = s->nqueries > 0,.file_node = s->index_rel->rd_rel->relfilenode
	};
	HnrMeasurement m;

	like.figures.k = HNR_RECALL_DEFAULT_K;
	like.figures.ef_search = hnr_guc_ef_search();
	f->has_reference = f->has_baseline;
	f->reference = f->baseline;
	f->reference_error = f->baseline_error;
	if (!f->has_reference && hnr_first_measurement(s->index, &like, 0, &m))
	{
		f->has_reference = true;
		f->reference = hnr_degradation(m.figures.recall);
		f->reference_error = m.figures.std_error;
	}
	f->since_optimize = -1;
	if (last == NULL || !hnr_job_is_optimization(last))
		return false;
	f->since_optimize = seconds_since(last->finished_at);
	f->optimized = hnr_first_measurement(s->index, &like, last->finished_at, &m);
	if (f->optimized)
		f->optimized_to = hnr_degradation(m.figures.recall);
	return !f->optimized;
}

void
hnr_subject_gather(HnrSubject *s)
{
	HnrAutoFigures *f = &s->figures;
	HnrJob	   *done = hnr_job_last_done(s->index);
	HnrIndexFigures index;
	HnrMeasurement m;
	TimestampTz last_failure;

	f->threshold = hnr_option_auto_rebuild_threshold(s->index_rel);
	f->min_rows = hnr_guc_auto_min_rows;
	f->min_changed = hnr_guc_auto_min_changed;
	f->cooldown = hnr_guc_auto_cooldown;
	f->rebuilding = hnr_any_rebuild_runs();
	f->rows = estimate_rows(s);
	f->since_rebuild = done ? seconds_since(done->finished_at) : -1;
	f->failures = hnr_failures_in_a_row(s->index, &last_failure);
	f->since_failure = seconds_since(last_failure);

	s->changes = hnr_table_changes(RelationGetRelid(s->table));
	hnr_index_figures(s->index_rel, &index);
	s->nqueries = hnr_queries_read(s->index_rel, index.dims, hnr_guc_auto_sample_size, &s->queries);
	if (done && !f->rebuilding && !is_backing_off(f))
		keep_baseline(s, done);
	if (hnr_last_measurement(s->index, true, &m) && comparable(s, &m))
		take_measurement(s, &m);
	if (done && hnr_last_baseline(s->index, s->nqueries > 0, &m) && comparable(s, &m) &&
		same_options(s->index_rel))
	{
		f->has_baseline = true;
		f->baseline = hnr_degradation(m.figures.recall);
		f->baseline_error = m.figures.std_error;
	}
	/* what was measured before an optimisation stands no more */
	if (gather_reference(s))
		f->measured = false;
}

void
hnr_subject_measure(HnrSubject *s)
{
	HnrMeasurement m = {.purpose = HNR_MEASURED_AUTO};

	measure(s, &m);
	take_measurement(s, &m);
	s->figures.fresh = true;
}
