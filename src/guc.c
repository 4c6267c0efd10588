/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Every setting: one table per type, a line per setting.  See guc.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "compat.h"
#include "debug_point.h"
#include "guc.h"

typedef struct BoolSetting
{
	const char *name;
	const char *what;
	const char *more;
	bool	   *variable;
	bool		boot;
	GucContext	context;
} BoolSetting;

typedef struct IntSetting
{
	const char *name;
	const char *what;
	const char *more;
	int		   *variable;
	int			boot;
	int			min;
	int			max;
	GucContext	context;
	int			flags;
} IntSetting;

typedef struct RealSetting
{
	const char *name;
	const char *what;
	const char *more;
	double	   *variable;
	double		boot;
	double		min;
	double		max;
	GucContext	context;
} RealSetting;

typedef struct EnumSetting
{
	const char *name;
	const char *what;
	const char *more;
	int		   *variable;
	int			boot;
	const struct config_enum_entry *entries;
	GucContext	context;
} EnumSetting;

int			hnr_guc_cutover_method = HNR_CUTOVER_SWAP_STORAGE;
int			hnr_guc_cutover_max_wait = 60;
int			hnr_guc_cutover_timeout = 0;
int			hnr_guc_table_lock_timeout = 0;
int			hnr_guc_history_limit = 1000;
int			hnr_guc_nice = 15;
int			hnr_guc_max_cpu = 100;
int			hnr_guc_wal_rate = 0;
int			hnr_guc_merge_workers = 2;
bool		hnr_guc_check_free_space = true;
bool		hnr_guc_launcher = true;
int			hnr_guc_naptime = 60;
int			hnr_guc_max_workers = 2;
int			hnr_guc_auto_cooldown = 3600;
int			hnr_guc_auto_min_rows = 1000;
double		hnr_guc_auto_min_changed = 0.05;
int			hnr_guc_auto_sample_size = 100;
int			hnr_guc_record_limit = 100;
double		hnr_guc_query_sample_rate = 0;

static bool preloaded = false;
static void (*watch_callback) (void) = NULL;

static const struct config_enum_entry cutover_methods[] = {
	{"swap_storage", HNR_CUTOVER_SWAP_STORAGE, false},
	{"swap_index", HNR_CUTOVER_SWAP_INDEX, false},
	{NULL, 0, false}
};

/* ---- hnsw_rebuild.* ---- */

static const BoolSetting bool_settings[] = {
	{
		"hnsw_rebuild.check_free_space",
		"Does not begin a rebuild where its disk would run full.",
		NULL,
		&hnr_guc_check_free_space, true, PGC_SUSET
	},
	{
		"hnsw_rebuild.launcher",
		"Checks indexes that have an auto_rebuild_threshold, and rebuilds them.",
		"Takes effect where the library is in shared_preload_libraries.",
		&hnr_guc_launcher, true, PGC_SIGHUP
	},
};

