-- Rows that are dead to everybody, as scans find them: they are passed over by later
-- scans, before VACUUM comes, and rows that join them are found.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

SET enable_seqscan = off;
SET hnsw.ef_search = 40;

-- How many heap TIDs the index gives out for the ten nearest.  Other sessions may hold
-- back for a while what counts as dead to everybody: asks until no more than `most`.
CREATE PROCEDURE ask(query text, index regclass, most int, INOUT tids bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		tids := pg_stat_get_xact_tuples_returned(index);
		EXECUTE query;
		tids := pg_stat_get_xact_tuples_returned(index) - tids;
		EXIT WHEN tids <= most;
		-- how far dead to everybody reaches is asked anew after a transaction with a number
		PERFORM pg_current_xact_id();
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
CREATE FUNCTION ids(query text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	a int[];
BEGIN
	EXECUTE 'SELECT array_agg(id) FROM (' || query || ') s' INTO a;
	RETURN a;
END $$;

CREATE TABLE t (id int, e vector(3)) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, ARRAY[i, i % 7, 0]::vector FROM generate_series(1, 1000) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
\set q 'SELECT id FROM am_test.t ORDER BY e <-> ''[0,0,0]'' LIMIT 10'
DELETE FROM t WHERE id <= 100;
-- the first scan goes through a hundred dead rows, later ones do not
CALL ask(:'q', 'i', 1000, NULL) \gset
SELECT :tids > 100 AS through_all;
CALL ask(:'q', 'i', 10, NULL);
SELECT ids(:'q');
SELECT * FROM check_index('i', true);
-- a small pool finds them, too
SET hnsw.ef_search = 1;
SELECT array_length(ids(:'q'), 1);
SET hnsw.ef_search = 40;

-- a row that joins a dead one is found at once
INSERT INTO t VALUES (2001, '[3,3,0]'), (2002, '[50,1,0]');
SELECT ids(:'q');
-- the dead row beside 2002 stays in the way
DELETE FROM t WHERE id = 2001;
CALL ask(:'q', 'i', 11, NULL);
SELECT ids(:'q');
-- an update in place of the vector
UPDATE t SET e = '[1,1,0]' WHERE id = 900;
SELECT ids(:'q');
SELECT * FROM check_index('i', true);
-- VACUUM removes them like others
VACUUM t;
SELECT ids(:'q');
SELECT * FROM check_index('i', true);

-- equal rows: all of a vertex's are dead, or it is not passed over
TRUNCATE t;
INSERT INTO t SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(1, 100) i;
INSERT INTO t SELECT 1000 + i, '[0,0,0]' FROM generate_series(1, 60) i;
INSERT INTO t SELECT 2000 + i, '[0,1,0]' FROM generate_series(1, 2) i;
DELETE FROM t WHERE id BETWEEN 1000 AND 1060 OR id = 2001;
CALL ask(:'q', 'i', 11, NULL);
SELECT ids(:'q');
INSERT INTO t VALUES (3000, '[0,0,0]');
SELECT ids(:'q');
DELETE FROM t WHERE id = 3000;
CALL ask(:'q', 'i', 11, NULL);
SELECT * FROM check_index('i', true);
VACUUM t;
SELECT * FROM check_index('i', true);
-- so many that nobody counts them again: they stay in the way until VACUUM
INSERT INTO t SELECT 5000 + i, '[0,0,0]' FROM generate_series(1, 300) i;
DELETE FROM t WHERE id > 5000;
CALL ask(:'q', 'i', 1000, NULL) \gset
SELECT ids(:'q');
VACUUM t;
CALL ask(:'q', 'i', 10, NULL);
-- all rows
DELETE FROM t;
CALL ask(:'q', 'i', 1000, NULL) \gset
CALL ask(:'q', 'i', 0, NULL);
INSERT INTO t VALUES (1, '[1,0,0]'), (2, '[2,2,2]');
SELECT ids(:'q');
VACUUM t;
SELECT ids(:'q');
SELECT * FROM check_index('i', true);
DROP TABLE t;

-- a savepoint that is rolled back leaves dead rows as well
CREATE TABLE t (id int, e vector(3)) WITH (autovacuum_enabled = off);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
INSERT INTO t SELECT i, ARRAY[i, i % 7, 0]::vector FROM generate_series(1, 200) i;
BEGIN;
INSERT INTO t SELECT 1000 + i, ARRAY[i / 300.0, 0, 0]::vector FROM generate_series(1, 200) i;
ROLLBACK;
CALL ask(:'q', 'i', 10, NULL);
SELECT ids(:'q');
DROP TABLE t;

-- tables of the session; without WAL nothing is marked
CREATE TEMP TABLE tt (id int, e vector(3));
INSERT INTO tt SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(1, 500) i;
CREATE INDEX tti ON tt USING hnsw (e vector_l2_ops);
DELETE FROM tt WHERE id <= 100;
\set q 'SELECT id FROM pg_temp.tt ORDER BY e <-> ''[0,0,0]'' LIMIT 10'
CALL ask(:'q', 'pg_temp.tti', 10, NULL);
SELECT ids(:'q');
INSERT INTO tt VALUES (1001, '[4,0,0]');
SELECT ids(:'q');
DROP TABLE tt;
CREATE UNLOGGED TABLE u (id int, e vector(3)) WITH (autovacuum_enabled = off);
INSERT INTO u SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(1, 500) i;
CREATE INDEX ui ON u USING hnsw (e vector_l2_ops);
DELETE FROM u WHERE id <= 100;
\set q 'SELECT id FROM am_test.u ORDER BY e <-> ''[0,0,0]'' LIMIT 10'
CALL ask(:'q', 'ui', 1000, NULL) \gset
CALL ask(:'q', 'ui', 1000, NULL) \gset
SELECT :tids > 100 AS through_all;
SELECT ids(:'q');

SET client_min_messages = error;
DROP SCHEMA am_test CASCADE;
