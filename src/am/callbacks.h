/*-------------------------------------------------------------------------
 *
 * callbacks.h
 *		The functions of the access method that the server calls, by file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_CALLBACKS_H
#define HNR_CALLBACKS_H

#include "access/amapi.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

/* build.c */
extern IndexBuildResult *hnr_build(Relation heap, Relation index, IndexInfo *info);
extern void hnr_buildempty(Relation index);
extern char *hnr_buildphasename(int64 phase);

/* handler.c */
extern bool hnr_aminsert(Relation index, Datum *values, bool *isnull, ItemPointer heap_tid,
						 Relation heap, IndexUniqueCheck check_unique,
						 bool index_unchanged, IndexInfo *info);

/* scan.c */
extern IndexScanDesc hnr_beginscan(Relation index, int nkeys, int norderbys);
extern void hnr_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
					   ScanKey orderbys, int norderbys);
extern bool hnr_gettuple(IndexScanDesc scan, ScanDirection direction);
extern void hnr_endscan(IndexScanDesc scan);

/* vacuum.c */
extern IndexBulkDeleteResult *hnr_bulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
											 IndexBulkDeleteCallback callback, void *state);
extern IndexBulkDeleteResult *hnr_vacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);

/* cost.c */
extern void hnr_costestimate(PlannerInfo *root, IndexPath *path, double loop_count,
							 Cost *startup, Cost *total, Selectivity *selectivity,
							 double *correlation, double *pages);

#endif							/* HNR_CALLBACKS_H */