static const IntSetting int_settings[] = {
	{
		"hnsw_rebuild.auto_cooldown",
		"Time to leave an index alone after a rebuild of it.",
		"After failed rebuilds the time doubles with each, up to a day.",
		&hnr_guc_auto_cooldown, 3600, 0, INT_MAX / 1000, PGC_SIGHUP, GUC_UNIT_S
	},
	{
		"hnsw_rebuild.auto_min_rows",
		"Fewest rows of an index that is rebuilt automatically.",
		NULL,
		&hnr_guc_auto_min_rows, 1000, 0, INT_MAX, PGC_SIGHUP, 0
	},
	{
		"hnsw_rebuild.auto_sample_size",
		"Rows that an automatic check searches for.",
		"A larger sample gives a more certain figure and costs more.",
		&hnr_guc_auto_sample_size, 100, 1, 10000, PGC_SIGHUP, 0
	},
	{
		"hnsw_rebuild.cutover_max_wait",
		"Longest time that one attempt to swap in a new index may make others wait.",
		NULL,
		&hnr_guc_cutover_max_wait, 60, 1, 60 * 1000, PGC_SUSET, GUC_UNIT_MS
	},
	{
		"hnsw_rebuild.cutover_timeout",
		"Gives a rebuild up when its swap has been held off for this long.",
		"Zero tries for ever.",
		&hnr_guc_cutover_timeout, 0, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS
	},
	{
		"hnsw_rebuild.history_limit",
		"Finished rebuilds that rebuild_history keeps.",
		"Those of a partitioned index count as one.",
		&hnr_guc_history_limit, 1000, 1, INT_MAX, PGC_SUSET, 0
	},
	{
		"hnsw_rebuild.max_cpu",
		"Share of a processor, in percent, that background work may use.",
		"It pauses for the rest of the time.",
		&hnr_guc_max_cpu, 100, 1, 100, PGC_SUSET, 0
	},
	{
		"hnsw_rebuild.max_workers",
		"Databases that are checked at the same time.",
		NULL,
		&hnr_guc_max_workers, 2, 1, HNR_MAX_WORKERS, PGC_SIGHUP, 0
	},
	{
		"hnsw_rebuild.merge_workers",
		"Background workers of a database that merge pending rows of its indexes.",
		"The first comes with the first row, others when lists get long.  With none, "
		"insertions merge rows when there are merge_threshold of them.",
		&hnr_guc_merge_workers, 2, 0, HNR_MAX_MERGE_WORKERS, PGC_SUSET, 0
	},
	{
		"hnsw_rebuild.naptime",
		"Time between two checks of the indexes of a database.",
		NULL,
		&hnr_guc_naptime, 60, 1, INT_MAX / 1000, PGC_SIGHUP, GUC_UNIT_S
	},
	{
		"hnsw_rebuild.nice",
		"How far background work stands back behind others' in the operating system.",
		"The niceness of its processes: 0 is that of everybody, 19 the most.",
		&hnr_guc_nice, 15, 0, 19, PGC_SUSET, 0
	},
	{
		"hnsw_rebuild.record_limit",
		"Measurements and decisions that are kept of each index.",
		NULL,
		&hnr_guc_record_limit, 100, 10, 1000000, PGC_SUSET, 0
	},
	{
		"hnsw_rebuild.table_lock_timeout",
		"Gives a rebuild up when it has waited for its table's lock for this long.",
		"Zero waits for ever.  The lock lets reads and writes pass; VACUUM and other "
		"maintenance of the table hold it as well.",
		&hnr_guc_table_lock_timeout, 0, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS
	},
	{
		"hnsw_rebuild.wal_rate",
		"WAL that a rebuild or an optimization may write in a second.",
		"Zero is without limit.",
		&hnr_guc_wal_rate, 0, 0, INT_MAX, PGC_SUSET, GUC_UNIT_KB
	},
};

static const RealSetting real_settings[] = {
	{
		"hnsw_rebuild.auto_min_changed",
		"Share of the rows that must change before an index is measured again.",
		"Inserted, updated and deleted rows count, updates that leave indexes alone do not.",
		&hnr_guc_auto_min_changed, 0.05, 0.0, 1.0, PGC_SIGHUP
	},
	{
		"hnsw_rebuild.query_sample_rate",
		"Share of searches whose queries are kept to measure recall with.",
		"They are shown to the owner of the index, whoever has asked them.  Zero keeps none.",
		&hnr_guc_query_sample_rate, 0.0, 0.0, 1.0, PGC_SUSET
	},
};

static const EnumSetting enum_settings[] = {
	{
		"hnsw_rebuild.cutover_method",
		"How a new index takes the place of the old one.",
		"swap_storage keeps the OID and takes an exclusive lock for an instant; "
		"swap_index takes none and changes the OID.",
		&hnr_guc_cutover_method, HNR_CUTOVER_SWAP_STORAGE, cutover_methods, PGC_SUSET
	},
};

/* ---- hnsw.* ---- */

typedef enum SearchSettingId
{
	SEARCH_EF_SEARCH,
	SEARCH_MAX_SCAN_TUPLES,
	SEARCH_INTS,
	SEARCH_ITERATIVE_SCAN = SEARCH_INTS,
	SEARCH_SCAN_MEM_MULTIPLIER,
	SEARCH_SETTINGS
} SearchSettingId;

static int	search_values[SEARCH_INTS] = {HNR_EF_SEARCH_DEFAULT, HNR_MAX_SCAN_TUPLES_DEFAULT};
static int	iterative_scan = HNR_SCAN_OFF;
static double scan_mem_multiplier = HNR_SCAN_MEM_MULTIPLIER_DEFAULT;

