/*-------------------------------------------------------------------------
 *
 * job.c
 *		Job records from and to hnsw_rebuild.job.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "rebuild/job.h"
#include "rebuild/jobtable.h"

#define JOB_COLUMNS \
	"id, parent_id, index_oid, table_oid, index_name, owner, requested_by, " \
	"trigger, state, step, worker_pid, m, ef_construction, m_before, " \
	"ef_construction_before, m_after, ef_construction_after, online, measure, " \
	"maintenance_mem_kb, parallel_workers, requested_at, started_at, " \
	"step_started_at, finished_at, tuples_done, tuples_total, " \
	"cutover_attempts, lock_hold_ms, longest_wait_ms, shadow_oid, " \
	"old_relfilenode, new_relfilenode, recall_before, recall_after, " \
	"error_sqlstate, error_message, (phase_ms->>'measuring recall')::float8, " \
	"coalesce(warm_start::int4 + 1, 0), method, method_reason, coalesce(table_changes, -1), " \
	"share, work::text"

static HnrJobState
next_state(HnrFields *f)
{
	char	   *name = hnr_next_text(f);

	for (HnrJobState s = HNR_JOB_QUEUED; s <= HNR_JOB_CANCELLED; s++)
		if (name && strcmp(name, hnr_job_state_name(s)) == 0)
			return s;
	elog(ERROR, "unknown state of a rebuild job: \"%s\"", name ? name : "");
}

/* A job from a row of JOB_COLUMNS, in that order. */
static HnrJob *
form_job(HeapTuple row, TupleDesc desc)
{
	HnrFields		f = {row, desc, 0};
	HnrJob	   *job = palloc0(sizeof(HnrJob));
	char	   *trigger;
	double		measured_ms;

	job->id = hnr_next_int64(&f);
	job->parent_id = hnr_next_int64(&f);
	job->index_oid = hnr_next_oid(&f);
	job->table_oid = hnr_next_oid(&f);
	job->index_name = hnr_next_text(&f);
	job->owner = hnr_next_oid(&f);
	job->requested_by = hnr_next_oid(&f);
	trigger = hnr_next_text(&f);
	job->trigger = strcmp(trigger, "auto") == 0 ? HNR_TRIGGER_AUTO : HNR_TRIGGER_MANUAL;
	job->state = next_state(&f);
	job->step = (HnrStep) hnr_next_int(&f);
	if (job->step < 0 || job->step >= HNR_NUM_STEPS)
		elog(ERROR, "unknown step of a rebuild job: %d", (int) job->step);
	job->worker_pid = hnr_next_int(&f);
	job->m = hnr_next_int(&f);
	job->ef_construction = hnr_next_int(&f);
	job->m_before = hnr_next_int(&f);
	job->ef_construction_before = hnr_next_int(&f);
	job->m_after = hnr_next_int(&f);
	job->ef_construction_after = hnr_next_int(&f);
	job->online = hnr_next_bool(&f);
	job->measure = hnr_next_bool(&f);
	job->maintenance_mem_kb = hnr_next_int(&f);
	job->parallel_workers = hnr_next_int(&f);
	job->requested_at = hnr_next_time(&f);
	job->started_at = hnr_next_time(&f);
	job->step_started_at = hnr_next_time(&f);
	job->finished_at = hnr_next_time(&f);
	job->tuples_done = hnr_next_int64(&f);
	job->tuples_total = hnr_next_int64(&f);
	job->cutover_attempts = hnr_next_int(&f);
	job->lock_hold_ms = hnr_next_float(&f);
	job->longest_wait_ms = hnr_next_float(&f);
	job->shadow_oid = hnr_next_oid(&f);
	job->old_relfilenode = hnr_next_oid(&f);
	job->new_relfilenode = hnr_next_oid(&f);
	job->recall_before = hnr_next_float(&f);
	job->recall_after = hnr_next_float(&f);
	job->error_sqlstate = hnr_next_text(&f);
	job->error_message = hnr_next_text(&f);
	measured_ms = hnr_next_float(&f);	/* not in Max, which would read twice */
	job->measured_ms = Max(measured_ms, 0);
	job->warm_start = (HnrWarmStart) hnr_next_int(&f);
	job->method = hnr_next_text(&f);
	job->method_reason = hnr_next_text(&f);
	job->table_changes = hnr_next_int64(&f);
	job->share = hnr_next_float(&f);
	job->work = hnr_next_text(&f);
	return job;
}

