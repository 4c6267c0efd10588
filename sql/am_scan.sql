-- Index scans: the order of what they return, and every way to start one.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int PRIMARY KEY, e vector(3));
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(1, 300) i;
INSERT INTO t SELECT 1000 + i, '[1,2,3]' FROM generate_series(1, 25) i;
INSERT INTO t VALUES (2001, NULL), (2002, '[0,0,0]');
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
SET enable_seqscan = off;
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 5$$);

-- distances never fall
CREATE FUNCTION falls(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	x float8;
	last float8 := '-infinity';
	n bigint := 0;
BEGIN
	FOR x IN EXECUTE query LOOP
		IF x < last THEN n := n + 1; END IF;
		last := x;
	END LOOP;
	RETURN n;
END $$;
SELECT falls($$SELECT e <-> '[5,5,5]' FROM t ORDER BY e <-> '[5,5,5]' LIMIT 1000$$);
SELECT falls($$SELECT e <-> '[-90,80,3]' FROM t ORDER BY e <-> '[-90,80,3]' LIMIT 1000$$);

-- the nearest, exactly; all rows of a tie, each once
SET hnsw.ef_search = 400;
SELECT count(*), count(DISTINCT id), min(x), max(x) FROM
	(SELECT id, e <-> '[1,2,3]' AS x FROM t ORDER BY e <-> '[1,2,3]' LIMIT 25) s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY e <-> '[1,2,3]' LIMIT 1000) s;
SELECT id, round((e <-> '[0,0,0]')::numeric, 4) AS x FROM t WHERE id < 1000 OR id > 2000 ORDER BY e <-> '[0,0,0]' LIMIT 5;
RESET hnsw.ef_search;

-- limits
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 0) s;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 1) s;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> '[0,0,0]' OFFSET 10 LIMIT 10) s;
SET hnsw.ef_search = 1;
SELECT count(*) > 0 FROM (SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 5) s;
SET hnsw.ef_search = 1000;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 5) s;
SET hnsw.ef_search = 0;
SET hnsw.ef_search = 1001;
RESET hnsw.ef_search;

-- other conditions are looked at afterwards
SELECT id FROM t WHERE id % 2 = 1 AND id < 100 ORDER BY e <-> '[1,2,3]' LIMIT 3 \g /dev/null
SELECT bool_and(id % 2 = 1) FROM (SELECT id FROM t WHERE id % 2 = 1 ORDER BY e <-> '[1,2,3]' LIMIT 5) s;

-- prepared, with a generic plan
PREPARE nearest(vector) AS SELECT id FROM t ORDER BY e <-> $1 LIMIT 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE nearest(vec(17, 3));
EXECUTE nearest(vec(18, 3));
EXECUTE nearest('[1,2,3,4]');
RESET plan_cache_mode;
DEALLOCATE nearest;

-- one scan for each row of another: every row is nearest to itself
SELECT count(*), count(*) FILTER (WHERE n.x = 0) FROM t q,
	LATERAL (SELECT t.e <-> q.e AS x FROM t ORDER BY t.e <-> q.e LIMIT 1) n WHERE q.id <= 100;

-- a subquery's value
SELECT e <-> (SELECT e FROM t WHERE id = 5) AS x FROM t ORDER BY e <-> (SELECT e FROM t WHERE id = 5) LIMIT 1;

-- a cursor
BEGIN;
DECLARE c CURSOR FOR SELECT e <-> '[1,2,3]' AS x FROM t ORDER BY e <-> '[1,2,3]';
FETCH 2 FROM c;
MOVE 20 IN c;
FETCH 3 FROM c;
MOVE ALL IN c;
FETCH 1 FROM c;
CLOSE c;
DECLARE c SCROLL CURSOR FOR SELECT id > 1000 AS twin FROM t ORDER BY e <-> '[1,2,3]' LIMIT 30;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH FIRST FROM c;
ROLLBACK;

-- NULL and zero as the query, other dimensions
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> NULL::vector LIMIT 5) s;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> (SELECT NULL::vector) LIMIT 5) s;
SELECT id FROM t ORDER BY e <-> '[0,0,0]' LIMIT 1;
SELECT id FROM t ORDER BY e <-> '[0,0]' LIMIT 1;
SELECT id FROM t ORDER BY e <-> (SELECT '[0,0,0,0]'::vector) LIMIT 1;

-- an operator of another class, descending order, no order: not by this index
SELECT plan_of($$SELECT id FROM t ORDER BY e <#> '[0,0,0]' LIMIT 5$$);
SELECT plan_of($$SELECT id FROM t ORDER BY e <-> '[0,0,0]' DESC LIMIT 5$$);
SELECT plan_of($$SELECT id FROM t ORDER BY '[0,0,0]' <-> e LIMIT 5$$);
SELECT plan_of($$SELECT e FROM t WHERE e = '[1,2,3]'$$);
SELECT plan_of($$SELECT count(*) FROM t WHERE e IS NULL$$);

-- rows locked, rows deleted, old snapshots
BEGIN;
SELECT id FROM t WHERE id = 5 FOR UPDATE;
SELECT e <-> '[1,2,3]' AS x FROM t ORDER BY e <-> '[1,2,3]' LIMIT 1 FOR UPDATE;
ROLLBACK;
BEGIN;
DELETE FROM t WHERE id > 1000;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> '[1,2,3]' LIMIT 25) s WHERE id > 1000;
ROLLBACK;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> '[1,2,3]' LIMIT 25) s WHERE id > 1000;

-- a row updated without a change of its vector is still found, once
UPDATE t SET id = id + 10000 WHERE id BETWEEN 1001 AND 1005;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY e <-> '[1,2,3]' LIMIT 25) s WHERE id > 1000;
SELECT * FROM check_all('i');

-- cosine: zero vectors are not in the index, a zero query gives any order
DROP INDEX i;
CREATE INDEX i ON t USING hnsw (e vector_cosine_ops);
SELECT count(*) FILTER (WHERE id = 2002), count(*) > 0 FROM (SELECT id FROM t ORDER BY e <=> '[1,1,1]' LIMIT 1000) s;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <=> '[0,0,0]' LIMIT 5) s;
SELECT * FROM check_all('i');
DROP TABLE t;

-- unit vectors that half precision holds exactly, among others that it does not: no
-- row may come nearer than the index says
CREATE TABLE t (id int, e vector(32));
INSERT INTO t SELECT i, ARRAY(SELECT CASE WHEN i % 2 = 1 THEN abs(hashint4(i * 100 + j) % 1000) WHEN j = 1 + (i / 2) % 32 THEN 1 ELSE 0 END
	FROM generate_series(1, 32) j)::vector FROM generate_series(1, 600) i;
CREATE INDEX i ON t USING hnsw (e vector_cosine_ops);
CREATE FUNCTION ask(n int) RETURNS bigint LANGUAGE plpgsql SET enable_sort = off AS $$
DECLARE
	q vector;
	total bigint := 0;
	n_rows bigint;
BEGIN
	FOR i IN 1..n LOOP
		q := ARRAY(SELECT abs(hashint4(-i * 100 - j) % 1000) + CASE WHEN j = 1 + i % 32 THEN 3000 ELSE 0 END FROM generate_series(1, 32) j)::vector;
		SELECT count(*) INTO n_rows FROM (SELECT e <=> q AS x FROM am_test.t ORDER BY e <=> q LIMIT 60) s WHERE x > 0;
		total := total + n_rows;
	END LOOP;
	RETURN total;
END $$;
SELECT ask(500);
SELECT * FROM check_all('i');
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
