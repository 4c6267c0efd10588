# Rebuilds under two writers and two readers: no client error, no row missing in
# the index, the OID kept, the new options in force, waits within the limit.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RebuildTest;

my $rounds = $ENV{HNR_TEST_ROUNDS} || 20;
my $node = new_node('main', conf => "autovacuum = on\nautovacuum_naptime = 1s\n");
make_items($node, 500);
my $oid = $node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid");
my $filenode = $node->safe_psql('postgres', "SELECT pg_relation_filenode('items_e')");

my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/write.sql", <<'X');
\set id random(1, 800)
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
append_to_file("$dir/read.sql", <<'X');
\set seed random(1, 1000000)
SELECT id FROM items ORDER BY e <-> vec(:seed) LIMIT 5;
X

# A client stops at its first error, and pgbench then says so at its end.
sub start_clients
{
	my ($script, @options) = @_;
	my ($out, $err) = ('', '');
	local %ENV = (%ENV, PGOPTIONS => '-c enable_seqscan=off -c enable_sort=off');
	my $handle = IPC::Run::start(
		[
			$node->installed_command('pgbench'), '-n', '-c', '2', '-T', '600', @options,
			'-f', "$dir/$script", '-h', $node->host, '-p', $node->port, 'postgres'
		],
		'<', \undef, '>', \$out, '2>', \$err);
	return { handle => $handle, out => \$out, err => \$err };
}

# Ends clients that are at work.  SIGINT ends pgbench without a report, so an
# error shows in its messages only.
sub stop_clients
{
	my ($clients, $name) = @_;

	$clients->{handle}->pump_nb;
	ok($clients->{handle}->pumpable, "$name are still at work");
	$clients->{handle}->signal('INT');
	eval { $clients->{handle}->finish };
	unlike(${ $clients->{err} }, qr/error|ERROR|aborted/, "no error for $name");
}

my $writers = start_clients('write.sql');
my $readers = start_clients('read.sql');
my @problems;

foreach my $round (1 .. $rounds)
{
	my $m = 4 + $round;
	$node->safe_psql('postgres',
		"SELECT rebuild_index('items_e', m => $m, ef_construction => 64, measure => false)");
	my ($code, $out, $err) = $node->psql('postgres', "CALL wait_for_rebuild('items_e')");
	push @problems, "round $round: $err" if $code != 0;
	my $options = $node->safe_psql('postgres',
		"SELECT array_to_string(reloptions, ',') FROM pg_class WHERE oid = $oid");
	push @problems, "round $round: options $options"
	  unless $options eq "m=$m,ef_construction=64";
}
stop_clients($writers, 'writers');
stop_clients($readers, 'readers');

is(join("\n", @problems), '', "$rounds rebuilds succeed with their options");
is(rows_differ($node), '', 'the index has every row once');
is($node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid"), $oid, 'the OID is the same');
isnt($node->safe_psql('postgres', "SELECT pg_relation_filenode('items_e')"),
	$filenode, 'the storage is not');
ok(no_shadows($node), 'nothing is left over');

is( $node->safe_psql('postgres', "SELECT count(*) FROM rebuild_history WHERE state = 'done'"),
	$rounds, 'every rebuild is in the history');
is( $node->safe_psql('postgres', <<'X'),
SELECT count(*) FROM rebuild_history
WHERE lock_hold_ms IS NULL OR longest_wait_ms IS NULL OR cutover_attempts = 0
	OR old_relfilenode IS NULL OR new_relfilenode = old_relfilenode
	OR NOT phase_ms ? 'building' OR finished_at < started_at
X
	'0', 'lock hold, waits, attempts, storage and phases are recorded');
# An attempt waits for its locks no longer than allowed; holding them comes on top.
is( $node->safe_psql('postgres', <<'X'),
LOAD 'hnsw_rebuild';
SELECT count(*) FROM rebuild_history
WHERE longest_wait_ms - lock_hold_ms
	> (SELECT setting::float8 FROM pg_settings WHERE name = 'hnsw_rebuild.cutover_max_wait') + 100
X
	'0', 'no attempt queued beyond hnsw_rebuild.cutover_max_wait');
note($node->safe_psql('postgres', <<'X'));
SELECT 'lock hold ms: median ' || round(percentile_cont(0.5) WITHIN GROUP (ORDER BY lock_hold_ms)::numeric, 2)
	|| ', longest ' || round(max(lock_hold_ms)::numeric, 2)
	|| '; longest wait of a client ms: median ' || round(percentile_cont(0.5) WITHIN GROUP (ORDER BY longest_wait_ms)::numeric, 2)
	|| ', 95 % ' || round(percentile_cont(0.95) WITHIN GROUP (ORDER BY longest_wait_ms)::numeric, 2)
	|| ', longest ' || round(max(longest_wait_ms)::numeric, 2)
FROM rebuild_history
X

$node->stop;
done_testing();
