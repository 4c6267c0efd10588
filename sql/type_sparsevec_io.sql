-- Text and binary input and output of sparsevec, its type modifier and limits.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

-- what is accepted; coordinates in any order, those that are zero are left out
SELECT '{1:1.5,3:2,5:-3e4}/5'::sparsevec, '{}/5'::sparsevec AS zero, '{1:1}/1'::sparsevec AS one;
SELECT E' { 3 :\t2 ,\n1: +1.5}\r / 5 '::sparsevec AS blanks, '{5:1,2:2,4:3}/5'::sparsevec AS sorted, '{1:0,2:-0,3:1}/3'::sparsevec AS zeros, '{+1:1,02:2}/03'::sparsevec AS signs;
SELECT '{1000000000:1}/1000000000'::sparsevec AS last, '{1:3.4028235e38,2:1e-45,3:1e-46}/3'::sparsevec AS range;
SELECT '{1:0.1,2:0.33333334,3:16777217,4:0x10}/4'::sparsevec AS digits;

-- every error tells its place
SELECT format('%L', input) AS input, e.*
FROM unnest(ARRAY['', ' ', '{', '{}', '{}/', '{}/a', '{}5', '{}/5x', '{}/5/6', '{1}/5', '{1:}/5', '{1:1', '{1:1,', '{1:1,}/5', '{,}/5', '{1:1 2:2}/5', '{:1}/5', '{a:1}/5',
	'{1:a}/5', '{1.5:1}/5', '{1:1}}/5', '[1,2]', '{1:1}/5]', '{1:1}/é', '{1:NULL}/2']) WITH ORDINALITY AS i(input, n),
	LATERAL input_error('sparsevec', input) e
ORDER BY n;
SELECT input, e.*
FROM unnest(ARRAY['{1:NaN}/2', '{1:inf}/2', '{1:-Infinity}/2', '{1:1e39}/2', '{0:1}/2', '{-1:1}/2', '{3:1}/2', '{1:1,2:2,1:3}/2', '{2147483648:1}/2', '{-99999999999:1}/2',
	'{9223372036854775808:1}/2', '{}/0', '{}/-1', '{}/1000000001', '{}/2147483648', '{}/99999999999999999999']) WITH ORDINALITY AS i(input, n),
	LATERAL input_error('sparsevec', input) e
ORDER BY n;
SELECT e.* FROM input_error('sparsevec', '{' || repeat('1:1,', 100)) e;

-- type modifier
SELECT modifier, e.* FROM unnest(ARRAY['5', '4', '6', '0', '-1', '1000000000', '1000000001', '1,2', '''a''']) WITH ORDINALITY AS m(modifier, n),
	LATERAL input_error('sparsevec(' || modifier || ')', '{1:1}/5') e
ORDER BY n;
SELECT '{"{1:1}/2","{}/2"}'::sparsevec(2)[];

-- coordinates that are not zero
SELECT string_agg(i || ':' || i, ',' ORDER BY -i) AS elements FROM generate_series(1, 16000) i \gset
SELECT l2_norm(('{' || :'elements' || '}/16000')::sparsevec)::numeric(20, 5), length(('{' || :'elements' || ',16001:0}/20000')::sparsevec::text);
SELECT e.* FROM input_error('sparsevec', '{' || :'elements' || ',16001:1}/20000') e;

CREATE TABLE sparse_io (id int PRIMARY KEY, v sparsevec(3), w sparsevec);
SELECT format_type(atttypid, atttypmod), attstorage, attlen
FROM pg_attribute WHERE attrelid = 'sparse_io'::regclass AND attnum > 1 ORDER BY attnum;
INSERT INTO sparse_io VALUES (1, '{1:1}/2', NULL);
INSERT INTO sparse_io VALUES (1, '{1:1}/4'::sparsevec, NULL);
INSERT INTO sparse_io VALUES (1, '{1:1,3:2}/3', '{}/1'), (2, '{}/3', '{7:1e-45,999999999:-3e38}/1000000000'), (3, NULL, ('{' || :'elements' || '}/16000')::sparsevec);
SELECT pg_column_size(v) AS v, pg_column_size(w) AS w, v FROM sparse_io ORDER BY id;

-- binary form: dimensions, number of coordinates, zero, indices from 0, values
SELECT sparsevec_send('{1:1,4:-2.5}/5'), sparsevec_send('{}/1000000000');
COPY sparse_io TO :'file' (FORMAT binary);
CREATE TABLE sparse_copy (LIKE sparse_io);
COPY sparse_copy FROM :'file' (FORMAT binary);
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS NOT DISTINCT FROM b) AS same, count(*) FILTER (WHERE a.w::text::sparsevec IS NOT DISTINCT FROM b.w) AS same_text
FROM sparse_io a JOIN sparse_copy b USING (id);
TRUNCATE sparse_copy;
ALTER TABLE sparse_copy ALTER v TYPE sparsevec(2);
\set VERBOSITY terse
COPY sparse_copy FROM :'file' (FORMAT binary);
\set VERBOSITY default
SELECT what, receive_error('sparsevec', datum, :'file')
FROM (VALUES
	(1, 'two of five', '\x000000050000000200000000 00000000 00000004 3f800000 c0200000'::bytea),
	(2, 'none', '\x000000050000000000000000'),
	(3, 'no dimensions', '\x000000000000000000000000'),
	(4, 'dimensions above the limit', '\x3b9aca010000000000000000'),
	(5, 'negative dimensions', '\xffffffff0000000000000000'),
	(6, 'too many coordinates', '\x3b9aca0000003e8100000000'),
	(7, 'more coordinates than dimensions', '\x000000010000000200000000'),
	(8, 'negative number of coordinates', '\x00000005ffffffff00000000'),
	(9, 'third field not zero', '\x000000050000000000000001'),
	(10, 'index above the dimensions', '\x000000050000000100000000 00000005 3f800000'),
	(11, 'negative index', '\x000000050000000100000000 ffffffff 3f800000'),
	(12, 'largest index', '\x000000050000000100000000 7fffffff 3f800000'),
	(13, 'descending indices', '\x000000050000000200000000 00000004 00000000 3f800000 3f800000'),
	(14, 'the same index twice', '\x000000050000000200000000 00000003 00000003 3f800000 3f800000'),
	(15, 'a zero', '\x000000050000000100000000 00000000 80000000'),
	(16, 'NaN', '\x000000050000000100000000 00000000 7fc00000'),
	(17, 'infinity', '\x000000050000000100000000 00000000 ff800000'),
	(18, 'too short', '\x000000050000000100000000 00000000'),
	(19, 'too long', '\x000000050000000000000000 00'),
	(20, 'nothing', '')) t(n, what, datum)
ORDER BY n;

COPY (SELECT WHERE false) TO PROGRAM :'remove_file';
CALL type_clean_up();
