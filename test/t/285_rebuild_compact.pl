# The end of an index is cut off: a job that ends badly at each of its points, the server too; at
# random moments while others write; on a standby, under a cursor there.  No row may be missing
# or found twice, every link leads where it says, and nobody meets an error.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RebuildTest;

my $node = new_node('main', init => { allows_streaming => 1 });
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = off\n");
$standby->start;
make_items($node, 600, 'WITH (m = 4)');

my $size = "SELECT pg_relation_size('items_e')";
my $lost = <<'X';
SET enable_seqscan = off;
SET hnsw.ef_search = 200;
SELECT count(*) FROM items o WHERE o.e <-> (SELECT e FROM items ORDER BY e <-> o.e LIMIT 1) > 0
X
my $rounds = 0;
my $pgbench = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writers'";

sub catch_up { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); }

# Rows come at the end, and go again.
sub swell
{
	my $base = 1_000_000 + 10_000 * $rounds++;

	$node->safe_psql('postgres',
		"INSERT INTO items SELECT i, 0, vec(i) FROM generate_series($base, $base + 500) i");
	$node->safe_psql('postgres', "DELETE FROM items WHERE id BETWEEN $base AND $base + 500");
	$node->safe_psql('postgres', 'VACUUM items');
}

sub start { return $node->safe_psql('postgres', "SELECT optimize_index('items_e', 0, measure => false)"); }

# What is wrong about the index, '' if nothing.
sub problems
{
	my ($where) = @_;
	my @problems;
	my $rows = $where == $node ? rows_differ($node) : '';
	my $found = $where->safe_psql('postgres',
		"SELECT finding, message FROM check_index('items_e', true) LIMIT 3");
	my $unfound = $where->safe_psql('postgres', $lost);

	push @problems, "rows: $rows" if $rows ne '';
	push @problems, "check: $found" if $found ne '';
	push @problems, "$unfound rows are not found" if $unfound ne '0';
	return join "\n", @problems;
}

sub check_all
{
	my ($what) = @_;

	is(problems($node), '', "$what: the index");
	catch_up();
	is($standby->safe_psql('postgres', $size), $node->safe_psql('postgres', $size), "$what: size on the standby");
	is(problems($standby), '', "$what: the index on the standby");
}

sub back
{
	poll_sql($node, 'SELECT true', 'restart');
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
}

sub set_fault
{
	my ($fault) = @_;

	$node->safe_psql('postgres', $fault ? "ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = '$fault'" :
		'ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');
}

foreach my $point (qw(compact_looked compact_referenced compact_locked compact_cut))
{
	swell();
	set_fault("$point:error");
	start();
	is(wait_for_job($node), 'failed', "error at $point");
	set_fault();
	is(problems($node), '', "error at $point: the index");

	swell();
	set_fault("$point:crash");
	my $offset = -s $node->logfile;
	# the server may go before psql does
	eval { start() };
	$node->wait_for_log(qr/ready to accept connections/, $offset);
	back();
	set_fault();
	# who closes the record may not be through; and its beginning need not have been on disk
	like(wait_for_job($node), qr/^(failed|cancelled)$/, "crash at $point");
	check_all("crash at $point");
}

# ---- what is left is cut off the next time ----

swell();
set_fault('optimize_surveyed:error');
start();
is(wait_for_job($node), 'failed', 'one that does not come to the end of the file');
cmp_ok(job($node, "work->>'pages_not_cut'"), '>', 0, 'tells what it has not cut');
set_fault();
my $before = $node->safe_psql('postgres', $size);
start();
is(wait_for_job($node), 'done', 'one that succeeds');
cmp_ok($node->safe_psql('postgres', $size), '<', $before * 0.8, 'the file is smaller');
is(job($node, "(work->>'pages')::bigint * 8192"), $before, 'it tells how large it was');
is(job($node, "((work->>'pages')::bigint - (work->>'pages_cut')::bigint) * 8192"),
	$node->safe_psql('postgres', $size), 'and how much was cut off');
check_all('after the cut');

# ---- a cursor on the standby, which replay has to wait for ----

