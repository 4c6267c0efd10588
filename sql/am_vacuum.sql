-- VACUUM: rows deleted in part, all of them, among equal ones; what is added after.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

SET enable_seqscan = off;
CREATE TABLE t (id int, e vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 800) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 8, ef_construction = 32);

-- nothing to do
VACUUM t;
SELECT * FROM check_all('i');

-- some
DELETE FROM t WHERE id % 3 = 0;
SELECT recall('t', '<->', 8) > 0.9;
VACUUM t;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;

-- their places are used again
SELECT pg_relation_size('i') AS size \gset
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1001, 1260) i;
SELECT pg_relation_size('i') <= :size + 2 * 8192 AS no_larger;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;

-- round after round
DO $$
BEGIN
	FOR i IN 1..6 LOOP
		DELETE FROM am_test.t WHERE id % 5 = i % 5;
		INSERT INTO am_test.t SELECT 2000 * i + j, am_test.vec(2000 * i + j, 8) FROM generate_series(1, 150) j;
		COMMIT;
	END LOOP;
END $$;
VACUUM t;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;
DELETE FROM t WHERE id % 2 = 0;
VACUUM (PARALLEL 0) t;
DELETE FROM t WHERE id % 3 = 0;
VACUUM (INDEX_CLEANUP OFF) t;
SELECT recall('t', '<->', 8) > 0.95;
VACUUM (INDEX_CLEANUP ON) t;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;

-- all
DELETE FROM t;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> vec(1, 8) LIMIT 5) s;
VACUUM t;
SELECT * FROM check_index('i', true);
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> vec(1, 8) LIMIT 5) s;
SELECT pg_relation_size('i') AS size \gset
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 300) i;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;
SELECT pg_relation_size('i') <= :size + 2 * 8192 AS no_larger;

-- all but one, over and over: the entry point goes as well
DO $$
BEGIN
	FOR i IN 1..20 LOOP
		DELETE FROM am_test.t;
		INSERT INTO am_test.t SELECT 10000 * i + j, am_test.vec(10000 * i + j, 8) FROM generate_series(1, 10) j;
		COMMIT;
	END LOOP;
END $$;
VACUUM t;
SELECT * FROM check_index('i', true);
SELECT recall('t', '<->', 8, 5);
DELETE FROM t WHERE id <> 200005;
VACUUM t;
SELECT * FROM check_index('i', true);
SELECT id FROM t ORDER BY e <-> vec(1, 8) LIMIT 5;
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 20) i;
DELETE FROM t WHERE id = 200005;
VACUUM t;
SELECT * FROM check_index('i', true);
SELECT recall('t', '<->', 8);
DROP TABLE t;

-- equal rows: those in the vertex, those in chunks, all
CREATE TABLE t (id int, e vector(2)) WITH (autovacuum_enabled = off);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
INSERT INTO t SELECT i, '[1,1]' FROM generate_series(1, 2000) i;
INSERT INTO t SELECT 5000 + i, vec(i, 2) FROM generate_series(1, 10) i;
DELETE FROM t WHERE id <= 3;
VACUUM t;
SELECT * FROM check_index('i', true);
DELETE FROM t WHERE id % 2 = 0 AND id <= 2000;
VACUUM t;
SELECT * FROM check_index('i', true);
SELECT count(DISTINCT id) FROM (SELECT id FROM t ORDER BY e <-> '[1,1]' LIMIT 2000) s WHERE id <= 2000;
DELETE FROM t WHERE id BETWEEN 100 AND 1900;
VACUUM t;
SELECT * FROM check_index('i', true);
INSERT INTO t SELECT i, '[1,1]' FROM generate_series(1001, 1100) i;
SELECT * FROM check_index('i', true);
SELECT count(DISTINCT id) = (SELECT count(*) FROM t WHERE id <= 2000)
	FROM (SELECT id FROM t ORDER BY e <-> '[1,1]' LIMIT 2000) s WHERE id <= 2000;
DELETE FROM t WHERE id <= 2000;
VACUUM t;
SELECT * FROM check_index('i', true);
INSERT INTO t SELECT i, '[1,1]' FROM generate_series(1, 100) i;
SELECT * FROM check_index('i', true);
SELECT count(DISTINCT id) FROM (SELECT id FROM t ORDER BY e <-> '[1,1]' LIMIT 100) s WHERE id <= 2000;
DELETE FROM t;
VACUUM t;
SELECT * FROM check_index('i', true);
DROP TABLE t;

-- two indexes at once, by parallel workers
CREATE TABLE t (id int, e vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 500) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
CREATE INDEX j ON t USING hnsw (e vector_l1_ops);
CREATE INDEX k ON t USING hnsw (e vector_cosine_ops);
SET min_parallel_index_scan_size = 0;
DELETE FROM t WHERE id % 4 = 0;
VACUUM (PARALLEL 2) t;
RESET min_parallel_index_scan_size;
SELECT * FROM check_all('i');
SELECT * FROM check_all('j');
SELECT * FROM check_all('k');
SELECT recall('t', '<->', 8) > 0.95, recall('t', '<+>', 8) > 0.95, recall('t', '<=>', 8) > 0.95;

-- the counts that VACUUM leaves
VACUUM ANALYZE t;
SELECT relname, reltuples FROM pg_class WHERE relname IN ('i', 'j', 'k') AND relkind = 'i' ORDER BY 1;
DROP TABLE t;

-- rows of one vector, changed again and again: chunks that are emptied amid their list are
-- used again
CREATE TABLE t (id int, note int, e vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
CREATE INDEX ON t (note);
INSERT INTO t SELECT i, i, vec(1, 8) FROM generate_series(1, 100) i;
\set rounds 'SELECT c FROM generate_series(1, :n) i, unnest(ARRAY[\'UPDATE t SET note = note + 1\', \'VACUUM (INDEX_CLEANUP on) t\']) WITH ORDINALITY u (c, o) ORDER BY i, o'
\set ECHO none
\set n 10
:rounds \gexec
SELECT pg_relation_size('i') AS size \gset
\set n 40
:rounds \gexec
\set ECHO all
SELECT pg_relation_size('i') - :size < 2 * 8192 AS as_large_as_before;
SELECT * FROM check_all('i');
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY e <-> vec(1, 8)) s;
RESET enable_seqscan;
DROP TABLE t;

-- an unlogged and a temporary table
CREATE UNLOGGED TABLE t (id int, e vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 200) i;
DELETE FROM t WHERE id % 2 = 0;
VACUUM t;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;
DROP TABLE t;
CREATE TEMP TABLE t (id int, e vector(8));
CREATE INDEX ti ON t USING hnsw (e vector_l2_ops);
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 200) i;
DELETE FROM t WHERE id % 2 = 0;
VACUUM t;
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(201, 300) i;
SELECT * FROM check_all('ti');
SELECT recall('t', '<->', 8) > 0.95;
DROP TABLE t;

-- vertices with fewer slots than m: what repairs aim at
CREATE TABLE t (id int, e vector(512));
INSERT INTO t SELECT i, (SELECT array_agg(x / 3) FROM unnest(vec(i, 512)::real[]) x)::vector
FROM generate_series(1, 600) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 100, ef_construction = 200);
SELECT slots < m AS fewer FROM index_status('i');
DELETE FROM t WHERE id % 12 = 0;
VACUUM t;
SELECT * FROM check_all('i');
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
