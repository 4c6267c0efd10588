-- rows come in the order of their own distances, although the index may round vectors
CREATE FUNCTION ordered_check(op text, query vector, n int)
RETURNS TABLE (rows bigint, in_order bool, same_distances bool) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	SET LOCAL enable_indexscan = on;
	EXECUTE format('CREATE TEMP TABLE by_index AS SELECT row_number() OVER () AS at, v %s $1 AS d
		FROM (SELECT v FROM ordered ORDER BY v %s $1 LIMIT $2) s', op, op) USING query, n;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_sort = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('CREATE TEMP TABLE by_sort AS SELECT row_number() OVER () AS at, v %s $1 AS d
		FROM (SELECT v FROM ordered ORDER BY v %s $1 LIMIT $2) s', op, op) USING query, n;
	RETURN QUERY SELECT count(*), bool_and(i.d >= i.before), bool_and(i.d = s.d)
		FROM (SELECT at, d, lag(d, 1, d) OVER (ORDER BY at) AS before FROM by_index) i
		JOIN by_sort s USING (at);
	DROP TABLE by_index, by_sort;
END $$;


CREATE TABLE ordered (id int, v vector(40));
CREATE FUNCTION ordered_vector(i int, shift float8) RETURNS vector LANGUAGE sql IMMUTABLE AS
$$ SELECT array_agg(sin(i * j) + CASE j WHEN 1 THEN shift ELSE 0 END ORDER BY j)::vector FROM generate_series(1, 40) j $$;
INSERT INTO ordered SELECT i, ordered_vector(i, 0) FROM generate_series(1, 300) i;
CREATE INDEX ordered_l2 ON ordered USING hnsw (v vector_l2_ops);
CREATE INDEX ordered_ip ON ordered USING hnsw (v vector_ip_ops);
CREATE INDEX ordered_cosine ON ordered USING hnsw (v vector_cosine_ops);
CREATE INDEX ordered_l1 ON ordered USING hnsw (v vector_l1_ops);
-- then rows nearer to each other than half precision can tell
INSERT INTO ordered SELECT 1000 + i, ordered_vector(7, i * 1e-6) FROM generate_series(1, 100) i;

SET enable_seqscan = off;
SELECT op, c.* FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) op,
	LATERAL ordered_check(op, ordered_vector(7, 0.5), 30) c;
SELECT op, c.rows, c.in_order FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) op,
	LATERAL ordered_check(op, ordered_vector(100, 2), 100) c;
SELECT severity, message FROM check_index('ordered_l2') WHERE severity = 'error';

-- a table of such rows is stored as it is
CREATE TABLE ordered_close (id int, v vector(40));
INSERT INTO ordered_close SELECT i, ordered_vector(7, 1000 + i * 1e-3) FROM generate_series(1, 1000) i;
CREATE INDEX ordered_close_l2 ON ordered_close USING hnsw (v vector_l2_ops);
SELECT array_agg(id) FROM (SELECT id FROM ordered_close ORDER BY v <-> ordered_vector(7, 1000.5) LIMIT 1) s;
SELECT count(*) FROM (SELECT id FROM ordered_close ORDER BY v <-> ordered_vector(7, 1000.5) LIMIT 10) s
	WHERE id BETWEEN 494 AND 506;
DROP TABLE ordered_close;

-- in each way that coordinates are stored
CREATE TABLE of_each AS SELECT id, v FROM ordered WITH NO DATA;
ALTER TABLE of_each ALTER v TYPE vector(500);
CREATE FUNCTION ordered_long(kind text, i int) RETURNS vector LANGUAGE sql IMMUTABLE AS
$$ SELECT array_agg(CASE kind
	WHEN 'pixels' THEN floor(128 + 100 * sin(i * j))
	WHEN 'counts' THEN floor(30000 * sin(i * j))
	WHEN 'embedding' THEN sin(i * j)
	WHEN 'one large' THEN CASE j WHEN 7 THEN 4096 ELSE sin(i * j) END
	WHEN 'few long' THEN CASE WHEN i % 50 = 0 THEN 1e8 * sin(i * j) WHEN j = 7 THEN 4096 ELSE sin(i * j) END
	WHEN 'close' THEN CASE j WHEN 7 THEN 1000000 ELSE sin(i * j) END END ORDER BY j)::vector FROM generate_series(1, 500) j $$;