swell();
catch_up();
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM items');
my $reader = $standby->background_psql('postgres');
$reader->query_safe(<<'X');
SET enable_seqscan = off; SET enable_sort = off; SET hnsw.iterative_scan = relaxed_order;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM items ORDER BY e <-> vec(7);
X
my @ids = split /\n/, $reader->query_safe('FETCH 20 FROM c');
start();
is(wait_for_job($node), 'done', 'a cut while a cursor is open on the standby');
cmp_ok(job($node, "work->>'pages_cut'"), '>', 0, 'it has cut');
push @ids, split /\n/, $reader->query_safe('FETCH ALL FROM c');
is(scalar(@ids), $rows, 'the cursor returns all rows');
my %seen = map { $_ => 1 } @ids;
is(scalar(keys %seen), $rows, 'each of them once');
$reader->query_safe('COMMIT');
$reader->quit;
check_all('after the cursor');

# ---- somebody has the index open and waits for the table's lock, which the job has ----

swell();
my $pauser = pause_at($node, 'compact_referenced');
start();
wait_for_pause($node);
my $user = $node->background_psql('postgres');
$user->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT id FROM items ORDER BY e <-> vec(7)');
$user->query_until(qr/begun/, "\\echo begun\nANALYZE items;\nCOMMIT;\n");
poll_sql($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass");
release($pauser);
is(wait_for_job($node), 'done', 'a job that gives way');
is(job($node, "work->>'pages_cut'"), '0', 'cuts nothing');
is(job($node, 'longest_wait_ms'), '', 'nor has it made anybody wait for the index');
$user->quit;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/deadlock detected/, 'nobody has met a deadlock');
my $given_way = $node->safe_psql('postgres', $size);
$node->safe_psql('postgres', 'INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(900000, 900400) i');
is($node->safe_psql('postgres', $size), $given_way, 'rows come to what was not cut');
check_all('after it gave way');

# ---- sessions that have used the pages before, while others write ----

sub start_writers
{
	my $script = $node->basedir . '/write.sql';

	PostgreSQL::Test::Utils::append_to_file($script, <<'X') unless -e $script;
\set id random(1, 1000000)
\set other random(1, 1000000)
INSERT INTO items VALUES (3000000 + :id, 0, vec(:other)) ON CONFLICT DO NOTHING;
DELETE FROM items WHERE id = (SELECT id FROM items WHERE id >= :other * 3 ORDER BY id LIMIT 1);
X
	# many searches to a row, or rows have come to all pages before these are looked at
	PostgreSQL::Test::Utils::append_to_file($script, <<'X' x 40) if -s $script < 1000;
SELECT count(*) FROM (SELECT e FROM items ORDER BY e <-> vec(:id) LIMIT 5) s;
\sleep 10 ms
X
	return IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-T', '600', '-f', $script, $node->connstr('postgres') . ' application_name=writers' ], '>', \my $out, '2>', \my $err);
}

my $writers = start_writers();
sub stop_writers
{
	my ($down) = @_;

	eval { $writers->signal('KILL') };
	eval { $writers->finish };
	poll_sql($node, "SELECT ($pgbench) = 0") unless $down;
}

poll_sql($node, "SELECT ($pgbench) = 3");
my $cut = 0;
for my $i (1 .. 4)
{
	swell();
	start();
	is(wait_for_job($node), 'done', "beside writers, round $i");
	$cut++ if job($node, "work->>'pages_cut'") > 0;
}
note("$cut of 4 have cut something: " . job($node, 'work'));
is($node->safe_psql('postgres', $pgbench), '3', 'no writer has met an error');
stop_writers();
check_all('beside writers');

for my $i (1 .. 4)
{
	swell();
	$writers = start_writers();
	start();
	usleep(int(rand(500_000)));
	$node->stop('immediate');
	stop_writers(1);
	$node->start;
	back();
	# what a crash has left of insertions that did not come to their end
	$node->safe_psql('postgres', 'VACUUM items');
	check_all("crash beside writers, round $i");
}

unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/is corrupted at block/, 'nobody has met a page that is not there');
$standby->stop;
$node->stop;
done_testing();
