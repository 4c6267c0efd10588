-- When the planner takes the index.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, e vector(16), note text);
INSERT INTO t SELECT i, vec(i, 16), repeat('x', 100) FROM generate_series(1, 5000) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 8);
ANALYZE t;

-- an order and a small limit
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 16) LIMIT 10$$);
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> (SELECT vec(1, 16)) LIMIT 10$$);
SELECT plan_of($$SELECT id FROM t WHERE id > 1000 ORDER BY e <-> vec(-1, 16) LIMIT 10$$);

-- no order, no limit: all rows are wanted, which only the table has
SELECT plan_of('SELECT id FROM t');
SELECT plan_of('SELECT count(*) FROM t');
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 16)$$);
SET enable_seqscan = off;
SELECT plan_of('SELECT id FROM t');
SELECT plan_of('SELECT count(*) FROM t');
RESET enable_seqscan;

-- a condition on distance alone does not order
SELECT plan_of($$SELECT id FROM t WHERE e <-> vec(-1, 16) < 10$$);

-- a few rows that another index finds
CREATE INDEX on_id ON t (id);
SELECT plan_of($$SELECT id FROM t WHERE id IN (1, 2, 3) ORDER BY e <-> vec(-1, 16) LIMIT 2$$);
SELECT plan_of($$SELECT id FROM t ORDER BY id LIMIT 2$$);
DROP TABLE t;

-- also where sorting the table is dearer than a search
CREATE TABLE t (id int, e vector(3));
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(1, 3000) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 8);
ANALYZE t;
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 3)$$);
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 3) LIMIT 10$$);
DROP TABLE t;

-- vectors out of line, which the planner takes for free
CREATE TABLE t (id int, e vector(600));
ALTER TABLE t ALTER e SET STORAGE EXTERNAL;
INSERT INTO t SELECT i, vec(i, 600) FROM generate_series(1, 300) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 8);
ANALYZE t;
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 600)$$);
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 600) LIMIT 10$$);
DROP TABLE t;

-- an empty table, one never analyzed
CREATE TABLE t (id int, e vector(16));
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 16) LIMIT 10$$) IS NOT NULL;
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
