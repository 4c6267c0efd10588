# Races of a rebuild with its surroundings: who waits for whom in either order,
# locks that are given back, other rebuilds on the same table, records that two
# processes close.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RebuildTest;

my $node = new_node('main', conf => "max_prepared_transactions = 2\n");

# Until a session waits for the table's lock.
sub wait_for_waiter
{
	return poll_sql($node,
		"SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass",
		'session waiting for the table');
}

# Until the worker waits for a transaction to end; past its own look for a deadlock.
sub wait_for_waiting_worker
{
	return poll_sql($node, <<'X', 'worker waiting for a transaction');
SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'virtualxid' AND NOT l.granted AND a.backend_type = 'hnsw_rebuild worker'
	AND l.waitstart < clock_timestamp() - interval '200 ms'
X
}

# Runs a statement in an open session; what it complains about.
sub complaint
{
	my ($session, $statement) = @_;

	$session->{stderr} = '';
	$session->query($statement);
	my ($error) = $session->{stderr} =~ /(ERROR: .*)/;
	return $error // '';
}

# A statement in the background; the session to quit.
sub in_background
{
	my ($statement) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_until(qr/begun/, "\\echo begun\n$statement;\n");
	return $session;
}

# ---- a transaction that we wait for begins to wait for our lock ----

make_items($node, 100);
my $user = $node->background_psql('postgres', on_error_stop => 0);
$user->query_safe('BEGIN; INSERT INTO items VALUES (5000, 0, vec(5000))');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_waiting_worker();
is(complaint($user, 'ANALYZE items'), '', 'waiting for writers: the rebuild is the victim');
$user->query_safe('COMMIT');
is(wait_for_job($node), 'failed', 'and says so');
is(job($node, 'error_sqlstate'), '40P01', 'with the reason');
ok(no_shadows($node), 'nothing is left over');
is(rows_differ($node), '', 'every row is in the index');

make_items($node, 100);
$user->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM items');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_waiting_worker();
is(job($node, 'phase'), 'waiting for old snapshots', 'a snapshot holds the rebuild up');
is(complaint($user, "COMMENT ON TABLE items IS 'seen'"), '',
	'waiting for old snapshots: the rebuild gives way');
$user->query_safe('COMMIT');
is(wait_for_job($node), 'done', 'and goes on');
ok(no_shadows($node), 'nothing is left over');
is(rows_differ($node), '', 'every row is in the index');

# Here nothing waits in the lock manager: the worker only looks.
make_items($node, 100);
$user->query_safe('BEGIN; SELECT count(*) FROM items');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_phase($node, 'waiting for cutover');
# or those who look for long transactions would see one in every rebuild
poll_sql($node, <<'X', 'a transaction of the worker that is younger than its job');
SELECT count(*) > 0 FROM pg_stat_activity a JOIN index_status() s ON a.xact_start > s.started_at
WHERE a.backend_type = 'hnsw_rebuild worker'
X
is(complaint($user, 'ANALYZE items'), '', 'waiting for cutover: the rebuild gives way');
$user->query_safe('COMMIT');
is(wait_for_job($node), 'done', 'and goes on');
is(rows_differ($node), '', 'every row is in the index');

# Somebody else waits for the one that holds the swap off.
make_items($node, 100);
my $second = $node->background_psql('postgres');
$second->query_safe('CREATE TABLE locked (); BEGIN; LOCK TABLE locked');
$user->query_safe('BEGIN; SELECT count(*) FROM items');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_phase($node, 'waiting for cutover');
$second->query_until(qr/begun/, "\\echo begun\nANALYZE items;\nCOMMIT;\n");
wait_for_waiter();
is(complaint($user, 'SELECT * FROM locked'), '',
	'waiting for cutover: the rebuild gives way to a third one');
$user->query_safe('COMMIT');
is(wait_for_job($node), 'done', 'and goes on');
$second->quit;

# The old storage is to be dropped; a user of the table holds that up.
make_items($node, 100);
my $pauser = pause_at($node, 'rebuild_drop_dead');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_pause($node);
$user->query_safe('BEGIN; SELECT count(*) FROM items');
release($pauser);
wait_for_waiting_worker();
is(complaint($user, 'ANALYZE items'), '', 'dropping old: the rebuild gives way');
$user->query_safe('COMMIT');
is(wait_for_job($node), 'done', 'and goes on');
ok(no_shadows($node), 'nothing is left over');
$user->quit;

