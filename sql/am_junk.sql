-- the distance that a scan is ordered by is not computed where nobody reads it
CREATE TABLE junk (id int, v vector(3));
INSERT INTO junk SELECT i, ARRAY[i % 10, i / 10 % 10, i / 100]::vector FROM generate_series(0, 999) i;
CREATE INDEX junk_v ON junk USING hnsw (v vector_l2_ops);
SET enable_seqscan = off;
SET enable_sort = off;

EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM junk ORDER BY v <-> '[3,3,3]';
SELECT id FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 1;

-- read by the client
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, v <-> '[3,3,3]' AS d FROM junk ORDER BY d LIMIT 1;
SELECT id, v <-> '[3,3,3]' AS d FROM junk ORDER BY d LIMIT 1;

-- read by WITH TIES
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM junk ORDER BY v <-> '[3,3,3]' FETCH FIRST 2 ROWS WITH TIES;
SELECT count(*) FROM (SELECT id FROM junk ORDER BY v <-> '[3,3,3]' FETCH FIRST 2 ROWS WITH TIES) s;

-- read by a window function, a join, an outer query
SELECT id, rank() OVER (ORDER BY v <-> '[3,3,3]') FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 3;
SELECT sum(d) FROM (SELECT v <-> '[3,3,3]' AS d FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 7) s;
SELECT a.id, s.id FROM junk a, LATERAL (SELECT b.id FROM junk b ORDER BY b.v <-> a.v LIMIT 1) s WHERE a.id IN (5, 500);
SELECT count(*) FROM (SELECT id FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 5 OFFSET 2) s;

-- of subselects in expressions, only what they select is read
CREATE FUNCTION output_of_scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
		IF line ~ 'Output: junk.id' THEN
			RETURN NEXT trim(line);
		END IF;
	END LOOP;
END
$$;
SELECT output_of_scans('SELECT ARRAY(SELECT id FROM junk ORDER BY v <-> a.v LIMIT 3) FROM junk a');
SELECT output_of_scans($$SELECT (SELECT id FROM junk ORDER BY v <-> '[3,3,3]' FETCH FIRST 1 ROW WITH TIES)$$);
SELECT a.id, ARRAY(SELECT id FROM junk ORDER BY v <-> a.v LIMIT 1), (SELECT id FROM junk ORDER BY v <-> a.v LIMIT 1)
FROM junk a WHERE a.id IN (5, 500);
SELECT count(*) FROM junk WHERE id IN (SELECT id FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 3);
SELECT id, id NOT IN (SELECT id FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 1) AS other FROM junk WHERE id IN (332, 333);
SELECT (id, v) = (SELECT id, v FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 1) AS same FROM junk WHERE id = 333;
WITH nearest AS MATERIALIZED (SELECT id, v FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 3)
SELECT n.id, s.id FROM nearest n, LATERAL (SELECT id FROM nearest ORDER BY v <-> n.v LIMIT 1) s WHERE n.id = 333;

-- merged by it
CREATE TABLE junk_p (id int, v vector(3)) PARTITION BY HASH (id);
CREATE TABLE junk_p0 PARTITION OF junk_p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE junk_p1 PARTITION OF junk_p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO junk_p SELECT * FROM junk;
CREATE INDEX junk_p_v ON junk_p USING hnsw (v vector_l2_ops);
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM junk_p ORDER BY v <-> '[3,3,3]' LIMIT 1;
SELECT id FROM junk_p ORDER BY v <-> '[3,3,3]' LIMIT 1;

-- locked rows are checked again by it
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM junk ORDER BY v <-> '[3,3,3]' LIMIT 1 FOR UPDATE;

DROP TABLE junk, junk_p;
DROP FUNCTION output_of_scans(text);
