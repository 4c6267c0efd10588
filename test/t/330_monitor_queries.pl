# Queries that are kept: whose, by whose leave, how many, who sees them, and that
# index_health() measures with them; prepared statements, read-only transactions, a standby.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RebuildTest;

my $node = new_node('main', init => { allows_streaming => 1 }, conf => <<'X');
shared_preload_libraries = 'hnsw_rebuild'
hnsw_rebuild.naptime = 1
hnsw_rebuild.nice = 0
enable_seqscan = off
X

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub kept { return sql("SELECT count(*) FROM query_samples WHERE index = '$_[0]'::regclass"); }

sub clear { return sql("SELECT clear_query_samples('items_e')"); }

# How many of those kept are vec(first) to vec(last).
sub kept_of
{
	return sql("SELECT count(*) FROM query_samples s
		JOIN generate_series($_[0], $_[1]) i ON s.query = vec(i)::text");
}

# Searches for vec(first) to vec(last), one by one, after some other statement.
my $searches = <<'X';
DO $$
DECLARE
	q vector;
BEGIN
	FOR i IN %d .. %d LOOP
		q := vec(i);
		PERFORM id FROM items ORDER BY e <-> q LIMIT 3;
	END LOOP;
END $$;
X

sub search
{
	my ($first, $last, @before) = @_;

	sql(join(";\n", @before, sprintf($searches, $first, $last)));
	return;
}

# Until as many are kept of the index as there may be.
sub fill
{
	for my $round (1 .. 40)
	{
		search($round * 1000, $round * 1000 + 200, 'SET hnsw_rebuild.query_sample_rate = 1');
		poll_sql($node, 'SELECT count(*) > 0 FROM query_samples');
		last if kept('items_e') == 100;
	}
	return;
}

my $on = "SET hnsw_rebuild.query_sample_rate = 1";

sql(<<'X');
CREATE ROLE owner;
CREATE ROLE reader;
GRANT CREATE ON SCHEMA public TO owner;
SET ROLE owner;
CREATE TABLE items (id int PRIMARY KEY, e vector(8));
INSERT INTO items SELECT i, vec(i) FROM generate_series(1, 500) i;
CREATE INDEX items_e ON items USING hnsw (e vector_l2_ops);
GRANT SELECT ON items TO reader;
X

# ---- Off by default. ----
search(1, 50);
search(1, 50, 'SET ROLE reader');
is(clear(), 0, 'nothing is kept by default');

# ---- By leave of a superuser: everybody's. ----
search(1001, 1010, $on, 'SET ROLE reader');
poll_sql($node, 'SELECT count(*) = 10 FROM query_samples');
is(kept_of(1001, 1010), 10, 'what is kept is what was searched for');
is(sql('SET ROLE owner; SELECT count(*) FROM query_samples'), 10, 'the owner of the index sees them');
is(sql('SET ROLE reader; SELECT count(*) FROM query_samples'), 0, 'who has asked does not');
sql('GRANT pg_monitor TO reader');
is(sql('SET ROLE reader; SELECT count(*) FROM query_samples'), 0, 'nor does who may monitor');
my ($ret, $out, $err) = $node->psql('postgres',
	'SET ROLE reader; SELECT count(*) FROM hnsw_rebuild.query_sample');
like($err, qr/permission denied/, 'not in the table either');
sql('REVOKE pg_monitor FROM reader');
($ret, $out, $err) = $node->psql('postgres', "SET ROLE owner; $on");
like($err, qr/permission denied/, 'the owner of an index may not record everybody');

# ---- By leave of the owner: his own. ----
($ret, $out, $err) = $node->psql('postgres',
	'SET ROLE reader; ALTER INDEX items_e SET (query_sample_rate = 1)');
like($err, qr/must be owner/, 'nobody else may record');
sql('SET ROLE owner; ALTER INDEX items_e SET (query_sample_rate = 1)');
is(sql("SET ROLE owner; SELECT clear_query_samples('items_e')"), 10, 'cleared by the owner');
search(3001, 3005, 'SET ROLE reader');
search(4001, 4005);
search(2001, 2005, 'SET ROLE owner');
poll_sql($node, 'SELECT count(*) >= 5 FROM query_samples');
is(kept('items_e'), 5, 'five are kept');
is(kept_of(2001, 2005), 5, 'those of the owner');
sql('ALTER INDEX items_e RESET (query_sample_rate)');

# ---- Prepared statements, cursors, read-only transactions. ----
clear();
sql("$on;\n" . <<'X');
SET plan_cache_mode = force_generic_plan;
PREPARE nearest (vector) AS SELECT id FROM items ORDER BY e <-> $1 LIMIT 3;
EXECUTE nearest (vec(5001));
EXECUTE nearest (vec(5002));
BEGIN READ ONLY;
EXECUTE nearest (vec(5003));
DECLARE c CURSOR FOR SELECT id FROM items ORDER BY e <-> vec(5004);
FETCH 3 FROM c;
FETCH 3 FROM c;
COMMIT;
BEGIN;
EXECUTE nearest (vec(5005));
ROLLBACK;
SELECT index_degradation('items_e');
SELECT name FROM index_health('items_e');
X
poll_sql($node, 'SELECT count(*) >= 5 FROM query_samples');
is(kept_of(5001, 5005), 5, 'prepared statements, cursors, read-only transactions, those rolled back');
is(kept('items_e'), 5, 'measurements are no queries of users');

# ---- A part of them; a bound. ----
clear();
search(1, 3000, 'SET hnsw_rebuild.query_sample_rate = 0.005');
poll_sql($node, 'SELECT count(*) > 0 FROM query_samples');
cmp_ok(kept('items_e'), '<', 60, 'a small part of many');
fill();
is(kept('items_e'), 100, 'a hundred of an index');
search(90000, 90500, $on);
search(1, 1, $on);
# whatever waits has been stored when what was asked last has been, and in any case:
cmp_ok(kept('items_e'), '<=', 100, 'and no more');

# ---- Clearing, while queries are on their way to the table, and while somebody else is. ----
clear();
my $pauser = pause_at($node, 'queries_taken');
search(1, 10, $on);
poll_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'");
my $clearing = $node->background_psql('postgres');
$clearing->query_until(qr/asked/, "\\echo asked\nSELECT clear_query_samples('items_e');\n");
poll_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'object'");
release($pauser);
like($clearing->query_until(qr/^\d+$/m, ''), qr/^10$/m, 'queries on their way are cleared');
$clearing->query_safe("BEGIN; SELECT clear_query_samples('items_e')");
is(kept('items_e'), 0, 'none comes after that');
search(1, 10, $on);
poll_sql($node, 'SELECT count(*) = 10 FROM query_samples');
$clearing->query_safe("SELECT clear_query_samples('items_e')");
search(11, 20, $on);
poll_sql($node, 'SELECT count(*) = 20 FROM query_samples');
is(kept_of(11, 20), 10, 'storing does not wait for who clears');
$clearing->query_safe('ROLLBACK');
$clearing->quit;
is(kept('items_e'), 20, 'nothing is lost when clearing is rolled back');
fill();

# ---- index_health() measures with them. ----
is( sql("SELECT sampled_from, sampled FROM index_health('items_e')"),
	'queries|100', 'measured with queries');
clear();
is(sql("SELECT sampled_from FROM index_health('items_e')"), 'rows', 'with rows when there are none');

# ---- Other types, and what is too long or nothing to compare. ----
sql("$on;\n" . <<'X');
CREATE TABLE others (s sparsevec(100000), b bit(16), h halfvec(8));
INSERT INTO others SELECT ('{' || i || ':1}/100000')::sparsevec, i::bit(16), vec(i)::halfvec
FROM generate_series(1, 100) i;
CREATE INDEX others_s ON others USING hnsw (s sparsevec_l2_ops);
CREATE INDEX others_b ON others USING hnsw (b bit_hamming_ops);
CREATE INDEX others_h ON others USING hnsw (h halfvec_cosine_ops);
SELECT FROM others ORDER BY s <->
	(SELECT '{' || string_agg(i || ':1', ',') || '}/100000' FROM generate_series(1, 9000) i)::sparsevec LIMIT 1;
SELECT FROM others ORDER BY h <=> '[0,0,0,0,0,0,0,0]' LIMIT 1;
SELECT FROM others ORDER BY h <=> NULL LIMIT 1;
SELECT FROM others ORDER BY s <-> '{7:2}/100000' LIMIT 1;
SELECT FROM others ORDER BY b <~> B'1010101010101010' LIMIT 1;
SELECT FROM others ORDER BY h <=> '[1,2,3,4,5,6,7,8]' LIMIT 1;
X
poll_sql($node, 'SELECT count(*) >= 3 FROM query_samples');
is( sql("SELECT string_agg(index || ' ' || query, '; ' ORDER BY index::text) FROM query_samples"),
	'others_b 1010101010101010; others_h [1,2,3,4,5,6,7,8]; others_s {7:2}/100000', 'other types');
sql('DROP TABLE others');
search(1, 1, $on);
ok(poll_sql($node, 'SELECT count(*) = 1 FROM hnsw_rebuild.query_sample'),
	'those of a dropped index are gone');

# ---- A restart, and a standby. ----
clear();
search(1, 30, $on);
poll_sql($node, 'SELECT count(*) >= 25 FROM query_samples');
my $kept = kept('items_e');
$node->restart;
is(kept('items_e'), $kept, 'kept over a restart');
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'hnsw_rebuild.query_sample_rate = 1');
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is( $standby->safe_psql('postgres', "SELECT sampled_from, sampled FROM index_health('items_e')"),
	"queries|$kept", 'a standby measures with what the primary has kept');
clear();
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is( $standby->safe_psql('postgres', "SELECT sampled_from FROM index_health('items_e')"),
	'rows', 'and with rows without');
$standby->safe_psql('postgres', sprintf($searches, 1, 400));
is( $standby->safe_psql('postgres', "SELECT sampled_from, sampled BETWEEN 20 AND 64 FROM index_health('items_e')"),
	'queries|t', 'or with what was asked there last');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM query_samples'), 0, 'which is not written there');
($ret, $out, $err) = $standby->psql('postgres', "SELECT clear_query_samples('items_e')");
like($err, qr/recovery/, 'nor cleared');

$standby->stop;
$node->stop;
done_testing();
