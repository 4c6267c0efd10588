-- optimize_index()
SET client_min_messages = warning;
CREATE TABLE opt (id int PRIMARY KEY, e vector(8));
CREATE FUNCTION opt_vec(seed int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((hashint4(seed * 8 + i) % 1000)::real)::vector FROM generate_series(0, 7) i$$;
INSERT INTO opt SELECT i, opt_vec(i) FROM generate_series(1, 3000) i;
CREATE INDEX opt_e ON opt USING hnsw (e vector_l2_ops) WITH (m = 5, auto_rebuild_threshold = -1);
CREATE TEMP TABLE was AS SELECT oid, relfilenode FROM pg_class WHERE relname = 'opt_e';

-- nothing has happened yet
SELECT optimize_index('opt_e', measure => false) > 0 AS started;
CALL wait_for_rebuild('opt_e');
SELECT state, method, share, work->'vertices' AS vertices, work->'due' AS due,
	work->'attached' AS attached, recall_before, recall_after
FROM rebuild_history ORDER BY id DESC LIMIT 1;

-- two thirds of the rows are others, in three rounds
DELETE FROM opt WHERE id % 3 = 0;
VACUUM opt;
INSERT INTO opt SELECT i, opt_vec(i) FROM generate_series(3001, 4000) i;
DELETE FROM opt WHERE id % 3 = 1;
VACUUM opt;
INSERT INTO opt SELECT i, opt_vec(i) FROM generate_series(4001, 5000) i;
DELETE FROM opt WHERE id % 7 = 1;
VACUUM opt;

-- some, others, all that is left; then nothing is
SELECT optimize_index('opt_e', 0) > 0 AS started;
CALL wait_for_rebuild('opt_e');
SELECT optimize_index('opt_e') > 0 AS started;
CALL wait_for_rebuild('opt_e');
SELECT optimize_index('opt_e', 1) > 0 AS started;
CALL wait_for_rebuild('opt_e');
SELECT optimize_index(index => 'opt_e', share => 1) > 0 AS started;
CALL wait_for_rebuild('opt_e');
SELECT state, method, share, m_before = m_after AS same_m, index_name, phase, online,
	(work->'vertices')::int = (SELECT count(*) FROM opt) AS vertices, (work->'due')::int > 0 AS due,
	(work->'links_added')::int > 0 AS added, (work->'still_due')::int > 0 AS still_due,
	(work->'codes_renewed')::int AS codes, error_message
FROM rebuild_history WHERE index_oid = 'opt_e'::regclass ORDER BY id DESC LIMIT 4;
-- (each measured with its own sample of rows)
SELECT b.recall_after > a.recall_before - 0.01 AS no_worse, b.recall_after > 0.98 AS good
FROM (SELECT * FROM rebuild_history ORDER BY id DESC OFFSET 3 LIMIT 1) a,
	(SELECT * FROM rebuild_history ORDER BY id DESC LIMIT 1) b;
SELECT * FROM check_index('opt_e');
SELECT c.oid = was.oid AND c.relfilenode = was.relfilenode AS same_storage
FROM pg_class c, was WHERE c.relname = 'opt_e';
-- it is no rebuild
SELECT status, last_rebuild, degradation < 0.1 AS good FROM index_status('opt_e');

-- every row is found
SET enable_seqscan = off;
SET hnsw.ef_search = 100;
SELECT count(*) FROM opt o WHERE o.id <> (SELECT id FROM opt ORDER BY e <-> o.e LIMIT 1);
RESET enable_seqscan;
RESET hnsw.ef_search;

-- an index without vertices
DELETE FROM opt;
VACUUM opt;
SELECT optimize_index('opt_e') > 0 AS started;
CALL wait_for_rebuild('opt_e');
SELECT state, work->'vertices' AS vertices FROM rebuild_history ORDER BY id DESC LIMIT 1;
SELECT * FROM check_index('opt_e');

-- errors
SELECT optimize_index(NULL);
SELECT optimize_index('opt_e', 1.5);
SELECT optimize_index('opt_e', -0.1);
SELECT optimize_index('opt_e', 'NaN');
SELECT optimize_index('opt_e', measure => NULL);
SELECT optimize_index('opt_pkey');
BEGIN READ ONLY;
SELECT optimize_index('opt_e');
ROLLBACK;
-- within a transaction that does not come to its end, nothing happens
BEGIN;
SELECT optimize_index('opt_e') > 0 AS started;
\set VERBOSITY terse
SELECT optimize_index('opt_e');
\set VERBOSITY default
ROLLBACK;
SELECT count(*) FROM rebuild_history WHERE index_name ~ 'opt_e' AND state <> 'done';

DROP TABLE opt;
DROP FUNCTION opt_vec;

-- of every kind: with no codes, of several rows a vector, of several pages, partitions
CREATE TABLE optk (id int, s sparsevec(50), b bit(64), h halfvec(12), w vector(2000)) PARTITION BY RANGE (id);
CREATE TABLE optk1 PARTITION OF optk FOR VALUES FROM (0) TO (300);
CREATE TABLE optk2 PARTITION OF optk FOR VALUES FROM (300) TO (MAXVALUE);
CREATE FUNCTION optk_fill(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO optk
	SELECT i, format('{%s:1,%s:%s}/50', 1 + i % 20, 21 + i % 29, 1 + i % 5)::sparsevec,
		(hashint8(i / 2)::bit(32) || hashint8(i / 2 + 7)::bit(32))::bit(64),
		(SELECT array_agg(hashint4(i / 3 * 12 + j) % 100)::halfvec FROM generate_series(1, 12) j),
		(SELECT array_agg(hashint4(i * 2000 + j) % 1000)::vector FROM generate_series(1, 2000) j)
	FROM generate_series(first, last) i $$;
SELECT optk_fill(1, 600);
CREATE INDEX optk_s ON optk USING hnsw (s sparsevec_l2_ops) WITH (m = 4);
CREATE INDEX optk_b ON optk USING hnsw (b bit_hamming_ops) WITH (m = 4);
CREATE INDEX optk_h ON optk USING hnsw (h halfvec_ip_ops) WITH (m = 4);
CREATE INDEX optk_c ON optk USING hnsw (h halfvec_l1_ops) WITH (m = 4);
CREATE INDEX optk_w ON optk USING hnsw (w vector_cosine_ops) WITH (m = 12);
DELETE FROM optk WHERE id % 3 = 0;
VACUUM optk;
SELECT optk_fill(601, 800);
DELETE FROM optk WHERE id % 5 = 0;
VACUUM optk;
DO $$
DECLARE
	i regclass;
BEGIN
	FOREACH i IN ARRAY ARRAY['optk_s', 'optk_b', 'optk_h', 'optk_c', 'optk_w'] LOOP
		PERFORM optimize_index(i, 1, measure => false);
		COMMIT;
		CALL wait_for_rebuild(i);
	END LOOP;
END $$;
SELECT index_name, state, method, (work->'changed')::int > 0 AS changed,
	work->'still_due' AS still_due, error_message
FROM rebuild_history WHERE index_name ~ 'optk' ORDER BY index_name;
SELECT c.relname, k.* FROM pg_class c, check_index(c.oid) k
WHERE c.relname ~ '^optk._._idx' ORDER BY 1;
DROP TABLE optk;
DROP FUNCTION optk_fill;
