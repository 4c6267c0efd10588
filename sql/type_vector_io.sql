-- Text and binary input and output of vector, its type modifier and limits.

-- what is accepted
SELECT '[1,2,3]'::vector;
SELECT E' \t[ -1.5 ,\n2 , +3e0 ]\r\n'::vector;
SELECT '[.5,5.,1e2,1E-2,0x10]'::vector;
SELECT '[3.4028235e38,-3.4028235e38,1.17549435e-38,1e-45]'::vector;
-- too small for a real: zero
SELECT '[1e-46,-1e-46]'::vector;
-- shortest digits that read back the same
SELECT '[0.1,0.33333334,16777217,123456.79,1e20]'::vector;
SELECT v, v::text::vector = v AS same
FROM (VALUES ('[0.1,1.1754944e-38,1e-45,3.4028235e38,-0]'::vector)) t(v);

-- every error tells its place
CREATE FUNCTION vector_error(input text, modifier int DEFAULT -1,
	OUT code text, OUT message text, OUT detail text)
LANGUAGE plpgsql AS $$
BEGIN
	IF modifier = -1 THEN
		PERFORM input::vector;
	ELSE
		EXECUTE format('SELECT %L::vector(%s)', input, modifier);
	END IF;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT format('%L', input) AS input, e.*
FROM unnest(ARRAY['', ' ', '1,2', '[', '[ ', '[1', '[1,', '[1,2', '[]', '[ ]', '[,]', '[1,]', '[1,,2]', '[1 2]',
	'[1]2', '[1]]', '[[1,2]]', '{1,2}', '(1,2)', '[a]', '[1a]', '[1,NULL]', '[1,"2"]', '[1;2]', '[--1]',
	'[1.2.3]', '[é]', '[1,2]é', '[1' || chr(160) || ']']) WITH ORDINALITY AS i(input, n),
	LATERAL vector_error(input) e
ORDER BY n;

SELECT input, e.*
FROM unnest(ARRAY['[NaN]', '[1,nan]', '[Infinity]', '[-inf]', '[3.5e38]', '[-3.5e38,x]', '[1e400]']) WITH ORDINALITY AS i(input, n),
	LATERAL vector_error(input) e
ORDER BY n;

-- a long input is not quoted in full
SELECT e.* FROM vector_error('[' || repeat('1,', 100)) e;
SELECT e.* FROM vector_error('[' || repeat('é', 100)) e;
SELECT e.code, length(e.message) < 200 AS short FROM vector_error('[' || repeat('9', 1000) || ']') e;

-- type modifier
SELECT '[1,2,3]'::vector(3);
SELECT e.* FROM vector_error('[1,2,3]', 2) e;
SELECT e.* FROM vector_error('[1,2,3]', 4) e;
SELECT '[1]'::vector(0);
SELECT '[1]'::vector(-1);
SELECT '[1]'::vector(16001);
SELECT '[1]'::vector(1, 2);
SELECT '[1]'::vector('a');
SELECT '{"[1,2]","[3,4]"}'::vector(2)[];
SELECT '{"[1,2]","[3,4,5]"}'::vector(2)[];

CREATE TABLE vec_io (id int PRIMARY KEY, v vector(3), w vector);
SELECT format_type(atttypid, atttypmod), attstorage, attlen
FROM pg_attribute WHERE attrelid = 'vec_io'::regclass AND attnum > 1 ORDER BY attnum;
INSERT INTO vec_io VALUES (1, '[1,2]', NULL);
INSERT INTO vec_io VALUES (1, '[1,2,3,4]'::vector, NULL);
INSERT INTO vec_io VALUES (1, '[1,2,3]', '[1]'), (2, '[-1,0.1,1e-45]', '[1,2,3,4,5]'), (3, NULL, '[0]'), (4, '[0,0,0]', NULL);
ALTER TABLE vec_io ALTER w TYPE vector(5);

-- dimensions
SELECT vector_dims(('[' || repeat('1,', 15999) || '2]')::vector);
SELECT e.* FROM vector_error('[' || repeat('1,', 16000) || '2]') e;
INSERT INTO vec_io VALUES (5, NULL, array_fill(0.5, ARRAY[16000]));
SELECT vector_dims(w), w = array_fill(0.5, ARRAY[16000])::vector AS same, octet_length(w::text) FROM vec_io WHERE id = 5;

-- binary form: dimensions, zero, then each coordinate, in network order
SELECT vector_send('[1,-2.5]');
SELECT vector_send('[1e-45]');

-- binary copy, through a file in the one directory that the server surely may
-- write to
SELECT current_setting('data_directory') || '/type_vector_io.bin' AS file \gset
SELECT 'rm ' || quote_literal(:'file') AS remove_file \gset
COPY vec_io TO :'file' (FORMAT binary);
CREATE TABLE vec_io_copy (LIKE vec_io);
COPY vec_io_copy FROM :'file' (FORMAT binary);
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS NOT DISTINCT FROM b) AS same
FROM vec_io a JOIN vec_io_copy b USING (id);
TRUNCATE vec_io_copy;
ALTER TABLE vec_io_copy ALTER v TYPE vector(2);
\set VERBOSITY terse
COPY vec_io_copy FROM :'file' (FORMAT binary);
\set VERBOSITY default

-- broken binary input, by way of a file with one vector in it
CREATE FUNCTION binary_file(datum bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT '\x5047434f50590aff0d0a0000000000000000000001'::bytea || int4send(octet_length(datum)) || datum || '\xffff'
$$;
CREATE TABLE vec_in (v vector);
CREATE FUNCTION recv_error(datum bytea, file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	lo oid := lo_from_bytea(0, binary_file(datum));
	code text; message text; detail text;
BEGIN
	PERFORM lo_export(lo, file);
	PERFORM lo_unlink(lo);
	EXECUTE format('COPY vec_in FROM %L (FORMAT binary)', file);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' / ', code, message, nullif(detail, ''));
END $$;
SELECT what, recv_error(datum, :'file')
FROM (VALUES
	(1, 'one coordinate', '\x000100003f800000'::bytea),
	(2, 'two coordinates', '\x00020000bf80000000000001'),
	(3, 'no dimensions', '\x00000000'),
	(4, 'dimensions above the limit', '\x3e810000'),
	(5, 'negative dimensions', '\xffff0000'),
	(6, 'second field not zero', '\x000100013f800000'),
	(7, 'too short', '\x000200003f800000'),
	(8, 'too long', '\x000100003f80000000'),
	(9, 'NaN', '\x000100007fc00000'),
	(10, 'infinity', '\x00010000ff800000'),
	(11, 'nothing', '')) t(n, what, datum)
ORDER BY n;
SELECT * FROM vec_in;

-- stored values: short, plain and out of line
CREATE TABLE vec_store (id int, v vector);
INSERT INTO vec_store SELECT n, array_fill(n::real, ARRAY[n]) FROM unnest(ARRAY[1, 2, 30, 31, 32, 500, 2000, 16000]) n;
SELECT id, vector_dims(v), v = array_fill(id::real, ARRAY[id])::vector AS same FROM vec_store ORDER BY id;
UPDATE vec_store SET v = v || '[1]' WHERE id < 16000;
SELECT id, vector_dims(v), vector_norm(subvector(v, id + 1, 1)) FROM vec_store WHERE id < 16000 ORDER BY id;

COPY (SELECT) TO PROGRAM :'remove_file';
DROP TABLE vec_io, vec_io_copy, vec_in, vec_store;
DROP FUNCTION vector_error, binary_file, recv_error;
