-- Rows one by one: into an empty index, into a graph, equal ones, in transactions
-- that end either way.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, e vector(4));
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 5, ef_construction = 20);
SET enable_seqscan = off;
INSERT INTO t VALUES (1, '[1,1,1,1]');
SELECT * FROM check_index('i', true);
SELECT id FROM t ORDER BY e <-> '[0,0,0,0]' LIMIT 3;
INSERT INTO t VALUES (2, '[2,2,2,2]'), (3, NULL), (4, '[1,1,1,1]');
SELECT * FROM check_index('i', true);
SELECT id FROM t ORDER BY e <-> '[0,0,0,0]' LIMIT 3;

-- one row a transaction, and many
INSERT INTO t SELECT i, vec(i, 4) FROM generate_series(5, 100) i;
DO $$
BEGIN
	FOR i IN 101..200 LOOP
		INSERT INTO am_test.t VALUES (i, am_test.vec(i, 4));
		COMMIT;
	END LOOP;
END $$;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 4) > 0.95;

-- transactions that roll back leave rows that nobody sees, and vacuum removes
BEGIN;
INSERT INTO t SELECT i, vec(i, 4) FROM generate_series(201, 250) i;
SAVEPOINT s;
INSERT INTO t SELECT i, vec(i, 4) FROM generate_series(251, 300) i;
ROLLBACK TO s;
SELECT recall('t', '<->', 4) > 0.95;
ROLLBACK;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 4) > 0.95;
VACUUM t;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 4) > 0.95;

-- equal rows, more than a vertex and a chunk hold, in many transactions
DO $$
BEGIN
	FOR i IN 1..50 LOOP
		INSERT INTO am_test.t VALUES (1000 + i, '[7,7,7,7]');
		COMMIT;
	END LOOP;
END $$;
INSERT INTO t SELECT 1050 + i, '[7,7,7,7]' FROM generate_series(1, 500) i;
SELECT count(DISTINCT id) FROM (SELECT id FROM t ORDER BY e <-> '[7,7,7,7]' LIMIT 550) s WHERE id > 1000;
SELECT * FROM check_all('i');

-- equal but for the sign of zero, which no distance sees
INSERT INTO t VALUES (2001, '[500,0,0,0]'), (2002, '[500,-0,0,0]'), (2003, '[500,0,-0,0]');
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> '[500,0,0,0]' LIMIT 3) s WHERE id > 2000;

-- updates: of the vector, and of something else
UPDATE t SET e = '[600,0,0,0]' WHERE id = 2001;
UPDATE t SET id = 2004 WHERE id = 2002;
SELECT id FROM t ORDER BY e <-> '[600,0,0,0]' LIMIT 1;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM t ORDER BY e <-> '[500,0,0,0]' LIMIT 2) s;
SELECT * FROM check_all('i');

-- updates of another indexed column: the rows join the vertices that are there
CREATE TABLE u (id int, c int, e vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO u SELECT i, 0, vec(i, 8) FROM generate_series(1, 500) i;
CREATE INDEX u_c ON u (c);
CREATE INDEX u_e ON u USING hnsw (e vector_l2_ops);
SELECT pg_relation_size('u_e') AS size \gset
UPDATE u SET c = 1;
UPDATE u SET c = 2;
SELECT pg_relation_size('u_e') = :size AS as_large_as_before;
SELECT * FROM check_all('u_e');
SELECT recall('u', '<->', 8) > 0.95;
DROP TABLE u;

-- COPY
COPY t FROM stdin;
3001	[700,0,0,0]
3002	[700,1,0,0]
\.
SELECT id FROM t ORDER BY e <-> '[700,0,0,0]' LIMIT 2;

-- values that distances overflow with
INSERT INTO t VALUES (4001, '[3e38,3e38,0,0]'), (4002, '[-3e38,3e38,0,0]'), (4003, '[1e-38,0,0,0]'), (4004, '[1e20,0,0,0]');
SELECT id FROM t ORDER BY e <-> '[1e20,0,0,0]' LIMIT 1 \g /dev/null
SELECT recall('t', '<->', 4) > 0.95;
SELECT * FROM check_all('i');
DELETE FROM t WHERE id > 4000;
VACUUM t;
SELECT * FROM check_all('i');
SELECT recall('t', '<->', 4) > 0.95;

-- ON CONFLICT, a unique column beside it
CREATE UNIQUE INDEX u ON t (id) WHERE id < 1000;
INSERT INTO t VALUES (5, '[1,2,3,4]') ON CONFLICT (id) WHERE id < 1000 DO UPDATE SET e = '[800,0,0,0]';
SELECT id FROM t ORDER BY e <-> '[800,0,0,0]' LIMIT 1;
INSERT INTO t VALUES (5, '[1,2,3,4]') ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (5, '[1,2,3,4]');
SELECT * FROM check_all('i');

-- a partial index, where rows move in and out
DROP INDEX i;
CREATE INDEX i ON t USING hnsw (e vector_cosine_ops) WHERE id < 100;
INSERT INTO t VALUES (-1, '[0,0,0,0]'), (-2, '[0,0,0,1]');
UPDATE t SET id = id + 5000 WHERE id BETWEEN 10 AND 20;
UPDATE t SET id = -id WHERE id BETWEEN 1001 AND 1010;
SELECT * FROM check_all('i');
SELECT bool_and(id < 100) FROM (SELECT id FROM t WHERE id < 100 ORDER BY e <=> '[7,7,7,7]' LIMIT 10) s;
DROP TABLE t;

-- an empty index that two rows of one statement meet
CREATE TABLE t (e vector(2));
CREATE INDEX i ON t USING hnsw (e vector_ip_ops);
INSERT INTO t VALUES ('[1,2]'), ('[1,2]'), ('[2,1]');
SELECT e FROM t ORDER BY e <#> '[1,0]', e LIMIT 3;
SELECT * FROM check_index('i', true);
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
