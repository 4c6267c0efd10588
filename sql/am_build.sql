-- CREATE INDEX USING hnsw, in every way: what is built holds every row that
-- belongs in it.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, e vector(8));
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 300) i;
INSERT INTO t SELECT 2000 + i, NULL FROM generate_series(1, 10) i;
INSERT INTO t SELECT 3000 + i, '[0,0,0,0,0,0,0,0]' FROM generate_series(1, 10) i;

-- the operator classes
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;
DROP INDEX i;
CREATE INDEX i ON t USING hnsw (e vector_cosine_ops);
SELECT * FROM check_all('i');
SELECT recall('t', '<=>', 8) > 0.95;
DROP INDEX i;
CREATE INDEX i ON t USING hnsw (e vector_ip_ops);
SELECT * FROM check_all('i');
SELECT recall('t', '<#>', 8) > 0.8;
DROP INDEX i;
CREATE INDEX i ON t USING hnsw (e vector_l1_ops);
SELECT * FROM check_all('i');
SELECT recall('t', '<+>', 8) > 0.95;
DROP INDEX i;

-- partial
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WHERE id % 2 = 0;
SELECT * FROM check_all('i');
SELECT count(*), bool_and(id % 2 = 0) FROM (SELECT id FROM t WHERE id % 2 = 0 ORDER BY e <-> vec(-1, 8) LIMIT 20) s;
DROP INDEX i;

-- an expression
CREATE FUNCTION half(v vector) RETURNS vector LANGUAGE sql IMMUTABLE SET search_path = public AS 'SELECT subvector(v, 1, 4)';
CREATE INDEX i ON t USING hnsw ((half(e)::vector(4)) vector_l2_ops);
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 4, col => '(half(e)::vector(4))') > 0.95;
DROP INDEX i;
DROP FUNCTION half;

-- several at once, options
CREATE INDEX i1 ON t USING hnsw (e vector_l2_ops) WITH (m = 2, ef_construction = 4);
CREATE INDEX i2 ON t USING hnsw (e vector_l2_ops) WITH (m = 100, ef_construction = 200) WHERE id <= 150;
SELECT * FROM check_all('i1');
SELECT * FROM check_all('i2');

-- other ways to build
REINDEX INDEX i1;
SELECT * FROM check_all('i1');
REINDEX TABLE t;
SELECT * FROM check_all('i1');
SELECT * FROM check_all('i2');
REINDEX INDEX CONCURRENTLY i1;
SELECT * FROM check_all('i1');
DROP INDEX CONCURRENTLY i1;
DROP INDEX i2;
CREATE INDEX CONCURRENTLY i ON t USING hnsw (e vector_l2_ops);
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8) > 0.95;

-- the table is written anew, or emptied
VACUUM FULL t;
SELECT * FROM check_all('i');
ALTER TABLE t ALTER e TYPE vector(8) USING (e + e);
SELECT * FROM check_all('i');
ALTER TABLE t SET UNLOGGED;
SELECT * FROM check_all('i');
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(5001, 5100) i;
SELECT * FROM check_all('i');
ALTER TABLE t SET LOGGED;
SELECT * FROM check_all('i');
TRUNCATE t;
SELECT * FROM check_all('i');
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(1, 100) i;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8);
BEGIN;
TRUNCATE t;
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(200, 250) i;
SELECT * FROM check_all('i');
ROLLBACK;
SELECT recall('t', '<->', 8);
BEGIN;
TRUNCATE t;
INSERT INTO t SELECT i, vec(i, 8) FROM generate_series(200, 250) i;
COMMIT;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 8);
DROP TABLE t;

-- empty, unlogged, temporary
CREATE UNLOGGED TABLE t (id int, e vector(3));
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
SELECT * FROM check_all('i');
SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 5;
INSERT INTO t VALUES (1, '[1,2,3]'), (2, NULL), (3, '[4,5,6]');
SELECT * FROM check_all('i');
SET enable_seqscan = off;
SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 5;
RESET enable_seqscan;
DROP TABLE t;

