# Builds of graphs that do not fit into maintenance_work_mem: made part by part, by way of
# temporary files.  They find what others find; nothing is left behind, whichever way they end.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

my $node = am_node('main', conf => <<'X');
max_worker_processes = 16
max_parallel_workers = 8
max_parallel_maintenance_workers = 0
hnsw_rebuild.nice = 0
X
$node->safe_psql('postgres', <<'X');
CREATE TABLE t (id int, e vector(16), h halfvec(16));
INSERT INTO t SELECT i, vec(i, 16), vec(i, 16)::halfvec FROM generate_series(1, 5000) i;
-- vectors of many rows: some of two, one of hundreds
INSERT INTO t SELECT i, vec(i, 16), vec(i, 16)::halfvec FROM generate_series(1, 300) i;
INSERT INTO t SELECT i, vec(7, 16), vec(7, 16)::halfvec FROM generate_series(1, 400) i;
INSERT INTO t VALUES (0, NULL, NULL);
ANALYZE t;
CREATE FUNCTION hnr_debug_point_key(text) RETURNS bigint AS '$libdir/hnsw_rebuild', 'hnr_debug_point_key' LANGUAGE C STRICT;
X

my $small = "SET maintenance_work_mem = '2MB';";

# Temporary files that there are, in all tablespaces.
sub temporary_files
{
	return scalar grep { -f $_ } glob($node->data_dir . '/base/pgsql_tmp/*'),
		glob($node->data_dir . '/pg_tblspc/*/*/pgsql_tmp/*');
}

