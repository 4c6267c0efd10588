# Everything at once: writers, readers, VACUUM, rebuilds, DDL on the indexes, and the
# server killed in the middle, again and again.  Oracles: every search agrees with the
# table in its snapshot; check_index with heapallindexed; recall.  HNR_TEST_ROUNDS
# rounds; the seed is printed and can be given as HNR_TEST_SEED.  HNR_TEST_CONF:
# settings, separated by semicolons.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use AmTest;

my $rounds = $ENV{HNR_TEST_ROUNDS} || 4;
my $seed = $ENV{HNR_TEST_SEED} || time;
srand($seed);
my $name = "seed $seed";
note($name);

my $node = am_node('main', conf => <<'X' . join("\n", split(/;/, $ENV{HNR_TEST_CONF} || '')) . "\n");
max_wal_size = 64MB
checkpoint_timeout = 30s
max_worker_processes = 12
autovacuum_naptime = 1s
log_min_error_statement = panic
X
am_table($node, 300);

sub one_of { return $_[ rand @_ ]; }

# DDL of one session; it takes turns with the rebuilds of another.
sub ddl
{
	my $index = one_of(am_indexes());
	return one_of(
		"REINDEX INDEX $index",
		"REINDEX INDEX CONCURRENTLY $index",
		"SET lock_timeout = 100; REINDEX INDEX CONCURRENTLY $index; RESET lock_timeout",
		"ALTER INDEX $index SET (ef_construction = " . int(32 + rand(40)) . ')',
		'CREATE INDEX CONCURRENTLY extra ON items USING hnsw (e vector_cosine_ops) WITH (m = 5, ef_construction = 20) WHERE note = 0',
		'CREATE INDEX extra ON items USING hnsw (e vector_l2_ops)',
		'DROP INDEX CONCURRENTLY IF EXISTS extra',
		'DROP INDEX IF EXISTS extra',
		'BEGIN; DROP INDEX items_ip; ROLLBACK',
		'BEGIN; TRUNCATE items; INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1, 40) i; ROLLBACK',
		rand() < 0.2 ? 'TRUNCATE items' : 'ANALYZE items',
		'VACUUM (FREEZE) items',
		'SELECT pg_sleep(0.1)');
}

sub rebuild
{
	my $index = one_of(am_indexes(), 'extra');
	my $m = 4 + int(rand(12));
	return one_of(
		("SELECT rebuild_index('$index', m => $m, ef_construction => " . (2 * $m + 10) . ')',
			"SELECT rebuild_index('$index', measure => false)",
			"CALL wait_for_rebuild('$index', '1 s')") x 2,
		"SELECT rebuild_index('$index', online => false)",
		"SELECT cancel_rebuild('$index')",
		"SELECT index_degradation('$index', 20)",
		'SELECT count(*) FROM index_status()',
		'SELECT pg_sleep(0.1)');
}

sub check_all
{
	my ($what) = @_;
	my $errors = errors_of_check($node);
	my $wrong = $node->safe_psql('postgres', join ';', 'BEGIN ISOLATION LEVEL REPEATABLE READ',
		map { my ($col, $op, $d) = @$_; "SELECT wrong_rows('$col', '$op', $d, -5, 1000)" }
		  ([ 'e', '<->', 8 ], [ 'e', '<=>', 8 ], [ 'e', '<+>', 8 ], [ 'h', '<->', 40 ], [ 'h', '<=>', 40 ], [ 'w', '<->', 2100 ]));

	is($errors, '', "$what: check_index, $name");
	$wrong =~ s/^\n+$//;
	is($wrong, '', "$what: searches, $name");
	cmp_ok(lowest_recall($node), '>=', 0.9, "$what: recall, $name")
	  or diag($node->safe_psql('postgres', join ' UNION ALL ', "SELECT count(*) || ' rows' FROM items",
			map { "SELECT s.name || ' m ' || s.m || ': ' || c.message FROM index_status('$_') s, check_index('$_') c" } am_indexes()));
}

for my $round (1 .. $rounds)
{
	my $crash = $round % 2;
	$node->safe_psql('postgres', 'ALTER SYSTEM SET autovacuum = ' . one_of('on', 'off'));
	# without them, wal_consistency_checking stumbles over blocks of files that are gone by then
	$node->safe_psql('postgres', 'ALTER SYSTEM SET full_page_writes = ' .
		  (($ENV{HNR_TEST_CONF} || '') =~ /wal_consistency/ ? 'on' : one_of('on', 'off')));
	$node->reload;
	my @work = (
		start_work($node, write => 3, vacuum => 1, oracle => 1),
		start_statements($node, 'ddl', map { ddl() } 1 .. 2000),
		start_statements($node, 'rebuild', map { rebuild() } 1 .. 2000));

	usleep(2_000_000 + int(rand(2_000_000)));
	$node->safe_psql('postgres', 'CHECKPOINT') if rand() < 0.5;
	usleep(int(rand(500_000)));
	if ($crash)
	{
		$node->stop('immediate');
		stop_work($_) for @work;
		$node->start;
	}
	else
	{
		is(join('', map { stop_work($_) } @work), '', "round $round: no error but what is to be expected, $name");
	}
	check_all("round $round");
	# something to delete, or the indexes are not looked at
	$node->safe_psql('postgres', 'INSERT INTO items VALUES (99999, 0, vec(9, 8), vec(9, 2100)); DELETE FROM items WHERE id % 50 = 0 OR id = 99999');
	$node->safe_psql('postgres', 'VACUUM items');
	my @left = grep { !/no_links|lost_part/ } split /\n/, warnings_of_check($node) . "\n" . unreachable_of_check($node);
	is("@left", '', "round $round: nothing is left after VACUUM, $name");
}
is(crashes($node), '', "no crash, $name");
$node->stop;
done_testing();
