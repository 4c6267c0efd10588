# Rebuilds that begin with the old index's graph: as good as those from scratch, with
# every row, while others write; and where that cannot be done, for a damaged page, other
# options, an error at any point or too little recall, from scratch, with the reason.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use FindBin;
use Test::More;

use RebuildTest;

# Where things stand on a page: src/am/page.h.
use constant BLCKSZ => 8192;
# of 8 floats, on the first vertex of a page; its first slot has a constant at CODE.
use constant { CONTENTS => 32, STATE => 0, SCALE => 5, GENERATION => 8, ERROR => 12, TIDS => 22, VECTOR => 40, CODE => 80 };

my $node = new_node('main', init => { extra => ['--data-checksums'] });
my $round = 0;

$node->safe_psql('postgres', 'ALTER DATABASE postgres SET ignore_checksum_failure = on');

sub items { make_items($node, 3000, 'WITH (m = 8, ef_construction = 40)'); }

# How the newest rebuild was done, and why.
sub how { return job($node, "method || '|' || coalesce(method_reason, '')", @_); }

sub rebuild
{
	my ($options) = @_;

	$node->safe_psql('postgres', "SELECT rebuild_index('items_e'" . ($options ? ", $options" : '') . ')');
	return wait_for_job($node);
}

# Nothing wrong with the index, every row in it once, and no shadow.
sub is_sound
{
	my ($name) = @_;
	my $found = $node->safe_psql('postgres', "SELECT finding || ': ' || message FROM check_index('items_e', true) LIMIT 3");

	is($found . rows_differ($node), '', "$name: the index is sound");
	ok(no_shadows($node), "$name: no shadow");
}

# ---- plain: rows deleted before and after VACUUM, updated, equal ones ----

items();
$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 6 = 0');
$node->safe_psql('postgres', 'VACUUM items');
$node->safe_psql('postgres', <<'X');
INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(10001, 10500) i;
INSERT INTO items SELECT i, 0, vec(i % 2) FROM generate_series(20001, 20050) i;
BEGIN; INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(30001, 30050) i; ROLLBACK;
INSERT INTO items VALUES (40001, 0, NULL);
DELETE FROM items WHERE id % 7 = 0;
X
churn($node, ++$round);
is(rebuild(), 'done', 'a rebuild');
is(how(), 'warm|', 'begins with the old graph');
is_sound('warm');
is(rebuild(), 'done', 'another one');
is(how(), 'warm|', 'does, too');
is(rebuild('warm_start => false'), 'done', 'one that is asked not to');
is(how(), 'scratch|', 'does not');
is(rebuild('m => 10'), 'done', 'other m');
is(how(), 'scratch|m is another one', 'is from scratch');
is(rebuild('ef_construction => 60'), 'done', 'other ef_construction');
is(how(), 'scratch|ef_construction is another one', 'is from scratch');
is(rebuild('online => false'), 'done', 'in the transaction');
is(how(), 'scratch|', 'is from scratch');
is_sound('scratch');

# ---- others write at each point; prepared transactions ----

my @points = qw(renew_scan renew_load renew_mend renew_write);

foreach my $point (@points)
{
	my $pauser = pause_at($node, $point);

	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', measure => false)");
	ok(wait_for_pause($node), "rebuild at $point");
	churn($node, ++$round);
	churn($node, ++$round);
	release($pauser);
	is(wait_for_job($node) . '|' . how(), 'done|warm|', "others write at $point");
	is_sound("writes at $point");
}

# ---- an error, a cancel, kill -9 at each point ----

foreach my $point (@points, 'rebuild_warm_recall')
{
	$node->safe_psql('postgres',
		"ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = '$point:error'");
	is(rebuild('measure => false'), 'done', "error at $point");
	like(how(), qr/^scratch\|fault/, "error at $point: from scratch");
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');
	is_sound("error at $point");

	my $pauser = pause_at($node, $point);
	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', measure => false)");
	wait_for_pause($node);
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	is(wait_for_job($node), 'cancelled', "cancel at $point");
	release($pauser);
	is_sound("cancel at $point");

	$pauser = pause_at($node, $point);
	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', measure => false)");
	wait_for_pause($node);
	kill_worker($node, worker_pid($node));
	stop_pauser($pauser);
	$node->safe_psql('postgres', "SELECT cancel_rebuild('items_e')");
	is(job($node, 'state'), 'failed', "kill -9 at $point");
	is_sound("kill -9 at $point");
}

