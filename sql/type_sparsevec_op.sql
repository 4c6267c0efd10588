-- Distances, norm and order of sparsevec.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

SELECT l2_distance('{}/2'::sparsevec, '{1:3,2:4}/2'), '{}/2'::sparsevec <-> '{1:3,2:4}/2' AS op;
SELECT inner_product('{1:1,2:2}/3'::sparsevec, '{2:5,3:6}/3'), '{1:1,2:2}/3'::sparsevec <#> '{2:5,3:6}/3' AS op;
SELECT cosine_distance('{1:1}/2'::sparsevec, '{2:2}/2'), '{1:1}/2'::sparsevec <=> '{2:2}/2' AS op, '{1:1}/2'::sparsevec <=> '{}/2' AS zero,
	'{1:1,2:3}/2'::sparsevec <=> '{1:1,2:3}/2' AS same, '{1:1,2:1}/2'::sparsevec <=> '{1:-1,2:-1}/2' AS opposite;
SELECT l1_distance('{1:1,2:-2}/3'::sparsevec, '{1:-1,3:4}/3'), '{1:1,2:-2}/3'::sparsevec <+> '{1:-1,3:4}/3' AS op;
SELECT sparsevec_l2_squared_distance('{}/2', '{1:3,2:4}/2'), sparsevec_negative_inner_product('{1:1,2:2}/2', '{1:3,2:4}/2');
SELECT l2_norm('{1:3,9:4}/9'::sparsevec), l2_norm('{}/9'::sparsevec), l2_normalize('{1:3,9:4}/9'::sparsevec), l2_normalize('{}/9'::sparsevec) AS zero;
-- what becomes zero is left out
SELECT l2_normalize('{1:1e-45,2:1,3:1e-44}/3'::sparsevec), l2_normalize('{1:1e-45,2:3e38}/3'::sparsevec) AS vanished;

-- what vector gives
CREATE FUNCTION sparse_pair(n int, OUT a sparsevec, OUT b sparsevec) LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(CASE WHEN hashint4(n * 1000 + i) % 3 = 0 THEN i % 7 - 3 ELSE 0 END ORDER BY i)::sparsevec,
		array_agg(CASE WHEN hashint4(n * 2000 + i) % 4 = 0 THEN i % 9 - 4 ELSE 0 END ORDER BY i)::sparsevec
	FROM generate_series(1, n) i
$$;
CREATE TABLE sparse_pairs AS SELECT n, p.* FROM generate_series(1, 120) n, sparse_pair(n) p;
SELECT count(*) AS pairs, count(DISTINCT a) AS different,
	bool_and(a <-> b = a::vector <-> b::vector) AS l2, bool_and(a <#> b = a::vector <#> b::vector) AS ip, bool_and(a <+> b = a::vector <+> b::vector) AS l1,
	bool_and(abs((a <=> b) - (a::vector <=> b::vector)) < 1e-6 OR a <=> b = 'NaN' AND a::vector <=> b::vector = 'NaN') AS cosine,
	bool_and(l2_norm(a) = vector_norm(a::vector)) AS norm, bool_and(l2_normalize(a)::vector = l2_normalize(a::vector)) AS normal,
	bool_and(sparsevec_cmp(a, b) = vector_cmp(a::vector, b::vector)) AS cmp
FROM sparse_pairs;
SELECT count(*) AS pairs, bool_and(sparsevec_cmp(x.a, y.b) = vector_cmp(x.a::vector, y.b::vector)) AS cmp FROM sparse_pairs x, sparse_pairs y WHERE x.n < 40 AND y.n < 40;

-- sums do not overflow, underflow or forget
SELECT '{1:3e38,2:3e38}/2'::sparsevec <-> '{1:-3e38}/2' AS l2, '{1:1e-45}/2'::sparsevec <=> '{2:1e-45}/2' AS cosine, '{1:1e-30}/3'::sparsevec <-> '{1:3e-30}/3' AS small,
	'{1:1e10,5:1}/1000000000'::sparsevec <#> '{1:1,5:1}/1000000000' AS far_apart;

-- a value is at no angle to itself, and as long as a vector, to the last bit
SELECT count(*) FILTER (WHERE v <=> v <> 0) AS same, count(*) FILTER (WHERE l2_norm(v) <> vector_norm(v::vector)) AS norm,
	count(*) FILTER (WHERE l2_normalize(v)::vector <> l2_normalize(v::vector)) AS unit
FROM (SELECT (SELECT array_agg(((n + i) % 3 <> 0)::int / (n + i)::real ORDER BY i)::sparsevec FROM generate_series(1, 50) i) AS v FROM generate_series(1, 300) n) t;

SELECT expression, e.* FROM unnest(ARRAY['''{}/2''::sparsevec <-> ''{}/3''', '''{}/2''::sparsevec <#> ''{}/3''', '''{}/2''::sparsevec <=> ''{}/3''', '''{}/2''::sparsevec <+> ''{}/3''',
	'sparsevec_l2_squared_distance(''{}/2'', ''{}/1'')', 'sparsevec_negative_inner_product(''{}/2'', ''{}/1'')']) WITH ORDINALITY AS x(expression, n), error_of(expression) e ORDER BY n;
SELECT '{}/1'::sparsevec <-> NULL AS a, l2_norm(NULL::sparsevec) AS b, '{}/1'::sparsevec < NULL AS c;

-- order: by the first coordinate that differs, zeros included, then by dimensions
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, sparsevec_cmp(a, b) AS cmp
FROM (VALUES ('{1:1}/2'::sparsevec, '{1:1}/2'::sparsevec), ('{}/2', '{}/3'), ('{}/2', '{3:-1}/3'), ('{}/2', '{2:-1}/3'), ('{1:1}/2', '{2:5}/2'), ('{1:-1}/2', '{2:-5}/2'), ('{2:1}/2', '{2:2}/2'), ('{1:1,2:1}/2', '{1:1}/2'),
	('{}/1000000000', '{1000000000:1}/1000000000')) t(a, b);
CREATE TABLE sparse_order (id int, v sparsevec);
INSERT INTO sparse_order SELECT i, ARRAY[i % 3 - 1, 0, i % 5] FROM generate_series(1, 15) i;
INSERT INTO sparse_order VALUES (16, '{}/1'), (17, '{}/4'), (18, NULL);
CREATE INDEX sparse_order_v ON sparse_order (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id, v FROM sparse_order WHERE v >= '{}/3' AND v < '{1:1}/3' ORDER BY v;
SELECT id, v FROM sparse_order WHERE v >= '{}/3' AND v < '{1:1}/3' ORDER BY v;
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT count(DISTINCT v), min(id) FROM sparse_order;
CREATE UNIQUE INDEX sparse_order_unique ON sparse_order (v);
INSERT INTO sparse_order VALUES (19, '{1:1}/3');
SELECT id, v FROM sparse_order WHERE id <= 15 ORDER BY v <-> '{1:1,3:2}/3', id LIMIT 4;

CALL type_clean_up();
