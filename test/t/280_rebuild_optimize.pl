# An optimisation that ends badly at each of its points: by an error, a cancel, a terminate,
# kill -9, an immediate stop of the server; at random moments, too, while others write.  No
# row may be missing in the index, what a link leads to is what it says, every row is
# found, and the next optimisation goes on with what is left.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RebuildTest;

my @points = qw(optimize_surveyed optimize_bridged optimize_chosen optimize_attach rebuild_measure_after);

my $node = new_node('main');
make_items($node, 2500, 'WITH (m = 4)');
my $storage = "SELECT oid, relfilenode FROM pg_class WHERE relname = 'items_e'";
my $was = $node->safe_psql('postgres', $storage);
my $round = 0;

# Rows come and go, and VACUUM takes links, so that there is something to do.
sub wear
{
	$round++;
	$node->safe_psql('postgres', "DELETE FROM items WHERE hashint4(id * 100 + $round) % 7 = 0");
	$node->safe_psql('postgres', 'VACUUM items');
	my $base = 1_000_000 + 1000 * $round;
	$node->safe_psql('postgres',
		"INSERT INTO items SELECT i, 0, vec(i) FROM generate_series($base, $base + 350) i");
}

sub start
{
	return $node->safe_psql('postgres', "SELECT optimize_index('items_e', 1)");
}

# What is wrong about the index, '' if nothing.
sub problems
{
	my @problems;
	my $rows = rows_differ($node);
	my $found = $node->safe_psql('postgres',
		"SELECT finding, message FROM check_index('items_e', true) LIMIT 3");
	my $lost = $node->safe_psql('postgres', <<'X');
SET enable_seqscan = off;
SET hnsw.ef_search = 200;
SELECT count(*) FROM items o WHERE o.e <-> (SELECT e FROM items ORDER BY e <-> o.e LIMIT 1) > 0
X
	push @problems, "rows: $rows" if $rows ne '';
	push @problems, "check: $found" if $found ne '';
	push @problems, "$lost rows are not found" if $lost ne '0';
	push @problems, 'other storage' if $node->safe_psql('postgres', $storage) ne $was;
	return join "\n", @problems;
}

sub check_end
{
	my ($name, $expected) = @_;
	my $is = job($node, "state || '|' || coalesce(error_sqlstate, '') || '|' || coalesce(error_message, '')");

	like($is, $expected, "$name: outcome");
	is(problems(), '', "$name: the index");
}

sub optimize_up_to
{
	my ($point) = @_;
	my $pauser = pause_at($node, $point);

	wear();
	start();
	wait_for_pause($node);
	churn($node, $round);
	return $pauser;
}

foreach my $point (@points)
{
	my $over = $point eq 'rebuild_measure_after';
	my $pauser;

	wear();
	$node->safe_psql('postgres',
		"ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = '$point:error'");
	start();
	wait_for_job($node);
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');
	check_end("error at $point", $over ? qr/^done\|\|$/ : qr/^failed\|P0001\|.*fault at debug point/);

	$pauser = optimize_up_to($point);
	is($node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')"), 't', "cancel_rebuild() at $point");
	release($pauser) if $over;
	wait_for_job($node);
	release($pauser) unless $over;
	check_end("cancel at $point", $over ? qr/^done\|\|$/ : qr/^cancelled\|57014\|canceled on request/);
	# whatever ended it, the record tells what has been done
	is($node->safe_psql('postgres', "SELECT (work->'changed')::int > 0 AND tuples_done > 0 AND tuples_total >= tuples_done
		AND (work->'pages')::int > 0 FROM rebuild_history ORDER BY id DESC LIMIT 1"), 't', "work of a cancelled one") if $point eq 'optimize_attach';

	$pauser = optimize_up_to($point);
	$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . worker_pid($node) . ')');
	release($pauser) if $over;
	wait_for_job($node);
	release($pauser) unless $over;
	check_end("terminate at $point", $over ? qr/^done\|\|$/ : qr/^failed\|57P01\|/);

	$pauser = optimize_up_to($point);
	kill_worker($node, worker_pid($node));
	stop_pauser($pauser);
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	check_end("kill -9 at $point", qr/^failed\|57P02\|interrupted/);

	$pauser = optimize_up_to($point);
	$node->stop('immediate');
	stop_pauser($pauser);
	$node->start;
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	check_end("immediate stop at $point", qr/^failed\|57P02\|interrupted/);
}

# ---- at random moments, while four sessions write ----

sub start_writers
{
	my $script = $node->basedir . '/write.sql';

	PostgreSQL::Test::Utils::append_to_file($script, <<'X') unless -e $script;
\set id random(1, 1000000)
\set other random(1, 1000000)
INSERT INTO items VALUES (3000000 + :id, 0, vec(:other)) ON CONFLICT DO NOTHING;
DELETE FROM items WHERE id = (SELECT id FROM items WHERE id >= :other * 3 ORDER BY id LIMIT 1);
UPDATE items SET e = vec(:id) WHERE id = (SELECT id FROM items WHERE id >= :id * 3 ORDER BY id LIMIT 1);
SELECT count(*) FROM (SELECT e FROM items ORDER BY e <-> vec(:id) LIMIT 5) s;
X
	return IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '600', '-h', $node->host, '-p', $node->port,
			'-f', $script, 'postgres' ], '>', \my $out, '2>', \my $err);
}