# ---- somebody wants the old index alone: is let in at once, wherever the rebuild stands ----

sub gives_way
{
	my ($point) = @_;
	my $pauser = pause_at($node, $point);
	my $other = $node->background_psql('postgres', on_error_stop => 0);

	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', measure => false)");
	ok(wait_for_pause($node), "rebuild at $point");
	$other->query_safe('ALTER INDEX items_e SET TABLESPACE pg_default');
	is(wait_for_job($node), 'done', "$point: the rebuild lets another session in");
	like(how(), qr/^scratch\|another session waits for index/, "$point: and goes on from scratch");
	release($pauser);
	$other->quit;
	is_sound("another session at $point");
	return;
}

gives_way($_) foreach @points;

# while the table is read, and no row is one for the index
$node->safe_psql('postgres', <<'X');
CREATE FUNCTION hnr_debug_point_visit(text) RETURNS void AS '$libdir/hnsw_rebuild' LANGUAGE C STRICT;
CREATE FUNCTION is_first(id int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF id = 2990 THEN
		PERFORM public.hnr_debug_point_visit('in_predicate');
	END IF;
	RETURN id <= 2500;
END $$;
DROP INDEX items_e;
DELETE FROM items;
VACUUM items;
INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(1, 3000) i;
CREATE INDEX items_e ON items USING hnsw (e vector_l2_ops) WITH (m = 8, ef_construction = 40) WHERE is_first(id);
X
{
	my $pauser = pause_at($node, 'in_predicate');
	my $other = $node->background_psql('postgres', on_error_stop => 0);

	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', measure => false)");
	ok(wait_for_pause($node), 'rebuild at a row that is not for the index');
	$other->query_safe('ALTER INDEX items_e SET TABLESPACE pg_default');
	release($pauser);
	is(wait_for_job($node), 'done', 'the rebuild of a partial index lets another session in');
	like(how(), qr/^scratch\|another session waits for index/, 'and goes on from scratch');
	$other->quit;
	is(rebuild('measure => false'), 'done', 'a partial index');
	is(how(), 'warm|', 'begins with the old graph');
	is($node->safe_psql('postgres', "SELECT count(*) FROM check_index('items_e', true)"), 0, 'partial: sound');
}
items();

# ---- too little recall ----

$node->safe_psql('postgres',
	"ALTER DATABASE postgres SET hnsw_rebuild.debug_point_action = 'rebuild_warm_recall_low:error'");
is(rebuild(), 'done', 'a rebuild whose recall is too low');
like(how(), qr/^scratch\|recall is [\d.]+, not [\d.]+$/, 'is done again from scratch');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.debug_point_action');
is_sound('too little recall');

# what is enough, by the record of the last rebuild from scratch
sub set_recalls
{
	my ($scratch) = @_;

	$node->safe_psql('postgres',
		"UPDATE hnsw_rebuild.job SET recall_after = $scratch WHERE index_oid = 'items_e'::regclass AND method = 'scratch'");
	return;
}

is(rebuild(), 'done', 'a rebuild');
is(how(), 'warm|', 'that is good enough');
set_recalls('1.2');
is(rebuild(), 'done', 'a rebuild of what finds less by far than one from scratch');
is(how(), 'scratch|the old index finds too little', 'does not begin with it');
set_recalls('1.05');
is(rebuild(), 'done', 'a rebuild that finds less than one from scratch');
like(how(), qr/^scratch\|recall is [\d.]+, not 1.045$/, 'is done again');
set_recalls('1.05');
is(rebuild('measure => false'), 'done', 'a rebuild without measurement');
like(how(), qr/^scratch\|recall is [\d.]+, not 1.045$/, 'is held to that as well');
set_recalls('1.2');
is(rebuild('warm_start => true'), 'done', 'one that is to begin with the old graph');
is(how(), 'warm|', 'does, if it finds no less than before');
items();

# rows that come and go meanwhile are none that it does not find
foreach my $writes (
	[ 'renew_scan', 'DELETE FROM items WHERE id % 3 = 0' ],
	[ 'renew_load', 'DELETE FROM items WHERE id % 3 = 1; INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(50001, 51500) i' ])
{
	my ($point, $sql) = @$writes;
	my $pauser = pause_at($node, $point);

	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', measure => false)");
	ok(wait_for_pause($node), "rebuild at $point");
	$node->safe_psql('postgres', $sql);
	release($pauser);
	is(wait_for_job($node) . '|' . how(), 'done|warm|', "many writes at $point");
	is_sound("many writes at $point");
}
items();

# ---- damage ----

# Writes bytes into some pages of vertices while the server is down.
sub damage
{
	my ($place, $bytes, $pages) = @_;
	my $path = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('items_e')");

	$node->stop;
	open my $fh, '+<:raw', $path or die "$path: $!";
	foreach my $block (1 .. $pages)
	{
		seek $fh, $block * BLCKSZ + CONTENTS + $place, 0;
		print $fh $bytes;
	}
	close $fh or die "$path: $!";
	$node->start;
}

foreach my $damage (
	[ 'state', STATE, pack('C', 99), 1, qr/corrupted|not one|state/ ],
	[ 'generation', GENERATION, pack('L', 0), 1, qr/corrupt/ ],
	[ 'rows', TIDS, pack('SSS', 0xFFFF, 0xFFFF, 0), 1, qr/corrupt/ ],
	[ 'scale', SCALE, pack('c', 90), 1, qr/corrupt/ ],
	[ 'loss by rounding', ERROR, pack('f', 1e6), 1, qr/corrupt/ ],
	[ 'coordinates', VECTOR, pack('L', 0x7F800000), 1, qr/corrupt/ ],
	[ 'constants', CODE, pack('L', 0x7FC00000), 1, qr/corrupt/ ],
	[ 'codes', CODE, pack('f', 1e9), 60, qr/corrupt/ ],
	[ 'vectors', VECTOR, pack('f8', (77777) x 8), 60, qr/another vector|corrupt/ ])
{
	my ($name, $place, $bytes, $pages, $reason) = @$damage;

	damage($place, $bytes, $pages);
	is(rebuild('measure => false'), 'done', "damaged $name");
	like(how(), qr/^scratch\|.*$reason/, "damaged $name: from scratch");
	is_sound("damaged $name");
}
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ignore_checksum_failure');
damage(VECTOR, 'x', 1);
is(rebuild(), 'done', 'a page that cannot be read');
like(how(), qr/^scratch\|invalid page/, 'a page that cannot be read: from scratch');
is_sound('a page that cannot be read');
is(rebuild(), 'done', 'after that');
is(how(), 'warm|', 'the new index can be taken over');

# ---- as good as from scratch ----

sub load
{
	my ($table, $first, $count) = @_;
	my $file = "$FindBin::Bin/../data/sift5k-128.base.npy";

	$node->safe_psql('postgres', "COPY $table FROM PROGRAM '$^X $FindBin::Bin/../lib/npy.pl $file $first $count'");
}

sub recall
{
	return $node->safe_psql('postgres',
		"SET hnsw.ef_search = 20; SELECT 1 - index_degradation('sift_e', 600, seed => 1)");
}

$node->safe_psql('postgres', 'CREATE TABLE sift (id int, e vector(128)); CREATE TABLE other (LIKE sift)');
load('sift', 0, 3000);
load('other', 3000, 1500);
$node->safe_psql('postgres',
	'CREATE INDEX sift_e ON sift USING hnsw (e vector_l2_ops) WITH (m = 8, ef_construction = 32)');
foreach my $i (0 .. 2)
{
	$node->safe_psql('postgres', "DELETE FROM sift WHERE id % 6 = $i");
	$node->safe_psql('postgres', 'VACUUM sift');
	$node->safe_psql('postgres', "INSERT INTO sift SELECT * FROM other WHERE id % 3 = $i");
}
my $churned = recall();
$node->safe_psql('postgres', "SELECT rebuild_index('sift_e', measure => false)");
is(wait_for_job($node) . '|' . how(), 'done|warm|', 'a churned index is rebuilt');
my $warm = recall();
$node->safe_psql('postgres', "SELECT rebuild_index('sift_e', measure => false, warm_start => false)");
is(wait_for_job($node) . '|' . how(), 'done|scratch|', 'and from scratch');
my $scratch = recall();
note("recall: churned $churned, warm $warm, from scratch $scratch");
cmp_ok($warm, '>', $scratch - 0.02, 'recall is about that from scratch');
cmp_ok($warm, '>', $churned - 0.01, 'and not less than before');

$node->stop;
done_testing();
