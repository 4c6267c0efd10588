# 400_am_corruption.pl with more random damages, others each time.

use strict;
use warnings FATAL => 'all';

use AmTest;						# now: its modules have INIT blocks

$ENV{HNR_TEST_ROUNDS} ||= 60;
$ENV{HNR_TEST_SEED} ||= time;
do './test/t/400_am_corruption.pl' or die $@ || $!;
