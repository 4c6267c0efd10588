# Pending rows on a streaming standby: it replays the list's very pages, searches there
# answer as the primary's while rows come, are merged and their pages are used again; a backup
# taken in the middle of that is whole; and a standby that takes over goes on with a merge
# that the primary had begun.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use AmTest;

my $seconds = $ENV{HNR_TEST_SECONDS} || 3;
my $primary = am_node('primary', init => { allows_streaming => 1 },
	conf => "wal_consistency_checking = 'generic'\nmax_wal_size = 2GB\nwal_keep_size = 2GB\nmax_worker_processes = 12\nhnsw_rebuild.merge_workers = 0\n");

sub standby_from
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$primary->backup("for $name") unless $name eq 'backup';
	$node->init_from_backup($primary, "for $name", has_streaming => 1);
	$node->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = off\n");
	$node->start;
	return $node;
}

my $standby = standby_from('standby');

sub catch_up { $primary->wait_for_catchup($_[0] || $standby, 'replay', $primary->lsn('insert')); }

# None from now on, but those that are there, which stay for some seconds: they are waited for.
sub workers
{
	$primary->append_conf('postgresql.conf', "hnsw_rebuild.merge_workers = $_[0]");
	$primary->reload;
	$primary->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'")
	  or fail 'workers end' if $_[0] == 0;
}

