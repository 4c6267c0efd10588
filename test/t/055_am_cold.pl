# Searches whose pages come from disk: what is read ahead changes no answer.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('cold');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION hnsw_rebuild;
	CREATE FUNCTION vec(i int, n int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$ SELECT array_agg(sin(i * j * 0.7))::vector FROM generate_series(1, n) j $$;
	CREATE TABLE several (id int, v vector(48));
	CREATE TABLE one (id int, v vector(600));
	CREATE TABLE parts (id int, v vector(3000));
	INSERT INTO several SELECT i, vec(i, 48) FROM generate_series(1, 3000) i;
	INSERT INTO one SELECT i, vec(i, 600) FROM generate_series(1, 300) i;
	INSERT INTO parts SELECT i, vec(i, 3000) FROM generate_series(1, 100) i;
	CREATE INDEX ON several USING hnsw (v vector_l2_ops);
	CREATE INDEX ON one USING hnsw (v vector_cosine_ops);
	CREATE INDEX ON parts USING hnsw (v vector_l2_ops) WITH (m = 32);
});

my %answers;
foreach my $concurrency (0, 1, 64)
{
	$node->restart;
	like($node->safe_psql('postgres', qq{
		SET enable_seqscan = off;
		SET effective_io_concurrency = $concurrency;
		EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM several ORDER BY v <-> vec(5000, 48) LIMIT 20;}),
		qr/Index Scan using several_v_idx.*\n.*\n +Buffers: .*read=\d/, 'read from disk');
	foreach my $set ([ 'several', 48, '<->' ], [ 'one', 600, '<=>' ], [ 'parts', 3000, '<->' ])
	{
		my ($table, $dims, $operator) = @$set;
		my $search = join ' ', map {
			"SELECT id FROM (SELECT id FROM $table ORDER BY v $operator vec($_, $dims) LIMIT 20) s;"
		} 5001 .. 5010;
		my $found = $node->safe_psql('postgres',
			"SET enable_seqscan = off; SET effective_io_concurrency = $concurrency; $search");

		$answers{$table} //= $found;
		is($found, $answers{$table}, "$table, effective_io_concurrency = $concurrency");
	}
}
cmp_ok(scalar(split /\n/, $answers{several}), '==', 200, 'rows');
$node->stop;
done_testing();
