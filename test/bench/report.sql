-- What was measured, as tables; psql variables name, dims, rows, write_rows,
-- metric, and summary, the file that gets two rows for all of it.

\pset footer off
\pset null '-'

CREATE FUNCTION pg_temp.median_of(of_ext text, of_kind text, of_ef int DEFAULT NULL) RETURNS float8
	RETURN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM measured
		WHERE ext = of_ext AND kind = of_kind AND coalesce(ef = of_ef, of_ef IS NULL));
CREATE FUNCTION pg_temp.cpu_of(of_ext text, of_kind text) RETURNS float8
	RETURN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY cpu) FROM run
		WHERE ext = of_ext AND kind = of_kind);
-- As many digits as mean something.
CREATE FUNCTION pg_temp.digits(x float8) RETURNS text
	RETURN to_char(x, CASE WHEN abs(x) < 10 THEN 'FM990.00' WHEN abs(x) < 100 THEN 'FM990.0'
		ELSE 'FM999999999990' END);
CREATE FUNCTION pg_temp.points(x float8) RETURNS text
	RETURN to_char(x * 100, 'FMS990.00');

-- Searches: costs at a recall, round by round.
CREATE TEMP VIEW sweep AS
	SELECT r.ext, r.round, r.ef, m.value AS recall, r.cpu, p.value AS pages
	FROM run r JOIN measured m USING (ext, ef) JOIN measured p USING (ext, ef)
	WHERE r.kind = 'search' AND m.kind = 'recall of fresh' AND p.kind = 'pages of fresh';
CREATE TEMP TABLE reached AS
	SELECT ext, round, target, at_recall(target, array_agg(recall), array_agg(cpu)) AS cpu,
		at_recall(target, array_agg(recall), array_agg(pages)) AS pages
	FROM sweep, unnest(ARRAY[0.90, 0.95, 0.99]) AS target GROUP BY ext, round, target;

-- Two clients against one; apart: without the time in which they or their
-- servers waited for a CPU, so that only waits for each other count.
CREATE TEMP TABLE two AS
	SELECT k.key, e.ext, percentile_cont(0.5) WITHIN GROUP (ORDER BY (t.n / t.seconds) / (o.n / o.seconds)) AS gain,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY
			2 * (o.seconds * 1e6 / o.n - o.wait - o.client_wait)
				/ (2 * t.seconds * 1e6 / t.n - t.wait - t.client_wait)) AS apart
	FROM (VALUES ('search', '1 clients', '2 clients'), ('insert', 'insert, items', 'insert by two, items'))
			AS k(key, one, other)
		JOIN run o ON o.kind = one JOIN run t ON t.kind = other AND t.ext = o.ext AND t.round IS NOT DISTINCT FROM o.round,
		LATERAL (SELECT o.ext) AS e GROUP BY k.key, e.ext;

-- The rows of the report; the ratio is the peer's through ours.
CREATE TEMP TABLE figure (key text, what text, ours float8, peer float8, ratio float8);

INSERT INTO figure
	SELECT 'search ' || target, 'search at recall ' || target || ', CPU us',
		percentile_cont(0.5) WITHIN GROUP (ORDER BY o.cpu), percentile_cont(0.5) WITHIN GROUP (ORDER BY p.cpu),
		percentile_cont(0.5) WITHIN GROUP (ORDER BY p.cpu / o.cpu)
	FROM (SELECT * FROM reached WHERE ext = 'ours') o
		LEFT JOIN (SELECT * FROM reached WHERE ext = 'peer') p USING (round, target)
	GROUP BY target ORDER BY target;
INSERT INTO figure
	SELECT key, what, ours, peer, peer / ours FROM (
		SELECT key, what, pg_temp.cpu_of('ours', kind) / unit AS ours, pg_temp.cpu_of('peer', kind) / unit AS peer
		FROM (VALUES
			('exact', 'exact search, CPU us', 'exact', 1),
			('build', 'build, CPU s', 'build', 1e6),
			('insert', 'single-row insert, CPU us', 'insert, items', 1),
			('plain', 'without the index', 'insert, plain', 1),
			('vacuum 10', 'VACUUM after 10 % deletes, CPU ms', 'vacuum of 0.1', 1e3),
			('vacuum 20', 'VACUUM after 20 % deletes, CPU ms', 'vacuum of 0.2', 1e3))
			AS f(key, what, kind, unit)) AS runs;
