-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION hnsw_rebuild VERSION 'pgvector'" to load this file. \quit

/*
 * Version 'pgvector' is the one that pgvector's objects are taken over from: it holds
 * nothing, and can be created only where nothing is in the way of
 * ALTER EXTENSION hnsw_rebuild UPDATE.
 */
DO $check$
DECLARE
	schema pg_catalog.regnamespace;
	obstacles text;
BEGIN
	-- Whoever may create objects in the extension's schema could have operators there that fit better.
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	SELECT extnamespace INTO schema FROM pg_catalog.pg_extension WHERE extname = 'vector';
	IF schema IS NULL THEN
		RAISE EXCEPTION 'this database does not have the extension "vector"'
			USING ERRCODE = 'undefined_object',
				HINT = 'There is nothing to take over: CREATE EXTENSION hnsw_rebuild.';
	END IF;
	IF schema <> '@extschema@'::pg_catalog.regnamespace THEN
		RAISE EXCEPTION 'extension "vector" is in another schema, %', schema
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = pg_catalog.format('Use CREATE EXTENSION hnsw_rebuild SCHEMA %s VERSION ''pgvector''.', schema);
	END IF;

	WITH ext AS (
		SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'vector'
	), dep AS (
		SELECT d.* FROM pg_catalog.pg_depend d, ext
			WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = ext.oid
	), am AS (
		SELECT a.oid, a.amname FROM pg_catalog.pg_am a JOIN dep ON dep.objid = a.oid
			AND dep.classid = 'pg_catalog.pg_am'::pg_catalog.regclass AND dep.deptype = 'e'
	), obstacle (what) AS (
		SELECT pg_catalog.format('index %s uses access method %I', c.oid::pg_catalog.regclass, am.amname)
			FROM pg_catalog.pg_class c JOIN am ON am.oid = c.relam
			WHERE am.amname <> 'hnsw'
		UNION ALL
		SELECT pg_catalog.format('index %s is of another session''s temporary table', c.oid::pg_catalog.regclass)
			FROM pg_catalog.pg_class c JOIN am ON am.oid = c.relam
			WHERE am.amname = 'hnsw' AND pg_catalog.pg_is_other_temp_schema(c.relnamespace)
		UNION ALL
		SELECT pg_catalog.format('%s is not part of it',
				pg_catalog.pg_describe_object('pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid, 0))
			FROM pg_catalog.pg_opclass o JOIN am ON am.oid = o.opcmethod
			WHERE NOT EXISTS (SELECT FROM dep WHERE dep.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass
				AND dep.objid = o.oid AND dep.deptype = 'e')
		UNION ALL
		SELECT pg_catalog.format('%s depends on it', pg_catalog.pg_describe_object(dep.classid, dep.objid, dep.objsubid))
			FROM dep WHERE dep.deptype <> 'e'
		UNION ALL
		SELECT pg_catalog.format('%s has been added to it', pg_catalog.pg_describe_object(dep.classid, dep.objid, dep.objsubid))
			FROM dep
			WHERE dep.deptype = 'e' AND (
				dep.classid <> ALL (ARRAY['pg_catalog.pg_proc', 'pg_catalog.pg_type', 'pg_catalog.pg_operator', 'pg_catalog.pg_cast',
					'pg_catalog.pg_opclass', 'pg_catalog.pg_opfamily', 'pg_catalog.pg_am']::pg_catalog.regclass[])
				OR EXISTS (SELECT FROM pg_catalog.pg_proc p
					WHERE dep.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = dep.objid
						AND p.prokind <> 'a' AND coalesce(p.probin, '') !~ '(^|/)vector$'))
	)
	SELECT pg_catalog.string_agg(what, E'\n' ORDER BY what) INTO obstacles FROM obstacle;
	IF obstacles IS NOT NULL THEN
		RAISE EXCEPTION 'extension "vector" cannot be taken over'
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = obstacles,
				HINT = 'doc/migrating-from-pgvector.md says what to do about each.';
	END IF;
END
$check$;
