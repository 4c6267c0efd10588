-- rebuild_index(), wait_for_rebuild(), cancel_rebuild(), rebuild_history
SET client_min_messages = warning;
CREATE TABLE rb (id int PRIMARY KEY, e vector(3));
INSERT INTO rb SELECT i, ARRAY[i % 7, i % 11, i]::vector FROM generate_series(1, 300) i;
CREATE INDEX rb_e ON rb USING hnsw (e vector_l2_ops) WITH (m = 8, auto_rebuild_threshold = -1);
COMMENT ON INDEX rb_e IS 'kept';
CREATE TEMP TABLE was AS
	SELECT oid, relfilenode FROM pg_class WHERE relname = 'rb_e';

-- in the background, with other options
SELECT rebuild_index('rb_e', m => 12, ef_construction => 80) > 0 AS started;
CALL wait_for_rebuild('rb_e');
SELECT c.oid = was.oid AS same_oid, c.relfilenode <> was.relfilenode AS other_storage,
	c.reloptions, obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c, was WHERE c.relname = 'rb_e';
SELECT indisvalid, indisready, indislive FROM pg_index WHERE indexrelid = 'rb_e'::regclass;
SELECT count(*) FROM pg_class WHERE relname LIKE 'rb\_e%';
SET enable_seqscan = off;
SELECT id FROM rb ORDER BY e <-> '[3,4,200]' LIMIT 3;
RESET enable_seqscan;

SELECT index_name, trigger, state, phase, online, m_before, ef_construction_before,
	m_after, ef_construction_after, tuples_done, tuples_total, cutover_attempts > 0 AS attempts,
	lock_hold_ms > 0 AS hold, longest_wait_ms > 0 AS wait,
	recall_before BETWEEN 0 AND 1 AS before, recall_after > 0.5 AS after,
	error_sqlstate, error_message
FROM rebuild_history WHERE index_oid = 'rb_e'::regclass;
SELECT h.old_relfilenode = was.relfilenode AS old, h.new_relfilenode = c.relfilenode AS new
FROM rebuild_history h, was, pg_class c
WHERE h.index_oid = c.oid AND c.oid = was.oid;
SELECT key FROM rebuild_history, jsonb_each(phase_ms)
WHERE index_oid = 'rb_e'::regclass AND key IN ('building', 'creating shadow') ORDER BY 1;

-- with the present options, without measuring recall
SELECT rebuild_index('rb_e', measure => false) > 0 AS started;
CALL wait_for_rebuild('rb_e', '10 minutes');
SELECT m_after, ef_construction_after, recall_before, recall_after
FROM rebuild_history WHERE index_oid = 'rb_e'::regclass ORDER BY id DESC LIMIT 1;
SELECT reloptions FROM pg_class WHERE relname = 'rb_e';
-- waiting for what is over
CALL wait_for_rebuild('rb_e');
SELECT cancel_rebuild('rb_e');

-- in this transaction
BEGIN;
SELECT rebuild_index('rb_e', m => 5, online => false) > 0 AS done;
SELECT reloptions FROM pg_class WHERE relname = 'rb_e';
SELECT online, state, m_before, m_after FROM rebuild_history
WHERE index_oid = 'rb_e'::regclass ORDER BY id DESC LIMIT 1;
ROLLBACK;
SELECT reloptions FROM pg_class WHERE relname = 'rb_e';
SELECT rebuild_index('rb_e', m => 6, online => false) > 0 AS done;
SELECT reloptions FROM pg_class WHERE relname = 'rb_e';
SELECT c.oid = was.oid AS same_oid FROM pg_class c, was WHERE c.relname = 'rb_e';
SELECT online, state, m_before, m_after, old_relfilenode <> new_relfilenode AS other_storage,
	phase_ms ?& ARRAY['waiting for table lock', 'building'] AS phases,
	tuples_done = (SELECT count(*) FROM rb) AS all_tuples, tuples_total = tuples_done AS total
FROM rebuild_history WHERE index_oid = 'rb_e'::regclass ORDER BY id DESC LIMIT 1;
-- an option that was changed after it was built
ALTER INDEX rb_e SET (m = 7);
SELECT rebuild_index('rb_e', m => 6, online => false) > 0 AS done;
SELECT m_before, m_after FROM rebuild_history WHERE index_oid = 'rb_e'::regclass ORDER BY id DESC LIMIT 1;

-- a request that is rolled back, and one that is cancelled before it begins
BEGIN;
SELECT rebuild_index('rb_e') > 0 AS started;
SELECT state FROM rebuild_history WHERE index_oid = 'rb_e'::regclass ORDER BY id DESC LIMIT 1;
ROLLBACK;
SELECT count(*) FROM rebuild_history WHERE index_oid = 'rb_e'::regclass;
BEGIN;
SELECT rebuild_index('rb_e') > 0 AS started;
SELECT cancel_rebuild('rb_e');
COMMIT;
SELECT state, error_sqlstate, error_message FROM rebuild_history
WHERE index_oid = 'rb_e'::regclass ORDER BY id DESC LIMIT 1;

