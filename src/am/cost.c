/*-------------------------------------------------------------------------
 *
 * cost.c
 *		What the planner is told of a scan.
 *
 * The first row costs a search: the descent and a visit of about ef_search
 * vertices, a page each, with an estimate per slot.  To go on costs that much again
 * for each further ef_search rows, so all rows of a table in order are dearer than
 * sorting them; where they are not, the sort still is the better plan, for it
 * misses none.
 *
 * The planner knows nothing of TOAST, where vectors of more than about 500
 * dimensions are: it takes a scan of the table that fetches them all for one of a few
 * small pages.  What this file says is scaled down likewise, as both are compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "am/am.h"
#include "am/callbacks.h"
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

/* The part of what a scan of the table reads that the planner knows of. */
static double
known_part(IndexOptInfo *info, int dims)
{
	double		vector_pages = Max(info->rel->tuples, 0) * dims * sizeof(float) / BLCKSZ;

	if (vector_pages <= info->rel->pages)
		return 1;
	return Max(info->rel->pages, 1) / vector_pages;
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
	double		random_page_cost;
	double		tuples = Max(info->tuples, 1);
	double		visits;
	double		known;
	int			m;
	Relation	index;

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
	known = known_part(info, TupleDescAttr(RelationGetDescr(index), 0)->atttypmod);
	index_close(index, NoLock);

	/* the descent passes a few vertices of each level */
	visits = hnr_guc_ef_search() +
		HNR_DESCENT_WIDTH * log(tuples) / log(HNR_LEVEL_FACTOR * m);
	visits = Min(visits, tuples);

	costs.numIndexTuples = tuples;
	genericcostestimate(root, path, loop_count, &costs);

	get_tablespace_page_costs(info->reltablespace, &random_page_cost, NULL);
	*startup = known * visits * (random_page_cost * Min(1.0, info->pages / tuples) +
								 2 * m * ESTIMATE_COST_FRACTION * cpu_operator_cost +
								 cpu_index_tuple_cost + cpu_operator_cost);
	*total = *startup + *startup / visits * tuples;
	if (root->tuple_fraction <= 0)
		*total += 2 * sort_cost(info);
	*selectivity = costs.indexSelectivity;
	*correlation = 0;
	*pages = costs.numIndexPages;
}
