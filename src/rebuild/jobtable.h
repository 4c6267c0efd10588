/*-------------------------------------------------------------------------
 *
 * jobtable.h
 *		Statements on hnsw_rebuild.job: parameters in, fields out.
 *
 * Between hnr_access_begin and hnr_access_end the process has the rights of the
 * bootstrap superuser, a pinned search_path and an SPI connection; an error
 * in between undoes all that with the (sub)transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_REBUILD_JOBTABLE_H
#define HNR_REBUILD_JOBTABLE_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

#define HNR_ACCESS_MAX_PARAMS	32

typedef struct HnrAccess
{
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	MemoryContext caller;		/* where results go */
	int			nparams;
	Oid			types[HNR_ACCESS_MAX_PARAMS];
	Datum		values[HNR_ACCESS_MAX_PARAMS];
	char		nulls[HNR_ACCESS_MAX_PARAMS];
} HnrAccess;

extern void hnr_access_begin(HnrAccess *a);
extern void hnr_access_end(HnrAccess *a);

/*
 * The next parameter, $1 first.  Zero for an OID, int or time, a negative float
 * and a NULL text stand for null.
 */
extern void hnr_param(HnrAccess *a, Oid type, Datum value, bool isnull);
extern void hnr_param_oid(HnrAccess *a, Oid v);
extern void hnr_param_int(HnrAccess *a, int v);
extern void hnr_param_count(HnrAccess *a, int64 v);	/* 0 is 0 */
extern void hnr_param_float(HnrAccess *a, double v);
extern void hnr_param_time(HnrAccess *a, TimestampTz v);
extern void hnr_param_text(HnrAccess *a, const char *v);
extern void hnr_param_bool(HnrAccess *a, bool v);

/*
 * A snapshot of everything committed by now, whatever the transaction's isolation.  While a query runs in
 * parallel the server gives none: there it is one that a query of this transaction would have.
 */
extern Snapshot hnr_newest_snapshot(void);

/* Runs a statement that writes; returns the number of rows. */
extern uint64 hnr_access_write(HnrAccess *a, const char *sql, int expected);
/* Runs a query, seeing what hnr_newest_snapshot() does and our own changes. */
extern void hnr_access_read(HnrAccess *a, const char *sql);

/* Reads one column after the other, nulls as above. */
typedef struct HnrFields
{
	HeapTuple	row;
	TupleDesc	desc;
	int			next;
} HnrFields;

extern int64 hnr_next_int64(HnrFields *f);
extern int	hnr_next_int(HnrFields *f);
extern Oid	hnr_next_oid(HnrFields *f);
extern bool hnr_next_bool(HnrFields *f);
extern double hnr_next_float(HnrFields *f);
extern TimestampTz hnr_next_time(HnrFields *f);
extern char *hnr_next_text(HnrFields *f);

#endif							/* HNR_REBUILD_JOBTABLE_H */
