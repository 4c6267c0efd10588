-- Vectors so small, or so large, that their squares are beyond the range of floats: they
-- may not be found, but nothing is said to be wrong, and what is found is in order.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE FUNCTION scaled(i int, d int, s float8) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((s * (x - 50) / 50)::real ORDER BY o)::vector FROM unnest(vec(i, d)::real[]) WITH ORDINALITY u (x, o)$$;
-- what is wrong about an index of such vectors, built and grown; and rows out of order
CREATE FUNCTION wrong(s float8, ops text, op text, d int) RETURNS SETOF text LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
	DROP TABLE IF EXISTS t;
	EXECUTE format('CREATE TABLE t (id int, e vector(%s))', d);
	INSERT INTO t SELECT i, scaled(i, d, s) FROM generate_series(1, 200) i;
	EXECUTE format('CREATE INDEX i ON t USING hnsw (e %s)', ops);
	INSERT INTO t SELECT i, scaled(i, d, s) FROM generate_series(201, 400) i;
	RETURN QUERY SELECT finding || ': ' || min(message) FROM check_index('i', true) WHERE severity = 'error' GROUP BY finding;
	RETURN QUERY EXECUTE format('SELECT ''out of order'' FROM (
		SELECT x, lag(x) OVER (ORDER BY n) AS before FROM (SELECT x, row_number() OVER () AS n FROM (
			SELECT e %1$s %2$L AS x FROM t ORDER BY e %1$s %2$L LIMIT 50) a) b) c WHERE x < before', op, scaled(-1, d, s));
END $$;
SELECT s, ops, d, wrong(s, ops, op, d)
FROM unnest(ARRAY[1e-38, 1e-30, 1e-22, 1e-20, 1e-18, 1e18, 1e19, 1e30, 1e38]) s,
	unnest(ARRAY['vector_l2_ops', 'vector_ip_ops', 'vector_cosine_ops', 'vector_l1_ops'], ARRAY['<->', '<#>', '<=>', '<+>']) o (ops, op),
	unnest(ARRAY[4, 40]) d;

-- where estimates are not even numbers, a search that goes on comes to every row
CREATE TABLE far AS SELECT i AS id, scaled(i, 8, 1e35)::vector(8) AS e FROM generate_series(1, 50) i;
CREATE INDEX ON far USING hnsw (e vector_l2_ops);
SET enable_seqscan = off;
SET hnsw.ef_search = 1;
SET hnsw.iterative_scan = relaxed_order;
SELECT n, count(*) FROM (SELECT q, (SELECT count(DISTINCT id) FROM (SELECT id FROM far ORDER BY e <-> scaled(-q, 8, 1e35) LIMIT 50) f) n
	FROM generate_series(1, 50) q) a GROUP BY n ORDER BY n;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