# ---- a stronger lock is wanted amid the swap, both indexes locked ----

make_items($node, 100);
$pauser = pause_at($node, 'rebuild_cutover_locked');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_pause($node);
my ($code, $out, $err) = $node->psql('postgres', 'ALTER TABLE items ADD COLUMN more int');
is($code, 0, 'an attempt to swap gives way') or diag($err);
release($pauser);
is(wait_for_job($node), 'done', 'and another succeeds');
is(rows_differ($node), '', 'every row is in the index');

# ---- after the old storage is gone the table is free ----

make_items($node, 100);
$pauser = pause_at($node, 'rebuild_measure_after');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8)");
wait_for_pause($node);
is( $node->safe_psql('postgres', <<'X'),
SELECT count(*) FROM pg_locks
WHERE relation = 'items'::regclass AND mode = 'ShareUpdateExclusiveLock'
X
	'0', 'no lock on the table is kept for the measurement after');
release($pauser);
is(wait_for_job($node), 'done', 'which is made then');

# ---- a measurement gives way, too ----

for my $start ("rebuild_index('items_e', m => 8)", "optimize_index('items_e')")
{
	make_items($node, 100);
	$pauser = pause_at($node, 'recall_exact_pass');
	$node->safe_psql('postgres', "SELECT $start");
	wait_for_pause($node);
	my $alter = in_background('ALTER TABLE items ADD COLUMN more int');
	wait_for_waiter();
	release($pauser);
	$alter->quit;
	is(wait_for_job($node), 'done', "$start goes on without its measurement before");
	is(job($node, 'recall_before IS NULL AND recall_after IS NOT NULL'), 't',
		'which has given way to ALTER TABLE');
}
like(job($node, 'method_reason'), qr/^recall before could not be measured: .* gave way/, 'an optimisation tells which it was');

# ---- what the index depends on is dropped, and the indexes locked before the table ----

make_items($node, 100);
$node->safe_psql('postgres', <<'X');
CREATE FUNCTION wait_here(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(1234);
	RETURN v;
END $$;
CREATE INDEX items_w ON items USING hnsw ((wait_here(e)::vector(8)) vector_l2_ops);
X
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1234)');
$node->safe_psql('postgres', "SELECT rebuild_index('items_w', m => 8, measure => false)");
wait_for_pause($node);
is(job($node, 'phase'), 'building', 'the build evaluates an expression');
($code, $out, $err) = $node->psql('postgres', 'DROP FUNCTION wait_here CASCADE');
is($code, 0, 'DROP FUNCTION ... CASCADE does not wait for it') or diag($err);
is(wait_for_job($node), 'failed', 'it gives way');
ok(no_shadows($node), 'nothing is left over');
$holder->quit;

# ---- the same while the complete shadow is read into memory ----

make_items($node, 100);
$pauser = pause_at($node, 'rebuild_warm');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_pause($node);
($code, $out, $err) = $node->psql('postgres', 'ALTER TABLE items ADD COLUMN more int');
is($code, 0, 'ALTER TABLE does not wait for it') or diag($err);
is(wait_for_job($node), 'done', 'nor is the rebuild lost');
release($pauser);
is(rows_differ($node), '', 'every row is in the index');

