# No room: hardly any shared buffers, and a disk that is full.  The latter is a limit of
# the size of files, which the postmaster hands down to its children: whatever grows
# an index beyond it fails, and nothing else does.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest;

plan skip_all => 'prlimit is not installed' if system('prlimit --version >/dev/null 2>&1') != 0;

my $node = am_node('main', init => { extra => ['--wal-segsize=1'] }, conf => <<'X');
shared_buffers = 256kB
max_wal_size = 16MB
maintenance_work_mem = 1MB
work_mem = 64kB
temp_buffers = 800kB
max_worker_processes = 8
X

# One page a vertex, and two; hardly any of it in the table.
$node->safe_psql('postgres', <<'X');
CREATE TABLE t (id serial, e vector(8), f vector(300));
CREATE INDEX t_e ON t USING hnsw (e vector_l2_ops) WITH (m = 100, ef_construction = 200);
CREATE INDEX t_f ON t USING hnsw (f vector_cosine_ops) WITH (m = 100, ef_construction = 200);
-- to be built anew with more neighbors than there is room for
CREATE TABLE b AS SELECT i AS id, vec(i, 300)::vector(300) AS f FROM generate_series(1, 250) i;
CREATE INDEX b_f ON b USING hnsw (f vector_cosine_ops) WITH (m = 2, ef_construction = 20);
ALTER INDEX b_f SET (m = 100, ef_construction = 200);
X

sub limit
{
	my ($bytes) = @_;
	my ($pid) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	system_or_bail('prlimit', '--pid', $pid, "--fsize=$bytes:unlimited");
}

sub findings
{
	my ($condition) = @_;
	return $node->safe_psql('postgres', join ' UNION ALL ',
		map { "SELECT '$_', finding, message FROM check_index('$_', true) WHERE $condition" } qw(t_e t_f));
}

sub insert { return "INSERT INTO t (e, f) SELECT vec($_[0] + i, 8), vec($_[0] + i, 300) FROM generate_series(1, $_[1]) i"; }

# Every row is found by a search for its own vector.
sub not_found
{
	return $node->safe_psql('postgres', <<'X');
SET enable_seqscan = off;
SET hnsw.ef_search = 400;
SELECT count(*) FILTER (WHERE (SELECT s.e FROM t s ORDER BY s.e <-> t.e LIMIT 1) <> t.e) +
	count(*) FILTER (WHERE (SELECT s.f FROM t s ORDER BY s.f <=> t.f LIMIT 1) <> t.f) FROM t;
X
}

$node->safe_psql('postgres', insert(0, 20));
limit(1_500_000);

# Two sessions insert row by row until neither can.
my $file = PostgreSQL::Test::Utils::tempdir . '/insert.sql';
append_to_file($file, "\\set i random(1, 1000000)\n" . insert(':i', 1) . ";\n");
my ($out, $err) = run_command(
	[
		$node->installed_command('pgbench'), '-n', '-c', '2', '-t', '1000', '-f', $file,
		'-h', $node->host, '-p', $node->port, 'postgres'
	]);
like($err, qr/could not extend file/, 'insertions: the disk is full');
is(findings("severity = 'error'"), '', 'insertions: check_index');
is(not_found(), '0', 'insertions: rows are found');
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
note("$rows rows");

for my $sql ('REINDEX INDEX b_f', 'REINDEX INDEX CONCURRENTLY b_f',
	"SELECT rebuild_index('b_f', online => false)",
	"SELECT rebuild_index('b_f'); CALL wait_for_rebuild('b_f')",
	'CREATE INDEX more ON b USING hnsw (f vector_l2_ops) WITH (m = 100, ef_construction = 200)',
	insert(5000, 300))
{
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql);
	like($stderr, qr/could not extend file/i, "$sql: fails and says why");
}
$node->safe_psql('postgres', 'DROP INDEX IF EXISTS b_f_ccnew');
is($node->safe_psql('postgres', "SELECT string_agg(relname, ' ') FROM pg_class WHERE relname LIKE 'b\\_f\\_%' OR relname = 'more'"),
	'', 'nothing is left of them');
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), $rows, 'the rows are those from before');
is(findings("severity = 'error'"), '', 'afterwards: check_index');
is($node->safe_psql('postgres', "SELECT * FROM check_index('b_f', true) WHERE severity = 'error'"), '', 'afterwards: check_index of what was to be rebuilt');

# What VACUUM frees is used at once: the files need not grow.
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 2 = 0');
$node->safe_psql('postgres', 'VACUUM t');
is(findings("finding NOT IN ('unreachable', 'no_links')"), '', 'VACUUM: check_index');
is(not_found(), '0', 'VACUUM: rows are found');
# ... but for a page of an upper level now and then, which VACUUM may not have freed.
my $added = grep { ($node->psql('postgres', insert(9000 + $_, 1)))[0] == 0 } 1 .. $rows / 3;
cmp_ok($added, '>=', $rows / 4, 'insertions into freed places');
is(findings("severity = 'error'"), '', 'insertions into freed places: check_index');
is(not_found(), '0', 'insertions into freed places: rows are found');

limit('unlimited');
$node->safe_psql('postgres', insert(20000, 100));
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 3 = 0');
$node->safe_psql('postgres', 'VACUUM t');
is(findings("finding NOT IN ('unreachable', 'no_links')"), '', 'with room again: check_index');
is(not_found(), '0', 'with room again: rows are found');
is(crashes($node), '', 'no crash');
$node->stop;
done_testing();
