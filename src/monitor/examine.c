/*-------------------------------------------------------------------------
 *
 * examine.c
 *		One look at an index.  See health.h.
 *
 * What is estimated, and from what: a rebuild takes as long for each row as the last one of
 * this index did, else as so many searches as just now; a VACUUM reads the table as the
 * measurement just did, and the index three times as the survey did; an optimisation takes a
 * quarter of a rebuild.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xlog.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "am/am.h"
#include "am/merge.h"
#include "debug_point.h"
#include "guc.h"
#include "monitor/health.h"
#include "monitor/queries.h"
#include "rebuild/api.h"

/* What searches at the default hnsw.ef_search a row of a build costs. */
#define SEARCHES_PER_ROW	2.0

/* Times that VACUUM reads the index. */
#define VACUUM_PASSES		3

#define MB	(1024.0 * 1024.0)

/* Two-sided, of the normal distribution. */
#define QUANTILE_95			1.96

void
hnr_confidence(const HnrRecall *recall, double *low, double *high)
{
	double		around = QUANTILE_95 * recall->std_error;

	/*
	 * Of so many neighbours looked for none may have been missed by chance alone: the rule of
	 * three.
	 */
	double		least = 3.0 / ((double) recall->sample * recall->k);

	*low = Max(0, recall->recall - Max(around, least));
	*high = Min(1, recall->recall + around);
}

/* Adds a value to an ordered array, unless it is there. */
static int
add_ef(int *ef, int n, int value)
{
	int			at = n;

	for (int i = 0; i < n; i++)
		if (ef[i] == value)
			return n;
	for (; at > 0 && ef[at - 1] > value; at--)
		ef[at] = ef[at - 1];
	ef[at] = value;
	return n + 1;
}

/* The hnsw.ef_search to measure at: those asked for, or some around the present one; and that. */
static int
choose_ef(const HnrHealthRequest *request, int *ef)
{
	static const double multiple[] = {0.5, 2, 4};
	int			present = hnr_guc_ef_search();
	int			n = add_ef(ef, 0, present);

	for (int i = 0; i < request->nef; i++)
		n = add_ef(ef, n, request->ef_search[i]);
	for (int i = 0; i < lengthof(multiple) && request->nef == 0; i++)
		n = add_ef(ef, n, (int) Min(HNR_EF_SEARCH_MAX, Max(HNR_EF_SEARCH_MIN, present * multiple[i])));
	return n;
}

static void
measure(Relation table, Relation index, const HnrHealthRequest *request, HnrHealth *h)
{
	int			ef[HNR_HEALTH_MAX_EF];
	HnrIndexFigures figures;
	HnrRecallRequest recall = {
		.sample_size = request->sample_size,
		.k = request->k,
		.seeded = request->seeded,
		.seed = request->seed,
		.ef_search = ef
	};

	hnr_index_figures(index, &figures);
	h->nef = recall.nef = choose_ef(request, ef);
	recall.nqueries = hnr_queries_read(index, figures.dims, request->sample_size, &recall.queries);
	hnr_recall_measure(table, index, &recall, h->recall);
	for (int i = 0; i < h->nef; i++)
		if (ef[i] == hnr_guc_ef_search())
			h->present = i;
	h->now.figures = h->recall[h->present];
	h->now.by_queries = h->now.figures.by_queries;
}

/* What of the index's own last rebuild still tells about it; NULL: nothing. */
static HnrJob *
last_rebuild(Relation index)
{
	HnrJob	   *job = hnr_job_last_done(RelationGetRelid(index));

	return job && job->new_relfilenode == index->rd_rel->relfilenode ? job : NULL;
}

/* Whether a measurement was taken as a rebuild takes its own. */
static bool
is_like_rebuild(const HnrMeasurement *m)
{
	const char *reset = GetConfigOptionResetString("hnsw.ef_search");

	return !m->by_queries && m->figures.k == HNR_RECALL_DEFAULT_K &&
		reset && m->figures.ef_search == atoi(reset);
}

/* What a fresh build reaches, as far as anything is on record. */
static void
find_fresh(Relation index, const HnrJob *job, HnrHealth *h)
{
	const HnrRecall *now = &h->now.figures;
	HnrMeasurement m;

	h->fresh_from = HNR_FRESH_UNKNOWN;
	if (job && hnr_last_baseline(RelationGetRelid(index), h->now.by_queries, &m) &&
		m.measured_at >= job->finished_at && m.figures.k == now->k &&
		m.figures.ef_search == now->ef_search)
		h->fresh_from = HNR_FRESH_REBUILD;
	else if (job && job->recall_after >= 0 && is_like_rebuild(&h->now))
	{
		h->fresh_from = HNR_FRESH_REBUILD;
		m.figures.recall = job->recall_after;
		m.figures.std_error = hnr_recall_most_error(job->recall_after);
	}
	else if (hnr_first_measurement(RelationGetRelid(index), &h->now, 0, &m))
		h->fresh_from = HNR_FRESH_FIRST;
	if (h->fresh_from != HNR_FRESH_UNKNOWN)
	{
		h->fresh = m.figures.recall;
		h->fresh_error = m.figures.std_error;
	}
}

