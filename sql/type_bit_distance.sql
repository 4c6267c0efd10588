-- Hamming and Jaccard distance of bit.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

SELECT hamming_distance(B'1010', B'1100'), B'1010' <~> B'1100' AS op, B'111' <~> B'000' AS all, B'101' <~> B'101' AS none;
SELECT jaccard_distance(B'1010', B'1100'), B'1010' <%> B'1100' AS op, B'1100' <%> B'0011' AS disjoint, B'101' <%> B'101' AS same,
	B'000' <%> B'000' AS zero, B'000' <%> B'001' AS zero_and_one;
SELECT B'' <~> B'' AS hamming, B'' <%> B'' AS jaccard;
-- bit varying, and what binary_quantize makes
SELECT '1010'::varbit <~> '1100'::varbit AS varying, '101'::bit(3) <~> '100'::varbit AS mixed,
	binary_quantize('[1,-1,1]'::vector) <~> binary_quantize('[1,1,-1]'::halfvec) AS quantized;
SELECT B'1' <~> NULL AS a, NULL::bit <%> B'1' AS b;

-- every length, against core's functions
CREATE FUNCTION some_bits(n int, seed int) RETURNS bit LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg((hashint4(seed * 1000 + i) & 1)::text, '' ORDER BY i)::varbit FROM generate_series(1, n) i
$$;
SELECT count(*) AS lengths, bool_and(a <~> b = bit_count(a # b)) AS hamming, bool_and(a <~> b = b <~> a AND a <%> b = b <%> a) AS symmetric,
	bool_and(a <%> b = CASE WHEN bit_count(a & b) = 0 THEN 1 ELSE 1 - bit_count(a & b)::double precision / bit_count(a | b) END) AS jaccard
FROM (SELECT some_bits(n, 1) AS a, some_bits(n, 2) AS b FROM generate_series(1, 300) n OFFSET 0) t;
-- stored out of line; the last, incomplete byte counts only as far as it goes
CREATE TABLE bit_store (a varbit, b varbit);
INSERT INTO bit_store SELECT repeat('1', 64001)::varbit, repeat('01', 32000)::varbit || B'0';
INSERT INTO bit_store SELECT ~ a, b FROM bit_store;
SELECT a <~> b AS hamming, a <%> b AS jaccard FROM bit_store ORDER BY 1;

SELECT expression, e.* FROM unnest(ARRAY['B''1'' <~> B''11''', 'B''1'' <%> B''11''', 'B'''' <~> B''1''', 'hamming_distance(B''1010'', B''101'')', 'jaccard_distance(B''1'', '''')'])
	WITH ORDINALITY AS x(expression, n), error_of(expression) e ORDER BY n;

-- ordering without an index
SELECT b FROM unnest(ARRAY[B'0000', B'1111', B'1000', B'1110', B'0001']) b ORDER BY b <~> B'1100', b;
SELECT b FROM unnest(ARRAY[B'0000', B'1111', B'1000', B'1110', B'0001']) b ORDER BY b <%> B'1100', b;

SELECT oid::regoperator AS operator, oprresult::regtype AS result, oprcom::regoperator AS commutator, obj_description(oid, 'pg_operator') AS comment
FROM pg_operator WHERE oprname IN ('<~>', '<%>') ORDER BY oprname;

CALL type_clean_up();
