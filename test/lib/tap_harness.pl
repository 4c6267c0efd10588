# tap_harness.pl COUNTSFILE FILE... - runs TAP programs (Perl files, or commands
# with their arguments in one word), HNR_TAP_JOBS at a time (default 1), prints
# one line for each and the assertions that failed or were skipped, and writes
# "PASSED FAILED" to COUNTSFILE.
#
# An assertion at the outer level counts as one test, a skipped one as none.  A program that dies, has
# run no test or breaks its plan adds one failed test.  Each gets a time limit,
# HNR_TAP_TIMEOUT seconds (default 600, of t/long 1800).

use strict;
use warnings FATAL => 'all';

use File::Basename;
use TAP::Parser;
use Time::HiRes 'time';

my ($counts_file, @files) = @ARGV;
my $jobs = $ENV{HNR_TAP_JOBS} || 1;

# The end of the log that PostgreSQL::Test::Utils keeps for a TAP file.
sub end_of_log
{
	my $log = ($ENV{TESTLOGDIR} || '.') . '/regress_log_' . basename($_[0], '.pl');
	open my $fh, '<', $log or return '';
	my @lines = <$fh>;
	close $fh;
	splice @lines, 0, -40 if @lines > 40;
	return join '', "# the end of $log:\n", map { "#   $_" } @lines;
}

# Runs one; gives the numbers of passed and failed tests and the text to print.
sub run_one
{
	my ($file) = @_;
	my $limit = $ENV{HNR_TAP_TIMEOUT} || ($file =~ m{/long/} ? 1800 : 600);
	my $start = time;
	my @program = $file =~ /\.pl$/ ? ($^X, $file) : split ' ', $file;
	my $parser = TAP::Parser->new(
		{
			exec => [ 'timeout', '--foreground', '-k', '20', $limit, @program ],
			merge => 1
		});
	my (@bad, @skipped);

	while (my $result = $parser->next)
	{
		push @bad, $result->as_string if $result->is_test && !$result->is_ok;
		push @skipped, 'skipped: ' . $result->explanation if $result->is_test && $result->has_skip;
	}

	my $good = $parser->passed - @skipped;
	my $problem;
	$problem = 'ran no test' unless $parser->tests_run || $parser->skip_all;
	$problem = join('; ', $parser->parse_errors) if $parser->parse_errors;
	if (($parser->exit || $parser->wait) && !@bad)
	{
		my $status = $parser->exit;
		$problem = $status == 124 ? "stopped after $limit s" : "exit status $status";
	}
	my $failed = @bad + ($problem && !@bad ? 1 : 0);
	my $text = sprintf "%-7s %s: %d of %d%s (%.1f s)\n", $failed ? 'FAILED' : 'ok',
	  $file, $good, $parser->tests_run,
	  $parser->skip_all ? ', skipped: ' . $parser->skip_all : '', time - $start;
	$text .= "#   $_\n" foreach @skipped, @bad, $problem || ();
	$text .= end_of_log($file) if $failed;
	return ($good, $failed, $text);
}

# Each runs in a child, which prints and leaves its numbers in a file.
my %running;
my ($passed, $failed) = (0, 0);

sub reap
{
	my $pid = wait;
	my $file = delete $running{$pid} or return;
	my ($good, $bad) = (0, 1);

	if (open my $fh, '<', "$counts_file.$pid")
	{
		($good, $bad) = split ' ', <$fh>;
		close $fh;
		unlink "$counts_file.$pid";
	}
	else
	{
		print "FAILED  $file: the harness died\n";
	}
	$passed += $good;
	$failed += $bad;
}

$| = 1;
foreach my $file (@files)
{
	reap() while keys %running >= $jobs;
	my $pid = fork // die "fork: $!";
	if ($pid)
	{
		$running{$pid} = $file;
		next;
	}
	my ($good, $bad, $text) = run_one($file);
	print $text;
	open my $fh, '>', "$counts_file.$$" or die "$counts_file.$$: $!";
	print $fh "$good $bad\n";
	close $fh;
	exit 0;
}
reap() while keys %running;

open my $fh, '>', $counts_file or die "$counts_file: $!";
print $fh "$passed $failed\n";
close $fh;
