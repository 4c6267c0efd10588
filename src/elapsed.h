/*-------------------------------------------------------------------------
 *
 * elapsed.h
 *		How long ago was that?
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ELAPSED_H
#define HNR_ELAPSED_H

#include "portability/instr_time.h"

/* Milliseconds that have gone by since INSTR_TIME_SET_CURRENT(start). */
static inline double
hnr_ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

#endif							/* HNR_ELAPSED_H */
