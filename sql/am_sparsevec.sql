-- Indexes on sparsevec, by every operator class: built, changed, vacuumed, rebuilt.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common

-- Some n coordinates of d, which depend on i alone, small whole numbers; low ones often
CREATE FUNCTION sparse(i int, n int, d int) RETURNS sparsevec LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT ('{' || coalesce(string_agg(format('%s:%s', at, 1 + abs(hashint4(i * 1009 + at) % 50)), ','), '') || '}/' || d)::sparsevec
	FROM (SELECT DISTINCT 1 + abs(hashint4(i * 7919 + j)) % least(d, 40 + j * 3) AS at FROM generate_series(1, n) j) s$$;
\set ECHO all

CREATE TABLE t (id int, e sparsevec(100000));
INSERT INTO t SELECT i, sparse(i, 20, 100000) FROM generate_series(1, 400) i;
INSERT INTO t SELECT 2000 + i, NULL FROM generate_series(1, 5) i;
INSERT INTO t SELECT 3000 + i, '{}/100000' FROM generate_series(1, 5) i;
CREATE INDEX l2 ON t USING hnsw (e sparsevec_l2_ops);
CREATE INDEX ip ON t USING hnsw (e sparsevec_ip_ops);
CREATE INDEX cosine ON t USING hnsw (e sparsevec_cosine_ops);
CREATE INDEX l1 ON t USING hnsw (e sparsevec_l1_ops);
CREATE TABLE operator AS SELECT * FROM (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) v(index, op);
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 100000, make => 'sparse(%s, 20, %s)') > 0.9 AS recall, stored_as, vectors FROM operator, index_status(index::regclass) ORDER BY index;

-- which index answers what, in order
SET enable_seqscan = off;
SELECT op, plan_of(format('SELECT id FROM t ORDER BY e %s sparse(-1, 20, 100000) LIMIT 3', op)) FROM operator ORDER BY op;
SELECT id, e <-> sparse(7, 20, 100000) AS distance FROM t ORDER BY e <-> sparse(7, 20, 100000) LIMIT 1;
SELECT id, e <+> sparse(7, 20, 100000) AS distance FROM t ORDER BY e <+> sparse(7, 20, 100000) LIMIT 1;
SELECT id, abs(e <=> sparse(7, 20, 100000)) < 1e-6 AS near FROM t ORDER BY e <=> sparse(7, 20, 100000) LIMIT 1;
SELECT bool_and(ascending) FROM (SELECT d >= lag(d) OVER () IS NOT FALSE AS ascending
	FROM (SELECT e <=> sparse(8, 20, 100000) AS d FROM t ORDER BY e <=> sparse(8, 20, 100000) LIMIT 50) s) s;
SELECT bool_and(ascending) FROM (SELECT d >= lag(d) OVER () IS NOT FALSE AS ascending
	FROM (SELECT e <-> sparse(8, 20, 100000) AS d FROM t ORDER BY e <-> sparse(8, 20, 100000) LIMIT 50) s) s;
-- zero vectors share a vertex; under cosine they are not indexed
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM t ORDER BY e <-> '{}/100000' LIMIT 5) s;
SELECT count(*) FILTER (WHERE id > 2000) AS zeros_and_nulls FROM (SELECT id FROM t ORDER BY e <=> sparse(1, 20, 100000) LIMIT 600) s;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <=> '{}/100000' LIMIT 3) s;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e <-> NULL LIMIT 3) s;
RESET enable_seqscan;

-- changed, vacuumed: rows come that are longer than all that the indexes were built with
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET e = sparse(id + 5000, 25, 100000) WHERE id % 3 = 1;
INSERT INTO t SELECT i, sparse(i, 20 + (i % 5) * 200, 100000) FROM generate_series(401, 500) i;
INSERT INTO t SELECT i, sparse(i, 4000, 100000) FROM generate_series(501, 505) i;
VACUUM t;
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 100000, make => 'sparse(%s, 20, %s)') > 0.9 AS recall, recall('t', op, 100000, make => 'sparse(%s, 500, %s)') > 0.9 AS of_long, index_degradation(index::regclass, 50) < 0.15 AS degradation FROM operator ORDER BY index;
SET enable_seqscan = off;
SELECT id, e <-> sparse(503, 4000, 100000) AS distance FROM t ORDER BY e <-> sparse(503, 4000, 100000) LIMIT 1;
RESET enable_seqscan;

-- rebuilt, at once and in the background
SELECT index, rebuild_index(index::regclass, m => 12, online => false) > 0 AS rebuilt FROM operator WHERE index IN ('l1', 'ip') ORDER BY index;
SELECT rebuild_index('l2', m => 12) > 0 AS started;
CALL wait_for_rebuild('l2');
REINDEX INDEX CONCURRENTLY cosine;
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 100000, make => 'sparse(%s, 20, %s)') > 0.9 AS recall, m, stored_as FROM operator, index_status(index::regclass) ORDER BY index;
DROP TABLE t;

