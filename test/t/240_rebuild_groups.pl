# Several rebuilds at a time: other tables beside, the same table one after the
# other, partitions in a group; and maintenance that gets in between.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RebuildTest;

my $node = new_node('main');

sub q1
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# ---- two tables at the same time ----

make_items($node, 100);
q1(<<'X');
CREATE TABLE others (id int, e vector(8));
INSERT INTO others SELECT i, vec(i) FROM generate_series(1, 100) i;
CREATE INDEX others_e ON others USING hnsw (e vector_cosine_ops);
X
my $pauser = pause_at($node, 'rebuild_validate');
q1("SELECT rebuild_index('items_e', m => 5, measure => false)");
q1("SELECT rebuild_index('others_e', m => 5, measure => false)");
ok( poll_sql($node, "SELECT count(*) = 2 FROM rebuild_history WHERE state = 'running' AND phase = 'validating'"),
	'two tables are rebuilt at the same time');
release($pauser);
ok( poll_sql($node, "SELECT count(*) = 2 FROM rebuild_history WHERE state = 'done'"),
	'and neither waits for the other for ever');

# ---- two indexes of one table ----

q1('CREATE INDEX items_e2 ON items USING hnsw (e vector_l1_ops)');
$pauser = pause_at($node, 'rebuild_build');
q1("SELECT rebuild_index('items_e', m => 6, measure => false)");
wait_for_pause($node);
q1("SELECT rebuild_index('items_e2', m => 6, measure => false)");
ok( poll_sql($node, "SELECT phase = 'waiting for table lock' FROM rebuild_history WHERE index_oid = 'items_e2'::regclass ORDER BY id DESC LIMIT 1"),
	'the second index of a table waits for the first');
is(q1("SELECT cancel_rebuild('items_e2')"), 't', 'and can be cancelled meanwhile');
is(wait_for_job($node), 'cancelled', 'which does what it says');
q1("ALTER DATABASE postgres SET hnsw_rebuild.table_lock_timeout = '50ms'");
q1("SELECT rebuild_index('items_e2', m => 6, measure => false)");
is(wait_for_job($node), 'failed', 'hnsw_rebuild.table_lock_timeout ends the wait');
is(job($node, 'error_sqlstate'), '55P03', 'with that error');
q1('ALTER DATABASE postgres RESET hnsw_rebuild.table_lock_timeout');
q1("SELECT rebuild_index('items_e2', m => 6, measure => false)");
release($pauser);
is(wait_for_job($node), 'done', 'the second comes after the first');
is(job($node, 'state', "index_oid = 'items_e'::regclass"), 'done', 'which is done too');
is(rows_differ($node, $_), '', "$_ has every row") foreach qw(items_e items_e2);

# ---- VACUUM and others in the gap where a rebuild gives way ----

