-- What `make bench` measures with; times by the server's clock, in one session.

-- Milliseconds since t.
CREATE FUNCTION ms_since(t timestamptz) RETURNS float8
	RETURN extract(epoch FROM clock_timestamp() - t) * 1000;

CREATE FUNCTION bench_build(m int, ef_construction int,
	OUT seconds numeric, OUT vectors_per_second numeric, OUT index_size text, OUT table_size text)
LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
BEGIN
	EXECUTE format('CREATE INDEX items_embedding_hnsw ON items USING hnsw (embedding vector_l2_ops)
		WITH (m = %s, ef_construction = %s)', m, ef_construction);
	seconds := round(ms_since(start)::numeric / 1000, 2);
	SELECT round(count(*) / seconds) INTO vectors_per_second FROM items;
	index_size := pg_size_pretty(pg_relation_size('items_embedding_hnsw'));
	table_size := pg_size_pretty(pg_table_size('items'));
END $$;

-- Ids and distances of the k nearest to each query; the time of all, ms.
CREATE FUNCTION nearest_to_all(k int, OUT ms float8, OUT distances float8[])
LANGUAGE plpgsql AS $$
DECLARE
	q record;
	start timestamptz;
	one float8[];
BEGIN
	ms := 0;
	FOR q IN SELECT v FROM query ORDER BY id LOOP
		start := clock_timestamp();
		one := ARRAY(SELECT embedding <-> q.v FROM items ORDER BY embedding <-> q.v LIMIT k);
		ms := ms + ms_since(start);
		distances := distances || one || array_fill('NaN'::float8, ARRAY[k - cardinality(one)]);
	END LOOP;
END $$;

CREATE FUNCTION bench_search(k int)
RETURNS TABLE (method text, recall numeric, ms_per_query numeric, times_faster_than_exact numeric)
LANGUAGE plpgsql AS $$
DECLARE
	queries int := (SELECT count(*) FROM query);
	exact record;
	found record;
	ef int;
BEGIN
	SET LOCAL plan_cache_mode = force_custom_plan;
	SET LOCAL enable_indexscan = off;
	SELECT * INTO exact FROM nearest_to_all(k);
	RETURN QUERY SELECT 'exact', 1.0, round((exact.ms / queries)::numeric, 3), 1.0;
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_seqscan = off;
	FOREACH ef IN ARRAY ARRAY[10, 20, 40, 80, 160, 320] LOOP
		PERFORM set_config('hnsw.ef_search', ef::text, true);
		PERFORM nearest_to_all(k);
		SELECT * INTO found FROM nearest_to_all(k);
		-- As near as the k-th exact one counts as found.
		RETURN QUERY SELECT 'hnsw.ef_search = ' || ef,
			round(count(*) FILTER (WHERE f.d <= exact.distances[(f.i - 1) / k * k + k] * (1 + 1e-6))
				/ (queries * k)::numeric, 4),
			round((found.ms / queries)::numeric, 3), round((exact.ms / found.ms)::numeric, 1)
			FROM unnest(found.distances) WITH ORDINALITY f(d, i) WHERE f.d <> 'NaN';
	END LOOP;
END $$;

CREATE FUNCTION bench_insert(n int,
	OUT ms_each numeric, OUT ms_each_without_index numeric)
LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	v vector;
BEGIN
	CREATE TEMP TABLE plain (LIKE items);
	ms_each := 0;
	ms_each_without_index := 0;
	FOR v IN SELECT s.v FROM source s ORDER BY id DESC LIMIT n LOOP
		start := clock_timestamp();
		INSERT INTO items (embedding) VALUES (v);
		ms_each := ms_each + ms_since(start)::numeric;
		start := clock_timestamp();
		INSERT INTO plain (id, embedding) VALUES (0, v);
		ms_each_without_index := ms_each_without_index + ms_since(start)::numeric;
	END LOOP;
	ms_each := round(ms_each / n, 3);
	ms_each_without_index := round(ms_each_without_index / n, 3);
END $$;

-- Searches for some seconds; their mean time, ms.
CREATE FUNCTION bench_quiet(seconds float8) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
	total float8 := 0;
	rounds int := 0;
BEGIN
	WHILE ms_since(start) < seconds * 1000 LOOP
		total := total + (SELECT ms FROM nearest_to_all(10));
		rounds := rounds + 1;
	END LOOP;
	RETURN total / rounds / (SELECT count(*) FROM query);
END $$;

-- Searches, each round in a transaction of its own, until the newest rebuild is
-- over; the mean against the one before it.
CREATE PROCEDURE bench_rebuild(before float8,
	INOUT ms_per_query_before numeric DEFAULT 0, INOUT ms_per_query_during numeric DEFAULT 0,
	INOUT slower_by_pct numeric DEFAULT 0)
LANGUAGE plpgsql AS $$
DECLARE
	total float8 := 0;
	rounds int := 0;
BEGIN
	LOOP
		total := total + (SELECT ms FROM nearest_to_all(10));
		rounds := rounds + 1;
		COMMIT;
		EXIT WHEN (SELECT state NOT IN ('queued', 'running') FROM rebuild_history ORDER BY id DESC LIMIT 1);
	END LOOP;
	ms_per_query_before := round(before::numeric, 3);
	ms_per_query_during := round((total / rounds / (SELECT count(*) FROM query))::numeric, 3);
	slower_by_pct := round((ms_per_query_during / ms_per_query_before - 1) * 100, 1);
END $$;
