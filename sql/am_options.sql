-- Storage parameters: ranges, setting and resetting, when they take effect.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, e vector(3));
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(1, 200) i;
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 1);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 101);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 'many');
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (ef_construction = 3);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (ef_construction = 1001);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (auto_rebuild_threshold = 1.5);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (auto_rebuild_threshold = -0.5);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (lists = 100);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (fillfactor = 50);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 16, ef_construction = 31);

CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 2, ef_construction = 4);
SELECT reloptions FROM pg_class WHERE relname = 'i';
SELECT pg_relation_size('i') AS size \gset
ALTER INDEX i SET (m = 0);
ALTER INDEX i SET (m = 40, ef_construction = 100);
SELECT reloptions FROM pg_class WHERE relname = 'i';
-- the graph is as it was built
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(201, 210) i;
SELECT * FROM check_all('i');
SELECT pg_relation_size('i') < :size + 3 * 8192 AS as_before;
-- until it is built anew
REINDEX INDEX i;
SELECT pg_relation_size('i') > 2 * :size AS larger;
SELECT * FROM check_all('i');
ALTER INDEX i RESET (m, ef_construction);
SELECT reloptions FROM pg_class WHERE relname = 'i';
REINDEX INDEX i;
SELECT * FROM check_all('i');
ALTER INDEX i SET (m = 50);
REINDEX INDEX i;
SELECT * FROM check_all('i');
DROP TABLE t;

-- of a partitioned index, for partitions to come
CREATE TABLE t (id int, e vector(3)) PARTITION BY RANGE (id);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops) WITH (m = 5, ef_construction = 10);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100);
SELECT reloptions FROM pg_class WHERE relname = 't1_e_idx';
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(1, 99) i;
SELECT * FROM check_all('t1_e_idx');
DROP TABLE t;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
