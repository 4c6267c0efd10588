-- Many scans in one query: rescans, by joins and by parallel workers, of all types at once;
-- what such a scan cannot do.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, v vector(8), h halfvec(8), s sparsevec(8), b bit(8));
INSERT INTO t SELECT i, vec(i, 8), vec(i, 8), vec(i, 8)::sparsevec, (i % 256)::bit(8) FROM generate_series(1, 1000) i;
CREATE INDEX v ON t USING hnsw (v vector_l2_ops);
CREATE INDEX h ON t USING hnsw (h halfvec_cosine_ops);
CREATE INDEX s ON t USING hnsw (s sparsevec_l1_ops);
CREATE INDEX b ON t USING hnsw (b bit_hamming_ops);
ANALYZE t;

-- what the planner is told: no way back, no order by value, nothing to return from the index alone
SELECT p, pg_index_has_property('v', p) FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) p;
SELECT p, pg_index_column_has_property('v', 1, p)
FROM unnest(ARRAY['orderable', 'distance_orderable', 'returnable', 'search_array', 'search_nulls']) p;

SET enable_seqscan = off;
SET enable_sort = off;
-- backwards and again, the executor keeps the rows
BEGIN;
EXPLAIN (COSTS OFF) DECLARE c SCROLL CURSOR FOR SELECT id FROM t ORDER BY v <-> vec(1, 8);
DECLARE c SCROLL CURSOR FOR SELECT id = lag(id) OVER () IS TRUE AS again, round((v <-> vec(1, 8))::numeric, 3) AS d FROM t ORDER BY v <-> vec(1, 8);
FETCH 1 FROM c;
MOVE 5 IN c;
MOVE BACKWARD ALL IN c;
FETCH 1 FROM c;
ROLLBACK;

-- scans of several indexes under way at a time, each its own rows
SELECT count(*), count(DISTINCT (id, i)) FROM (
	(SELECT id, 1 AS i FROM t ORDER BY v <-> vec(1, 8) LIMIT 7) UNION ALL
	(SELECT id, 2 FROM t ORDER BY v <-> vec(2, 8) LIMIT 60) UNION ALL
	(SELECT id, 3 FROM t ORDER BY h <=> vec(3, 8) LIMIT 7) UNION ALL
	(SELECT id, 4 FROM t ORDER BY s <+> vec(4, 8)::sparsevec LIMIT 7) UNION ALL
	(SELECT id, 5 FROM t ORDER BY b <~> B'00000101' LIMIT 7)) u;
SELECT a.id = 1 AS first, count(*) FROM (SELECT id FROM t ORDER BY v <-> vec(1, 8) LIMIT 5) a,
	(SELECT id FROM t ORDER BY v <-> vec(9, 8) LIMIT 6) b GROUP BY 1 ORDER BY 1;
-- interleaved
BEGIN;
DECLARE c1 CURSOR FOR SELECT id FROM t ORDER BY v <-> vec(5, 8);
DECLARE c2 CURSOR FOR SELECT id FROM t ORDER BY v <-> vec(6, 8);
FETCH 1 FROM c1;
FETCH 1 FROM c2;
MOVE 100 IN c1;
MOVE 100 IN c2;
CLOSE c1;
MOVE 100 IN c2;
COMMIT;

-- a scan for each row of another, in each of four indexes; nothing is left of one in memory
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql AS 'SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts';
SELECT count(*) AS nearest, sum((n.v = a.id)::int + (n.h = a.id)::int + (n.s = a.id)::int) > 2950 AS themselves,
	max(m) FILTER (WHERE a.id = 1000) - max(m) FILTER (WHERE a.id = 100) < 100000 AS no_more_memory
FROM t a, LATERAL (SELECT
	(SELECT id FROM t ORDER BY v <-> a.v LIMIT 1) AS v,
	(SELECT id FROM t ORDER BY h <=> a.h LIMIT 1) AS h,
	(SELECT id FROM t ORDER BY s <+> a.s LIMIT 1) AS s,
	(SELECT id FROM t ORDER BY b <~> a.b LIMIT 1) AS b) n,
	LATERAL (SELECT CASE WHEN a.id IN (100, 1000) AND n.b > 0 THEN used() END AS m) m;
-- rescanned before its end, after it, and with nothing to look for
SELECT a.id, count(n.id) FROM (VALUES (1, vec(1, 8)), (2, NULL), (3, vec(3, 8)), (4, vec(4, 8))) a (id, v)
	LEFT JOIN LATERAL (SELECT id FROM t ORDER BY t.v <-> a.v LIMIT CASE a.id WHEN 3 THEN 1000 ELSE 3 END) n ON true GROUP BY 1 ORDER BY 1;

-- by parallel workers, which scan for the rows that fall to them
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE t SET (parallel_workers = 2);
SET enable_seqscan = on;
CREATE FUNCTION nearest(vector) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE SET enable_seqscan = off AS
	'SELECT id FROM am_test.t ORDER BY v <-> $1 LIMIT 1';
EXPLAIN (COSTS OFF) SELECT count(*) > 990 AS themselves FROM t WHERE nearest(v) = id;
SELECT count(*) > 990 AS themselves FROM t WHERE nearest(v) = id;
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
