# VACUUM beside others: marks of dead rows on a standby, whose snapshots may be older;
# what crashes leave behind.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

my $primary = am_node('primary', init => { allows_streaming => 1 },
	conf => "wal_consistency_checking = 'generic'\nautovacuum = off\n");
$primary->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'b', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\n");
$standby->start;

# How many heap TIDs the index gives out for ten rows.
$primary->safe_psql('postgres', <<'X');
CREATE FUNCTION tids_for_ten() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_tuples_returned('k_e'::regclass);
BEGIN
	PERFORM id FROM k ORDER BY e <-> '[0,0]' LIMIT 10;
	RETURN pg_stat_get_xact_tuples_returned('k_e'::regclass) - before;
END $$;
CREATE TABLE k (id int, e vector(2)) WITH (autovacuum_enabled = off);
-- not so many that a reader prunes their page, which would wait for the standby
INSERT INTO k SELECT i, ARRAY[i, i % 5]::vector FROM generate_series(1, 120) i;
INSERT INTO k SELECT i, ARRAY[i, i % 5]::vector FROM generate_series(10, 20) i;
CREATE INDEX k_e ON k USING hnsw (e vector_l2_ops);
X
my $settings = 'SET enable_seqscan = off; SET enable_sort = off;';
my $nearest = "$settings SELECT string_agg(id::text, ' ') FROM (SELECT id FROM k ORDER BY e <-> '[0,0]' LIMIT 10) s";
sub catch_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); }

# a snapshot on the standby from before the deletion
catch_up();
my $old = $standby->background_psql('postgres', on_error_stop => 1);
my $before = $old->query_safe("$settings BEGIN ISOLATION LEVEL REPEATABLE READ; $nearest");
$primary->safe_psql('postgres', 'DELETE FROM k WHERE id <= 100');
my $tids;
for (1 .. 100)
{
	$primary->safe_psql('postgres', 'SELECT pg_current_xact_id()');
	$tids = $primary->safe_psql('postgres', "$settings SELECT tids_for_ten()");
	last if $tids == 10;
}
is($tids, 10, 'the primary passes over dead rows');
catch_up();
is($old->query_safe($nearest), $before, 'an older snapshot on the standby sees them');
$old->query_safe('COMMIT');
$old->quit;
is($standby->safe_psql('postgres', $nearest), $primary->safe_psql('postgres', $nearest), 'a new one sees what the primary sees');
cmp_ok($standby->safe_psql('postgres', "$settings SELECT tids_for_ten()"), '>', 100, 'by looking at all');

# a row that joins a marked vertex is found there, too
$primary->safe_psql('postgres', "INSERT INTO k VALUES (1001, '[7,2]'), (1002, '[20,0]')");
catch_up();
like($_->safe_psql('postgres', $nearest), qr/^1001 1002 101 /, $_->name . ': rows that join marked vertices') for $primary, $standby;
$primary->safe_psql('postgres', 'DELETE FROM k WHERE id = 1001');
$primary->safe_psql('postgres', "$settings SELECT tids_for_ten(); SELECT pg_current_xact_id()") for 1 .. 3;

# marks come back with the pages after a crash, and VACUUM removes what is marked
$primary->stop('immediate');
$primary->start;
is($primary->safe_psql('postgres', "SELECT * FROM check_index('k_e', true)"), '', 'check_index after a crash');
like($primary->safe_psql('postgres', $nearest), qr/^1002 101 102 /, 'rows after a crash');
$primary->safe_psql('postgres', 'VACUUM k');
catch_up();
for ($primary, $standby)
{
	is($_->safe_psql('postgres', "SELECT * FROM check_index('k_e', true)"), '', $_->name . ': check_index after VACUUM');
	like($_->safe_psql('postgres', $nearest), qr/^1002 101 102 /, $_->name . ': rows after VACUUM');
}
$standby->promote;
$standby->safe_psql('postgres', 'DELETE FROM k WHERE id <= 105');
for (1 .. 100)
{
	$standby->safe_psql('postgres', 'SELECT pg_current_xact_id()');
	$tids = $standby->safe_psql('postgres', "$settings SELECT tids_for_ten()");
	last if $tids <= 11;
}
cmp_ok($tids, '<=', 11, 'the new primary passes over dead rows as well');
$standby->stop;

# Parts of a vertex that was never written, as a crash amid its insertion leaves them:
# here the page that it begins on is wiped, after VACUUM has taken it out of the graph.
$primary->safe_psql('postgres', <<'X');
CREATE TABLE wide (id int, e vector(5000)) WITH (autovacuum_enabled = off);
CREATE INDEX wide_e ON wide USING hnsw (e vector_l2_ops);
INSERT INTO wide SELECT i, vec(i, 5000) FROM generate_series(1, 6) i;
DELETE FROM wide WHERE id = 6;
X
$primary->safe_psql('postgres', 'VACUUM wide');
my $sizes = "SELECT pg_relation_size('wide_e') / 8192";
my $pages = $primary->safe_psql('postgres', $sizes);
my $path = $primary->safe_psql('postgres', "SELECT pg_relation_filepath('wide_e')");
my $removed;
$primary->stop;
open my $fh, '+<:raw', $primary->data_dir . "/$path" or die "$path: $!";
for my $block (1 .. $pages - 1)
{
	seek $fh, $block * 8192, 0;
	read $fh, my $page, 8192;
	# a ground page (kind 2) whose vertex is REMOVED (3)
	my ($id, $kind, undef, $state) = unpack('SSLC', substr($page, 24, 9));
	next unless $kind == 2 && $state == 3;
	$removed = $block;
	seek $fh, $block * 8192, 0;
	print $fh "\0" x 8192;
}
close $fh;
ok($removed, 'a removed vertex');
$primary->append_conf('postgresql.conf', "wal_level = logical\n");
$primary->start;
like($primary->safe_psql('postgres', "SELECT string_agg(DISTINCT finding, ' ') FROM check_index('wide_e', true)"),
	qr/lost_part/, 'its parts are lost');
