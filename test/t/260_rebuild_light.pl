# A rebuild is not felt: priority of its processes, pauses, rate and amount of WAL,
# the buffer pool, and whether there is disk for it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RebuildTest;

my $node = new_node('main', conf => "shared_buffers = 4MB\nmin_wal_size = 256MB\nmax_wal_size = 1GB\n");

sub q1
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

sub set
{
	my (%settings) = @_;

	$node->append_conf('postgresql.conf',
		join('', map { "hnsw_rebuild.$_ = $settings{$_}\n" } sort keys %settings));
	$node->reload;
}

# Niceness of a process and of the group that Linux may have made of its session.
sub niceness
{
	my ($pid) = @_;
	my @stat = split / /, (slurp_file("/proc/$pid/stat") =~ s/^.*\) //r);
	my ($group) = -e "/proc/$pid/autogroup" ? slurp_file("/proc/$pid/autogroup") =~ /nice (-?\d+)/ : ();

	return ($stat[16], $group);
}

# Processor time of a process, in seconds.
sub cpu
{
	my ($pid) = @_;
	my @stat = split / /, (slurp_file("/proc/$pid/stat") =~ s/^.*\) //r);

	return ($stat[11] + $stat[12]) / 100;
}

q1(q{
CREATE FUNCTION wide(seed int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((hashint4(seed * 100 + i) % 1000)::real)::vector FROM generate_series(1, 64) i$$;
CREATE TABLE wide (id int, e vector(64));
INSERT INTO wide SELECT i, wide(i) FROM generate_series(1, 2000) i;
CREATE INDEX wide_e ON wide USING hnsw (e vector_l2_ops) WITH (m = 48, ef_construction = 96);
CREATE TABLE hot (filler text) WITH (fillfactor = 10);
INSERT INTO hot SELECT repeat('x', 500) FROM generate_series(1, 100);
});

# ---- priority ----

SKIP:
{
	skip 'no /proc', 5 unless -e '/proc/self/stat';

	set(nice => 10);
	make_items($node, 50);
	my ($nice, $group, $hurried);
	# The kernel lets few groups change in a second, of all on the machine.
	for (1 .. 10)
	{
		my $pauser = pause_at($node, 'rebuild_build');
		q1("SELECT rebuild_index('items_e', measure => false)");
		wait_for_pause($node);
		($nice, $group) = niceness(worker_pid($node));
		my $second = pause_at($node, 'rebuild_cutover_locked');
		release($pauser);
		poll_sql($node, "SELECT phase = 'waiting for cutover' FROM rebuild_history ORDER BY id DESC LIMIT 1");
		wait_for_pause($node);
		(undef, $hurried) = niceness(worker_pid($node));
		release($second);
		last if wait_for_job($node) ne 'done' || ($group // 10) == 10 && ($hurried // 0) == 0;
	}
	is($nice, 10, 'the worker stands back');
	is($group // 10, 10, 'and so does its group');
	is($hurried // 0, 0, 'but not while others wait for it');
	is(job($node, 'state'), 'done', 'done');

	set(nice => 0);
	my $pauser = pause_at($node, 'rebuild_build');
	q1("SELECT rebuild_index('items_e', measure => false)");
	wait_for_pause($node);
	($nice, $group) = niceness(worker_pid($node));
	is(join(' ', $nice, $group // 0), '0 0', 'hnsw_rebuild.nice = 0: as everybody');
	release($pauser);
	wait_for_job($node);
}

# ---- pauses ----

SKIP:
{
	skip 'no /proc', 2 unless -e '/proc/self/stat';

	set(max_cpu => 5);
	q1("SELECT rebuild_index('wide_e', ef_construction => 400, measure => false)");
	poll_sql($node, "SELECT phase = 'building graph' AND tuples_done > 10 FROM index_status('wide_e')");
	my $pid = worker_pid($node);
	my ($cpu, $time) = (cpu($pid), time);
	sleep 2;
	cmp_ok((cpu($pid) - $cpu) / (time - $time), '<', 0.25, 'pauses for most of the time');
	set(max_cpu => 100);
	is(wait_for_job($node), 'done', 'and does not once the setting is changed');
}

# ---- settings that are changed while parallel workers are at work ----

q1('ALTER TABLE wide SET (parallel_workers = 1)');
q1("SELECT rebuild_index('wide_e', ef_construction => 400, measure => false)");
my $reloads = 0;
do
{
	$node->append_conf('postgresql.conf', "log_min_duration_statement = " . (1_000_000 + $reloads++) . "\n");
	$node->reload;
	usleep(20_000);
} until q1('SELECT count(*) FROM index_status() WHERE status = $$rebuilding$$') eq '0';
is(wait_for_job($node), 'done', 'the configuration is read again while parallel workers are at work');
q1('ALTER TABLE wide RESET (parallel_workers)');

# ---- WAL ----

my $log_seconds = 2;
q1("SELECT rebuild_index('wide_e', measure => false, m => 48, ef_construction => 96)");
wait_for_job($node);
my $size = q1("SELECT pg_relation_size('wide_e')");
my $rate = int($size / $log_seconds / 1024);
my $lsn = q1('SELECT pg_current_wal_insert_lsn()');
set(wal_rate => "${rate}kB");
q1("SELECT rebuild_index('wide_e', measure => false, warm_start => false)");
poll_sql($node, "SELECT blocks_done > 0 AND phase LIKE '%writing log' FROM pg_stat_progress_create_index");
my $begin = time;
my $before = q1('SELECT pg_current_wal_insert_lsn()');
sleep 1;
my $after = q1('SELECT pg_current_wal_insert_lsn()');
cmp_ok(q1("SELECT ('$after'::pg_lsn - '$before'::pg_lsn) / 1024"), '<',
	1.2 * $rate * (time - $begin) + 600, 'not more WAL in a second than is allowed');
is(wait_for_job($node), 'done', 'done');
set(wal_rate => 0);
cmp_ok(q1("SELECT pg_current_wal_insert_lsn() - '$lsn'"), '<',
	1.1 * q1("SELECT pg_relation_size('wide_e')") + 1024 * 1024,
	'hardly more WAL than the index is large');

# ---- the buffer pool ----

sub hot_blocks
{
	my $plan = q1('EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) SELECT count(*) FROM hot');

	return $plan =~ /shared hit=(\d+)/ ? $1 : 0;
}

cmp_ok($size, '>', 4 * 1024 * 1024, 'an index that would fill the buffer pool');
hot_blocks() for 1 .. 5;
my $blocks = hot_blocks();
q1("SELECT rebuild_index('wide_e', measure => false, warm_start => false)");
is(wait_for_job($node), 'done', 'done');
cmp_ok(hot_blocks(), '>=', 0.9 * $blocks, "what was in use is still there, of $blocks blocks");

# As much of the new index as of the old one, up to a quarter.
q1(q{CREATE FUNCTION hnr_debug_buffered(regclass) RETURNS bigint AS '$libdir/hnsw_rebuild' LANGUAGE C STRICT});
q1(q{SET hnsw.ef_search = 400; SET enable_seqscan = off;
SELECT count(*) FROM (SELECT e FROM wide WHERE id % 200 = 0) q,
	LATERAL (SELECT FROM wide ORDER BY e <-> q.e LIMIT 400) n});
my $old_part = q1("SELECT hnr_debug_buffered('wide_e')");
my $quarter = q1("SELECT setting::int / 4 FROM pg_settings WHERE name = 'shared_buffers'");
q1("SELECT rebuild_index('wide_e', measure => false, warm_start => false)");
is(wait_for_job($node), 'done', 'done');
cmp_ok(q1("SELECT hnr_debug_buffered('wide_e')"), '>=',
	0.9 * ($old_part < $quarter ? $old_part : $quarter), "the new index is in memory as the old one was ($old_part pages)");

# Vectors that stand in the toast table.
q1(q{
CREATE TABLE toasted (id int, e vector(600));
INSERT INTO toasted SELECT i, (SELECT array_agg((hashint4(i * 1000 + j) % 100)::real) FROM generate_series(1, 600) j)::vector
	FROM generate_series(1, 2500) i;
CREATE INDEX toasted_e ON toasted USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 8);
});
hot_blocks() for 1 .. 5;
q1("SELECT rebuild_index('toasted_e', measure => false, warm_start => false)");
is(wait_for_job($node), 'done', 'done');
cmp_ok(hot_blocks(), '>=', 0.9 * $blocks, "likewise where vectors are toasted, of $blocks blocks");

# ---- disk ----

q1("ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = 'rebuild_free_space:yes'");
my ($code, $out, $err) = $node->psql('postgres',
	"\\set VERBOSITY verbose\nSELECT rebuild_index('wide_e')");
like($err, qr/53100: not enough disk space to rebuild index public\.wide_e/, 'no disk: no rebuild');
like($err, qr/DETAIL:  The new index with its WAL may need \d+ MB, 0 MB are free/, 'how much is needed');
like($err, qr/HINT: .*hnsw_rebuild.check_free_space/, 'and what to do');
($code, $out, $err) = $node->psql('postgres', "SET maintenance_work_mem = '1MB'; SELECT rebuild_index('wide_e')");
like($err, qr/The new index with its WAL and temporary files may need/, 'what does not fit into memory, too');
($code, $out, $err) = $node->psql('postgres', "SELECT rebuild_index('wide_e', online => false)");
like($err, qr/not enough disk space/, 'nor one in place');
set(check_free_space => 'off');
q1("SELECT rebuild_index('wide_e', measure => false, warm_start => false)");
is(wait_for_job($node), 'done', 'not asked for');
q1('ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');

ok(no_shadows($node), 'nothing is left over');
$node->stop;
done_testing();
