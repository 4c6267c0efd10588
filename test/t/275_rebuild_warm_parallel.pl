# Rebuilds from the old index's graph by several processes: the same index whatever their
# number; not enough shared memory; errors, a cancel, somebody who wants the old index, and
# damage, while there are workers.

use strict;
use warnings FATAL => 'all';

use Digest::MD5 qw(md5_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest qw(read_file write_file);
use RebuildTest;

my $node = new_node('main', conf => <<'X');
maintenance_work_mem = 256MB
max_parallel_workers = 8
max_parallel_maintenance_workers = 2
X

sub path
{
	return $node->data_dir . '/' . $node->safe_psql('postgres', "CHECKPOINT; SELECT pg_relation_filepath('items_e')");
}

# What the index's pages hold, but for the position in the log that each begins with.
sub pages
{
	my $data = read_file(path());

	substr($data, $_ * 8192, 12) = "\0" x 12 for 0 .. length($data) / 8192 - 1;
	return md5_hex($data);
}

# Puts an old index's pages back; the table's rows stand where they stood.
sub restore
{
	my ($bytes) = @_;
	my $path = path();

	$node->stop;
	write_file($path, $bytes);
	$node->start;
}

sub set_action
{
	my ($action) = @_;

	$node->safe_psql('postgres', 'ALTER DATABASE postgres '
		  . ($action ? "SET hnsw_rebuild.debug_point_action = '$action:error'" : 'RESET hnsw_rebuild.debug_point_action'));
}

sub start_rebuild
{
	my ($workers) = @_;

	$node->safe_psql('postgres', "SET max_parallel_maintenance_workers = $workers;
SELECT rebuild_index('items_e', measure => false, warm_start => true)");
}

# Returns how it was done, why, and by how many workers.
sub rebuild
{
	my ($workers) = @_;
	my $before = -s $node->logfile;

	start_rebuild($workers);
	is(wait_for_job($node), 'done', "$workers workers: done");
	my @started = slurp_file($node->logfile, $before) =~ /hnsw graph is made with (\d+) parallel workers/g;
	return job($node, "method || '|' || coalesce(method_reason, '')") . '|' . ($started[0] // 0);
}

sub is_sound
{
	my ($name) = @_;
	my $found = $node->safe_psql('postgres', "SELECT finding || ': ' || message FROM check_index('items_e', true) LIMIT 3");

	is($found . rows_differ($node), '', "$name: the index is sound");
	ok(no_shadows($node), "$name: no shadow");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'"),
		0, "$name: no worker stays");
}

sub recall { return $node->safe_psql('postgres', "SET hnsw.ef_search = 20; SELECT 1 - index_degradation('items_e', 400, seed => 1)"); }

# a churned index, rows with equal vectors in it, too
make_items($node, 6000, 'WITH (m = 8, ef_construction = 40)');
$node->safe_psql('postgres', <<'X');
-- no integers, whose distances can be told in any way
CREATE OR REPLACE FUNCTION vec(seed int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((0.1 * (hashint4(seed * 8 + i) % 100))::real)::vector FROM generate_series(0, 7) i$$;
UPDATE items SET e = vec(id);
REINDEX INDEX items_e;
ALTER TABLE items SET (parallel_workers = 2);
ALTER DATABASE postgres SET log_min_messages = debug1;
X
foreach my $i (0 .. 2)
{
	$node->safe_psql('postgres', "DELETE FROM items WHERE id % 6 = $i");
	$node->safe_psql('postgres', 'VACUUM items');
	$node->safe_psql('postgres', "INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(10001 + 6 * 1000 * $i, 10900 + 6 * 1000 * $i) i");
}
$node->safe_psql('postgres', <<'X');
INSERT INTO items SELECT i, 0, vec(i % 3) FROM generate_series(50001, 50060) i;
DELETE FROM items WHERE id % 11 = 0;
X
$node->safe_psql('postgres', 'VACUUM items');
my $churned = recall();
my $old = read_file(path());

# ---- the same whatever the number of processes ----

is(rebuild(0), 'warm||0', 'alone');
my $alone = pages();
is_sound('alone');
foreach my $workers (1, 2)
{
	restore($old);
	is(rebuild($workers), "warm||$workers", "$workers workers");
	is(pages(), $alone, "$workers workers: the same index");
	is_sound("$workers workers");
}
my $warm = recall();
is(rebuild(2), 'warm||2', 'once more');
is_sound('once more');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', measure => false, warm_start => false)");
is(wait_for_job($node), 'done', 'from scratch');
my $scratch = recall();
note("recall: churned $churned, warm $warm, from scratch $scratch");
cmp_ok($warm, '>', $scratch - 0.02, 'recall is about that from scratch');
cmp_ok($warm, '>', $churned - 0.01, 'and not less than before');

# ---- not enough shared memory ----

restore($old);
set_action('build_shared_memory');
my $before = -s $node->logfile;
is(rebuild(2), 'warm||0', 'no shared memory: alone');
like(slurp_file($node->logfile, $before), qr/WARNING:  building index "\w+" without parallel workers, for lack of shared memory/,
	'no shared memory: says so');
is(pages(), $alone, 'no shared memory: the same index');
is_sound('no shared memory');

# ---- errors, a cancel, and who wants the old index ----

foreach my $point (qw(renew_mend renew_write))
{
	set_action($point);
	like(rebuild(2), qr/^scratch\|fault.*\|2$/, "error at $point: from scratch");
	is_sound("error at $point");
	set_action();

	my $pauser = pause_at($node, $point);
	start_rebuild(2);
	ok(wait_for_pause($node), "rebuild at $point");
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	is(wait_for_job($node), 'cancelled', "cancel at $point");
	release($pauser);
	is_sound("cancel at $point");

	my $other = $node->background_psql('postgres', on_error_stop => 0);
	$pauser = pause_at($node, $point);
	start_rebuild(2);
	ok(wait_for_pause($node), "rebuild at $point");
	$other->query_safe('ALTER INDEX items_e SET TABLESPACE pg_default');
	is(wait_for_job($node), 'done', "$point: the rebuild lets another session in");
	like(job($node, "method || '|' || method_reason"), qr/^scratch\|another session waits for index/, "$point: and goes on from scratch");
	release($pauser);
	$other->quit;
	is_sound("another session at $point");
}
set_action('build_worker');
start_rebuild(2);
is(wait_for_job($node), 'failed', 'error in a worker');
set_action();
is_sound('error in a worker');

# ---- a vector that is none, on some pages: whoever finds it, it is told ----

{
	my $path = path();
	my $bytes = read_file($path);

	# the first vertex's first coordinate, where 270_rebuild_warm.pl says
	substr($bytes, $_ * 8192 + 32 + 40, 4) = pack('L', 0x7F800000) for 1 .. 40;
	$node->stop;
	write_file($path, $bytes);
	$node->start;
	like(rebuild(2), qr/^scratch\|.*corrupt.*\|2$/, 'damaged vectors: from scratch');
	is_sound('damaged vectors');
}

$node->stop;
done_testing();
