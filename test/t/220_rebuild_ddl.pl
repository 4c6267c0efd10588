# Statements of users against a rebuild: whoever needs a stronger lock on the
# table gets it at once, whatever the rebuild is at; an open transaction holds
# the swap off without holding up anybody else.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RebuildTest;

my $node = new_node('main');

# Statement => what it leaves: the index (and so the rebuild can go on once the
# new index is complete), an index that another took the place of, or none.
my %statements = (
	'DROP TABLE items' => 'gone',
	'DROP INDEX items_e' => 'gone',
	'TRUNCATE items' => 'changed',
	'ALTER TABLE items ADD COLUMN more int' => 'same',
	'ALTER TABLE items ALTER COLUMN e TYPE vector(8) USING l2_normalize(e)' => 'gone',
	'REINDEX INDEX items_e' => 'changed',
	'VACUUM FULL items' => 'changed',
	'CREATE INDEX items_note ON items (note)' => 'same',
	'LOCK TABLE items IN ACCESS EXCLUSIVE MODE' => 'same');

# Point => 1: the shadow is complete, so the rebuild can resume; 2: it is over but
# for the removal of the old storage.
my %points = (
	rebuild_build => 0,
	rebuild_validate => 0,
	rebuild_wait_snapshots => 1,
	rebuild_cutover => 1,
	rebuild_cutover_locked => 1,
	rebuild_drop_dead => 2);

sub try_statement
{
	my ($statement, $point) = @_;
	my $what = $statements{$statement};
	my $name = "$statement at $point";

	make_items($node, 100);
	my $pauser = pause_at($node, $point);
	$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8)");
	wait_for_pause($node);
	# At the swap itself nobody can write.
	$node->safe_psql('postgres', "INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(1001, 1050) i")
	  unless $point eq 'rebuild_cutover_locked';

	# The point stays closed: only giving way lets the statement through.
	my ($code, $out, $err) = $node->psql('postgres',
		"BEGIN; $statement; COMMIT") if $statement !~ /VACUUM/;
	($code, $out, $err) = $node->psql('postgres', $statement) if $statement =~ /VACUUM/;
	is($code, 0, "$name wins") or diag($err);

	my $done = $points{$point} == 2 || $points{$point} == 1 && $what eq 'same';
	wait_for_job($node) unless $done;
	release($pauser);
	wait_for_job($node);
	my $job = job($node, "state || '|' || coalesce(error_sqlstate, '') || '|' || coalesce(error_message, '')");
	if ($done)
	{
		is($job, 'done||', "$name: the rebuild goes on after it");
	}
	elsif (!$points{$point} && $what ne 'gone')
	{
		like($job, qr/^failed\|55P03\|gave way to another session that wants \w+Lock on the table/,
			"$name: the record says so");
	}
	else
	{
		like($job, qr/^failed\|(42704|55000)\|.*(dropped|rewritten|rebuilt|changed)/,
			"$name: the record says so");
	}
	ok(no_shadows($node), "$name: nothing is left over");
	is(rows_differ($node), '', "$name: every row is in the index") unless $what eq 'gone';
}

foreach my $point (sort keys %points)
{
	try_statement($_, $point) foreach sort keys %statements;
}

# ---- statements that need no stronger lock go on beside the rebuild ----

make_items($node, 100, 'WITH (m = 10)');
my $pauser = pause_at($node, 'rebuild_build');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', ef_construction => 40)");
wait_for_pause($node);
$node->safe_psql('postgres', 'ALTER INDEX items_e SET (auto_rebuild_threshold = 0.5)');
$node->safe_psql('postgres', 'ALTER INDEX items_e RENAME TO items_new');
release($pauser);
is(wait_for_job($node), 'done', 'ALTER INDEX SET and RENAME do not disturb a rebuild');
is( $node->safe_psql('postgres',
		"SELECT array_to_string(reloptions, ',') FROM pg_class WHERE relname = 'items_new'"),
	'm=10,auto_rebuild_threshold=0.5,ef_construction=40',
	'options of both are in force');

# ---- ANALYZE waits for our lock and we for its snapshot: we give way ----

