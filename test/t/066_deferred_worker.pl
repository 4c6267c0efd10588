# Who asks for a worker that merges pending rows has something else to do, and does it whether or
# not there can be one: where the table of locks is full, in a transaction that is prepared, in a
# database that is closed to others.  And where nobody inserts any more, after a restart, the
# launcher asks for one.  A worker goes when somebody wants the database, however many indexes
# it has to serve.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

my $node = am_node('main', conf => <<'X');
autovacuum = off
max_connections = 10
max_locks_per_transaction = 20
max_prepared_transactions = 2
X
my $make = <<'X';
CREATE TABLE rows (e vector(3));
CREATE INDEX rows_e ON rows USING hnsw (e vector_l2_ops) WITH (deferred = on);
X
my $row = "INSERT INTO rows VALUES ('[1,2,3]')";

sub merged
{
	my ($database) = @_;

	return $node->poll_query_until($database || 'postgres', "SELECT pending_rows = 0 FROM index_status('rows_e')");
}

# ---- the table of locks is full ----

$node->safe_psql('postgres', $make);
my $writer = $node->background_psql('postgres', on_error_stop => 0);
# without a worker, whose locks could be given back just then
$writer->query_safe("SET hnsw_rebuild.merge_workers = 0; BEGIN; $row");
my $hoarder = $node->background_psql('postgres', on_error_stop => 0);
$hoarder->query('SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 1000000) i');
like($hoarder->{stderr}, qr/out of shared memory/, 'the table of locks is full');
$writer->{stderr} = '';
$writer->query("SET hnsw_rebuild.merge_workers = 1; $row");
is($writer->{stderr}, '', 'an insertion that cannot find out whether there is a worker');
$hoarder->quit;
$writer->query_safe("COMMIT; SELECT pg_sleep(0.3); $row");
ok(merged(), 'and those later can');
$writer->quit;

# ---- a transaction is prepared that the index came with ----

$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
$node->safe_psql('postgres', "DROP TABLE rows; BEGIN; $make $row; PREPARE TRANSACTION 'rows'; COMMIT PREPARED 'rows'");
ok(merged(), 'rows of a prepared transaction that their index came with');

# ---- the database is closed, but for who is in it ----

$node->safe_psql('postgres', 'CREATE DATABASE closed');
$node->safe_psql('closed', "CREATE EXTENSION hnsw_rebuild; $make");
$writer = $node->background_psql('closed');
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS false');
$writer->query_safe("$row; SELECT pg_sleep(0.3); $row; SELECT pg_sleep(0.3)");
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS true');
unlike(slurp_file($node->logfile), qr/not currently accepting connections/, 'no worker is started to be sent away');
$writer->query_safe($row);
$writer->quit;
ok(merged('closed'), 'nor is one missing when there can be one');

# ---- a worker that serves another index, or none ----

sub advice
{
	return $node->safe_psql('postgres', "SET hnsw_rebuild.debug_point_action = 'health_stalled:error'; SELECT action FROM index_health('$_[0]')");
}

$node->safe_psql('postgres', "CREATE TABLE others (e vector(3)); CREATE INDEX others_e ON others USING hnsw (e vector_l2_ops) WITH (deferred = on)");
$writer = $node->background_psql('postgres');
$writer->query_safe(q{CREATE FUNCTION hnr_debug_point_key(text) RETURNS bigint AS '$libdir/hnsw_rebuild' LANGUAGE C STRICT});
$writer->query_safe("SELECT pg_advisory_lock(hnr_debug_point_key('merge_row'))");
$node->safe_psql('postgres', $row);
$node->poll_query_until('postgres', "SELECT merging FROM index_status('rows_e')") or fail 'merging';
$node->safe_psql('postgres', "INSERT INTO others VALUES ('[1,2,3]')");
is(advice('others_e'), 'none', 'rows that wait for a worker to come are not left lying');
$writer->query_safe("SELECT pg_advisory_unlock(hnr_debug_point_key('merge_row'))");
$writer->quit;
ok(merged(), 'it goes on');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
$node->safe_psql('postgres', "SET hnsw_rebuild.merge_workers = 0; INSERT INTO others VALUES ('[1,2,3]')");
is(advice('others_e'), 'flush', 'those that wait for nobody are');
$node->safe_psql('postgres', 'DROP TABLE others');

