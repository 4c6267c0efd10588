/*-------------------------------------------------------------------------
 *
 * other_vector.c
 *		Plays another vector library in tests: it defines settings of ours when
 *		it is loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

static int	ef_search;
static int	iterative_scan;
static double scan_mem_multiplier;

static const struct config_enum_entry iterative_scans[] = {
	{"off", 7, false}, {"relaxed_order", 8, false}, {"other_order", 9, false}, {NULL, 0, false}
};

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCustomIntVariable("hnsw.ef_search", "The other library's.", NULL,
							&ef_search, 40, 1, 1000, PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomEnumVariable("hnsw.iterative_scan", "The other library's.", NULL,
							 &iterative_scan, 7, iterative_scans, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomRealVariable("hnsw.scan_mem_multiplier", "The other library's.", NULL,
							 &scan_mem_multiplier, 2, 0.5, 5000, PGC_USERSET, 0,
							 NULL, NULL, NULL);
}
