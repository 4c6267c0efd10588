-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION hnsw_rebuild UPDATE" to load this file. \quit

/* ---- src/sql/migrate_before.sql: takes over what pgvector has made ---- */

/*
 * pgvector's types, functions, operators and btree operator classes become members of
 * this extension under the OIDs that they have, so whatever depends on them is left
 * alone.  The installation script, as adopt.awk leaves it, then puts this library's
 * functions in the place of pgvector's.
 *
 * Access methods, their operator classes and indexes cannot be taken over, and casts,
 * which nothing depends on, need not be: they are dropped.  migrate_after.sql creates
 * the indexes again, from the table pg_temp.hnsw_rebuild_migrated.
 */
DO $take$
DECLARE
	r record;
	command text;
	commands text[];
	path text := pg_catalog.current_setting('search_path');
BEGIN
	-- Whoever may create objects in the extension's schema could have operators there that fit
	-- better, and a table of this one's name.
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

	-- While both libraries are in a session, pgvector's has to define its settings first.
	SELECT p.probin INTO STRICT r FROM pg_catalog.pg_proc p
		WHERE p.oid = '@extschema@.vector_in(cstring, oid, integer)'::pg_catalog.regprocedure;
	EXECUTE pg_catalog.format('LOAD %L', r.probin);

	FOR r IN SELECT DISTINCT c.oid FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
		JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
		JOIN pg_catalog.pg_am am ON am.oid = x.relam AND am.amname = 'hnsw'
		WHERE c.relkind IN ('r', 'p') ORDER BY c.oid
	LOOP
		EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', r.oid::pg_catalog.regclass);
	END LOOP;
	CREATE TABLE pg_temp.hnsw_rebuild_migrated AS
		SELECT c.oid::pg_catalog.regclass::text AS index, c.oid, h.inhparent AS parent,
			(SELECT pg_catalog.count(*) FROM pg_catalog.pg_partition_ancestors(c.oid)) AS depth,
			pg_catalog.pg_get_indexdef(c.oid) AS definition, t.spcname AS tablespace,
			pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
			ARRAY(SELECT pg_catalog.format('%s SET STATISTICS %s', a.attnum, a.attstattarget)
				FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0) AS statistics
		FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_am am ON am.oid = c.relam AND am.amname = 'hnsw'
			LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
			LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid;
	FOR r IN SELECT index FROM pg_temp.hnsw_rebuild_migrated WHERE parent IS NULL LOOP
		EXECUTE pg_catalog.format('DROP INDEX %s', r.index);
	END LOOP;

	-- Collected first: identities are those before anything is dropped.
	SELECT pg_catalog.array_agg(pg_catalog.format('ALTER EXTENSION vector DROP %s %s', m.type, m.identity))
			|| pg_catalog.array_agg(
				CASE WHEN m.goes THEN pg_catalog.format('DROP %s %s', m.type, m.identity)
				ELSE pg_catalog.format('ALTER EXTENSION hnsw_rebuild ADD %s %s', m.type, m.identity) END
				ORDER BY m.type = 'access method', m.type = 'operator family')
		INTO commands
		FROM (
			SELECT i.type, i.identity, i.type IN ('cast', 'access method')
				OR i.type IN ('operator class', 'operator family') AND i.identity !~ ' USING btree$' AS goes
			FROM pg_catalog.pg_depend d
				JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'vector',
				LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i
			WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
		) m;
	FOREACH command IN ARRAY commands LOOP
		EXECUTE command;
	END LOOP;
	DROP EXTENSION vector;

	-- Privileges count as a member's initial ones, which dumps leave out, from ADD on: no
	-- command makes those the owner's grants again that they have been.
	DELETE FROM pg_catalog.pg_shdepend s USING pg_catalog.pg_init_privs p, pg_catalog.pg_database b
		WHERE p.privtype = 'e' AND s.deptype = 'i' AND s.classid = p.classoid AND s.objid = p.objoid
			AND s.dbid = b.oid AND b.datname = pg_catalog.current_database() AND (p.classoid, p.objoid) IN (
				SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
				JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hnsw_rebuild'
				WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e');
	DELETE FROM pg_catalog.pg_init_privs p
		WHERE (p.classoid, p.objoid) IN (
			SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hnsw_rebuild'
			WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e');

	PERFORM pg_catalog.set_config('search_path', path, true);
END
$take$;

