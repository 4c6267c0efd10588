-- check_index(): whom it lets in, what it takes, what it looks like.  What it finds
-- is the matter of a test that damages pages.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

\df check_index
SELECT provolatile, proisstrict, proparallel FROM pg_proc WHERE proname = 'check_index';
CREATE TABLE t (id int PRIMARY KEY, e vector(3)) WITH (autovacuum_enabled = off);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
SELECT * FROM check_index('i');
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(1, 100) i;
SELECT * FROM check_index('i');
SELECT * FROM check_index('i', heapallindexed => true);
SELECT * FROM check_index('i', NULL);
SELECT * FROM check_index(NULL);

SELECT * FROM check_index('t');
SELECT * FROM check_index('t_pkey');
SELECT * FROM check_index('no_such_index');
SELECT * FROM check_index(0);
SELECT * FROM check_index(4294967295);
-- a partitioned index: its leaves
CREATE TABLE p (e vector(3)) PARTITION BY HASH (e);
CREATE TABLE p (id int, e vector(3)) PARTITION BY HASH (id);
CREATE INDEX pi ON p USING hnsw (e vector_l2_ops);
SELECT * FROM check_index('pi');
CREATE TABLE p_0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p_1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY HASH (id);
CREATE TABLE p_1_0 PARTITION OF p_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO p SELECT i, vec(i, 3) FROM generate_series(1, 100) i;
SELECT * FROM check_index('pi', true);
BEGIN;
SELECT count(*) FROM check_index('pi', true);
SELECT count(*) FROM pg_locks WHERE relation IN ('p_0'::regclass, 'p_1_0_e_idx'::regclass) AND pid = pg_backend_pid();
COMMIT;
DROP TABLE p;

-- deleted rows, rows not committed, rows of other transactions
BEGIN;
DELETE FROM t WHERE id % 2 = 0;
INSERT INTO t SELECT i, vec(i, 3) FROM generate_series(201, 220) i;
SELECT * FROM check_index('i', true);
SAVEPOINT s;
UPDATE t SET e = e + e;
SELECT * FROM check_index('i', true);
ROLLBACK TO s;
SELECT * FROM check_index('i', true);
COMMIT;
SELECT * FROM check_index('i', true);
UPDATE t SET e = e + e WHERE id < 50;
UPDATE t SET id = id + 1000;
SELECT * FROM check_index('i', true);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM t;
SELECT * FROM check_index('i', true);
COMMIT;
BEGIN READ ONLY;
SELECT * FROM check_index('i', true);
COMMIT;

-- for the owner, and for who may maintain the table
CREATE ROLE hnr_verify_owner;
CREATE ROLE hnr_verify_other;
GRANT USAGE ON SCHEMA am_test TO hnr_verify_owner, hnr_verify_other;
ALTER TABLE t OWNER TO hnr_verify_owner;
SET ROLE hnr_verify_owner;
SELECT count(*) FROM check_index('i', true);
SET ROLE hnr_verify_other;
SELECT count(*) FROM check_index('i', true);
RESET ROLE;

-- an expression is computed as the owner
CREATE FUNCTION who(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE SET search_path = public AS $$
BEGIN
	RAISE NOTICE '%', current_user;
	RETURN v;
END $$;
DELETE FROM t WHERE id > 1001;
CREATE INDEX w ON t USING hnsw ((who(e)::vector(3)) vector_l2_ops) WHERE id = 1001;
SET client_min_messages = notice;
SELECT * FROM check_index('w', true);
SET client_min_messages = warning;
DROP TABLE t;
DROP FUNCTION who;
REVOKE ALL ON SCHEMA am_test FROM hnr_verify_owner, hnr_verify_other;
DROP ROLE hnr_verify_owner, hnr_verify_other;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
