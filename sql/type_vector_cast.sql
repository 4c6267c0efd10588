-- Casts of vector.

-- from arrays
SELECT ARRAY[1,2,3]::vector;
SELECT ARRAY[2147483647,-2147483648]::vector;
SELECT ARRAY[1.5,-2.25]::real[]::vector;
SELECT ARRAY[1.5,0.1]::double precision[]::vector;
SELECT ARRAY[1.5,0.1,12345678901234567890]::numeric[]::vector;
SELECT ARRAY[1e-50]::double precision[]::vector;
SELECT '[0:2]={1,2,3}'::int[]::vector;
SELECT ARRAY[1,2,3]::vector(3);
SELECT array_to_vector(ARRAY[1,2,3], 3, true);
CREATE TABLE vec_cast (v vector(2));
INSERT INTO vec_cast VALUES (ARRAY[1,2]), (ARRAY[1,2]::real[]), (ARRAY[1,2]::double precision[]), (ARRAY[1,2]::numeric[]);
SELECT DISTINCT v FROM vec_cast;

-- errors
INSERT INTO vec_cast VALUES (ARRAY[1,2,3]);
SELECT ARRAY[1,2,3]::vector(2);
SELECT ARRAY[1.5]::numeric[]::vector(2);
SELECT ARRAY[[1,2],[3,4]]::vector;
SELECT ARRAY[[1.5]]::numeric[]::vector;
SELECT ARRAY[1,NULL]::vector;
SELECT ARRAY[NULL]::numeric[]::vector;
SELECT '{}'::int[]::vector;
SELECT '{}'::real[]::vector(1);
SELECT array_fill(0, ARRAY[16001])::vector;
SELECT '{NaN}'::real[]::vector;
SELECT '{Infinity}'::real[]::vector;
SELECT '{NaN}'::double precision[]::vector;
SELECT '{-Infinity}'::double precision[]::vector;
SELECT '{1e39}'::double precision[]::vector;
SELECT '{NaN}'::numeric[]::vector;
SELECT '{Infinity}'::numeric[]::vector;
SELECT '{1e39}'::numeric[]::vector;
SELECT ARRAY['a']::vector;

-- an array that had a NULL and has it no more
SELECT array_remove(ARRAY[1,NULL,2], NULL)::vector;

-- to arrays
SELECT '[1,2.5,-0.1]'::vector::real[];
SELECT '[1,2.5,-0.1]'::vector::double precision[];
SELECT '[1,2.5,-0.1,3.5,-2.6]'::vector::integer[];
SELECT '[1,2.5,-0.1,1e20,1e-10]'::vector::numeric[];
SELECT '[3e9]'::vector::integer[];
SELECT vector_to_float4('[1,2]', -1, false);
SELECT pg_typeof('[1]'::vector::real[]), pg_typeof('[1]'::vector::double precision[]),
	pg_typeof('[1]'::vector::integer[]), pg_typeof('[1]'::vector::numeric[]);
-- implicitly to real[], where no polymorphism is in the way
CREATE FUNCTION first_of(real[]) RETURNS real LANGUAGE sql IMMUTABLE AS 'SELECT $1[1]';
SELECT first_of('[3,1,2]'::vector);
DROP FUNCTION first_of;
-- there and back
SELECT array_fill(0.1::real, ARRAY[16000])::vector::real[] = array_fill(0.1::real, ARRAY[16000]) AS same;

-- to a type modifier
SELECT v::vector(2) FROM (SELECT '[1,2]'::vector AS v) t;
SELECT v::vector(3) FROM (SELECT '[1,2]'::vector AS v) t;
SELECT vector('[1,2]', 2, true), vector('[1,2]', -1, true);
SELECT vector('[1,2]', 1, false);

-- NULL
SELECT NULL::vector, NULL::int[]::vector, NULL::vector::real[];

-- how each cast may be used: i(mplicit), a(ssignment), e(xplicit)
SELECT castsource::regtype, casttarget::regtype, castcontext
FROM pg_cast WHERE 'vector'::regtype IN (castsource, casttarget)
	AND NOT (castsource::regtype::text ~ 'halfvec|sparsevec' OR casttarget::regtype::text ~ 'halfvec|sparsevec')
ORDER BY castsource::regtype::text, casttarget::regtype::text;

DROP TABLE vec_cast;
