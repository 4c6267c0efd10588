-- Half of the rows are those of 100 vectors, and half of the queries ask for these.  A search that does not
-- come to one misses all of its rows: where as many links lead there as to any other, three or
-- four of each of these 100.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

-- only large coordinates
CREATE FUNCTION large(i int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg(CASE WHEN abs(x) > 84 THEN x ELSE 0 END)::vector FROM unnest(vec(i, dims)::real[]) x$$;
CREATE FUNCTION often(i int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT large(CASE WHEN i % 2 = 0 THEN -1 - i / 2 % 100 ELSE i END, dims)$$;
-- how many queries for a vector of many rows find another one
CREATE FUNCTION lost(op text, type text, dims int) RETURNS bigint LANGUAGE plpgsql
SET hnsw.ef_search = 40 SET enable_seqscan = off AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM generate_series(1, 100) i WHERE large(-i, %2$s)::%3$s <>
		(SELECT e FROM t ORDER BY e %1$s large(-i, %2$s)::%3$s LIMIT 1)', op, dims, type) INTO n;
	RETURN n;
END $$;
CREATE TABLE t (id int, e sparsevec(33));
INSERT INTO t SELECT i, often(i, 33)::sparsevec FROM generate_series(1, 6000) i;
CREATE INDEX t_l1 ON t USING hnsw (e sparsevec_l1_ops);
SELECT lost('<+>', 'sparsevec', 33) <= 1;
DROP INDEX t_l1;
CREATE INDEX t_l2 ON t USING hnsw (e sparsevec_l2_ops);
SELECT lost('<->', 'sparsevec', 33) <= 1;
SELECT message FROM check_index('t_l2', true);
DROP TABLE t;
CREATE TABLE t (id int, e vector(128));
INSERT INTO t SELECT i, often(i, 128) FROM generate_series(1, 6000) i;
CREATE INDEX t_l2 ON t USING hnsw (e vector_l2_ops);
SELECT lost('<->', 'vector', 128) <= 1;
SELECT message FROM check_index('t_l2', true);
-- and of a graph that is made in parts, where three are lost otherwise
SET maintenance_work_mem = '2MB';
SET max_parallel_maintenance_workers = 0;
REINDEX INDEX t_l2;
SELECT lost('<->', 'vector', 128) <= 1;
SELECT message FROM check_index('t_l2', true);
RESET maintenance_work_mem;
-- Under the inner product, queries like a vector look for a longer one: what leads to that is not given up.
DROP TABLE t;
CREATE FUNCTION scaled(i int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((x - 50) * (1 + hashint4(i) & 7))::vector FROM unnest(vec(i, dims)::real[]) x$$;
CREATE TABLE t (id int, e vector(48));
INSERT INTO t SELECT i, scaled(CASE WHEN i % 4 <> 0 THEN -1000 - i % 200 ELSE i END, 48) FROM generate_series(1, 20000) i;
CREATE INDEX t_ip ON t USING hnsw (e vector_ip_ops) WITH (m = 4);
SET hnsw.ef_search = 10;
SELECT recall('t', '<#>', 48, queries => 100, make => 'am_test.scaled(%s, %s)', k => 1) > .86;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
