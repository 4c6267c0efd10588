# 065_am_deferred.pl with more crashes amid writes.

use strict;
use warnings FATAL => 'all';

use AmTest;						# now: its modules have INIT blocks

$ENV{HNR_TEST_ROUNDS} ||= 20;
do './test/t/065_am_deferred.pl' or die $@ || $!;
