/* ---- src/sql/monitor.sql ---- */

CREATE TABLE hnsw_rebuild.measurement (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	index_oid oid NOT NULL,
	measured_at timestamptz NOT NULL,
	purpose text NOT NULL CHECK (purpose IN ('manual', 'auto', 'rebuild', 'health')),
	sample_size integer NOT NULL,
	k integer NOT NULL,
	ef_search integer NOT NULL,
	recall double precision NOT NULL,
	std_error double precision NOT NULL,
	rows double precision,
	changes bigint NOT NULL,
	sampled_from text NOT NULL CHECK (sampled_from IN ('rows', 'queries')),
	file_node oid,
	entries bigint,
	dead_entries bigint,
	damaged bigint,
	unreachable bigint,
	pages bigint,
	pages_wasted bigint
);
CREATE INDEX measurement_index_oid ON hnsw_rebuild.measurement (index_oid, id);
REVOKE ALL ON hnsw_rebuild.measurement FROM PUBLIC;
COMMENT ON TABLE hnsw_rebuild.measurement IS
	'measured recall and state of indexes, the newest hnsw_rebuild.record_limit of each; read it through index_measurements';

CREATE TABLE hnsw_rebuild.decision (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	index_oid oid NOT NULL,
	decided_at timestamptz NOT NULL,
	verdict text NOT NULL,
	reason text NOT NULL,
	threshold double precision,
	rows double precision,
	changed double precision,
	degradation double precision,
	std_error double precision,
	baseline double precision,
	entries double precision,
	dead_entries double precision,
	job_id bigint
);
CREATE INDEX decision_index_oid ON hnsw_rebuild.decision (index_oid, id);
REVOKE ALL ON hnsw_rebuild.decision FROM PUBLIC;
COMMENT ON TABLE hnsw_rebuild.decision IS
	'what the launcher decided about indexes with an auto_rebuild_threshold, and on which figures, the newest hnsw_rebuild.record_limit of each; read it through auto_rebuild_decisions';

CREATE TABLE hnsw_rebuild.query_sample (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	index_oid oid NOT NULL,
	asked_at timestamptz NOT NULL,
	type oid NOT NULL,
	dims integer NOT NULL,
	query text NOT NULL
);
CREATE INDEX query_sample_index_oid ON hnsw_rebuild.query_sample (index_oid, id);
REVOKE ALL ON hnsw_rebuild.query_sample FROM PUBLIC;
COMMENT ON TABLE hnsw_rebuild.query_sample IS
	'queries that are kept to measure recall with (query_sample_rate), up to 100 of each index, for 30 days; read it through query_samples';

CREATE VIEW query_samples WITH (security_barrier) AS
SELECT q.index_oid::pg_catalog.regclass AS index, q.asked_at, q.query
FROM hnsw_rebuild.query_sample q
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) q.index_oid
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');
GRANT SELECT ON query_samples TO PUBLIC;
COMMENT ON VIEW query_samples IS
	'queries that are kept to measure recall with: to the owner of the index those of his indexes';
COMMENT ON COLUMN query_samples.index IS 'the index that was searched';
COMMENT ON COLUMN query_samples.asked_at IS 'when';
COMMENT ON COLUMN query_samples.query IS 'what was searched for; not by whom';

CREATE FUNCTION clear_query_samples(index regclass)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_clear_query_samples';
COMMENT ON FUNCTION clear_query_samples(regclass) IS
	'forget the queries that are kept of an index, and return how many they were';

CREATE VIEW index_measurements WITH (security_barrier) AS
SELECT
	m.index_oid::pg_catalog.regclass AS index,
	m.measured_at,
	m.purpose,
	m.sampled_from,
	m.sample_size,
	m.k,
	m.ef_search,
	m.recall,
	m.std_error,
	m.rows,
	m.changes,
	m.file_node,
	m.entries,
	m.dead_entries,
	m.damaged,
	m.unreachable,
	m.pages,
	m.pages_wasted
FROM hnsw_rebuild.measurement m
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) m.index_oid
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE')
	OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
