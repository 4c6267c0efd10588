-- Distances, arithmetic, parts, order and aggregates of halfvec.  It has one
-- implementation with vector, whose tests are longer; here are the results of halves.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

SELECT l2_distance('[0,0]'::halfvec, '[3,4]'), '[0,0]'::halfvec <-> '[3,4]' AS op;
SELECT inner_product('[1,2,3]'::halfvec, '[4,5,6]'), '[1,2,3]'::halfvec <#> '[4,5,6]' AS op;
SELECT cosine_distance('[1,0]'::halfvec, '[0,2]'), '[1,0]'::halfvec <=> '[0,2]' AS op, '[1,2]'::halfvec <=> '[0,0]' AS zero,
	'[1,1]'::halfvec <=> '[1,1]' AS same, '[1,1]'::halfvec <=> '[-1,-1]' AS opposite;
SELECT l1_distance('[1,-2]'::halfvec, '[-1,4]'), '[1,-2]'::halfvec <+> '[-1,4]' AS op;
SELECT halfvec_l2_squared_distance('[0,0]', '[3,4]'), halfvec_negative_inner_product('[1,2]', '[3,4]'),
	halfvec_spherical_distance('[1,0]', '[0,1]'), halfvec_spherical_distance('[1,0]', '[-1,0]');
SELECT l2_norm('[3,4]'::halfvec), l2_norm('[0]'::halfvec), l2_normalize('[3,4]'::halfvec), l2_normalize('[0,0]'::halfvec),
	l2_normalize('[65504,65504]'::halfvec), l2_normalize('[6e-8,0]'::halfvec);

-- each length around the width of a register gives what vector gives
CREATE FUNCTION half_coordinates(n int, seed int) RETURNS halfvec LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((i * seed * 7919 % 201 - 100)::real / 8 ORDER BY i)::halfvec FROM generate_series(1, n) i
$$;
CREATE TABLE half_pair AS SELECT n, half_coordinates(n, 3) AS a, half_coordinates(n, 5) AS b
	FROM unnest(ARRAY[1,2,3,4,5,7,8,9,15,16,17,31,32,33,47,48,49,63,64,65,66,80,95,96,97,100,127,128,129,150,200]) n;
