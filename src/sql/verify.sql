/* ---- src/sql/verify.sql ---- */

CREATE FUNCTION check_index(
	index regclass,
	heapallindexed boolean DEFAULT false,
	OUT severity text,
	OUT finding text,
	OUT block bigint,
	OUT "position" integer,
	OUT message text)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hnr_check_index';
COMMENT ON FUNCTION check_index(regclass, boolean) IS
	'verifies every invariant of an hnsw index''s format and, with heapallindexed, that every row is in it; one row per finding: an error is corruption, a warning costs recall or room';
