# The launcher: indexes over their threshold are rebuilt without anybody asking,
# once; what a rebuild cannot cure is left alone.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'hnsw_rebuild'
hnsw_rebuild.naptime = 1
hnsw_rebuild.auto_cooldown = 0
hnsw_rebuild.auto_min_rows = 500
hnsw_rebuild.nice = 0
autovacuum = off
max_worker_processes = 16
});
$node->start;

sub sql { return $node->safe_psql('app', $_[0]); }

# Waits until so many checks of the watched databases have begun and ended.
my $marks = 0;

sub wait_naps
{
	my ($n) = @_;
	my $offset = -s $node->logfile;

	# A threshold that is set has the database checked at once; the table is
	# too small for anything else to happen.
	for (1 .. $n)
	{
		$marks++;
		sql("CREATE TABLE mark_$marks (v vector(2));
			CREATE INDEX mark_index_$marks ON mark_$marks USING hnsw (v vector_l2_ops)
			WITH (auto_rebuild_threshold = 0.5)");
		$node->poll_query_until('app',
			"SELECT count(*) = 1 FROM hnsw_rebuild.decision
			WHERE index_oid = 'mark_index_$marks'::regclass AND verdict = 'too small'")
		  or die 'no check took place';
		sql("DROP TABLE mark_$marks");
	}
	return;
}

sub rebuilds
{
	my ($index) = @_;
	return sql("SELECT count(*) FROM rebuild_history
		WHERE index_name LIKE '%$index' AND trigger = 'auto'");
}

$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('postgres', 'CREATE DATABASE other');
sql(q{
CREATE EXTENSION hnsw_rebuild;
CREATE FUNCTION random_vector(seed int, dims int) RETURNS vector LANGUAGE sql AS
$$ SELECT array_agg(((hashint4(seed * 1000 + i) & 65535) / 65536.0)::real ORDER BY i)::vector
   FROM generate_series(1, dims) i $$;
CREATE TABLE items (id int PRIMARY KEY, v vector(24));
INSERT INTO items SELECT i, random_vector(i, 24) FROM generate_series(1, 2000) i;
CREATE INDEX curable ON items USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
});

# --- An index that a rebuild cures: poor options were replaced since.
my $oid = sql("SELECT 'curable'::regclass::oid");
my $filenode = sql("SELECT pg_relation_filenode('curable')");
my $before = sql("SELECT index_degradation('curable', seed => 1)");
cmp_ok($before, '>', 0.3, "poor options: degradation $before");

my ($ret, $stdout, $stderr) = $node->psql('app',
	'ALTER INDEX curable SET (m = 16, ef_construction = 64, auto_rebuild_threshold = 0.2)');
is($ret, 0, 'threshold set');
unlike($stderr, qr/WARNING/, 'no warning where the launcher runs');

ok( $node->poll_query_until('app',
		"SELECT count(*) = 1 FROM rebuild_history WHERE state = 'done' AND trigger = 'auto'"),
	'rebuilt by itself');
is(sql("SELECT 'curable'::regclass::oid"), $oid, 'same OID');
isnt(sql("SELECT pg_relation_filenode('curable')"), $filenode, 'new storage');
my $after = sql("SELECT index_degradation('curable', seed => 1)");
cmp_ok($after, '<', 0.2, "degradation $after afterwards");
is(sql("SELECT m, ef_construction FROM index_status('curable')"), '16|64', 'new options in force');
like(
	sql("SELECT reason FROM hnsw_rebuild.decision WHERE verdict = 'rebuild'"),
	qr/^Degradation 0\.\d+ is over the threshold 0\.200\.$/,
	'the decision is on record');

wait_naps(3);
is(rebuilds('curable'), 1, 'rebuilt once');
is( sql("SELECT verdict FROM hnsw_rebuild.decision
		WHERE index_oid = 'curable'::regclass ORDER BY id DESC LIMIT 1"),
	'fine', 'fine since');
my $measured = sql("SELECT count(*) FROM hnsw_rebuild.measurement
	WHERE index_oid = 'curable'::regclass AND purpose = 'auto'");

# --- Nothing is measured again before enough rows have changed.
wait_naps(3);
is( sql("SELECT count(*) FROM hnsw_rebuild.measurement
		WHERE index_oid = 'curable'::regclass AND purpose = 'auto'"),
	$measured, 'no measurement without changes');
sql('UPDATE items SET v = random_vector(id + 10000, 24) WHERE id <= 1000');
ok( $node->poll_query_until('app',
		"SELECT count(*) > $measured FROM hnsw_rebuild.measurement
		WHERE index_oid = 'curable'::regclass AND purpose = 'auto'"),
	'measured again after changes');

# --- An index that no rebuild cures: rebuilt once, then left alone.
sql(q{
DROP TABLE items;
CREATE TABLE poor (id int PRIMARY KEY, v vector(24));
INSERT INTO poor SELECT i, random_vector(i, 24) FROM generate_series(1, 2000) i;
CREATE INDEX incurable ON poor USING hnsw (v vector_l2_ops)
	WITH (m = 2, ef_construction = 4, auto_rebuild_threshold = 0.1);
});
ok( $node->poll_query_until('app',
		"SELECT verdict = 'incurable' FROM hnsw_rebuild.decision
		WHERE index_oid = 'incurable'::regclass ORDER BY id DESC LIMIT 1"),
	'found incurable');
is(rebuilds('incurable'), 1, 'after one rebuild');
my $decided = sql('SELECT max(id) FROM hnsw_rebuild.measurement');
# The same vectors in new rows: much changes, nothing gets worse.
sql('UPDATE poor SET id = id + 100000 WHERE id % 4 = 0');
ok( $node->poll_query_until('app',
		"SELECT max(id) > $decided FROM hnsw_rebuild.measurement"),
	'measured again after changes');
wait_naps(2);
is(rebuilds('incurable'), 1, 'and not rebuilt again');
like(
	sql("SELECT auto_rebuild_note FROM index_status('incurable')"),
	qr/but the last rebuild reached/, 'index_status tells why');

# --- Other databases are looked at once and then left alone.
my $commits = $node->safe_psql('postgres',
	"SELECT xact_commit FROM pg_stat_database WHERE datname = 'other'");
wait_naps(3);
is( $node->safe_psql('postgres',
		"SELECT xact_commit FROM pg_stat_database WHERE datname = 'other'"),
	$commits, 'no visit to a database without an index to watch');

# --- Nobody waits for us: DROP DATABASE, CREATE DATABASE from ours.
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE app');
ok( $node->poll_query_until('copy',
		"SELECT count(*) > 0 FROM hnsw_rebuild.decision
		WHERE decided_at > (SELECT pg_postmaster_start_time())"),
	'a copied database is looked after');
$node->safe_psql('postgres', 'DROP DATABASE copy');
$node->safe_psql('postgres', 'DROP DATABASE other');
pass('databases dropped while the launcher runs');

# Not for a rebuild that it has started either.
$node->safe_psql('postgres', 'CREATE DATABASE busy TEMPLATE app');
$node->safe_psql('busy', q{
DROP TABLE poor;
CREATE TABLE items (id int PRIMARY KEY, v vector(24));
INSERT INTO items SELECT i, random_vector(i, 24) FROM generate_series(1, 10000) i;
CREATE INDEX busy ON items USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
ALTER INDEX busy SET (m = 100, ef_construction = 1000, auto_rebuild_threshold = 0.1);
});
ok( $node->poll_query_until('busy', "SELECT status = 'rebuilding' FROM index_status('busy')"),
	'a long rebuild has begun');
($ret, $stdout, $stderr) = $node->psql('postgres', 'DROP DATABASE busy');
is($stderr, '', 'a database is dropped during an automatic rebuild');

# --- The off switch.
sql(q{
DROP TABLE poor;
CREATE TABLE items (id int PRIMARY KEY, v vector(24));
INSERT INTO items SELECT i, random_vector(i, 24) FROM generate_series(1, 2000) i;
CREATE INDEX switched ON items USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
});
$node->append_conf('postgresql.conf', 'hnsw_rebuild.launcher = off');
$node->reload;
$node->poll_query_until('app', "SELECT setting = 'off' FROM pg_settings WHERE name = 'hnsw_rebuild.launcher'");
($ret, $stdout, $stderr) = $node->psql('app',
	'ALTER INDEX switched SET (m = 16, ef_construction = 64, auto_rebuild_threshold = 0.2)');
like($stderr, qr/WARNING/, 'a threshold is set in vain while the launcher is off');
$node->safe_psql('postgres', 'SELECT pg_sleep(3)');
is(rebuilds('switched'), 0, 'nothing happens while it is off');
$node->append_conf('postgresql.conf', 'hnsw_rebuild.launcher = on');
$node->reload;
ok( $node->poll_query_until('app',
		"SELECT count(*) = 1 FROM rebuild_history
		WHERE index_name LIKE '%switched' AND state = 'done'"),
	'rebuilt after it is switched on');

# --- What a crash leaves behind is gone soon after the start.
sql("ALTER INDEX switched RESET (auto_rebuild_threshold)");
sql("INSERT INTO items SELECT i, random_vector(i, 24) FROM generate_series(2001, 10000) i");
sql("SELECT rebuild_index('switched', m => 100, ef_construction => 1000)");
ok( $node->poll_query_until('app',
		"SELECT phase = 'building graph' FROM index_status('switched')"),
	'a long rebuild has begun');
$node->stop('immediate');
$node->start;
ok( $node->poll_query_until('app',
		"SELECT count(*) = 1 FROM pg_index WHERE indrelid = 'items'::regclass AND NOT indisprimary"),
	'no leftover of a rebuild that a crash stopped');
like(
	sql("SELECT status || ': ' || last_error FROM index_status('switched')"),
	qr/^failed: ./, 'and the status tells');

# --- The launcher comes back.
my $pid = $node->safe_psql('postgres',
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild launcher'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity
		WHERE backend_type = 'hnsw_rebuild launcher' AND pid <> $pid"),
	'restarted after a termination');

# --- None on a standby, one after its promotion.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is( $standby->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hnsw_rebuild%'"),
	0, 'no launcher on a standby');
is( $standby->safe_psql('app', "SELECT status FROM index_status('switched')"),
	'failed', 'index_status on a standby');
cmp_ok($standby->safe_psql('app', "SELECT index_degradation('switched')"),
	'<', 0.2, 'index_degradation on a standby');
$standby->promote;
ok( $standby->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild launcher'"),
	'a launcher after the promotion');

$standby->stop;
$node->stop;

# --- Without preloading: a warning.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->start;
($ret, $stdout, $stderr) = $node->psql('app',
	'ALTER INDEX switched SET (auto_rebuild_threshold = 0.3)');
is($ret, 0, 'a threshold can be set without preloading');
like($stderr, qr/WARNING.*shared_preload_libraries/s, 'with a warning');
$node->stop;

done_testing();
