/*-------------------------------------------------------------------------
 *
 * auto.c
 *		The auto-rebuild decision, a pure function of the figures.
 *
 * The order of the questions matters: what forbids a rebuild comes before the
 * measurement, so that none is taken whose answer could not be acted upon.
 *
 *-------------------------------------------------------------------------
 */
#include "monitor/auto.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static HnrAutoDecision decision(HnrAutoVerdict verdict, const char *format,...)
			__attribute__((format(printf, 2, 3)));

static HnrAutoDecision
decision(HnrAutoVerdict verdict, const char *format,...)
{
	HnrAutoDecision result = {.verdict = verdict};
	va_list		args;

	va_start(args, format);
	vsnprintf(result.reason, sizeof(result.reason), format, args);
	va_end(args);
	return result;
}

const char *
hnr_auto_verdict_name(HnrAutoVerdict verdict)
{
	static const char *const names[HNR_AUTO_VERDICTS] = {
		[HNR_AUTO_OFF] = "off",
		[HNR_AUTO_BUSY] = "rebuild under way",
		[HNR_AUTO_TOO_SMALL] = "too small",
		[HNR_AUTO_BACKING_OFF] = "backing off",
		[HNR_AUTO_COOLING_DOWN] = "cooling down",
		[HNR_AUTO_MEASURE] = "measure",
		[HNR_AUTO_FINE] = "fine",
		[HNR_AUTO_INCURABLE] = "incurable",
		[HNR_AUTO_OPTIMIZE] = "optimize",
		[HNR_AUTO_VACUUM] = "vacuum",
		[HNR_AUTO_REBUILD] = "rebuild",
	};

	return names[verdict];
}

double
hnr_auto_backoff(int failures, double cooldown)
{
	double		wait = fmax(cooldown, HNR_AUTO_MIN_BACKOFF);

	for (int i = 1; i < failures && wait < HNR_AUTO_MAX_BACKOFF; i++)
		wait *= 2;
	return fmin(wait, fmax(cooldown, HNR_AUTO_MAX_BACKOFF));
}

/*
 * What makes a rebuild out of the question for now, else HNR_AUTO_MEASURE.  A reason
 * is shown until another verdict replaces it, so it says nothing that goes by.
 */
static HnrAutoDecision
may_rebuild(const HnrAutoFigures *f)
{
	double		backoff = hnr_auto_backoff(f->failures, f->cooldown);

	if (f->threshold < 0)
		return decision(HNR_AUTO_OFF, "No threshold is set.");
	if (f->rebuilding)
		return decision(HNR_AUTO_BUSY, "A rebuild is under way.");
	if (f->rows < f->min_rows)
		return decision(HNR_AUTO_TOO_SMALL,
						"%.0f rows are fewer than %.0f (hnsw_rebuild.auto_min_rows).",
						f->rows, f->min_rows);
	if (f->failures > 0 && f->since_failure >= 0 && f->since_failure < backoff)
		return decision(HNR_AUTO_BACKING_OFF,
						"Failed or cancelled rebuilds in a row: %d. The next one is tried %.0f s after the last.",
						f->failures, backoff);
	if (f->since_rebuild >= 0 && f->since_rebuild < f->cooldown)
		return decision(HNR_AUTO_COOLING_DOWN,
						"Rebuilt less than %.0f s before (hnsw_rebuild.auto_cooldown).",
						f->cooldown);
	return decision(HNR_AUTO_MEASURE, "%.0f of %.0f rows have changed since the last measurement.",
					f->changed, f->rows);
}

bool
hnr_auto_many_dead(double entries, double dead)
{
	return dead >= HNR_AUTO_MIN_DEAD && dead >= HNR_AUTO_DEAD_SHARE * entries;
}

double
hnr_auto_gain(double threshold, double std_error, double baseline_error)
{
	double		gain = fmax(HNR_AUTO_MIN_GAIN, HNR_AUTO_MIN_GAIN_SHARE * threshold);

	return fmax(gain, HNR_AUTO_NOISE * hypot(std_error, baseline_error));
}

/* Whether to rebuild, by a measurement of recall. */
static HnrAutoDecision
judge_recall(const HnrAutoFigures *f)
{
	if (!(f->degradation > f->threshold))
		return decision(HNR_AUTO_FINE,
						"Degradation %.3f is not over the threshold %.3f.",
						f->degradation, f->threshold);
	if (!f->has_baseline)
		return decision(HNR_AUTO_REBUILD,
						"Degradation %.3f is over the threshold %.3f.",
						f->degradation, f->threshold);
	if (f->degradation - f->baseline <=
		hnr_auto_gain(f->threshold, f->std_error, f->baseline_error))
		return decision(HNR_AUTO_INCURABLE,
						"Degradation %.3f is over the threshold %.3f, but the last rebuild "
						"reached %.3f with the same options.",
						f->degradation, f->threshold, f->baseline);
	return decision(HNR_AUTO_REBUILD,
					"Degradation %.3f is over the threshold %.3f; the last rebuild reached %.3f.",
					f->degradation, f->threshold, f->baseline);
}

/*
 * Whether to optimise an index that is not over its threshold: not again so soon, nor where
 * the last time has not helped.
 */
static bool
is_worth_optimizing(const HnrAutoFigures *f)
{
	double		lower = HNR_AUTO_OPTIMIZE_SHARE * f->threshold;
	double		gain = hnr_auto_gain(lower, f->std_error, f->reference_error);

	if (!f->has_reference || f->degradation <= lower || f->degradation - f->reference <= gain)
		return false;
	if (f->since_optimize >= 0 && f->since_optimize < fmax(f->cooldown, HNR_AUTO_MIN_BACKOFF))
		return false;
	return !f->optimized || f->degradation - f->optimized_to > gain;
}

/* The verdict on a measurement. */
static HnrAutoDecision
judge(const HnrAutoFigures *f)
{
	HnrAutoDecision result = judge_recall(f);

	if (result.verdict == HNR_AUTO_FINE && is_worth_optimizing(f))
		return decision(HNR_AUTO_OPTIMIZE,
						"Degradation %.3f is over %.2f of the threshold %.3f; it was %.3f.",
						f->degradation, HNR_AUTO_OPTIMIZE_SHARE, f->threshold, f->reference);
	/* a rebuild leaves dead rows out */
	if (result.verdict == HNR_AUTO_REBUILD || !f->surveyed ||
		!hnr_auto_many_dead(f->entries, f->dead))
		return result;
	return decision(HNR_AUTO_VACUUM,
					"VACUUM the table: %.0f of %.0f entries are of dead rows. %s",
					f->dead, f->entries, result.reason);
}

HnrAutoDecision
hnr_auto_decide(const HnrAutoFigures *figures)
{
	HnrAutoDecision result = may_rebuild(figures);

	if (result.verdict != HNR_AUTO_MEASURE || figures->fresh)
		return result.verdict == HNR_AUTO_MEASURE ? judge(figures) : result;
	if (!figures->measured)
		return decision(HNR_AUTO_MEASURE, "Never measured.");
	if (figures->changed > figures->min_changed * figures->rows)
		return result;
	return judge(figures);
}
