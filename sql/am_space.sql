-- Room in pages that one session has begun is used by the next, before any vacuum.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all
SET search_path = am_test, public;
CREATE TABLE t (id int, e vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
CREATE TABLE same (id int, e vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX same_i ON same USING hnsw (e vector_l2_ops);
CREATE PROCEDURE add_some(n int) LANGUAGE sql AS $$
	INSERT INTO am_test.t SELECT n * 100 + i, am_test.vec(n * 100 + i, 8) FROM generate_series(1, 20) i;
	INSERT INTO am_test.same SELECT i, '[1,2,3,4,5,6,7,8]' FROM generate_series(1, 20) i;
$$;
\c -
CALL am_test.add_some(1);
\c -
CALL am_test.add_some(2);
\c -
CALL am_test.add_some(3);
\c -
CALL am_test.add_some(4);
\c -
CALL am_test.add_some(5);
\c -
CALL am_test.add_some(6);
\c -
CALL am_test.add_some(7);
\c -
CALL am_test.add_some(8);
SET search_path = am_test, public;
-- metapage, vertex, its TIDs, and one more if it is also a vertex of an upper level
SELECT pg_relation_size('same_i') / current_setting('block_size')::int <= 4 AS few_pages;
SELECT pg_relation_size('i') AS size \gset
SELECT * FROM check_all('i') UNION ALL SELECT * FROM check_all('same_i');
REINDEX INDEX i;
SELECT :size <= 1.2 * pg_relation_size('i') AS as_small_as_rebuilt;
\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
