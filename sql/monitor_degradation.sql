-- Degradation: 1 - recall@k of sampled rows against the exact answer.
SELECT setseed(0.5);

CREATE FUNCTION degradation_test_vector(dims int) RETURNS vector
LANGUAGE sql VOLATILE AS
$$ SELECT array_agg(random()::real)::vector FROM generate_series(1, dims) $$;

-- A search as wide as the index finds everything but what only the row left out leads to.
CREATE TABLE degradation_test (id serial PRIMARY KEY, v vector(16));
INSERT INTO degradation_test (v)
SELECT degradation_test_vector(16) FROM generate_series(1, 300);
CREATE INDEX degradation_test_l2 ON degradation_test USING hnsw (v vector_l2_ops);
CREATE INDEX degradation_test_ip ON degradation_test USING hnsw (v vector_ip_ops);
CREATE INDEX degradation_test_cosine ON degradation_test USING hnsw (v vector_cosine_ops);
CREATE INDEX degradation_test_l1 ON degradation_test USING hnsw (v vector_l1_ops);
SET hnsw.ef_search = 400;
SELECT i, index_degradation(i::regclass) <= 0.05 AS nothing_missed
FROM unnest(ARRAY['degradation_test_l2', 'degradation_test_ip',
				  'degradation_test_cosine', 'degradation_test_l1']) AS i;
SELECT index_degradation('degradation_test_l2', sample_size => 10000, k => 1) <= 0.05 AS nothing_missed;
SELECT index_degradation('degradation_test_l2', sample_size => 1, k => 299) <= 0.05 AS nothing_missed;
-- More neighbours asked for than there are: all others are the true answer.
SELECT index_degradation('degradation_test_l2', 50, 1000) <= 0.05 AS nothing_missed;

-- A narrow search goes on for as many as are asked for.
SET hnsw.ef_search = 1;
SELECT index_degradation('degradation_test_l2', k => 100) BETWEEN 0 AND 0.2 AS little_missed;

-- A poor graph is told from a good one.
CREATE TABLE degradation_test_wide (v vector(32));
INSERT INTO degradation_test_wide
SELECT degradation_test_vector(32) FROM generate_series(1, 2000);
CREATE INDEX degradation_test_poor ON degradation_test_wide
	USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
CREATE INDEX degradation_test_good ON degradation_test_wide
	USING hnsw (v vector_l2_ops) WITH (m = 24, ef_construction = 100);
SET hnsw.ef_search = 100;
SELECT index_degradation('degradation_test_good', seed => 1) < 0.05 AS good,
	index_degradation('degradation_test_poor', seed => 1) > 0.2 AS poor;
-- One seed, one sample.
SELECT index_degradation('degradation_test_poor', 20, seed => 7) =
	index_degradation('degradation_test_poor', 20, seed => 7) AS same;
DROP TABLE degradation_test_wide;

-- The results are kept.
RESET hnsw.ef_search;
SELECT sample_size, k, ef_search, recall >= 0.95 AS recall, rows, purpose
FROM hnsw_rebuild.measurement
WHERE index_oid = 'degradation_test_l2'::regclass ORDER BY id LIMIT 4;
SELECT degradation BETWEEN 0 AND 0.2 AS kept, measured_at IS NOT NULL AS when
FROM index_status('degradation_test_l2');
-- The newest hundred of each index; those of dropped indexes go.
DO $$ BEGIN FOR i IN 1 .. 110 LOOP PERFORM index_degradation('degradation_test_ip', 1); END LOOP; END $$;
SELECT count(*) FROM hnsw_rebuild.measurement WHERE index_oid = 'degradation_test_ip'::regclass;
SELECT count(*) FROM hnsw_rebuild.measurement
WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = index_oid);
-- Nothing is kept where nothing may be written.
BEGIN READ ONLY;
SELECT index_degradation('degradation_test_l2', 10) < 1 AS measured;
COMMIT;
SELECT count(*) FROM hnsw_rebuild.measurement WHERE index_oid = 'degradation_test_l2'::regclass;
DROP TABLE degradation_test;

-- Few rows.
CREATE TABLE degradation_test (id int, v vector(3));
CREATE INDEX degradation_test_idx ON degradation_test USING hnsw (v vector_l2_ops);
SELECT index_degradation('degradation_test_idx');
INSERT INTO degradation_test VALUES (1, '[1,2,3]');
SELECT index_degradation('degradation_test_idx');
INSERT INTO degradation_test VALUES (2, '[4,5,6]');
SELECT index_degradation('degradation_test_idx');
-- NULL is not indexed.
INSERT INTO degradation_test SELECT i, NULL FROM generate_series(3, 200) i;
SELECT index_degradation('degradation_test_idx', k => 1);
SELECT rows FROM hnsw_rebuild.measurement
WHERE index_oid = 'degradation_test_idx'::regclass ORDER BY id DESC LIMIT 1;
-- Equal distances are not misses.
TRUNCATE degradation_test;
INSERT INTO degradation_test SELECT i, '[1,1,1]' FROM generate_series(1, 200) i;
SELECT index_degradation('degradation_test_idx');
DROP TABLE degradation_test;

