-- Deferred insertions: rows in the pending list, and out of it.
-- No worker: what is pending stays so until something here merges it.
CREATE TABLE d (id serial PRIMARY KEY, e vector(3), h halfvec(3), s sparsevec(9), b bit(9), w vector(2500))
	WITH (autovacuum_enabled = off);
SET hnsw_rebuild.merge_workers = 0;
CREATE INDEX d_l2 ON d USING hnsw (e vector_l2_ops) WITH (deferred = on, merge_threshold = 100);
CREATE INDEX d_cosine ON d USING hnsw (e vector_cosine_ops) WITH (deferred = on);
CREATE INDEX d_ip ON d USING hnsw (e vector_ip_ops) WITH (deferred = on);
CREATE INDEX d_l1 ON d USING hnsw (e vector_l1_ops) WITH (deferred = on);
CREATE INDEX d_half ON d USING hnsw (h halfvec_l2_ops) WITH (deferred = on);
CREATE INDEX d_sparse ON d USING hnsw (s sparsevec_l2_ops) WITH (deferred = on);
CREATE INDEX d_bit ON d USING hnsw (b bit_hamming_ops) WITH (deferred = on);
CREATE INDEX d_wide ON d USING hnsw (w vector_l2_ops) WITH (m = 4, ef_construction = 16, deferred = on);
INSERT INTO d (e, h, s, b, w)
	SELECT ARRAY[i, i % 7, 1]::vector, ARRAY[i, i % 7, 1]::halfvec, format('{%s:1,9:%s}/9', i % 8 + 1, i)::sparsevec,
		i::bit(9), array_fill(i::real, ARRAY[2500])::vector
	FROM generate_series(1, 50) i;
SELECT name, pending_rows, oldest_pending_age >= '0' AS has_age, merge_rate, merging FROM index_status() ORDER BY name;

-- found at once, in order, once
SET enable_seqscan = off;
SET enable_sort = off;
SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 3;
SELECT id FROM d ORDER BY e <=> '[7,0,1]' LIMIT 3;
SELECT id FROM d ORDER BY e <#> '[7,0,1]' LIMIT 3;
SELECT id FROM d ORDER BY e <+> '[7,0,1]' LIMIT 3;
SELECT id FROM d ORDER BY h <-> '[7,0,1]' LIMIT 3;
SELECT id FROM d ORDER BY s <-> '{1:1,9:8}/9' LIMIT 1;
SELECT id FROM d ORDER BY b <~> 7::bit(9) LIMIT 1;
SELECT id FROM d ORDER BY w <-> array_fill(7.4, ARRAY[2500])::vector LIMIT 3;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 100) x;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM d ORDER BY w <-> array_fill(7.4, ARRAY[2500])::vector LIMIT 100) x;
SET hnsw.iterative_scan = relaxed_order;
SET hnsw.ef_search = 3;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 100) x;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;
CREATE FUNCTION findings() RETURNS TABLE (name text, severity text, finding text, message text)
LANGUAGE sql AS $$ SELECT i.name, c.severity, c.finding, c.message
	FROM index_status() i, LATERAL check_index(i.index_oid, true) c WHERE i.name LIKE 'd\_%' $$;
SELECT * FROM findings();

-- deleted, rolled back, updated
DELETE FROM d WHERE id = 7;
UPDATE d SET e = '[7,0,2]' WHERE id = 8;
BEGIN;
INSERT INTO d (e) VALUES ('[7,0,1]');
SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 1;
ROLLBACK;
SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 2;
VACUUM d;
SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 2;
SELECT * FROM findings();
SELECT name, pending_rows FROM index_status('d_l2');

-- merged
SELECT flush_index('d_l2'), flush_index('d_wide'), flush_index('d_sparse');
SELECT flush_index('d_l2');
SELECT name, pending_rows, oldest_pending_age, merge_rate > 0 AS has_rate, merging FROM index_status('d_l2');
SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 2;
SELECT id FROM d ORDER BY w <-> array_fill(7.4, ARRAY[2500])::vector LIMIT 3;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM d ORDER BY e <-> '[7,0,1]' LIMIT 100) x;
SELECT * FROM findings();