INSERT INTO figure
	SELECT 'warm', 'pages of a search at .95, in the cache', o, p, p / o FROM (
		SELECT min(pages) FILTER (WHERE ext = 'ours') AS o, min(pages) FILTER (WHERE ext = 'peer') AS p
		FROM reached WHERE target = 0.95) AS pages;
INSERT INTO figure
	SELECT key, what, ours, peer, peer / ours FROM (
		SELECT key, what, pg_temp.median_of('ours', kind) / unit AS ours, pg_temp.median_of('peer', kind) / unit AS peer
		FROM (VALUES
			('cold', 'different pages of a search at .95', 'cold pages', 1::float8),
			('size', 'index, bytes per vector', 'size of build', :rows),
			('grown', 'the same after churn', 'size after churn', :write_rows),
			('WAL', 'WAL of an insert, bytes', 'WAL of insert, items', 1),
			('plain WAL', 'without the index', 'WAL of insert, plain', 1),
			('WAL images', 'with page images, from a checkpoint on', 'WAL of insert with images, items', 1))
			AS f(key, what, kind, unit)) AS others;
-- What an index gains and costs.
INSERT INTO figure
	SELECT v.key, v.what, f.ours / s.ours, f.peer / s.peer
	FROM (VALUES
		('gain', 'exact search, times the CPU of one at .95', 'exact', 'search 0.95'),
		('cost', 'insert, times the CPU of one without the index', 'insert', 'plain'))
		AS v(key, what, first, second) JOIN figure f ON f.key = first JOIN figure s ON s.key = second;
INSERT INTO figure
	SELECT key || ' by two', 'two clients, throughput of one is 1: ' || key, min(gain) FILTER (WHERE ext = 'ours'),
		min(gain) FILTER (WHERE ext = 'peer') FROM two GROUP BY key
	UNION ALL
	SELECT key || ' apart', 'the same without waits for a CPU: ' || key, min(apart) FILTER (WHERE ext = 'ours'),
		min(apart) FILTER (WHERE ext = 'peer') FROM two GROUP BY key ORDER BY 1 DESC;

SELECT o.ef, round(o.value::numeric, 4) AS ours, round(p.value::numeric, 4) AS peer,
	pg_temp.points(o.value - p.value) AS points
FROM measured o LEFT JOIN measured p ON p.ext = 'peer' AND p.kind = o.kind AND p.ef = o.ef
WHERE o.ext = 'ours' AND o.kind = 'recall of fresh' ORDER BY o.ef \g (title='Recall at an ef_search')

SELECT what, pg_temp.digits(ours) AS ours, pg_temp.digits(peer) AS peer, pg_temp.digits(ratio) AS "peer / ours"
FROM figure \g (title='Costs')

SELECT o.ef, split_part(o.kind, ' of ', 2) AS index, round(o.value::numeric, 4) AS ours, round(p.value::numeric, 4) AS peer
FROM measured o LEFT JOIN measured p ON p.ext = 'peer' AND p.kind = o.kind AND p.ef = o.ef
WHERE o.ext = 'ours' AND o.kind IN ('recall of before churn', 'recall of after churn', 'recall of reindex')
ORDER BY o.ef, array_position(ARRAY['before churn', 'after churn', 'reindex'], split_part(o.kind, ' of ', 2))
\g (title='Recall after churn')

SELECT count(*) > 0 AS rebuilt FROM run WHERE kind = 'beside rebuild' \gset
\if :rebuilt
SELECT kind AS searches, pg_temp.digits(cpu) AS cpu_us, pg_temp.digits(p99) AS "99 % within us",
	pg_temp.digits(longest) AS slowest_us
FROM run WHERE kind IN ('before rebuild', 'beside rebuild') ORDER BY kind DESC \g (title='Searches and a rebuild of ours')
\endif