/* The jobs that a query returned, in the caller's memory context. */
static List *
form_jobs(HnrAccess *a)
{
	List	   *jobs = NIL;
	MemoryContext spi = MemoryContextSwitchTo(a->caller);

	for (uint64 i = 0; i < SPI_processed; i++)
		jobs = lappend(jobs, form_job(SPI_tuptable->vals[i], SPI_tuptable->tupdesc));
	MemoryContextSwitchTo(spi);
	return jobs;
}

static HnrJob *
read_one(const char *sql, Oid type, Datum key)
{
	HnrAccess		a;
	List	   *jobs;

	hnr_access_begin(&a);
	hnr_param(&a, type, key, false);
	hnr_access_read(&a, sql);
	jobs = form_jobs(&a);
	hnr_access_end(&a);
	return jobs == NIL ? NULL : (HnrJob *) linitial(jobs);
}

HnrJob *
hnr_job_by_id(int64 id)
{
	return read_one("SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job WHERE id = $1",
					INT8OID, Int64GetDatum(id));
}

HnrJob *
hnr_job_running(Oid index)
{
	return read_one("SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
					"WHERE index_oid = $1 AND state IN ('queued', 'running') "
					"ORDER BY id DESC LIMIT 1",
					OIDOID, ObjectIdGetDatum(index));
}

HnrJob *
hnr_job_newest(Oid index)
{
	return read_one("SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
					"WHERE index_oid = $1 ORDER BY id DESC LIMIT 1",
					OIDOID, ObjectIdGetDatum(index));
}

double
hnr_job_scratch_recall(const HnrJob *job)
{
	HnrAccess	a;
	List	   *jobs;

	hnr_access_begin(&a);
	hnr_param_oid(&a, job->index_oid);
	hnr_param_int(&a, job->m_after);
	hnr_param_int(&a, job->ef_construction_after);
	hnr_access_read(&a, "SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
					"WHERE index_oid = $1 AND m_after = $2 AND ef_construction_after = $3 AND "
					"state = 'done' AND method = 'scratch' AND recall_after IS NOT NULL "
					"ORDER BY id DESC LIMIT 1");
	jobs = form_jobs(&a);
	hnr_access_end(&a);
	return jobs == NIL ? -1 : ((HnrJob *) linitial(jobs))->recall_after;
}

HnrJob *
hnr_job_last_finished(Oid index)
{
	return read_one("SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
					"WHERE index_oid = $1 AND state IN ('done', 'failed', 'cancelled') "
					"ORDER BY id DESC LIMIT 1",
					OIDOID, ObjectIdGetDatum(index));
}

HnrJob *
hnr_job_last_done(Oid index)
{
	return read_one("SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
					"WHERE index_oid = $1 AND state = 'done' "
					"AND method IS DISTINCT FROM '" HNR_METHOD_OPTIMIZE "' "
					"ORDER BY id DESC LIMIT 1",
					OIDOID, ObjectIdGetDatum(index));
}

HnrJob *
hnr_job_last_done_any(Oid index)
{
	return read_one("SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
					"WHERE index_oid = $1 AND state = 'done' "
					"ORDER BY id DESC LIMIT 1",
					OIDOID, ObjectIdGetDatum(index));
}

List *
hnr_jobs_active(void)
{
	HnrAccess		a;
	List	   *jobs;

	hnr_access_begin(&a);
	hnr_access_read(&a, "SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
			 "WHERE state IN ('queued', 'running') ORDER BY id");
	jobs = form_jobs(&a);
	hnr_access_end(&a);
	return jobs;
}

List *
hnr_jobs_of_parent(int64 parent_id)
{
	HnrAccess		a;
	List	   *jobs;

	hnr_access_begin(&a);
	hnr_param_count(&a, parent_id);
	hnr_access_read(&a, "SELECT " JOB_COLUMNS " FROM hnsw_rebuild.job "
			 "WHERE parent_id = $1 ORDER BY id");
	jobs = form_jobs(&a);
	hnr_access_end(&a);
	return jobs;
}