-- the list stays about as long as the threshold
INSERT INTO d (e) SELECT ARRAY[i, i % 7, 1]::vector FROM generate_series(51, 800) i;
SELECT pending_rows < 400 AS bounded FROM index_status('d_l2');
SELECT pending_rows > 750 AS unbounded FROM index_status('d_ip');
SELECT id - lag(id) OVER () AS step FROM (SELECT id FROM d ORDER BY e <-> '[700,0,1]' LIMIT 3) x;

-- REINDEX, a rebuild
REINDEX INDEX d_ip;
SELECT pending_rows FROM index_status('d_ip');
INSERT INTO d (e) SELECT ARRAY[i, i % 7, 1]::vector FROM generate_series(801, 820) i;
SELECT rebuild_index('d_ip', measure => false) > 0 AS started;
CALL wait_for_rebuild('d_ip');
SELECT pending_rows FROM index_status('d_ip');
REINDEX INDEX CONCURRENTLY d_l1;
SELECT pending_rows FROM index_status('d_l1');
SELECT * FROM findings();

-- switching it off drains
SELECT pending_rows > 0 AS pending FROM index_status('d_cosine');
ALTER INDEX d_cosine SET (deferred = off);
SELECT pending_rows FROM index_status('d_cosine');
ALTER INDEX d_half RESET (deferred);
SELECT pending_rows FROM index_status('d_half');
INSERT INTO d (e, h) VALUES ('[0,5,5]', '[0,5,5]');
SELECT name, pending_rows FROM index_status() WHERE name IN ('d_cosine', 'd_half') ORDER BY 1;

-- TRUNCATE, in the transaction that fills the table again
BEGIN;
INSERT INTO d (e) SELECT ARRAY[i, 0, 0]::vector FROM generate_series(1, 20) i;
TRUNCATE d;
INSERT INTO d (e) SELECT ARRAY[0, i, 0]::vector FROM generate_series(1, 20) i;
TRUNCATE d;
INSERT INTO d (e) SELECT ARRAY[0, 0, i]::vector FROM generate_series(1, 20) i;
COMMIT;
SELECT e FROM d ORDER BY e <-> '[0,0,3.1]' LIMIT 2;
SELECT * FROM findings();

-- an index of the session's own
CREATE TEMP TABLE own (id int, e vector(3));
CREATE INDEX own_e ON own USING hnsw (e vector_l2_ops) WITH (deferred = on, merge_threshold = 100);
INSERT INTO own SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 500) i;
SELECT pending_rows BETWEEN 1 AND 400 AS bounded FROM index_status('own_e');
SELECT id FROM own ORDER BY e <-> '[499,2,1]' LIMIT 2;
SELECT flush_index('own_e') > 0 AS flushed;
SELECT * FROM check_index('own_e', true);

-- partitions
CREATE TABLE parts (id int, e vector(3)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
CREATE INDEX parts_e ON parts USING hnsw (e vector_l2_ops) WITH (deferred = on);
INSERT INTO parts SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(0, 19) i;
SELECT flush_index('parts_e');

-- what cannot be
CREATE INDEX ON own USING hnsw (e vector_l2_ops) WITH (merge_threshold = 99);
CREATE INDEX ON own USING hnsw (e vector_l2_ops) WITH (merge_threshold = 1000001);
CREATE INDEX ON own USING hnsw (e vector_l2_ops) WITH (deferred = maybe);
SELECT flush_index('d_pkey');
SELECT flush_index('d');
BEGIN TRANSACTION READ ONLY;
SELECT flush_index('d_l2');
ROLLBACK;
SELECT flush_index(NULL);
CREATE ROLE deferred_other;
SET ROLE deferred_other;
SELECT flush_index('d_l2');
RESET ROLE;
DROP ROLE deferred_other;

-- what CREATE INDEX CONCURRENTLY has left in the middle; where it was stopped sooner, without a page
CREATE FUNCTION refuse(vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'refused'; END $$;
CREATE INDEX CONCURRENTLY left_over ON d USING hnsw ((refuse(e)::vector(3)) vector_l2_ops) WITH (deferred = on);
SELECT flush_index('left_over');
DROP INDEX left_over;
DROP FUNCTION refuse(vector);

DROP FUNCTION findings();
DROP TABLE d, own, parts;
RESET enable_seqscan;
RESET enable_sort;
RESET hnsw_rebuild.merge_workers;
