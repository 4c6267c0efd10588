# 100_recall.pl on larger sets.

use strict;
use warnings FATAL => 'all';

use AmTest;						# now: its modules have INIT blocks

$ENV{HNR_TEST_TIMES} ||= 10;
do './test/t/100_recall.pl' or die $@ || $!;