$node->safe_psql('postgres', <<'X');
CREATE FUNCTION same(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN v; END';
CREATE INDEX items_s ON items USING hnsw ((same(e)::vector(8)) vector_l2_ops);
X
$pauser = pause_at($node, 'rebuild_warm');
$node->safe_psql('postgres', "SELECT rebuild_index('items_s', m => 8, measure => false)");
wait_for_pause($node);
($code, $out, $err) = $node->psql('postgres', "SET lock_timeout = '30s'; DROP FUNCTION same CASCADE");
is($code, 0, 'nor does DROP FUNCTION ... CASCADE') or diag($err);
release($pauser);
is(wait_for_job($node), 'failed', 'which takes the index with it');
ok(no_shadows($node), 'nothing is left over');

# ---- two rebuilds on one table: one gives way while the other waits ----

make_items($node, 100);
$node->safe_psql('postgres', 'CREATE INDEX items_f ON items USING hnsw (e vector_l1_ops)');
$pauser = pause_at($node, 'rebuild_wait_snapshots');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_pause($node);
$node->safe_psql('postgres', "SELECT rebuild_index('items_f', m => 8, measure => false)");
wait_for_waiter();
$node->safe_psql('postgres', 'ALTER TABLE items ADD COLUMN more int');
poll_sql($node, <<'X', 'the other rebuild at the point');
SELECT phase = 'waiting for old snapshots' FROM rebuild_history WHERE index_oid = 'items_f'::regclass
X
release($pauser);
is(wait_for_job($node), 'done', 'the second rebuild is done');
poll_sql($node,
	"SELECT state NOT IN ('queued', 'running') FROM rebuild_history WHERE index_oid = 'items_e'::regclass");
is( job($node, "state || coalesce(error_message, '')", "index_oid = 'items_e'::regclass"),
	'done', 'and has left the shadow of the first one alone');
ok(no_shadows($node), 'nothing is left over');
is(rows_differ($node), '', 'every row is in the first index');
is(rows_differ($node, 'items_f'), '', 'and in the second');

# ---- DROP INDEX CONCURRENTLY, which can drop one index only ----

make_items($node, 100);
$pauser = pause_at($node, 'rebuild_build');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_pause($node);
my $dropper = in_background('DROP INDEX CONCURRENTLY items_e');
wait_for_waiter();
release($pauser);
$dropper->quit;
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'items_e'"),
	'0', 'DROP INDEX CONCURRENTLY wins');
is(wait_for_job($node), 'failed', 'the rebuild does not');
ok(no_shadows($node), 'nothing is left over');

make_items($node, 100);
$node->safe_psql('postgres', <<'X');
CREATE TABLE others (e vector(8));
CREATE INDEX others_e ON others USING hnsw (e vector_l2_ops);
ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = 'rebuild_wait_snapshots:fatal';
SELECT rebuild_index('items_e', m => 8, measure => false);
X
poll_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild worker'");
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname LIKE '%hnr_shadow%'"),
	'1', 'a worker that died has left a shadow');
($code, $out, $err) = $node->psql('postgres', 'DROP INDEX CONCURRENTLY items_e');
is($code, 0, 'which does not keep the index from being dropped') or diag($err);
$node->safe_psql('postgres', <<'X');
ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action;
SELECT rebuild_index('others_e');
X
ok(no_shadows($node), 'the next call has it removed');

# ---- CREATE INDEX on a partitioned table takes a shadow for its own ----

$node->safe_psql('postgres', <<'X');
CREATE TABLE parted (id int, e vector(8)) PARTITION BY RANGE (id);
CREATE TABLE leaf PARTITION OF parted FOR VALUES FROM (0) TO (1000);
INSERT INTO parted SELECT i, vec(i) FROM generate_series(1, 100) i;
CREATE INDEX parted_e ON parted USING hnsw (e vector_l2_ops);
X
$pauser = pause_at($node, 'rebuild_build');
$node->safe_psql('postgres', "SELECT rebuild_index('leaf_e_idx', m => 8, measure => false)");
wait_for_pause($node);
$node->safe_psql('postgres', 'CREATE INDEX parted_f ON parted USING hnsw (e vector_l2_ops)');
is(wait_for_job($node), 'failed', 'the rebuild has given way to CREATE INDEX');
release($pauser);
ok(no_shadows($node), 'and gets its shadow back');
$node->safe_psql('postgres', <<'X');
CREATE INDEX leaf_f ON leaf USING hnsw (e vector_l2_ops);
ALTER INDEX parted_f ATTACH PARTITION leaf_f;
X
is($node->safe_psql('postgres', "SELECT indisvalid FROM pg_index WHERE indexrelid = 'parted_f'::regclass"),
	't', 'the new index can be completed');

# ---- a record of a dead worker whose pid another database's worker has ----

