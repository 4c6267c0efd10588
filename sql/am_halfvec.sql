-- Indexes on halfvec, by every operator class: built, changed, vacuumed, rebuilt.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, e halfvec(40));
INSERT INTO t SELECT i, vec(i, 40) FROM generate_series(1, 400) i;
INSERT INTO t SELECT 2000 + i, NULL FROM generate_series(1, 5) i;
INSERT INTO t SELECT 3000 + i, array_fill(0, ARRAY[40]) FROM generate_series(1, 5) i;
CREATE INDEX l2 ON t USING hnsw (e halfvec_l2_ops);
CREATE INDEX ip ON t USING hnsw (e halfvec_ip_ops);
CREATE INDEX cosine ON t USING hnsw (e halfvec_cosine_ops);
CREATE INDEX l1 ON t USING hnsw (e halfvec_l1_ops);
CREATE TABLE operator AS SELECT * FROM (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) v(index, op);
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 40) > 0.9 AS recall, stored_as FROM operator, index_status(index::regclass) ORDER BY index;

-- which index answers what
SET enable_seqscan = off;
SELECT op, plan_of(format('SELECT id FROM t ORDER BY e %s vec(-1, 40)::halfvec LIMIT 3', op)) FROM operator ORDER BY op;
SELECT plan_of('SELECT id FROM t ORDER BY e::vector <-> vec(-1, 40) LIMIT 3') AS of_another_type;
-- a vector as query
SELECT count(*), bool_and(near) FROM (SELECT e <-> vec(7, 40) = 0 AS near FROM t ORDER BY e <-> vec(7, 40) LIMIT 1) s;
RESET enable_seqscan;

-- changed, vacuumed
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET e = vec(id + 5000, 40) WHERE id % 3 = 1;
INSERT INTO t SELECT i, vec(i, 40) FROM generate_series(401, 600) i;
VACUUM t;
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 40) > 0.9 AS recall, index_degradation(index::regclass, 50) < 0.1 AS degradation FROM operator ORDER BY index;

-- rebuilt, at once and in the background
SELECT index, rebuild_index(index::regclass, m => 12, online => false) > 0 AS rebuilt FROM operator WHERE index IN ('l1', 'ip') ORDER BY index;
SELECT rebuild_index('l2', m => 12) > 0 AS started;
CALL wait_for_rebuild('l2');
SELECT rebuild_index('cosine', m => 12) > 0 AS started;
CALL wait_for_rebuild('cosine');
SELECT index, c.* FROM operator, check_all(index::regclass) c;
SELECT index, recall('t', op, 40) > 0.9 AS recall, m, stored_as FROM operator, index_status(index::regclass) ORDER BY index;
DROP TABLE t;

-- halves are stored as they are, whatever their size, also where nothing was known of them
CREATE TABLE t (id int, e halfvec(3));
CREATE INDEX i ON t USING hnsw (e halfvec_l2_ops);
SELECT stored_as FROM index_status('i');
INSERT INTO t SELECT i, ARRAY[65504.0 / (i + 1), 0.0009765625 * (i % 13), -6e-8 * i] FROM generate_series(1, 200) i;
SELECT * FROM check_all('i');
SET enable_seqscan = off;
SELECT count(*) AS queries, count(*) FILTER (WHERE found = id) AS found, count(*) FILTER (WHERE distance = 0) AS exact
FROM (SELECT id, (SELECT b.id FROM t b ORDER BY b.e <-> a.e LIMIT 1) AS found, (SELECT b.e <-> a.e FROM t b ORDER BY b.e <-> a.e LIMIT 1) AS distance FROM t a) s;
RESET enable_seqscan;
DROP TABLE t;

-- errors and limits
CREATE TABLE t (e halfvec, f halfvec(8001), g halfvec(8000), h halfvec(3), v vector(3));
CREATE INDEX ON t USING hnsw (e halfvec_l2_ops);
CREATE INDEX ON t USING hnsw (f halfvec_l2_ops);
CREATE INDEX ON t USING hnsw (h);
CREATE INDEX ON t USING hnsw (v halfvec_l2_ops);
CREATE INDEX ON t USING hnsw (h vector_l2_ops);
CREATE INDEX g ON t USING hnsw (g halfvec_l2_ops);
INSERT INTO t (g) SELECT array_fill(i, ARRAY[8000]) FROM generate_series(1, 3) i;
SELECT * FROM check_all('g');
SET enable_seqscan = off;
SELECT subvector(g, 1, 1) FROM t ORDER BY g <-> array_fill(2.1, ARRAY[8000])::halfvec LIMIT 1;
CREATE INDEX h ON t USING hnsw (h halfvec_l2_ops);
INSERT INTO t (h) VALUES ('[1,2,3]');
SELECT h FROM t ORDER BY h <-> '[1,2]' LIMIT 1;
RESET enable_seqscan;
-- an expression that makes halves of vectors
CREATE INDEX v ON t USING hnsw ((v::halfvec(3)) halfvec_cosine_ops);
INSERT INTO t (v) VALUES ('[1,0.1,0]'), ('[0,1,0]'), ('[0,0,1e-30]');
SELECT * FROM check_all('v');
INSERT INTO t (v) VALUES ('[1e6,0,0]');
SELECT opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE amname = 'hnsw' AND opcintype = 'halfvec'::regtype ORDER BY opcname;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
