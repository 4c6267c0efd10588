/*-------------------------------------------------------------------------
 *
 * auto.h
 *		The auto-rebuild decision, a pure function of the figures.
 *
 * No server headers: test/unit compiles it alone.
 *
 * Degradation is 1 - mean recall@k.  An index is rebuilt when it is measured
 * more degraded than its threshold, and worse than a rebuild would leave it as
 * far as is known: the degradation that the last rebuild reached is the
 * baseline, and what a rebuild did not cure once is not tried again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_AUTO_H
#define HNR_AUTO_H

#include <stdbool.h>

typedef enum HnrAutoVerdict
{
	HNR_AUTO_OFF,				/* no threshold is set */
	HNR_AUTO_BUSY,				/* a rebuild is under way */
	HNR_AUTO_TOO_SMALL,			/* fewer rows than the minimum */
	HNR_AUTO_BACKING_OFF,		/* rebuilds failed lately */
	HNR_AUTO_COOLING_DOWN,		/* rebuilt lately */
	HNR_AUTO_MEASURE,			/* measure and ask again */
	HNR_AUTO_FINE,				/* not over the threshold */
	HNR_AUTO_INCURABLE,			/* over it, but so was a fresh build */
	HNR_AUTO_OPTIMIZE,			/* not over the threshold, but on the way there */
	HNR_AUTO_VACUUM,			/* neither, but dead rows take room and time */
	HNR_AUTO_REBUILD
} HnrAutoVerdict;

#define HNR_AUTO_VERDICTS	(HNR_AUTO_REBUILD + 1)

/*
 * A rebuild must promise to win at least this much recall, and at least this
 * share of the threshold, and be clear of sampling noise by this many standard
 * errors.
 */
#define HNR_AUTO_MIN_GAIN		0.02
#define HNR_AUTO_MIN_GAIN_SHARE	0.25
#define HNR_AUTO_NOISE			2.0

/* The part of the threshold from which on an index is optimised in place. */
#define HNR_AUTO_OPTIMIZE_SHARE	0.5

/* VACUUM is advised where dead rows have this part of the entries, and at least so many. */
#define HNR_AUTO_DEAD_SHARE		0.1
#define HNR_AUTO_MIN_DEAD		100.0

/* After failures the cool-down, at least the first figure, doubles up to the second (s). */
#define HNR_AUTO_MIN_BACKOFF	60.0
#define HNR_AUTO_MAX_BACKOFF	86400.0

typedef struct HnrAutoFigures
{
	/* settings */
	double		threshold;		/* 0 .. 1, negative: off */
	double		min_rows;
	double		min_changed;	/* share of the rows, 0 .. 1 */
	double		cooldown;		/* s */

	/* the index; times are in seconds, negative: never */
	bool		rebuilding;
	double		rows;
	double		since_rebuild;	/* last success ended */
	double		since_failure;	/* last failure ended */
	int			failures;		/* since the last success */

	/* the last measurement */
	bool		measured;
	bool		fresh;			/* taken for this decision */
	double		changed;		/* rows inserted, updated, deleted since */
	double		degradation;
	double		std_error;

	/* counted with it */
	bool		surveyed;
	double		entries;		/* of the index */
	double		dead;			/* of rows that are dead, unless vacuumed since */

	/*
	 * What is known of a better time: the baseline, or the first measurement since the index
	 * was built; and of the last optimisation since then, when it ended, and what it left.
	 */
	bool		has_reference;
	double		reference;
	double		reference_error;
	double		since_optimize;
	bool		optimized;		/* what it left was measured */
	double		optimized_to;

	/*
	 * What the last rebuild reached, if it was measured as this one is (k,
	 * ef_search) and the next build would use the same options.
	 */
	bool		has_baseline;
	double		baseline;
	double		baseline_error;
} HnrAutoFigures;

typedef struct HnrAutoDecision
{
	HnrAutoVerdict verdict;
	char		reason[320];	/* a sentence or two with the figures */
} HnrAutoDecision;

/*
 * Decides.  HNR_AUTO_MEASURE is never the answer when figures->fresh is set.
 */
extern HnrAutoDecision hnr_auto_decide(const HnrAutoFigures *figures);

/* Whether dead rows are so many that VACUUM is worth it. */
extern bool hnr_auto_many_dead(double entries, double dead);

/* What a rebuild must win at least to be worth it, with errors and a threshold like these. */
extern double hnr_auto_gain(double threshold, double std_error, double baseline_error);

/* The verdict as hnsw_rebuild.decision shows it. */
extern const char *hnr_auto_verdict_name(HnrAutoVerdict verdict);

/* Seconds to wait after so many failures in a row. */
extern double hnr_auto_backoff(int failures, double cooldown);

#endif							/* HNR_AUTO_H */
