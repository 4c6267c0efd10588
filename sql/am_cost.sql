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

-- filters: a scan has to go on for rows that pass, the fewer the longer; without TOAST ...
CREATE TABLE t (id int, part float8, indexed float8, e vector(16));
INSERT INTO t SELECT i, i / 8000.0, i / 8000.0, vec(i, 16) FROM generate_series(0, 7999) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 8);
CREATE INDEX on_indexed ON t (indexed);
ANALYZE t;
SELECT n, part, plan_of(format('SELECT id FROM t WHERE part < %s ORDER BY e <-> vec(-1, 16) LIMIT %s', part, n)) AS filtered,
	plan_of(format('SELECT id FROM t WHERE indexed < %s ORDER BY e <-> vec(-1, 16) LIMIT %s', part, n)) AS indexed
FROM unnest(ARRAY[10, 200]) n, unnest(ARRAY[0.9, 0.5, 0.1, 0.001]) part ORDER BY n, part DESC;
-- more rows than a search is good for
SELECT n, plan_of(format('SELECT id FROM t ORDER BY e <-> vec(-1, 16) LIMIT %s', n)) FROM unnest(ARRAY[1, 100, 4000, 7900]) n ORDER BY n;
-- of a join or a subquery, each has a limit of its own
SELECT plan_of($$SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> vec(-1, 16) LIMIT 5) s$$);
SELECT plan_of($$SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> vec(-1, 16)) s$$);
DROP TABLE t;
-- ... and with it: what does not pass is not fetched
CREATE TABLE t (id int, part float8, indexed float8, e vector(600));
ALTER TABLE t ALTER e SET STORAGE EXTERNAL;
INSERT INTO t SELECT i, i / 1000.0, i / 1000.0, vec(i, 600) FROM generate_series(0, 999) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 8);
CREATE INDEX on_indexed ON t (indexed);
ANALYZE t;
SELECT n, part, plan_of(format('SELECT id FROM t WHERE part < %s ORDER BY e <-> vec(-1, 600) LIMIT %s', part, n)) AS filtered,
	plan_of(format('SELECT id FROM t WHERE indexed < %s ORDER BY e <-> vec(-1, 600) LIMIT %s', part, n)) AS indexed
FROM unnest(ARRAY[1, 10]) n, unnest(ARRAY[0.9, 0.5, 0.01]) part ORDER BY n, part DESC;
DROP TABLE t;

-- how much a vector takes depends on its type
CREATE TABLE t (id int, b bit(8000), s sparsevec(1000000));
INSERT INTO t SELECT i, repeat((i * 7919 % 4096)::bit(16)::text, 500)::bit(8000), format('{%s:1,%s:2,%s:3}/1000000', i, 5000 + i % 100, 9000 + i % 7)::sparsevec FROM generate_series(1, 3000) i;
CREATE INDEX b ON t USING hnsw (b bit_hamming_ops) WITH (m = 4, ef_construction = 8);
CREATE INDEX s ON t USING hnsw (s sparsevec_l2_ops) WITH (m = 4, ef_construction = 8);
ANALYZE t;
SELECT filter, plan_of(format('SELECT id FROM t WHERE %s ORDER BY b <~> repeat(''1'', 8000)::bit(8000) LIMIT 5', filter)) AS bit,
	plan_of(format('SELECT id FROM t WHERE %s ORDER BY s <-> ''{1:1}/1000000'' LIMIT 5', filter)) AS sparsevec
FROM unnest(ARRAY['true', 'id > 1000', 'id < 10']) filter ORDER BY filter;
DROP TABLE t;

-- an empty table, one never analyzed
CREATE TABLE t (id int, e vector(16));
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> vec(-1, 16) LIMIT 10$$) IS NOT NULL;
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
