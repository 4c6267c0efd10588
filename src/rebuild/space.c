/*-------------------------------------------------------------------------
 *
 * space.c
 *		Is there disk for a second index?  Looked at before a rebuild begins.
 *
 * A disk that runs full in the middle of a build costs more than the rebuild: other
 * sessions' writes fail, and one that holds the WAL stops the server.  The new
 * index's size follows from the present one's, or from the rows where that is less;
 * its WAL, as much again, stays for a checkpoint to remove, so no more than
 * max_wal_size of it counts.  An estimate, and others write too, so it is a guard and
 * no promise.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "access/relation.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_class.h"
#include "common/relpath.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "utils/rel.h"

#include "am/am.h"
#include "debug_point.h"
#include "guc.h"
#include "rebuild/target.h"

#define MB	(1024.0 * 1024.0)

/* Bytes that we may use on the file system of a directory; -1: it does not tell. */
static double
free_bytes(const char *path)
{
	struct statvfs fs;

	if (HNR_DEBUG_FAULT("rebuild_free_space"))
		return 0;
	if (statvfs(path, &fs) != 0 || fs.f_blocks == 0)
		return -1;
	return (double) fs.f_bavail * fs.f_frsize;
}

static bool
same_file_system(const char *a, const char *b)
{
	struct stat a_stat;
	struct stat b_stat;

	return stat(a, &a_stat) == 0 && stat(b, &b_stat) == 0 && a_stat.st_dev == b_stat.st_dev;
}

static void
check(const HnrTarget *target, const char *path, double needed, const char *what)
{
	double		there = free_bytes(path);

	if (there < 0 || there >= needed)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DISK_FULL),
			 errmsg("not enough disk space to rebuild index %s", target->name),
			 errdetail("%s may need %.0f MB, %.0f MB are free.", what,
					   ceil(needed / MB), floor(there / MB)),
			 errhint("Free some space, or set hnsw_rebuild.check_free_space to off.")));
}

/* Bytes of the new index, as far as one can know. */
static double
estimate_size(Relation table, Relation index, int m)
{
	BlockNumber pages;
	double		rows;
	double		allvisible;

	estimate_rel_size(table, NULL, &pages, &rows, &allvisible);
	return hnr_index_estimate_size(index, m, rows);
}

void
hnr_check_space(const HnrTarget *target, int m)
{
	Relation	table;
	Relation	index;
	char	   *path = NULL;
	double		size = 0;
	double		wal = 0;

	if (!hnr_guc_check_free_space || target->relkind != RELKIND_INDEX)
		return;
	table = try_relation_open(target->table, AccessShareLock);
	index = table == NULL ? NULL : try_relation_open(target->index, AccessShareLock);
	if (index != NULL)
	{
		size = estimate_size(table, index, m);
		if (RelationIsPermanent(index))
			wal = Min(size, max_wal_size_mb * MB);
		path = GetDatabasePath(MyDatabaseId, OidIsValid(index->rd_rel->reltablespace) ?
							   index->rd_rel->reltablespace : MyDatabaseTableSpace);
		relation_close(index, AccessShareLock);
	}
	if (table != NULL)
		relation_close(table, AccessShareLock);
	if (path == NULL || size <= 0)
		return;
	if (wal > 0 && !same_file_system(path, XLOGDIR))
		check(target, XLOGDIR, wal, "Its WAL");
	else
		size += wal;
	check(target, path, size, wal > 0 ? "The new index with its WAL" : "The new index");
}