$primary->safe_psql('postgres', 'DELETE FROM wide WHERE id = 5; VACUUM wide');
is($primary->safe_psql('postgres', "SELECT finding FROM check_index('wide_e', true) WHERE finding = 'lost_part'"), '', 'VACUUM finds them');
$primary->safe_psql('postgres', <<'X');
INSERT INTO wide SELECT 100 + i, vec(1, 5000) FROM generate_series(1, 60) i;
X
is($primary->safe_psql('postgres', $sizes), $pages, 'and their pages are used again');
is($primary->safe_psql('postgres', "SELECT * FROM check_index('wide_e', true)"), '', 'check_index');

# A piece of a vector that no vertex leads to, as a crash amid an insertion leaves it: here one in
# use is copied to a free place.  What a removed vertex has left is no finding.
$primary->safe_psql('postgres', <<'X');
CREATE TABLE tails (id int, e sparsevec(100000)) WITH (autovacuum_enabled = off);
INSERT INTO tails SELECT i, (SELECT '{' || string_agg(j || ':' || sin(i * j), ',') || '}/100000'
	FROM generate_series(1, CASE WHEN i > 20 THEN 10 ELSE 8000 END) j)::sparsevec FROM generate_series(1, 200) i;
CREATE INDEX tails_e ON tails USING hnsw (e sparsevec_l2_ops);
DELETE FROM tails WHERE id = 20;
X
$primary->safe_psql('postgres', 'VACUUM tails');
my $tails = "SELECT finding FROM check_index('tails_e', true)";
is($primary->safe_psql('postgres', $tails), '', 'the tail of a removed vertex');
# Each tail is followed once, not for each of its pieces.
my $reads = "SELECT idx_blks_hit + idx_blks_read FROM pg_statio_user_indexes WHERE indexrelname = 'tails_e'";
my $reads_before = $primary->safe_psql('postgres', $reads);
$primary->safe_psql('postgres', 'DELETE FROM tails WHERE id = 19; SELECT pg_stat_force_next_flush()');
$primary->safe_psql('postgres', 'VACUUM tails');
$primary->poll_query_until('postgres', "SELECT ($reads) > $reads_before");
cmp_ok($primary->safe_psql('postgres', "SELECT (($reads) - $reads_before) / (pg_relation_size('tails_e') / 8192)"), '<=', 12,
	'what a VACUUM reads grows with the pages');
is($primary->safe_psql('postgres', $tails), '', 'tails freed');
$path = $primary->safe_psql('postgres', "SELECT pg_relation_filepath('tails_e')");
$primary->stop;
open $fh, '+<:raw', $primary->data_dir . "/$path" or die "$path: $!";
my ($used, $free);
for my $block (1 .. (-s $fh) / 8192 - 1)
{
	seek $fh, $block * 8192, 0;
	read $fh, my $page, 8192;
	next unless (unpack('SS', substr($page, 24, 4)))[1] == 6;
	for my $at (map { 32 + 1020 * $_ } 0 .. 7)
	{
		my $piece = substr($page, $at, 1020);
		my $position = unpack('S', substr($piece, 4, 2));
		$used = $piece if $position;
		$free = $block * 8192 + $at if !$position && $piece =~ /[^\0]/;
	}
}
ok($used && $free, 'a piece in use, and a free one');
seek $fh, $free, 0;
print $fh $used;
close $fh;
$primary->start;
is($primary->safe_psql('postgres', $tails), 'lost_piece', 'a piece that no vertex leads to');
$primary->safe_psql('postgres', 'DELETE FROM tails WHERE id = 18; VACUUM tails');
is($primary->safe_psql('postgres', $tails), '', 'VACUUM frees it');

# What a logical replication slot holds back of the catalogs does not keep places from
# being used again.
$primary->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
$primary->safe_psql('postgres', <<'X');
CREATE TABLE again (id int, e vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX again_e ON again USING hnsw (e vector_l2_ops);
INSERT INTO again SELECT i, vec(i, 8) FROM generate_series(1, 500) i;
DELETE FROM again WHERE id <= 400;
X
$primary->safe_psql('postgres', 'VACUUM again');
$pages = $primary->safe_psql('postgres', "SELECT pg_relation_size('again_e')");
$primary->safe_psql('postgres', 'SELECT pg_current_xact_id()');
$primary->safe_psql('postgres', 'INSERT INTO again SELECT i, vec(i, 8) FROM generate_series(501, 850) i');
is($primary->safe_psql('postgres', "SELECT pg_relation_size('again_e')"), $pages, 'places are used again beside a logical replication slot');
is(crashes($primary) . crashes($standby), '', 'no crash');
$primary->stop;
done_testing();
