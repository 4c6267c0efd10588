/*-------------------------------------------------------------------------
 *
 * warm.c
 *		The pages of an index in the buffer pool: counted, and fetched.
 *
 * A new index is built past the buffer pool, and would be read from disk by the first
 * queries after it has taken the old one's place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "am/buffer.h"
#include "compat.h"
#include "miscadmin.h"
#include "storage/buf_internals.h"
#include "throttle.h"

/* The most of the pool that is filled: what others use shall stay. */
#define MAX_SHARE	4

/* What reading a page takes at least (us), for the throttle. */
#define PAGE_US		2

BlockNumber
hnr_index_buffered(Relation index)
{
	BlockNumber n = 0;

	/* without their locks: a wrong answer about some does not matter */
	for (int i = 0; i < NBuffers; i++)
	{
		CHECK_FOR_INTERRUPTS();
		n += hnr_buffer_tag_is(&GetBufferDescriptor(i)->tag, index, MAIN_FORKNUM);
	}
	return n;
}

double
hnr_index_buffered_share(Relation index)
{
	BlockNumber blocks = Max(RelationGetNumberOfBlocks(index), 1);

	return Min(1.0, (double) hnr_index_buffered(index) / blocks);
}

void
hnr_index_warm(Relation index, double share)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index);
	BlockNumber wanted = Min(share * blocks, (double) NBuffers / MAX_SHARE);

	/* from the end, where the upper levels stand, that all searches begin in */
	for (BlockNumber i = 1; i <= wanted; i++)
	{
		hnr_throttle(PAGE_US);
		CHECK_FOR_INTERRUPTS();
		ReleaseBuffer(ReadBuffer(index, blocks - i));
	}
}
