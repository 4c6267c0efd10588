-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION hnsw_rebuild" to load this file. \quit

/* ---- src/sql/types.sql ---- */

/*
 * A database has room for one vector extension only: the names of the types and
 * of the access method are the same, because clients rely on them.
 */
DO $check$
DECLARE
	rival text;
BEGIN
	SELECT pg_catalog.format('extension "%s"', extname) INTO rival
		FROM pg_catalog.pg_extension WHERE extname = 'vector';
	IF rival IS NULL THEN
		SELECT pg_catalog.format('access method "%s"', amname) INTO rival
			FROM pg_catalog.pg_am WHERE amname = 'hnsw';
	END IF;
	IF rival IS NULL THEN
		SELECT pg_catalog.format('type %s', t.oid::pg_catalog.regtype) INTO rival
			FROM pg_catalog.pg_type t
			WHERE t.typname IN ('vector', 'halfvec', 'sparsevec')
				AND t.typnamespace = '@extschema@'::pg_catalog.regnamespace
			LIMIT 1;
	END IF;
	IF rival IS NOT NULL THEN
		RAISE EXCEPTION 'extension "hnsw_rebuild" conflicts with %', rival
			USING ERRCODE = 'duplicate_object',
				DETAIL = 'Both define the same type and access method names.',
				HINT = CASE WHEN rival = 'extension "vector"'
					THEN 'Create it in another database, or let it take over: doc/migrating-from-pgvector.md says how.'
					ELSE 'Create it in another database, or drop the other one first.' END;
	END IF;
END
$check$;