static void
find_changes(const HnrJob *job, HnrHealth *h)
{
	h->changed = -1;
	if (job == NULL)
		return;
	h->last_build = job->finished_at;
	/* a smaller counter was reset meanwhile */
	if (job->table_changes >= 0 && h->now.changes >= job->table_changes)
		h->changed = h->now.changes - job->table_changes;
}

static double
rebuild_seconds(const HnrJob *job, const HnrHealth *h)
{
	double		rows = h->now.figures.rows;

	if (job && job->tuples_total > 0 && job->started_at != 0)
		return TimestampDifferenceMilliseconds(job->started_at, job->finished_at) / 1000.0 *
			rows / job->tuples_total;
	return rows * h->now.figures.search_seconds * SEARCHES_PER_ROW;
}

static void
estimate(Relation index, const HnrJob *job, HnrHealth *h)
{
	double		size;

	h->seconds = h->bytes = -1;
	switch (h->advice.action)
	{
		case HNR_ACTION_NONE:
			break;
		case HNR_ACTION_FLUSH:
			h->seconds = h->now.survey.pending * h->now.figures.search_seconds * SEARCHES_PER_ROW;
			h->bytes = 0;
			break;
		case HNR_ACTION_VACUUM:
			h->seconds = h->now.figures.pass_seconds + VACUUM_PASSES * h->now.survey.seconds;
			h->bytes = 0;
			break;
		case HNR_ACTION_OPTIMIZE:
			h->seconds = rebuild_seconds(job, h) * HNR_OPTIMIZE_SHARE;
			h->bytes = (double) h->now.survey.pages * BLCKSZ * HNR_OPTIMIZE_SHARE;
			break;
		case HNR_ACTION_REBUILD:
			size = hnr_index_estimate_size(index, 0, h->now.figures.rows);
			h->seconds = rebuild_seconds(job, h);
			h->bytes = size + (RelationIsPermanent(index) ? Min(size, max_wal_size_mb * MB) : 0);
			break;
	}
}

/* Whether pending rows have been left lying.  A worker that is there comes to them in its turn. */
static bool
is_stalled(Relation index)
{
	int			age = HNR_DEBUG_FAULT("health_stalled") ? 0 : HNR_ADVICE_STALLED;
	HnrPendingStatus status;

	hnr_pending_status(index, &status);
	return status.oldest != 0 && !status.merging && !hnr_merger_is_there() &&
		TimestampDifferenceExceeds(status.oldest, GetCurrentTimestamp(), age);
}

/* That has ended well since the last rebuild; NULL: none. */
static HnrJob *
last_optimization(Relation index)
{
	HnrJob	   *job = hnr_job_last_done_any(RelationGetRelid(index));

	return job && hnr_job_is_optimization(job) ? job : NULL;
}

static void
advise(Relation index, HnrHealth *h)
{
	const HnrSurvey *survey = &h->now.survey;
	HnrJob	   *optimization = last_optimization(index);
	HnrJob	   *running = hnr_job_running(RelationGetRelid(index));
	HnrHealthFigures *f = &h->figures;

	f->busy = running && hnr_job_is_alive(running) ? hnr_job_noun(running) : NULL;
	f->entries = survey->entries;
	f->dead = h->now.dead_entries;
	f->pending = survey->pending;
	f->merge_threshold = hnr_option_merge_threshold(index);
	f->stalled = is_stalled(index);
	f->workers = hnr_guc_merge_workers > 0 && index->rd_rel->relpersistence != RELPERSISTENCE_TEMP;
	f->cut_short = survey->half_removed > 0;
	f->vertices = survey->vertices;
	f->unreachable = survey->unreachable;
	f->pages = survey->pages;
	f->pages_wasted = survey->pages_wasted;
	f->measured = h->now.figures.sample > 0;
	f->recall = h->now.figures.recall;
	f->std_error = h->now.figures.std_error;
	f->has_fresh = h->fresh_from != HNR_FRESH_UNKNOWN;
	f->fresh_is_first = h->fresh_from == HNR_FRESH_FIRST;
	f->fresh = h->fresh;
	f->fresh_error = h->fresh_error;
	f->optimized = optimization != NULL;
	f->optimized_to = optimization ? optimization->recall_after : -1;
	f->threshold = hnr_option_auto_rebuild_threshold(index);
	h->advice = hnr_advise(f);
}

void
hnr_examine(Relation table, Relation index, const HnrHealthRequest *request, HnrHealth *h)
{
	HnrJob	   *job;

	memset(h, 0, sizeof(*h));
	h->now.purpose = HNR_MEASURED_HEALTH;
	h->now.changes = hnr_table_changes(RelationGetRelid(table));
	h->now.file_node = index->rd_rel->relfilenode;
	hnr_index_survey(index, NULL, NULL, &h->now.survey);
	h->now.surveyed = true;
	measure(table, index, request, h);
	/* rows that others are about to insert have entries, too, and are not seen yet */
	h->now.dead_entries = Max(0, h->now.survey.entries + h->now.survey.pending - h->now.figures.rows);
	job = last_rebuild(index);
	find_fresh(index, job, h);
	find_changes(job, h);
	advise(index, h);
	estimate(index, job, h);
}