for my $i (1 .. 6)
{
	wear() for 1 .. 2;
	my $writers = start_writers();

	start();
	usleep(int(rand(400_000)));
	if ($i % 2)
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		wait_for_job($node);
	}
	eval { $writers->signal('KILL') };
	eval { $writers->finish };
	poll_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'");
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	# what a crash has left of insertions that did not come to their end
	$node->safe_psql('postgres', 'VACUUM items');
	is(problems(), '', "round $i of random writes");
}

# ---- the rest is found, and done ----

start();
is(wait_for_job($node), 'done', 'an optimisation that succeeds');
is(job($node, "work->>'still_due'"), '0', 'it has left nothing');
start();
wait_for_job($node);
is(job($node, "work->>'due'"), '0', 'the next one finds nothing');
is(problems(), '', 'at last: the index');

# ---- WAL: first changes of pages after a checkpoint, and so the pages ----

my $rate = 500;
wear() for 1 .. 2;
$node->safe_psql('postgres', 'CHECKPOINT');
$node->append_conf('postgresql.conf', "hnsw_rebuild.wal_rate = '${rate}kB'\n");
$node->reload;
my $lsn = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
start();
is(wait_for_job($node), 'done', 'with a limit to WAL');
my $written = $node->safe_psql('postgres', "SELECT (pg_current_wal_insert_lsn() - '$lsn') / 1024");
cmp_ok($written, '>', $rate / 2, 'it writes more than in no time');
cmp_ok(job($node, "(phase_ms->>'optimizing')::float8 / 1000"), '>', 0.6 * $written / $rate,
	'not more WAL in a second than is allowed');

# ---- where searches begin with a vertex that a vacuum has deleted, and not yet replaced ----

# so few rows of so large an m are hardly ever above the ground: the first is the entry point
$node->safe_psql('postgres', <<'X');
CREATE TABLE few (id int, e vector(8));
CREATE INDEX few_e ON few USING hnsw (e vector_l2_ops) WITH (m = 100, ef_construction = 200);
INSERT INTO few SELECT i, vec(i) FROM generate_series(1, 40) i;
DELETE FROM few WHERE id = 1;
X
$node->psql('postgres', "SET hnsw_rebuild.debug_point_action = 'vacuum_collected:error'; VACUUM few");
like($node->safe_psql('postgres', "SELECT finding FROM check_index('few_e', true)"), qr/link_to_deleted/,
	'a vacuum that did not finish');
$node->safe_psql('postgres', "SELECT optimize_index('few_e', 1)");
is(wait_for_job($node), 'done', 'an optimisation after that');
is(job($node, "work->>'attached'"), '0', 'nothing is out of reach because of it');

# ---- DROP INDEX wins, and so does one that is rolled back ----

for my $case ([ 'ROLLBACK', '55P03|gave way to another session that wants AccessExclusiveLock on the table' ],
	[ 'COMMIT', '42704|index public.items_e was dropped during its optimization' ])
{
	my ($end, $expected) = @$case;
	my $pauser = optimize_up_to('optimize_chosen');

	$node->safe_psql('postgres', "BEGIN; DROP INDEX items_e; $end");
	wait_for_job($node);
	release($pauser);
	is(job($node, "error_sqlstate || '|' || error_message"), $expected, "DROP INDEX, $end");
}

$node->stop;
done_testing();
