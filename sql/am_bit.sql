-- Indexes on bit, by both operator classes: built, changed, vacuumed, rebuilt.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common

-- d bits that depend on i alone, a third of them set
CREATE FUNCTION bits(i int, d int) RETURNS bit varying LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT string_agg((hashint4(i * 100003 + j) % 3 = 0)::int::text, '' ORDER BY j)::bit varying FROM generate_series(1, d) j$$;
\set ECHO all

CREATE TABLE t (id int, e bit(75));
INSERT INTO t SELECT i, bits(i, 75) FROM generate_series(1, 400) i;
INSERT INTO t SELECT 2000 + i, NULL FROM generate_series(1, 5) i;
-- no bit set: far from everything in Jaccard distance, and indexed all the same
INSERT INTO t SELECT 3000 + i, repeat('0', 75)::bit(75) FROM generate_series(1, 5) i;
CREATE INDEX hamming ON t USING hnsw (e bit_hamming_ops);
CREATE INDEX jaccard ON t USING hnsw (e bit_jaccard_ops);
CREATE TABLE operator AS SELECT * FROM (VALUES ('hamming', '<~>'), ('jaccard', '<%>')) v(index, op);
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 75, make => 'bits(%s, %s)', near => 0) > 0.9 AS recall, stored_as, vectors FROM operator, index_status(index::regclass) ORDER BY index;

-- which index answers what, in order
SET enable_seqscan = off;
SELECT op, plan_of(format('SELECT id FROM t ORDER BY e %s bits(-1, 75)::bit(75) LIMIT 3', op)) FROM operator ORDER BY op;
SELECT id, e <~> bits(7, 75)::bit(75) AS distance FROM t ORDER BY e <~> bits(7, 75)::bit(75) LIMIT 1;
SELECT id, e <%> bits(7, 75)::bit(75) AS distance FROM t ORDER BY e <%> bits(7, 75)::bit(75) LIMIT 1;
SELECT bool_and(ascending) FROM (SELECT d >= lag(d) OVER () IS NOT FALSE AS ascending
	FROM (SELECT e <~> bits(8, 75)::bit(75) AS d FROM t ORDER BY e <~> bits(8, 75)::bit(75) LIMIT 50) s) s;
SELECT bool_and(ascending) FROM (SELECT d >= lag(d) OVER () IS NOT FALSE AS ascending
	FROM (SELECT e <%> bits(8, 75)::bit(75) AS d FROM t ORDER BY e <%> bits(8, 75)::bit(75) LIMIT 50) s) s;
-- from no bit at all, everything is at distance 1
SELECT count(*), min(d), max(d) FROM (SELECT e <%> repeat('0', 75)::bit(75) AS d FROM t ORDER BY e <%> repeat('0', 75)::bit(75) LIMIT 20) s;
-- all rows with the vector, which share a vertex
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM t ORDER BY e <~> repeat('0', 75)::bit(75) LIMIT 5) s;
-- from NULL, any order
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <~> NULL LIMIT 3) s;
RESET enable_seqscan;

-- changed, vacuumed
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET e = bits(id + 5000, 75)::bit(75) WHERE id % 3 = 1;
INSERT INTO t SELECT i, bits(i, 75)::bit(75) FROM generate_series(401, 600) i;
VACUUM t;
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 75, make => 'bits(%s, %s)', near => 0) > 0.9 AS recall, index_degradation(index::regclass, 50) < 0.1 AS degradation FROM operator ORDER BY index;

-- rebuilt, at once and in the background
SELECT rebuild_index('hamming', m => 12, online => false) > 0 AS rebuilt;
SELECT rebuild_index('jaccard', m => 12) > 0 AS started;
CALL wait_for_rebuild('jaccard');
REINDEX INDEX CONCURRENTLY hamming;
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 75, make => 'bits(%s, %s)', near => 0) > 0.9 AS recall, m, stored_as FROM operator, index_status(index::regclass) ORDER BY index;
DROP TABLE t;

-- every length, those that fill bytes and words and those that do not
CREATE TABLE t (id int, e bit varying);
INSERT INTO t SELECT i, bits(i, 130) FROM generate_series(1, 60) i;
SET enable_seqscan = off;
DO $$
DECLARE
	length int;
	wrong bigint;