make_items($node, 100);
$node->safe_psql('postgres', <<'X');
ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = 'rebuild_build:fatal';
SELECT rebuild_index('items_e', m => 8, measure => false);
X
poll_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild worker'");
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', <<'X');
CREATE EXTENSION hnsw_rebuild;
CREATE TABLE items (e vector(1));
INSERT INTO items SELECT ARRAY[i]::vector FROM generate_series(1, 100) i;
CREATE INDEX items_e ON items USING hnsw (e vector_l2_ops);
BEGIN;
INSERT INTO items VALUES ('[0]');
PREPARE TRANSACTION 'writer';
SELECT rebuild_index('items_e', measure => false);
X
my $pid = worker_pid($node);
$node->safe_psql('postgres', "UPDATE hnsw_rebuild.job SET worker_pid = $pid WHERE state = 'running'");
is($node->safe_psql('postgres', "SELECT status FROM index_status('items_e')"),
	'interrupted', 'a worker elsewhere is not taken for ours');
is($node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')"), 'f', 'nor cancelled');
ok(no_shadows($node), 'the leftover is removed');
$node->safe_psql('elsewhere', "COMMIT PREPARED 'writer'");
$node->poll_query_until('elsewhere', "SELECT state NOT IN ('queued', 'running') FROM rebuild_history");
is($node->safe_psql('elsewhere', 'SELECT state FROM rebuild_history'), 'done', 'the other rebuild goes on');

# ---- a session closes records of dead workers while a worker ends ----

make_items($node, 100);
$pauser = pause_at($node, 'rebuild_build');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8)");
wait_for_pause($node);
my $reader = pause_at($node, 'rebuild_mark_interrupted');
my $other = in_background("SELECT rebuild_index('others_e', online => false)");
poll_sql($node, <<'X', 'session about to close a record');
SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND NOT l.granted AND a.backend_type = 'client backend'
X
is($node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')"), 't', 'a rebuild is cancelled');
is(wait_for_job($node), 'cancelled', 'its worker writes that down');
poll_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild worker'");
release($reader);
$other->quit;
is(job($node, 'state', "index_oid = 'items_e'::regclass"), 'cancelled', 'and it stays so');
release($pauser);

# ---- both indexes are to be had, but not their rows in the catalogue ----

make_items($node, 100);
$user = $node->background_psql('postgres', on_error_stop => 0);
# its look for a deadlock could fall into an attempt
$user->query_safe("SET deadlock_timeout = '100s'; BEGIN; SELECT relname FROM pg_class WHERE oid = 'items_e'::regclass FOR UPDATE");
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_phase($node, 'waiting for cutover');
$node->safe_psql('postgres', 'SELECT pg_sleep(3)');
is(complaint($user, 'ANALYZE items'), '', 'a row of the catalogue is locked: the rebuild gives way');
$user->query_safe('COMMIT');
$user->quit;
is(wait_for_job($node), 'done', 'and goes on');
cmp_ok(job($node, 'cutover_attempts'), '>', 1, 'having tried more than once');
# each of them makes others wait for cutover_max_wait, 60 ms
cmp_ok(job($node, 'cutover_attempts') * 60, '<', 3000 / 2, 'but others can use the index for most of the time');

# ---- a cancel comes when the time for a lock is over, before the worker takes notice ----

make_items($node, 100);
$node->safe_psql('postgres', "ALTER DATABASE postgres SET hnsw_rebuild.cutover_max_wait = '3s'");
$user = $node->background_psql('postgres');
$user->query_safe("BEGIN; SELECT relname FROM pg_class WHERE oid = 'items_e'::regclass FOR UPDATE");
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
poll_sql($node, <<'X', 'worker waiting for the row');
SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'transactionid' AND NOT l.granted AND a.backend_type = 'hnsw_rebuild worker'
X
my $worker = worker_pid($node);
kill 'STOP', $worker;
$node->safe_psql('postgres', 'SELECT pg_sleep(3.1)');
kill 'INT', $worker;
kill 'CONT', $worker;
is(wait_for_job($node), 'cancelled', 'a cancel is not taken for the end of the time');
$user->query_safe('COMMIT');
$user->quit;
ok(no_shadows($node), 'nothing is left over');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.cutover_max_wait');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|you don't own a lock/, 'nothing odd in the log');
done_testing();
