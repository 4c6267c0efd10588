-- optimize_index(): pages at the end of the file that hold nothing are cut off
SET client_min_messages = warning;
CREATE TABLE cmp (id int PRIMARY KEY, e vector(8), s sparsevec(100), w vector(2000)) WITH (autovacuum_enabled = off);
CREATE FUNCTION cmp_vec(seed int, d int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((hashint4(seed * d + i) % 1000)::real)::vector FROM generate_series(0, d - 1) i$$;
CREATE PROCEDURE cmp_optimize(index regclass) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM optimize_index(index, 0, measure => false);
	COMMIT;
	CALL wait_for_rebuild(index);
END $$;
CREATE FUNCTION cmp_fill(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO cmp SELECT i, cmp_vec(i / 2, 8),
		format('{%s:%s,%s:%s}/100', 1 + i % 50, (hashint4(i) % 100)::real, 51 + i % 49, 1 + i % 97)::sparsevec,
		CASE WHEN i % 10 = 0 THEN cmp_vec(i, 2000) END
	FROM generate_series(first, last) i $$;
SELECT cmp_fill(1, 2000);
CREATE INDEX cmp_e ON cmp USING hnsw (e vector_l2_ops) WITH (m = 5);
CREATE INDEX cmp_s ON cmp USING hnsw (s sparsevec_l2_ops) WITH (m = 5);
CREATE INDEX cmp_w ON cmp USING hnsw (w vector_l2_ops) WITH (m = 12);
CREATE TEMP TABLE built AS
	SELECT c.oid, c.relname, pg_relation_size(c.oid) AS bytes FROM pg_class c WHERE relname ~ '^cmp_[esw]$';

-- nothing to cut off
CALL cmp_optimize('cmp_e');
SELECT state, phase_ms ? 'compacting' AS compacting, (work->'pages')::int * 8192 = bytes AS pages,
	work->'pages_cut' AS cut, work->'pages_not_cut' AS not_cut, lock_hold_ms
FROM rebuild_history, built WHERE relname = 'cmp_e' ORDER BY id DESC LIMIT 1;

-- what came later has gone again
SELECT cmp_fill(2001, 4000);
DELETE FROM cmp WHERE id > 2000;
VACUUM (PARALLEL 0) cmp;
SELECT relname FROM built WHERE pg_relation_size(oid) > bytes ORDER BY relname;
CALL cmp_optimize('cmp_e');
CALL cmp_optimize('cmp_s');
CALL cmp_optimize('cmp_w');
SELECT index_name, state, (work->'pages_cut')::int > 0 AS cut, work->'pages_not_cut' AS not_cut,
	(work->'pages')::int - (work->'pages_cut')::int = pg_relation_size(index_oid) / 8192 AS pages, lock_hold_ms > 0 AS locked
FROM rebuild_history WHERE index_name ~ 'cmp_' ORDER BY id DESC LIMIT 3;
SELECT relname, pg_relation_size(oid) < bytes * 1.1 AS as_built FROM built ORDER BY relname;
SELECT relname, k.* FROM built, check_index(oid) k;

-- and comes again
SELECT cmp_fill(2001, 4000);
SET enable_seqscan = off;
SET hnsw.ef_search = 100;
SELECT count(*) < 5 AS found FROM cmp o WHERE o.e <-> (SELECT e FROM cmp ORDER BY e <-> o.e LIMIT 1) > 0;
SELECT count(*) < 5 AS found FROM cmp o WHERE o.w <-> (SELECT w FROM cmp ORDER BY w <-> o.w LIMIT 1) > 0;
RESET enable_seqscan;
SELECT relname, k.* FROM built, check_index(oid) k WHERE finding <> 'unreachable';

-- not where no exclusive lock is wanted
DELETE FROM cmp WHERE id > 2000;
VACUUM (PARALLEL 0) cmp;
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET hnsw_rebuild.cutover_method = swap_index;
CALL cmp_optimize('cmp_e');
ALTER DATABASE :"db" RESET hnsw_rebuild.cutover_method;
SELECT state, work->'pages_cut' AS cut, (work->'pages_not_cut')::int > 0 AS not_cut
FROM rebuild_history ORDER BY id DESC LIMIT 1;

-- an index of no rows
TRUNCATE cmp;
CALL cmp_optimize('cmp_e');
SELECT cmp_fill(1, 200);
DELETE FROM cmp;
VACUUM (PARALLEL 0) cmp;
CALL cmp_optimize('cmp_e');
SELECT work->'vertices' AS vertices, (work->'pages_cut')::int > 0 AS cut, pg_relation_size(index_oid) / 8192 AS pages
FROM rebuild_history ORDER BY id DESC LIMIT 1;
SELECT cmp_fill(1, 200);
SELECT relname, k.* FROM built, check_index(oid) k;
SELECT count(*) FROM (SELECT FROM cmp ORDER BY e <-> cmp_vec(1, 8) LIMIT 300) x;
DROP TABLE cmp;
DROP FUNCTION cmp_fill;
DROP FUNCTION cmp_vec;

-- pieces of vectors stay before the end when their vertices are cut off; the next VACUUM frees them
CREATE TABLE cmp_long (id int PRIMARY KEY, s sparsevec(5000)) WITH (autovacuum_enabled = off);
CREATE FUNCTION cmp_long_fill(first int, last int, n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO cmp_long SELECT i, (SELECT ('{' || string_agg(7 * j + i % 7 || ':' || 1 + abs(hashint4(1000 * i + j)) % 1000, ',') || '}/5000')::sparsevec
		FROM generate_series(1, n) j) FROM generate_series(first, last) i $$;
SELECT cmp_long_fill(1, 100, 20);
SELECT cmp_long_fill(101, 200, 700);
CREATE INDEX cmp_long_s ON cmp_long USING hnsw (s sparsevec_l2_ops) WITH (m = 4);
DELETE FROM cmp_long WHERE id BETWEEN 102 AND 200;
VACUUM cmp_long;
DELETE FROM cmp_long WHERE id = 101;
VACUUM cmp_long;
SELECT cmp_long_fill(301, 400, 20);
SELECT cmp_long_fill(501, 520, 700);
SELECT cmp_long_fill(601, 900, 20);
DELETE FROM cmp_long WHERE id > 500;
VACUUM cmp_long;
SELECT pg_relation_size('cmp_long_s') AS before \gset
CALL cmp_optimize('cmp_long_s');
SELECT pg_relation_size('cmp_long_s') < :before AS cut;
SELECT * FROM check_index('cmp_long_s');
DELETE FROM cmp_long WHERE id = 400;
VACUUM cmp_long;
SELECT * FROM check_index('cmp_long_s', true);
DROP TABLE cmp_long;
DROP FUNCTION cmp_long_fill;
DROP PROCEDURE cmp_optimize;
