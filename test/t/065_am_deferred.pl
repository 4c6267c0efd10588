# Deferred insertions: rows are found at once and exactly, returned once, and never lost,
# beside merges by workers, by insertions and by flush_index(), beside VACUUM, after a
# crash at any point of a merge, and after a rebuild.

use strict;
use warnings FATAL => 'all';

use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use AmTest;

my $seconds = $ENV{HNR_TEST_SECONDS} || 4;
my $rounds = $ENV{HNR_TEST_ROUNDS} || 2;
srand($ENV{HNR_TEST_SEED} || time);
my $node = am_node('main', conf => "max_wal_size = 64MB\nlog_checkpoints = off\nmax_worker_processes = 12\n");
am_table($node, 200);
am_defer($node, 100);

sub pending
{
	return $node->safe_psql('postgres', "SELECT coalesce(sum(pending_rows), 0) FROM index_status()");
}

sub workers
{
	$node->append_conf('postgresql.conf', "hnsw_rebuild.merge_workers = $_[0]");
	$node->reload;
}

# Whether a process has asked for the longest slice of a processor, so that who wakes up interrupts it.
sub gives_way
{
	my ($pid) = @_;
	my ($kernel, $release, $machine) = (POSIX::uname())[ 0, 2, 4 ];
	my ($major, $minor) = $release =~ /^(\d+)\.(\d+)/;
	my $attributes = "\0" x 48;

	SKIP: {
		skip 'no slices, or none that can be asked for here', 1
			unless $kernel eq 'Linux' && $machine eq 'x86_64' && $major * 100 + $minor >= 612;
		# sched_getattr
		skip 'the worker has gone, or may not be asked', 1 if syscall(315, int($pid || 0), $attributes, 48, 0) != 0;
		my ($policy, $slice) = (unpack 'LLQlLQ', $attributes)[ 1, 5 ];
		skip 'another policy', 1 if $policy != 0;
		is($slice, 100_000_000, 'a worker gives way to whoever wakes up');
	}
}

sub flush_all { $node->safe_psql('postgres', join '', map { "SELECT flush_index('$_');" } am_indexes()); }

# Without a finding but for what an operation that was cut short may leave.
sub check_after_crash
{
	my ($name) = @_;
	my @found = grep { !/free_space|links lead to (deleted|removed)|as a crash|entry point is|live vertex has no row|cannot be reached/ }
	  split /\n/, findings_of_check($node);
	is("@found", '', "$name: nothing found but what a crash may leave");
}

# ---- nothing merges but insertions and flushes, then workers as well ----

for my $workers (0, 2)
{
	workers($workers);
	my $work = start_work($node, write => 2, find => 2, oracle => 1, vacuum => 1, $workers ? (flush => 2) : ());
	sleep($seconds);
	is($node->safe_psql('postgres', "SELECT * FROM check_index('items_l2', true) WHERE severity = 'error'"), '',
		"$workers workers: check_index beside the work");
	sleep($seconds);
	is(stop_work($work), '', "$workers workers: no error");
	is(errors_of_check($node), '', "$workers workers: check_index");
	cmp_ok(lowest_recall($node), '>=', 0.95, "$workers workers: recall");
}
is(crashes($node), '', 'no crash');
$node->poll_query_until('postgres', 'SELECT sum(pending_rows) = 0 FROM index_status()') or fail 'merged';
pass('workers merge all rows');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM index_status() WHERE merging') or fail 'nobody merges';

# ---- rows of an index that others see from the commit on only ----

$node->safe_psql('postgres', 'BEGIN; CREATE TABLE late (e vector(3)); CREATE INDEX late_e ON late USING hnsw (e vector_l2_ops) WITH (deferred = on);
	INSERT INTO late SELECT ARRAY[i, 1, 1]::vector FROM generate_series(1, 300) i; COMMIT');
ok($node->poll_query_until('postgres', "SELECT pending_rows = 0 FROM index_status('late_e')"), 'rows that came with their index are merged');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
$node->safe_psql('postgres', 'BEGIN; TRUNCATE late; INSERT INTO late SELECT ARRAY[i, 1, 1]::vector FROM generate_series(1, 300) i;
	SELECT pg_sleep(3); COMMIT');
ok($node->poll_query_until('postgres', "SELECT pending_rows = 0 FROM index_status('late_e')"), 'rows that came with its storage are merged');
$node->safe_psql('postgres', 'DROP TABLE late');

# ---- how many workers there may be, a session may have been told otherwise than the database ----

$node->safe_psql('postgres', 'CREATE TABLE told (e vector(3)); CREATE INDEX told_e ON told USING hnsw (e vector_l2_ops) WITH (deferred = on);
	ALTER DATABASE postgres SET hnsw_rebuild.merge_workers = 0');
$node->safe_psql('postgres', 'SET hnsw_rebuild.merge_workers = 1; INSERT INTO told SELECT ARRAY[i, 1, 1]::vector FROM generate_series(1, 50) i');
ok($node->poll_query_until('postgres', "SELECT pending_rows = 0 FROM index_status('told_e')"), 'the worker that a session asks for has a seat');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.merge_workers');

# ---- and one that is at work leaves when there are to be none ----

{
	my $there = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'";
	my $work = start_work($node, write => 1);

	$node->poll_query_until('postgres', $there) or fail 'a worker is there';
	gives_way($node->safe_psql('postgres', "SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'"));
	workers(0);
	ok($node->poll_query_until('postgres', $there, 'f'), 'a worker leaves rows that come');
	is(stop_work($work), '', 'no error without the worker');
	workers(2);
}

# ---- a worker that ends while it waits for rows gives back its seat, and another comes ----

for my $end ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'",
	'CREATE DATABASE copy TEMPLATE postgres')
{
	$node->safe_psql('postgres', 'INSERT INTO items SELECT 40000 + i, 0, vec(i, 8), NULL FROM generate_series(1, 20) i; SELECT pg_sleep(0.3)');
	$node->safe_psql('postgres', 'DELETE FROM items WHERE id > 40000 AND id <= 40020');
	$node->poll_query_until('postgres', 'SELECT sum(pending_rows) = 0 FROM index_status()') or fail 'merged';
	for (1 .. 5) { last if $node->psql('template1', $end) == 0; }
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_am'::regclass"),
		'0', "the seats are free after $end");
}

# ---- and rows that come while one leaves are not forgotten ----

$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
workers(1);
# a session that has seen a worker does not look again for a while
my $row = 'INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM (SELECT least(min(id), 0) - 1 FROM items) s (i);';
$node->safe_psql('postgres', <<"X");
CREATE FUNCTION hnr_debug_point_key(text) RETURNS bigint AS '\$libdir/hnsw_rebuild' LANGUAGE C STRICT;
SELECT pg_advisory_lock(hnr_debug_point_key('merger_leaves'));
$row
DO \$\$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)
	LOOP PERFORM pg_sleep(0.01); END LOOP; END \$\$;
