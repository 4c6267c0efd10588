-- What `make bench` keeps its measurements in and computes with: made in each
-- database; only those of "ours" are filled.

-- A run of the client, in the columns that it prints; ef and round where they apply.
CREATE TABLE run (
	ext text, kind text, ef int, round int,
	n bigint, seconds float8, cpu float8, wait float8, client_wait float8,
	median float8, p99 float8, longest float8);

-- Other measurements.
CREATE TABLE measured (ext text, kind text, ef int, round int, value float8);

-- The rows a search found, as the client writes them; the distance of the k-th nearest.
CREATE UNLOGGED TABLE found (query int, id bigint);
CREATE TABLE truth (query int PRIMARY KEY, kth float8);

-- The cost at a recall: between two points of a sweep the logarithm of the cost
-- is taken as linear in the recall.  A cheaper point with more recall counts.
CREATE FUNCTION at_recall(target float8, recalls float8[], costs float8[]) RETURNS float8
	RETURN (
		SELECT min(CASE
				WHEN r0 < target
				THEN least(c, exp(ln(c0) + (ln(c) - ln(c0)) * (target - r0) / (r - r0)))
				ELSE c END)
		FROM (SELECT r, c, lag(r) OVER w AS r0, lag(c) OVER w AS c0
			FROM unnest(recalls, costs) AS p(r, c) WINDOW w AS (ORDER BY r, c)) AS pairs
		WHERE r >= target);

-- Pages of items that searches have asked for so far: all, and those not cached.
CREATE FUNCTION pages_read(OUT asked float8, OUT missed float8)
LANGUAGE plpgsql AS $$
BEGIN
	SELECT heap_blks_hit + idx_blks_hit + coalesce(toast_blks_hit + tidx_blks_hit, 0) + m.misses, m.misses
		INTO asked, missed
		FROM pg_statio_all_tables, LATERAL (SELECT heap_blks_read + idx_blks_read
			+ coalesce(toast_blks_read + tidx_blks_read, 0) AS misses) AS m
		WHERE relid = 'items'::regclass;
END $$;

-- Churn: chooses as many rows as share says to delete, and as many to come in.
CREATE PROCEDURE churn_choose(share float8, seed int)
LANGUAGE plpgsql AS $$
DECLARE
	n bigint := (SELECT round(count(*) * share) FROM items);
BEGIN
	DROP TABLE IF EXISTS leaving, coming;
	CREATE TABLE leaving AS
		SELECT id FROM items ORDER BY hashint8extended(id, seed) LIMIT n;
	CREATE TABLE coming AS
		SELECT id FROM source s WHERE NOT EXISTS (SELECT FROM items i WHERE i.id = s.id)
		ORDER BY hashint8extended(id, -seed) LIMIT n;
END $$;
