-- Random input of every type: refused with an error of the type's own, or read, and
-- then written and read again unchanged.

\getenv srcdir PG_ABS_SRCDIR
\set common :srcdir '/sql/type_common.psql'
\i :common

-- A heap of symbols, or a good value with a few characters exchanged.
CREATE FUNCTION random_text() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(coalesce((ARRAY['[', ']', ',', '1', '-2.5', '3e38', '1e-45', '0x1p3', 'nan', 'inf', ' ', E'\t', '.', 'e', '+',
		'{', '}', ':', '/', '7', '"', 'é', '€', '[1,2', '3]', '{1:2', '3}/', 'NULL', '9999999999', E'\u00a0', '1e999'])[1 + floor(random() * 31)::int], ''), '')
	FROM generate_series(1, 1 + floor(random() * 8)::int)
$$;
CREATE FUNCTION random_input(good text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < 0.3 THEN random_text()
		ELSE overlay(good PLACING left(random_text(), 1 + floor(random() * 3)::int) FROM 1 + floor(random() * length(good))::int FOR floor(random() * 3)::int)
	END
$$;

CREATE FUNCTION try_inputs(type text, good text, n int) RETURNS TABLE (outcome text) LANGUAGE plpgsql AS $$
DECLARE
	input text;
BEGIN
	PERFORM setseed(0.25);
	FOR i IN 1..n LOOP
		input := random_input(good);
		BEGIN
			EXECUTE format('SELECT CASE WHEN v::text::%1$s = v AND v::text::%1$s::text = v::text THEN ''same'' ELSE ''changed: '' || $1 END FROM (SELECT $1::%1$s) t(v)', type)
				INTO outcome USING input;
		EXCEPTION WHEN invalid_text_representation OR data_exception OR numeric_value_out_of_range OR program_limit_exceeded THEN
			outcome := 'refused';
		END;
		RETURN NEXT;
	END LOOP;
END $$;

-- Random bytes for the binary form: a plausible head, the rest anything.
CREATE FUNCTION try_binaries(type text, heads bytea[], n int, file text) RETURNS TABLE (outcome text) LANGUAGE plpgsql AS $$
DECLARE
	datum bytea;
BEGIN
	PERFORM setseed(0.5);
	FOR i IN 1..n LOOP
		datum := heads[1 + floor(random() * cardinality(heads))::int]
			|| coalesce((SELECT string_agg(set_byte('\x00', 0, floor(random() * 256)::int), '') FROM generate_series(1, floor(random() * 10)::int)), '');
		BEGIN
			outcome := receive(type, datum, file);
			EXECUTE format('SELECT CASE WHEN %s_send(%L) = $1 THEN ''same'' ELSE ''changed: '' || $1::text END', type, outcome) INTO outcome USING datum;
		EXCEPTION WHEN data_exception OR invalid_binary_representation OR program_limit_exceeded OR protocol_violation THEN
			outcome := 'refused';
		END;
		RETURN NEXT;
	END LOOP;
END $$;

SELECT DISTINCT type, outcome
FROM (VALUES ('vector', '[1.5,-2e10,.25, 3 ,0]'), ('halfvec', '[1.5,-2e4,.25, 3 ,0]'), ('sparsevec', '{1:1.5,3 :-2, 7:.25}/12')) t(type, good),
	try_inputs(type, good, 4000)
ORDER BY type, outcome;
SELECT DISTINCT type, outcome
FROM (VALUES ('vector', ARRAY['', '\x0001', '\x00010000', '\x00020000']::bytea[]), ('halfvec', ARRAY['', '\x0001', '\x00010000', '\x00020000']::bytea[]),
		('sparsevec', ARRAY['\x00000001', '\x7fffffff0000000000000000', '\x000000020000000000000000', '\x000000010000000100000000', '\x00000001000000010000000000000000', '\x00ffffff000000010000000000']::bytea[])) t(type, heads),
	try_binaries(type, heads, 300, :'file')
ORDER BY type, outcome;

COPY (SELECT WHERE false) TO PROGRAM :'remove_file';
CALL type_clean_up();
