-- Text and binary input and output of halfvec, its type modifier and limits.  What it
-- shares with vector is tested there.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

-- what is accepted, and how it is rounded
SELECT '[1,2,3]'::halfvec, E' \t[ -1.5 ,\n2 , +3e0 ]\r\n'::halfvec, '[.5,5.,1e2,1E-2,0x10]'::halfvec;
SELECT '[65504,-65504,65519.996,6.1035156e-05,5.9604645e-08,3e-8,-2.9e-8]'::halfvec;
SELECT '[0.1,0.33333334,2049,2051,2048.5,1000.3]'::halfvec;
SELECT '[0,-0]'::halfvec;

-- each half is written so that it is read back as itself
CREATE TABLE half_all AS
	SELECT h, ('\x00010000'::bytea || substr(int4send(h), 3, 2)) AS wire
	FROM generate_series(0, 65535) h WHERE h & 31744 <> 31744;
SELECT count(*) AS halves FROM half_all;
-- all in one file, as one column of a binary COPY
SELECT lo_from_bytea(0, '\x5047434f50590aff0d0a0000000000000000000001'::bytea ||
	string_agg(CASE h WHEN 0 THEN '' ELSE '\x0001' END::bytea || int4send(6) || wire, '' ORDER BY h) || '\xffff') AS lo FROM half_all \gset
SELECT lo_export(:lo, :'file'), lo_unlink(:lo);
CREATE TABLE half_read (n int GENERATED ALWAYS AS IDENTITY, v halfvec);
COPY half_read (v) FROM :'file' (FORMAT binary);
SELECT count(*) AS rows, count(*) FILTER (WHERE halfvec_send(v::text::halfvec) = halfvec_send(v)) AS same_text,
	count(*) FILTER (WHERE halfvec_send(v::vector::halfvec) = halfvec_send(v)) AS same_vector,
	count(*) FILTER (WHERE v::text = v::vector::text) AS as_vector
FROM half_read;
SELECT count(*) AS different FROM (SELECT wire FROM half_all EXCEPT SELECT halfvec_send(v) FROM half_read) t;
-- and they are in order
SELECT count(*) AS out_of_order FROM half_read a JOIN half_read b ON b.n = a.n + 1
WHERE NOT a.v < b.v AND a.n < 31744 OR NOT a.v > b.v AND a.n > 31744;
-- half way between two of them to the even one, anything else to the nearer
SELECT count(*) AS pairs,
	count(*) FILTER (WHERE middle::halfvec <> CASE a.n % 2 WHEN 1 THEN a.v ELSE b.v END) AS wrong,
	count(*) FILTER (WHERE (middle - step)::halfvec <> a.v OR (middle + step)::halfvec <> b.v) AS not_nearest
FROM half_read a JOIN half_read b ON b.n = a.n + 1,
	LATERAL (SELECT (a.v::vector + b.v::vector) * '[0.5]' AS middle, (b.v::vector - a.v::vector) * '[0.01]' AS step) m
WHERE a.n < 31744;

-- errors
SELECT input, e.*
FROM unnest(ARRAY['', '[]', '[1,2', '[1,,2]', '[1]]', '{1}', '[a]', '[NaN]', '[1,-inf]', '[65520]', '[-1e5,x]', '[3.5e38]', '[1e400]']) WITH ORDINALITY AS i(input, n),
	LATERAL input_error('halfvec', input) e
ORDER BY n;

-- type modifier and dimensions
SELECT modifier, e.* FROM unnest(ARRAY['3', '2', '4', '0', '-1', '16000', '16001', '1,2', '''a''']) WITH ORDINALITY AS m(modifier, n),
	LATERAL input_error('halfvec(' || modifier || ')', '[1,2,3]') e
ORDER BY n;
SELECT vector_dims(('[' || repeat('1,', 15999) || '2]')::halfvec);
SELECT e.* FROM input_error('halfvec', '[' || repeat('1,', 16000) || '2]') e;
CREATE TABLE half_io (id int PRIMARY KEY, v halfvec(3), w halfvec);
SELECT format_type(atttypid, atttypmod), attstorage, attlen
FROM pg_attribute WHERE attrelid = 'half_io'::regclass AND attnum > 1 ORDER BY attnum;
INSERT INTO half_io VALUES (1, '[1,2]', NULL);
INSERT INTO half_io VALUES (1, '[1,2,3,4]'::halfvec, NULL);
INSERT INTO half_io VALUES (1, '[1,2,3]', '[1]'), (2, '[-1,0.1,6e-8]', '[1,2,3,4,5]'), (3, NULL, array_fill(0.5, ARRAY[16000]));
SELECT pg_column_size(v) AS v, pg_column_size(w) AS w, vector_dims(w) FROM half_io ORDER BY id;

-- binary form: dimensions, zero, then each coordinate, in network order
SELECT halfvec_send('[1,-2.5]'), halfvec_send('[6e-8]');
COPY half_io TO :'file' (FORMAT binary);
CREATE TABLE half_copy (LIKE half_io);
COPY half_copy FROM :'file' (FORMAT binary);
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS NOT DISTINCT FROM b) AS same FROM half_io a JOIN half_copy b USING (id);
TRUNCATE half_copy;
ALTER TABLE half_copy ALTER v TYPE halfvec(2);
\set VERBOSITY terse
COPY half_copy FROM :'file' (FORMAT binary);
\set VERBOSITY default
SELECT what, receive_error('halfvec', datum, :'file')
FROM (VALUES
	(1, 'one coordinate', '\x000100003c00'::bytea),
	(2, 'two coordinates', '\x00020000bc000001'),
	(3, 'no dimensions', '\x00000000'),
	(4, 'dimensions above the limit', '\x3e810000'),
	(5, 'negative dimensions', '\xffff0000'),
	(6, 'second field not zero', '\x000100013c00'),
	(7, 'too short', '\x000200003c00'),
	(8, 'too long', '\x000100003c003c00'),
	(9, 'NaN', '\x000100007e00'),
	(10, 'infinity', '\x00010000fc00'),
	(11, 'nothing', '')) t(n, what, datum)
ORDER BY n;

COPY (SELECT WHERE false) TO PROGRAM :'remove_file';
CALL type_clean_up();