-- pages that long vectors went on to are used again
CREATE TABLE t (id int, e sparsevec(10000)) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, sparse(i, 5, 10000) FROM generate_series(1, 200) i;
CREATE INDEX i ON t USING hnsw (e sparsevec_l2_ops);
INSERT INTO t SELECT i, sparse(i, 1500, 10000) FROM generate_series(201, 220) i;
SELECT pg_relation_size('i') AS size \gset
SELECT unnest(ARRAY['DELETE FROM t WHERE id > 200', 'VACUUM t',
	format('INSERT INTO t SELECT i, sparse(i * 10 + %s, 1500, 10000) FROM generate_series(201, 220) i', round)])
FROM generate_series(1, 6) round \gexec
SELECT pg_relation_size('i') <= 2.5 * :size AS used_again;
SELECT * FROM check_all('i');
SET enable_seqscan = off;
SELECT count(*) FROM t a WHERE (SELECT b.id FROM t b ORDER BY b.e <-> a.e LIMIT 1) = id AND id > 200;
RESET enable_seqscan;
DROP TABLE t;

-- any number of coordinates, where nothing was known of them: up to the type's limit
CREATE TABLE t (id int, e sparsevec(1000000000));
CREATE INDEX i ON t USING hnsw (e sparsevec_cosine_ops);
CREATE INDEX j ON t USING hnsw (e sparsevec_l1_ops) WITH (m = 100, ef_construction = 200);
INSERT INTO t SELECT n, (SELECT '{' || string_agg((n + k * 62499)::text || ':' || (1 + k % (n + 1)), ',') || '}/1000000000' FROM generate_series(1, n) k)::sparsevec
FROM unnest(ARRAY[1, 2, 107, 108, 200, 218, 219, 1000, 1235, 1236, 2253, 3000, 8000, 16000]) n;
SELECT * FROM check_all('i');
SELECT * FROM check_all('j');
SET enable_seqscan = off;
SELECT count(*) FROM t a WHERE (SELECT b.id FROM t b ORDER BY b.e <=> a.e LIMIT 1) = id;
SELECT count(*) FROM t a WHERE (SELECT b.id FROM t b ORDER BY b.e <+> a.e LIMIT 1) = id;
REINDEX TABLE t;
SELECT * FROM check_all('i');
SELECT * FROM check_all('j');
SELECT count(*) FROM t a WHERE (SELECT b.id FROM t b ORDER BY b.e <=> a.e LIMIT 1) = id;
SELECT count(*) FROM t a WHERE (SELECT b.id FROM t b ORDER BY b.e <+> a.e LIMIT 1) = id;
DROP TABLE t;

-- few dimensions, all of them used: as vectors have it
CREATE TABLE t (id int, e sparsevec(8));
INSERT INTO t SELECT i, vec(i, 8)::sparsevec FROM generate_series(1, 300) i;
CREATE INDEX i ON t USING hnsw (e sparsevec_l2_ops);
INSERT INTO t SELECT i, vec(i, 8)::sparsevec FROM generate_series(301, 400) i;
SELECT * FROM check_all('i');
SELECT count(*) AS queries, count(*) FILTER (WHERE found = id) AS found FROM (SELECT id, (SELECT b.id FROM t b ORDER BY b.e <-> a.e LIMIT 1) AS found FROM t a) s;
RESET enable_seqscan;
DROP TABLE t;

-- errors
CREATE TABLE t (e sparsevec, h sparsevec(3), v vector(3));
CREATE INDEX ON t USING hnsw (e sparsevec_l2_ops);
CREATE INDEX ON t USING hnsw (h);
CREATE INDEX ON t USING hnsw (v sparsevec_l2_ops);
CREATE INDEX ON t USING hnsw (h vector_l2_ops);
CREATE INDEX h ON t USING hnsw (h sparsevec_l2_ops);
INSERT INTO t (h) VALUES ('{1:1,3:3}/3');
SET enable_seqscan = off;
SELECT h FROM t ORDER BY h <-> '{1:1}/2' LIMIT 1;
-- an expression that makes sparse vectors of others
CREATE INDEX v ON t USING hnsw ((v::sparsevec(3)) sparsevec_ip_ops);
INSERT INTO t (v) VALUES ('[1,0.5,0]'), ('[0,1,0]'), ('[0,0,1e-30]');
SELECT v FROM t ORDER BY v::sparsevec(3) <#> '{2:1}/3' LIMIT 2;
SELECT * FROM check_all('v');
-- the dimensions are the index's
ALTER TABLE t ALTER h TYPE sparsevec(5) USING NULL;
INSERT INTO t (h) VALUES ('{5:1}/5');
SELECT * FROM check_all('h');
SELECT h FROM t WHERE h IS NOT NULL ORDER BY h <-> '{1:1}/5' LIMIT 1;
RESET enable_seqscan;
DROP TABLE t;

-- an unlogged one
CREATE UNLOGGED TABLE t (e sparsevec(900));
CREATE INDEX i ON t USING hnsw (e sparsevec_ip_ops);
INSERT INTO t SELECT sparse(i, 9 + i * 20, 900) FROM generate_series(1, 30) i;
SELECT * FROM check_all('i');
SELECT opcname, opcdefault, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE amname = 'hnsw' AND opcintype = 'sparsevec'::regtype ORDER BY opcname;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
