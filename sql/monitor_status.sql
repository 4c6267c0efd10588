-- index_status: one row per hnsw index.
CREATE TABLE status_test (id int, v vector(3));
INSERT INTO status_test SELECT i, ARRAY[i, i % 10, i % 7]::vector FROM generate_series(1, 500) i;

SELECT count(*) FROM index_status();
CREATE INDEX status_test_a ON status_test USING hnsw (v vector_l2_ops);
CREATE INDEX status_test_b ON status_test USING hnsw (v vector_cosine_ops)
	WITH (m = 8, ef_construction = 40);
-- Other indexes are none of ours.
CREATE INDEX status_test_id ON status_test (id);

\x on
SELECT name, table_name, status, phase, progress_pct, eta_seconds, tuples_done,
	tuples_total, started_at, blocked_by, m, ef_construction, slots, stored_as, options,
	size_bytes > 0 AS has_size, size_bytes = pg_relation_size(index_oid) AS its_size,
	vectors, dead, degradation, measured_at, auto_rebuild_threshold,
	auto_rebuild_note, last_rebuild, last_rebuild_duration, last_error
FROM index_status();
\x off
SELECT index_oid = 'status_test_b'::regclass AS same FROM index_status('status_test_b');
SELECT count(*) FROM (SELECT index_status()) s;
SELECT count(*) FROM generate_series(1, 2), LATERAL index_status('status_test_a');

-- The name is what one would write.
CREATE SCHEMA "Status";
CREATE TABLE "Status"."Test" (v vector(3));
CREATE INDEX "Idx" ON "Status"."Test" USING hnsw (v vector_l2_ops);
SELECT name, table_name FROM index_status('"Status"."Idx"');
SET search_path = "Status", public;
SELECT name, table_name FROM index_status('"Idx"');
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA "Status" CASCADE;
RESET client_min_messages;

-- Options are those of the next build, m and ef_construction those of the graph.
ALTER INDEX status_test_a SET (m = 24, ef_construction = 100);
SELECT m, ef_construction, options FROM index_status('status_test_a');
REINDEX INDEX status_test_a;
SELECT m, ef_construction, options FROM index_status('status_test_a');

-- The threshold; a warning says where no launcher runs.
SET client_min_messages = error;
ALTER INDEX status_test_b SET (auto_rebuild_threshold = 0.2);
RESET client_min_messages;
SELECT auto_rebuild_threshold, options FROM index_status('status_test_b');
ALTER INDEX status_test_b RESET (auto_rebuild_threshold);
SELECT auto_rebuild_threshold FROM index_status('status_test_b');
ALTER INDEX status_test_b SET (auto_rebuild_threshold = 1.5);
ALTER INDEX status_test_b SET (auto_rebuild_threshold = -0.5);

-- After a rebuild.
SELECT rebuild_index('status_test_b', m => 12, ef_construction => 50) > 0 AS started;
CALL wait_for_rebuild('status_test_b');
SELECT status, progress_pct, eta_seconds, m, ef_construction, options,
	last_rebuild IS NOT NULL AS rebuilt, last_rebuild_duration > '0' AS took_time,
	last_error, blocked_by, degradation BETWEEN 0 AND 1 AS measured,
	measured_at >= last_rebuild - '1 minute'::interval AS lately
FROM index_status('status_test_b');
SELECT last_rebuild FROM index_status('status_test_a');
-- None of the rebuild's own indexes shows.
SELECT count(*) FROM index_status();

-- An index that a failed CREATE INDEX CONCURRENTLY left.
CREATE TABLE status_test_invalid (v vector);
INSERT INTO status_test_invalid VALUES ('[1,2,3]'), ('[1,2]');
\set VERBOSITY terse
CREATE INDEX CONCURRENTLY status_test_c ON status_test_invalid USING hnsw ((v::vector(3)) vector_l2_ops);
\set VERBOSITY default
SELECT status, progress_pct FROM index_status('status_test_c');
SELECT index_degradation('status_test_c');
DROP TABLE status_test_invalid;

