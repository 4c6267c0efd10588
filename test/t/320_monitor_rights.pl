# Workers run with all rights: no function of an index's owner may run with them,
# whether a rebuild, a check of the launcher or a call evaluates it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RebuildTest;

my $node = new_node('main', conf => <<'X');
shared_preload_libraries = 'hnsw_rebuild'
hnsw_rebuild.launcher = off
hnsw_rebuild.naptime = 1
hnsw_rebuild.auto_min_rows = 0
hnsw_rebuild.auto_cooldown = 0
X

# Both the expression and the predicate have a constant call: the server evaluates
# it when it reads the index's definition.
$node->safe_psql('postgres', <<'X');
CREATE ROLE somebody;
GRANT CREATE ON SCHEMA public TO somebody;
SET ROLE somebody;
CREATE TABLE calls (who text);
CREATE FUNCTION note_call(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.calls VALUES (current_user);
	RETURN i;
EXCEPTION WHEN OTHERS THEN
	RETURN i;
END $$;
CREATE FUNCTION called(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
	'BEGIN RETURN public.note_call(i); END';
CREATE TABLE items (id int, e vector(8));
INSERT INTO items SELECT i, vec(i) FROM generate_series(1, 100) i;
CREATE INDEX items_e ON items
	USING hnsw ((subvector(e, called(1), called(8))::vector(8)) vector_l2_ops) WHERE called(1) = 1;
X

# Who has run the functions since the last time.
sub callers
{
	return $node->safe_psql('postgres', <<'X');
WITH seen AS (DELETE FROM calls RETURNING who)
SELECT string_agg(DISTINCT who, ',') FROM seen
X
}

is(callers(), 'somebody', 'CREATE INDEX');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', m => 8)");
is(wait_for_job($node), 'done', 'a rebuild of an index with expression and predicate');
is(callers(), 'somebody', 'rebuild_index()');
$node->safe_psql('postgres', "SELECT rebuild_index('items_e', online => false)");
is(callers(), 'somebody', 'the same in the transaction');
$node->safe_psql('postgres', "SELECT index_degradation('items_e')");
is(callers(), 'somebody', 'index_degradation()');
$node->safe_psql('postgres', "SELECT * FROM check_index('items_e', true)");
is(callers(), 'somebody', 'check_index()');
$node->safe_psql('postgres', "SELECT * FROM index_status('items_e')");
is(callers(), '', 'index_status()');

$node->safe_psql('postgres', 'ALTER INDEX items_e SET (auto_rebuild_threshold = 1)');
callers();
$node->append_conf('postgresql.conf', 'hnsw_rebuild.launcher = on');
$node->reload;
poll_sql($node, "SELECT count(*) > 0 FROM hnsw_rebuild.decision WHERE verdict IN ('fine', 'incurable')");
is(callers(), 'somebody', 'a check');

$node->stop;
done_testing();
