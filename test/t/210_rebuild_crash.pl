# A rebuild that ends badly at each of its steps: by an error, a cancel, a
# terminate, kill -9, an immediate stop of the server.  No row may be missing in
# the index, no shadow left over, and the record says what happened.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RebuildTest;

# Debug point => whether the swap is committed there.
my @points = (
	[ rebuild_measure_before => 0 ],
	[ rebuild_wait_table => 0 ],
	[ rebuild_create => 0 ],
	[ rebuild_wait_writers_build => 0 ],
	[ rebuild_build => 0 ],
	[ rebuild_wait_writers_validate => 0 ],
	[ rebuild_validate => 0 ],
	[ rebuild_warm => 0 ],
	[ rebuild_wait_snapshots => 0 ],
	[ rebuild_cutover => 0 ],
	[ rebuild_cutover_locked => 0 ],
	[ rebuild_drop_invalid => 1 ],
	[ rebuild_drop_dead => 1 ],
	[ rebuild_measure_after => 1 ]);

my $node = new_node('main');
make_items($node, 300);
my $oid = $node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid");
my $round = 0;

sub start_rebuild
{
	my $m = 4 + $round % 20;

	return $node->safe_psql('postgres',
		"SELECT rebuild_index('items_e', m => $m, ef_construction => 64)");
}

# Stops a rebuild at a point, changes rows meanwhile; the session that holds the
# point.
sub rebuild_up_to
{
	my ($point) = @_;
	my $pauser = pause_at($node, $point);

	$round++;
	start_rebuild();
	wait_for_pause($node);
	# At the swap itself nobody can write.
	churn($node, $round) unless $point eq 'rebuild_cutover_locked';
	return $pauser;
}

# What must hold after any end.
sub check_end
{
	my ($name, $swapped, $state, $sqlstate, $message) = @_;
	my @problems;

	push @problems, 'a shadow is left' unless no_shadows($node);
	churn($node, ++$round);
	my $rows = rows_differ($node);
	push @problems, "rows: $rows" if $rows ne '';
	push @problems, 'the OID has changed'
	  if $node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid") ne $oid;
	my $is = job($node, "state || '|' || coalesce(error_sqlstate, '') || '|' || coalesce(error_message, '')");
	if ($swapped)
	{
		push @problems, "job: $is" unless $is eq 'done||';
	}
	else
	{
		push @problems, "job: $is" unless $is =~ /^$state\|$sqlstate\|.*$message/;
	}
	is(join("\n", @problems), '', $name);
}

# ---- an error, a cancel, a terminate: the worker cleans up by itself ----

sub fault_at
{
	my ($point, $swapped) = @_;

	$node->safe_psql('postgres',
		"ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = '$point:error'");
	$round++;
	start_rebuild();
	wait_for_job($node) unless $swapped;
	# A fault that comes again and again leaves the shadow to the sweep.
	wait_for_job($node) if $swapped;
	$node->safe_psql('postgres',
		'ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	check_end("error at $point", $swapped, 'failed', 'P0001', 'fault at debug point');
}

sub cancel_at
{
	my ($point, $swapped) = @_;
	my $pauser = rebuild_up_to($point);

	# While the swap holds its locks nobody else can look at the index.
	if ($point eq 'rebuild_cutover_locked')
	{
		$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . worker_pid($node) . ')');
	}
	else
	{
		is($node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')"),
			't', "cancel_rebuild() at $point");
	}
	# After the swap there is nothing to cancel any more.
	release($pauser) if $swapped;
	wait_for_job($node);
	release($pauser) unless $swapped;
	check_end("cancel at $point", $swapped, 'cancelled', '57014', 'canceled on request');
}

sub terminate_at
{
	my ($point, $swapped) = @_;
	my $pauser = rebuild_up_to($point);

	$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . worker_pid($node) . ')');
	release($pauser) if $swapped;
	wait_for_job($node);
	release($pauser) unless $swapped;
	check_end("terminate at $point", $swapped, 'failed', '57P01', 'terminated by administrator');
}

# ---- kill -9 and immediate stop: the sweep cleans up ----

sub sweep
{
	my ($name, $swapped) = @_;

	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	check_end($name, $swapped, 'failed', '57P02', 'interrupted');
}

sub kill_at
{
	my ($point, $swapped) = @_;
	my $pauser = rebuild_up_to($point);
	my $pid = worker_pid($node);

	kill_worker($node, $pid);
	stop_pauser($pauser);
	sweep("kill -9 at $point", $swapped);
}

sub stop_at
{
	my ($point, $swapped) = @_;
	my $pauser = rebuild_up_to($point);

	$node->stop('immediate');
	stop_pauser($pauser);
	$node->start;
	sweep("immediate stop at $point", $swapped);
}

foreach my $p (@points)
{
	my ($point, $swapped) = @$p;

	fault_at($point, $swapped);
	cancel_at($point, $swapped);
	terminate_at($point, $swapped);
	kill_at($point, $swapped);
	stop_at($point, $swapped);
}

# The next rebuild finds nothing in its way.
start_rebuild();
is(wait_for_job($node), 'done', 'a rebuild after all that succeeds');
is(rows_differ($node), '', 'with every row');

# A rebuild whose transaction is rolled back never begins.
my $jobs = $node->safe_psql('postgres', 'SELECT count(*) FROM rebuild_history');
$node->safe_psql('postgres', "BEGIN; SELECT rebuild_index('items_e'); ROLLBACK");
ok( poll_sql($node,
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild worker'"),
	'the worker of a rolled back request goes away');
is($node->safe_psql('postgres', 'SELECT count(*) FROM rebuild_history'), $jobs, 'without a trace');

# A sweep that finds nothing: what looks like a shadow to the session that starts it
# was never committed.
$node->safe_psql('postgres', <<'X');
BEGIN;
CREATE INDEX items_e_hnr_shadow ON items (id);
COMMENT ON INDEX items_e_hnr_shadow IS 'stands in during a rebuild by hnsw_rebuild, which drops it';
SELECT cancel_rebuild('items_e');
ROLLBACK
X
ok( poll_sql($node,
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild worker'"),
	'a sweep for nothing comes to an end');
is( $node->safe_psql('postgres',
		'SELECT locktype, objsubid FROM pg_locks WHERE pid NOT IN (SELECT pid FROM pg_stat_activity)'),
	'', 'no lock is left by a process that is gone');

$node->stop;
done_testing();
