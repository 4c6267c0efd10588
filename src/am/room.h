/*-------------------------------------------------------------------------
 *
 * room.h
 *		How many words of a vector that varies stand on its vertex.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ROOM_H
#define HNR_ROOM_H

#include "am/store_mem.h"

/* For an index whose vectors are not known. */
extern int	hnr_room_default(int m, int width);

/* The most that an index can have. */
extern int	hnr_room_most(int m);

/* What makes an index of these vectors small and quick. */
extern int	hnr_room_choose(const HnrMemGraph *graph);

#endif							/* HNR_ROOM_H */
