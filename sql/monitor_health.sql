-- What an index has lost and to what; what would help.
CREATE FUNCTION health_test_vector(seed int, dims int) RETURNS vector
LANGUAGE sql IMMUTABLE AS
$$ SELECT array_agg(((hashint4(seed * 1000 + i) & 65535) / 65536.0)::real ORDER BY i)::vector
   FROM generate_series(1, dims) i $$;
CREATE TABLE health_test (id int, v vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX health_test_v ON health_test USING hnsw (v vector_l2_ops);

-- Nothing to measure.
SELECT name, action, reason, entries, dead_entries, vertices, damaged, pages, pages_wasted,
	sampled, sampled_from, ef_searches, recall_now, recall_fresh, last_build
FROM index_health('health_test_v');
INSERT INTO health_test SELECT i, health_test_vector(i, 8) FROM generate_series(1, 2000) i;
-- Equal vectors share a vertex; what is not indexed has no entry.
INSERT INTO health_test SELECT 0, health_test_vector(i, 8) FROM generate_series(1, 100) i, generate_series(1, 10);
INSERT INTO health_test VALUES (-1, NULL);
REINDEX INDEX health_test_v;

SELECT name, action, command, entries, dead_entries, vertices, damaged, orphans, unreachable,
	pages > 1 AS has_pages, pages_wasted < 5 AS full, sampled, sampled_from, ef_searches,
	recall_fresh, recall_fresh_from
FROM index_health('health_test_v');
SELECT array_length(recall, 1), array_length(recall_low, 1), array_length(recall_high, 1),
	recall[2] = recall_now AS same, recall_now > 0.9 AS good,
	recall_low[1] <= recall[1] AND recall[1] <= recall_high[1] AND recall_low[1] >= 0
		AND recall_high[1] <= 1 AS within,
	recall_low[4] < 1 AS not_certain
FROM index_health('health_test_v', seed => 1);
-- One seed, one sample.
SELECT (SELECT recall FROM index_health('health_test_v', seed => 7)) =
	(SELECT recall FROM index_health('health_test_v', seed => 7)) AS same;
-- At what is asked for and at the present one, which stays.
SET hnsw.ef_search = 10;
SELECT ef_searches, sampled, recall_now = recall[1] AS first
FROM index_health('health_test_v', 20, 5, ARRAY[100, 11, 100], 3);
SHOW hnsw.ef_search;
SET hnsw.ef_search = 1000;
SELECT ef_searches FROM index_health('health_test_v', 5);
RESET hnsw.ef_search;

-- The first measurement since the build stands for a fresh one; another way to measure
-- has none.
SELECT recall_fresh_from, recall_fresh IS NOT NULL AS known, last_build, changed_since_build
FROM index_health('health_test_v');
SELECT recall_fresh_from FROM index_health('health_test_v', k => 3);

-- Dead rows, before and after VACUUM.
DELETE FROM health_test WHERE id BETWEEN 1001 AND 1800;
SELECT action, reason, command, entries, dead_entries, vertices, estimated_duration > '0' AS takes_time,
	estimated_disk
FROM index_health('health_test_v');
VACUUM health_test;
SELECT action, command, entries, dead_entries, vertices, damaged < 12 AS repaired, pages_wasted > 5 AS room
FROM index_health('health_test_v');
-- Rows that only this transaction has, and those that it has deleted.
BEGIN;
INSERT INTO health_test SELECT i, health_test_vector(i, 8) FROM generate_series(3001, 3100) i;
SELECT entries, dead_entries FROM index_health('health_test_v');
ROLLBACK;
SELECT entries, dead_entries FROM index_health('health_test_v');

-- Few rows: none can have many neighbours.
TRUNCATE health_test;
INSERT INTO health_test SELECT i, health_test_vector(i, 8) FROM generate_series(1, 5) i;
SELECT action, entries, vertices, damaged, sampled FROM index_health('health_test_v', 100);
INSERT INTO health_test SELECT i, health_test_vector(i, 8) FROM generate_series(6, 300) i;
SELECT entries, vertices, damaged, unreachable, sampled FROM index_health('health_test_v');

-- A rebuild is on record, and what has changed since.
SELECT rebuild_index('health_test_v', online => false) > 0 AS rebuilt;
SELECT last_build IS NOT NULL AS known, changed_since_build IS NOT NULL AS counted
FROM index_health('health_test_v');

-- Other types, and vertices of several pages.
CREATE TABLE health_test_types (v vector(3000), s sparsevec(100000), b bit(40), h halfvec(4));
INSERT INTO health_test_types SELECT health_test_vector(i, 3000),
	('{' || 1 + i || ':1,' || 300 + 7 * i || ':2}/100000')::sparsevec, (i * 7919)::bit(40),
	health_test_vector(i, 4)::halfvec
FROM generate_series(1, 60) i;
CREATE INDEX health_test_wide ON health_test_types USING hnsw (v vector_cosine_ops);
CREATE INDEX health_test_sparse ON health_test_types USING hnsw (s sparsevec_l2_ops);
CREATE INDEX health_test_bit ON health_test_types USING hnsw (b bit_hamming_ops);
CREATE INDEX health_test_half ON health_test_types USING hnsw (h halfvec_ip_ops) WHERE v IS NOT NULL;
SELECT h.name, h.entries, h.dead_entries, h.vertices, h.unreachable, h.pages_wasted < 5 AS full, h.sampled
FROM unnest(ARRAY['health_test_wide', 'health_test_sparse', 'health_test_bit', 'health_test_half']) n,
	index_health(n::regclass) h;
DROP TABLE health_test_types;

-- Rows that wait to be merged, and those that have been; no worker does that.
SET hnsw_rebuild.merge_workers = 0;
CREATE TABLE health_test_deferred (v vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX health_test_deferred_v ON health_test_deferred USING hnsw (v vector_l2_ops) WITH (deferred = on);
INSERT INTO health_test_deferred SELECT health_test_vector(i, 8) FROM generate_series(1, 300) i;
SELECT entries, pending_rows, sampled, action FROM index_health('health_test_deferred_v');
SELECT flush_index('health_test_deferred_v');
SELECT entries, pending_rows, dead_entries FROM index_health('health_test_deferred_v');
ALTER INDEX health_test_deferred_v SET (merge_threshold = 1000);
INSERT INTO health_test_deferred SELECT health_test_vector(i, 8) FROM generate_series(301, 1300) i;
SELECT pending_rows > 500 AS many, action, regexp_replace(reason, '^[0-9]+', 'so many') AS reason, command, estimated_disk
FROM index_health('health_test_deferred_v');
RESET hnsw_rebuild.merge_workers;
DROP TABLE health_test_deferred;

-- Nor does one of a temporary table's.
CREATE TEMP TABLE health_test_own (v vector(8));
CREATE INDEX health_test_own_v ON health_test_own USING hnsw (v vector_l2_ops)
	WITH (deferred = on, merge_threshold = 100);
INSERT INTO health_test_own SELECT health_test_vector(i, 8) FROM generate_series(1, 90) i;
SELECT action, reason FROM index_health('health_test_own_v');
DROP TABLE health_test_own;

-- A partitioned index: each leaf.
CREATE TABLE health_test_parts (id int, v vector(3)) PARTITION BY LIST (id);
CREATE TABLE health_test_p1 PARTITION OF health_test_parts FOR VALUES IN (1);
CREATE TABLE health_test_p2 PARTITION OF health_test_parts FOR VALUES IN (2);
CREATE INDEX health_test_parts_v ON health_test_parts USING hnsw (v vector_l2_ops);
INSERT INTO health_test_parts SELECT i % 2 + 1, health_test_vector(i, 3) FROM generate_series(1, 30) i;
SELECT name, entries FROM index_health('health_test_parts_v') ORDER BY name;
DROP TABLE health_test_parts;

-- Read-only transactions measure as well, and keep nothing.
SELECT count(*) AS before FROM hnsw_rebuild.measurement WHERE index_oid = 'health_test_v'::regclass \gset
BEGIN READ ONLY;
SELECT entries FROM index_health('health_test_v');
COMMIT;
SELECT count(*) - :before AS kept FROM hnsw_rebuild.measurement WHERE index_oid = 'health_test_v'::regclass;
-- Others keep it, up to a limit.
SET hnsw_rebuild.record_limit = 10;
SELECT count(*) FROM generate_series(1, 12), index_health('health_test_v', 2);
SELECT count(*) FROM hnsw_rebuild.measurement WHERE index_oid = 'health_test_v'::regclass;
SELECT purpose, sampled_from, entries, dead_entries, damaged, unreachable, pages = pg_relation_size('health_test_v') / 8192 AS pages,
	file_node = pg_relation_filenode('health_test_v') AS file_node
FROM hnsw_rebuild.measurement WHERE index_oid = 'health_test_v'::regclass ORDER BY id DESC LIMIT 1;
RESET hnsw_rebuild.record_limit;

-- Arguments.
SELECT * FROM index_health(NULL);
SELECT index_health('health_test_v', 0);
SELECT index_health('health_test_v', k => 1001);
SELECT index_health('health_test_v', ef_search => ARRAY[0]);
SELECT index_health('health_test_v', ef_search => ARRAY[1, NULL]);
SELECT index_health('health_test_v', ef_search => ARRAY(SELECT generate_series(1, 12)));
SELECT index_health('health_test');
SELECT index_health('pg_class_oid_index');

-- Who may: as with index_degradation().
CREATE ROLE regress_hnr_health;
GRANT SELECT ON health_test TO regress_hnr_health;
SET ROLE regress_hnr_health;
SELECT index_health('health_test_v');
SELECT clear_query_samples('health_test_v');
SELECT count(*) FROM query_samples;
SELECT count(*) FROM hnsw_rebuild.query_sample;
SET hnsw_rebuild.query_sample_rate = 1;
ALTER INDEX health_test_v SET (query_sample_rate = 1);
RESET ROLE;
DROP OWNED BY regress_hnr_health;
DROP ROLE regress_hnr_health;
-- The owner may; of nothing kept there is nothing to clear.
SET client_min_messages = error;	-- a warning where the library is not preloaded
ALTER INDEX health_test_v SET (query_sample_rate = 0.5);
RESET client_min_messages;
ALTER INDEX health_test_v SET (query_sample_rate = 1.5);
SELECT clear_query_samples('health_test_v');
-- Queries that are kept are measured with: of the index's type and dimensions, and enough of
-- them.
INSERT INTO hnsw_rebuild.query_sample (index_oid, asked_at, type, dims, query)
SELECT 'health_test_v'::regclass, now(), 'vector'::regtype, 8, health_test_vector(i, 8)
FROM generate_series(5001, 5019) i;
INSERT INTO hnsw_rebuild.query_sample (index_oid, asked_at, type, dims, query) VALUES
	('health_test_v'::regclass, now() - interval '31 days', 'vector'::regtype, 8, '[1,2,3,4,5,6,7,8]'),
	('health_test_v'::regclass, now(), 'vector'::regtype, 7, '[1,2,3,4,5,6,7]'),
	('health_test_v'::regclass, now(), 'bit'::regtype, 8, '10101010');
SELECT sampled_from, sampled FROM index_health('health_test_v');
INSERT INTO hnsw_rebuild.query_sample (index_oid, asked_at, type, dims, query)
VALUES ('health_test_v'::regclass, now(), 'vector'::regtype, 8, '[1,2,3,4,5,6,7,8]');
SELECT sampled_from, sampled, recall_fresh_from FROM index_health('health_test_v');
SELECT sampled_from, sampled, recall_fresh_from FROM index_health('health_test_v', 7);
SELECT clear_query_samples('health_test_v');
SELECT sampled_from FROM index_health('health_test_v');

DROP TABLE health_test;
DROP FUNCTION health_test_vector;
