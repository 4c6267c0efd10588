# Builds with parallel workers: the same index whatever their number; none to be had;
# not enough shared memory; errors and crashes of a worker; rebuilds, too.

use strict;
use warnings FATAL => 'all';

use Digest::MD5 qw(md5_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

my $node = am_node('main', conf => <<'X');
maintenance_work_mem = 256MB
max_worker_processes = 16
max_parallel_workers = 8
max_parallel_maintenance_workers = 2
hnsw_rebuild.nice = 0
X
$node->safe_psql('postgres', <<'X');
CREATE TABLE t (id int, e vector(16)) WITH (parallel_workers = 2);
INSERT INTO t SELECT i, vec(i, 16) FROM generate_series(1, 6000) i;
INSERT INTO t SELECT i, vec(i, 16) FROM generate_series(1, 300) i;
X

# What the index's pages hold, but for the position in the log that each begins with.
sub pages
{
	my $path = $node->data_dir . '/' . $node->safe_psql('postgres', "CHECKPOINT; SELECT pg_relation_filepath('t_e')");
	my $data = slurp_file($path);

	substr($data, $_ * 8192, 12) = "\0" x 12 for 0 .. length($data) / 8192 - 1;
	return md5_hex($data);
}

# Builds the index anew; returns how many workers were launched.
sub build
{
	my ($settings) = @_;
	my $before = -s $node->logfile;

	$node->safe_psql('postgres', <<"X");
$settings
SET log_min_messages = debug1;
DROP INDEX IF EXISTS t_e;
CREATE INDEX t_e ON t USING hnsw (e vector_l2_ops);
X
	my $log = slurp_file($node->logfile, $before);
	my @started = $log =~ /hnsw graph is made with (\d+) parallel workers/g;
	return wantarray ? ($started[0] // 'none', $log) : $started[0] // 'none';
}

sub healthy
{
	my ($what) = @_;

	is($node->safe_psql('postgres', "SELECT finding, message FROM check_index('t_e', true)"), '', "$what: check_index");
	cmp_ok($node->safe_psql('postgres', "SELECT recall('t', 'e', '<->', 16)"), '>=', 0.9, "$what: recall");
}

is(build('SET max_parallel_maintenance_workers = 0;'), 'none', 'alone');
healthy('alone');
my $alone = pages();
is(build('SET max_parallel_maintenance_workers = 1;'), 1, 'one worker');
is(pages(), $alone, 'one worker: the same index');
is(build(''), 2, 'two workers');
is(pages(), $alone, 'two workers: the same index');
healthy('two workers');

# the table says
$node->safe_psql('postgres', 'ALTER TABLE t SET (parallel_workers = 0)');
is(build(''), 'none', 'parallel_workers = 0');
$node->safe_psql('postgres', 'ALTER TABLE t SET (parallel_workers = 2)');
is(build("SET maintenance_work_mem = '64MB';"), 1, 'memory for one worker');

# no workers to be had
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_parallel_workers = 0; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', q{SELECT current_setting('max_parallel_workers') = '0'});
is(build(''), 'none', 'workers used up');
is(pages(), $alone, 'workers used up: the same index');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET max_parallel_workers; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', q{SELECT current_setting('max_parallel_workers') = '8'});

# shared memory runs out on the way
my ($started, $log) = build("SET hnsw_rebuild.debug_point_action = 'build_shared_memory:error';");
is($started, 'none', 'no shared memory: alone');
like($log, qr/WARNING:  building index "t_e" without parallel workers, for lack of shared memory/, 'no shared memory: says so');
is(pages(), $alone, 'no shared memory: the same index');

# and goes on saying how far it is
my $pauser = $node->background_psql('postgres');
$pauser->query_safe(q{CREATE FUNCTION hnr_debug_point_key(text) RETURNS bigint AS '$libdir/hnsw_rebuild', 'hnr_debug_point_key' LANGUAGE C STRICT});
$pauser->query_safe(q{SELECT pg_advisory_lock(hnr_debug_point_key('build_linking'))});
my $build = $node->background_psql('postgres');
$build->query_until(qr/begun/, "SET hnsw_rebuild.debug_point_action = 'build_shared_memory:error';\n\\echo begun\nREINDEX INDEX t_e;\n");
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)});
is($node->safe_psql('postgres', "SELECT phase, tuples_total FROM pg_stat_progress_create_index WHERE index_relid = 't_e'::regclass"),
	'building index: building graph|6300', 'no shared memory: progress');
$pauser->quit;
$build->quit;

# an error in a worker is one of the statement, and leaves nothing
my ($result, $stdout, $stderr) = $node->psql('postgres', <<'X');
SET hnsw_rebuild.debug_point_action = 'build_worker:error';
REINDEX INDEX t_e;
X
isnt($result, 0, 'error in a worker');
like($stderr, qr/fault at debug point "build_worker"/, 'error in a worker: comes through');
is(pages(), $alone, 'error in a worker: the old index is there');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'"),
	0, 'error in a worker: no worker stays');

# in a rebuild's background worker
$node->safe_psql('postgres', "SELECT rebuild_index('t_e', warm_start => false)");
$node->safe_psql('postgres', "CALL wait_for_rebuild('t_e', '10 min')");
is(pages(), $alone, 'rebuild: the same index');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = 'build_worker:error'});
$node->safe_psql('postgres', "SELECT rebuild_index('t_e', warm_start => false)");
($result, $stdout, $stderr) = $node->psql('postgres', "CALL wait_for_rebuild('t_e', '10 min')");
like($stderr, qr/fault at debug point "build_worker"/, 'error in a worker of a rebuild: its error');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname LIKE '%hnr_shadow%'"),
	0, 'error in a worker of a rebuild: no shadow stays');

# a worker that is killed takes the server down, and the build with it
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = 'build_worker:crash'});
$node->psql('postgres', 'REINDEX INDEX t_e');
wait_for_restart($node);
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');
healthy('after a crash');

$node->stop;
done_testing();
