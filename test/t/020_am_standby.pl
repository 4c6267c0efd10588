# A streaming standby: replay makes the same pages, searches there agree with the
# primary's, also while it replays; and it can take over.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

my $primary = am_node('primary', init => { allows_streaming => 1 },
	conf => "wal_consistency_checking = 'generic'\n");
$primary->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'b', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\n");
$standby->start;

sub catch_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); }

# the build, too, comes as WAL
am_table($primary, 200);
$primary->safe_psql('postgres', <<'X');
CREATE UNLOGGED TABLE u (id int, e vector(8));
CREATE INDEX u_e ON u USING hnsw (e vector_l2_ops);
INSERT INTO u SELECT i, vec(i, 8) FROM generate_series(1, 100) i;
X
catch_up();
is(errors_of_check($standby) . warnings_of_check($standby), '', 'after the build: check_index on the standby');

my $work = start_work($primary, write => 3, vacuum => 1);
my $reads = start_work($standby, read => 2);
sleep($ENV{HNR_TEST_SECONDS} || 8);
is(stop_work($reads), '', 'searches and check_index on the standby meet no error');
is(stop_work($work), '', 'no error on the primary');
# dead rows that the primary passes over are candidates like others to a standby
$primary->safe_psql('postgres', 'VACUUM items');
$primary->safe_psql('postgres', 'INSERT INTO items SELECT 50000 + i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1, 50) i');
catch_up();

is(errors_of_check($primary) . warnings_of_check($primary), '', 'check_index on the primary');
is(errors_of_check($standby) . warnings_of_check($standby), '', 'check_index on the standby');
for my $query ((map { "SELECT id FROM items ORDER BY e <-> vec($_, 8) LIMIT 20" } 1 .. 5),
	(map { "SELECT id FROM items ORDER BY e <=> vec($_, 8) LIMIT 20" } 1 .. 5),
	(map { "SELECT id FROM items ORDER BY e <+> vec($_, 8) LIMIT 20" } 1 .. 5),
	(map { "SELECT id FROM items ORDER BY w <-> vec($_, 2100) LIMIT 20" } 1 .. 5))
{
	my $sql = "SET enable_seqscan = off; $query";
	my ($here, $there) = ($primary->safe_psql('postgres', $sql), $standby->safe_psql('postgres', $sql));
	# one assertion for all that agree
	is($there, $here, $query) if $there ne $here;
}
pass('searches agree');

my ($status, $out, $err) = $standby->psql('postgres', "SELECT * FROM check_index('u_e', true)");
is("$status $out", '0 ', 'an unlogged index on the standby');
like($err, qr/no contents during recovery/, 'is said to have no contents');
(undef, undef, $err) = $standby->psql('postgres', "SELECT index_degradation('u_e')");
like($err, qr/unlogged index "u_e" cannot be measured during recovery/, 'and is not measured');

# the pages themselves, from the contents to the end of what is in use
my @indexes = qw(items_l2 items_cosine items_ip items_l1 items_wide);
my %path = map { $_ => $primary->safe_psql('postgres', "SELECT pg_relation_filepath('$_')") } @indexes;
$primary->stop;
$standby->stop;

sub contents
{
	my ($node, $name) = @_;
	my @pages;
	open my $fh, '<:raw', $node->data_dir . "/$path{$name}" or die "$path{$name}: $!";
	while (read $fh, my $page, 8192)
	{
		my $lower = unpack('S', substr($page, 12, 2));
		push @pages, $lower > 24 ? substr($page, 24, $lower - 24) : '';
	}
	close $fh;
	return @pages;
}

for my $name (@indexes)
{
	my @here = contents($primary, $name);
	my @there = contents($standby, $name);
	# pages that a rollback or a crash left new at the end need not be there
	my @differ = grep { ($here[$_] || '') ne ($there[$_] || '') } 0 .. ($#here > $#there ? $#here : $#there);
	is("@differ", '', "$name: same pages");
}

$standby->start;
$standby->promote;
$standby->safe_psql('postgres', <<'X');
DELETE FROM items WHERE id % 2 = 0;
VACUUM items;
INSERT INTO items SELECT 60000 + i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1, 100) i;
INSERT INTO u SELECT i, vec(i, 8) FROM generate_series(1, 100) i;
X
is(errors_of_check($standby) . warnings_of_check($standby), '', 'check_index after promotion and VACUUM');
is($standby->safe_psql('postgres', "SELECT * FROM check_index('u_e', true)"), '', 'the unlogged index after promotion');
cmp_ok(lowest_recall($standby), '>=', 0.95, 'rows are found after promotion');
is(crashes($standby) . crashes($primary), '', 'no crash');
$standby->stop;
done_testing();
