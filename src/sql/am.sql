/* ---- src/sql/am.sql: the access method ---- */

CREATE FUNCTION hnsw_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'hnr_handler' LANGUAGE C STRICT;
COMMENT ON FUNCTION hnsw_handler(internal) IS
	'handler of the access method hnsw';

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnsw_handler;
COMMENT ON ACCESS METHOD hnsw IS
	'approximate nearest neighbours by a hierarchical navigable small world graph; parameters: m (2 to 100), ef_construction (4 to 1000), auto_rebuild_threshold (0 to 1, -1: never), query_sample_rate (0 to 1), deferred (boolean), merge_threshold (100 to 1000000)';
