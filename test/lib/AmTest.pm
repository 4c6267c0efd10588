# AmTest.pm - what the tests of the access method share.
#
# A node; a table "items" with an index of each operator class; random work on it by
# pgbench clients; the oracles: check_index and the exact answer.

package AmTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(am_node am_table am_defer am_functions am_indexes start_work start_statements stop_work
  errors_of_check warnings_of_check findings_of_check unreachable_of_check lowest_recall crashes crash_amid wait_for_restart);
our @EXPORT_OK = qw(read_file write_file);

my @indexes = qw(items_l2 items_cosine items_ip items_l1 items_wide items_half items_half_cosine items_sparse
  items_sparse_ip items_bit);

sub am_indexes { return @indexes; }

# The bytes of a file, to be read or changed while the server is down.
sub read_file
{
	my ($path) = @_;
	open my $fh, '<:raw', $path or die "$path: $!";
	local $/;
	my $bytes = <$fh>;
	close $fh;
	return $bytes;
}

sub write_file
{
	my ($path, $bytes) = @_;
	open my $fh, '>:raw', $path or die "$path: $!";
	print $fh $bytes;
	close $fh or die "$path: $!";
}

sub am_node
{
	my ($name, %args) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $args{init} || {} });
	$node->append_conf('postgresql.conf', <<'X');
autovacuum = off
max_connections = 40
shared_buffers = 64MB
log_statement = none
restart_after_crash = on
X
	$node->append_conf('postgresql.conf', $args{fsync} ? 'fsync = on' : 'fsync = off');
	$node->append_conf('postgresql.conf', $args{conf}) if $args{conf};
	$node->start;
	am_functions($node);
	return $node;
}

# Waits for a server that restarts by itself.  By -c: a psql that does not get in is gone
# before it reads anything.
sub wait_for_restart
{
	my ($node) = @_;

	for (1 .. 1800)
	{
		my ($out, $err) = ('', '');

		IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT true' ],
			'<', \undef, '>', \$out, '2>', \$err);
		return if $out =~ /t/;
		usleep(100_000);
	}
	die 'the server is not back';
}

