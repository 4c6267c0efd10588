-- Random input: refused with an error of the type's own, or read, and then
-- written and read again unchanged.

CREATE FUNCTION random_text() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(coalesce((ARRAY['[', ']', ',', '1', '-2.5', '3e38', '1e-45', '0x1p3', 'nan', 'inf', ' ', E'\t', '.', 'e', '+',
		'{', '"', 'é', '€', '[1,2', '3]', 'NULL', '9999999999', E'\u00a0', '1e999'])[1 + floor(random() * 25)::int], ''), '')
	FROM generate_series(1, 1 + floor(random() * 8)::int)
$$;

-- A good vector with one character exchanged, or a heap of symbols.
CREATE FUNCTION random_input() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < 0.5 THEN random_text()
		ELSE overlay('[1.5,-2e10,.25, 3 ,0]' PLACING left(random_text(), 1 + floor(random() * 3)::int) FROM 1 + floor(random() * 21)::int FOR floor(random() * 3)::int)
	END
$$;

CREATE FUNCTION try_inputs(n int) RETURNS TABLE (outcome text) LANGUAGE plpgsql AS $$
DECLARE
	input text;
	v vector;
BEGIN
	PERFORM setseed(0.25);
	FOR i IN 1..n LOOP
		input := random_input();
		BEGIN
			v := input::vector;
			outcome := CASE WHEN v::text::vector = v AND v::text::vector::text = v::text THEN 'same' ELSE 'changed: ' || input END;
		EXCEPTION WHEN invalid_text_representation OR data_exception OR numeric_value_out_of_range THEN
			outcome := 'refused';
		END;
		RETURN NEXT;
	END LOOP;
END $$;

SELECT DISTINCT outcome FROM try_inputs(5000) ORDER BY outcome;

-- Random bytes for the binary form: a plausible head, the rest anything.
SELECT current_setting('data_directory') || '/type_vector_fuzz.bin' AS file \gset
SELECT 'rm ' || quote_literal(:'file') AS remove_file \gset
CREATE TABLE vec_fuzz (v vector);
CREATE FUNCTION try_binaries(n int, file text) RETURNS TABLE (outcome text) LANGUAGE plpgsql AS $$
DECLARE
	datum bytea;
	lo oid;
BEGIN
	PERFORM setseed(0.5);
	FOR i IN 1..n LOOP
		datum := CASE floor(random() * 4) WHEN 0 THEN '' WHEN 1 THEN '\x0001' WHEN 2 THEN '\x00010000' ELSE '\x00020000' END::bytea
			|| coalesce((SELECT string_agg(set_byte('\x00', 0, floor(random() * 256)::int), '') FROM generate_series(1, floor(random() * 10)::int)), '');
		BEGIN
			lo := lo_from_bytea(0, '\x5047434f50590aff0d0a0000000000000000000001'::bytea || int4send(octet_length(datum)) || datum || '\xffff');
			PERFORM lo_export(lo, file);
			PERFORM lo_unlink(lo);
			EXECUTE format('COPY vec_fuzz FROM %L (FORMAT binary)', file);
			outcome := CASE WHEN (SELECT vector_send(v) FROM vec_fuzz) = datum THEN 'same' ELSE format('changed: %s', datum) END;
			DELETE FROM vec_fuzz;
		EXCEPTION WHEN data_exception OR invalid_binary_representation OR program_limit_exceeded OR protocol_violation THEN
			outcome := 'refused';
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT DISTINCT outcome FROM try_binaries(300, :'file') ORDER BY outcome;

COPY (SELECT WHERE false) TO PROGRAM :'remove_file';
DROP TABLE vec_fuzz;
DROP FUNCTION random_text, random_input, try_inputs, try_binaries;
