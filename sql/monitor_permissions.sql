-- Who may measure, and who sees what.
CREATE ROLE regress_hnr_owner;
CREATE ROLE regress_hnr_other;
CREATE ROLE regress_hnr_monitor IN ROLE pg_monitor;
CREATE SCHEMA monitor_permissions;
GRANT CREATE, USAGE ON SCHEMA monitor_permissions TO regress_hnr_owner;

SET ROLE regress_hnr_owner;
CREATE TABLE monitor_permissions.t (id int, v vector(3));
INSERT INTO monitor_permissions.t
SELECT i, ARRAY[i, i % 10, i % 7]::vector FROM generate_series(1, 100) i;
CREATE INDEX t_v ON monitor_permissions.t USING hnsw (v vector_l2_ops);
-- The owner measures, without any right on the tables behind it.
SELECT index_degradation('monitor_permissions.t_v') < 1 AS measured;
SELECT count(*) FROM hnsw_rebuild.measurement;
SELECT count(*) FROM hnsw_rebuild.decision;
RESET ROLE;

-- Another one's index; and decisions on both.
CREATE TABLE monitor_permissions.others (v vector(3));
INSERT INTO monitor_permissions.others SELECT v FROM monitor_permissions.t;
CREATE INDEX others_v ON monitor_permissions.others USING hnsw (v vector_l2_ops);
SELECT index_degradation('monitor_permissions.others_v') < 1 AS measured;
INSERT INTO hnsw_rebuild.decision (index_oid, decided_at, verdict, reason, threshold, rows)
SELECT oid, now(), 'error', 'a value of row 17', 0.2, 100 FROM pg_class WHERE relname IN ('t_v', 'others_v');

-- Make the last rebuild a failure, with a text that tells something.
INSERT INTO hnsw_rebuild.job (index_oid, table_oid, index_name, owner, requested_by,
	trigger, state, step, phase, online, measure, maintenance_mem_kb, parallel_workers,
	requested_at, finished_at, error_message)
SELECT indexrelid, indrelid, 't_v', relowner, relowner, 'manual', 'failed', 5, 'building',
	true, false, 0, 0, now(), now(), 'a value of row 17'
FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE indexrelid = 'monitor_permissions.t_v'::regclass;

SET ROLE regress_hnr_owner;
SELECT status, phase, last_error FROM index_status()
WHERE name = 'monitor_permissions.t_v';
SELECT index, purpose, sampled_from, sample_size, k, recall <= 1 AS recall, rows FROM index_measurements;
SELECT index, verdict, reason, threshold, rows, job_id FROM auto_rebuild_decisions;
RESET ROLE;

-- Somebody else sees the status, not the error; and must not measure.
SET ROLE regress_hnr_other;
SELECT status, last_error, degradation IS NOT NULL AS measured FROM index_status()
WHERE name = 'monitor_permissions.t_v';
SELECT index_degradation(index_oid) FROM index_status()
WHERE name = 'monitor_permissions.t_v';
SELECT count(*) FROM index_measurements;
SELECT count(*) FROM auto_rebuild_decisions;
RESET ROLE;

-- Monitoring sees all of it, and what was measured and decided.
SET ROLE regress_hnr_monitor;
SELECT status, last_error FROM index_status()
WHERE name = 'monitor_permissions.t_v';
SELECT index, purpose FROM index_measurements WHERE index::text LIKE 'monitor_permissions.%' ORDER BY 1;
SELECT index, reason FROM auto_rebuild_decisions WHERE index::text LIKE 'monitor_permissions.%' ORDER BY 1;
SELECT index_degradation(index_oid) FROM index_status()
WHERE name = 'monitor_permissions.t_v';
DELETE FROM hnsw_rebuild.measurement;
RESET ROLE;

-- Expressions run as the owner, with a pinned search_path, and cannot do what a
-- maintenance command must not.
SET ROLE regress_hnr_owner;
CREATE FUNCTION monitor_permissions.spy(v vector) RETURNS vector
LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN
	IF current_setting('regress_hnr.spy', true) = 'on' THEN
		RAISE EXCEPTION 'run by %, search_path %', current_user, current_setting('search_path');
	END IF;
	RETURN v;
END $$;
CREATE INDEX t_spy ON monitor_permissions.t
	USING hnsw ((monitor_permissions.spy(v)::vector(3)) vector_l2_ops);
RESET ROLE;
SET regress_hnr.spy = 'on';
SELECT index_degradation('monitor_permissions.t_spy');
RESET regress_hnr.spy;
SELECT current_user = session_user AS role_restored, current_setting('search_path');

DELETE FROM hnsw_rebuild.job WHERE error_message = 'a value of row 17';
SET client_min_messages = warning;
DROP SCHEMA monitor_permissions CASCADE;
RESET client_min_messages;
DROP ROLE regress_hnr_owner, regress_hnr_other, regress_hnr_monitor;
