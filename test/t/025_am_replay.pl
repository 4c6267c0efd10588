# Replay that is broken off, and pages torn by a crash: with and without full-page
# images, a standby that is killed again and again comes to the primary's very pages,
# and a primary whose pages were half written when it crashed makes them whole.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use AmTest;

my $rounds = $ENV{HNR_TEST_ROUNDS} || 2;
my $seed = $ENV{HNR_TEST_SEED} || time;
srand($seed);
note("seed $seed");

my $primary = am_node('primary', init => { allows_streaming => 1 },
	conf => "shared_buffers = 4MB\nmax_wal_size = 1GB\ncheckpoint_timeout = 1h\nwal_keep_size = 1GB\nwal_consistency_checking = 'generic'\n");
$primary->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'b', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\n");
$standby->start;
am_table($primary, 200);

sub read_pages
{
	my ($file) = @_;
	my @pages;
	open my $fh, '<:raw', $file or die "$file: $!";
	while (read $fh, my $page, 8192)
	{
		push @pages, $page;
	}
	close $fh;
	return @pages;
}

# What stands on the pages of an index: the bounds, and the bytes outside of them.
sub contents
{
	my ($node, $path) = @_;
	return map {
		my ($lower, $upper) = unpack('x12SS', $_);
		$lower == 0 ? '' : substr($_, 12, 4) . substr($_, 24, $lower - 24) . substr($_, $upper);
	} read_pages($node->data_dir . "/$path");
}

my %path;

sub find_paths
{
	%path = map { $_ => $primary->safe_psql('postgres', "SELECT pg_relation_filepath('$_')") } am_indexes();
}

# Standby and primary, both stopped.
sub same_pages
{
	my ($name) = @_;
	my @differ;

	for my $index (am_indexes())
	{
		my @here = contents($primary, $path{$index});
		my @there = contents($standby, $path{$index});
		# pages that a crash left new at the end need not be there
		push @differ, map { "$index $_" }
		  grep { ($here[$_] || '') ne ($there[$_] || '') } 0 .. ($#here > $#there ? $#here : $#there);
	}
	is("@differ", '', "$name: same pages");
}

for my $round (1 .. $rounds)
{
	my $full = $round % 2 ? 'off' : 'on';
	$primary->safe_psql('postgres', "ALTER SYSTEM SET full_page_writes = $full");
	$primary->reload;
	$primary->safe_psql('postgres', 'CHECKPOINT');
	my $work = start_work($primary, write => 3, vacuum => 1);
	for (1 .. 3)
	{
		usleep(300_000 + int(rand(700_000)));
		$standby->safe_psql('postgres', 'CHECKPOINT') if rand() < 0.5;
		$standby->stop('immediate');
		usleep(int(rand(400_000)));
		$standby->start;
	}
	is(stop_work($work), '', "round $round: no error");
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	is(errors_of_check($standby), '', "round $round: check_index on the standby");
	find_paths();
	$primary->stop;
	$standby->stop;
	same_pages("round $round, full_page_writes $full");
	$primary->start;
	$standby->start;
}

# What the control file says of the last checkpoint.
sub redo_point
{
	my ($text) = run_command([ $primary->installed_command('pg_controldata'), $primary->data_dir ]);
	$text =~ m{REDO location: *(\w+)/(\w+)} or die $text;
	return (hex($1) << 32) + hex($2);
}

# Pages changed since the last checkpoint have an image in WAL, whatever became of
# them on disk: the second half stays as it was, the first is new, or the other way.
sub tear
{
	my ($path, $redo) = @_;
	my $file = $primary->data_dir . "/$path";
	my @pages = read_pages($file);
	my $torn = 0;

	for my $page (@pages)
	{
		my ($high, $low) = unpack('LL', $page);
		next if ($high << 32) + $low <= $redo || rand() < 0.2;
		substr($page, rand() < 0.5 ? 512 : 4096, 3000) = "\x5A" x 3000;
		$torn++;
	}
	open my $fh, '>:raw', $file or die "$file: $!";
	print $fh @pages;
	close $fh or die "$file: $!";
	return $torn;
}

$standby->stop;
$primary->safe_psql('postgres', 'ALTER SYSTEM SET full_page_writes = on');
$primary->reload;
for my $round (1 .. $rounds)
{
	my $work = start_work($primary, write => 3, vacuum => 1);
	usleep(1_000_000);
	$primary->safe_psql('postgres', 'CHECKPOINT');
	usleep(700_000 + int(rand(1_000_000)));
	find_paths();
	$primary->stop('immediate');
	stop_work($work);
	my $redo = redo_point();
	my $torn = 0;
	$torn += tear($path{$_}, $redo) for am_indexes();
	note("$torn pages torn");
	$primary->start;
	is(errors_of_check($primary), '', "round $round: check_index after torn pages");
	cmp_ok(lowest_recall($primary), '>=', 0.9, "round $round: recall after torn pages");
}
is(crashes($primary) . crashes($standby), '', 'no crash');
$primary->stop;
done_testing();
