# hnsw.ef_search: defined in backends only, when needed, and shared with another
# library that defines it too, in whatever order both are loaded.  And what an
# option says without the library's launcher.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $other = "$PostgreSQL::Test::Utils::tmp_check/other_vector.so";
my $include = `$ENV{PG_CONFIG} --includedir-server`;
chomp $include;
system_or_bail($ENV{CC} || 'cc', '-shared', '-fPIC', '-O', "-I$include", '-o', $other,
	'test/lib/other_vector.c');

my $node = PostgreSQL::Test::Cluster->new('settings');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION hnsw_rebuild;
	CREATE TABLE t (id int, v vector(2));
	INSERT INTO t SELECT i, ARRAY[i % 37, i / 37]::vector FROM generate_series(1, 2000) i;
	CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
	CREATE TABLE r (v vector(100));
	SELECT setseed(0.5);
	INSERT INTO r SELECT (SELECT array_agg(random() + 0 * i * j) FROM generate_series(1, 100) j)::vector
		FROM generate_series(1, 3000) i;
	CREATE INDEX r_v ON r USING hnsw (v vector_l2_ops);
});

# What a search goes through shows in the record of a measurement.
my $search = q{
	SELECT index_degradation('t_v', 20, 5) IS NOT NULL;
	SELECT ef_search FROM hnsw_rebuild.measurement ORDER BY id DESC LIMIT 1;
	SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[3,3]' LIMIT 7) x;
};

# Runs statements in a fresh session; gives the answers or the error.
sub answers
{
	my ($sql) = @_;
	my ($out, $err);
	my $status = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err,
		on_error_stop => 1);
	return $status ? "error: $err" : $out;
}

sub preload
{
	my ($libraries) = @_;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'");
	$node->restart;
}

# Alone.
is(answers("SET hnsw.ef_search = 123; $search SHOW hnsw.ef_search"), "t\n123\n7\n123",
	'a value set before the library is loaded');
is(answers("SELECT '[1]'::vector; SHOW hnsw.ef_search"), "[1]\n40",
	'shown once the type has been used');
like(answers("SET hnsw.ef_search = 'many'; $search"), qr/^t\n40\n7$/,
	'an invalid value set before is the default');
like(answers("$search SET hnsw.ef_search = 0"), qr/0 is outside the valid range/,
	'range');
like(answers("SET hnsw_rebuild.nonsense = 1; $search"), qr/^(t\n40\n7|error: .*nonsense)/s,
	'an unknown setting of ours does no harm');

# What has no effect where it is set; what of it is told there.
sub warnings_of
{
	my ($sql) = @_;
	my $warning = '';
	$node->psql('postgres', $sql, stderr => \$warning);
	return $warning;
}
my $warning = warnings_of('ALTER INDEX t_v SET (auto_rebuild_threshold = 0.2)');
like($warning, qr/WARNING:  auto_rebuild_threshold has no effect.*HINT:  Add hnsw_rebuild to/s,
	'a threshold without the launcher does nothing, which is worth a warning');
like(warnings_of('ALTER INDEX t_v SET (query_sample_rate = 0.1)'),
	qr/^\S*\s*WARNING:  query_sample_rate has no effect at present\n[^\n]*\n[^\n]*$/,
	'so does a rate of samples; the threshold is not mentioned again');
is(warnings_of('ALTER INDEX t_v SET (deferred = off)'), '', 'nor is either where another option is set');
is(warnings_of('ALTER INDEX t_v RESET (auto_rebuild_threshold, query_sample_rate)'), '', 'or they are taken away');
like(warnings_of("DO 'BEGIN ALTER INDEX t_v SET (query_sample_rate = 0.1); END'"),
	qr/query_sample_rate has no effect/, 'within a function');
my $parts = q{
	CREATE TABLE parts (v vector(2), id int) PARTITION BY LIST (id);
	CREATE INDEX parts_v ON parts USING hnsw (v vector_l2_ops) WITH (auto_rebuild_threshold = 0.3)};
like(warnings_of($parts), qr/auto_rebuild_threshold has no effect/, 'when an index is created');
is(warnings_of('CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1)'), '', 'but not when a partition takes it over');
$node->safe_psql('postgres', 'DROP TABLE parts; ALTER INDEX t_v RESET (query_sample_rate)');

# Beside the other library.
is(answers("LOAD '$other'; SET hnsw.ef_search = 77; $search SHOW hnsw.ef_search"),
	"t\n77\n7\n77", 'the other library is loaded first');
# the other's value where we know it, and our bounds
my $all = "SET enable_seqscan = off; SET work_mem = '64kB'; SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[3,3]' LIMIT 1900) x";
cmp_ok(answers("LOAD '$other'; SET hnsw.scan_mem_multiplier = 0.5; $all"), '<', 1900, 'memory of a scan');
is(answers("LOAD '$other'; SET hnsw.scan_mem_multiplier = 5000; $all"), 1900, 'enough memory');
my $order = "SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 1;
	CREATE TEMP SEQUENCE s;
	SELECT bool_and(d >= before) FROM (SELECT d, lag(d, 1, 0::float8) OVER (ORDER BY n) AS before
		FROM (SELECT v <-> (SELECT v FROM r LIMIT 1) AS d, nextval('s') AS n FROM r
			ORDER BY v <-> (SELECT v FROM r LIMIT 1) LIMIT 2000) x) x";
