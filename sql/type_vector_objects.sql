-- What the catalogue says of the SQL objects of type vector.

CREATE TEMP VIEW vector_functions AS
	SELECT p.* FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'hnsw_rebuild'
	WHERE ('vector'::regtype = ANY (proargtypes) OR 'vector'::regtype = prorettype OR proname ~ '^vector_')
		AND NOT (proname ~ 'halfvec|sparsevec' OR p.oid::regprocedure::text ~ 'halfvec|sparsevec');

SELECT oid::regprocedure AS function, prorettype::regtype AS result, obj_description(oid, 'pg_proc') AS comment
FROM vector_functions ORDER BY oid::regprocedure::text COLLATE "C";
-- none is volatile, lax or unsafe in parallel
SELECT oid::regprocedure, provolatile, proisstrict, proparallel
FROM vector_functions
WHERE prokind = 'f' AND (provolatile, proisstrict, proparallel) <> ('i', true, 's')
	OR prokind = 'a' AND proparallel <> 's';

SELECT oid::regoperator AS operator, (SELECT proname FROM pg_proc WHERE oid = oprcode) AS function, nullif(oprcom, 0)::regoperator AS commutator, nullif(oprnegate, 0)::regoperator AS negator,
	nullif(oprrest::oid, 0)::regproc AS restriction, oprcanmerge AS merge, obj_description(oid, 'pg_operator') AS comment
FROM pg_operator WHERE oprleft = 'vector'::regtype ORDER BY oprname COLLATE "C";

SELECT castsource::regtype, casttarget::regtype, obj_description(oid, 'pg_cast') AS comment
FROM pg_cast WHERE 'vector'::regtype IN (castsource, casttarget) AND obj_description(oid, 'pg_cast') IS NULL;

SELECT typname, typlen, typalign, typstorage, typcategory, obj_description(oid, 'pg_type') AS comment
FROM pg_type WHERE oid = 'vector'::regtype;

SELECT opcname, opcdefault, obj_description(c.oid, 'pg_opclass') AS class_comment, obj_description(opcfamily, 'pg_opfamily') AS family_comment, amvalidate(c.oid)
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcintype = 'vector'::regtype AND amname = 'btree';

-- soft errors of the input function, where the server has them
CREATE FUNCTION input_is_valid(input text, type text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	valid bool;
BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN
		EXECUTE 'SELECT pg_input_is_valid($1, $2)' INTO valid USING input, type;
	ELSE
		EXECUTE format('SELECT %L::%s IS NOT NULL', input, type) INTO valid;
	END IF;
	RETURN valid;
EXCEPTION WHEN OTHERS THEN
	IF current_setting('server_version_num')::int >= 160000 THEN
		RAISE;
	END IF;
	RETURN false;
END $$;
SELECT input, type, input_is_valid(input, type)
FROM (VALUES (1, '[1,2]', 'vector'), (2, '[1,2]', 'vector(2)'), (3, '[1,2]', 'vector(3)'), (4, '[1,2', 'vector'), (5, '[]', 'vector'),
	(6, '[NaN]', 'vector'), (7, '[1e39]', 'vector'), (8, '1', 'vector'), (9, '[1]x', 'vector'), (10, '[inf]', 'vector'),
	(11, '[1,2]', 'halfvec(2)'), (12, '[65520]', 'halfvec'), (13, '[]', 'halfvec'), (14, '[1,2]', 'halfvec(3)'),
	(15, '{1:1}/2', 'sparsevec(2)'), (16, '{1:1}/2', 'sparsevec(3)'), (17, '{3:1}/2', 'sparsevec'), (18, '{1:1,1:2}/2', 'sparsevec'), (19, '{}/0', 'sparsevec'),
	(20, '{1:1', 'sparsevec'), (21, '{1:NaN}/2', 'sparsevec'), (22, '{}/x', 'sparsevec'), (23, '{1/2}', 'sparsevec')) t(n, input, type)
ORDER BY n;
SELECT input_is_valid('[' || repeat('1,', 16000) || '1]', 'vector') AS vector,
	input_is_valid((SELECT '{' || string_agg(i || ':1', ',') || '}/16001' FROM generate_series(1, 16001) i), 'sparsevec') AS sparsevec;

DROP FUNCTION input_is_valid;
DROP VIEW vector_functions;
