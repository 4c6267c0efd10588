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
	PageInit(page, BLCKSZ, sizeof(HnrPageOpaque));
	hnr_page_opaque(page)->kind = kind;
	hnr_page_opaque(page)->page_id = HNR_PAGE_ID;
	((PageHeader) page)->pd_lower = MAXALIGN(SizeOfPageHeaderData) + used;
}
