-- What holds for every object of the extension.  Each query lists exceptions,
-- so each result is empty.

CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid,
		pg_describe_object(d.classid, d.objid, d.objsubid) AS object
	FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		AND e.extname = 'hnsw_rebuild';

SELECT count(*) > 50 AS has_members FROM member;

-- no comment; what comes with another object (array and row types, sequences of
-- identity columns) needs none
SELECT object FROM member m
WHERE NOT EXISTS (SELECT FROM pg_depend d
				  WHERE d.classid = m.classid AND d.objid = m.objid AND d.deptype = 'i')
	AND NOT EXISTS (SELECT FROM pg_description d
				  WHERE d.classoid = m.classid AND d.objoid = m.objid AND d.objsubid = 0)
ORDER BY object COLLATE "C";

-- C functions whose symbol has not our prefix
SELECT object, p.prosrc FROM member m JOIN pg_proc p ON p.oid = m.objid
WHERE m.classid = 'pg_proc'::regclass AND p.probin IS NOT NULL AND p.prosrc !~ '^hnr_'
ORDER BY object COLLATE "C";

-- functions in SQL or PL/pgSQL, and those with their owner's rights, whose
-- meaning depends on the caller's search_path
SELECT object FROM member m JOIN pg_proc p ON p.oid = m.objid
WHERE m.classid = 'pg_proc'::regclass
	AND (p.prosecdef OR p.probin IS NULL AND p.prosqlbody IS NULL AND p.prokind <> 'a')
	AND coalesce(array_to_string(p.proconfig, ','), '') !~ 'search_path='
ORDER BY object COLLATE "C";

-- immutable functions of vectors that are not parallel safe, or that are called
-- with NULLs
SELECT object, p.proparallel, p.proisstrict FROM member m JOIN pg_proc p ON p.oid = m.objid
WHERE m.classid = 'pg_proc'::regclass AND p.provolatile = 'i' AND p.prokind = 'f'
	AND (p.proparallel <> 's' OR NOT p.proisstrict)
ORDER BY object COLLATE "C";

-- tables that anybody may write to
SELECT object FROM member m JOIN pg_class c ON c.oid = m.objid
WHERE m.classid = 'pg_class'::regclass
	AND EXISTS (SELECT FROM aclexplode(c.relacl) a
				WHERE a.grantee = 0 AND a.privilege_type <> 'SELECT')
ORDER BY object COLLATE "C";

DROP VIEW member;