# ---- only the launcher comes by ----

$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
$node->safe_psql('postgres', "SET hnsw_rebuild.merge_workers = 0; $row");
is($node->safe_psql('postgres', "SELECT pending_rows FROM index_status('rows_e')"), 1, 'nobody merges the row');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'hnsw_rebuild'");
$node->restart;
ok(merged(), 'the launcher has a row merged that came before a restart');
$node->append_conf('postgresql.conf', 'hnsw_rebuild.naptime = 1');
$node->reload;
for my $what ('that came later', 'of an index that came later')
{
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
	$node->safe_psql('postgres', "SET hnsw_rebuild.merge_workers = 0; $row");
	ok(merged(), "and one $what");
	# no index is left to be watched, and that is found out
	$node->safe_psql('postgres', 'DROP TABLE rows');
	sleep 3;
	$node->safe_psql('postgres', $make);
}
# as a crash leaves one, before ALTER INDEX has made good what it found pending
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
$node->safe_psql('postgres', "SET hnsw_rebuild.merge_workers = 0; BEGIN; $row;"
	  . "UPDATE pg_class SET reloptions = NULL WHERE oid = 'rows_e'::regclass; COMMIT");
ok(merged(), 'and one of an index that is not deferred any more');
$node->safe_psql('postgres', "ALTER INDEX rows_e SET (deferred = on)");

# ---- it comes by, and there is no room for a worker beside its own ----

sub restart_with
{
	$node->append_conf('postgresql.conf', "max_worker_processes = $_[0]");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild merge'") or fail 'ended';
	$node->safe_psql('postgres', "SET hnsw_rebuild.merge_workers = 0; $row");
	$node->restart;
}

restart_with(3);
ok(merged(), 'a row is merged by a worker in the place of that which has come by');

# ---- there is no room for any ----

sub complaints { return scalar(() = slurp_file($node->logfile) =~ /no background worker is free to merge/g); }

my $before = complaints();
restart_with(2);
$node->safe_psql('postgres', "$row; SELECT pg_sleep(0.3); $row");
is(complaints(), $before + 1, 'which who inserts has logged');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
ok(merged(), 'and made good');

# ---- it has many indexes to serve, and the database is wanted ----

$node->safe_psql('postgres', 'CREATE DATABASE many');
$node->safe_psql('many', <<'X');
CREATE EXTENSION hnsw_rebuild;
CREATE TABLE vectors AS
	SELECT array_agg(random())::vector e FROM generate_series(0, 64 * 100 - 1) i GROUP BY i / 64;
SET hnsw_rebuild.merge_workers = 0;
DO $$ BEGIN
	FOR n IN 1..400 LOOP
		EXECUTE format('CREATE TABLE rows_%s (e vector(64))', n);
		EXECUTE format('CREATE INDEX ON rows_%s USING hnsw (e vector_l2_ops) WITH (deferred = on)', n);
		EXECUTE format('INSERT INTO rows_%s SELECT e FROM vectors', n);
		COMMIT;
	END LOOP;
END $$;
SET hnsw_rebuild.merge_workers = 1;
INSERT INTO rows_1 SELECT e FROM vectors LIMIT 1;
X
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'many' AND backend_type = 'hnsw_rebuild merge'")
  or fail 'begun';
$node->safe_psql('postgres', 'DROP DATABASE many');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = 'many'"), 0,
	'a worker that serves many indexes goes when the database is dropped');

$node->stop;
done_testing();
