/* ---- src/sql/rebuild.sql ---- */

CREATE SCHEMA hnsw_rebuild;
COMMENT ON SCHEMA hnsw_rebuild IS 'internals of the extension hnsw_rebuild';

CREATE TABLE hnsw_rebuild.job (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	parent_id bigint,
	index_oid oid NOT NULL,
	table_oid oid NOT NULL,
	index_name text NOT NULL,
	owner oid NOT NULL,
	requested_by oid NOT NULL,
	trigger text NOT NULL CHECK (trigger IN ('manual', 'auto')),
	state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
	step integer NOT NULL,
	phase text NOT NULL,
	worker_pid integer,
	m integer,
	ef_construction integer,
	m_before integer,
	ef_construction_before integer,
	m_after integer,
	ef_construction_after integer,
	online boolean NOT NULL,
	measure boolean NOT NULL,
	warm_start boolean,
	maintenance_mem_kb integer NOT NULL,
	parallel_workers integer NOT NULL,
	requested_at timestamptz NOT NULL,
	started_at timestamptz,
	step_started_at timestamptz,
	finished_at timestamptz,
	phase_ms jsonb,
	tuples_done bigint NOT NULL DEFAULT 0,
	tuples_total bigint NOT NULL DEFAULT 0,
	cutover_attempts integer NOT NULL DEFAULT 0,
	lock_hold_ms double precision,
	longest_wait_ms double precision,
	shadow_oid oid,
	old_relfilenode oid,
	new_relfilenode oid,
	recall_before double precision,
	recall_after double precision,
	error_sqlstate text,
	error_message text,
	method text CHECK (method IN ('warm', 'scratch', 'optimize')),
	method_reason text,
	share double precision,
	work jsonb,
	table_changes bigint
);
CREATE INDEX job_index_oid ON hnsw_rebuild.job (index_oid);
CREATE INDEX job_active ON hnsw_rebuild.job (id) WHERE state IN ('queued', 'running');
REVOKE ALL ON hnsw_rebuild.job FROM PUBLIC;
COMMENT ON TABLE hnsw_rebuild.job IS 'every rebuild: its request, progress and outcome; read it through rebuild_history';

COMMENT ON COLUMN hnsw_rebuild.job.table_changes IS
	'rows of the table inserted, deleted and updated by its end, by the server''s counters';

-- OIDs and file nodes mean nothing in another database, so a dump leaves the
-- records out; pg_upgrade keeps them.

