-- Distances, norm and normalisation of vector.

SELECT l2_distance('[0,0]'::vector, '[3,4]'), '[0,0]'::vector <-> '[3,4]' AS op;
SELECT inner_product('[1,2,3]'::vector, '[4,5,6]'), '[1,2,3]'::vector <#> '[4,5,6]' AS op;
SELECT cosine_distance('[1,0]'::vector, '[0,2]'), '[1,0]'::vector <=> '[0,2]' AS op;
SELECT l1_distance('[1,-2]'::vector, '[-1,4]'), '[1,-2]'::vector <+> '[-1,4]' AS op;
SELECT vector_l2_squared_distance('[0,0]', '[3,4]'), vector_negative_inner_product('[1,2]', '[3,4]');
SELECT vector_spherical_distance('[1,0]', '[0,1]'), vector_spherical_distance('[1,0]', '[-1,0]'),
	vector_spherical_distance('[1,0]', '[1,0]'), vector_spherical_distance('[2,0]', '[2,0]');

-- cosine distance: 0 .. 2, not beyond for rounding
SELECT '[1,1]'::vector <=> '[1,1]' AS same, '[1,1]'::vector <=> '[-1,-1]' AS opposite,
	'[1,2]'::vector <=> '[2,4]' AS parallel;
SELECT bool_and(d >= 0 AND d < 1e-6) AS zero, bool_and(e <= 2 AND e > 2 - 1e-6) AS two
FROM (SELECT v <=> v AS d, v <=> v * array_fill(-1, ARRAY[n])::vector AS e
	FROM (SELECT n, (SELECT array_agg(sin(n * i)) FROM generate_series(1, n) i)::vector AS v
		FROM generate_series(1, 100) n) t) u;
-- and NaN, which sorts last, for a zero vector
SELECT '[1,2]'::vector <=> '[0,0]' AS d, '[0,0]'::vector <=> '[0,0]' AS e;

-- each length around the width of a register, against sums taken in SQL
CREATE FUNCTION vec_coordinates(n int, seed int) RETURNS real[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((i * seed * 7919 % 201 - 100)::real ORDER BY i) FROM generate_series(1, n) i
$$;
SELECT count(*) AS lengths,
	bool_and(a::vector <+> b::vector = (SELECT sum(abs(x - y)) FROM unnest(a, b) u(x, y))) AS l1,
	bool_and(a::vector <#> b::vector = -(SELECT sum(x * y) FROM unnest(a, b) u(x, y))) AS ip,
	bool_and(vector_l2_squared_distance(a::vector, b::vector) = (SELECT sum((x - y) * (x - y)) FROM unnest(a, b) u(x, y))) AS l2_squared,
	bool_and(abs((a::vector <-> b::vector) / sqrt((SELECT sum((x - y) * (x - y)) FROM unnest(a, b) u(x, y))) - 1) < 1e-6) AS l2
FROM (SELECT vec_coordinates(n, 3) AS a, vec_coordinates(n, 5) AS b
	FROM unnest(ARRAY[1,2,3,4,5,7,8,9,15,16,17,31,32,33,47,48,49,63,64,65,66,80,95,96,97,100,127,128,129,150,200]) n) t;
SELECT '[1]'::vector <-> '[4]' AS l2, array_fill(1, ARRAY[16000])::vector <-> array_fill(2, ARRAY[16000])::vector AS long;

-- what float4 sums cannot hold is summed in double
SELECT l2_distance('[3e38]'::vector, '[-3e38]') / 6e38 BETWEEN 0.999999 AND 1.000001 AS l2,
	inner_product('[3e38,3e38]'::vector, '[3e38,-3e38]') AS ip,
	l1_distance('[3e38,3e38]'::vector, '[-3e38,3e38]') / 6e38 BETWEEN 0.999999 AND 1.000001 AS l1,
	'[3e38,3e38]'::vector <=> '[3e38,3e38]' < 1e-6 AS cosine;
SELECT l2_distance('[1e-30]'::vector, '[2e-30]') / 1e-30 BETWEEN 0.999999 AND 1.000001 AS l2,
	'[1e-30,0]'::vector <=> '[0,1e-30]' AS cosine, '[1e-44]'::vector <=> '[-1e-44]' AS opposite;

-- norm
SELECT vector_norm('[3,4]'), vector_norm('[0,0]'), vector_norm('[-2]');
SELECT vector_norm('[3e38,3e38]') / 3e38 BETWEEN 1.414213 AND 1.414214 AS large, vector_norm('[1e-40]') / 1e-40 BETWEEN 0.99999 AND 1.00001 AS small;
SELECT vector_norm(array_fill(0.5, ARRAY[16000])::vector) = 0.5 * sqrt(16000) AS long;
SELECT l2_normalize('[3,4]'::vector), l2_normalize('[0,0]'::vector), l2_normalize('[-3e38]'::vector), l2_normalize('[0,1e-40]'::vector);
SELECT l2_normalize('[3e38,3e38]'::vector) <-> '[0.70710678,0.70710678]' < 1e-6 AS unit;

-- other dimensions
SELECT '[1,2]'::vector <-> '[1]';
SELECT '[1,2]'::vector <#> '[1]';
SELECT '[1,2]'::vector <=> '[1]';
SELECT '[1,2]'::vector <+> '[1]';
SELECT l2_distance('[1]'::vector, '[1,2]');
SELECT inner_product('[1]'::vector, '[1,2]');
SELECT cosine_distance('[1]'::vector, '[1,2]');
SELECT l1_distance('[1]'::vector, '[1,2]');
SELECT vector_l2_squared_distance('[1]'::vector, '[1,2]');
SELECT vector_negative_inner_product('[1]'::vector, '[1,2]');
SELECT vector_spherical_distance('[1]'::vector, '[1,2]');

-- NULL
SELECT '[1]'::vector <-> NULL AS a, NULL::vector <=> NULL::vector AS b, vector_norm(NULL) AS c;

-- ordering without an index; the zero vector comes last under cosine
CREATE TABLE vec_dist (id int, v vector(2));
INSERT INTO vec_dist VALUES (1, '[1,0]'), (2, '[0,1]'), (3, '[-5,0]'), (4, '[3,3]'), (5, '[0,0]'), (6, NULL);
SELECT array_agg(id ORDER BY v <-> '[1,0.5]', id) AS l2, array_agg(id ORDER BY v <#> '[1,0.5]', id) AS ip,
	array_agg(id ORDER BY v <=> '[1,0.5]', id) AS cosine, array_agg(id ORDER BY v <+> '[1,0.5]', id) AS l1 FROM vec_dist;

DROP TABLE vec_dist;
DROP FUNCTION vec_coordinates;
