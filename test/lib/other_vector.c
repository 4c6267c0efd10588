/*-------------------------------------------------------------------------
 *
 * other_vector.c
 *		Plays another vector library in tests: it defines hnsw.ef_search when
 *		it is loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

static int	ef_search;

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCustomIntVariable("hnsw.ef_search", "The other library's.", NULL,
							&ef_search, 40, 1, 1000, PGC_USERSET, 0,
							NULL, NULL, NULL);
}
