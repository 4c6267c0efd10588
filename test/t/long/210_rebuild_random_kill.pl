# Rebuilds under writers and readers, killed at random moments: by kill -9 of the
# worker, by cancel, by terminate, by an immediate stop.  HNR_TEST_ROUNDS rounds
# (40), the seed is printed and can be given as HNR_TEST_SEED.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RebuildTest;

my $rounds = $ENV{HNR_TEST_ROUNDS} || 40;
my $seed = $ENV{HNR_TEST_SEED} || time;
srand($seed);
note("seed $seed");

my $node = new_node('main', conf => "autovacuum = on\nautovacuum_naptime = 1s\n");
make_items($node, 1000);
my $oid = $node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid");
my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/write.sql", <<'X');
\set id random(1, 2000)
\set seed random(1, 1000000)
\set what random(1, 4)
\if :what = 1
INSERT INTO items VALUES (:id, 0, vec(:seed)) ON CONFLICT (id) DO UPDATE SET e = excluded.e;
\elif :what = 2
UPDATE items SET e = vec(:seed) WHERE id = :id;
\elif :what = 3
UPDATE items SET note = note + 1 WHERE id = :id;
\else
DELETE FROM items WHERE id = :id;
\endif
X

my %ends = (
	kill => sub { kill_worker($node, $_[0]) },
	terminate => sub { kill 'TERM', $_[0] },
	cancel => sub { kill 'INT', $_[0] },
	twice => sub { kill 'TERM', $_[0]; usleep(int(rand(20_000))); kill 'TERM', $_[0] },
	stop => sub { $node->stop('immediate'); $node->start });
my %seen;

foreach my $round (1 .. $rounds)
{
	my ($out, $err) = ('', '');
	my $clients = IPC::Run::start(
		[
			$node->installed_command('pgbench'), '-n', '-c', '2', '-T', '60', '-f',
			"$dir/write.sql", '-h', $node->host, '-p', $node->port, 'postgres'
		],
		'<', \undef, '>', \$out, '2>', \$err);
	my $end = (sort keys %ends)[ rand keys %ends ];
	my $m = 4 + $round % 20;

	usleep(100_000);
	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => $m, ef_construction => 50)");
	my $pid = worker_pid($node);
	usleep(int(rand(1_500_000)));
	$ends{$end}->($pid) if $pid;
	eval { $clients->signal('INT'); $clients->finish };

	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	wait_for_job($node);
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	my @problems;
	push @problems, 'a shadow is left' unless no_shadows($node);
	my $rows = rows_differ($node);
	push @problems, "rows: $rows" if $rows ne '';
	push @problems, 'the OID has changed'
	  if $node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid") ne $oid;
	my $job = job($node, "state || ' at ' || phase || coalesce(': ' || error_message, '')");
	$seen{$job}++;
	is(join("\n", @problems), '', "round $round: $end, $job");
}
note("$seen{$_} times $_") foreach sort keys %seen;

$node->stop;
done_testing();
