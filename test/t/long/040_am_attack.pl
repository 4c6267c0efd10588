# 040_am_attack.pl for minutes, with plenty of room and with hardly any.

use strict;
use warnings FATAL => 'all';

use AmTest;						# now: its modules have INIT blocks

$ENV{HNR_TEST_ROUNDS} ||= 60;
do './test/t/040_am_attack.pl' or die $@ || $!;