make_items($node, 400);
$pauser = pause_at($node, 'rebuild_wait_snapshots');
q1("SELECT rebuild_index('items_e', m => 6, measure => false)");
wait_for_pause($node);
q1('DELETE FROM items WHERE id % 2 = 0');
my $vacuum = $node->background_psql('postgres');
$vacuum->query_until(qr/begun/, "\\echo begun\nVACUUM items;\n\\echo vacuumed\n");
poll_sql($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass");
q1('BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE; COMMIT');
$vacuum->query_until(qr/vacuumed/, '');
$vacuum->quit;
# These take the row addresses of the deleted ones.
q1('INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(1001, 1200) i');
wait_for_pause($node);
release($pauser);
is(wait_for_job($node), 'done', 'a rebuild goes on after a VACUUM in between');
is(rows_differ($node), '', 'every row is in the index, and no other');

# ---- CREATE INDEX CONCURRENTLY waits for our lock with a snapshot ----

$pauser = pause_at($node, 'rebuild_wait_snapshots');
q1("SELECT rebuild_index('items_e', m => 7, measure => false)");
wait_for_pause($node);
my $cic = $node->background_psql('postgres');
$cic->query_until(qr/begun/, "\\echo begun\nCREATE INDEX CONCURRENTLY items_note ON items (note);\n\\echo created\n");
poll_sql($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass");
release($pauser);
is(wait_for_job($node), 'done', 'a rebuild beside CREATE INDEX CONCURRENTLY');
$cic->query_until(qr/created/, '');
$cic->quit;
is(q1("SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_note'::regclass"), 't',
	'which succeeds as well');
is(rows_differ($node), '', 'every row is in the index');

# ---- partitions ----

q1(<<'X');
CREATE TABLE parts (id int, e vector(8)) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
CREATE TABLE part3 PARTITION OF parts FOR VALUES FROM (200) TO (300);
INSERT INTO parts SELECT i, vec(i) FROM generate_series(0, 299) i;
CREATE INDEX parts_e ON parts USING hnsw (e vector_l2_ops);
X
my $states = "SELECT string_agg(state, ' ' ORDER BY id) FROM rebuild_history WHERE "
  . "id = (SELECT max(id) FROM rebuild_history WHERE index_oid = 'parts_e'::regclass) OR "
  . "parent_id = (SELECT max(id) FROM rebuild_history WHERE index_oid = 'parts_e'::regclass)";
my $parent_over = "SELECT state NOT IN ('queued', 'running') FROM rebuild_history "
  . "WHERE index_oid = 'parts_e'::regclass ORDER BY id DESC LIMIT 1";

$pauser = pause_at($node, 'rebuild_build');
q1("SELECT rebuild_index('parts_e', m => 5, measure => false)");
wait_for_pause($node);
is(q1($states), 'running running queued queued', 'partitions are rebuilt one after another');
is(q1("SELECT cancel_rebuild('part3_e_idx')"), 't', 'one can be cancelled in the queue');
my ($code, $out, $err) = $node->psql('postgres', "SELECT rebuild_index('part2_e_idx')");
like($err, qr/is being rebuilt already/, 'one in the queue cannot be rebuilt by itself');
is(q1("SELECT cancel_rebuild('parts_e')"), 't', 'and all of them');
poll_sql($node, $parent_over);
release($pauser);
is(q1($states), 'cancelled cancelled cancelled cancelled', 'which ends the group');

# A partition that is dropped meanwhile does not keep the others from it.
$pauser = pause_at($node, 'rebuild_build');
q1("SELECT rebuild_index('parts_e', m => 5, measure => false)");
wait_for_pause($node);
q1('DROP TABLE part2');
release($pauser);
poll_sql($node, $parent_over);
is(q1($states), 'failed done failed done', 'a partition is dropped meanwhile');
like(job($node, 'error_message', "index_oid = 'parts_e'::regclass"),
	qr/1 of 3 partitions were not rebuilt, the first because/, 'the record says which');
is(q1("SELECT reloptions IS NULL FROM pg_class WHERE relname = 'parts_e'"), 't',
	'the parent keeps its options');
q1("SELECT rebuild_index('parts_e', m => 5, measure => false)");
poll_sql($node, $parent_over);
is(q1($states), 'done done done', 'the next time all goes well');
is(rows_differ($node, 'part1_e_idx', 'part1'), '', 'every row is in the index');
ok(no_shadows($node), 'nothing is left over');
is(q1("SELECT count(*) FROM pg_inherits WHERE inhparent = 'parts_e'::regclass"), '2',
	'the partitions stay attached');
q1('DROP TABLE parts');

# ---- before the worker begins ----

my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; SELECT rebuild_index('items_e');");
my $pid = worker_pid($node);
q1("SELECT pg_terminate_backend($pid)");
poll_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
$session->query_safe('COMMIT');
$session->quit;
is(job($node, 'state'), 'queued', 'a job whose worker was ended before it began');
q1("SELECT rebuild_index('items_e', measure => false)");
is(wait_for_job($node), 'done', 'is not in the way of the next');
is(job($node, "state || ' ' || error_message", "state <> 'done'"),
	'failed interrupted: the worker process ended during "queued"', 'and is closed');

# ---- the extension goes away ----

q1(<<'X');
CREATE DATABASE other;
X
$node->safe_psql('other', <<'X');
CREATE EXTENSION hnsw_rebuild;
CREATE TABLE t (e vector(3));
INSERT INTO t SELECT ARRAY[i, i, i]::vector FROM generate_series(1, 100) i;
CREATE INDEX t_e ON t USING hnsw (e vector_l2_ops);
CREATE FUNCTION hnr_debug_point_key(text) RETURNS bigint
	AS '$libdir/hnsw_rebuild' LANGUAGE C STRICT;
X
my $holder = $node->background_psql('other');
$holder->query_safe("SELECT pg_advisory_lock(hnr_debug_point_key('rebuild_build'))");
$node->safe_psql('other', "SELECT rebuild_index('t_e')");
wait_for_pause($node);
$node->safe_psql('other', 'SET client_min_messages = warning; DROP EXTENSION hnsw_rebuild CASCADE');
is($node->safe_psql('other', "SELECT count(*) FROM pg_class WHERE relname LIKE 't\\_e%'"),
	'0', 'DROP EXTENSION CASCADE takes indexes and shadow with it');
ok( poll_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild worker'"),
	'the worker goes away');
$holder->quit;

# ---- a worker that was told to end gives back the lock on the table ----

$pauser = pause_at($node, 'rebuild_build');
q1("SELECT rebuild_index('items_e', measure => false)");
wait_for_pause($node);
$pid = worker_pid($node);
q1("SELECT pg_terminate_backend($pid)");
poll_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
release($pauser);
q1("SET lock_timeout = '5s'; ALTER TABLE items ADD COLUMN more int");
is(q1("SELECT count(*) FROM pg_locks WHERE pid = $pid"), '0', 'no lock is left of a dead worker');

# ---- check_index() of a partitioned index, when a leaf gives way to another meanwhile ----

q1(<<'X');
CREATE TABLE whole (id int, e vector(8)) PARTITION BY RANGE (id);
CREATE TABLE whole_1 PARTITION OF whole FOR VALUES FROM (0) TO (50);
CREATE TABLE whole_2 PARTITION OF whole FOR VALUES FROM (50) TO (100);
INSERT INTO whole SELECT i, vec(i) FROM generate_series(1, 99) i;
CREATE INDEX whole_e ON whole USING hnsw (e vector_l2_ops);
X
my %session = map { $_ => $node->background_psql('postgres', on_error_stop => 0) } qw(snapshot reindex reader check);
$session{snapshot}->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$session{reindex}->query_until(qr/asked/, "\\echo asked\nREINDEX INDEX CONCURRENTLY whole_2_e_idx;\n");
poll_sql($node, "SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'");
$session{reader}->query_safe('BEGIN; LOCK TABLE whole_2 IN ACCESS SHARE MODE');
$pauser = pause_at($node, 'check_pages');
$session{check}->query_until(qr/asked/, "\\echo asked\nSELECT message FROM check_index('whole_e', true);\n\\echo over\n");
poll_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'");
$session{snapshot}->query_safe('COMMIT');
poll_sql($node, "SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase = 'waiting for readers before marking dead'");
release($pauser);
$session{check}->query_until(qr/over/, '');
is($session{check}->{stderr}, '', 'check_index() leaves out what is a leaf no longer');
$session{reader}->query_safe('COMMIT');
$_->quit for values %session;

$node->stop;
done_testing();
