/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Every setting.  See guc.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "guc.h"
#include "miscadmin.h"
#include "utils/guc.h"

static int	ef_search = HNR_EF_SEARCH_DEFAULT;

void
hnr_guc_init(void)
{
	MarkGUCPrefixReserved("hnsw_rebuild");
}

void
hnr_guc_define_search_settings(void)
{
	static bool done = false;

	if (done || !IsUnderPostmaster)
		return;
	done = true;
	DefineCustomIntVariable("hnsw.ef_search",
							"Size of the candidate list of an HNSW search.",
							"A larger list finds more of the true neighbours and costs more.",
							&ef_search,
							HNR_EF_SEARCH_DEFAULT, HNR_EF_SEARCH_MIN, HNR_EF_SEARCH_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
}

int
hnr_guc_ef_search(void)
{
	return ef_search;
}
