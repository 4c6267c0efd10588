/*-------------------------------------------------------------------------
 *
 * advice.h
 *		What would do an index good, a pure function of the figures.
 *
 * No server headers: test/unit compiles it alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ADVICE_H
#define HNR_ADVICE_H

#include <stdbool.h>

typedef enum HnrAction
{
	HNR_ACTION_NONE,
	HNR_ACTION_FLUSH,
	HNR_ACTION_VACUUM,
	HNR_ACTION_OPTIMIZE,
	HNR_ACTION_REBUILD
} HnrAction;

/* Vertices that cannot be reached are worth an optimisation from this part of them on. */
#define HNR_ADVICE_UNREACHABLE	0.01

/* Pending rows are worth a flush from this part of merge_threshold on, where they may not grow beyond it. */
#define HNR_ADVICE_PENDING		0.5

/* Fewer are from this age of the first of them on, in milliseconds, if nobody merges them. */
#define HNR_ADVICE_STALLED		60000

/* Pages that are wasted are worth a rebuild from this part on, and so many. */
#define HNR_ADVICE_WASTED		0.3
#define HNR_ADVICE_MIN_WASTED	1024.0

typedef struct HnrHealthFigures
{
	double		entries;		/* heap TIDs in the index */
	double		dead;			/* of these, those of rows that are dead */
	double		pending;		/* rows that are not in the graph yet */
	double		merge_threshold;
	bool		stalled;		/* pending rows have waited for long, and nobody merges them */
	bool		workers;		/* there are any to merge them */
	bool		cut_short;		/* a VACUUM left work behind */
	double		vertices;
	double		unreachable;
	double		pages;
	double		pages_wasted;
	bool		measured;		/* recall is known */
	double		recall;
	double		std_error;
	bool		has_fresh;		/* the recall of a fresh build is known */
	bool		fresh_is_first; /* in that the first measurement since is taken for it */
	double		fresh;
	double		fresh_error;
	bool		optimized;		/* since it was built */
	double		optimized_to;	/* recall then; negative: not known */
	double		threshold;		/* auto_rebuild_threshold; negative: none */
	const char *busy;			/* "rebuild" or "optimization": one is under way; NULL: none */
} HnrHealthFigures;

typedef struct HnrAdvice
{
	HnrAction	action;
	char		reason[240];	/* a sentence or two, with the figures */
} HnrAdvice;

/* The first of what helps: the cheap before the dear. */
extern HnrAdvice hnr_advise(const HnrHealthFigures *figures);

/* As index_health() shows it. */
extern const char *hnr_action_name(HnrAction action);

#endif							/* HNR_ADVICE_H */
