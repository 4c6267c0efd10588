-- who may rebuild, cancel, wait, and see
SET client_min_messages = warning;
CREATE ROLE regress_rp_owner;
CREATE ROLE regress_rp_member IN ROLE regress_rp_owner;
CREATE ROLE regress_rp_other;
CREATE ROLE regress_rp_monitor IN ROLE pg_monitor;
CREATE SCHEMA rp AUTHORIZATION regress_rp_owner;
GRANT USAGE ON SCHEMA rp TO PUBLIC;
SET ROLE regress_rp_owner;
CREATE TABLE rp.t (id int, e vector(3));
INSERT INTO rp.t SELECT i, ARRAY[i, i % 5, i % 3]::vector FROM generate_series(1, 100) i;
CREATE INDEX t_e ON rp.t USING hnsw (e vector_l2_ops);

-- the owner, who cannot log in: the worker acts for it
SELECT rebuild_index('rp.t_e', m => 5) > 0 AS started;
CALL wait_for_rebuild('rp.t_e');
SELECT state, m_after, owner, requested_by FROM rebuild_history WHERE index_name = 'rp.t_e';

-- a member of the owner
SET ROLE regress_rp_member;
SELECT rebuild_index('rp.t_e', m => 6) > 0 AS started;
CALL wait_for_rebuild('rp.t_e');
SELECT rebuild_index('rp.t_e', m => 7, online => false) > 0 AS done;
SELECT state, m_after, requested_by FROM rebuild_history WHERE index_name = 'rp.t_e' ORDER BY id;

-- somebody else, also with rights on the table's contents
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON rp.t TO regress_rp_other;
SET ROLE regress_rp_other;
SELECT rebuild_index('rp.t_e');
SELECT rebuild_index('rp.t_e', online => false);
SELECT cancel_rebuild('rp.t_e');
CALL wait_for_rebuild('rp.t_e');
SELECT count(*) FROM rebuild_history WHERE index_name = 'rp.t_e';
SELECT count(*) FROM hnsw_rebuild.job;

-- a monitoring role sees, and may wait, but not act
SET ROLE regress_rp_monitor;
SELECT count(*) FROM rebuild_history WHERE index_name = 'rp.t_e';
CALL wait_for_rebuild('rp.t_e');
SELECT cancel_rebuild('rp.t_e');
SELECT count(*) FROM hnsw_rebuild.job;

-- functions of an expression run as the owner, restricted, with a pinned path
RESET ROLE;
CREATE TABLE rp.seen (who name, path text);
GRANT ALL ON rp.seen TO PUBLIC;
SET ROLE regress_rp_owner;
CREATE FUNCTION rp.note() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO rp.seen SELECT current_user, current_setting('search_path')
		WHERE NOT EXISTS (SELECT FROM rp.seen);
END $$;
CREATE FUNCTION rp.spy(vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM rp.note();
	RETURN $1;
END $$;
CREATE INDEX t_spy ON rp.t USING hnsw ((rp.spy(e)::vector(3)) vector_l2_ops);
RESET ROLE;
TRUNCATE rp.seen;
SELECT rebuild_index('rp.t_spy', measure => false) > 0 AS started;
CALL wait_for_rebuild('rp.t_spy');
SELECT * FROM rp.seen;

-- what its owner makes look like a shadow, but is no index of ours, is left alone
CREATE TABLE rp.parent (id int PRIMARY KEY, e vector(3)) PARTITION BY RANGE (id);
CREATE TABLE rp.part PARTITION OF rp.parent FOR VALUES FROM (0) TO (100);
ALTER TABLE rp.part OWNER TO regress_rp_owner;
SET ROLE regress_rp_owner;
CREATE INDEX part_e ON rp.part USING hnsw (e vector_l2_ops);
ALTER INDEX rp.part_pkey RENAME TO part_pkey_hnr_shadow;
COMMENT ON INDEX rp.part_pkey_hnr_shadow IS 'stands in during a rebuild by hnsw_rebuild, which drops it';
SELECT rebuild_index('rp.part_e', measure => false) > 0 AS started;
CALL wait_for_rebuild('rp.part_e');
RESET ROLE;
SELECT indisvalid, indisready, indislive FROM pg_index WHERE indexrelid = 'rp.part_pkey_hnr_shadow'::regclass;
INSERT INTO rp.parent VALUES (1), (1);

-- the owner loses the table between request and work
SET ROLE regress_rp_owner;
BEGIN;
SELECT rebuild_index('rp.t_e', measure => false) > 0 AS started;
RESET ROLE;
ALTER TABLE rp.t OWNER TO regress_rp_other;
COMMIT;
SET ROLE regress_rp_other;
CALL wait_for_rebuild('rp.t_e');
-- the new owner sees what is recorded of its index
SELECT state, error_sqlstate FROM rebuild_history ORDER BY id DESC LIMIT 1;
RESET ROLE;

DROP SCHEMA rp CASCADE;
DROP ROLE regress_rp_owner, regress_rp_member, regress_rp_other, regress_rp_monitor;