CREATE FUNCTION rebuild_index(
	index regclass,
	m integer DEFAULT NULL,
	ef_construction integer DEFAULT NULL,
	online boolean DEFAULT true,
	measure boolean DEFAULT true,
	warm_start boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_rebuild_index';
COMMENT ON FUNCTION rebuild_index(regclass, integer, integer, boolean, boolean, boolean) IS
	'start a rebuild of an hnsw index in the background and return its job id; with online => false, rebuild it in this transaction, blocking';

CREATE FUNCTION optimize_index(
	index regclass,
	share double precision DEFAULT NULL,
	measure boolean DEFAULT true)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_optimize_index';
COMMENT ON FUNCTION optimize_index(regclass, double precision, boolean) IS
	'make the graph of an hnsw index better where it stands, in the background, and return the job''s id; share is the part of its vertices whose neighbors are chosen anew at most, those that have lost most first';

CREATE FUNCTION cancel_rebuild(index regclass)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_cancel_rebuild';
COMMENT ON FUNCTION cancel_rebuild(regclass) IS
	'stop the rebuild or optimization of an index; false where none runs';

CREATE PROCEDURE wait_for_rebuild(index regclass, timeout interval DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'hnr_wait_for_rebuild';
COMMENT ON PROCEDURE wait_for_rebuild(regclass, interval) IS
	'wait until the newest rebuild or optimization of an index is over, without holding a snapshot; raises its error';

CREATE VIEW rebuild_history WITH (security_barrier) AS
SELECT
	j.id,
	j.parent_id,
	j.index_oid,
	j.table_oid,
	j.index_name,
	j.owner::pg_catalog.regrole AS owner,
	j.requested_by::pg_catalog.regrole AS requested_by,
	j.trigger,
	j.state,
	j.phase,
	j.online,
	j.m_before,
	j.ef_construction_before,
	j.m_after,
	j.ef_construction_after,
	j.requested_at,
	j.started_at,
	j.finished_at,
	j.phase_ms,
	j.tuples_done,
	j.tuples_total,
	j.cutover_attempts,
	j.lock_hold_ms,
	j.longest_wait_ms,
	j.old_relfilenode,
	j.new_relfilenode,
	j.recall_before,
	j.recall_after,
	j.error_sqlstate,
	j.error_message,
	j.worker_pid,
	j.method,
	j.method_reason,
	j.share,
	j.work
FROM hnsw_rebuild.job j
WHERE pg_catalog.pg_has_role(j.owner, 'USAGE')
	OR pg_catalog.pg_has_role(
		(SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) j.table_oid), 'USAGE')
	OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
	OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
GRANT SELECT ON rebuild_history TO PUBLIC;
COMMENT ON VIEW rebuild_history IS
	'every rebuild and optimization with its options, phases, waits, recall and outcome: to owners their own, to pg_monitor and pg_read_all_stats all';
COMMENT ON COLUMN rebuild_history.id IS 'number of the rebuild, as rebuild_index() or optimize_index() returns it';
COMMENT ON COLUMN rebuild_history.parent_id IS 'of a partition''s rebuild: the id of the partitioned index''s; NULL otherwise';
COMMENT ON COLUMN rebuild_history.index_oid IS 'the index; with cutover_method swap_index, the one that was replaced';
COMMENT ON COLUMN rebuild_history.table_oid IS 'the table that is indexed';
COMMENT ON COLUMN rebuild_history.index_name IS 'name of the index with its schema, as it was when the rebuild was asked for';
COMMENT ON COLUMN rebuild_history.owner IS 'role that owned the index';
COMMENT ON COLUMN rebuild_history.requested_by IS 'role that asked for the rebuild';
COMMENT ON COLUMN rebuild_history.trigger IS 'manual (rebuild_index, optimize_index) or auto (auto_rebuild_threshold)';
COMMENT ON COLUMN rebuild_history.state IS 'queued, running, done, failed or cancelled';
COMMENT ON COLUMN rebuild_history.phase IS 'what is being done, or was last';
COMMENT ON COLUMN rebuild_history.online IS 'false: in the caller''s transaction, with REINDEX''s locks';
COMMENT ON COLUMN rebuild_history.m_before IS 'm that the old index was built with';
COMMENT ON COLUMN rebuild_history.ef_construction_before IS 'ef_construction that the old index was built with';
COMMENT ON COLUMN rebuild_history.m_after IS 'm of the new index';
COMMENT ON COLUMN rebuild_history.ef_construction_after IS 'ef_construction of the new index';
COMMENT ON COLUMN rebuild_history.requested_at IS 'when it was asked for';
COMMENT ON COLUMN rebuild_history.started_at IS 'when a worker began; NULL: not yet';
COMMENT ON COLUMN rebuild_history.finished_at IS 'when it was done, failed or cancelled; NULL: not yet';
COMMENT ON COLUMN rebuild_history.phase_ms IS 'milliseconds in each phase so far';
COMMENT ON COLUMN rebuild_history.tuples_done IS 'rows that the build has indexed';
COMMENT ON COLUMN rebuild_history.tuples_total IS 'rows that it has to index, as far as known';
COMMENT ON COLUMN rebuild_history.cutover_attempts IS 'how often the swap was tried; it gives way to sessions that hold the locks';
COMMENT ON COLUMN rebuild_history.lock_hold_ms IS 'milliseconds that the swap held the exclusive lock; NULL: no swap so far';
COMMENT ON COLUMN rebuild_history.longest_wait_ms IS 'longest wait of another session for the swap, milliseconds; NULL: not known';
COMMENT ON COLUMN rebuild_history.old_relfilenode IS 'storage before';
COMMENT ON COLUMN rebuild_history.new_relfilenode IS 'storage afterwards';
COMMENT ON COLUMN rebuild_history.recall_before IS 'mean recall@10 of sampled rows before, 0 to 1; NULL: not measured';
COMMENT ON COLUMN rebuild_history.recall_after IS 'the same of the new index';
COMMENT ON COLUMN rebuild_history.error_sqlstate IS 'SQLSTATE of the error that ended it';
COMMENT ON COLUMN rebuild_history.error_message IS 'its message';
COMMENT ON COLUMN rebuild_history.worker_pid IS 'process that rebuilds, or did';
COMMENT ON COLUMN rebuild_history.method IS 'warm: began with the old index''s graph; scratch; optimize: optimize_index(); NULL: not built yet';
COMMENT ON COLUMN rebuild_history.share IS 'of an optimization: the part of the vertices whose neighbors were to be chosen anew at most';
COMMENT ON COLUMN rebuild_history.work IS 'of an optimization: what it did, in numbers of vertices, links and codes';
COMMENT ON COLUMN rebuild_history.method_reason IS 'why it did not begin with the old index''s graph; NULL: it did, or was asked not to; of an optimization, why recall could not be measured';

