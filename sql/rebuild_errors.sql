-- what rebuild_index() and its companions refuse
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE FUNCTION state_of(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE re (id int PRIMARY KEY, e vector(3), note text);
INSERT INTO re SELECT i, ARRAY[i, i, i]::vector FROM generate_series(1, 20) i;
CREATE INDEX re_e ON re USING hnsw (e vector_l2_ops);

-- not an hnsw index
SELECT state_of($$SELECT rebuild_index('re')$$);
SELECT state_of($$SELECT rebuild_index('re_pkey')$$);
SELECT state_of($$SELECT rebuild_index('pg_class_oid_index')$$);
SELECT state_of($$SELECT rebuild_index('pg_class')$$);
SELECT state_of($$SELECT rebuild_index(4294967295::oid::regclass)$$);
SELECT state_of($$SELECT rebuild_index('re_missing')$$);
SELECT state_of($$SELECT rebuild_index(NULL)$$);
SELECT i, state_of(format('SELECT FROM %s(%L)', f, i)) AS state, string_agg(f, ' ' ORDER BY f) AS functions
FROM unnest(ARRAY['re', 're_pkey']) i, unnest(ARRAY['cancel_rebuild', 'check_index', 'clear_query_samples',
	'flush_index', 'index_degradation', 'index_health', 'index_status', 'optimize_index']) f
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT cancel_rebuild(NULL) IS NULL AS is_null;

-- options
SELECT state_of($$SELECT rebuild_index('re_e', m => 1)$$);
SELECT state_of($$SELECT rebuild_index('re_e', m => 0)$$);
SELECT state_of($$SELECT rebuild_index('re_e', m => 101)$$);
SELECT state_of($$SELECT rebuild_index('re_e', ef_construction => 3)$$);
SELECT state_of($$SELECT rebuild_index('re_e', ef_construction => 1001)$$);
SELECT state_of($$SELECT rebuild_index('re_e', m => 50)$$);
SELECT state_of($$SELECT rebuild_index('re_e', ef_construction => 20)$$);
SELECT state_of($$SELECT rebuild_index('re_e', m => 50, ef_construction => 99)$$);
SELECT state_of($$SELECT rebuild_index('re_e', m => 50, online => false)$$);
SELECT state_of($$SELECT rebuild_index('re_e', online => NULL)$$);
SELECT state_of($$SELECT rebuild_index('re_e', measure => NULL)$$);

-- temporary tables: only in the caller's transaction
CREATE TEMP TABLE re_temp (e vector(3));
CREATE INDEX re_temp_e ON re_temp USING hnsw (e vector_l2_ops);
SELECT state_of($$SELECT rebuild_index('re_temp_e')$$);
SELECT rebuild_index('re_temp_e', m => 5, online => false) > 0 AS done;

-- an invalid index
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 're_e'::regclass;
SELECT state_of($$SELECT rebuild_index('re_e')$$);
UPDATE pg_index SET indisvalid = true WHERE indexrelid = 're_e'::regclass;

-- read-only transactions
BEGIN READ ONLY;
SELECT state_of($$SELECT rebuild_index('re_e')$$);
SELECT state_of($$SELECT rebuild_index('re_e', online => false)$$);
COMMIT;

-- a second rebuild of the same index
BEGIN;
SELECT rebuild_index('re_e', measure => false) > 0 AS started;
SELECT regexp_replace(state_of($$SELECT rebuild_index('re_e')$$), '[0-9]+$', '');
SELECT regexp_replace(state_of($$SELECT rebuild_index('re_e', online => false)$$), '[0-9]+$', '');
ROLLBACK;

-- waiting
SELECT state_of($$CALL wait_for_rebuild('re_e')$$);
BEGIN;
CALL wait_for_rebuild('re_e');
ROLLBACK;
CALL wait_for_rebuild('re_e');
CALL wait_for_rebuild('re');
CALL wait_for_rebuild('re_pkey');
CALL wait_for_rebuild(4294967295::oid::regclass);
CALL wait_for_rebuild(NULL);
SELECT rebuild_index('re_e', measure => false) > 0 AS started;
CALL wait_for_rebuild('re_e', '5 minutes');

-- asked for and rolled back: no worker waits for the rest of the transaction
BEGIN;
SAVEPOINT asked;
SELECT rebuild_index('re_e', measure => false) > 0 AS started;
ROLLBACK TO asked;
SAVEPOINT within;
SELECT optimize_index('re_e', measure => false) > 0 AS started;
RELEASE within;
ROLLBACK TO asked;
DO $$
BEGIN
	FOR i IN 1..600 LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity
			WHERE backend_type = 'hnsw_rebuild worker' AND query LIKE 'waiting for the transaction%');
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'hnsw_rebuild worker' AND query LIKE 'waiting for the transaction%';
-- kept, within a subtransaction that is over
SAVEPOINT asked;
SELECT rebuild_index('re_e', measure => false) > 0 AS started;
RELEASE asked;
COMMIT;
CALL wait_for_rebuild('re_e');

-- an error in an expression of the index ends the job with that error
CREATE FUNCTION re_fail(vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF (SELECT count(*) FROM public.re_switch) > 0 THEN
		RAISE EXCEPTION 'no vector today' USING ERRCODE = '22000';
	END IF;
	RETURN $1;
END $$;
CREATE TABLE re_switch (i int);
CREATE INDEX re_x ON re USING hnsw ((re_fail(e)::vector(3)) vector_l2_ops);
INSERT INTO re_switch VALUES (1);
SELECT rebuild_index('re_x', measure => false) > 0 AS started;
\set VERBOSITY sqlstate
CALL wait_for_rebuild('re_x');
\set VERBOSITY default
SELECT state, phase, error_sqlstate, error_message FROM rebuild_history
WHERE index_oid = 're_x'::regclass;
SELECT count(*) FROM pg_class WHERE relname LIKE '%hnr\_shadow%';
TRUNCATE re_switch;
SELECT rebuild_index('re_x', measure => false) > 0 AS started;
CALL wait_for_rebuild('re_x');

-- the record is read through the view only, by everybody but superusers
SELECT relacl IS NULL OR relacl::text !~ '[{,]=' AS private FROM pg_class WHERE oid = 'hnsw_rebuild.job'::regclass;

DROP TABLE re, re_switch, re_temp;
DROP FUNCTION re_fail(vector), state_of(text);
