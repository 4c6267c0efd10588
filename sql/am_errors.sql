-- What the access method refuses.
\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/am_common.psql'
\set ECHO none
\i :common
\set ECHO all

CREATE TABLE t (id int, e vector(3), f vector, g vector(8001), h vector(8000));
CREATE INDEX ON t USING hnsw (e);
CREATE INDEX ON t USING hnsw (id vector_l2_ops);
CREATE INDEX ON t USING hnsw (id);
CREATE INDEX ON t USING hnsw (f vector_l2_ops);
CREATE INDEX ON t USING hnsw (g vector_l2_ops);
CREATE INDEX ON t USING hnsw (h vector_l2_ops) WITH (m = 100, ef_construction = 200);
CREATE INDEX ON t USING hnsw (e vector_l2_ops, h vector_l2_ops);
CREATE INDEX ON t USING hnsw (e vector_l2_ops) INCLUDE (id);
CREATE UNIQUE INDEX ON t USING hnsw (e vector_l2_ops);
CREATE INDEX ON t USING hnsw (e vector_l2_ops DESC);
CREATE INDEX ON t USING hnsw (e vector_l2_ops NULLS FIRST);
CREATE INDEX ON t USING hnsw ((f::vector(3)) vector_l2_ops);
INSERT INTO t VALUES (1, '[1,2,3]', '[1,2,3,4]', NULL, NULL);
DROP INDEX t_f_idx;
ALTER TABLE t ADD EXCLUDE USING hnsw (e WITH =);
CREATE INDEX i ON t USING hnsw (e vector_l2_ops);
CLUSTER t USING i;
INSERT INTO t (e) VALUES ('[1,2]');
INSERT INTO t (e) VALUES ('[1,2,3]');
ALTER TABLE t ALTER e TYPE vector(4);
ALTER TABLE t ALTER e TYPE vector;
SELECT * FROM check_all('i');

-- an index cannot be read without an order
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM t;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- what stays of a build that fails
CREATE TABLE u (id int, e vector);
INSERT INTO u SELECT i, vec(i, 3 + i / 100) FROM generate_series(1, 100) i;
CREATE INDEX ui ON u USING hnsw ((e::vector(3)) vector_l2_ops);
SELECT count(*) FROM pg_class WHERE relname = 'ui';
CREATE INDEX CONCURRENTLY ui ON u USING hnsw ((e::vector(3)) vector_l2_ops);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ui'::regclass;
SELECT * FROM check_index('ui');
DELETE FROM u WHERE id = 100;
REINDEX INDEX ui;
SELECT * FROM check_all('ui');

-- operator classes that fit
SELECT opcname, amvalidate(oid) FROM pg_opclass
	WHERE opcmethod = (SELECT oid FROM pg_am WHERE amname = 'hnsw') AND opcname LIKE 'vector%' ORDER BY 1;
-- operator classes that mix types, as only superusers can define them
CREATE FUNCTION half_distance(halfvec, halfvec) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT 0.0::float8';
CREATE FUNCTION text_distance(text, text) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT 0.0::float8';
CREATE OPERATOR CLASS mixed_a FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_sparsevec_metric_l2(internal);
CREATE OPERATOR CLASS mixed_b FOR TYPE halfvec USING hnsw AS OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 half_distance(halfvec, halfvec), FUNCTION 2 hnsw_vector_metric_l2(internal);
CREATE OPERATOR CLASS mixed_c FOR TYPE text USING hnsw AS
	FUNCTION 1 text_distance(text, text), FUNCTION 2 hnsw_bit_metric_hamming(internal);
CREATE OPERATOR CLASS mixed_d FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_handler(internal);
CREATE OPERATOR CLASS alike FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector), FUNCTION 2 hnsw_vector_metric_l2(internal);
CREATE TABLE mixed (v vector(3), h halfvec(3), x varchar(3));
INSERT INTO mixed VALUES ('[1,2,3]', '[1,2,3]', 'abc');
CREATE INDEX ON mixed USING hnsw (v mixed_a);
CREATE INDEX ON mixed USING hnsw (h mixed_b);
CREATE INDEX ON mixed USING hnsw (x mixed_c);
CREATE INDEX ON mixed USING hnsw (v mixed_d);
CREATE INDEX ON mixed USING hnsw (v alike);
DROP TABLE mixed;
DROP OPERATOR FAMILY mixed_a USING hnsw;
DROP OPERATOR FAMILY mixed_b USING hnsw;
DROP OPERATOR FAMILY mixed_c USING hnsw;
DROP OPERATOR FAMILY mixed_d USING hnsw;
DROP OPERATOR FAMILY alike USING hnsw;
DROP FUNCTION half_distance(halfvec, halfvec), text_distance(text, text);

DROP TABLE t, u;

\set VERBOSITY terse
DROP SCHEMA am_test CASCADE;
