-- Long lists of pending rows, of which a session remembers what it has read: what it finds.
SET hnsw_rebuild.merge_workers = 0;
-- A vector near one of eight points; i: which one.
CREATE FUNCTION v(i int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint4(i % 8 * 1000 + k) % 1000)::real + (hashint4(i * 1000 + k) % 1000)::real ORDER BY k)::vector
	FROM generate_series(1, dims) k $$;
-- Codes of one, two and four bits; longer than what is looked at first, and shorter.
CREATE TABLE l (id int, a vector(300), b vector(200), c vector(100), d vector(20)) WITH (autovacuum_enabled = off);
CREATE FUNCTION add(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO l SELECT i, v(i, 300), v(i, 200), v(i, 100), v(i, 20) FROM generate_series(first, last) i $$;
SELECT add(1, 100);
CREATE INDEX l_a ON l USING hnsw (a vector_l2_ops) WITH (deferred = on);
CREATE INDEX l_a_ip ON l USING hnsw (a vector_ip_ops) WITH (deferred = on);
CREATE INDEX l_b ON l USING hnsw (b vector_cosine_ops) WITH (deferred = on);
CREATE INDEX l_c ON l USING hnsw (c vector_l2_ops) WITH (deferred = on);
CREATE INDEX l_d ON l USING hnsw (d vector_ip_ops) WITH (deferred = on);

-- How many of the nearest, for ten queries, an index does not find, or finds out of order.
CREATE FUNCTION missed(part text, op text, dims int, n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	missed int := 0;
	query text := format('SELECT array_agg(%s %s $1) FROM (SELECT %s FROM l ORDER BY %s %s $1 LIMIT %s) x',
						 part, op, part, part, op, n);
	found float8[];
	expected float8[];
BEGIN
	FOR i IN 1 .. 10 LOOP
		SET LOCAL enable_seqscan = off;
		SET LOCAL enable_indexscan = on;
		EXECUTE query INTO found USING v(-i, dims);
		SET LOCAL enable_seqscan = on;
		SET LOCAL enable_indexscan = off;
		EXECUTE query INTO expected USING v(-i, dims);
		missed := missed + (SELECT count(*) FROM unnest(found, expected) x (f, e) WHERE f IS DISTINCT FROM e);
	END LOOP;
	RETURN missed;
END $$;
CREATE FUNCTION all_missed(n int) RETURNS int[] LANGUAGE sql AS $$
	SELECT ARRAY[missed('a', '<->', 300, n), missed('a', '<#>', 300, n), missed('b', '<=>', 200, n),
				 missed('c', '<->', 100, n), missed('d', '<#>', 20, n)] $$;
CREATE FUNCTION pending() RETURNS int[] LANGUAGE sql AS $$
	SELECT array_agg(pending_rows::int ORDER BY name) FROM index_status() WHERE table_name = 'l' $$;
SET hnsw.ef_search = 100;

SELECT add(101, 1500);
SELECT all_missed(10), all_missed(25), all_missed(100);
-- beyond ef_search, all are measured
SELECT all_missed(200);
-- what has come since
SELECT add(1501, 1900);
SELECT all_missed(10), all_missed(100);
SELECT pending();
-- finer codes of rows that have been measured, and less room for them
SELECT count(*) AS missed FROM generate_series(1, 8) WHERE missed('a', '<->', 300, 10) + missed('a', '<#>', 300, 10) > 0;
SET work_mem = '1MB';
SELECT missed('a', '<->', 300, 10), missed('a', '<#>', 300, 10), missed('a', '<->', 300, 25);
RESET work_mem;

-- rows that are dead, and others in their place
DELETE FROM l WHERE id % 3 = 0;
SELECT all_missed(10);
VACUUM (PARALLEL 0) l;
SELECT all_missed(10);
SELECT add(2001, 2600);
SELECT all_missed(10), all_missed(100);

-- rows at the head are merged, one after another, while those behind them stay
ALTER INDEX l_d SET (merge_threshold = 100);
SELECT (pending())[5] AS before \gset
SELECT add(i, i) FROM generate_series(2601, 2630) i \g /dev/null
SELECT (pending())[5] < :before AS merged;
SELECT missed('d', '<#>', 20, 25), missed('d', '<#>', 20, 50), missed('d', '<#>', 20, 75), missed('d', '<#>', 20, 100);
ALTER INDEX l_d RESET (merge_threshold);

-- a scan goes on when the list has been merged, and new rows are on its pages
SET enable_seqscan = off;
SET hnsw.iterative_scan = relaxed_order;
BEGIN;
DECLARE s CURSOR FOR SELECT id FROM l ORDER BY a <-> v(-1, 300) LIMIT 10000;
MOVE 5 FROM s;
SELECT flush_index('l_a') > 1500 AS merged;
SELECT add(3001, 4400);
MOVE ALL FROM s;
COMMIT;
SELECT (pending())[1];
SELECT count(*) >= 0.99 * (SELECT count(*) FROM l) AS whole, count(*) = count(DISTINCT id) AS once
	FROM (SELECT id FROM l ORDER BY a <-> v(-1, 300) LIMIT 10000) x;
SELECT count(*) >= 0.99 * (SELECT count(*) FROM l) AS whole, count(*) = count(DISTINCT id) AS once
	FROM (SELECT id FROM l ORDER BY d <#> v(-1, 20) LIMIT 10000) x;
RESET hnsw.iterative_scan;
SELECT (all_missed(10))[2:], (all_missed(100))[2:];

-- no room to remember
SET work_mem = '64kB';
SELECT (all_missed(10))[2:];
RESET work_mem;

-- the list begins anew in the same file
DROP TABLE l;
BEGIN;
CREATE TABLE l (id int, a vector(300), b vector(200), c vector(100), d vector(20));
CREATE INDEX l_a ON l USING hnsw (a vector_l2_ops) WITH (deferred = on);
SELECT add(1, 1500);
SELECT missed('a', '<->', 300, 10);
TRUNCATE l;
SELECT missed('a', '<->', 300, 10);
SELECT add(2001, 3400);
SELECT missed('a', '<->', 300, 10);
COMMIT;
SELECT missed('a', '<->', 300, 10);
DROP TABLE l;
DROP FUNCTION v, add, missed, all_missed, pending;

-- tight clusters of few dimensions, where a code's own rounding counts
CREATE FUNCTION tight(i int, c int, d int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((abs(hashint4(c * 1000 + k) % 10007) / 10007.0 + abs(hashint4(i * 1000 + k) % 1000) * 0.000002)::real ORDER BY k)::vector
	  FROM generate_series(1, d) k$$;
CREATE FUNCTION tight_missed(d int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	q vector;
	found int[];
	missed bigint := 0;
BEGIN
	CREATE TABLE l (id int, a vector);
	EXECUTE format('ALTER TABLE l ALTER a TYPE vector(%s)', d);
	INSERT INTO l SELECT i, tight(i, i % 200, d) FROM generate_series(1, 4000) i;
	CREATE INDEX l_a ON l USING hnsw (a vector_l2_ops) WITH (deferred = on, merge_threshold = 100000);
	INSERT INTO l SELECT i, tight(i, i % 200, d) FROM generate_series(4001, 8000) i;
	FOR c IN 1 .. 60 LOOP
		q := tight(-c, c, d);
		SET LOCAL enable_seqscan = off;
		found := ARRAY(SELECT id FROM l ORDER BY a <-> q LIMIT 20);
		SET LOCAL enable_seqscan = on;
		missed := missed + (SELECT count(*) FROM (SELECT id FROM l ORDER BY a <-> q, id LIMIT 20) x
							WHERE id > 4000 AND id <> ALL (found));
	END LOOP;
	DROP TABLE l;
	RETURN missed;
END $$;
SELECT tight_missed(2), tight_missed(8), tight_missed(16);
SET work_mem = '64kB';
SELECT tight_missed(2), tight_missed(8), tight_missed(16);
RESET work_mem;
DROP FUNCTION tight, tight_missed;
