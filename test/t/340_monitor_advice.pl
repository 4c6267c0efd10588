# The launcher advises VACUUM where dead rows are many, once in a while; what it has decided is
# kept, with its figures, over a restart and up to a limit.  index_health() counts damage.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RebuildTest;

my $node = new_node('main', conf => <<'X');
shared_preload_libraries = 'hnsw_rebuild'
hnsw_rebuild.naptime = 1
hnsw_rebuild.auto_cooldown = 0
hnsw_rebuild.auto_min_rows = 100
hnsw_rebuild.nice = 0
autovacuum = off
X

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub newest
{
	return sql("SELECT $_[0] FROM hnsw_rebuild.decision
		WHERE index_oid = 'items_e'::regclass ORDER BY id DESC LIMIT 1");
}

sub advised
{
	my $log = slurp_file($node->logfile);

	return () = $log =~ /index "items_e" has entries of dead rows: VACUUM of table "items" is advised/g;
}

make_items($node, 2000, 'WITH (auto_rebuild_threshold = 0.5)');
poll_sql($node, "SELECT count(*) > 0 FROM hnsw_rebuild.decision WHERE verdict = 'fine'");
is(newest('entries, dead_entries'), '2000|0', 'no dead rows');

# ---- Dead rows. ----
sql('DELETE FROM items WHERE id % 4 = 0');
poll_sql($node, "SELECT count(*) > 0 FROM hnsw_rebuild.decision WHERE verdict = 'vacuum'");
is(newest('verdict, entries, dead_entries, threshold'), 'vacuum|2000|500|0.5', 'VACUUM is decided upon');
like(newest('reason'), qr/^VACUUM the table: 500 of 2000 entries are of dead rows\./, 'with its figures');
is(scalar(advised()), 1, 'and advised in the log');
like( sql("SELECT auto_rebuild_note FROM index_status('items_e')"),
	qr/^VACUUM the table/, 'index_status() shows it');
is( sql("SELECT action, command, dead_entries FROM index_health('items_e')"),
	'vacuum|VACUUM public.items|500', 'index_health() says the same');

# More of them: measured again, decided again, not logged again.
my $decided = newest('id');
sql('DELETE FROM items WHERE id % 4 = 1');
poll_sql($node, "SELECT max(id) > $decided FROM hnsw_rebuild.decision");
is(newest('verdict, dead_entries'), 'vacuum|1000', 'measured and decided again');
is(scalar(advised()), 1, 'but not logged again so soon');

# Nor when it is long ago, as long as it is so: two more checks go by, told by what they
# decide about another index.
sql("UPDATE hnsw_rebuild.decision SET decided_at = decided_at - interval '1 day'");
for my $other ('other_1', 'other_2')
{
	sql("CREATE TABLE $other AS SELECT * FROM items;
		CREATE INDEX ${other}_e ON $other USING hnsw (e vector_l2_ops) WITH (auto_rebuild_threshold = 0.5)");
	poll_sql($node, "SELECT count(*) > 0 FROM hnsw_rebuild.decision WHERE index_oid = '${other}_e'::regclass");
}
sql('DROP TABLE other_1, other_2');
is(scalar(advised()), 1, 'nor at each check, when it was long ago');

# ---- What is decided is kept. ----
my $history = sql('SELECT string_agg(d::text, $$ $$ ORDER BY id) FROM hnsw_rebuild.decision d');
$node->stop('immediate');
$node->start;
is(substr(sql('SELECT string_agg(d::text, $$ $$ ORDER BY id) FROM hnsw_rebuild.decision d'), 0, length $history),
	$history, 'over a crash');

# ---- VACUUM. ----
$decided = newest('id');
sql('VACUUM items');
poll_sql($node, "SELECT verdict = 'fine' FROM hnsw_rebuild.decision
	WHERE index_oid = 'items_e'::regclass ORDER BY id DESC LIMIT 1");
is(sql("SELECT action, dead_entries FROM index_health('items_e')"), 'none|0', 'nothing to do after VACUUM');

# ---- Up to a limit. ----
$node->append_conf('postgresql.conf', 'hnsw_rebuild.record_limit = 10');
$node->reload;
sql("INSERT INTO hnsw_rebuild.decision (index_oid, decided_at, verdict, reason)
	SELECT 'items_e'::regclass, now(), 'fine', 'as before' FROM generate_series(1, 30)");
$decided = newest('id');
sql('INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(5001, 5800) i');
poll_sql($node, "SELECT max(id) > $decided FROM hnsw_rebuild.decision");
is( sql("SELECT count(*) FROM hnsw_rebuild.decision WHERE index_oid = 'items_e'::regclass"),
	10, 'no more decisions than hnsw_rebuild.record_limit');

# ---- A threshold that is taken away takes its note along. ----
isnt(sql("SELECT auto_rebuild_note FROM index_status('items_e')"), '', 'a note');
sql('ALTER INDEX items_e RESET (auto_rebuild_threshold)');
is(sql("SELECT auto_rebuild_note FROM index_status('items_e')"), '', 'none without a threshold');
$node->append_conf('postgresql.conf', 'hnsw_rebuild.launcher = off');
$node->reload;
poll_sql($node, "SELECT setting = 'off' FROM pg_settings WHERE name = 'hnsw_rebuild.launcher'");
$node->psql('postgres', 'ALTER INDEX items_e SET (auto_rebuild_threshold = 0.4)');
is(sql("SELECT auto_rebuild_note FROM index_status('items_e')"), '', 'nor that of another one');

# ---- Damage: links of some vertices are wiped. ----
make_items($node, 1000);
is(sql("SELECT damaged, thin, unreachable FROM index_health('items_e')"), '0|0|0', 'no damage');
my $path = $node->data_dir . '/' . sql("SELECT pg_relation_filepath('items_e')");
my $per_page = 0;
$node->stop;
my $wiped = 0;
{
	my $page = '';

	open my $file, '+<:raw', $path or die $!;
	while (sysread($file, $page, 8192) == 8192)
	{
		my $at = sysseek($file, 0, 1) - 8192;

		# see src/am/page.h: pages of the ground, and their first vertex
		next if unpack('S', substr($page, 26, 2)) != 2 || $wiped == 30;
		next if unpack('C', substr($page, 32, 1)) != 1;
		substr($page, 34, 2) = pack('S', 0);
		sysseek($file, $at, 0);
		syswrite($file, $page) == 8192 or die $!;
		$wiped++;
	}
	close $file;
}
$node->start;
cmp_ok($wiped, '>', 10, 'links are wiped');
is(sql("SELECT thin FROM index_health('items_e')"), $wiped, 'vertices of few links are counted');
is( sql("SELECT damaged >= thin AND unreachable <= orphans + unreachable FROM index_health('items_e')"),
	't', 'and all that is damaged');
# the other count of what cannot be reached
my ($unreachable) = sql("SELECT message FROM check_index('items_e') WHERE finding = 'unreachable'") =~ /^(\d+)/;
is(sql("SELECT unreachable FROM index_health('items_e')"), $unreachable // 0, 'as check_index() counts it');

# ---- At half of the threshold: an optimisation. ----
# A poor graph of which the record says that it was a good one.
my $row = 'i, 0, vec(i) || vec(i + 10000) || vec(i + 20000)';
sql(<<"X");
DROP TABLE items;
CREATE TABLE items (id int PRIMARY KEY, note int DEFAULT 0, e vector(24));
INSERT INTO items SELECT $row FROM generate_series(1, 2000) i;
CREATE INDEX items_e ON items USING hnsw (e vector_l2_ops) WITH (m = 2, ef_construction = 4);
INSERT INTO hnsw_rebuild.measurement (index_oid, measured_at, purpose, sample_size, k, ef_search, recall,
	std_error, changes, sampled_from, file_node)
SELECT 'items_e'::regclass, now(), 'auto', 100, 10, 40, 1, 0, 0, 'rows', pg_relation_filenode('items_e');
X
my $degradation = sql("SELECT index_degradation('items_e', 1000)");
cmp_ok($degradation, '>', 0.1, "a poor graph: degradation $degradation");
is( sql("SELECT action, command, estimated_duration > '0', estimated_disk > 0, recall_fresh, recall_fresh_from
		FROM index_health('items_e')"),
	"optimize|SELECT optimize_index('public.items_e')|t|t|1|first measurement",
	'index_health() advises to optimise');
$node->append_conf('postgresql.conf', 'hnsw_rebuild.launcher = on');
$node->reload;
poll_sql($node, "SELECT setting = 'on' FROM pg_settings WHERE name = 'hnsw_rebuild.launcher'");
my $threshold = $degradation * 1.5 > 1 ? 1 : $degradation * 1.5;
sql("ALTER INDEX items_e SET (auto_rebuild_threshold = $threshold)");
# what is on record stands until rows have changed
sql("INSERT INTO items SELECT $row FROM generate_series(2001, 2150) i");
poll_sql($node, "SELECT count(*) > 0 FROM hnsw_rebuild.decision
	WHERE index_oid = 'items_e'::regclass AND verdict = 'optimize'");
like(
	sql("SELECT reason FROM hnsw_rebuild.decision WHERE index_oid = 'items_e'::regclass AND verdict = 'optimize'"),
	qr/^Degradation 0\.\d+ is over 0\.50 of the threshold \d\.\d+; it was 0\.000\.$/,
	'an optimisation is decided upon');
poll_sql($node, "SELECT count(*) > 0 FROM rebuild_history WHERE method = 'optimize' AND state = 'done'");
is( sql("SELECT h.trigger FROM rebuild_history h JOIN hnsw_rebuild.decision d ON d.job_id = h.id
		WHERE h.method = 'optimize' AND d.verdict = 'optimize'"),
	'auto', 'and done by the launcher');
# what it left is measured, and it is not done again at once
poll_sql($node, "SELECT verdict <> 'optimize' FROM hnsw_rebuild.decision
	WHERE index_oid = 'items_e'::regclass ORDER BY id DESC LIMIT 1");
is(sql("SELECT count(*) FROM rebuild_history WHERE method = 'optimize'"), 1, 'once');

$node->stop;
done_testing();
