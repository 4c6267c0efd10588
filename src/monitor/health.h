/*-------------------------------------------------------------------------
 *
 * health.h
 *		One look at an index: what it has lost, to what, and what would help.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_HEALTH_H
#define HNR_HEALTH_H

#include "am/survey.h"
#include "monitor/advice.h"
#include "monitor/records.h"

#define HNR_HEALTH_MAX_EF	12

/* Where what is known of a fresh build comes from. */
typedef enum HnrFreshSource
{
	HNR_FRESH_UNKNOWN,
	HNR_FRESH_REBUILD,			/* what the last rebuild reached was measured */
	HNR_FRESH_FIRST				/* the first measurement since the index was built */
} HnrFreshSource;

typedef struct HnrHealthRequest
{
	int			sample_size;
	int			k;
	bool		seeded;
	int64		seed;
	int			nef;			/* of those asked for */
	int			ef_search[HNR_HEALTH_MAX_EF];
} HnrHealthRequest;

typedef struct HnrHealth
{
	int			nef;
	HnrRecall	recall[HNR_HEALTH_MAX_EF];	/* in order of ef_search */
	int			present;		/* the one at the present hnsw.ef_search */
	HnrMeasurement now;			/* that, with the survey, as it is to be kept */
	HnrFreshSource fresh_from;
	double		fresh;			/* recall */
	double		fresh_error;
	TimestampTz last_build;		/* 0: not known */
	double		changed;		/* rows of the table since; negative: not known */
	HnrHealthFigures figures;
	HnrAdvice	advice;
	double		seconds;		/* that what is advised may take; negative: not known */
	double		bytes;			/* of disk, for as long as it takes; negative: not known */
} HnrHealth;

/*
 * Examines an index: a survey of it, one pass over the table, and the searches.  The caller
 * has AccessShareLock on both.  Nothing is written.
 */
extern void hnr_examine(Relation table, Relation index, const HnrHealthRequest *request,
						HnrHealth *health);

/* The 95 % confidence interval of a measured recall. */
extern void hnr_confidence(const HnrRecall *recall, double *low, double *high);

#endif							/* HNR_HEALTH_H */