$row
SELECT pg_advisory_unlock_all();
DO \$\$ BEGIN WHILE EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_am'::regclass)
	LOOP PERFORM pg_sleep(0.001); END LOOP; END \$\$;
SELECT pg_sleep(0.03);
$row
X
ok($node->poll_query_until('postgres', 'SELECT sum(pending_rows) = 0 FROM index_status()'), 'rows that come while a worker leaves are merged');
$node->safe_psql('postgres', 'DELETE FROM items WHERE id < 0');
is(crashes($node), '', 'no crash');

# ---- crashes ----

workers(0);
for my $round (1 .. $rounds)
{
	crash_amid($node, $round, write => 3, find => 1, vacuum => 1, flush => 1);
	check_after_crash("round $round");
	cmp_ok(lowest_recall($node), '>=', 0.95, "round $round: rows are found");
	flush_all();
	is(pending(), '0', "round $round: flushed");
	check_after_crash("round $round, flushed");
	cmp_ok(lowest_recall($node), '>=', 0.95, "round $round: rows are found when they are flushed");
	$node->safe_psql('postgres', 'DELETE FROM items; VACUUM items');
	is(pending(), '0', "round $round: nothing is pending after VACUUM");
}

# A merge that is cut short between any two of its steps; the rows are found before and after.
my $ids = 0;
for my $point (qw(merge_row insert_neighbors_chosen insert_vertex_stored insert_duplicate_found merge_linked merge_done))
{
	for my $action (qw(error crash))
	{
		my $first = $ids;
		$ids += 60;
		# every tenth vector is there twice
		$node->safe_psql('postgres', "INSERT INTO items SELECT i, 0, vec(i - i % 10 / 9, 8), vec(i - i % 10 / 9, 2100) FROM generate_series($first + 1, $ids) i");
		my $offset = -s $node->logfile;
		for my $index (qw(items_l2 items_wide items_sparse))
		{
			my ($status) = $node->psql('postgres',
				"SET hnsw_rebuild.debug_point_action = '$point:$action'; SELECT flush_index('$index')");
			isnt($status, 0, "$point, $action, $index") unless $point eq 'insert_duplicate_found';
			if ($action eq 'crash' && $status != 0)
			{
				$node->wait_for_log(qr/reinitializing/, $offset);
				$offset = -s $node->logfile;
				wait_for_restart($node);
			}
		}
		cmp_ok(lowest_recall($node), '>=', 0.95, "$point, $action: rows are found");
		check_after_crash("$point, $action") if $action eq 'crash';
		flush_all();
		check_after_crash("$point, $action, flushed");
		cmp_ok(lowest_recall($node), '>=', 0.95, "$point, $action: rows are found when they are flushed");
	}
}
is(pending(), '0', 'nothing is pending');
$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 3 = 0; VACUUM items');
is(findings_of_check($node), '', 'nothing is left after VACUUM, nor is a vertex out of reach');

# ---- a rebuild takes over what is pending (beside writes: isolation test merge_vs_rebuild) ----

$ids += 500;
$node->safe_psql('postgres', "INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series($ids - 499, $ids) i");
for my $index (qw(items_l2 items_sparse))
{
	$node->safe_psql('postgres', "SELECT rebuild_index('$index', measure => false)");
	$node->safe_psql('postgres', "CALL wait_for_rebuild('$index', '3 min')");
	$node->safe_psql('postgres', "REINDEX INDEX CONCURRENTLY $index");
}
is(errors_of_check($node), '', 'rebuild: check_index');
cmp_ok(lowest_recall($node), '>=', 0.95, 'rebuild: recall');
is(crashes($node) =~ s/.*signal 9.*\n?//gr, '', 'no other crash');
$node->stop;
done_testing();
