
/* ---- src/sql/migrate_after.sql: what is left to do when pgvector's objects have been taken over ---- */

DO $finish$
DECLARE
	r record;
	t text;
BEGIN
	-- Functions that have no counterpart here.
	FOR r IN SELECT p.oid::pg_catalog.regprocedure AS function FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND e.oid = d.refobjid AND e.extname = 'hnsw_rebuild'
		WHERE p.probin IS NOT NULL AND p.prosrc !~ '^hnr_'
	LOOP
		EXECUTE pg_catalog.format('DROP FUNCTION %s', r.function);
	END LOOP;

	-- The search_path of an extension's script has its schema.  Operators stay, with the planner's hints of this extension; the last of them can be
	-- given by a command from PostgreSQL 17 on only.
	FOREACH t IN ARRAY ARRAY['vector', 'halfvec', 'sparsevec'] LOOP
		EXECUTE pg_catalog.format('ALTER OPERATOR <> (%1$s, %1$s) SET (RESTRICT = neqsel, JOIN = neqjoinsel)', t);
		UPDATE pg_catalog.pg_operator SET oprcanmerge = true
			WHERE oid = pg_catalog.format('=(%1$s, %1$s)', t)::pg_catalog.regoperator;
	END LOOP;

	FOR r IN SELECT * FROM hnsw_rebuild_migrated ORDER BY depth, index LOOP
		PERFORM pg_catalog.set_config('default_tablespace', coalesce(r.tablespace, ''), true);
		EXECUTE r.definition;
		IF r.comment IS NOT NULL THEN
			EXECUTE pg_catalog.format('COMMENT ON INDEX %s IS %L', r.index, r.comment);
		END IF;
		FOREACH t IN ARRAY r.statistics LOOP
			EXECUTE pg_catalog.format('ALTER INDEX %s ALTER COLUMN %s', r.index, t);
		END LOOP;
	END LOOP;
	FOR r IN SELECT p.index AS parent, c.index FROM hnsw_rebuild_migrated c
		JOIN hnsw_rebuild_migrated p ON p.oid = c.parent ORDER BY c.depth DESC
	LOOP
		EXECUTE pg_catalog.format('ALTER INDEX %s ATTACH PARTITION %s', r.parent, r.index);
	END LOOP;
	DROP TABLE hnsw_rebuild_migrated;
END
$finish$;
