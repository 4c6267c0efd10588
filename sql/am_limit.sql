-- a scan goes on while rows are asked for, and the planner knows what that costs
CREATE TABLE limits (id int, v vector(3));
INSERT INTO limits SELECT i, ARRAY[i % 10, i / 10 % 10, i / 100]::vector FROM generate_series(0, 9999) i;
CREATE INDEX limits_v ON limits USING hnsw (v vector_l2_ops);
ANALYZE limits;

-- used for a few rows, not for all of them, nor where a filter leaves few
EXPLAIN (COSTS OFF) SELECT id FROM limits ORDER BY v <-> '[1,2,3]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM limits ORDER BY v <-> '[1,2,3]';
EXPLAIN (COSTS OFF) SELECT id FROM limits WHERE id < 100 ORDER BY v <-> '[1,2,3]' LIMIT 10;

SET enable_seqscan = off;
SET enable_sort = off;
-- more than hnsw.ef_search, in order, each once
SELECT count(*), count(DISTINCT id), bool_and(d >= before) AS in_order
FROM (SELECT id, d, lag(d, 1, 0::float8) OVER () AS before
	FROM (SELECT id, v <-> '[1,2,3]' AS d FROM limits ORDER BY v <-> '[1,2,3]' LIMIT 3000) s) s;
-- as many rows as pass a filter
SELECT count(*) FROM (SELECT id FROM limits WHERE id % 500 = 7 ORDER BY v <-> '[1,2,3]' LIMIT 10) s;
-- nearly all there are
SELECT count(*) > 9800 AS nearly_all FROM (SELECT id FROM limits ORDER BY v <-> '[1,2,3]') s;
-- bounded
SET hnsw.max_scan_tuples = 500;
SELECT count(*) BETWEEN 400 AND 700 AS bounded FROM (SELECT id FROM limits ORDER BY v <-> '[1,2,3]') s;
SET hnsw.max_scan_tuples = 0;
SET hnsw.max_scan_tuples = 1;
SELECT count(*) > 0 AS some FROM (SELECT id FROM limits ORDER BY v <-> '[1,2,3]' LIMIT 10) s;
RESET hnsw.max_scan_tuples;
SET hnsw.scan_mem_multiplier = 1;
SET work_mem = '64kB';
SELECT count(*) BETWEEN 10 AND 3000 AS bounded FROM (SELECT id FROM limits ORDER BY v <-> '[1,2,3]') s;
SET hnsw.scan_mem_multiplier = 1000;
SELECT count(*) > 9900 AS nearly_all FROM (SELECT id FROM limits ORDER BY v <-> '[1,2,3]') s;
SET hnsw.scan_mem_multiplier = 0.9;
RESET work_mem;
-- what comes late: left out, or returned out of order
SET hnsw.ef_search = 1;
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) = 10000 AS every_one, count(DISTINCT id) = 10000 AS once
FROM (SELECT id FROM limits ORDER BY v <-> '[1,2,3]') s;
SET hnsw.iterative_scan = strict_order;
SELECT count(*) = count(DISTINCT id) AS once, bool_and(d >= before) AS in_order
FROM (SELECT id, d, lag(d, 1, 0::float8) OVER () AS before
	FROM (SELECT id, v <-> '[1,2,3]' AS d FROM limits ORDER BY v <-> '[1,2,3]') s) s;
SET hnsw.iterative_scan = loose;
SET hnsw.ef_serach = 5;
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;
-- a search among points that are all about as far visits many more than one whose nearest stand out
CREATE TABLE breadth (v vector(24));
SELECT setseed(.5);
INSERT INTO breadth SELECT array_agg(random() * CASE WHEN i <= 80 THEN .01 ELSE 1 END + CASE WHEN i <= 80 THEN 5 ELSE 0 END ORDER BY j)::vector
	FROM generate_series(1, 6000) i, generate_series(1, 24) j GROUP BY i;
CREATE INDEX ON breadth USING hnsw (v vector_l2_ops);
CREATE FUNCTION pages(tab regclass, query vector, k int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, TIMING off, SUMMARY off, COSTS off, FORMAT json)
		SELECT 1 FROM %s ORDER BY v <-> %L LIMIT %s', tab, query, k) INTO plan;
	RETURN plan #>> '{0,Plan,Shared Hit Blocks}';
END $$;
SELECT pages('breadth', array_fill(5.005, ARRAY[24])::vector, 10) AS stand_out, pages('breadth', array_fill(-9, ARRAY[24])::vector, 10) AS alike \gset
SELECT :alike > 1.5 * :stand_out AS more;
-- where the last of hnsw.ef_search rows is to be compared with the one before it, the search need not go on
SET hnsw.ef_search = 10;
CREATE TABLE rounded AS
	SELECT array_agg(random() ORDER BY j)::vector(48) AS v FROM generate_series(1, 3000) i, generate_series(1, 48) j GROUP BY i;
CREATE INDEX ON rounded USING hnsw (v vector_l2_ops);
CREATE TABLE queries AS
	SELECT array_agg(random() ORDER BY j)::vector AS q FROM generate_series(1, 200) i, generate_series(1, 48) j GROUP BY i;
SELECT count(*) FROM queries WHERE pages('rounded', q, 10) > pages('rounded', q, 8) + 12;
DROP FUNCTION pages;
DROP TABLE limits, breadth, rounded, queries;
