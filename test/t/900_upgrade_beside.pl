# One cluster, pgvector in one database and this extension in another: whichever is
# preloaded, in whatever order, both work.  Where pgvector is installed.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('beside');
$node->init;
$node->append_conf('postgresql.conf', <<'X');
autovacuum = off
fsync = off
max_worker_processes = 12
hnsw_rebuild.nice = 0
X
$node->start;
plan skip_all => 'pgvector is not installed for this server'
  if $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") eq '0';

my %extension = (theirs => 'vector', ours => 'hnsw_rebuild');
for my $db (sort keys %extension)
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, <<"X");
CREATE EXTENSION $extension{$db};
CREATE TABLE items (id int, v vector(3));
INSERT INTO items SELECT i, ARRAY[i % 20, i / 20, i % 7]::vector FROM generate_series(1, 400) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
X
}

# Runs statements in a fresh session; gives the answers or the error.
sub answers
{
	my ($db, $sql) = @_;
	my ($out, $err);
	my $status = $node->psql($db, $sql, stdout => \$out, stderr => \$err, on_error_stop => 1);

	return $status ? "error: $err" : $out;
}

my $force = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
my $search = q{
	SET enable_seqscan = off;
	SELECT id FROM items ORDER BY v <-> '[7,3,4]' LIMIT 1;
	SELECT sum(vector_dims(v)), avg(v), round((l2_norm(l2_normalize('[3,4]'::halfvec)))::numeric, 3) FROM items;
};
my $found = "67\n1200|[9.5,9.55,2.995]|1.000";

# What a client does in either database, and beginning with this statement.
sub works
{
	my ($what, $first) = @_;

	$first ||= '';
	for my $db (sort keys %extension)
	{
		is(answers($db, "$first $search"), $found, "$what: $db: search");
		is(answers($db, "$first SET hnsw.ef_search = 77; $search SHOW hnsw.ef_search"), "$found\n77",
			"$what: $db: hnsw.ef_search set before the library is used");
		is(answers($db, "$first SELECT '[1]'::vector; SET hnsw.ef_search = 55; SET hnsw.iterative_scan = strict_order;
				SET $force = on; $search SHOW hnsw.ef_search"),
			"[1]\n$found\n55", "$what: $db: afterwards, and a parallel query");
		like(answers($db, "$first $search SET hnsw.ef_search = 0"),
			qr/0 is outside the valid range/, "$what: $db: its range");
	}
	is(answers('theirs', "$first REINDEX INDEX items_v; $search"), $found, "$what: theirs: build");
	is(answers('ours', "$first SELECT rebuild_index('items_v', m => 12) > 0; CALL wait_for_rebuild('items_v'); $search
			SELECT index_degradation('items_v', 50) < 0.1"),
		"t\n$found\nt", "$what: ours: rebuild");
	is(answers('ours', "$first SELECT rebuild_index('items_v', m => 16, online => false) > 0;
			SET hnsw.ef_search = 66; SELECT index_degradation('items_v', 50) < 0.1;
			SELECT ef_search FROM hnsw_rebuild.measurement ORDER BY id DESC LIMIT 1"),
		"t\nt\n66", "$what: ours: hnsw.ef_search counts");
}

sub preload
{
	my ($kind, $libraries) = @_;

	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\nsession_preload_libraries = ''");
	$node->append_conf('postgresql.conf', "${kind}_preload_libraries = '$libraries'");
	$node->restart;
}

works('nothing preloaded');
for my $kind ('shared', 'session')
{
	for my $libraries ('hnsw_rebuild', 'vector', 'hnsw_rebuild, vector', 'vector, hnsw_rebuild')
	{
		preload($kind, $libraries);
		works("$libraries in ${kind}_preload_libraries");
	}
}
preload('shared', '');
works('both loaded, theirs first', "LOAD 'vector'; LOAD 'hnsw_rebuild';");
is(answers('theirs', "LOAD 'hnsw_rebuild'; $search"), $found, 'ours loaded first where theirs is at home');

# One database does not hold both.
for my $libraries ('', 'hnsw_rebuild', 'hnsw_rebuild, vector')
{
	preload('shared', $libraries);
	my $error = answers('theirs', '\set VERBOSITY verbose' . "\nCREATE EXTENSION hnsw_rebuild");
	like($error, qr/ERROR:  42710: extension "hnsw_rebuild" conflicts with extension "vector"/,
		"CREATE EXTENSION beside pgvector, preloaded '$libraries'");
	like($error, qr/HINT:  .*another database/, 'what to do');
	is(answers('theirs', $search), $found, 'which does no harm');
}

unlike(slurp_file($node->logfile), qr/redefine|TRAP|PANIC|terminated by signal/, 'nothing in the log');

# A session that has used ours cannot load theirs.
preload('shared', '');
{
	my ($out, $err);

	$node->psql('ours', "$search LOAD 'vector'; $search", stdout => \$out, stderr => \$err, on_error_stop => 0);
	like($err, qr/attempt to redefine parameter "hnsw/, 'ours used, then theirs loaded: an error');
	is($out, "$found\n$found", 'which does the session no harm');
}
$node->stop;
done_testing();