# HNR_TEST_OFFSET moves all vectors as far from the origin.
sub am_functions
{
	my ($node) = @_;
	my $offset = $ENV{HNR_TEST_OFFSET} || 0;

	$node->safe_psql('postgres', <<"V" . <<'X');
CREATE EXTENSION hnsw_rebuild;
-- a vector of d dimensions that depends on the seed alone
CREATE FUNCTION vec(seed int, d int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	\$\$SELECT array_agg($offset + (hashint4(seed * 1000 + j) % 1000)::real / 10 ORDER BY j)::vector FROM generate_series(1, d) j\$\$;
V
-- such a vector as query for a column
CREATE FUNCTION query(col text, seed int, d int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT CASE col WHEN 's' THEN vec(seed, d)::sparsevec::text WHEN 'b' THEN binary_quantize(vec(seed, d))::text
		ELSE vec(seed, d)::text END$$;
-- part of the 10 nearest rows that the index finds, over some queries
CREATE FUNCTION recall(tab regclass, col text, op text, d int, queries int DEFAULT 10)
RETURNS double precision LANGUAGE plpgsql
SET enable_sort = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
	q text;
	found bigint := 0;
	wanted bigint := 0;
	kth double precision;
	n bigint;
BEGIN
	FOR i IN 1..queries LOOP
		q := query(col, -i, d);
		PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
		EXECUTE format('SELECT max(x), count(*) FROM (SELECT %2$s %3$s %4$L AS x FROM %1$s
			WHERE %2$s IS NOT NULL ORDER BY 1 LIMIT 10) s', tab, col, op, q) INTO kth, n;
		wanted := wanted + n;
		PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true);
		EXECUTE format('SELECT count(*) FROM (SELECT %2$s %3$s %4$L AS x FROM %1$s
			ORDER BY %2$s %3$s %4$L LIMIT 10) s WHERE x <= %5$L::float8 + 1e-5 * (abs(%5$L::float8) + 1)',
			tab, col, op, q, kth) INTO n;
		found := found + n;
	END LOOP;
	RETURN coalesce(found::float8 / nullif(wanted, 0), 1);
END $$;
-- What is wrong about the first n rows that a search returns: compared with the table
-- in the same snapshot, so that it can be used beside writers.
CREATE FUNCTION wrong_rows(col text, op text, d int, seed int, n int) RETURNS text LANGUAGE plpgsql
SET enable_sort = off SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
	q text := query(col, seed, d);
	ids int[];
	far float8[];
	bad text;
BEGIN
	IF current_setting('transaction_isolation') <> 'repeatable read' THEN
		RAISE 'call it under repeatable read';
	END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(x) FROM (SELECT id, %1$s %2$s %3$L AS x FROM items
		ORDER BY %1$s %2$s %3$L LIMIT %4$s) s', col, op, q, n) INTO ids, far;
	PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
	EXECUTE format('WITH got AS (SELECT * FROM unnest($1, $2) WITH ORDINALITY AS u (id, x, i))
		SELECT string_agg(format(''row %%s at %%s: %%s'', g.id, g.i, CASE
			WHEN t.id IS NULL THEN ''not in the table''
			WHEN g.x IS DISTINCT FROM t.x THEN format(''at %%s, in the table %%s'', g.x, t.x)
			WHEN g.n > 1 THEN ''returned twice'' ELSE format(''at %%s, after one at %%s'', g.x, g.before) END), ''; '')
		FROM (SELECT *, lag(x) OVER (ORDER BY i) AS before, count(*) OVER (PARTITION BY id) AS n FROM got) g
		LEFT JOIN (SELECT id, %1$s %2$s %3$L AS x FROM items) t ON t.id = g.id
		WHERE t.id IS NULL OR g.x IS DISTINCT FROM t.x OR g.n > 1 OR g.before > g.x', col, op, q)
		INTO bad USING ids, far;
	RETURN bad;
END $$;
-- that a search for the vector of a row finds it
CREATE FUNCTION found(id int, col text, op text, q text) RETURNS void LANGUAGE plpgsql
SET enable_sort = off SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 SET hnsw.ef_search = 400 AS $$
DECLARE
	seen bool;
BEGIN
	EXECUTE format('SELECT %1$s = any (array_agg(s.id)) FROM (SELECT id FROM items ORDER BY %2$s %3$s %4$L LIMIT 20) s',
		id, col, op, q) INTO seen;
	IF seen IS NOT TRUE THEN
		RAISE 'row % is not found by % % %', id, col, op, left(q, 100) USING ERRCODE = 'data_corrupted';
	END IF;
END $$;
CREATE FUNCTION no_wrong_rows(col text, op text, d int, seed int, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	bad text := wrong_rows(col, op, d, seed, n);
BEGIN
	IF bad IS NOT NULL THEN
		RAISE 'wrong rows of % % vec(%, %) LIMIT %: %', col, op, seed, d, n, bad USING ERRCODE = 'data_corrupted';
	END IF;
END $$;
X
}

# The table; wide vectors stand on several pages of their index, those of column h in
# half precision, and a tenth of those of column s, sparse ones, are too long for their vertices.
sub am_table
{
	my ($node, $rows) = @_;
	my ($few, $many) = map { my $each = $_; '[' . join(',', map { $_ % $each == 0 ? 1 : 0 } 1 .. 2100) . ']' } 100, 3;

	$node->safe_psql('postgres', <<"X");
CREATE TABLE items (id int PRIMARY KEY, note int DEFAULT 0, e vector(8), w vector(2100),
	h vector(40) GENERATED ALWAYS AS (subvector(w, 1, 40)) STORED,
	s sparsevec(2100) GENERATED ALWAYS AS
		(w * CASE WHEN binary_quantize(subvector(w, 1, 3)) = B'000' THEN '$many'::vector ELSE '$few'::vector END) STORED,
	b bit(150) GENERATED ALWAYS AS (binary_quantize(subvector(w, 1, 150))::bit(150)) STORED);
INSERT INTO items SELECT i, 0, vec(i, 8), vec(i, 2100) FROM generate_series(1, $rows) i;
CREATE INDEX items_l2 ON items USING hnsw (e vector_l2_ops);
CREATE INDEX items_cosine ON items USING hnsw (e vector_cosine_ops) WITH (m = 6, ef_construction = 32);
CREATE INDEX items_ip ON items USING hnsw (e vector_ip_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX items_l1 ON items USING hnsw (e vector_l1_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX items_wide ON items USING hnsw (w vector_l2_ops) WITH (m = 4, ef_construction = 16);
CREATE INDEX items_half ON items USING hnsw (h vector_l2_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX items_half_cosine ON items USING hnsw (h vector_cosine_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX items_sparse ON items USING hnsw (s sparsevec_l2_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX items_sparse_ip ON items USING hnsw (s sparsevec_ip_ops) WITH (m = 6, ef_construction = 32);
CREATE INDEX items_bit ON items USING hnsw (b bit_hamming_ops) WITH (m = 8, ef_construction = 32);
X
}

# All indexes with the option deferred; on few rows, so that insertions have to merge some.
sub am_defer
{
	my ($node, $threshold) = @_;
	$node->safe_psql('postgres', join '', map { "ALTER INDEX $_ SET (deferred = on, merge_threshold = $threshold);\n" } @indexes);
}

my %script = (
	# a row is found as soon as it is there, wherever it is just then
	find => <<'X',
\set seed random(1, 2000000)
\set id (100000 + :client_id * 1000 + random(1, 200)) * 3 + 1
SET enable_seqscan = off;
DELETE FROM items WHERE id = :id;
INSERT INTO items VALUES (:id, 2, vec(:seed, 8), vec(:seed, 2100));
SELECT pg_sleep(random() * 0.02);
SELECT found(:id, 'e', '<->', vec(:seed, 8)::text), found(:id, 'e', '<=>', vec(:seed, 8)::text),
	found(:id, 'e', '<+>', vec(:seed, 8)::text), found(:id, 'h', '<->', subvector(vec(:seed, 2100), 1, 40)::text),
	found(:id, 'w', '<->', vec(:seed, 2100)::text), found(:id, 'b', '<~>', query('b', :seed, 150));
X
	flush => <<'X',
SELECT flush_index(i) FROM unnest('{items_l2,items_wide,items_sparse}'::regclass[]) i;
\sleep 50 ms
X
	# rows of few ids, many of equal vectors, some rolled back
	write => <<'X',
\set id random(1, 600)
\set seed random(1, 1000)
\set few random(1, 20)
\set what random(1, 12)
\if :what <= 4
INSERT INTO items VALUES (:id, 0, vec(:seed, 8), vec(:seed, 2100)) ON CONFLICT (id) DO UPDATE SET e = excluded.e, w = excluded.w;
\elif :what = 5
INSERT INTO items VALUES (:id, 0, vec(:few, 8), vec(:few, 2100)) ON CONFLICT (id) DO UPDATE SET e = excluded.e;
\elif :what = 6
UPDATE items SET e = vec(:seed, 8) WHERE id = :id;
\elif :what = 7
UPDATE items SET note = note + 1 WHERE id = :id;
\elif :what <= 9
DELETE FROM items WHERE id = :id;
\elif :what = 10
BEGIN;
INSERT INTO items SELECT 10000 + :client_id * 100 + i, 1, vec(:few, 8), NULL FROM generate_series(1, 20) i;
SAVEPOINT s;
INSERT INTO items SELECT 20000 + :client_id * 100 + i, 1, vec(:seed + i, 8), vec(:seed + i, 2100) FROM generate_series(1, 3) i;
ROLLBACK TO s;
DELETE FROM items WHERE id > 10000 + :client_id * 100 AND id <= 10100 + :client_id * 100;
COMMIT;
\elif :what = 11
BEGIN;
INSERT INTO items SELECT 30000 + :client_id * 100 + i, 1, vec(:seed + i, 8), vec(:few, 2100) FROM generate_series(1, 5) i;
ROLLBACK;
\else
SET enable_seqscan = off;
SELECT id FROM items ORDER BY e <-> vec(:seed, 8) LIMIT 5;
SELECT id FROM items ORDER BY w <-> vec(:seed, 2100) LIMIT 5;
SELECT id FROM items ORDER BY e <=> vec(:seed, 8) LIMIT 100;
RESET enable_seqscan;
\endif
X
	oracle => <<'X',
\set seed random(1, 1000)
\set n random(1, 300)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT no_wrong_rows('e', '<->', 8, :seed, :n);
SELECT no_wrong_rows('e', '<=>', 8, :seed, :n);
SELECT no_wrong_rows('e', '<#>', 8, :seed, 20);
SELECT no_wrong_rows('e', '<+>', 8, :seed, :n);
SELECT no_wrong_rows('h', '<->', 40, :seed, :n);
SELECT no_wrong_rows('h', '<=>', 40, :seed, :n);
SELECT no_wrong_rows('w', '<->', 2100, :seed, 10);
SELECT no_wrong_rows('s', '<->', 2100, :seed, 30);
SELECT no_wrong_rows('s', '<#>', 2100, :seed, 20);
SELECT no_wrong_rows('b', '<~>', 150, :seed, :n);
COMMIT;
X
	read => <<'X',
\set seed random(1, 1000)
SELECT id FROM items ORDER BY e <-> vec(:seed, 8) LIMIT 5;
SELECT id FROM items ORDER BY e <=> vec(:seed, 8) LIMIT 50;
SELECT id FROM items ORDER BY e <+> vec(:seed, 8) LIMIT 5;
SELECT id FROM items ORDER BY w <-> vec(:seed, 2100) LIMIT 5;
SELECT count(*) FROM check_index('items_l2') WHERE severity = 'error';
X
	vacuum => <<'X',
\set what random(1, 10)
\if :what = 1
DELETE FROM items WHERE id % 3 = 0;
\elif :what = 2
DELETE FROM items WHERE id <= 600;
\endif
VACUUM items;
\sleep 20 ms
X
);

# Starts clients by script, such as (write => 4, vacuum => 1); a client stops at its
# first error.  With rate => N, those that write do so N times a second, all together.
sub start_work
{
	my ($node, %clients) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $rate = delete $clients{rate};
	my @work;

	for my $name (sort keys %clients)
	{
		my %w = (out => '', err => '', name => $name, error => qr/error|abort/i);
		local %ENV = (%ENV, $name eq 'read' ? (PGOPTIONS => '-c enable_seqscan=off') : ());

		append_to_file("$dir/$name.sql", $script{$name});
		$w{handle} = IPC::Run::start(
			[
				$node->installed_command('pgbench'), '-n', '-T', '3600', '-M', 'simple', '--max-tries=10',
				'-c', $clients{$name}, '--random-seed=' . int(rand(2**31)),
				$rate && $name eq 'write' ? ('-R', $rate) : (),
				'-f', "$dir/$name.sql", '-h', $node->host, '-p', $node->port, 'postgres'
			],
			'<', \undef, '>', \$w{out}, '2>', \$w{err});
		push @work, \%w;
	}
	return \@work;
}

# A session that runs statements one after another, whatever becomes of them; what
# counts as an error are the SQLSTATEs that none of them should ever have.
sub start_statements
{
	my ($node, $name, @statements) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . "/$name.sql";
	my %w = (out => '', err => '', name => $name, error => qr/ERROR:  (XX|58|53|2[12]|0A)/);

	append_to_file($file, join ";\n", '\set VERBOSITY verbose', @statements, '');
	$w{handle} = IPC::Run::start(
		[ $node->installed_command('psql'), '-X', '-q', '-h', $node->host, '-p', $node->port, '-f', $file, 'postgres' ],
		'<', \undef, '>', \$w{out}, '2>', \$w{err});
	return [ \%w ];
}

# Ends the clients and returns what errors they met.
sub stop_work
{
	my ($work) = @_;
	my $errors = '';

	for my $w (@$work)
	{
		eval { $w->{handle}->pump_nb };
		$errors .= "$w->{name} ended early: $w->{err}\n"
		  unless $w->{error} =~ /ERROR/ || eval { $w->{handle}->pumpable };
		eval { $w->{handle}->signal('INT') };
	}
	for my $w (@$work)
	{
		eval { $w->{handle}->finish };
		$errors .= join '', map { "$w->{name}: $_\n" }
		  grep { !/due to user request|Connection to database|connection to server/ }
		  grep { /$w->{error}/ } split /\n/, $w->{err};
	}
	return $errors;
}

# Stops the server at once in the middle of work, sometimes just behind a checkpoint, and starts it.
sub crash_amid
{
	my ($node, $round, %work) = @_;
	my $work = start_work($node, %work);

	usleep(1_000_000 + int(rand(1_500_000)));
	$node->safe_psql('postgres', 'CHECKPOINT') if $round % 2;
	usleep(int(rand(300_000)));
	$node->stop('immediate');
	stop_work($work);
	$node->start;
}

sub check_rows
{
	my ($node, $condition) = @_;
	return $node->safe_psql(
		'postgres',
		join ' UNION ALL ',
		map { "SELECT '$_', * FROM check_index('$_', true) WHERE $condition" } @indexes);
}

# What check_index says is broken; and what else it says but of vertices out of reach.
sub errors_of_check { return check_rows($_[0], "severity = 'error'"); }

sub warnings_of_check
{
	return check_rows($_[0], "severity = 'warning' AND message NOT LIKE '%cannot be reached%'");
}

sub findings_of_check { return check_rows($_[0], 'true'); }

sub unreachable_of_check { return check_rows($_[0], "finding = 'unreachable'"); }

sub lowest_recall
{
	my ($node) = @_;
	return $node->safe_psql('postgres', <<'X');
SET hnsw.ef_search = 400;
SELECT least(recall('items', 'e', '<->', 8), recall('items', 'e', '<=>', 8), recall('items', 'e', '<+>', 8),
	recall('items', 'h', '<->', 40), recall('items', 'h', '<=>', 40), recall('items', 'w', '<->', 2100, 3),
	recall('items', 's', '<->', 2100, 3), recall('items', 'b', '<~>', 150));
X
}

sub crashes
{
	my ($node) = @_;
	return join "\n", grep { /terminated by signal|TRAP|PANIC/ } split /\n/, slurp_file($node->logfile);
}

1;
