-- Casts of halfvec.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

-- from and to vector
SELECT '[1,-2.5,0.1]'::vector::halfvec AS rounded, '[1,-2.5,0.1]'::halfvec::vector AS exact;
SELECT '[1,2]'::vector::halfvec(2) AS two, '[1,2]'::halfvec::vector(2) AS back;
-- implicitly from vector, in assignments to it
SELECT '[1,2]'::vector <-> '[3,4]'::halfvec AS mixed;
CREATE TABLE half_cast (h halfvec(2), v vector(2));
INSERT INTO half_cast VALUES ('[1,0.1]'::vector, '[1,0.1]'::halfvec), (ARRAY[1,2], ARRAY[1,2]), (ARRAY[1,2]::real[], NULL),
	(ARRAY[1,2]::double precision[], NULL), (ARRAY[1,2]::numeric[], NULL);
SELECT * FROM half_cast;
ALTER TABLE half_cast ALTER h TYPE vector(2), ALTER v TYPE halfvec(2);
SELECT * FROM half_cast;

-- from arrays
SELECT ARRAY[1,2,3]::halfvec, ARRAY[1.5,-2.25]::real[]::halfvec, ARRAY[1.5,0.1]::double precision[]::halfvec, ARRAY[1.5,0.1,65504]::numeric[]::halfvec, '[0:2]={1,2,3}'::int[]::halfvec(3);
SELECT ARRAY[1e-50]::double precision[]::halfvec AS tiny, array_to_halfvec(ARRAY[1,2,3], 3, true);

-- to arrays
SELECT '[1,2.5,-0.1]'::halfvec::real[], '[1,2.5,-0.1]'::halfvec::double precision[], '[1,2.5,-0.1,3.5,-2.6]'::halfvec::integer[], '[1,2.5,-0.1]'::halfvec::numeric[];
SELECT a::halfvec::real[]::halfvec = a::halfvec AS same_real, a::halfvec::double precision[]::halfvec = a::halfvec AS same_double,
	cardinality(a::halfvec::numeric[]) AS numerics
FROM (SELECT array_agg(sin(i) * 1000) AS a FROM generate_series(1, 16000) i) t;

-- errors
SELECT expression, e.* FROM unnest(ARRAY['''[1,2]''::vector::halfvec(3)', '''[1,2]''::halfvec::vector(3)', '''[1,2]''::vector(2)::halfvec(1)', '''[65520]''::vector::halfvec', '''[1,-1e5]''::vector::halfvec',
	'ARRAY[1,65520]::halfvec', 'ARRAY[-65520]::real[]::halfvec', 'ARRAY[65520]::double precision[]::halfvec', 'ARRAY[65520]::numeric[]::halfvec', 'ARRAY[1e39]::double precision[]::halfvec',
	'ARRAY[1,2,3]::halfvec(2)', 'ARRAY[[1,2],[3,4]]::halfvec', 'ARRAY[1,NULL]::halfvec', '''{}''::int[]::halfvec', '''{NaN}''::real[]::halfvec', '''{-Infinity}''::double precision[]::halfvec',
	'''{NaN}''::numeric[]::halfvec', 'array_fill(0, ARRAY[16001])::halfvec', 'halfvec(''[1,2]'', 1, false)', 'ARRAY[''a'']::halfvec']) WITH ORDINALITY AS x(expression, n), error_of(expression) e ORDER BY n;

-- to a type modifier; NULL
SELECT halfvec('[1,2]', 2, true), halfvec('[1,2]', -1, true), NULL::halfvec, NULL::vector::halfvec, NULL::halfvec::real[];

SELECT castsource::regtype, casttarget::regtype, castcontext, obj_description(oid, 'pg_cast') AS comment
FROM pg_cast WHERE 'halfvec'::regtype IN (castsource, casttarget) AND NOT 'sparsevec' IN (format_type(castsource, NULL), format_type(casttarget, NULL))
ORDER BY castsource::regtype::text, casttarget::regtype::text;

CALL type_clean_up();