SELECT count(*) AS lengths,
	bool_and(a <-> b = a::vector <-> b::vector) AS l2, bool_and(a <#> b = a::vector <#> b::vector) AS ip,
	bool_and(a <+> b = a::vector <+> b::vector) AS l1, bool_and(abs((a <=> b) - (a::vector <=> b::vector)) < 1e-6) AS cosine,
	bool_and(l2_norm(a) = vector_norm(a::vector)) AS norm, bool_and(l2_normalize(a) = l2_normalize(a::vector)::halfvec) AS normal,
	bool_and(binary_quantize(a) = binary_quantize(a::vector)) AS bits,
	bool_and(a + b = (a::vector + b::vector)::halfvec) AS add, bool_and(a - b = (a::vector - b::vector)::halfvec) AS sub,
	bool_and(a * b = (a::vector * b::vector)::halfvec) AS mul, bool_and((a || b)::vector = a::vector || b::vector) AS concat
FROM half_pair;
-- the largest and the smallest
SELECT l2_distance('[65504]'::halfvec, '[-65504]') AS l2, '[65504,65504]'::halfvec <#> '[65504,65504]' AS ip,
	'[65504,65504]'::halfvec <+> '[-65504,-65504]' AS l1, '[6e-8]'::halfvec <-> '[-6e-8]' AS small, '[6e-8,0]'::halfvec <=> '[0,6e-8]' AS cosine;
SELECT (array_fill(65504, ARRAY[16000])::halfvec <-> array_fill(-65504, ARRAY[16000])::halfvec) / (131008 * sqrt(16000)) BETWEEN 0.99999 AND 1.00001 AS long;

-- arithmetic rounds once
SELECT '[1,2,3]'::halfvec + '[4,-5,0.5]' AS add, '[1,2,3]'::halfvec - '[4,-5,0.5]' AS sub, '[1,2,3]'::halfvec * '[4,-5,0.5]' AS mul;
SELECT '[2048]'::halfvec + '[1]' AS even, '[2050]'::halfvec + '[1]' AS odd, '[65504]'::halfvec + '[15]' AS last;
SELECT expression, e.* FROM unnest(ARRAY['''[65504]''::halfvec + ''[16]''', '''[-65504]''::halfvec - ''[65504]''', '''[300]''::halfvec * ''[300]''', '''[1e-4]''::halfvec * ''[1e-4]''',
	'''[1,2]''::halfvec + ''[1]''', '''[1]''::halfvec - ''[1,2]''', '''[1]''::halfvec * ''[1,2]''', '''[1,2]''::halfvec <-> ''[1]''', '''[1,2]''::halfvec <#> ''[1]''',
	'''[1,2]''::halfvec <=> ''[1]''', '''[1,2]''::halfvec <+> ''[1]''', 'array_fill(1, ARRAY[8000])::halfvec || array_fill(1, ARRAY[8001])::halfvec',
	'subvector(''[1,2,3]''::halfvec, 4, 1)', 'subvector(''[1,2,3]''::halfvec, 1, 0)']) WITH ORDINALITY AS x(expression, n), error_of(expression) e ORDER BY n;
SELECT '[1,2]'::halfvec || '[3]' AS concat, vector_dims('[1,2,3]'::halfvec), subvector('[1,2,3,4,5]'::halfvec, 2, 3), subvector('[1,2,3]'::halfvec, 2, 2147483647) AS rest;
SELECT binary_quantize('[1,0,-1,6e-8,-2,3,4,5,6]'::halfvec);
SELECT '[1]'::halfvec + NULL AS a, '[1]'::halfvec <-> NULL AS b, l2_norm(NULL::halfvec) AS c;

-- order
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, halfvec_cmp(a, b) AS cmp
FROM (VALUES ('[1,2]'::halfvec, '[1,2]'::halfvec), ('[1,2]', '[1,3]'), ('[1]', '[1,0]'), ('[2]', '[1,5]'), ('[0]', '[-0]'), ('[-1]', '[1]'), ('[-2]', '[-1]')) t(a, b);
CREATE TABLE half_order (id int, v halfvec);
INSERT INTO half_order SELECT i, ARRAY[i * 7 % 10, i % 3] FROM generate_series(1, 30) i;
INSERT INTO half_order VALUES (31, '[5]'), (32, '[5,0,0]'), (33, NULL);
CREATE INDEX half_order_v ON half_order (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM half_order WHERE v >= '[5]' AND v < '[6]' ORDER BY v;
SELECT id, v FROM half_order WHERE v >= '[5]' AND v < '[6]' ORDER BY v;
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT count(DISTINCT v), count(*) FROM half_order;
CREATE UNIQUE INDEX half_order_id ON half_order (v, id);
INSERT INTO half_order VALUES (31, '[5]');
SELECT id FROM half_order WHERE vector_dims(v) = 2 ORDER BY v <-> '[1,0.5]', id LIMIT 5;

-- aggregates; sums are taken in double
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]', '[3,5,-7]', NULL]::halfvec[]) v;
SELECT avg(v), sum(v) FROM half_order WHERE false;
SELECT g, avg(v), sum(v) FROM (SELECT id % 3 AS g, v FROM half_order WHERE id <= 30) t GROUP BY g ORDER BY g;
SELECT sum(v), avg(v) FROM unnest(ARRAY['[2048]', '[1]', '[1]']::halfvec[]) v;
SELECT sum(v) FROM unnest(ARRAY['[65504]', '[65504]', '[-65504]']::halfvec[]) v;
SELECT avg(v) FROM unnest(ARRAY['[65504]', '[65504]']::halfvec[]) v;
SELECT sum(v) FROM unnest(ARRAY['[65504]', '[65504]']::halfvec[]) v;
SELECT sum(v) FROM unnest(ARRAY['[1]', '[1,2]']::halfvec[]) v;
CREATE TABLE half_par AS SELECT ARRAY[i % 100, i % 7, -i % 10]::halfvec(3) AS v FROM generate_series(1, 10000) i;
ALTER TABLE half_par SET (parallel_workers = 2);
SELECT avg(v) FROM half_par;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT avg(v) FROM half_par;
SELECT avg(v) FROM half_par;
SELECT halfvec_accum('{0}', '[1,2]'), halfvec_combine('{1,2,3}', '{2,3,4}'), halfvec_avg('{4,2,6}'), halfvec_sum('{4,2,6}'), halfvec_avg('{0}');
SELECT expression, e.* FROM unnest(ARRAY['halfvec_accum(''{1,2}'', ''[1,2]'')', 'halfvec_accum(''{}'', ''[1]'')', 'halfvec_combine(''{1,2}'', ''{1,2,3}'')',
	'halfvec_avg(''{1,65520}'')', 'halfvec_sum(''{1,NaN}'')', 'halfvec_avg(''{1}'')']) WITH ORDINALITY AS x(expression, n), error_of(expression) e ORDER BY n;

CALL type_clean_up();