-- from a function
DO $$ BEGIN PERFORM rebuild_index('rb_e', m => 9, measure => false); END $$;
CALL wait_for_rebuild('rb_e');
SELECT reloptions FROM pg_class WHERE relname = 'rb_e';

-- partial and expression indexes, an unlogged table, NULLs, an empty table
CREATE INDEX rb_partial ON rb USING hnsw (e vector_cosine_ops) WHERE id > 100;
SELECT rebuild_index('rb_partial', m => 4) > 0 AS started;
CALL wait_for_rebuild('rb_partial');
CREATE INDEX rb_expression ON rb USING hnsw ((l2_normalize(e)::vector(3)) vector_ip_ops);
SELECT rebuild_index('rb_expression', m => 4) > 0 AS started;
CALL wait_for_rebuild('rb_expression');
CREATE UNLOGGED TABLE rb_unlogged (e vector(2));
INSERT INTO rb_unlogged SELECT CASE WHEN i % 3 > 0 THEN ARRAY[i, -i]::vector END FROM generate_series(1, 50) i;
CREATE INDEX rb_unlogged_e ON rb_unlogged USING hnsw (e vector_l2_ops);
SELECT rebuild_index('rb_unlogged_e', m => 4) > 0 AS started;
CALL wait_for_rebuild('rb_unlogged_e');
SELECT pg_relation_size('rb_unlogged_e', 'init') > 0 AS init_fork;
CREATE TABLE rb_empty (e vector(2));
CREATE INDEX rb_empty_e ON rb_empty USING hnsw (e vector_l2_ops);
SELECT rebuild_index('rb_empty_e', m => 4) > 0 AS started;
CALL wait_for_rebuild('rb_empty_e');
SELECT index_name, state, m_after, error_message FROM rebuild_history
WHERE index_name ~ 'rb_(partial|expression|unlogged|empty)' ORDER BY id;

-- two indexes of one table: one after the other
SELECT rebuild_index('rb_e', measure => false) > 0 AS started,
	rebuild_index('rb_partial', measure => false) > 0 AS started_too;
CALL wait_for_rebuild('rb_e');
CALL wait_for_rebuild('rb_partial');

-- the leaves of a partitioned index, and the parent's options
CREATE TABLE rb_parent (id int, e vector(2)) PARTITION BY RANGE (id);
CREATE TABLE rb_leaf1 PARTITION OF rb_parent FOR VALUES FROM (0) TO (100);
CREATE TABLE rb_leaf2 PARTITION OF rb_parent FOR VALUES FROM (100) TO (220) PARTITION BY RANGE (id);
CREATE TABLE rb_leaf2a PARTITION OF rb_leaf2 FOR VALUES FROM (100) TO (200);
INSERT INTO rb_parent SELECT i, ARRAY[i, i % 7]::vector FROM generate_series(0, 199) i;
CREATE INDEX rb_parent_e ON rb_parent USING hnsw (e vector_l2_ops);
SELECT rebuild_index('rb_parent_e', m => 7) > 0 AS started;
CALL wait_for_rebuild('rb_parent_e');
SELECT index_name, parent_id IS NOT NULL AS is_leaf, state, m_after FROM rebuild_history
WHERE index_name ~ 'rb_(parent|leaf)' ORDER BY id;
SELECT relname, relkind, reloptions, relispartition FROM pg_class
WHERE relname ~ '^rb_(parent|leaf)' AND relkind IN ('i', 'I') ORDER BY relname;
SELECT rebuild_index('rb_parent_e', m => 6, online => false) > 0 AS done;
SELECT relname, reloptions FROM pg_class
WHERE relname ~ '^rb_(parent|leaf)' AND relkind IN ('i', 'I') ORDER BY relname;
CREATE TABLE rb_leaf2b PARTITION OF rb_leaf2 FOR VALUES FROM (200) TO (220);
CREATE TABLE rb_leaf3 PARTITION OF rb_parent FOR VALUES FROM (220) TO (300);
SELECT relname, reloptions FROM pg_class WHERE relname IN ('rb_leaf2b_e_idx', 'rb_leaf3_e_idx') ORDER BY 1;

-- history keeps to its limit
SELECT count(*) > 5 AS many FROM rebuild_history;
ALTER DATABASE :DBNAME SET hnsw_rebuild.history_limit = 3;
SELECT rebuild_index('rb_empty_e') > 0 AS started;
CALL wait_for_rebuild('rb_empty_e');
SELECT count(*), count(*) FILTER (WHERE parent_id IS NULL) AS requests FROM rebuild_history;
ALTER DATABASE :DBNAME RESET hnsw_rebuild.history_limit;

DROP TABLE rb, rb_unlogged, rb_empty, rb_parent, was;
