# tap_harness.pl COUNTSFILE FILE... - runs TAP programs (Perl files, or commands
# with their arguments in one word), prints one line for each and the failed assertions, and writes "PASSED FAILED" to COUNTSFILE.
#
# An assertion at the outer level counts as one test.  A program that dies, has
# run no test or breaks its plan adds one failed test.  Each gets a time limit,
# HNR_TAP_TIMEOUT seconds (default 600).

use strict;
use warnings FATAL => 'all';

use File::Basename;
use TAP::Parser;
use Time::HiRes 'time';

my ($counts_file, @files) = @ARGV;
my $limit = $ENV{HNR_TAP_TIMEOUT} || 600;
my ($passed, $failed) = (0, 0);

$| = 1;

# The end of the log that PostgreSQL::Test::Utils keeps for a TAP file.
sub show_log
{
	my $log = ($ENV{TESTLOGDIR} || '.') . '/regress_log_' . basename($_[0], '.pl');
	open my $fh, '<', $log or return;
	my @lines = <$fh>;
	close $fh;
	splice @lines, 0, -40 if @lines > 40;
	print "# the end of $log:\n", map { "#   $_" } @lines;
}

foreach my $file (@files)
{
	my $start = time;
	my @program = $file =~ /\.pl$/ ? ($^X, $file) : split ' ', $file;
	my $parser = TAP::Parser->new(
		{
			exec => [ 'timeout', '--foreground', '-k', '20', $limit, @program ],
			merge => 1
		});
	my @bad;

	while (my $result = $parser->next)
	{
		push @bad, $result->as_string if $result->is_test && !$result->is_ok;
	}

	my $good = $parser->passed;
	my $problem;
	$problem = 'ran no test' unless $parser->tests_run || $parser->skip_all;
	$problem = join('; ', $parser->parse_errors) if $parser->parse_errors;
	if ($parser->exit || $parser->wait)
	{
		my $status = $parser->exit;
		$problem = $status == 124 ? "stopped after $limit s" : "exit status $status"
		  unless @bad;
	}
	$passed += $good;
	$failed += @bad + ($problem && !@bad ? 1 : 0);
	printf "%-7s %s: %d of %d%s (%.1f s)\n", @bad || $problem ? 'FAILED' : 'ok',
	  $file, $good, $parser->tests_run,
	  $parser->skip_all ? ', skipped: ' . $parser->skip_all : '', time - $start;
	print "#   $_\n" foreach @bad, $problem || ();
	show_log($file) if @bad || $problem;
}

open my $fh, '>', $counts_file or die "$counts_file: $!";
print $fh "$passed $failed\n";
close $fh;
