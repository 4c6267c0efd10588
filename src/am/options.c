/*-------------------------------------------------------------------------
 *
 * options.c
 *		Storage parameters of an hnsw index.
 *
 * m and ef_construction are what the next build uses; a graph keeps those it was
 * built with.  So setting any parameter changes no page and needs no lock that
 * readers or writers would meet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "am/am.h"
#include "am/options.h"
#include "guc.h"

typedef struct HnrOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int			m;
	int			ef_construction;
	double		auto_rebuild_threshold;
	double		query_sample_rate;
	bool		deferred;
	int			merge_threshold;
} HnrOptions;

static relopt_kind options_kind;

void
hnr_options_init(void)
{
	options_kind = add_reloption_kind();
	add_int_reloption(options_kind, "m", "Neighbours that a new vertex is linked to",
					  HNR_DEFAULT_M, HNR_MIN_M, HNR_MAX_M, ShareUpdateExclusiveLock);
	add_int_reloption(options_kind, "ef_construction",
					  "Size of the candidate list when a vertex is added",
					  HNR_DEFAULT_EF_CONSTRUCTION, HNR_MIN_EF_CONSTRUCTION,
					  HNR_MAX_EF_CONSTRUCTION, ShareUpdateExclusiveLock);
	add_real_reloption(options_kind, "auto_rebuild_threshold",
					   "Rebuild online when the index is degraded by more than this (-1: never)",
					   HNR_AUTO_REBUILD_OFF, -1.0, 1.0, ShareUpdateExclusiveLock);
	add_real_reloption(options_kind, "query_sample_rate",
					   "Share of its owner's searches that are kept to measure recall with",
					   0.0, 0.0, 1.0, ShareUpdateExclusiveLock);
	add_bool_reloption(options_kind, "deferred",
					   "Insertions append rows to a list, which are merged into the graph in the background",
					   false, ShareUpdateExclusiveLock);
	add_int_reloption(options_kind, "merge_threshold",
					  "Rows in that list from which on insertions merge some themselves",
					  HNR_DEFAULT_MERGE_THRESHOLD, HNR_MIN_MERGE_THRESHOLD,
					  HNR_MAX_MERGE_THRESHOLD, ShareUpdateExclusiveLock);
}

/*
 * Whether the statement is about the option.  What ALTER INDEX ... SET leaves as it is comes
 * along to be checked, and partitions take what their parent has: of that the user was told when
 * he set it.  Statements within functions are not to be seen here; they count as being about it.
 */
static bool
statement_sets(const char *option)
{
	PlannedStmt *planned;
	ListCell   *cmd;
	ListCell   *lc;

	if (ActivePortal == NULL || list_length(ActivePortal->stmts) != 1)
		return true;
	planned = linitial_node(PlannedStmt, ActivePortal->stmts);
	if (planned->utilityStmt == NULL || !IsA(planned->utilityStmt, AlterTableStmt))
		return planned->utilityStmt == NULL || !IsA(planned->utilityStmt, CreateStmt);
	foreach(cmd, ((AlterTableStmt *) planned->utilityStmt)->cmds)
	{
		AlterTableCmd *alter = lfirst_node(AlterTableCmd, cmd);

		if (alter->subtype != AT_SetRelOptions)
			continue;
		foreach(lc, (List *) alter->def)
			if (strcmp(lfirst_node(DefElem, lc)->defname, option) == 0)
				return true;
	}
	return false;
}

/* What is for the launcher to see to; warns where there is none. */
static void
tell_launcher(const HnrOptions *options)
{
	/* asked in any case, as it wakes the launcher */
	if (options->auto_rebuild_threshold >= 0 && !hnr_watch_wanted() &&
		statement_sets("auto_rebuild_threshold"))
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("auto_rebuild_threshold has no effect at present"),
				 errdetail("Nothing measures the index and rebuilds it, because the launcher does not run."),
				 hnr_preloaded() ?
				 errhint("Set hnsw_rebuild.launcher = on, and reload the configuration.") :
				 errhint("Add hnsw_rebuild to shared_preload_libraries, restart the server, and leave hnsw_rebuild.launcher on.")));
	if (options->query_sample_rate > 0 && !hnr_preloaded() && statement_sets("query_sample_rate"))
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("query_sample_rate has no effect at present"),
				 errdetail("There is no shared memory to keep queries in."),
				 errhint("Add hnsw_rebuild to shared_preload_libraries, and restart the server.")));
	/* without the launcher, insertions and VACUUM ask for who merges */
	if (options->deferred)
		(void) hnr_watch_wanted();
}

bytea *
hnr_options_parse(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		{"m", RELOPT_TYPE_INT, offsetof(HnrOptions, m)},
		{"ef_construction", RELOPT_TYPE_INT, offsetof(HnrOptions, ef_construction)},
		{"auto_rebuild_threshold", RELOPT_TYPE_REAL, offsetof(HnrOptions, auto_rebuild_threshold)},
		{"query_sample_rate", RELOPT_TYPE_REAL, offsetof(HnrOptions, query_sample_rate)},
		{"deferred", RELOPT_TYPE_BOOL, offsetof(HnrOptions, deferred)},
		{"merge_threshold", RELOPT_TYPE_INT, offsetof(HnrOptions, merge_threshold)},
	};
	HnrOptions *options;

	hnr_guc_define_search_settings();
	options = (HnrOptions *) build_reloptions(reloptions, validate, options_kind,
											  sizeof(HnrOptions), table, lengthof(table));
	if (validate && options && options->auto_rebuild_threshold < 0 &&
		options->auto_rebuild_threshold != HNR_AUTO_REBUILD_OFF)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value %g out of bounds for option \"auto_rebuild_threshold\"",
						options->auto_rebuild_threshold),
				 errdetail("Valid values are between 0 and 1, and -1 for never.")));
	/* found out here, not when VACUUM FULL comes to build the index anew */
	if (validate && options && options->ef_construction < 2 * options->m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be greater than or equal to 2 * m"),
				 errdetail("ef_construction is %d, m is %d.", options->ef_construction, options->m)));
	if (validate && options)
		tell_launcher(options);
	return (bytea *) options;
}

bool
hnr_options_deferred(Datum reloptions)
{
	HnrOptions *options = (HnrOptions *) hnr_options_parse(reloptions, false);

	return options && options->deferred;
}

static const HnrOptions *
get_options(Relation index)
{
	static const HnrOptions defaults = {
		.m = HNR_DEFAULT_M,
		.ef_construction = HNR_DEFAULT_EF_CONSTRUCTION,
		.auto_rebuild_threshold = HNR_AUTO_REBUILD_OFF,
		.deferred = false,
		.merge_threshold = HNR_DEFAULT_MERGE_THRESHOLD
	};

	return index->rd_options ? (const HnrOptions *) index->rd_options : &defaults;
}

int
hnr_option_m(Relation index)
{
	return get_options(index)->m;
}

int
hnr_option_ef_construction(Relation index)
{
	return get_options(index)->ef_construction;
}

double
hnr_option_auto_rebuild_threshold(Relation index)
{
	return get_options(index)->auto_rebuild_threshold;
}

double
hnr_option_query_sample_rate(Relation index)
{
	return get_options(index)->query_sample_rate;
}

bool
hnr_option_deferred(Relation index)
{
	return get_options(index)->deferred;
}

int
hnr_option_merge_threshold(Relation index)
{
	return get_options(index)->merge_threshold;
}