ALTER TABLE ordered RENAME TO ordered_short;
ALTER TABLE of_each RENAME TO ordered;
CREATE FUNCTION ordered_as(kind text)
RETURNS TABLE (op text, stored_as text, findings bigint, in_order bool, same_distances bool) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL client_min_messages = warning;
	SET LOCAL hnsw.ef_search = 400;
	TRUNCATE ordered;
	INSERT INTO ordered SELECT i, ordered_long(kind, i) FROM generate_series(1, 200) i;
	FOR op IN SELECT unnest(ARRAY['<->', '<#>', '<=>', '<+>']) LOOP
		EXECUTE format('CREATE INDEX ordered_i ON ordered USING hnsw (v vector_%s_ops)',
			CASE op WHEN '<->' THEN 'l2' WHEN '<#>' THEN 'ip' WHEN '<=>' THEN 'cosine' ELSE 'l1' END);
		-- some that the choice was not made for
		INSERT INTO ordered SELECT i, ordered_long(kind, i) FROM generate_series(201, 220) i;
		SELECT s.stored_as INTO stored_as FROM index_status('ordered_i') s;
		SELECT count(*) INTO findings FROM check_index('ordered_i', heapallindexed => true) c WHERE severity = 'error';
		SELECT bool_and(c.in_order), bool_and(c.same_distances) INTO in_order, same_distances
			FROM generate_series(301, 303) q, LATERAL ordered_check(op, ordered_long(kind, q), 60) c;
		RETURN NEXT;
		DROP INDEX ordered_i;
		DELETE FROM ordered WHERE id > 200;
	END LOOP;
END $$;
SELECT kind, a.* FROM unnest(ARRAY['pixels', 'counts', 'embedding', 'one large', 'few long', 'close']) kind, LATERAL ordered_as(kind) a;
DROP TABLE ordered;
ALTER TABLE ordered_short RENAME TO ordered;
DROP FUNCTION ordered_as, ordered_long;

-- of any size; squares beyond the range of a float order nothing, and break nothing
TRUNCATE ordered;
INSERT INTO ordered SELECT i, l2_normalize(ordered_vector(i, 0)) FROM generate_series(1, 200) i;
UPDATE ordered SET v = (SELECT array_agg(x * 1e-30)::vector FROM unnest(v::real[]) x);
SELECT op, c.rows > 0 AS some FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) op,
	LATERAL ordered_check(op, ordered_vector(3, 0), 50) c;
TRUNCATE ordered;
INSERT INTO ordered SELECT i, (SELECT array_agg(3.4028234e38 * sin(i * j))::vector FROM generate_series(1, 40) j) FROM generate_series(1, 100) i;
SELECT op, c.rows > 0 AS some FROM unnest(ARRAY['<->', '<#>', '<+>']) op,
	LATERAL ordered_check(op, ordered_vector(3, 0), 50) c;

-- and below it
TRUNCATE ordered;
CREATE FUNCTION ordered_tiny(i int) RETURNS vector LANGUAGE sql AS
$$ SELECT array_agg(floor(8 + 8 * sin(i * j)) * 2::float8 ^ -56 + CASE WHEN i % 30 = 0 THEN 0.3 ELSE 0 END)::vector
	FROM generate_series(1, 40) j $$;
INSERT INTO ordered SELECT i, ordered_tiny(i) FROM generate_series(1, 1500) i;
SELECT c.rows > 0 AS some, in_order FROM generate_series(2001, 2020) q,
	LATERAL ordered_check('<->', ordered_tiny(q), 40) c GROUP BY 1, 2;
DROP FUNCTION ordered_tiny;

-- NULL and zero have no distances
SELECT count(*) FROM (SELECT id FROM ordered ORDER BY v <-> NULL LIMIT 5) s;
TRUNCATE ordered;
INSERT INTO ordered SELECT i, ordered_vector(i, 0) FROM generate_series(1, 300) i;
SELECT count(*) FROM (SELECT id FROM ordered ORDER BY v <=> array_fill(0, ARRAY[40])::vector LIMIT 5) s;

DROP TABLE ordered;
DROP FUNCTION ordered_check, ordered_vector;
