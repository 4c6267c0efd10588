/*-------------------------------------------------------------------------
 *
 * cost.c
 *		What the planner is told of a scan.
 *
 * The first row costs a search: the descent and a visit of about ef_search
 * vertices, a page each, with an estimate per slot.  To go on costs that much again
 * for each further ef_search rows, so all rows of a table in order are dearer than
 * sorting them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "am/am.h"
#include "am/callbacks.h"
#include "guc.h"
#include "optimizer/optimizer.h"

#include "utils/float.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

/* An estimate from a code costs about this part of an operator call. */
#define ESTIMATE_COST_FRACTION 0.05

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
	int			m;
	Relation	index;

	/* an hnsw index only knows how to order */
	if (path->indexorderbys == NIL)
	{
		*startup = *total = get_float8_infinity();
		*selectivity = 0;
		*correlation = 0;
		*pages = 0;
		return;
	}

	hnr_guc_define_search_settings();
	index = index_open(info->indexoid, NoLock);
	m = hnr_option_m(index);
	index_close(index, NoLock);

	/* the descent passes a few vertices of each of log_m(n) levels */
	visits = hnr_guc_ef_search() + 4 * log(tuples) / log(m);
	visits = Min(visits, tuples);

	costs.numIndexTuples = visits;
	genericcostestimate(root, path, loop_count, &costs);

	get_tablespace_page_costs(info->reltablespace, &random_page_cost, NULL);
	*startup = visits * (random_page_cost * Min(1.0, info->pages / tuples) +
						 2 * m * ESTIMATE_COST_FRACTION * cpu_operator_cost +
						 cpu_index_tuple_cost + cpu_operator_cost);
	*total = *startup + *startup / visits * tuples;
	*selectivity = costs.indexSelectivity;
	*correlation = 0;
	*pages = costs.numIndexPages;
}