/* Not defined, or by another library, so its value is to be asked for by name. */
static bool search_foreign[SEARCH_SETTINGS] = {true, true, true, true};

static const IntSetting search_ints[SEARCH_INTS] = {
	[SEARCH_EF_SEARCH] = {
		"hnsw.ef_search",
		"Size of the candidate list of an HNSW search.",
		"A larger list finds more of the true neighbours and costs more.",
		&search_values[SEARCH_EF_SEARCH],
		HNR_EF_SEARCH_DEFAULT, HNR_EF_SEARCH_MIN, HNR_EF_SEARCH_MAX, PGC_USERSET, 0
	},
	[SEARCH_MAX_SCAN_TUPLES] = {
		"hnsw.max_scan_tuples",
		"Vertices that one HNSW scan visits before it ends.",
		"A scan goes on searching while rows are asked for, because of a LIMIT above "
		"hnsw.ef_search or of rows that a filter takes out; this bounds it.",
		&search_values[SEARCH_MAX_SCAN_TUPLES],
		HNR_MAX_SCAN_TUPLES_DEFAULT, 1, INT_MAX, PGC_USERSET, 0
	},
};

static const struct config_enum_entry iterative_scans[] = {
	{"off", HNR_SCAN_OFF, false},
	{"relaxed_order", HNR_SCAN_RELAXED, false},
	{"strict_order", HNR_SCAN_STRICT, false},
	{NULL, 0, false}
};

static const EnumSetting search_iterative_scan = {
	"hnsw.iterative_scan",
	"Whether an HNSW scan that goes on may return rows that it comes to late.",
	"With relaxed_order it returns them, out of order; otherwise it looks farther ahead "
	"and leaves out what is nearer than a row returned before.",
	&iterative_scan, HNR_SCAN_OFF, iterative_scans, PGC_USERSET
};

static const RealSetting search_scan_mem_multiplier = {
	"hnsw.scan_mem_multiplier",
	"Memory that one HNSW scan uses before it ends, in multiples of work_mem.",
	NULL,
	&scan_mem_multiplier, HNR_SCAN_MEM_MULTIPLIER_DEFAULT, 1, 1000, PGC_USERSET
};

static void
define_int(const IntSetting *s)
{
	DefineCustomIntVariable(s->name, s->what, s->more, s->variable,
							s->boot, s->min, s->max, s->context, s->flags,
							NULL, NULL, NULL);
}

static void
define_real(const RealSetting *s)
{
	DefineCustomRealVariable(s->name, s->what, s->more, s->variable,
							 s->boot, s->min, s->max, s->context, 0,
							 NULL, NULL, NULL);
}

static void
define_enum(const EnumSetting *s)
{
	DefineCustomEnumVariable(s->name, s->what, s->more, s->variable,
							 s->boot, s->entries, s->context, 0,
							 NULL, NULL, NULL);
}

void
hnr_guc_init(void)
{
	preloaded = process_shared_preload_libraries_in_progress;

	for (int i = 0; i < lengthof(bool_settings); i++)
	{
		const BoolSetting *s = &bool_settings[i];

		DefineCustomBoolVariable(s->name, s->what, s->more, s->variable,
								 s->boot, s->context, 0, NULL, NULL, NULL);
	}
	for (int i = 0; i < lengthof(int_settings); i++)
		define_int(&int_settings[i]);
	for (int i = 0; i < lengthof(real_settings); i++)
		define_real(&real_settings[i]);
	for (int i = 0; i < lengthof(enum_settings); i++)
		define_enum(&enum_settings[i]);
	HNR_DEBUG_POINT_INIT();
	MarkGUCPrefixReserved("hnsw_rebuild");

	/*
	 * In a database that has our extension there is no other's: hnsw.* can be
	 * shown from now on.  Not so for session_preload_libraries, which are
	 * loaded while the backend starts, for a parallel worker that loads what
	 * its leader has, and for LOAD elsewhere.
	 */
	if (!preloaded && IsNormalProcessingMode() && IsTransactionState() &&
		!InitializingParallelWorker && OidIsValid(get_extension_oid("hnsw_rebuild", true)))
		hnr_guc_define_search_settings();
}

bool
hnr_preloaded(void)
{
	return preloaded;
}

void
hnr_on_watch_wanted(void (*callback) (void))
{
	watch_callback = callback;
}

