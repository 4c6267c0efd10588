# A scan goes on while a LIMIT or a filter asks for more than ef_search rows, and what it
# returns then is as near to the exact answer: on real vectors that the index stores as they
# are, and on such that it stores rounded, where the order of many is left to the executor; of
# every type and operator class.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $ROWS = 5000;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nlog_statement = none");
$node->start;
my ($vectors) = run_command([ $^X, 'test/lib/npy.pl', 'test/data/sift5k-128.base.npy' ]);
my $file = "$PostgreSQL::Test::Utils::tmp_check/sift5k.$$";
append_to_file($file, "$vectors\n");
$node->safe_psql('postgres', <<"X");
CREATE EXTENSION hnsw_rebuild;
CREATE TABLE exact (id int, v vector(128));
COPY exact FROM '$file';
CREATE TABLE rounded AS SELECT id, l2_normalize(v)::vector(128) AS v FROM exact;
CREATE INDEX ON exact USING hnsw (v vector_l2_ops);
CREATE INDEX ON exact USING hnsw (v vector_cosine_ops);
CREATE INDEX ON exact USING hnsw (v vector_ip_ops);
CREATE INDEX ON exact USING hnsw (v vector_l1_ops);
CREATE INDEX ON rounded USING hnsw (v vector_l2_ops);
CREATE INDEX ON rounded USING hnsw (v vector_ip_ops);
CREATE TABLE half AS SELECT id, v::halfvec(128) FROM exact;
CREATE INDEX ON half USING hnsw (v halfvec_l2_ops);
CREATE INDEX ON half USING hnsw (v halfvec_cosine_ops);
CREATE INDEX ON half USING hnsw (v halfvec_ip_ops);
CREATE INDEX ON half USING hnsw (v halfvec_l1_ops);
CREATE TABLE sparse AS SELECT id, ARRAY(SELECT CASE WHEN x > 40 THEN x ELSE 0 END FROM unnest(v::real[]) x)::sparsevec(128) AS v FROM exact;
CREATE INDEX ON sparse USING hnsw (v sparsevec_l2_ops);
CREATE INDEX ON sparse USING hnsw (v sparsevec_cosine_ops);
CREATE INDEX ON sparse USING hnsw (v sparsevec_ip_ops);
CREATE INDEX ON sparse USING hnsw (v sparsevec_l1_ops);
CREATE TABLE bits AS SELECT id, binary_quantize(v - m)::bit(128) AS v FROM exact, (SELECT avg(v) AS m FROM exact) a;
CREATE INDEX ON bits USING hnsw (v bit_hamming_ops);
CREATE INDEX ON bits USING hnsw (v bit_jaccard_ops);
ANALYZE;
-- of the n nearest rows that pass the filter, the part found; at least, of ten queries
CREATE FUNCTION found(r text, op text, n int, filter text)
RETURNS TABLE (part double precision, in_order bool) LANGUAGE plpgsql
SET max_parallel_workers_per_gather = 0 AS \$\$
DECLARE
	search text;
	query text;
	nearest double precision[];
	told double precision[];
BEGIN
	FOR i IN 1..10 LOOP
		EXECUTE format('SELECT v FROM %I WHERE id = %s', r, i * 449) INTO query;
		search := format('SELECT v %2\$s %5\$L AS d FROM %1\$I WHERE %4\$s ORDER BY v %2\$s %5\$L LIMIT %3\$s', r, op, n, filter, query);
		PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_sort', 'on', true);
		EXECUTE format('SELECT array_agg(d) FROM (%s) s', search) INTO nearest;
		PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_sort', 'off', true);
		EXECUTE format('SELECT array_agg(d) FROM (%s) s', search) INTO told;
		part := (SELECT count(*) FROM unnest(told) d WHERE d <= nearest[cardinality(nearest)])
			/ cardinality(nearest)::double precision;
		in_order := told = (SELECT array_agg(d ORDER BY d) FROM unnest(told) d);
		RETURN NEXT;
	END LOOP;
END \$\$;
X

my @indexes = map { [ 'exact', $_ ] } '<->', '<=>', '<#>', '<+>';
push @indexes, map { [ 'rounded', $_ ] } '<->', '<#>';
my @others = map { my $table = $_; map { [ $table, $_ ] } '<->', '<=>', '<#>', '<+>' } 'half', 'sparse';
push @others, map { [ 'bits', $_ ] } '<~>', '<%>';

foreach my $index (@indexes, @others)
{
	my ($table, $operator) = @$index;

	foreach my $asked ($table !~ /exact|rounded/ ? ([ 100, 'true' ], map { [ 10, "id % $_ = 1" ] } 5, 50) :
		(map { [ $_, 'true' ] } 40, 100, 500, 2000, $ROWS), (map { [ 10, "id % $_ = 1" ] } 5, 50, 500))
	{
		my ($n, $filter) = @$asked;
		my ($part, $in_order) = split /\|/, $node->safe_psql('postgres',
			"SELECT avg(part), bool_and(in_order) FROM found('$table', '$operator', $n, '$filter')");

		cmp_ok($part, '>=', 0.95, "$table, $operator, LIMIT $n, $filter: recall");
		is($in_order, 't', "$table, $operator, LIMIT $n, $filter: order");
	}
}
# What comes late is returned too, where the order may be relaxed.
foreach my $index (@indexes)
{
	my ($table, $operator) = @$index;
	my ($part, $in_order) = split /\|/, $node->safe_psql('postgres',
		"SET hnsw.iterative_scan = relaxed_order; SET hnsw.ef_search = 10;
		SELECT avg(part), bool_and(in_order) FROM found('$table', '$operator', 500, 'true')");

	cmp_ok($part, '>=', 0.95, "$table, $operator, relaxed order: recall");
	is($in_order, 'f', "$table, $operator, relaxed order");
}
$node->stop;
unlink $file;
done_testing();