-- Partitioned, unlogged and temporary indexes.
CREATE TABLE status_test_part (id int, v vector(3)) PARTITION BY LIST (id);
CREATE TABLE status_test_part_1 PARTITION OF status_test_part FOR VALUES IN (1);
CREATE INDEX status_test_p ON status_test_part USING hnsw (v vector_l2_ops) WITH (m = 10);
CREATE UNLOGGED TABLE status_test_unlogged (v vector(3));
CREATE INDEX status_test_u ON status_test_unlogged USING hnsw (v vector_l2_ops);
CREATE TEMP TABLE status_test_temp (v vector(3));
CREATE INDEX status_test_t ON status_test_temp USING hnsw (v vector_l2_ops);
SELECT name, table_name, status, m, options FROM index_status()
WHERE table_name LIKE 'status_test\_%' ORDER BY name;

-- The last rebuild failed: so it is until the storage is another, of a partitioned index that of the leaf.
CREATE FUNCTION status_test_fail(index regclass, parent bigint) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO hnsw_rebuild.job (parent_id, index_oid, table_oid, index_name, owner, requested_by,
		trigger, state, step, phase, online, measure, maintenance_mem_kb, parallel_workers,
		requested_at, finished_at, error_message, old_relfilenode)
	SELECT parent, indexrelid, indrelid, relname, relowner, relowner, 'manual', 'failed', 5, 'building',
		true, false, 0, 0, now(), now(), 'a failure', nullif(relfilenode, 0)
	FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indexrelid = index RETURNING id $$;
SELECT status_test_fail('status_test_part_1_v_idx', status_test_fail('status_test_p', NULL)) > 0 AS failed,
	status_test_fail('status_test_u', NULL) > 0 AS failed_too;
SELECT name, status FROM index_status() WHERE table_name LIKE 'status_test\_%' ORDER BY name;
REINDEX INDEX status_test_u;
REINDEX INDEX status_test_part_1_v_idx;
SELECT name, status FROM index_status() WHERE table_name LIKE 'status_test\_%' ORDER BY name;
DROP FUNCTION status_test_fail;
-- What a partitioned index's leaves have, where it is asked for by itself.
CREATE TABLE status_test_part_2 PARTITION OF status_test_part FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE status_test_part_2a PARTITION OF status_test_part_2 FOR VALUES IN (2);
INSERT INTO status_test_part SELECT 1 + i % 2, ARRAY[i, i % 10, i % 7]::vector FROM generate_series(1, 300) i;
ANALYZE status_test_part;
\x on
SELECT name, status, phase, progress_pct, m, slots, stored_as, vectors, pending_rows, merging, degradation FROM index_status('status_test_p');
SELECT size_bytes = pg_relation_size('status_test_part_1_v_idx') + pg_relation_size('status_test_part_2a_v_idx') AS size
FROM index_status('status_test_p');
SELECT size_bytes, vectors, m FROM index_status() WHERE name = 'status_test_p';
SELECT index_degradation('status_test_part_1_v_idx') AS d1, index_degradation('status_test_part_2a_v_idx') AS d2 \gset
ALTER INDEX status_test_part_2a_v_idx SET (m = 12);
REINDEX INDEX status_test_part_2a_v_idx;
SELECT m, ef_construction, slots, degradation BETWEEN least(:d1, :d2) AND greatest(:d1, :d2) AS between_both, measured_at IS NOT NULL AS measured
FROM index_status('status_test_p');
\x off
DROP TABLE status_test_part, status_test_unlogged, status_test_temp;

-- Arguments.
SELECT index_status('status_test');
SELECT index_status('status_test_id');
SELECT index_status(4000000000::oid::regclass);

-- On an index that is locked: what needs no lock, without waiting.
BEGIN;
LOCK TABLE status_test IN ACCESS EXCLUSIVE MODE;
SELECT name, status, m FROM index_status('status_test_a');
COMMIT;
-- Beside a query that runs in parallel.
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL enable_indexonlyscan = off;
SELECT s.name, s.status, t.n FROM (SELECT count(*) AS n FROM status_test) t, index_status('status_test_a') s;
SELECT count(*), t.n FROM (SELECT count(*) AS n FROM status_test) t, index_status() s GROUP BY t.n;
COMMIT;
-- No lock is kept.
BEGIN;
SELECT count(*) FROM index_status();
SELECT count(*) FROM pg_locks
WHERE relation IN ('status_test_a'::regclass, 'status_test_b'::regclass) AND pid = pg_backend_pid();
COMMIT;
DROP TABLE status_test;