BEGIN
	FOREACH length IN ARRAY ARRAY[1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 96, 127, 128, 130] LOOP
		EXECUTE format('CREATE INDEX i ON t USING hnsw ((e::bit(%s)) bit_hamming_ops)', length);
		EXECUTE format('SELECT count(*) FROM t a WHERE (SELECT b.e::bit(%1$s) <~> a.e::bit(%1$s) FROM t b ORDER BY b.e::bit(%1$s) <~> a.e::bit(%1$s) LIMIT 1) > 0', length)
			INTO wrong;
		wrong := wrong + (SELECT count(*) FROM check_all('i'));
		IF wrong > 0 THEN
			RAISE WARNING 'length %: %', length, wrong;
		END IF;
		DROP INDEX i;
	END LOOP;
END $$;
DROP TABLE t;

-- the longest, which are over a page at m = 100
CREATE TABLE t (id int, e bit(64000));
INSERT INTO t SELECT i, repeat(bits(i, 100)::text, 640)::bit(64000) FROM generate_series(1, 40) i;
CREATE INDEX i ON t USING hnsw (e bit_jaccard_ops) WITH (m = 100, ef_construction = 200);
CREATE INDEX j ON t USING hnsw (e bit_hamming_ops);
INSERT INTO t SELECT i, repeat(bits(i, 100)::text, 640)::bit(64000) FROM generate_series(41, 60) i;
DELETE FROM t WHERE id % 4 = 0;
VACUUM t;
SELECT * FROM check_all('i');
SELECT * FROM check_all('j');
SELECT slots, pg_relation_size('i') > 60 * 8192 AS over_a_page FROM index_status('i');
SELECT count(*) FROM t a WHERE (SELECT b.id FROM t b ORDER BY b.e <%> a.e LIMIT 1) = id;
SELECT count(*) FROM t a WHERE (SELECT b.id FROM t b ORDER BY b.e <~> a.e LIMIT 1) = id;
DROP TABLE t;

-- errors and limits
CREATE TABLE t (a bit varying, b bit(64001), c bit(3), v vector(3));
CREATE INDEX ON t USING hnsw (a bit_hamming_ops);
CREATE INDEX ON t USING hnsw (b bit_hamming_ops);
CREATE INDEX ON t USING hnsw (c);
CREATE INDEX ON t USING hnsw (v bit_hamming_ops);
CREATE INDEX ON t USING hnsw (c vector_l2_ops);
CREATE INDEX c ON t USING hnsw (c bit_hamming_ops);
INSERT INTO t (c) VALUES (B'101');
SELECT c FROM t ORDER BY c <~> B'10' LIMIT 1;
-- an expression that makes bits of vectors
CREATE INDEX v ON t USING hnsw ((binary_quantize(v)::bit(3)) bit_hamming_ops);
INSERT INTO t (v) VALUES ('[1,-1,0]'), ('[-1,-1,2]');
SELECT v FROM t ORDER BY binary_quantize(v)::bit(3) <~> binary_quantize('[-3,-2,1]'::vector) LIMIT 1;
SELECT * FROM check_all('v');
-- the length is the index's
ALTER TABLE t ALTER c TYPE bit(5) USING c::bit(5);
INSERT INTO t (c) VALUES (B'10100');
SELECT * FROM check_all('c');
SELECT c FROM t ORDER BY c <~> B'10100' LIMIT 1;
RESET enable_seqscan;
DROP TABLE t;

-- an unlogged one
CREATE UNLOGGED TABLE t (e bit(9));
CREATE INDEX i ON t USING hnsw (e bit_jaccard_ops);
INSERT INTO t SELECT bits(i, 9)::bit(9) FROM generate_series(1, 30) i;
SELECT * FROM check_all('i');

-- where the order is relaxed, the executor compares rows with what it was told: floats, of fractions
CREATE TABLE relaxed AS SELECT i, ('x' || md5(i::text) || md5((-i)::text))::bit(256) e FROM generate_series(1, 1500) i;
CREATE INDEX relaxed_e ON relaxed USING hnsw (e bit_jaccard_ops);
SET enable_seqscan = off;
SET hnsw.ef_search = 1;
SET hnsw.iterative_scan = relaxed_order;
SELECT n, count(*) FROM (SELECT q, count(DISTINCT found.i) n FROM generate_series(1, 20) q,
	LATERAL (SELECT i FROM relaxed ORDER BY e <%> (SELECT e FROM relaxed r WHERE r.i = q) LIMIT 200) found
	GROUP BY q) a GROUP BY n;
RESET enable_seqscan;
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;

SELECT opcname, opcdefault, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE amname = 'hnsw' AND opcintype = 'bit'::regtype ORDER BY opcname;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