void
hnr_job_insert(HnrJob *job)
{
	HnrAccess		a;
	bool		isnull;

	hnr_access_begin(&a);
	hnr_param(&a, INT8OID, Int64GetDatum(job->parent_id), job->parent_id == 0);
	hnr_param_oid(&a, job->index_oid);
	hnr_param_oid(&a, job->table_oid);
	hnr_param_text(&a, job->index_name);
	hnr_param_oid(&a, job->owner);
	hnr_param_oid(&a, job->requested_by);
	hnr_param_text(&a, hnr_job_trigger_name(job->trigger));
	hnr_param_text(&a, hnr_job_state_name(job->state));
	hnr_param(&a, INT4OID, Int32GetDatum(job->step), false);
	hnr_param_text(&a, hnr_step_name(job->step));
	hnr_param_int(&a, job->m);
	hnr_param_int(&a, job->ef_construction);
	hnr_param_int(&a, job->m_before);
	hnr_param_int(&a, job->ef_construction_before);
	hnr_param_bool(&a, job->online);
	hnr_param_bool(&a, job->measure);
	hnr_param(&a, INT4OID, Int32GetDatum(job->maintenance_mem_kb), false);
	hnr_param(&a, INT4OID, Int32GetDatum(job->parallel_workers), false);
	hnr_param_time(&a, job->requested_at);
	hnr_param_float(&a, job->recall_before);
	hnr_param(&a, BOOLOID, BoolGetDatum(job->warm_start == HNR_WARM_WHERE_POSSIBLE),
			  job->warm_start == HNR_WARM_DECIDE);
	hnr_param_text(&a, job->method);
	hnr_param_float(&a, job->share);
	hnr_param_oid(&a, job->old_relfilenode);
	hnr_access_write(&a,
			  "INSERT INTO hnsw_rebuild.job (parent_id, index_oid, table_oid, "
			  "index_name, owner, requested_by, trigger, state, step, phase, m, "
			  "ef_construction, m_before, ef_construction_before, online, "
			  "measure, maintenance_mem_kb, parallel_workers, requested_at, "
			  "recall_before, warm_start, method, share, old_relfilenode) "
			  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
			  "$14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24) RETURNING id",
			  SPI_OK_INSERT_RETURNING);
	job->id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	hnr_access_end(&a);
}

/* {"step name": milliseconds, ...} of the steps that took part; NULL: none. */
static char *
step_times(const HnrJob *job)
{
	StringInfoData buf;
	double		sum[HNR_NUM_STEPS];

	/* Two steps can have one name: add them up under the first. */
	memcpy(sum, job->step_ms, sizeof(sum));
	for (int i = 0; i < HNR_NUM_STEPS; i++)
		for (int j = i + 1; j < HNR_NUM_STEPS; j++)
			if (strcmp(hnr_step_name(i), hnr_step_name(j)) == 0)
			{
				sum[i] += sum[j];
				sum[j] = 0;
			}

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int i = 0; i < HNR_NUM_STEPS; i++)
		if (sum[i] > 0)
			appendStringInfo(&buf, "%s\"%s\": %.3f", buf.len > 1 ? ", " : "",
							 hnr_step_name(i), sum[i]);
	appendStringInfoChar(&buf, '}');
	return buf.len > 2 ? buf.data : NULL;
}

