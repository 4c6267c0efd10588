/*-------------------------------------------------------------------------
 *
 * advice.c
 *		What would do an index good, a pure function of the figures.  See advice.h.
 *
 * What counts as lost recall is told by the same figures as in the launcher's decision
 * (auto.h), so that both say the same.
 *
 *-------------------------------------------------------------------------
 */
#include "monitor/advice.h"

#include <stdarg.h>
#include <stdio.h>

#include "monitor/auto.h"

static HnrAdvice advice(HnrAction action, const char *format,...)
			__attribute__((format(printf, 2, 3)));

static HnrAdvice
advice(HnrAction action, const char *format,...)
{
	HnrAdvice	result = {.action = action};
	va_list		args;

	va_start(args, format);
	vsnprintf(result.reason, sizeof(result.reason), format, args);
	va_end(args);
	return result;
}

const char *
hnr_action_name(HnrAction action)
{
	static const char *const names[] = {
		[HNR_ACTION_NONE] = "none",
		[HNR_ACTION_FLUSH] = "flush",
		[HNR_ACTION_VACUUM] = "vacuum",
		[HNR_ACTION_OPTIMIZE] = "optimize",
		[HNR_ACTION_REBUILD] = "rebuild",
	};

	return names[action];
}

static double
percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

/* Whether recall is surely less than a fresh build's, by what makes a rebuild worth it. */
static bool
has_lost(const HnrHealthFigures *f)
{
	double		threshold = f->threshold > 0 ? f->threshold : 0;

	return f->measured && f->has_fresh &&
		f->fresh - f->recall > hnr_auto_gain(threshold, f->std_error, f->fresh_error);
}

/* Whether degradation is over the threshold. */
static bool
is_over(const HnrHealthFigures *f)
{
	return f->threshold >= 0 && f->measured && 1 - f->recall > f->threshold;
}

/*
 * What brings back what is lost: the cheap way, unless that has been tried and left the index as
 * it is, or more is lost than is to be allowed.
 */
static HnrAction
mend(const HnrHealthFigures *f)
{
	bool		in_vain = f->optimized && f->optimized_to >= 0 &&
		f->optimized_to - f->recall <= hnr_auto_gain(0, f->std_error, f->fresh_error);

	return is_over(f) || in_vain ? HNR_ACTION_REBUILD : HNR_ACTION_OPTIMIZE;
}

/* What the figure of a fresh build is. */
static const char *
fresh_name(const HnrHealthFigures *f)
{
	return f->fresh_is_first ? "the first measurement since it was built found" :
		"a fresh build found";
}

/* Pending rows that are too many, or have waited for too long. */
static HnrAdvice
flush(const HnrHealthFigures *f)
{
	if (!f->workers)
		return advice(HNR_ACTION_FLUSH,
					  "%.0f rows are pending, and searches read them all: only insertions merge "
					  "rows, from %.0f on (merge_threshold).", f->pending, f->merge_threshold);
	if (f->stalled)
		return advice(HNR_ACTION_FLUSH,
					  "%.0f rows are pending, and nobody merges them, so that searches read them all: "
					  "a worker does where one is free, which insertions, VACUUM and, where it runs, "
					  "the launcher ask for.", f->pending);
	return advice(HNR_ACTION_FLUSH,
				  "%.0f rows are pending: no merge worker keeps up with insertions, which merge "
				  "rows themselves from %.0f on (merge_threshold).", f->pending, f->merge_threshold);
}

/* Where nothing is lost. */
static HnrAdvice
all_well(const HnrHealthFigures *f)
{
	if (f->stalled)
		return flush(f);
	if (!f->measured)
		return advice(HNR_ACTION_NONE, "There are too few rows to measure.");
	if (!f->has_fresh)
		return advice(HNR_ACTION_NONE,
					  "Recall is %.3f; what a fresh build would reach is not known.", f->recall);
	if (is_over(f))
		return advice(HNR_ACTION_NONE,
					  "Recall is %.3f, which is less than auto_rebuild_threshold asks for, but "
					  "%s %.3f: raise hnsw.ef_search or m.", f->recall, fresh_name(f), f->fresh);
	return advice(HNR_ACTION_NONE, "Recall is %.3f; %s %.3f.", f->recall, fresh_name(f), f->fresh);
}

HnrAdvice
hnr_advise(const HnrHealthFigures *f)
{
	if (f->pending > HNR_ADVICE_PENDING * f->merge_threshold)
		return flush(f);
	/* the rest would be refused, or wait for its end */
	if (f->busy)
		return advice(HNR_ACTION_NONE, "A%s %s is under way; look again when it is over.",
					  f->busy[0] == 'o' ? "n" : "", f->busy);
	if (hnr_auto_many_dead(f->entries, f->dead))
		return advice(HNR_ACTION_VACUUM,
					  "%.0f of %.0f entries (%.0f %%) are of dead rows%s", f->dead, f->entries,
					  percent(f->dead, f->entries),
					  has_lost(f) ? ", and recall has suffered; measure again after VACUUM." : ".");
	if (f->cut_short)
		return advice(HNR_ACTION_VACUUM, "A VACUUM runs, or one was cut short.");
	if (has_lost(f))
		return advice(mend(f),
					  "Recall is %.3f; %s %.3f.", f->recall, fresh_name(f), f->fresh);
	if (is_over(f) && !f->has_fresh)
		return advice(HNR_ACTION_REBUILD,
					  "Recall is %.3f, which is less than auto_rebuild_threshold asks for; "
					  "what a fresh build would reach is not known.", f->recall);
	if (f->unreachable > HNR_ADVICE_UNREACHABLE * f->vertices)
		return advice(mend(f),
					  "%.0f of %.0f vertices (%.0f %%) cannot be reached.", f->unreachable,
					  f->vertices, percent(f->unreachable, f->vertices));
	if (f->pages_wasted >= HNR_ADVICE_MIN_WASTED &&
		f->pages_wasted > HNR_ADVICE_WASTED * f->pages)
		return advice(HNR_ACTION_REBUILD,
					  "%.0f of %.0f pages (%.0f %%) would not be needed if all were full.",
					  f->pages_wasted, f->pages, percent(f->pages_wasted, f->pages));
	return all_well(f);
}