GRANT SELECT ON index_measurements TO PUBLIC;
COMMENT ON VIEW index_measurements IS
	'measured recall and state of indexes: to owners those of their own, to pg_monitor and pg_read_all_stats all';
COMMENT ON COLUMN index_measurements.index IS 'the index';
COMMENT ON COLUMN index_measurements.measured_at IS 'when';
COMMENT ON COLUMN index_measurements.purpose IS
	'manual (index_degradation), health (index_health), auto (the launcher) or rebuild (what a rebuild has reached)';
COMMENT ON COLUMN index_measurements.sampled_from IS
	'what was searched for: rows of the table, or queries that were kept (query_sample_rate)';
COMMENT ON COLUMN index_measurements.sample_size IS 'number of searches';
COMMENT ON COLUMN index_measurements.k IS 'neighbors looked for in each';
COMMENT ON COLUMN index_measurements.ef_search IS 'hnsw.ef_search that they had';
COMMENT ON COLUMN index_measurements.recall IS 'mean recall@k, 0 to 1; degradation is 1 - recall';
COMMENT ON COLUMN index_measurements.std_error IS 'standard error of that mean';
COMMENT ON COLUMN index_measurements.rows IS 'rows of the table that the index covers; NULL: not known';
COMMENT ON COLUMN index_measurements.changes IS
	'rows of the table inserted, deleted and updated by then, by the server''s counters';
COMMENT ON COLUMN index_measurements.file_node IS
	'the index''s file, which a rebuild or REINDEX replaces; NULL: not known';
COMMENT ON COLUMN index_measurements.entries IS 'rows in the graph; like what follows, NULL where the index was not read through';
COMMENT ON COLUMN index_measurements.dead_entries IS 'of these, of dead rows';
COMMENT ON COLUMN index_measurements.damaged IS 'vertices that have lost links or cannot be reached';
COMMENT ON COLUMN index_measurements.unreachable IS 'vertices that cannot be reached';
COMMENT ON COLUMN index_measurements.pages IS 'pages of the index';
COMMENT ON COLUMN index_measurements.pages_wasted IS 'how many fewer would do if all were full';

CREATE VIEW auto_rebuild_decisions WITH (security_barrier) AS
SELECT
	d.index_oid::pg_catalog.regclass AS index,
	d.decided_at,
	d.verdict,
	d.reason,
	d.threshold,
	d.rows,
	d.changed,
	d.degradation,
	d.std_error,
	d.baseline,
	d.entries,
	d.dead_entries,
	d.job_id
FROM hnsw_rebuild.decision d
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.index_oid
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE')
	OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
GRANT SELECT ON auto_rebuild_decisions TO PUBLIC;
COMMENT ON VIEW auto_rebuild_decisions IS
	'what the launcher decided about indexes with an auto_rebuild_threshold, and on which figures: to owners about their own, to pg_monitor and pg_read_all_stats all';
COMMENT ON COLUMN auto_rebuild_decisions.index IS 'the index';
COMMENT ON COLUMN auto_rebuild_decisions.decided_at IS 'when';
COMMENT ON COLUMN auto_rebuild_decisions.verdict IS
	'rebuild, optimize, vacuum, fine, incurable, cooling down, backing off, too small, rebuild under way or error';
COMMENT ON COLUMN auto_rebuild_decisions.reason IS 'why, or the error';
COMMENT ON COLUMN auto_rebuild_decisions.threshold IS 'auto_rebuild_threshold then, 0 to 1';
COMMENT ON COLUMN auto_rebuild_decisions.rows IS 'rows of the index, as estimated';
COMMENT ON COLUMN auto_rebuild_decisions.changed IS
	'rows inserted, deleted and updated since the last measurement; like what follows, NULL where it is not known';
COMMENT ON COLUMN auto_rebuild_decisions.degradation IS '1 - mean recall@10, 0 to 1, by that measurement';
COMMENT ON COLUMN auto_rebuild_decisions.std_error IS 'standard error of that mean';
COMMENT ON COLUMN auto_rebuild_decisions.baseline IS 'degradation that the last rebuild has left, 0 to 1';
COMMENT ON COLUMN auto_rebuild_decisions.entries IS 'rows in the graph';
COMMENT ON COLUMN auto_rebuild_decisions.dead_entries IS 'of these, of dead rows';
COMMENT ON COLUMN auto_rebuild_decisions.job_id IS 'rebuild_history.id of what was started; NULL: nothing was';

