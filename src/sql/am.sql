/* ---- src/sql/am.sql: the access method and its operator classes ---- */

CREATE FUNCTION hnsw_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'hnr_handler' LANGUAGE C STRICT;
COMMENT ON FUNCTION hnsw_handler(internal) IS
	'handler of the access method hnsw';

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnsw_handler;
COMMENT ON ACCESS METHOD hnsw IS
	'approximate nearest neighbours by a hierarchical navigable small world graph; parameters: m (2 to 100), ef_construction (4 to 1000), auto_rebuild_threshold (0 to 1, -1: never)';

CREATE FUNCTION hnsw_metric_l2(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'hnr_metric_l2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_metric_l2(internal) IS 'metric of operator class vector_l2_ops';
CREATE FUNCTION hnsw_metric_ip(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'hnr_metric_ip' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_metric_ip(internal) IS 'metric of operator class vector_ip_ops';
CREATE FUNCTION hnsw_metric_cosine(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'hnr_metric_cosine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_metric_cosine(internal) IS 'metric of operator class vector_cosine_ops';
CREATE FUNCTION hnsw_metric_l1(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'hnr_metric_l1' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_metric_l1(internal) IS 'metric of operator class vector_l1_ops';

CREATE OPERATOR CLASS vector_l2_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l2_distance(vector, vector),
	FUNCTION 2 hnsw_metric_l2(internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING hnsw IS 'orders by Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY vector_l2_ops USING hnsw IS 'holds operator class vector_l2_ops';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 hnsw_metric_ip(internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING hnsw IS 'orders by negative inner product, <#>';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING hnsw IS 'holds operator class vector_ip_ops';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 cosine_distance(vector, vector),
	FUNCTION 2 hnsw_metric_cosine(internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING hnsw IS 'orders by cosine distance, <=>; zero vectors are not indexed';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING hnsw IS 'holds operator class vector_cosine_ops';

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l1_distance(vector, vector),
	FUNCTION 2 hnsw_metric_l1(internal);
COMMENT ON OPERATOR CLASS vector_l1_ops USING hnsw IS 'orders by taxicab distance, <+>';
COMMENT ON OPERATOR FAMILY vector_l1_ops USING hnsw IS 'holds operator class vector_l1_ops';