# Runs statements; returns in how many shards they made a graph, and what they said.
sub shards
{
	my ($sql) = @_;
	my ($result, $out, $err) = $node->psql('postgres', "SET client_min_messages = debug1;\n$sql");
	my ($n) = $err =~ /hnsw graph is made in (\d+) shards/;

	return ($n // 0, $err, $result);
}

sub build
{
	my ($settings, $ops, $column) = @_;
	$column //= 'e';

	return shards("$settings
		DROP INDEX IF EXISTS t_e;
		CREATE INDEX t_e ON t USING hnsw ($column $ops) WITH (m = 8, ef_construction = 40);");
}

sub recall_of
{
	my ($op, $column) = @_;
	return $node->safe_psql('postgres', "SELECT recall('t', '" . ($column // 'e') . "', '$op', 16, 40)");
}

sub healthy
{
	my ($what) = @_;

	is($node->safe_psql('postgres', "SELECT finding, message FROM check_index('t_e', true)"), '', "$what: check_index");
	is(temporary_files(), 0, "$what: no temporary file is left");
}

# every operator class that is built at once finds as much as with memory for all
for my $class ([ 'vector_l2_ops', '<->' ], [ 'vector_cosine_ops', '<=>' ], [ 'vector_l1_ops', '<+>' ],
	[ 'halfvec_l2_ops', '<->', 'h' ])
{
	my ($ops, $op, $column) = @$class;
	my ($n) = build("SET maintenance_work_mem = '64MB';", $ops, $column);
	my $recall = recall_of($op, $column);

	is($n, 0, "$ops: fits into memory");
	($n) = build($small, $ops, $column);
	cmp_ok($n, '>', 2, "$ops: does not fit");
	healthy($ops);
	cmp_ok(recall_of($op, $column), '>=', $recall - 0.02, "$ops: recall is as with memory for all, $recall");
}
is($node->safe_psql('postgres', <<'X'), 402, 'all rows with the same vector are found');
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT e FROM t ORDER BY e <+> vec(7, 16) LIMIT 402) s WHERE e = vec(7, 16);
X

# lengths that vary much are indexed row by row, found out before or after the rows are written down
for my $order ('', 'DESC')
{
	$node->safe_psql('postgres', "CREATE TABLE v AS SELECT (e * array_fill((CASE WHEN id < 3000 THEN 1 ELSE id % 100 END)::real, ARRAY[16])::vector)::vector(16) AS e
		FROM t WHERE id BETWEEN 1 AND 4500 ORDER BY id $order");
	my ($n, $err) = shards("SET maintenance_work_mem = '1MB'; CREATE INDEX v_e ON v USING hnsw (e vector_ip_ops) WITH (m = 8, ef_construction = 40);");
	is($n, 0, "varying lengths $order: not by shards");
	like($err, qr/NOTICE:  hnsw graph no longer fits into maintenance_work_mem after \d+ rows/, "varying lengths $order: says so");
	is($node->safe_psql('postgres', "SELECT finding, message FROM check_index('v_e', true)"), '', "varying lengths $order: check_index");
	is(temporary_files(), 0, "varying lengths $order: no temporary file is left");
	$node->safe_psql('postgres', 'DROP TABLE v');
}

# all rows alike, and few different ones
$node->safe_psql('postgres', 'CREATE TABLE same AS SELECT vec(i % 3, 16)::vector(16) AS e FROM generate_series(1, 20000) i');
shards("SET maintenance_work_mem = '1MB'; CREATE INDEX same_e ON same USING hnsw (e vector_l2_ops);");
is($node->safe_psql('postgres', "SELECT finding, message FROM check_index('same_e', true)"), '', 'few vectors: check_index');

# how many shards there are is up to the different vectors
$node->safe_psql('postgres', <<'X');
CREATE TABLE copies (e vector(16));
INSERT INTO copies SELECT vec(i % 4000, 16) FROM generate_series(1, 40000) i;
X
{
	my $sql = "SET maintenance_work_mem = '4MB'; CREATE INDEX copies_e ON copies USING hnsw (e vector_l2_ops) WITH (m = 8, ef_construction = 40);";
	my ($n) = shards($sql);
	cmp_ok($n, '>', 1, 'ten rows to a vector: shards');
	cmp_ok($n, '<', 6, 'ten rows to a vector: no more than for a tenth of the rows');
	is($node->safe_psql('postgres', "SELECT finding, message FROM check_index('copies_e', true)"), '', 'ten rows to a vector: check_index');
	$node->safe_psql('postgres', 'DROP TABLE copies');
}

# a vector that most rows have takes no place of others: neither shards nor guests are counted by rows
$node->safe_psql('postgres', <<'X');
CREATE TABLE heavy (e vector(16));
INSERT INTO heavy SELECT CASE WHEN i % 10 = 0 THEN vec(i, 16) ELSE vec(7, 16) END FROM generate_series(1, 40000) i;
X
{
	my ($n) = shards("$small CREATE INDEX heavy_e ON heavy USING hnsw (e vector_l2_ops) WITH (m = 8, ef_construction = 40);");
	cmp_ok($n, '>', 1, 'one vector with most rows: shards');
	is($node->safe_psql('postgres', "SELECT finding, message FROM check_index('heavy_e', true)"), '', 'one vector with most rows: check_index');
	cmp_ok($node->safe_psql('postgres', "SELECT recall('heavy', 'e', '<->', 16, 40)"), '>=', 0.95, 'one vector with most rows: recall');
	$node->safe_psql('postgres', 'DROP TABLE heavy');
}

# workers
my ($n, $err) = build("$small SET max_parallel_maintenance_workers = 2; ALTER TABLE t SET (parallel_workers = 2);
	SET hnsw_rebuild.debug_point_action = 'build_any_memory:error';", 'vector_l2_ops');
cmp_ok($n, '>', 2, 'workers: does not fit');
like($err, qr/hnsw graph is made with 2 parallel workers/, 'workers: there are');
healthy('workers');
cmp_ok(recall_of('<->'), '>=', 0.9, 'workers: recall');
($n, $err) = build("$small SET max_parallel_maintenance_workers = 2;
	SET hnsw_rebuild.debug_point_action = 'build_any_memory:error, build_shared_memory:error';", 'vector_l2_ops');
like($err, qr/WARNING:  building index "t_e" without parallel workers, for lack of shared memory/, 'no shared memory: says so');
healthy('no shared memory');

# a limit of temporary files
build($small, 'vector_l2_ops');
($n, $err) = shards("$small SET temp_file_limit = '600kB'; REINDEX INDEX t_e;");
like($err, qr/ERROR:  temporary file size exceeds temp_file_limit/, 'temp_file_limit: an error');
healthy('temp_file_limit');

# a disk that is full
SKIP:
{
	skip 'prlimit is not installed', 3 if system('prlimit --version >/dev/null 2>&1') != 0;
	my ($pid) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

	system_or_bail('prlimit', '--pid', $pid, '--fsize=100000:unlimited');
	($n, $err) = shards("$small REINDEX INDEX t_e;");
	system_or_bail('prlimit', '--pid', $pid, '--fsize=unlimited:unlimited');
	like($err, qr/ERROR:  could not write to file "base\/pgsql_tmp/, 'no room: an error');
	healthy('no room');
}

# an error on the way
for my $point (qw(build_shard build_stitch))
{
	($n, $err) = shards("$small SET hnsw_rebuild.debug_point_action = '$point:error'; REINDEX INDEX t_e;");
	like($err, qr/fault at debug point "$point"/, "$point: an error");
	healthy("error at $point");
}

# Starts a build that stops at a point, and waits until it is there.
my ($pauser, $session);

sub pause_at
{
	my ($point, $settings) = @_;

	$pauser = $node->background_psql('postgres');
	$pauser->query_safe("SELECT pg_advisory_lock(hnr_debug_point_key('$point'))");
	$session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_until(qr/begun/, "SET application_name = 'builder'; $settings\n\\echo begun\nREINDEX INDEX t_e;\n");
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)});
}

# progress, and a cancel
my $tablespace = PostgreSQL::Test::Utils::tempdir;
$node->safe_psql('postgres', "CREATE TABLESPACE aside LOCATION '$tablespace'");
for my $case ([ 'build_shard', 'building graph' ], [ 'build_stitch', 'writing graph' ])
{
	my ($point, $phase) = @$case;

	pause_at($point, "$small SET temp_tablespaces = 'aside';");
	is($node->safe_psql('postgres', q{SELECT phase FROM pg_stat_progress_create_index}), "building index: $phase", "$point: phase");
	cmp_ok(temporary_files(), '>', 0, "$point: temporary files are there");
	is(scalar(glob($node->data_dir . '/base/pgsql_tmp/*')), undef, "$point: where they should be");
	$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'builder'});
	$pauser->quit;
	$session->quit;
	healthy("cancelled at $point");
}

# in a rebuild's worker
$node->safe_psql('postgres', q{ALTER SYSTEM SET maintenance_work_mem = '2MB'});
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
$node->safe_psql('postgres', q{ALTER SYSTEM SET log_min_messages = debug1});
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
my $before = -s $node->logfile;
$node->safe_psql('postgres', "SELECT rebuild_index('t_e', m => 6)");
$node->safe_psql('postgres', "CALL wait_for_rebuild('t_e', '10 min')");
like(slurp_file($node->logfile, $before), qr/hnsw graph is made in \d+ shards/, 'rebuild: by shards');
healthy('rebuild');
cmp_ok(recall_of('<->'), '>=', 0.85, 'rebuild: recall');

# an unlogged table
$node->safe_psql('postgres', 'CREATE UNLOGGED TABLE u AS TABLE t; ALTER TABLE u RENAME TO u_old; ALTER TABLE t RENAME TO t_old; ALTER TABLE u_old RENAME TO t; DROP INDEX t_e');
($n) = build($small, 'vector_l2_ops');
cmp_ok($n, '>', 2, 'unlogged: by shards');
healthy('unlogged');

# a crash
pause_at('build_stitch', $small);
cmp_ok(temporary_files(), '>', 0, 'crash: temporary files are there');
$node->stop('immediate');
$pauser->{run}->finish;
$session->{run}->finish;
$node->start;
healthy('after a crash');

$node->stop;
done_testing();
