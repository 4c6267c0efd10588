/*-------------------------------------------------------------------------
 *
 * cost.c
 *		What the planner is told of a scan.
 *
 * The first row costs a search: the descent and a visit of about ef_search
 * vertices, a page each, with an estimate per slot or, without codes, the measure of
 * neighbours, which stand on pages of their own.  To go on costs two or three visits a
 * row (results.h), so all rows of a table in order are dearer than sorting them; where
 * they are not, the sort still is the better plan, for it misses none.
 *
 * The planner knows nothing of TOAST, where vectors of more than about 500
 * dimensions are: it takes a scan of the table that fetches them all, or those of the rows
 * that pass a filter, for one of a few small pages.  What this file says is scaled down
 * likewise, as both are compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "am/am.h"
#include "am/callbacks.h"
#include "am/metric.h"
#include "am/search.h"
#include "am/store_mem.h"
#include "compat.h"
#include "guc.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

/* An estimate from a code costs about this part of an operator call. */
#define ESTIMATE_COST_FRACTION 0.05

/* Visits for a row that a scan returns beyond those of its search. */
#define VISITS_PER_ROW 2.5

/* Pages that the vectors of the table take. */
static double
vector_pages(IndexOptInfo *info, const HnrMetric *metric, int dims)
{
	double		bytes;

	switch (metric->type->element)
	{
		case HNR_ELEMENT_HALF:
			bytes = dims * 2.0;
			break;
		case HNR_ELEMENT_BIT:
			bytes = dims / 8.0;
			break;
		case HNR_ELEMENT_SPARSE:
			/* how many coordinates there are, only the index knows */
			return info->pages;
		default:
			bytes = dims * 4.0;
	}
	return Max(info->rel->tuples, 0) * bytes / BLCKSZ;
}

/*
 * The part of what it takes to sort the rows that pass the filter that the planner knows of.
 */
static double
known_part(IndexOptInfo *info, const HnrMetric *metric, int dims)
{
	double		pages = Max(info->rel->pages, 1);
	double		in_toast = vector_pages(info, metric, dims);

	if (in_toast <= pages)
		return 1;
	if (info->rel->tuples > 0)
		in_toast *= Min(info->rel->rows / info->rel->tuples, 1);
	return pages / (pages + in_toast);
}

/* What it costs to visit a vertex. */
static double
visit_cost(IndexOptInfo *info, const HnrMetric *metric, int m)
{
	double		random_page_cost;
	double		read;

	get_tablespace_page_costs(info->reltablespace, &random_page_cost, NULL);
	read = random_page_cost * Min(1.0, info->pages / Max(info->tuples, 1)) +
		cpu_index_tuple_cost + cpu_operator_cost;
	return metric->coded ? read + 2 * m * ESTIMATE_COST_FRACTION * cpu_operator_cost :
		read * Max(m / 2, 1);
}

/* About what a scan and a sort of the table cost. */
static double
sort_cost(IndexOptInfo *info)
{
	double		tuples = Max(info->rel->tuples, 2);

	return info->rel->pages * seq_page_cost +
		tuples * (cpu_tuple_cost + cpu_operator_cost * (2 + 2 * log2(tuples)));
}

void
hnr_costestimate(PlannerInfo *root, IndexPath *path, double loop_count,
				 Cost *startup, Cost *total, Selectivity *selectivity,
				 double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	GenericCosts costs = {0};
	double		tuples = Max(info->tuples, 1);
	double		visits;
	double		a_visit;
	int			m;
	Relation	index;
	const HnrMetric *metric;

	/* an hnsw index only knows how to order */
	if (path->indexorderbys == NIL)
	{
		*startup = *total = get_float8_infinity();
		hnr_path_disable(&path->path);
		*selectivity = 0;
		*correlation = 0;
		*pages = 0;
		return;
	}

	hnr_guc_define_search_settings();
	index = index_open(info->indexoid, NoLock);
	m = hnr_option_m(index);
	metric = hnr_metric_of_index(index);
	a_visit = visit_cost(info, metric, m) *
		known_part(info, metric, TupleDescAttr(RelationGetDescr(index), 0)->atttypmod);
	index_close(index, NoLock);

	/* the descent passes a few vertices of each level */
	visits = hnr_guc_ef_search() +
		HNR_DESCENT_NARROW * log(tuples) / log(HNR_LEVEL_FACTOR * m);
	visits = Min(visits, tuples);

	costs.numIndexTuples = tuples;
	genericcostestimate(root, path, loop_count, &costs);

	*startup = a_visit * visits;
	*total = *startup + a_visit * VISITS_PER_ROW * tuples;
	if (root->tuple_fraction <= 0)
		*total += 2 * sort_cost(info);
	*selectivity = costs.indexSelectivity;
	*correlation = 0;
	*pages = costs.numIndexPages;
}
