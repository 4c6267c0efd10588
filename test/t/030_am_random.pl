# Random work by several sessions on one table with several indexes, for some
# seconds (HNR_TEST_SECONDS): no error but those that are asked for, and in between
# check_index finds nothing and searches agree with the table.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

my $seconds = $ENV{HNR_TEST_SECONDS} || 16;
my $rounds = $seconds > 60 ? int($seconds / 15) : 4;
my $node = am_node('main');
am_table($node, 300);

for my $round (1 .. $rounds)
{
	my $work = start_work($node, write => 4, vacuum => 1, read => 1);
	sleep($seconds / $rounds);
	# while the work goes on: only what stays counts
	is(errors_of_check($node), '', "round $round: check_index beside the work");
	is(stop_work($work), '', "round $round: no error");
	is(errors_of_check($node), '', "round $round: check_index");
	cmp_ok(lowest_recall($node), '>=', 0.9, "round $round: recall");
}
is(crashes($node), '', 'no crash');
$node->stop;
done_testing();
