/*-------------------------------------------------------------------------
 *
 * verify_space.c
 *		check_index(): free places and the free space map.  See verify.h.
 *
 * The map is a hint and not crash-safe: a page whose free places it does not name,
 * or that it names as one of another kind, costs room until a vacuum comes by.  A few such pages are in order; many, as a crash may leave
 * them, are worth a finding.  A standby knows little of the map and does not use it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "am/buffer.h"
#include "am/place.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "monitor/verify.h"

/* So many pages are in order, and this part of all. */
#define PAGES_IN_ORDER	16
#define PART_IN_ORDER	0.02

/* Whether the map leaves out free places of a page, or names it as another kind. */
static bool
map_is_wrong(HnrVerify *v, BlockNumber block)
{
	int			named = hnr_place_recorded(v->index, block);
	int			kind;

	/* new pages are named by vacuum, which also finds those that it does not name */
	if (v->kind[block] == 0 || v->kind[block] == named)
		return false;
	hnr_buffer_copy(v->index->rel, block, v->strategy, v->page);
	if (hnr_verify_page_problem(v->page))
		return false;			/* reported */
	kind = hnr_page_head(v->page)->kind;
	/* a place may have been taken, or given back, since the map was read */
	if (kind == named || hnr_place_recorded(v->index, block) != named)
		return false;
	return named > 0 || (named < 0 && hnr_place_on_page(v->index, v->page) >= 0);
}

void
hnr_verify_space(HnrVerify *v)
{
	int64		wrong = 0;
	BlockNumber first = InvalidBlockNumber;

	if (RecoveryInProgress())
		return;
	for (BlockNumber block = HNR_METAPAGE + 1; block < v->blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		if (map_is_wrong(v, block) && wrong++ == 0)
			first = block;
	}
	if (wrong > PAGES_IN_ORDER + v->blocks * PART_IN_ORDER)
		hnr_verify_report(v, HNR_FOUND_FREE_SPACE, first, 0,
						  "the free space map is wrong about " INT64_FORMAT " of %u pages, whose free places are not used; this is the first",
						  wrong, v->blocks);
}
