-- Arithmetic, parts and order of vector.

SELECT '[1,2,3]'::vector + '[4,-5,0.5]' AS add, '[1,2,3]'::vector - '[4,-5,0.5]' AS sub, '[1,2,3]'::vector * '[4,-5,0.5]' AS mul;
SELECT vector_add('[1]', '[2]'), vector_sub('[1]', '[2]'), vector_mul('[2]', '[3]');
SELECT '[3e38]'::vector + '[3e38]';
SELECT '[-3e38]'::vector - '[3e38]';
SELECT '[0,1e20]'::vector * '[1,-1e20]';
SELECT '[1,1e-30]'::vector * '[1,1e-30]';
SELECT '[0,1e-30]'::vector * '[1e-30,0]' AS zero, '[1e-30]'::vector * '[1e-10]' AS small;
SELECT '[1,2]'::vector + '[1]';
SELECT '[1,2]'::vector - '[1]';
SELECT '[1]'::vector * '[1,2]';
SELECT '[1]'::vector + NULL AS a, NULL::vector - NULL AS b, NULL * '[1]'::vector AS c, '[1]'::vector || NULL::vector AS d;

SELECT '[1,2]'::vector || '[3]' AS op, vector_concat('[1]', '[2,3]');
SELECT vector_dims(array_fill(1, ARRAY[8000])::vector || array_fill(1, ARRAY[8000])::vector);
SELECT array_fill(1, ARRAY[8000])::vector || array_fill(1, ARRAY[8001])::vector;

SELECT vector_dims('[1]'::vector), vector_dims('[1,2,3]'::vector);

-- parts, cut off as substring() cuts
SELECT start, count, subvector('[1,2,3,4,5]'::vector, start, count)
FROM (VALUES (1, 5), (1, 1), (2, 3), (5, 1), (5, 2), (3, 100), (3, 2147483647), (0, 2), (-2, 4)) t(start, count);
SELECT subvector('[1,2,3]'::vector, 1, 0);
SELECT subvector('[1,2,3]'::vector, 2, -1);
SELECT subvector('[1,2,3]'::vector, 4, 1);
SELECT subvector('[1,2,3]'::vector, -3, 4);
SELECT subvector('[1,2,3]'::vector, 2147483647, 2147483647);
SELECT subvector('[1,2,3]'::vector, -2147483648, -2147483648);

-- bits
SELECT binary_quantize('[1,0,-1,0.001]'::vector);
SELECT binary_quantize('[-1,2,-3,4,-5,6,-7,8,9]'::vector);
SELECT n, length(b), bit_count(b) FROM (SELECT n, binary_quantize(array_fill(1, ARRAY[n])::vector) AS b FROM unnest(ARRAY[1,7,8,9,16,17,16000]) n) t;
SELECT pg_typeof(binary_quantize('[1]'::vector));

-- order
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, vector_cmp(a, b) AS cmp
FROM (VALUES ('[1,2]'::vector, '[1,2]'::vector), ('[1,2]', '[1,3]'), ('[2,1]', '[1,9]'), ('[1]', '[1,0]'), ('[1,0]', '[1]'),
	('[2]', '[1,5]'), ('[1,5]', '[2]'), ('[0]', '[-0]'), ('[-1]', '[1]')) t(a, b);
SELECT vector_lt('[1]', '[2]'), vector_le('[1]', '[2]'), vector_eq('[1]', '[2]'), vector_ne('[1]', '[2]'), vector_ge('[1]', '[2]'), vector_gt('[1]', '[2]');
SELECT '[1]'::vector = NULL AS a, '[1]'::vector < NULL AS b;

CREATE TABLE vec_order (id int, v vector);
INSERT INTO vec_order SELECT i, ARRAY[i * 7 % 10, i % 3] FROM generate_series(1, 30) i;
INSERT INTO vec_order VALUES (31, '[5]'), (32, '[5,0,0]'), (33, NULL);
CREATE INDEX vec_order_v ON vec_order (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM vec_order WHERE v >= '[5]' AND v < '[6]' ORDER BY v;
SELECT id, v FROM vec_order WHERE v >= '[5]' AND v < '[6]' ORDER BY v;
SELECT id FROM vec_order WHERE v = '[7,1]';
EXPLAIN (COSTS OFF) SELECT v FROM vec_order ORDER BY v DESC LIMIT 2;
SELECT v FROM vec_order ORDER BY v LIMIT 2;
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT count(DISTINCT v), min(id) FROM vec_order;
SELECT v, count(*) FROM vec_order WHERE vector_dims(v) = 2 GROUP BY v HAVING v < '[1]' ORDER BY v;
INSERT INTO vec_order VALUES (34, '[5]');
CREATE UNIQUE INDEX vec_order_unique ON vec_order (v);
DELETE FROM vec_order;
CREATE UNIQUE INDEX vec_order_unique ON vec_order (v);
INSERT INTO vec_order VALUES (1, '[1,2]'), (2, '[1,2.5]');
INSERT INTO vec_order VALUES (3, '[1,2]');
SELECT a.id, b.id FROM vec_order a JOIN vec_order b ON a.v < b.v;
-- a merge join
SET enable_nestloop = off;
SELECT a.id FROM vec_order a JOIN vec_order b ON a.v = b.v ORDER BY a.id;
RESET enable_nestloop;
DROP TABLE vec_order;
