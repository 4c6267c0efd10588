# The server is killed in the middle of insertions, deletions and VACUUM.  After
# recovery every committed row is in every index, and check_index finds nothing but
# what a crash may leave; the next VACUUM clears that as well.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

my $rounds = $ENV{HNR_TEST_ROUNDS} || 3;
srand($ENV{HNR_TEST_SEED} || time);
my $node = am_node('main', conf => "max_wal_size = 64MB\ncheckpoint_timeout = 30s\nlog_checkpoints = off\n");
am_table($node, 200);

# Without a finding but for what an operation that was cut short may leave.
sub check_after_crash
{
	my ($name) = @_;
	is(errors_of_check($node), '', "$name: no error found");
	my @other = grep { !/free_space|links lead to (deleted|removed)|does not exist, as a crash|entry point is|live vertex has no row/ }
	  split /\n/, warnings_of_check($node);
	is("@other", '', "$name: no warning but of what a crash may leave");
}

for my $round (1 .. $rounds)
{
	crash_amid($node, $round, write => 3, vacuum => 1);
	check_after_crash("round $round");
	cmp_ok(lowest_recall($node), '>=', 0.95, "round $round: rows are found");

	# unlogged tables begin anew, with an index that can be used
	if ($round == 1)
	{
		$node->safe_psql('postgres', <<'X');
CREATE UNLOGGED TABLE u (id int, e vector(8));
CREATE INDEX u_e ON u USING hnsw (e vector_l2_ops);
INSERT INTO u SELECT i, vec(i, 8) FROM generate_series(1, 300) i;
X
	}
	else
	{
		is($node->safe_psql('postgres', "SELECT count(*) FROM u; SELECT * FROM check_index('u_e', true)"), '0',
			"round $round: the unlogged table is empty");
		$node->safe_psql('postgres', 'INSERT INTO u SELECT i, vec(i, 8) FROM generate_series(1, 300) i');
		is($node->safe_psql('postgres', "SELECT * FROM check_index('u_e', true)"), '', "round $round: unlogged index");
	}
}

# A vacuum that is cut short between any two of its passes.
for my $point (qw(vacuum_collected vacuum_unlinked))
{
	$node->safe_psql('postgres', 'DELETE FROM items');
	$node->safe_psql('postgres', 'VACUUM items');
	$node->safe_psql('postgres', 'INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1, 150) i');
	for my $part ('id % 2 = 0', 'true')
	{
		$node->safe_psql('postgres', "DELETE FROM items WHERE $part");
		my $offset = -s $node->logfile;
		my ($status) = $node->psql('postgres',
			"SET hnsw_rebuild.debug_point_action = '$point:crash'; VACUUM (PARALLEL 0) items");
		isnt($status, 0, "$point, $part: crashed");
		# the postmaster may take a moment to notice, and answer until then
		$node->wait_for_log(qr/reinitializing/, $offset);
		wait_for_restart($node);
		check_after_crash("$point, $part");
		$node->safe_psql('postgres',
			'INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1001, 1030) i');
		check_after_crash("$point, $part, after insertions");
		cmp_ok(lowest_recall($node), '>=', 0.95, "$point, $part: rows are found");
		$node->safe_psql('postgres', 'DELETE FROM items WHERE id = 1001; VACUUM items; DELETE FROM items WHERE id > 1000');
		is(errors_of_check($node) . warnings_of_check($node), '', "$point, $part: nothing is left after VACUUM");
		cmp_ok(lowest_recall($node), '>=', 0.95, "$point, $part: rows are found after VACUUM");
	}
}

# A crash forgets the numbers of transactions that had written nothing, but not what
# vacuum, which takes down the last one, wrote meanwhile.
my @idle = map { $node->background_psql('postgres') } 1 .. 3;
$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 2 = 0');
$_->query_safe('BEGIN; SELECT txid_current()') for @idle;
$node->safe_psql('postgres', 'VACUUM items');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->stop('immediate');
eval { $_->quit } for @idle;
$node->start;
check_after_crash('numbers forgotten');
$node->safe_psql('postgres', 'INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(2001, 2060) i');
check_after_crash('numbers forgotten, after insertions');

# An insertion that is cut short before and after its vertex is written.
$node->safe_psql('postgres', 'VACUUM items; INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1, 60) i');
for my $point (qw(insert_neighbors_chosen insert_vertex_stored))
{
	for my $action (qw(error crash))
	{
		my $offset = -s $node->logfile;
		my ($status) = $node->psql('postgres',
			"SET hnsw_rebuild.debug_point_action = '$point:$action'; INSERT INTO items VALUES (5000, 0, vec(5000, 8), vec(5000, 2100))");
		isnt($status, 0, "$point, $action");
		$node->wait_for_log(qr/reinitializing/, $offset) if $action eq 'crash';
		wait_for_restart($node);
		check_after_crash("$point, $action");
		$node->safe_psql('postgres', 'INSERT INTO items VALUES (5000, 0, vec(5000, 8), vec(5000, 2100))');
		is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT id FROM items ORDER BY e <-> vec(5000, 8) LIMIT 1'),
			'5000', "$point, $action: the row is found when it is inserted again");
		$node->safe_psql('postgres', 'DELETE FROM items WHERE id = 5000; VACUUM items');
		is(errors_of_check($node) . warnings_of_check($node), '', "$point, $action: nothing is left after VACUUM");
	}
}

$node->stop;
done_testing();