is(answers("LOAD '$other'; SET hnsw.iterative_scan = relaxed_order; $order"), 'f', 'relaxed order');
is(answers("LOAD '$other'; SET hnsw.iterative_scan = other_order; $order"), 't', 'order as usual');
preload($other);
is(answers("SET hnsw.ef_search = 77; $search SHOW hnsw.ef_search"), "t\n77\n7\n77",
	'the other library is preloaded');
preload("$other, hnsw_rebuild");
is(answers("SET hnsw.ef_search = 77; $search"), "t\n77\n7", 'both preloaded, ours last');
preload("hnsw_rebuild, $other");
is(answers("SET hnsw.ef_search = 77; $search"), "t\n77\n7", 'both preloaded, ours first');
preload('hnsw_rebuild');
is(answers("LOAD '$other'; SET hnsw.ef_search = 77; $search"), "t\n77\n7",
	'ours preloaded, the other loaded in a session');
is(warnings_of('ALTER INDEX t_v SET (query_sample_rate = 0.1, auto_rebuild_threshold = 0.2)'), '',
	'options that have an effect are no reason for a warning');
$node->append_conf('postgresql.conf', 'hnsw_rebuild.launcher = off');
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('hnsw_rebuild.launcher') = 'off'");
like(warnings_of('ALTER INDEX t_v SET (auto_rebuild_threshold = 0.3)'),
	qr/auto_rebuild_threshold has no effect.*HINT:  Set hnsw_rebuild.launcher = on, and/s,
	'with the launcher switched off, that is all that is to be done about it');
$node->append_conf('postgresql.conf', 'hnsw_rebuild.launcher = on');
$node->reload;
$node->safe_psql('postgres', 'ALTER INDEX t_v RESET (query_sample_rate, auto_rebuild_threshold)');
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
is($node->safe_psql('elsewhere', "LOAD '$other'; SHOW hnsw.ef_search"), '40',
	'ours preloaded leaves the name to the other library in another database');
$node->append_conf('postgresql.conf', "session_preload_libraries = 'hnsw_rebuild'");
preload('');
is($node->safe_psql('elsewhere', "LOAD '$other'; SHOW hnsw.ef_search"), '40',
	'likewise in session_preload_libraries');

# In parallel workers, which restore the leader's settings before they search.
my $force = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
is(answers("SET hnsw.ef_search = 55; SET $force = on;
		SELECT sum(x) FROM (SELECT 1 AS x FROM t ORDER BY v <-> '[3,3]' LIMIT 7) x;
		SHOW hnsw.ef_search"), "7\n55", 'parallel query');

$node->safe_psql('postgres', q{
	CREATE TABLE numbers AS SELECT i FROM generate_series(1, 55) i;
	CREATE FUNCTION nearest(x int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$
		DECLARE n int; BEGIN SELECT id INTO n FROM t ORDER BY v <-> ARRAY[x, x]::vector LIMIT 1; RETURN n; END $$;
});
$node->safe_psql('postgres', "CREATE INDEX t_w$_ ON t USING hnsw (v vector_l2_ops)") for (1 .. 3);
# They count there: so few rows are looked at that a scan ends early.
my $few = "SET hnsw.ef_search = 1; SET hnsw.max_scan_tuples = 1; SET enable_seqscan = off; SET enable_sort = off;
	SELECT 'row' FROM t ORDER BY v <-> '[3,3]' LIMIT 1000";
for my $where ('', 'hnsw_rebuild')
{
	preload($where);
	for my $how ('', "SET $force = on;")
	{
		my ($out, $err) = ('', '');
		$node->psql('postgres', "$how $few", stdout => \$out, stderr => \$err);
		like("$out$err", qr/^(row\n?){1,100}$/, "few rows are looked at, preloaded: '$where' $how");
	}
	my ($out, $err) = ('', '');
	$node->psql('postgres', <<'X', stdout => \$out, stderr => \$err);
SET hnsw.ef_search = 55;
SET min_parallel_index_scan_size = 0;
DELETE FROM t WHERE v <-> '[3,3]' < 1;
VACUUM (PARALLEL 2) t;
X
	is("$out$err", '', "nor is there a warning of parallel VACUUM, preloaded: '$where'");

	# In the leader of a parallel query nothing can be set, and so not be defined.
	($out, $err) = ('', '');
	$node->psql('postgres', <<'X', stdout => \$out, stderr => \$err);
SET hnsw.ef_search = 55;
SET hnsw.max_scan_tuples = 66;
SET max_parallel_workers = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) FROM numbers WHERE nearest(i) > 0;
SHOW hnsw.ef_search;
SHOW hnsw.max_scan_tuples;
SELECT id > 0 FROM t ORDER BY v <-> '[3,3]' LIMIT 1;
SHOW hnsw.ef_search;
SET hnsw.ef_search = -1;
X
	like("$out$err", qr/^55\n55\n66\nt\n55.*-1 is outside the valid range/s,
		"nor are settings lost when a parallel query is the first to search, preloaded: '$where'");
}

$node->stop;
done_testing();
