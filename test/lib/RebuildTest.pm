# RebuildTest.pm - what the tests of the online rebuild share.
#
# A node with the extension and a table "items" with an hnsw index "items_e";
# looking at the job; comparing the index's entries with the table's rows.

package RebuildTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(new_node make_items poll_sql wait_for_phase wait_for_job
  no_shadows rows_differ job worker_pid pause_at wait_for_pause release stop_pauser churn kill_worker);

# A started node with the extension in database postgres.
sub new_node
{
	my ($name, %args) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $args{init} || {} });
	$node->append_conf('postgresql.conf', <<'X');
max_worker_processes = 12
autovacuum = off
fsync = off
restart_after_crash = on
hnsw_rebuild.nice = 0
X
	$node->append_conf('postgresql.conf', $args{conf}) if $args{conf};
	# To try a test with other settings, separated by semicolons.
	$node->append_conf('postgresql.conf', join("\n", split(/;/, $ENV{HNR_TEST_CONF})) . "\n")
	  if $ENV{HNR_TEST_CONF};
	$node->start;
	$node->safe_psql('postgres', <<'X');
CREATE EXTENSION hnsw_rebuild;
CREATE FUNCTION hnr_debug_point_key(text) RETURNS bigint
	AS '$libdir/hnsw_rebuild' LANGUAGE C STRICT;
CREATE FUNCTION hnr_debug_indexed_rows(regclass) RETURNS tid[]
	AS '$libdir/hnsw_rebuild' LANGUAGE C STRICT;
-- a vector of 8 dimensions that depends on the seed alone
CREATE FUNCTION vec(seed int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((hashint4(seed * 8 + i) % 1000)::real)::vector FROM generate_series(0, 7) i$$;
X
	return $node;
}

sub make_items
{
	my ($node, $rows, $options) = @_;

	$options ||= '';
	$node->safe_psql('postgres', <<"X");
DROP TABLE IF EXISTS items;
CREATE TABLE items (id int PRIMARY KEY, note int DEFAULT 0, e vector(8));
INSERT INTO items SELECT i, 0, vec(i) FROM generate_series(1, $rows) i;
CREATE INDEX items_e ON items USING hnsw (e vector_l2_ops) $options;
X
}

# Until the query returns t.
sub poll_sql
{
	my ($node, $sql, $what) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my ($code, $out, $err) = (0, '', '');

	while (time < $deadline)
	{
		($code, $out, $err) = $node->psql('postgres', $sql);
		return 1 if $code == 0 && $out eq 't';
		usleep(20_000);
	}
	diag("waited in vain for: " . ($what || $sql) . " ($out $err)");
	diag($node->safe_psql('postgres',
			'SELECT id, state, phase, error_message FROM rebuild_history ORDER BY id DESC LIMIT 3'));
	return 0;
}

# The newest job's columns, |-separated.
sub job
{
	my ($node, $columns, $where) = @_;

	$where ||= 'true';
	return $node->safe_psql('postgres',
		"SELECT $columns FROM rebuild_history WHERE $where ORDER BY id DESC LIMIT 1");
}

sub worker_pid
{
	my ($node) = @_;

	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'hnsw_rebuild worker' ORDER BY backend_start DESC LIMIT 1");
}

sub wait_for_phase
{
	my ($node, $phase) = @_;

	return poll_sql($node,
		"SELECT phase = '$phase' FROM rebuild_history ORDER BY id DESC LIMIT 1", "phase $phase");
}

# Until the newest job is over; its state.
sub wait_for_job
{
	my ($node) = @_;

	poll_sql($node,
		"SELECT state NOT IN ('queued', 'running') FROM rebuild_history ORDER BY id DESC LIMIT 1",
		'end of job');
	return job($node, 'state');
}

sub no_shadows
{
	my ($node) = @_;

	return poll_sql($node,
		"SELECT count(*) = 0 FROM pg_class WHERE relname LIKE '%hnr_shadow%'", 'no shadow');
}

# Rows that the index lacks, has twice or should not have: '' where all is well.
sub rows_differ
{
	my ($node, $index, $table, $column) = @_;

	$index ||= 'items_e';
	$table ||= 'items';
	$column ||= 'e';
	return $node->safe_psql('postgres', <<"X");
WITH entries AS (SELECT unnest(hnr_debug_indexed_rows('$index')) AS t)
SELECT coalesce(i.ctid::text, 'none') || ' has ' || count(entries.t) || ' entries'
FROM (SELECT ctid FROM $table WHERE $column IS NOT NULL) i FULL JOIN entries ON i.ctid = entries.t
GROUP BY i.ctid HAVING count(entries.t) <> 1 OR i.ctid IS NULL LIMIT 5
X
}

# kill -9 of a worker, until the server is there again after that.
sub kill_worker
{
	my ($node, $pid) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	kill 'KILL', $pid;
	# Until the postmaster has taken notice.
	usleep(5_000) while kill(0, $pid) && time < $deadline;
	while (time < $deadline)
	{
		# psql may go away before it has read its input
		my ($code, $out) = eval { $node->psql('postgres', 'SELECT 1') };
		return if defined $code && $code == 0 && $out eq '1';
		usleep(20_000);
	}
	BAIL_OUT('the server does not come back');
}

# ---- debug points ----

# A session that holds a point; to be released by release() or stop_pauser().
sub pause_at
{
	my ($node, $point) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_safe("SELECT pg_advisory_lock(hnr_debug_point_key('$point'))");
	return $session;
}

# Until a rebuild worker stands at a point that some session holds.
sub wait_for_pause
{
	my ($node) = @_;

	return poll_sql($node, <<'X', 'worker at debug point');
SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND NOT l.granted AND a.backend_type = 'hnsw_rebuild worker'
X
}

sub release
{
	my ($session) = @_;

	$session->query_safe('SELECT pg_advisory_unlock_all()');
	$session->quit;
}

# Also where its server has gone away.
sub stop_pauser
{
	my ($session) = @_;

	eval { $session->quit };
}

# Some inserts, updates of either column and deletes; deterministic by $round.
sub churn
{
	my ($node, $round) = @_;
	my $base = 100_000 + $round * 100;

	$node->safe_psql('postgres', <<"X");
INSERT INTO items SELECT i, 0, vec(i) FROM generate_series($base, $base + 9) i;
UPDATE items SET e = vec(id + $round) WHERE id % 50 = $round % 50;
UPDATE items SET note = note + 1 WHERE id % 31 = $round % 31;
DELETE FROM items WHERE id % 97 = $round % 97;
X
}

1;