sub pending
{
	return $_[0]->safe_psql('postgres', "SELECT string_agg(name || ' ' || pending_rows, ', ' ORDER BY name)
		FROM index_status() WHERE pending_rows > 0 AND name NOT LIKE '%u_e'");
}

my @queries = map { my ($column, $operator, $dims, $limit) = @$_;
	map { "SELECT id FROM items ORDER BY $column $operator query('$column', $_, $dims) LIMIT $limit" } 1 .. 2 }
	([ 'e', '<->', 8, 20 ], [ 'e', '<=>', 8, 200 ], [ 'e', '<#>', 8, 20 ], [ 'e', '<+>', 8, 20 ], [ 'h', '<->', 40, 20 ],
	[ 'w', '<->', 2100, 20 ], [ 's', '<->', 2100, 20 ], [ 'b', '<~>', 150, 20 ]);

# A standby passes over no vertex as dead, so the same is wanted only where VACUUM has been last.
sub same_answers
{
	my ($node, $name) = @_;
	my @sql = map { my $q = $_; $q =~ s/query\('(\w)', (\d+), (\d+)\)/'"' . $primary->safe_psql('postgres', "SELECT query('$1', $2, $3)") . '"'/e; $q =~ tr/"/'/; $q } @queries;
	my $all = join '', map { "SELECT string_agg(id::text, ',') FROM ($_) s;\n" } @sql;
	my $set = 'SET enable_seqscan = off; SET enable_sort = off;';

	is($node->safe_psql('postgres', "$set $all"), $primary->safe_psql('postgres', "$set $all"), "$name: searches agree");
}

# Each of the first rows is in the table, once, at its distance, in order.
sub nothing_wrong
{
	my ($node, $name) = @_;

	is($node->safe_psql('postgres', <<'X'), '', "$name: no row is wrong");
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT w FROM (VALUES ('e', '<->', 8), ('e', '<=>', 8), ('e', '<#>', 8), ('e', '<+>', 8), ('h', '<->', 40), ('w', '<->', 2100),
	('s', '<->', 2100), ('b', '<~>', 150)) c (col, op, d), generate_series(1, 2) i, wrong_rows(col, op, d, i, 100) w WHERE w IS NOT NULL;
COMMIT;
X
	is(errors_of_check($node), '', "$name: check_index");
	cmp_ok(lowest_recall($node), '>=', 0.95, "$name: recall");
}

# ---- a list that nobody merges ----

am_table($primary, 100);
am_defer($primary, 10000);
$primary->safe_psql('postgres', <<'X');
CREATE UNLOGGED TABLE u (id int, e vector(8));
CREATE INDEX u_e ON u USING hnsw (e vector_l2_ops) WITH (deferred = on);
INSERT INTO u SELECT i, vec(i, 8) FROM generate_series(1, 100) i;
INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(101, 220) i;
X
catch_up();
like(pending($standby), qr/items_wide 120/, 'rows are pending on the standby');
is(pending($standby), pending($primary), 'the same as on the primary');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM index_status() WHERE merging'), '0', 'nobody merges there');
same_answers($standby, 'pending');
nothing_wrong($standby, 'pending');
$primary->safe_psql('postgres', 'DELETE FROM items WHERE id % 20 = 0');
my ($status, $out, $err) = $standby->psql('postgres', "SELECT flush_index('items_l2')");
like($err, qr/cannot execute flush_index\(\) during recovery/, 'flush_index() is refused');

# ---- a scan of the standby that has read the list, then all is merged, and the pages are used again ----

my $scan = $standby->background_psql('postgres');
$scan->query_safe('SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 5;');
$scan->query_safe('BEGIN;');
for my $c ([ 'e', '<->', 8 ], [ 'w', '<->', 2100 ], [ 's', '<->', 2100 ])
{
	my $query = $primary->safe_psql('postgres', "SELECT query('$c->[0]', 7, $c->[2])");
	$scan->query_safe("DECLARE c_$c->[0] CURSOR FOR SELECT id FROM items ORDER BY $c->[0] $c->[1] '$query';");
	$scan->query_safe("FETCH 3 FROM c_$c->[0];");
}
$primary->safe_psql('postgres', join '', map { "SELECT flush_index('$_');" } am_indexes());
catch_up();
is(pending($standby), '', 'a merge is replayed');
$primary->safe_psql('postgres', 'INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(301, 400) i');
catch_up();
for my $column (qw(e w s))
{
	my @ids = split /\n/, $scan->query_safe("FETCH ALL FROM c_$column;");
	my %seen;
	$seen{$_}++ for @ids;
	is(join(' ', grep { $seen{$_} > 1 } keys %seen), '', "$column: a scan beside a merge returns no row twice");
	is(join(' ', grep { $_ > 300 } @ids), '', "$column: nor one that it cannot see");
	cmp_ok(scalar(@ids), '>=', 195, "$column: and most of all there are");
}
$scan->query_safe('COMMIT;');
$scan->quit;
$primary->safe_psql('postgres', 'VACUUM items');
catch_up();
same_answers($standby, 'merged');
nothing_wrong($standby, 'merged');

# ---- beside writers, merges and VACUUM; a standby that crashes; a backup from the middle ----

am_defer($primary, 100);
workers(2);
my $work = start_work($primary, write => 2, find => 1, vacuum => 1, flush => 1, rate => 50);
my $reads = start_work($standby, read => 1, oracle => 1);
sleep($seconds);
is(stop_work($reads), '', 'searches and check_index on the standby meet no error');
$standby->stop('immediate');
my $third = standby_from('backup of the middle' =~ s/ /_/gr);
$standby->start;
usleep(500_000);
is(stop_work($work), '', 'no error on the primary');
workers(0);
# dead rows that the primary passes over are candidates like others to a standby
$primary->safe_psql('postgres', 'VACUUM items');
$primary->safe_psql('postgres', 'INSERT INTO items SELECT 50000 + i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1, 20) i');
for my $node ($standby, $third)
{
	catch_up($node);
	is(pending($node), pending($primary), $node->name . ': the same rows are pending');
	same_answers($node, $node->name);
	nothing_wrong($node, $node->name);
}
$third->stop;

# ---- replay that does not wait for queries: they are cancelled, and nothing else becomes of them ----

$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 0\n");
$standby->reload;
workers(2);
$work = start_work($primary, write => 2, vacuum => 1, flush => 1, rate => 50);
my %other;
for (1 .. 12)
{
	(undef, undef, $err) = $standby->psql('postgres', "SET enable_seqscan = off; BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT no_wrong_rows('e', '<->', 8, $_, 200), no_wrong_rows('w', '<->', 2100, $_, 20), no_wrong_rows('s', '<->', 2100, $_, 40); COMMIT;");
	$other{$_}++ for grep { /ERROR|FATAL/ && !/due to conflict with recovery/ } split /\n/, $err;
}
is(join(' ', keys %other), '', 'queries that replay does not wait for end for no other reason');
is(stop_work($work), '', 'no error on the primary');

# ---- a standby takes over in the middle of a merge, between the steps of a row ----

workers(0);
am_defer($primary, 10000);
$primary->safe_psql('postgres', join '', map { "SELECT flush_index('$_');" } am_indexes());
$primary->safe_psql('postgres', 'INSERT INTO items SELECT 60000 + i, 0, vec(-i, 8), vec(-i, 2100) FROM generate_series(1, 30) i');
for my $index (qw(items_l2 items_wide items_sparse items_bit))
{
	$primary->psql('postgres', "SET hnsw_rebuild.debug_point_action = 'insert_vertex_stored:error'; SELECT flush_index('$index')");
}
catch_up();
$primary->stop('immediate');
$standby->promote;
like(pending($standby), qr/items_cosine 30, .*items_l2 29, .*items_wide 29/, 'rows half merged and not merged after promotion');
cmp_ok(lowest_recall($standby), '>=', 0.95, 'they are found');
is($standby->safe_psql('postgres', "SELECT sum(pending_rows) FROM index_status('u_e')"), '0', 'an unlogged index has none any more');
$standby->safe_psql('postgres', 'INSERT INTO u SELECT i, vec(i, 8) FROM generate_series(1, 50) i');
is($standby->safe_psql('postgres', "SELECT flush_index('u_e')"), '50', 'and takes others');
is($standby->safe_psql('postgres', "SELECT * FROM check_index('u_e', true)"), '', 'it is in order');
$standby->append_conf('postgresql.conf', 'hnsw_rebuild.merge_workers = 2');
$standby->reload;
# VACUUM has a worker started, as the next row would
$standby->safe_psql('postgres', 'DELETE FROM items WHERE id % 3 = 0');
$standby->safe_psql('postgres', 'VACUUM items');
$standby->poll_query_until('postgres', 'SELECT sum(pending_rows) = 0 FROM index_status()') or fail 'merged';
nothing_wrong($standby, 'promoted');
is($standby->safe_psql('postgres', "SELECT count(*) FROM items WHERE id BETWEEN 60001 AND 60030"), '20', 'all rows are there');

# ---- and a crash of it ----

$standby->safe_psql('postgres', 'INSERT INTO u SELECT i, vec(i, 8) FROM generate_series(51, 99) i');
$standby->stop('immediate');
$standby->start;
is($standby->safe_psql('postgres', "SELECT count(*) FROM u"), '0', 'an unlogged table after a crash');
is($standby->safe_psql('postgres', "SELECT coalesce(sum(pending_rows), 0) FROM index_status('u_e')"), '0', 'nothing is pending in its index');
is($standby->safe_psql('postgres', "SELECT * FROM check_index('u_e', true)"), '', 'which is in order');
is(crashes($standby) . crashes($primary) . crashes($third), '', 'no crash');
$standby->stop;
done_testing();
