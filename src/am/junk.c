/*-------------------------------------------------------------------------
 *
 * junk.c
 *		Plans of index scans without the distances that nobody reads.
 *
 * For  SELECT id FROM t ORDER BY v <-> $1 LIMIT 10  the planner keeps the distance
 * in the target list, as a column that is dropped at the end, although the order
 * comes from the index.  The executor then computes it for each row, which means
 * fetching a vector of more than about 500 dimensions from its TOAST table: more
 * work than finding the ten rows.  So, once a plan is made, such a column of a scan of
 * an hnsw index becomes a constant NULL where nothing above the scan can look at it:
 * directly at the top of a query, a subquery or a subselect in an expression (whoever reads one
 * of these goes by the columns of its SELECT list), or below a LIMIT there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "am/am.h"
#include "am/junk.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/planner.h"
#include "utils/syscache.h"

static planner_hook_type previous_hook = NULL;

static bool
is_hnsw(Oid indexid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = hnr_is_hnsw_am(((Form_pg_class) GETSTRUCT(tuple))->relam);
	ReleaseSysCache(tuple);
	return result;
}

/* Blanks the columns of the scan that only carry its order. */
static void
blank_junk(IndexScan *scan)
{
	ListCell   *lc;

	foreach(lc, scan->scan.plan.targetlist)
	{
		TargetEntry *te = lfirst(lc);

		if (te->resjunk && te->ressortgroupref != 0 &&
			list_member(scan->indexorderbyorig, te->expr))
			te->expr = (Expr *) makeNullConst(exprType((Node *) te->expr),
											  exprTypmod((Node *) te->expr),
											  exprCollation((Node *) te->expr));
	}
}

/* A plan whose junk columns are dropped by whoever reads it. */
static void
visit_top(Plan *plan)
{
	/* WITH TIES compares the order columns of rows */
	while (plan && IsA(plan, Limit) && ((Limit *) plan)->limitOption == LIMIT_OPTION_COUNT)
		plan = plan->lefttree;
	if (plan && IsA(plan, IndexScan) && ((IndexScan *) plan)->indexorderbyorig != NIL &&
		is_hnsw(((IndexScan *) plan)->indexid))
		blank_junk((IndexScan *) plan);
}

static void visit_query(Plan *plan);
static void visit_list(List *plans);

/* Looks for subqueries. */
static void
visit(Plan *plan)
{
	if (plan == NULL)
		return;
	check_stack_depth();
	switch (nodeTag(plan))
	{
		case T_SubqueryScan:
			visit_query(((SubqueryScan *) plan)->subplan);
			break;
		case T_Append:
			visit_list(((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			visit_list(((MergeAppend *) plan)->mergeplans);
			break;
		default:
			break;
	}
	visit(plan->lefttree);
	visit(plan->righttree);
}

static void
visit_list(List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
		visit(lfirst(lc));
}

/* The plan of a query, on its own or within another. */
static void
visit_query(Plan *plan)
{
	visit_top(plan);
	visit(plan);
}

static PlannedStmt *
plan_without_junk(Query *parse, const char *query_string, int cursor_options,
				  ParamListInfo params)
{
	PlannedStmt *result;
	ListCell   *lc;

	if (previous_hook)
		result = previous_hook(parse, query_string, cursor_options, params);
	else
		result = standard_planner(parse, query_string, cursor_options, params);
	visit_query(result->planTree);
	/* a subselect that is not used has none */
	foreach(lc, result->subplans)
		visit_query(lfirst(lc));
	return result;
}

void
hnr_junk_init(void)
{
	previous_hook = planner_hook;
	planner_hook = plan_without_junk;
}
