-- avg(vector) and sum(vector).

CREATE TABLE vec_agg (g int, v vector);
INSERT INTO vec_agg VALUES (1, '[1,2,3]'), (1, '[3,5,-7]'), (1, NULL), (2, '[0.5]'), (3, NULL);
SELECT g, avg(v), sum(v), count(v) FROM vec_agg GROUP BY g ORDER BY g;
SELECT avg(v), sum(v) FROM vec_agg WHERE g = 1;
SELECT avg(v), sum(v) FROM vec_agg WHERE false;
SELECT avg(v) FILTER (WHERE g = 2) FROM vec_agg;
SELECT g, v, sum(v) OVER w, avg(v) OVER w FROM vec_agg WHERE g = 1 WINDOW w AS (ORDER BY v ROWS UNBOUNDED PRECEDING) ORDER BY v;
SELECT g, sum(DISTINCT v) FROM (SELECT * FROM vec_agg UNION ALL SELECT * FROM vec_agg) t GROUP BY g ORDER BY g;
SELECT GROUPING(g), g, sum(v) FROM vec_agg WHERE g = 1 OR v IS NULL GROUP BY ROLLUP (g) ORDER BY 1, 2;

-- other dimensions
SELECT avg(v) FROM vec_agg;
SELECT sum(v) FROM vec_agg;

-- sums are taken in double
SELECT sum(v), avg(v) FROM unnest(ARRAY['[16777216]', '[1]', '[1]']::vector[]) v;
SELECT avg(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::vector[]) v;
SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]', '[-3e38]']::vector[]) v;
SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::vector[]) v;

-- parallel workers give what one gives
CREATE TABLE vec_par AS SELECT ARRAY[i, i % 7, -i]::vector(3) AS v FROM generate_series(1, 20000) i;
ALTER TABLE vec_par SET (parallel_workers = 2);
ANALYZE vec_par;
SELECT sum(v), avg(v) FROM vec_par;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT sum(v), avg(v) FROM vec_par;
SELECT sum(v), avg(v) FROM vec_par;
SELECT avg(v) FROM vec_par WHERE v < '[0]';
SELECT min(v <-> '[10000,0,-10000]') FROM vec_par;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- the parts, by hand
SELECT vector_accum('{0}', '[1,2]'), vector_accum('{2,1,1}', '[1,2]');
SELECT s, vector_accum(s, '[1]'), s FROM (SELECT '{1,1}'::float8[] AS s OFFSET 0) t;
SELECT vector_combine('{0}', '{0}'), vector_combine('{1,2,3}', '{0}'), vector_combine('{0}', '{1,2,3}'), vector_combine('{1,2,3}', '{2,3,4}');
SELECT vector_avg('{4,2,6}'), vector_sum('{4,2,6}'), vector_avg('{0}'), vector_sum('{0}');
SELECT vector_accum('{1,2}', '[1,2]');
SELECT vector_accum('{}', '[1]');
SELECT vector_accum('{{0}}', '[1]');
SELECT vector_accum('{0,NULL}', '[1]');
SELECT vector_accum('{1,NaN}', '[1]');
SELECT vector_accum(array_fill(0::float8, ARRAY[16002]), '[1]');
SELECT vector_combine('{1,2}', '{1,2,3}');
SELECT vector_combine('{1,2}', '{}');
SELECT vector_combine('{1,1e308}', '{1,1e308}');
SELECT vector_avg('{1}');
SELECT vector_avg('{1,NULL}');
SELECT vector_avg('{1,1e39}');
SELECT vector_sum('{1,Infinity}');
SELECT vector_sum('{}');

DROP TABLE vec_agg, vec_par;
