-- Casts of sparsevec.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

-- from and to vector and halfvec
SELECT '[0,1.5,-0,-2]'::vector::sparsevec AS from_vector, '[0,1.5,-0,0.1]'::halfvec::sparsevec AS from_halfvec;
SELECT '{2:1.5,4:0.1}/4'::sparsevec::vector AS to_vector, '{2:1.5,4:0.1}/4'::sparsevec::halfvec AS to_halfvec, '{}/3'::sparsevec::vector AS zero;
SELECT '[0,1]'::vector::sparsevec(2) AS two, '{2:1}/2'::sparsevec::vector(2) AS vector, '{2:1}/2'::sparsevec::halfvec(2) AS halfvec;
-- implicitly from them, in assignments to them
SELECT '[0,2]'::vector <-> '{1:3}/2'::sparsevec AS mixed, '[0,2]'::halfvec <-> '{1:3}/2'::sparsevec AS half;
CREATE TABLE sparse_cast (s sparsevec(3), v vector(3), h halfvec(3));
INSERT INTO sparse_cast VALUES ('[0,0.1,0]'::vector, '{2:0.1}/3'::sparsevec, '{2:0.1}/3'::sparsevec), ('[0,0.1,0]'::halfvec, NULL, NULL),
	(ARRAY[0,1,0], NULL, NULL), (ARRAY[0,1,0]::real[], NULL, NULL), (ARRAY[0,1,0]::double precision[], NULL, NULL), (ARRAY[0,1,0]::numeric[], NULL, NULL);
SELECT * FROM sparse_cast;
ALTER TABLE sparse_cast ALTER s TYPE vector(3), ALTER v TYPE sparsevec(3), ALTER h TYPE sparsevec(3);
SELECT * FROM sparse_cast;

-- from arrays, which may be longer than a vector
SELECT ARRAY[0,2,0]::sparsevec, ARRAY[1.5,0]::real[]::sparsevec, ARRAY[0,0.1]::double precision[]::sparsevec, ARRAY[0,0.1]::numeric[]::sparsevec, '[0:2]={1,0,3}'::int[]::sparsevec(3);
SELECT (array_fill(0, ARRAY[1000000]) || ARRAY[7])::sparsevec, ARRAY[1e-50]::double precision[]::sparsevec AS tiny, array_to_sparsevec(ARRAY[1,0,3], 3, true);

SELECT expression, e.* FROM unnest(ARRAY['''[1,2]''::vector::sparsevec(3)', '''[1,2]''::halfvec::sparsevec(3)', '''{}/2''::sparsevec::vector(3)', '''{}/2''::sparsevec::halfvec(3)', '''{}/2''::sparsevec(2)::sparsevec(3)',
	'''{}/16001''::sparsevec::vector', '''{}/16001''::sparsevec::halfvec', '''{1:65520}/1''::sparsevec::halfvec', '''{}/1000000000''::sparsevec::vector',
	'array_fill(1, ARRAY[16001])::sparsevec', 'ARRAY[1,2,3]::sparsevec(2)', 'ARRAY[[1,2],[3,4]]::sparsevec', 'ARRAY[1,NULL]::sparsevec', '''{}''::int[]::sparsevec', '''{NaN}''::real[]::sparsevec',
	'''{-Infinity}''::double precision[]::sparsevec', '''{1e39}''::double precision[]::sparsevec', '''{NaN}''::numeric[]::sparsevec', 'sparsevec(''{}/2'', 1, false)', 'ARRAY[''a'']::sparsevec'])
	WITH ORDINALITY AS x(expression, n), error_of(expression) e ORDER BY n;
-- the limits of both types, there and back
SELECT v::sparsevec::vector = v AS same, v::halfvec::sparsevec::halfvec = v::halfvec AS same_half FROM (SELECT array_agg(sin(i) ORDER BY i)::vector AS v FROM generate_series(1, 16000) i) t;

SELECT sparsevec('{}/2', 2, true), sparsevec('{}/2', -1, true), NULL::sparsevec, NULL::vector::sparsevec, NULL::sparsevec::vector;

SELECT castsource::regtype, casttarget::regtype, castcontext, obj_description(oid, 'pg_cast') AS comment
FROM pg_cast WHERE 'sparsevec'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text, casttarget::regtype::text;

CALL type_clean_up();
