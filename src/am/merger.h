/*-------------------------------------------------------------------------
 *
 * merger.h
 *		What a merge worker and who asks for one have to agree on.
 *
 * Whether there is a worker is told by a lock on its seat, of which each database has
 * hnsw_rebuild.merge_workers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_MERGER_H
#define HNR_MERGER_H

#include "catalog/pg_am.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* Sub-object numbers of the seats, in the space of locks on access methods. */
#define HNR_MERGE_SEAT_SUBID		0x4D00

/* How often a backend looks whether there is a worker (us), and what that takes at most. */
#define HNR_MERGE_LOOK_US			200000
#define HNR_MERGE_LOOK_MARGIN_US	50000

/* The lock of a seat, from 0 on, in this database. */
static inline void
hnr_merge_set_seat(LOCKTAG *tag, int seat)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, AccessMethodRelationId, InvalidOid,
					   HNR_MERGE_SEAT_SUBID + seat);
}

#endif							/* HNR_MERGER_H */
