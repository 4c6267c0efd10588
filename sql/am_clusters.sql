-- A query finds its cluster: from a vertex of another one the way leads through some that are
-- hardly nearer, and inner products near zero tell no direction.  Where the nearest alone is
-- visited on the way down, one or three of each of these 150 do not.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, e vector(48));
CREATE FUNCTION clustered(salt int, i int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT vec(-100 * salt - 1 - i % 12, 48) + vec(i, 48) * array_fill(0.5, '{48}')::vector$$;
-- how many queries find another cluster than theirs
CREATE FUNCTION lost(salt int, op text) RETURNS bigint LANGUAGE plpgsql
SET hnsw.ef_search = 10 SET enable_seqscan = off AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM generate_series(6001, 6150) i WHERE i %% 12 <>
		(SELECT id FROM t ORDER BY e %s clustered(%s, i) LIMIT 1) %% 12', op, salt) INTO n;
	RETURN n;
END $$;
INSERT INTO t SELECT i, clustered(2, i) FROM generate_series(1, 6000) i;
CREATE INDEX t_l2 ON t USING hnsw (e vector_l2_ops);
SELECT lost(2, '<->');
DROP INDEX t_l2;
TRUNCATE t;
INSERT INTO t SELECT i, clustered(12, i) FROM generate_series(1, 6000) i;
CREATE INDEX t_ip ON t USING hnsw (e vector_ip_ops);
SELECT lost(12, '<#>');
TRUNCATE t;
INSERT INTO t SELECT i, clustered(13, i) FROM generate_series(1, 6000) i;
REINDEX INDEX t_ip;
SELECT lost(13, '<#>');

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
