-- Recall, in the database "ours"; :operator is the distance's, :k how many rows
-- are asked for.

-- The rows that can be found now, in a table that a sequential scan reads fast.
CREATE PROCEDURE take_truth(queries int)
LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE live, truth;
	INSERT INTO live SELECT s.* FROM source s WHERE EXISTS (SELECT FROM items i WHERE i.id = s.id);
	ANALYZE live;
	INSERT INTO truth SELECT q.id, kth_nearest(q.v) FROM query q WHERE q.id < queries;
END $$;

CREATE UNLOGGED TABLE live (LIKE source INCLUDING STORAGE);
CREATE FUNCTION kth_nearest(q vector) RETURNS float8
	RETURN (SELECT max(d) FROM (
		SELECT v :operator q AS d FROM live ORDER BY d LIMIT :k) AS nearest);

-- Of what stands in found.  As near as the k-th nearest counts, whatever its id.
CREATE FUNCTION recall_of_found() RETURNS float8
	RETURN (
		SELECT sum(least(hits, :k)) / (SELECT :k * count(*) FROM truth)
		FROM (SELECT count(DISTINCT f.id) AS hits
			FROM found f JOIN truth t USING (query) JOIN query q ON q.id = f.query
				JOIN live s ON s.id = f.id
			WHERE s.v :operator q.v <= t.kth + abs(t.kth) * 1e-6 + 1e-9
			GROUP BY f.query) AS per_query);