CREATE FUNCTION index_degradation(
	index regclass,
	sample_size integer DEFAULT 100,
	k integer DEFAULT 10,
	seed bigint DEFAULT NULL)
RETURNS double precision
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_index_degradation';
COMMENT ON FUNCTION index_degradation(regclass, integer, integer, bigint) IS
	'1 - mean recall@k of an hnsw index at the present hnsw.ef_search, for sampled rows against the exact answer; null where there are fewer than two rows';

CREATE FUNCTION index_health(
	index regclass,
	sample_size integer DEFAULT 100,
	k integer DEFAULT 10,
	ef_search integer[] DEFAULT NULL,
	seed bigint DEFAULT NULL,
	OUT name text,
	OUT action text,
	OUT reason text,
	OUT command text,
	OUT estimated_duration interval,
	OUT estimated_disk bigint,
	OUT entries bigint,
	OUT dead_entries bigint,
	OUT pending_rows bigint,
	OUT vertices bigint,
	OUT damaged bigint,
	OUT thin bigint,
	OUT orphans bigint,
	OUT unreachable bigint,
	OUT pages bigint,
	OUT pages_wasted bigint,
	OUT sampled integer,
	OUT sampled_from text,
	OUT ef_searches integer[],
	OUT recall double precision[],
	OUT recall_low double precision[],
	OUT recall_high double precision[],
	OUT recall_now double precision,
	OUT recall_fresh double precision,
	OUT recall_fresh_from text,
	OUT last_build timestamptz,
	OUT changed_since_build bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_index_health';
COMMENT ON FUNCTION index_health(regclass, integer, integer, integer[], bigint) IS
	'one row for an hnsw index, or for each leaf of a partitioned one: what it has lost and to what, and what would help, why, in what time and with how much disk';

CREATE FUNCTION index_status(
	index regclass DEFAULT NULL,
	OUT name text,
	OUT index_oid oid,
	OUT table_name text,
	OUT status text,
	OUT phase text,
	OUT progress_pct double precision,
	OUT eta_seconds double precision,
	OUT tuples_done bigint,
	OUT tuples_total bigint,
	OUT started_at timestamptz,
	OUT blocked_by integer[],
	OUT m integer,
	OUT ef_construction integer,
	OUT slots integer,
	OUT stored_as text,
	OUT options text[],
	OUT size_bytes bigint,
	OUT vectors bigint,
	OUT pending_rows bigint,
	OUT oldest_pending_age interval,
	OUT merge_rate double precision,
	OUT merging boolean,
	OUT dead bigint,
	OUT degradation double precision,
	OUT measured_at timestamptz,
	OUT auto_rebuild_threshold double precision,
	OUT auto_rebuild_note text,
	OUT last_rebuild timestamptz,
	OUT last_rebuild_duration interval,
	OUT last_error text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'hnr_index_status';
COMMENT ON FUNCTION index_status(regclass) IS
	'one row per hnsw index of this database, or the row of one index: what it is doing, how far it is, what holds it up, how good it is';

CREATE FUNCTION flush_index(index regclass)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_flush_index';
COMMENT ON FUNCTION flush_index(regclass) IS
	'merges the pending rows of an hnsw index with the option deferred into its graph, or those of all partitions of one; returns how many it merged';

CREATE FUNCTION vacuum_progress(
	OUT pid integer,
	OUT index regclass,
	OUT pass integer,
	OUT blocks_done bigint,
	OUT blocks_total bigint)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT p.pid, p.param18::oid::regclass, p.param19::integer, p.param17, p.param16
	FROM pg_stat_get_progress_info('VACUUM') p
	WHERE p.param19 > 0
		AND p.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
END;
COMMENT ON FUNCTION vacuum_progress() IS
	'one row per hnsw index of this database that VACUUM is at: the pass, and how many of its pages are done; those of other users for members of pg_read_all_stats';