-- Zero vectors under cosine take no part.
CREATE TABLE degradation_test (id int, v vector(3));
INSERT INTO degradation_test SELECT i, '[0,0,0]' FROM generate_series(1, 100) i;
INSERT INTO degradation_test SELECT i, ARRAY[i, i * i, 1]::vector FROM generate_series(1, 30) i;
CREATE INDEX degradation_test_idx ON degradation_test USING hnsw (v vector_cosine_ops);
SELECT index_degradation('degradation_test_idx') <= 0.05 AS nothing_missed;
SELECT sample_size, rows FROM hnsw_rebuild.measurement
WHERE index_oid = 'degradation_test_idx'::regclass;
DROP TABLE degradation_test;

-- Partial and expression indexes: only rows that the index covers.
CREATE TABLE degradation_test (id int, a real[], v vector(3));
INSERT INTO degradation_test
SELECT i, ARRAY[i, i % 7, i % 5], ARRAY[i, i % 7, i % 5]::vector FROM generate_series(1, 500) i;
CREATE INDEX degradation_test_partial ON degradation_test USING hnsw (v vector_l2_ops) WHERE id > 460;
CREATE INDEX degradation_test_expression ON degradation_test USING hnsw ((a::vector(3)) vector_l2_ops);
SET hnsw.ef_search = 1000;
SELECT index_degradation('degradation_test_partial'), index_degradation('degradation_test_expression');
SELECT index_oid::regclass, sample_size, rows FROM hnsw_rebuild.measurement
WHERE index_oid IN ('degradation_test_partial'::regclass, 'degradation_test_expression'::regclass)
ORDER BY id;
-- Deleted and updated rows.
DELETE FROM degradation_test WHERE id % 3 = 0;
UPDATE degradation_test SET v = v + '[0.5,0,0]' WHERE id % 3 = 1;
SELECT index_degradation('degradation_test_partial', k => 5);
RESET hnsw.ef_search;
DROP TABLE degradation_test;

-- A partitioned index: its leaves by their size.
CREATE TABLE degradation_test (id int, v vector(4)) PARTITION BY RANGE (id);
CREATE TABLE degradation_test_1 PARTITION OF degradation_test FOR VALUES FROM (0) TO (100);
CREATE TABLE degradation_test_2 PARTITION OF degradation_test FOR VALUES FROM (100) TO (1000);
CREATE TABLE degradation_test_3 PARTITION OF degradation_test FOR VALUES FROM (1000) TO (2000);
CREATE INDEX degradation_test_idx ON degradation_test USING hnsw (v vector_l2_ops);
SELECT index_degradation('degradation_test_idx');
INSERT INTO degradation_test SELECT i, degradation_test_vector(4) FROM generate_series(1, 500) i;
SET hnsw.ef_search = 1000;
SELECT index_degradation('degradation_test_idx');
SELECT sample_size BETWEEN 90 AND 110 AS sampled, rows FROM hnsw_rebuild.measurement
WHERE index_oid = 'degradation_test_idx'::regclass;
RESET hnsw.ef_search;
DROP TABLE degradation_test;

-- A temporary table of one's own; storage of every kind.
CREATE TEMP TABLE degradation_test (v vector(2000));
ALTER TABLE degradation_test ALTER v SET STORAGE EXTERNAL;
INSERT INTO degradation_test SELECT degradation_test_vector(2000) FROM generate_series(1, 30);
CREATE INDEX degradation_test_idx ON degradation_test USING hnsw (v vector_l2_ops);
SELECT index_degradation('degradation_test_idx');
-- A sample too large for the memory.
SET maintenance_work_mem = '1MB';
SELECT index_degradation('degradation_test_idx', 10000);
RESET maintenance_work_mem;

-- Values that stand elsewhere, in another order than their rows, and gaps between them.
CREATE TABLE degradation_test_wide (id int, v vector(700)) WITH (fillfactor = 50);
INSERT INTO degradation_test_wide SELECT i, degradation_test_vector(700) FROM generate_series(1, 300) i;
UPDATE degradation_test_wide SET v = degradation_test_vector(700) WHERE id % 3 = 0;
DELETE FROM degradation_test_wide WHERE id % 7 = 0 OR id BETWEEN 100 AND 150;
ALTER TABLE degradation_test_wide ALTER v SET STORAGE main;
INSERT INTO degradation_test_wide SELECT i, ('[' || repeat('0,', 699) || i || ']')::vector
FROM generate_series(1, 20) i;
CREATE INDEX degradation_test_wide_idx ON degradation_test_wide USING hnsw (v vector_l2_ops);
SET hnsw.ef_search = 1000;
SELECT index_degradation('degradation_test_wide_idx', 300) <= 0.05 AS nothing_missed;
SELECT rows = (SELECT count(*) FROM degradation_test_wide) AS all_rows FROM hnsw_rebuild.measurement
WHERE index_oid = 'degradation_test_wide_idx'::regclass;
RESET hnsw.ef_search;
DROP TABLE degradation_test_wide;

-- Arguments.
SELECT index_degradation(NULL);
SELECT index_degradation('degradation_test_idx', NULL, NULL, NULL);
SELECT index_degradation('degradation_test_idx', 0);
SELECT index_degradation('degradation_test_idx', 10001);
SELECT index_degradation('degradation_test_idx', k => 0);
SELECT index_degradation('degradation_test_idx', k => 1001);
SELECT index_degradation('degradation_test');
SELECT index_degradation('pg_class_oid_index');
SELECT index_degradation(4000000000::oid::regclass);
DROP TABLE degradation_test;
DROP FUNCTION degradation_test_vector;