make_items($node, 100);
$pauser = pause_at($node, 'rebuild_wait_snapshots');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8)");
wait_for_pause($node);
my $analyze = $node->background_psql('postgres');
$analyze->query_until(qr/begun/, "\\echo begun\nANALYZE items;\n\\echo analyzed\n");
poll_sql($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass");
release($pauser);
is(wait_for_job($node), 'done', 'a rebuild goes on after ANALYZE');
$analyze->query_until(qr/analyzed/, '');
$analyze->quit;
is(rows_differ($node), '', 'with every row in the index');

# ---- an open transaction holds off the swap, and nobody else ----

make_items($node, 100);
my $idle = $node->background_psql('postgres');
$idle->query_safe('BEGIN; SELECT count(*) FROM items;');
my $idle_pid = $idle->query_safe('SELECT pg_backend_pid()');
# The transaction's own snapshot is gone between its statements.
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8, measure => false)");
wait_for_phase($node, 'waiting for cutover');
my $worst = 0;
foreach my $i (1 .. 40)
{
	my $start = time;

	$node->safe_psql('postgres', "SET enable_seqscan = off; SELECT id FROM items ORDER BY e <-> vec($i) LIMIT 1");
	$worst = time - $start if time - $start > $worst;
}
note("longest query while the swap was held off: $worst s");
is(job($node, 'phase'), 'waiting for cutover', 'an open transaction holds off the swap');
$idle->query_safe('COMMIT');
is(wait_for_job($node), 'done', 'the swap comes after it');
$idle->quit;
is( $node->safe_psql('postgres', <<'X'),
LOAD 'hnsw_rebuild';
SELECT longest_wait_ms - lock_hold_ms
	<= 100 + (SELECT setting::float8 FROM pg_settings WHERE name = 'hnsw_rebuild.cutover_max_wait')
FROM rebuild_history ORDER BY id DESC LIMIT 1
X
	't', 'no attempt kept others waiting for longer than allowed');
is(rows_differ($node), '', 'every row is in the index');

# ---- the same with a limit on the attempts ----

$node->safe_psql('postgres', "ALTER DATABASE postgres SET hnsw_rebuild.cutover_timeout = '300ms'");
$idle = $node->background_psql('postgres');
$idle->query_safe('BEGIN; SELECT count(*) FROM items;');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 12, measure => false)");
poll_sql($node, "SELECT phase = 'cleaning up' OR state = 'failed' FROM rebuild_history ORDER BY id DESC LIMIT 1");
$idle->query_safe('COMMIT');
$idle->quit;
is(wait_for_job($node), 'failed', 'hnsw_rebuild.cutover_timeout ends the attempts');
like(job($node, 'error_message'), qr/cutover_timeout/, 'with that reason');
ok(no_shadows($node), 'and nothing left over');
is($node->safe_psql('postgres', "SELECT status FROM index_status('items_e')"), 'failed', 'which its status says');
$node->safe_psql('postgres', 'REINDEX INDEX items_e');
is($node->safe_psql('postgres', "SELECT status FROM index_status('items_e')"), 'ready', 'until it is made anew');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET hnsw_rebuild.cutover_timeout');

# ---- swap_index: no exclusive lock, another OID, the same name ----

$node->safe_psql('postgres', "ALTER DATABASE postgres SET hnsw_rebuild.cutover_method = 'swap_index'");
$node->safe_psql('postgres', "COMMENT ON INDEX items_e IS 'kept'");
my $oid = $node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid");
$idle = $node->background_psql('postgres');
$idle->query_safe('BEGIN; SELECT count(*) FROM items;');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 14, measure => false)");
wait_for_phase($node, 'dropping old');
$node->safe_psql('postgres', "SET lock_timeout = '1s'; INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(2001, 2050) i");
$idle->query_safe('COMMIT');
$idle->quit;
is(wait_for_job($node), 'done', 'swap_index does not wait for readers to swap');
isnt($node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid"), $oid, 'the OID is another one');
is( $node->safe_psql('postgres', <<'X'),
SELECT array_to_string(reloptions, ',') || ' ' || obj_description(c.oid, 'pg_class') || ' ' || indisvalid
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE relname = 'items_e'
X
	'm=14 kept true', 'options and comment are there');
is(job($node, 'index_oid'), $node->safe_psql('postgres', "SELECT 'items_e'::regclass::oid"),
	'the record follows');
ok(no_shadows($node), 'nothing is left over');
is(rows_differ($node), '', 'every row is in the index');

$node->stop;
done_testing();