bool
hnr_watch_wanted(void)
{
	if (watch_callback)
		watch_callback();
	return preloaded && hnr_guc_launcher;
}

void
hnr_guc_force(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

void
hnr_guc_put_aside(void)
{
	hnr_guc_force("search_path", "pg_catalog, pg_temp");
	hnr_guc_force("lock_timeout", "0");
	hnr_guc_force("statement_timeout", "0");
	hnr_guc_force("idle_in_transaction_session_timeout", "0");
	hnr_guc_force("idle_session_timeout", "0");
#ifdef HNR_HAVE_TRANSACTION_TIMEOUT
	hnr_guc_force("transaction_timeout", "0");
#endif
	hnr_guc_force("default_transaction_isolation", "read committed");
	hnr_guc_force("default_transaction_read_only", "off");
	hnr_guc_force("default_transaction_deferrable", "off");
}

/* Whether a library has defined the setting; one that is only set is a placeholder. */
static bool
is_defined(const char *name)
{
	return GetConfigOption(name, true, false) != NULL &&
		(GetConfigOptionFlags(name, true) & GUC_CUSTOM_PLACEHOLDER) == 0;
}

/* What is misspelt is an error from now on, where all names are ours. */
static void
reserve_prefix(void)
{
	for (int i = 0; i < SEARCH_SETTINGS; i++)
		if (search_foreign[i])
			return;
	MarkGUCPrefixReserved("hnsw");
}

void
hnr_guc_define_search_settings(void)
{
	static bool done = false;

	/*
	 * A definition in the postmaster would be every backend's.  In parallel mode what a
	 * placeholder was set to would be lost: a worker's stay placeholders, and its leader comes
	 * back.
	 */
	if (done || process_shared_preload_libraries_in_progress ||
		(IsPostmasterEnvironment && !IsUnderPostmaster) || IsParallelWorker() || IsInParallelMode())
		return;
	done = true;
	for (int i = 0; i < SEARCH_INTS; i++)
	{
		search_foreign[i] = is_defined(search_ints[i].name);
		if (!search_foreign[i])
			define_int(&search_ints[i]);
	}
	search_foreign[SEARCH_ITERATIVE_SCAN] = is_defined(search_iterative_scan.name);
	if (!search_foreign[SEARCH_ITERATIVE_SCAN])
		define_enum(&search_iterative_scan);
	search_foreign[SEARCH_SCAN_MEM_MULTIPLIER] = is_defined(search_scan_mem_multiplier.name);
	if (!search_foreign[SEARCH_SCAN_MEM_MULTIPLIER])
		define_real(&search_scan_mem_multiplier);
	reserve_prefix();
}

static int
search_int(SearchSettingId id)
{
	const IntSetting *s = &search_ints[id];
	const char *text;
	int			value;

	hnr_guc_define_search_settings();
	if (!search_foreign[id])
		return *s->variable;
	text = GetConfigOption(s->name, true, false);
	if (text == NULL || !parse_int(text, &value, s->flags, NULL))
		return s->boot;
	return Max(s->min, Min(s->max, value));
}

int
hnr_guc_ef_search(void)
{
	return search_int(SEARCH_EF_SEARCH);
}

int
hnr_guc_max_scan_tuples(void)
{
	return search_int(SEARCH_MAX_SCAN_TUPLES);
}

HnrIterativeScan
hnr_guc_iterative_scan(void)
{
	const char *text;

	hnr_guc_define_search_settings();
	if (!search_foreign[SEARCH_ITERATIVE_SCAN])
		return iterative_scan;
	text = GetConfigOption(search_iterative_scan.name, true, false);
	for (const struct config_enum_entry *e = iterative_scans; text && e->name; e++)
		if (pg_strcasecmp(e->name, text) == 0)
			return e->val;
	return search_iterative_scan.boot;
}

double
hnr_guc_scan_mem_multiplier(void)
{
	const RealSetting *s = &search_scan_mem_multiplier;
	const char *text;
	double		value;

	hnr_guc_define_search_settings();
	if (!search_foreign[SEARCH_SCAN_MEM_MULTIPLIER])
		return scan_mem_multiplier;
	text = GetConfigOption(s->name, true, false);
	if (text == NULL || !parse_real(text, &value, 0, NULL))
		return s->boot;
	return Max(s->min, Min(s->max, value));
}
