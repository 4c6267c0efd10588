# Recall@10 on sets of several shapes and types, for each operator class: of a fresh index, of
# one where a third of the rows came one by one and a fifth were deleted and vacuumed
# away, and of that one rebuilt, online or at once.  The bounds are what an honest graph does not fall below on these sets; a
# broken one (links, codes, repairs) does.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nlog_statement = none\nmaintenance_work_mem = 128MB\n"
	  . "max_worker_processes = 12\nhnsw_rebuild.nice = 0\n");
$node->start;
$node->safe_psql('postgres', <<'X');
CREATE EXTENSION hnsw_rebuild;
-- part of the 10 nearest rows to each row of q that the index finds
CREATE FUNCTION recall(op text) RETURNS double precision LANGUAGE plpgsql
SET enable_sort = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
	query text;
	kth double precision;
	n bigint;
	found bigint := 0;
	wanted bigint := 0;
BEGIN
	FOR query IN SELECT e FROM q LOOP
		PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
		EXECUTE format('SELECT max(x), count(*) FROM (SELECT e %s %L AS x FROM r ORDER BY 1 LIMIT 10) s', op, query)
			INTO kth, n;
		wanted := wanted + n;
		PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true);
		EXECUTE format('SELECT count(*) FROM (SELECT e %1$s %2$L AS x FROM r ORDER BY e %1$s %2$L LIMIT 10) s
			WHERE x <= $1 + 1e-5 * (abs($1) + 1)', op, query)
			INTO n USING kth;
		found := found + n;
	END LOOP;
	RETURN found::double precision / wanted;
END $$;
X

# About normal, and uniform.
sub normal { return rand() + rand() + rand() + rand() + rand() + rand() - 3; }

my %shape = (
	gaussian => sub {
		my ($dims) = @_;
		return sub { map { normal() } 1 .. $dims };
	},
	positive => sub {
		my ($dims) = @_;
		return sub { map { rand() } 1 .. $dims };
	},
	clustered => sub {
		my ($dims) = @_;
		my @centers = map { [ map { normal() } 1 .. $dims ] } 1 .. 12;
		return sub { my $c = $centers[ rand(@centers) ]; map { $_ + normal() / 2 } @$c };
	},
	# some vectors many times, as texts and pictures come
	duplicates => sub {
		my ($dims) = @_;
		my @often = map { [ map { normal() } 1 .. $dims ] } 1 .. 100;
		return sub { rand() < 0.6 ? @{ $often[ rand(@often) ] } : map { normal() } 1 .. $dims };
	},
	# in a plane of 10 dimensions, as embeddings nearly are
	plane => sub {
		my ($dims) = @_;
		my @axes = map { [ map { normal() } 1 .. $dims ] } 1 .. 10;
		return sub {
			my @at = map { normal() } @axes;
			return map { my $j = $_; my $x = normal() / 20; $x += $at[$_] * $axes[$_][$j] for 0 .. $#axes; $x } 0 .. $dims - 1;
		};
	},
);

# Coordinates as a value of a type is written.  Of a sparse vector, only what is large counts.
my $dense = sub { '[' . join(',', map { sprintf '%.4g', $_ } @_) . ']' };
my %written = (
	vector => $dense,
	halfvec => $dense,
	bit => sub { join '', map { $_ > 0 ? 1 : 0 } @_ },
	sparsevec => sub {
		my $dims = @_;
		my @large = grep { abs $_[ $_ - 1 ] > 1 } 1 .. $dims;
		return '{' . join(',', map { sprintf '%d:%.4g', $_, $_[ $_ - 1 ] } @large) . "}/$dims";
	},
);

sub vectors_to
{
	my ($table, $type, $make, $n) = @_;
	my $path = PostgreSQL::Test::Utils::tempdir . "/$table";
	open my $fh, '>', $path or die "$path: $!";
	printf $fh "%d\t%s\n", $_, $written{$type}->($make->()) for 1 .. $n;
	close $fh;
	$node->safe_psql('postgres', "COPY $table FROM '$path'");
}

my %operator = (l2 => '<->', cosine => '<=>', ip => '<#>', l1 => '<+>', hamming => '<~>', jaccard => '<%>');

my $times = $ENV{HNR_TEST_TIMES} || 1;	# so many times the rows

# The lowest recall to pass, by ef_search: fresh, after the churn, and rebuilt.  Of more rows,
# a search that hardly looks finds less; and where a query is a row that is there many times, all of
# its nearest rows or none.
my @stages = ('fresh', 'after insertions and VACUUM', 'rebuilt');
my %bounds = (10 => $times > 1 ? [ 0.75, 0.75, 0.75 ] : [ 0.88, 0.85, 0.88 ], 40 => [ 0.97, 0.96, 0.97 ]);

# shape, dimensions, rows, type, operator classes
my @sets = (
	[ 'gaussian', 3, 1000, 'vector', qw(l2 ip) ],
	[ 'gaussian', 8, 1000, 'vector', qw(cosine l1) ],
	[ 'gaussian', 16, 1000, 'vector', qw(l2 cosine ip l1) ],
	[ 'positive', 16, 1000, 'vector', qw(ip) ],
	[ 'clustered', 16, 1000, 'vector', qw(l2) ],
	[ 'duplicates', 16, 1200, 'vector', qw(l2 l1) ],
	[ 'plane', 128, 800, 'vector', qw(l2 ip) ],
	[ 'clustered', 128, 800, 'vector', qw(cosine) ],
	[ 'plane', 784, 300, 'vector', qw(l2 cosine) ],
	[ 'clustered', 64, 800, 'halfvec', qw(l2 cosine ip l1) ],
	[ 'clustered', 100, 800, 'bit', qw(hamming jaccard) ],
	[ 'plane', 250, 500, 'bit', qw(jaccard) ],
	[ 'duplicates', 33, 800, 'bit', qw(hamming) ],
	[ 'clustered', 100, 600, 'sparsevec', qw(l2 cosine ip l1) ],
	[ 'plane', 900, 300, 'sparsevec', qw(l2 ip) ],
	[ 'duplicates', 33, 800, 'sparsevec', qw(cosine l1) ],
);
my %loops;		# by operator class

srand($ENV{HNR_TEST_SEED} || 42);
for my $set (@sets)
{
	my ($name, $dims, $rows, $type, @classes) = @$set;
	my $make = $shape{$name}->($dims);

	$node->safe_psql('postgres', "CREATE TABLE r (id int, e $type($dims)); CREATE TABLE q (id int, e $type($dims));"
		  . "CREATE TABLE all_r (id int, e $type($dims))");
	vectors_to('all_r', $type, $make, $rows * $times);
	# that there are rows many times makes it all or none for a query
	vectors_to('q', $type, $make, $times == 1 ? 15 : $name eq 'duplicates' ? 60 : 30);
	for my $class (@classes)
	{
		# each class online the first time that it comes
		my $online = $loops{"${type}_${class}_ops"}++ ? 'false' : 'true';
		my $wait = $online eq 'true' ? "CALL wait_for_rebuild('i');" : '';
		my $sql = join '', map
		  { "SELECT set_config('hnsw.ef_search', '$_', false) \\g /dev/null\nSELECT recall('$operator{$class}');\n" }
		  sort keys %bounds;
		my @recall = split /\n/, $node->safe_psql('postgres', <<"X");
TRUNCATE r;
DROP INDEX IF EXISTS i;
INSERT INTO r SELECT * FROM all_r;
CREATE INDEX i ON r USING hnsw (e ${type}_${class}_ops);
$sql
TRUNCATE r;
INSERT INTO r SELECT * FROM all_r WHERE id % 3 > 0;
REINDEX INDEX i;
INSERT INTO r SELECT * FROM all_r WHERE id % 3 = 0;
DELETE FROM r WHERE id % 5 = 0;
VACUUM r;
$sql
SELECT count(*) FROM check_index('i', true) WHERE severity = 'error' OR message NOT LIKE '%cannot be reached%';
SELECT rebuild_index('i', online => $online, measure => false) IS NULL \\g /dev/null
$wait
$sql
SELECT round(index_degradation('i', 50)::numeric, 3);
X
		my $title = "$name, $dims dimensions, ${type}_${class}_ops";
		note("$title: @recall");
		cmp_ok(pop @recall, '<=', 0.1, "$title: degradation");
		is(splice(@recall, 4, 1), 0, "$title: check_index before the rebuild");
		for my $bound (map { my $stage = $_; map { [ $_, $bounds{$_}[$stage], $stage ] } sort keys %bounds } 0 .. 2)
		{
			my ($ef, $least, $stage) = @$bound;
			cmp_ok(shift @recall, '>=', $least, "$title, ef_search $ef: $stages[$stage]");
		}
		is($node->safe_psql('postgres',
				"SELECT * FROM check_index('i', true) WHERE severity = 'error' OR message NOT LIKE '%cannot be reached%'"),
			'', "$title: check_index");
	}
	$node->safe_psql('postgres', 'DROP TABLE r, q, all_r');
}
is($node->safe_psql('postgres', "SELECT string_agg(opcname, ' ' ORDER BY opcname COLLATE \"C\") FROM pg_opclass c
		JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'hnsw'"), join(' ', sort keys %loops), 'every operator class');
$node->stop;
done_testing();