SELECT count(*) > 0 AS kept_up FROM run WHERE kind = 'flush' \gset
\if :kept_up
SELECT what, pg_temp.digits(a / b) AS times FROM (VALUES
		('INSERT, as ever; without the index 1', pg_temp.cpu_of('ours', 'deferred: off'), pg_temp.cpu_of('ours', 'deferred: no index')),
		('INSERT, deferred', pg_temp.cpu_of('ours', 'deferred: on'), pg_temp.cpu_of('ours', 'deferred: no index')),
		('merging a row', pg_temp.cpu_of('ours', 'flush') / pg_temp.median_of('ours', 'rows pending'),
			pg_temp.cpu_of('ours', 'deferred: no index')),
		(format('search, %s rows pending; all merged 1', pg_temp.median_of('ours', 'rows pending')),
			pg_temp.cpu_of('ours', 'rows pending'), pg_temp.cpu_of('ours', 'rows merged')))
	AS f(what, a, b) \g (title='Deferred insertions of ours, CPU')
SELECT ef, max(value) FILTER (WHERE kind ~ 'worn') AS worn, max(value) FILTER (WHERE kind ~ 'optimized') AS optimized,
	max(value) FILTER (WHERE kind ~ 'rebuilt') AS rebuilt,
	pg_temp.digits(pg_temp.median_of('ours', 'ms of job', 1) / pg_temp.median_of('ours', 'ms of job', 2)) AS "time, of a rebuild's"
FROM measured WHERE kind ~ '^recall of (worn|optimized|rebuilt)' GROUP BY ef ORDER BY ef
\g (title='Recall before and after optimize_index(), and of a rebuild')
\endif

-- One row of each of the tables in README.md; of what neither reaches, a dash.
CREATE FUNCTION pg_temp.ratio_of(of_key text) RETURNS text
	RETURN (SELECT coalesce(pg_temp.digits(ratio), CASE WHEN ours IS NOT NULL THEN 'only ours'
		WHEN peer IS NOT NULL THEN 'only the peer' ELSE '-' END) FROM figure WHERE key = of_key);
CREATE FUNCTION pg_temp.more(of_kind text, of_ef int) RETURNS text
	RETURN coalesce(pg_temp.points(pg_temp.median_of('ours', of_kind, of_ef) - pg_temp.median_of('peer', of_kind, of_ef)), '-');
CREATE FUNCTION pg_temp.kept(of_ext text) RETURNS text
	RETURN coalesce(pg_temp.points(pg_temp.median_of(of_ext, 'recall of after churn', 40)
		- pg_temp.median_of(of_ext, 'recall of reindex', 40)), '-');
CREATE FUNCTION pg_temp.both(of_key text) RETURNS text
	RETURN (SELECT coalesce(pg_temp.digits(min(ours)), '-') || ' (' || coalesce(pg_temp.digits(min(peer)), '-') || ')'
		FROM figure WHERE key = of_key);
\pset tuples_only on
\pset format unaligned
\o :summary
SELECT concat_ws(' | ', '| search', :'name', :rows, :dims, :'metric',
	pg_temp.ratio_of('search 0.90'), pg_temp.ratio_of('search 0.95'), pg_temp.ratio_of('search 0.99'),
	pg_temp.more('recall of fresh', 10), pg_temp.more('recall of fresh', 40), pg_temp.more('recall of fresh', 400),
	pg_temp.ratio_of('warm'), pg_temp.ratio_of('cold'),
	pg_temp.both('search apart')) || ' |';
SELECT concat_ws(' | ', '| write', :'name', pg_temp.ratio_of('build'),
	(SELECT coalesce(pg_temp.digits(1 / ratio), '-') FROM figure WHERE key = 'size'),
	pg_temp.ratio_of('insert'), pg_temp.ratio_of('WAL'),
	(SELECT coalesce(pg_temp.digits((i.peer - p.peer) / (i.ours - p.ours)), '-')
		FROM figure i, figure p WHERE i.key = 'WAL' AND p.key = 'plain WAL'),
	pg_temp.ratio_of('WAL images'), pg_temp.both('insert apart'),
	pg_temp.ratio_of('vacuum 10'), pg_temp.ratio_of('vacuum 20'),
	pg_temp.kept('ours'), pg_temp.kept('peer')) || ' |';
\o
