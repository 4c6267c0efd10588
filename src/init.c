/*-------------------------------------------------------------------------
 *
 * init.c
 *		Library start: each module's init, in order of dependence.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "am/am.h"
#include "distance/distance.h"
#include "guc.h"
#include "monitor/launcher.h"
#include "quant/quant.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	hnr_guc_init();
	hnr_distance_init(NULL);
	hnr_quant_init(NULL);
	hnr_am_init();
	hnr_monitor_init();
}
