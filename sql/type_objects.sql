-- What one type has the others have too, but for what is listed here.

CREATE TEMP VIEW type_object AS
	SELECT t.type, o.kind, replace(replace(replace(replace(o.object, 'public.', ''), 'vector_dims', 'dims'), 'subvector', 'part'), t.type, 'TYPE') AS object,
		replace(replace(o.properties, 'public.', ''), t.type, 'TYPE') AS properties
	FROM unnest(ARRAY['vector', 'halfvec', 'sparsevec']) AS t(type),
	LATERAL (
		SELECT 'function', p.oid::regprocedure::text, row(p.prorettype::regtype::text, p.provolatile, p.proisstrict, p.proparallel)::text
		FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
			JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hnsw_rebuild'
		WHERE t.type::regtype = ANY (p.proargtypes::oid[]) OR t.type::regtype = p.prorettype
		UNION ALL
		SELECT 'operator', oid::regoperator::text, row(oprresult::regtype, nullif(oprcom, 0)::regoperator, nullif(oprnegate, 0)::regoperator, oprrest, oprjoin, oprcanmerge, oprcanhash)::text
		FROM pg_operator WHERE oprleft = t.type::regtype
		UNION ALL
		SELECT 'cast', castsource::regtype || ' to ' || casttarget::regtype, row(castcontext, castmethod)::text
		FROM pg_cast WHERE t.type::regtype IN (castsource, casttarget)
		UNION ALL
		SELECT 'opclass', opcname, row(opcdefault, amvalidate(c.oid))::text
		FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcintype = t.type::regtype AND amname = 'btree'
		UNION ALL
		SELECT 'type', t.type, row(typlen, typalign, typstorage, typcategory)::text FROM pg_type WHERE oid = t.type::regtype
	) o (kind, object, properties)
	-- but what has to do with two types
	WHERE o.object !~ ALL (SELECT other FROM unnest(ARRAY['halfvec', 'sparsevec', '(?<!sub)vector(?!_dims)']) other WHERE other !~ t.type);

SELECT kind, object, properties, string_agg(type, ', ' ORDER BY type) AS only_of FROM type_object
GROUP BY kind, object, properties HAVING count(*) < (SELECT count(DISTINCT type) FROM type_object)
ORDER BY object COLLATE "C", properties COLLATE "C";
SELECT kind, count(DISTINCT object) FROM type_object GROUP BY kind ORDER BY kind;

SELECT t::regtype, obj_description(t::regtype, 'pg_type') AS comment FROM unnest(ARRAY['vector', 'halfvec', 'sparsevec']) t;

DROP VIEW type_object;
