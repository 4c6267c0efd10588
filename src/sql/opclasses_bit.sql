
/* ---- src/sql/opclasses_bit.sql: operator classes of core's type bit ---- */

CREATE FUNCTION hnsw_bit_metric_hamming(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'hnr_bit_metric_hamming' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_bit_metric_hamming(internal) IS 'metric of operator class bit_hamming_ops';

CREATE FUNCTION hnsw_bit_metric_jaccard(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'hnr_bit_metric_jaccard' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_bit_metric_jaccard(internal) IS 'metric of operator class bit_jaccard_ops';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 hamming_distance(bit, bit),
	FUNCTION 2 hnsw_bit_metric_hamming(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING hnsw IS 'orders by Hamming distance, <~>';
COMMENT ON OPERATOR FAMILY bit_hamming_ops USING hnsw IS 'holds operator class bit_hamming_ops';

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 jaccard_distance(bit, bit),
	FUNCTION 2 hnsw_bit_metric_jaccard(internal);
COMMENT ON OPERATOR CLASS bit_jaccard_ops USING hnsw IS 'orders by Jaccard distance, <%>';
COMMENT ON OPERATOR FAMILY bit_jaccard_ops USING hnsw IS 'holds operator class bit_jaccard_ops';
