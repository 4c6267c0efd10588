/*-------------------------------------------------------------------------
 *
 * page.c
 *		The disk format.  See page.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/page.h"

void
hnr_page_init(Page page, HnrPageKind kind, int used)
{
	Assert(used <= HNR_PAGE_CAPACITY);
	PageInit(page, BLCKSZ, 0);
	hnr_page_head(page)->page_id = HNR_PAGE_ID;
	hnr_page_head(page)->kind = kind;
	((PageHeader) page)->pd_lower = HNR_PAGE_START + used;
}
