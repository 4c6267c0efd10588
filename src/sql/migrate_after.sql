
/* ---- src/sql/migrate_after.sql: what is left to do when pgvector's objects have been taken over ---- */

DO $finish$
DECLARE
	r record;
	t text;
	path text := pg_catalog.current_setting('search_path');
	schema CONSTANT text := '@extschema@';
BEGIN
	-- As in migrate_before.sql.
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

	-- What was there already, and therefore not created, has to have been pgvector's.
	FOR r IN WITH member AS (
			SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
				JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
					AND e.oid = d.refobjid AND e.extname = 'hnsw_rebuild'
				WHERE d.deptype = 'e'
		), used (classid, objid) AS (
			SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_type t
				WHERE t.typnamespace = '@extschema@'::pg_catalog.regnamespace AND t.typname IN ('vector', 'halfvec', 'sparsevec')
			UNION ALL
			SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, a.amopopr FROM pg_catalog.pg_amop a
				JOIN member m ON m.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND m.objid = a.amopfamily
		)
		SELECT pg_catalog.pg_describe_object(u.classid, u.objid, 0) AS object FROM used u
			WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = u.classid AND m.objid = u.objid)
	LOOP
		RAISE EXCEPTION '% already exists and is not part of extension "vector"', r.object
			USING ERRCODE = 'duplicate_object';
	END LOOP;

	-- Functions that have no counterpart here.
	FOR r IN SELECT p.oid::pg_catalog.regprocedure AS function FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND e.oid = d.refobjid AND e.extname = 'hnsw_rebuild'
		WHERE p.probin IS NOT NULL AND p.prosrc !~ '^hnr_'
	LOOP
		EXECUTE pg_catalog.format('DROP FUNCTION %s', r.function);
	END LOOP;

	-- Types and operators stay, with the properties that this extension gives them.  Those of old
	-- versions of pgvector have others; some can be changed by a command from PostgreSQL 17 on only.
	FOREACH t IN ARRAY ARRAY['vector', 'halfvec', 'sparsevec'] LOOP
		EXECUTE pg_catalog.format('ALTER TYPE %s.%s SET (STORAGE = external)', schema, t);
		FOR r IN SELECT * FROM (VALUES ('<>', 'neq'), ('<=', 'scalarle'), ('>=', 'scalarge')) v (operator, estimate) LOOP
			EXECUTE pg_catalog.format('ALTER OPERATOR %1$s.%2$s (%1$s.%3$s, %1$s.%3$s) SET (RESTRICT = %4$ssel, JOIN = %4$sjoinsel)',
				schema, r.operator, t, r.estimate);
		END LOOP;
		UPDATE pg_catalog.pg_operator SET oprcanmerge = true
			WHERE oid = pg_catalog.format('%1$s.=(%1$s.%2$s, %1$s.%2$s)', schema, t)::pg_catalog.regoperator;
	END LOOP;
	UPDATE pg_catalog.pg_operator SET oprcom = 0
		WHERE oid = pg_catalog.format('%1$s.-(%1$s.vector, %1$s.vector)', schema)::pg_catalog.regoperator;

	-- Functions in expressions of indexes may be in the extension's schema.
	PERFORM pg_catalog.set_config('search_path', path, true);
	FOR r IN SELECT * FROM pg_temp.hnsw_rebuild_migrated ORDER BY depth, index LOOP
		PERFORM pg_catalog.set_config('default_tablespace', coalesce(r.tablespace, ''), true);
		EXECUTE r.definition;
		IF r.comment IS NOT NULL THEN
			EXECUTE pg_catalog.format('COMMENT ON INDEX %s IS %L', r.index, r.comment);
		END IF;
		FOREACH t IN ARRAY r.statistics LOOP
			EXECUTE pg_catalog.format('ALTER INDEX %s ALTER COLUMN %s', r.index, t);
		END LOOP;
	END LOOP;
	FOR r IN SELECT p.index AS parent, c.index FROM pg_temp.hnsw_rebuild_migrated c
		JOIN pg_temp.hnsw_rebuild_migrated p ON p.oid = c.parent ORDER BY c.depth DESC
	LOOP
		EXECUTE pg_catalog.format('ALTER INDEX %s ATTACH PARTITION %s', r.parent, r.index);
	END LOOP;
	DROP TABLE pg_temp.hnsw_rebuild_migrated;
END
$finish$;
