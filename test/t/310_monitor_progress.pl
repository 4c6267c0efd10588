# index_status while a rebuild runs: progress never falls, and who holds the
# cut-over up is named.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nhnsw_rebuild.nice = 0");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{
CREATE EXTENSION hnsw_rebuild;
CREATE FUNCTION random_vector(seed int, dims int) RETURNS vector LANGUAGE sql AS
$$ SELECT array_agg(((hashint4(seed * 1000 + i) & 65535) / 65536.0)::real ORDER BY i)::vector
   FROM generate_series(1, dims) i $$;
CREATE TABLE items (id int PRIMARY KEY, v vector(48));
INSERT INTO items SELECT i, random_vector(i, 48) FROM generate_series(1, 4000) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
CREATE ROLE stranger LOGIN;
});

# --- Progress.
sql("SELECT rebuild_index('items_v', ef_construction => 200)");
my (%seen, @percent, @bad, $counted, $with_eta);
for (1 .. 3000)
{
	my ($status, $phase, $percent, $eta, $done, $total, $started) = split /\|/,
	  sql("SELECT status, phase, progress_pct, eta_seconds, tuples_done, tuples_total, started_at
		FROM index_status('items_v')"), -1;
	$seen{$status} = 1;
	last if $status eq 'ready';
	push @bad, "$percent after $percent[-1] ($phase)" if @percent && $percent < $percent[-1];
	push @bad, "$done of $total" if $total ne '' && ($done > $total || $done < 0);
	push @percent, $percent;
	$counted = 1 if $phase eq 'building graph' && $total ne '' && $done > 0 && $done < $total;
	$with_eta = 1 if $phase eq 'building graph' && $eta ne '' && $eta > 0;
	usleep(10_000);
}
is(join(',', @bad), '', 'progress never falls');
ok($counted, 'tuples done and total while building');
ok($with_eta, 'a time to go while building');
is( join(',', grep { !/^(queued|rebuilding|waiting for cutover|ready)$/ } sort keys %seen),
	'', 'no other status');
cmp_ok(scalar(@percent), '>', 2, 'seen on the way');
is(sql("SELECT progress_pct, eta_seconds, ef_construction FROM index_status('items_v')"),
	'100|0|200', 'ready');
cmp_ok(sql("SELECT extract(epoch FROM last_rebuild_duration) FROM index_status('items_v')"),
	'>', 0, 'duration of the last rebuild');

# --- The time to go, against the truth.  Pauses stretch a build of a second or two.  What else a
# machine does comes and goes, and no estimate foretells that: so what was to go, as a part of what had
# gone, is judged by the worker's time on the processor.
SKIP:
{
	skip 'no /proc', 3 unless -e '/proc/self/schedstat';
	my (@looks, %phases);

	$node->append_conf('postgresql.conf', 'hnsw_rebuild.max_cpu = 15');
	$node->reload;
	sql("SELECT rebuild_index('items_v', ef_construction => 200, measure => false, warm_start => false)");
	while (1)
	{
		my ($status, $phase, $percent, $eta, $gone, $cpu) = split /\|/, sql(q{
			SELECT status, phase, progress_pct, eta_seconds, extract(epoch FROM clock_timestamp() - step_started_at),
				split_part(pg_read_file('/proc/' || worker_pid || '/schedstat', 0, 100, true), ' ', 1)
			FROM index_status('items_v'),
				(SELECT step_started_at, worker_pid FROM hnsw_rebuild.job ORDER BY id DESC LIMIT 1) j}), -1;
		last if $status eq 'ready';
		$phases{$phase} = 1;
		push @looks, [ $percent, $eta, $gone, $cpu ] if $cpu ne '';
		usleep(50_000);
	}
	my $all = $looks[-1][3];
	my @judged = grep { $_->[0] >= 25 && $_->[0] <= 75 } @looks;
	my @off = sort { $a <=> $b } map { ($_->[1] / $_->[2]) / (($all - $_->[3]) / $_->[3]) } @judged;
	my $median = $off[ @off / 2 ] // 0;
	cmp_ok(scalar(@off), '>', 3, 'times to go');
	ok($phases{'building graph'}, 'phases have names: ' . join(', ', sort keys %phases));
	skip 'asserts take their time elsewhere', 1 if sql('SHOW debug_assertions') eq 'on';
	ok($median > 1 / 1.5 && $median < 1.5, "most are not far from the truth: $median of it")
	  or diag(join("\n", map { sprintf('%.1f %%: %.2f s to go after %.2f s, %.0f of %.0f ms', @$_[ 0 .. 2 ], $_->[3] / 1e6, $all / 1e6) } @judged));
}
$node->append_conf('postgresql.conf', 'hnsw_rebuild.max_cpu = 100');
$node->reload;

# --- A transaction that holds the cut-over up.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe('SELECT count(*) FROM items WHERE id = 1');
my $pid = $holder->query_safe('SELECT pg_backend_pid()');
sql("SELECT rebuild_index('items_v', ef_construction => 40)");
ok( $node->poll_query_until('postgres',
		"SELECT status = 'waiting for cutover' AND $pid = ANY (blocked_by)
		FROM index_status('items_v')"),
	'waiting for cut-over, blocked by the transaction')
  or diag(sql("SELECT * FROM index_status('items_v')"));
is( $node->safe_psql('postgres', "SELECT status, blocked_by FROM index_status('items_v')",
		extra_params => [ '-U', 'stranger' ]),
	'waiting for cutover|', 'a stranger does not see who');
is(sql("SELECT count(*) FROM index_status()"), 1, 'the new index does not show');
$holder->query_safe('COMMIT');
ok( $node->poll_query_until('postgres',
		"SELECT status = 'ready' AND ef_construction = 40 FROM index_status('items_v')"),
	'over once the transaction is');

# --- A cancelled rebuild.
$holder->query_safe('BEGIN');
$holder->query_safe('SELECT count(*) FROM items WHERE id = 1');
sql("SELECT rebuild_index('items_v', warm_start => false)");
$node->poll_query_until('postgres',
	"SELECT cardinality(blocked_by) > 0 FROM index_status('items_v')");
sql("SELECT cancel_rebuild('items_v')");
ok( $node->poll_query_until('postgres',
		"SELECT phase = 'cleaning up' AND $pid = ANY (blocked_by)
		FROM index_status('items_v')"),
	'cancelled: the new index is removed, as soon as the transaction lets it');
is(sql("SELECT action, command, reason FROM index_health('items_v')"),
	'none||A rebuild is under way; look again when it is over.', 'index_health() advises nothing that would have to wait');
my (undef, undef, $refused) = $node->psql('postgres', "SELECT rebuild_index('items_v')");
like( $refused, qr/is being rebuilt already\nDETAIL:  Job \d+ has ended \(canceled on request\) and waits for process $pid to remove/,
	'another rebuild is refused, and the error says for whom the job waits');
unlike($refused, qr/cancel_rebuild/, 'and not to cancel it once more');
$holder->query_safe('COMMIT');
$holder->quit;
ok( $node->poll_query_until('postgres',
		"SELECT status = 'ready' AND last_error IS NOT NULL FROM index_status('items_v')"),
	'ready after a cancel, which is told');

# --- CREATE INDEX CONCURRENTLY of somebody.
$holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe('INSERT INTO items VALUES (0, random_vector(0, 48))');
my $creator = $node->background_psql('postgres');
$creator->query_until(qr/go/,
	"\\echo go\nCREATE INDEX CONCURRENTLY items_w ON items USING hnsw (v vector_l2_ops);\n");
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM index_status()
		WHERE name = 'items_w' AND status = 'building' AND phase = 'waiting for writers'"),
	'a build by CREATE INDEX CONCURRENTLY shows');
$holder->query_safe('COMMIT');
$holder->quit;
$creator->query_safe('SELECT 1');
$creator->quit;
is(sql("SELECT status FROM index_status('items_w')"), 'ready', 'and is ready in the end');

$node->stop;
done_testing();