void
hnr_job_write(const HnrJob *job)
{
	HnrAccess		a;
	char	   *times;

	hnr_access_begin(&a);
	times = step_times(job);
	hnr_param_count(&a, job->id);
	hnr_param_oid(&a, job->index_oid);
	hnr_param_text(&a, hnr_job_state_name(job->state));
	hnr_param(&a, INT4OID, Int32GetDatum(job->step), false);
	hnr_param_text(&a, hnr_step_name(job->step));
	hnr_param_int(&a, job->worker_pid);
	hnr_param_int(&a, job->m_before);
	hnr_param_int(&a, job->ef_construction_before);
	hnr_param_int(&a, job->m_after);
	hnr_param_int(&a, job->ef_construction_after);
	hnr_param_time(&a, job->started_at);
	hnr_param_time(&a, job->step_started_at);
	hnr_param_time(&a, job->finished_at);
	hnr_param(&a, JSONBOID,
		  times ? DirectFunctionCall1(jsonb_in, CStringGetDatum(times)) : (Datum) 0,
		  times == NULL);
	hnr_param_count(&a, job->tuples_done);
	hnr_param_count(&a, job->tuples_total);
	hnr_param(&a, INT4OID, Int32GetDatum(job->cutover_attempts), false);
	hnr_param_float(&a, job->lock_hold_ms);
	hnr_param_float(&a, job->longest_wait_ms);
	hnr_param_oid(&a, job->shadow_oid);
	hnr_param_oid(&a, job->old_relfilenode);
	hnr_param_oid(&a, job->new_relfilenode);
	hnr_param_float(&a, job->recall_before);
	hnr_param_float(&a, job->recall_after);
	hnr_param_text(&a, job->error_sqlstate);
	hnr_param_text(&a, job->error_message);
	hnr_param_text(&a, job->method);
	hnr_param_text(&a, job->method_reason);
	hnr_param(&a, JSONBOID,
			  job->work ? DirectFunctionCall1(jsonb_in, CStringGetDatum(job->work)) : (Datum) 0,
			  job->work == NULL);
	hnr_access_write(&a,
			  "UPDATE hnsw_rebuild.job SET index_oid = $2, state = $3, "
			  "step = $4, phase = $5, worker_pid = $6, m_before = $7, "
			  "ef_construction_before = $8, m_after = $9, "
			  "ef_construction_after = $10, started_at = $11, "
			  "step_started_at = $12, finished_at = $13, phase_ms = coalesce($14, phase_ms), "
			  "tuples_done = $15, tuples_total = $16, cutover_attempts = $17, "
			  "lock_hold_ms = $18, longest_wait_ms = $19, shadow_oid = $20, "
			  "old_relfilenode = $21, new_relfilenode = $22, "
			  "recall_before = $23, recall_after = $24, error_sqlstate = $25, "
			  "error_message = $26, method = $27, method_reason = $28, work = $29, "
			  "table_changes = CASE WHEN $13 IS NOT NULL THEN "
			  "pg_stat_get_tuples_inserted(table_oid) + pg_stat_get_tuples_deleted(table_oid) + "
			  "pg_stat_get_tuples_updated(table_oid) - pg_stat_get_tuples_hot_updated(table_oid) END "
			  "WHERE id = $1",
			  SPI_OK_UPDATE);
	hnr_access_end(&a);
}

void
hnr_job_set_worker(int64 id, int pid)
{
	HnrAccess		a;

	hnr_access_begin(&a);
	hnr_param_count(&a, id);
	hnr_param_int(&a, pid);
	hnr_access_write(&a, "UPDATE hnsw_rebuild.job SET worker_pid = $2 "
			  "WHERE id = $1 OR parent_id = $1", SPI_OK_UPDATE);
	hnr_access_end(&a);
}

bool
hnr_job_claim(const HnrJob *job)
{
	HnrAccess		a;
	uint64		rows;

	hnr_access_begin(&a);
	hnr_param_count(&a, job->id);
	hnr_param_int(&a, job->worker_pid);
	hnr_param_time(&a, job->started_at);
	rows = hnr_access_write(&a,
					 "UPDATE hnsw_rebuild.job SET state = 'running', "
					 "worker_pid = $2, started_at = $3, step_started_at = $3 "
					 "WHERE id = $1 AND state = 'queued'",
					 SPI_OK_UPDATE);
	hnr_access_end(&a);
	return rows > 0;
}

bool
hnr_job_cancel_queued(int64 id)
{
	HnrAccess		a;
	uint64		rows;

	hnr_access_begin(&a);
	hnr_param_count(&a, id);
	hnr_param_text(&a, "canceled before it began");
	rows = hnr_access_write(&a,
					 "UPDATE hnsw_rebuild.job SET state = 'cancelled', "
					 "finished_at = clock_timestamp(), error_sqlstate = '57014', "
					 "error_message = $2 "
					 "WHERE (id = $1 OR parent_id = $1) AND state = 'queued'",
					 SPI_OK_UPDATE);
	hnr_access_end(&a);
	return rows > 0;
}

void
hnr_jobs_prune(void)
{
	HnrAccess		a;

	hnr_access_begin(&a);
	hnr_param(&a, INT4OID, Int32GetDatum(hnr_guc_history_limit), false);
	hnr_access_write(&a,
			  "DELETE FROM hnsw_rebuild.job j WHERE state IN ('done', 'failed', 'cancelled') "
			  "AND coalesce(parent_id, id) <= (SELECT id FROM hnsw_rebuild.job "
			  "WHERE parent_id IS NULL ORDER BY id DESC OFFSET $1 LIMIT 1) "
			  "AND NOT EXISTS (SELECT FROM hnsw_rebuild.job p "
			  "WHERE p.id = j.parent_id AND p.state IN ('queued', 'running'))",
			  SPI_OK_DELETE);
	hnr_access_end(&a);
}
