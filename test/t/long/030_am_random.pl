# 030_am_random.pl for minutes.

use strict;
use warnings FATAL => 'all';

use AmTest;						# now: its modules have INIT blocks

$ENV{HNR_TEST_SECONDS} ||= 300;
do './test/t/030_am_random.pl' or die $@ || $!;
