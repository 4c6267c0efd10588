/*-------------------------------------------------------------------------
 *
 * node.h
 *		What the graph calls a vertex on pages: its TID as a number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_NODE_H
#define HNR_NODE_H

#include "am/graph.h"
#include "storage/itemptr.h"

static inline HnrNodeId
hnr_node_of_tid(const ItemPointerData *tid)
{
	return ((HnrNodeId) ItemPointerGetBlockNumberNoCheck(tid) << 16) |
		ItemPointerGetOffsetNumberNoCheck(tid);
}

static inline void
hnr_tid_of_node(HnrNodeId node, ItemPointer tid)
{
	ItemPointerSet(tid, (BlockNumber) (node >> 16), (OffsetNumber) (node & 0xFFFF));
}

#endif							/* HNR_NODE_H */
