/*-------------------------------------------------------------------------
 *
 * byte_points.h
 *		Vectors of bytes laid side by side: what points.c makes squared L2 of where the
 *		processor multiplies bytes.
 *
 * Nothing is rounded, so there is no need to move anything.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_BYTE_POINTS_H
#define HNR_BYTE_POINTS_H

#include "am/store_mem.h"

typedef struct HnrBytePoints HnrBytePoints;

/* Whether distances in the graph can be made of its bytes. */
extern bool hnr_byte_points_serve(HnrMemGraph *graph);

/* What the distance of two such vectors of bytes is to be multiplied by. */
extern float hnr_byte_points_scale(const HnrMemGraph *graph);

/* For up to max vectors, in the current memory context. */
extern HnrBytePoints *hnr_byte_points_create(const HnrMemGraph *graph, int max, bool columns);

extern void hnr_byte_points_load(HnrBytePoints *points, const uint32 *nodes, int n);

/*
 * The distances of up to HNR_BLOCK_ROWS rows from HNR_BLOCK_COLUMNS columns, the first of
 * which HNR_BLOCK_COLUMNS divides; a row's begin `width` behind those of the one before.
 */
extern void hnr_byte_points_block(const HnrBytePoints *rows, int row, int nrows,
								  const HnrBytePoints *columns, int column, Size width,
								  float *out);

#endif							/* HNR_BYTE_POINTS_H */
