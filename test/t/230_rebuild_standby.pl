# A streaming standby: the swap replays, queries there agree; a transaction there
# does not hold up the primary; rebuilds are refused.  And: settings of the
# database do not spoil a rebuild.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RebuildTest;

my $primary = new_node('primary', init => { allows_streaming => 1 });
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = off\n");
$standby->start;

make_items($primary, 500);
my $nearest = "SET enable_seqscan = off; SET hnsw.ef_search = 200; "
  . "SELECT string_agg(id::text, ',') FROM (SELECT id FROM items ORDER BY e <-> vec(77) LIMIT 10) x";

# A rebuild's worker commits without waiting for the disk: what everybody sees on the
# primary may not have been written yet.
sub catch_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); }

sub same_on_standby
{
	my ($what) = @_;

	catch_up();
	is( $standby->safe_psql('postgres', "SELECT pg_relation_filenode('items_e')"),
		$primary->safe_psql('postgres', "SELECT pg_relation_filenode('items_e')"),
		"$what: same storage");
	is($standby->safe_psql('postgres', $nearest), $primary->safe_psql('postgres', $nearest),
		"$what: same answer");
	is( $standby->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname LIKE '%hnr_shadow%'"),
		'0', "$what: no shadow");
	is($standby->safe_psql('postgres',
			'SELECT state, m_after FROM rebuild_history ORDER BY id DESC LIMIT 1'),
		$primary->safe_psql('postgres',
			'SELECT state, m_after FROM rebuild_history ORDER BY id DESC LIMIT 1'),
		"$what: the history is there");
}

catch_up();
is($standby->safe_psql('postgres', $nearest), $primary->safe_psql('postgres', $nearest),
	'same answer before');
$primary->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 24, ef_construction => 100)");
is(wait_for_job($primary), 'done', 'rebuild');
same_on_standby('after a rebuild');

# A session of the standby that has the index open notices the swap.
my $reader = $standby->background_psql('postgres');
my $before = $reader->query_safe($nearest);
churn($primary, 3);
$primary->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 6)");
is(wait_for_job($primary), 'done', 'another rebuild');
catch_up();
is($reader->query_safe($nearest), $primary->safe_psql('postgres', $nearest),
	'an old session of the standby agrees');

# A transaction on the standby that has used the table holds up replay there
# until it ends; the primary goes on.
$reader->query_safe('BEGIN; SELECT count(*) FROM items;');
$primary->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 9)");
is(wait_for_job($primary), 'done', 'a transaction on the standby does not hold up the primary');
$reader->query_safe('COMMIT');
$reader->quit;
same_on_standby('after that transaction');

# Sessions of a standby that have the old index in their list have a moment to go on: it is
# not dropped at once.
my $dropping = pause_at($primary, 'rebuild_drop_dead');
$primary->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 10, measure => false)");
wait_for_pause($primary);
my $then = $primary->safe_psql('postgres', 'SELECT clock_timestamp()');
release($dropping);
is(wait_for_job($primary), 'done', 'rebuild with a standby attached');
is(job($primary, "finished_at - '$then' > interval '0.5 s'"), 't', 'the old index is not dropped at once');

# With swap_index it does not hold up replay either.
$primary->safe_psql('postgres', "ALTER DATABASE postgres SET hnsw_rebuild.cutover_method = 'swap_index'");
catch_up();
$reader = $standby->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM items;');
$primary->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 11)");
is(wait_for_job($primary), 'done', 'rebuild by swap_index');
poll_sql($standby, "SELECT reloptions = '{ef_construction=100,m=11}' FROM pg_class WHERE relname = 'items_e'");
is($standby->safe_psql('postgres', "SELECT reloptions::text FROM pg_class WHERE relname = 'items_e'"),
	'{ef_construction=100,m=11}', 'the swap is replayed beside a transaction there');
$reader->query_safe('COMMIT');
$reader->quit;
same_on_standby('after swap_index');
$primary->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.cutover_method');

# Rebuilds are the primary's business.
my ($code, $out, $err) = $standby->psql('postgres', "SELECT rebuild_index('items_e')");
like($err, qr/cannot execute rebuild_index\(\) during recovery/, 'refused on a standby');
($code, $out, $err) = $standby->psql('postgres', "SELECT rebuild_index('items_e', online => false)");
like($err, qr/cannot execute rebuild_index\(\) during recovery/, 'also in the transaction');
($code, $out, $err) = $standby->psql('postgres', "SELECT cancel_rebuild('items_e')");
like($err, qr/cannot execute cancel_rebuild\(\) during recovery/, 'no cancelling either');

# A standby that is promoted in the middle of a rebuild: the shadow is swept.
my $pauser = pause_at($primary, 'rebuild_wait_snapshots');
$primary->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 13)");
wait_for_pause($primary);
catch_up();
is($standby->safe_psql('postgres', "SELECT status FROM index_status('items_e')"),
	'rebuilding', 'the standby shows what the primary does');
$standby->promote;
is( $standby->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname LIKE '%hnr_shadow%'"),
	'1', 'the promoted standby has the shadow');
$standby->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 15)");
is(wait_for_job($standby), 'done', 'a rebuild on the promoted standby');
ok(no_shadows($standby), 'has removed it');
is( $standby->safe_psql('postgres', 'SELECT count(*) FROM rebuild_history WHERE '
		. "state = 'failed' AND error_message LIKE 'interrupted%'"),
	'1', 'and closed the record');
is(rows_differ($standby), '', 'every row is in its index');
release($pauser);
is(wait_for_job($primary), 'done', 'and the primary goes on');
$standby->stop;

# ---- settings for users' sessions ----

$primary->safe_psql('postgres', <<'X');
ALTER DATABASE postgres SET statement_timeout = '50ms';
ALTER DATABASE postgres SET lock_timeout = '1ms';
ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '1ms';
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER DATABASE postgres SET default_transaction_deferrable = on;
ALTER DATABASE postgres SET search_path = 'nowhere';
ALTER DATABASE postgres SET row_security = off;
X
$primary->safe_psql('postgres', 'SET default_transaction_read_only = off; SET search_path = public; '
	. "SET statement_timeout = 0; SELECT rebuild_index('items_e', m => 14)");
ok( poll_sql($primary, "SET search_path = public; SET default_transaction_isolation = 'read committed'; "
		. "SET statement_timeout = 0; SELECT state = 'done' FROM rebuild_history ORDER BY id DESC LIMIT 1"),
	'settings of the database do not spoil a rebuild');
$primary->stop;

# ---- no worker to be had, and a rebuild without one ----

my $small = new_node('small', conf => "max_worker_processes = 1\nmax_logical_replication_workers = 1\n");
make_items($small, 50);
my $busy = $small->psql('postgres', "SELECT rebuild_index('items_e')", stderr => \$err);
isnt($busy, 0, 'no background worker');
like($err, qr/no background worker is free for the rebuild.*max_worker_processes/s,
	'the error names the setting');
isnt($small->psql('postgres', "SELECT optimize_index('items_e')", stderr => \$err), 0, 'nor for that');
like($err, qr/no background worker is free for the optimization/, 'which the error names');
is($small->safe_psql('postgres', 'SELECT count(*) FROM rebuild_history'), '0', 'no record');
is( $small->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 5, online => false) > 0"),
	't', 'online => false needs none');
is(rows_differ($small), '', 'every row is in the index');
$small->stop;

done_testing();