CREATE TEMP TABLE t (id int, e vector(3)) ON COMMIT DELETE ROWS;
CREATE INDEX ON t USING hnsw (e vector_l2_ops);
BEGIN;
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(1, 500) i;
SELECT * FROM check_all('t_e_idx');
SELECT recall('t', '<->', 3) > 0.95;
COMMIT;
SELECT * FROM check_all('t_e_idx');
BEGIN;
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(501, 600) i;
SELECT * FROM check_all('t_e_idx');
COMMIT;
DROP TABLE t;

-- with vectors out of line: what the end of a transaction builds has no snapshot
CREATE TEMP TABLE t (id int, e vector(600)) ON COMMIT DELETE ROWS;
ALTER TABLE t ALTER e SET STORAGE EXTERNAL;
CREATE INDEX ON t USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 8);
BEGIN;
INSERT INTO t SELECT i, vec(i, 600) FROM generate_series(1, 20) i;
REINDEX INDEX t_e_idx;
SELECT * FROM check_all('t_e_idx');
COMMIT;
SELECT count(*) FROM t;
SELECT * FROM check_all('t_e_idx');
DROP TABLE t;

-- many equal rows: one vertex, a list of heap TIDs
CREATE TABLE t (id int, e vector(3));
INSERT INTO t SELECT i, '[1,1,1]' FROM generate_series(1, 5000) i;
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(5001, 5100) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
SELECT * FROM check_all('i');
SET enable_seqscan = off;
SELECT count(DISTINCT id) FROM (SELECT id FROM t ORDER BY e <-> '[1,1,1]' LIMIT 5000) s;
RESET enable_seqscan;
DROP TABLE t;

-- vertices of several pages; as far from each other as these are, it takes a wide
-- search
SET hnsw.ef_search = 300;
CREATE TABLE t (id int, e vector(2000));
INSERT INTO t SELECT i, vec(i, 2000) FROM generate_series(1, 70) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 32, ef_construction = 64);
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 2000, queries => 5);
INSERT INTO t SELECT i, vec(i, 2000) FROM generate_series(121, 140) i;
DELETE FROM t WHERE id % 3 = 0;
VACUUM t;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 2000, queries => 5);
INSERT INTO t SELECT i, vec(i, 2000) FROM generate_series(151, 170) i;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 2000, queries => 5);
DROP TABLE t;

CREATE TABLE t (id int, e vector(4096), f vector(8000));
INSERT INTO t SELECT i, vec(i, 4096), vec(i, 8000) FROM generate_series(1, 26) i;
CREATE INDEX i ON t USING hnsw (e vector_cosine_ops);
CREATE INDEX j ON t USING hnsw (f vector_l1_ops) WITH (m = 50, ef_construction = 100);
SELECT * FROM check_all('i');
SELECT * FROM check_all('j');
SELECT recall('t', '<=>', 4096, queries => 3), recall('t', '<+>', 8000, col => 'f', queries => 3);
INSERT INTO t SELECT i, vec(i, 4096), vec(i, 8000) FROM generate_series(41, 50) i;
DELETE FROM t WHERE id < 20;
VACUUM t;
INSERT INTO t SELECT i, vec(i, 4096), vec(i, 8000) FROM generate_series(51, 70) i;
SELECT * FROM check_all('i');
SELECT * FROM check_all('j');
SELECT recall('t', '<=>', 4096, queries => 3), recall('t', '<+>', 8000, col => 'f', queries => 3);
DROP TABLE t;
RESET hnsw.ef_search;

-- more than maintenance_work_mem holds: the rest goes to the pages
CREATE TABLE t (id int, e vector(64));
INSERT INTO t SELECT i, vec(i, 64) FROM generate_series(1, 2000) i;
INSERT INTO t SELECT i, vec(1, 64) FROM generate_series(3001, 3060) i;
SET maintenance_work_mem = '1MB';
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
RESET maintenance_work_mem;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 64) > 0.9;
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
