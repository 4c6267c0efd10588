/*-------------------------------------------------------------------------
 *
 * space.c
 *		Is there disk for a second index?  Looked at before a rebuild begins.
 *
 * A disk that runs full in the middle of a build costs more than the rebuild: other
 * sessions' writes fail, and one that holds the WAL stops the server.  The new
 * index's size follows from the present one's, or from the rows where that is less;
 * its WAL, as much again, stays for a checkpoint to remove, so no more than
 * max_wal_size of it counts.  What does not fit into maintenance_work_mem goes through
 * temporary files, of about the index's size again.  An estimate, and others write too, so it is a guard and
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
#include "utils/guc.h"
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

/* Of the build's temporary files; where temp_tablespaces are set, they are in any of these. */
static double
estimate_temp(double size)
{
	const char *elsewhere = GetConfigOption("temp_tablespaces", true, false);

	if (size <= maintenance_work_mem * 1024.0 || (elsewhere && elsewhere[0] != '\0'))
		return 0;
	return size;
}

static const char *
describe(bool wal, bool temp)
{
	if (wal)
		return temp ? "The new index with its WAL and temporary files" : "The new index with its WAL";
	return temp ? "The new index with its temporary files" : "The new index";
}

void
hnr_check_space(const HnrTarget *target, int m)
{
	Relation	table;
	Relation	index;
	char	   *path = NULL;
	double		size = 0;
	double		wal = 0;
	double		temp;
	char	   *temp_path;

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
	temp = estimate_temp(size);
	temp_path = GetDatabasePath(MyDatabaseId, MyDatabaseTableSpace);
	if (wal > 0 && !same_file_system(path, XLOGDIR))
	{
		check(target, XLOGDIR, wal, "Its WAL");
		wal = 0;
	}
	if (temp > 0 && !same_file_system(path, temp_path))
	{
		check(target, temp_path, temp, "Its temporary files");
		temp = 0;
	}
	check(target, path, size + wal + temp, describe(wal > 0, temp > 0));
}
