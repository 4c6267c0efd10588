# From pgvector to this extension in place, doc/migrating-from-pgvector.md: tables are not
# written anew, and everything that depends on the types stays as it is; until COMMIT all of
# it can be rolled back; what is in the way is listed before anything changes.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use UpgradeTest;

# The launcher looks at each database meanwhile.
my $node = upgrade_node('in_place', "shared_preload_libraries = 'hnsw_rebuild'\nhnsw_rebuild.naptime = 1");

sub error_of
{
	my ($db, $sql) = @_;
	my $err = '';

	$node->psql($db, "\\set VERBOSITY verbose\n$sql", stderr => \$err, on_error_stop => 1);
	return $err;
}

for my $schema ('public', 'Their 100% Place')
{
	my $db = $schema eq 'public' ? 'items' : 'elsewhere';
	my $migrate = qq{CREATE EXTENSION hnsw_rebuild SCHEMA "$schema" VERSION 'pgvector';
		ALTER EXTENSION hnsw_rebuild UPDATE;};

	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS fresh');
	$node->safe_psql('postgres', 'CREATE DATABASE fresh');
	$node->safe_psql('postgres', qq{ALTER DATABASE fresh SET search_path = public, "$schema"});
	$node->safe_psql('fresh', qq{CREATE SCHEMA IF NOT EXISTS "$schema"; CREATE EXTENSION hnsw_rebuild SCHEMA "$schema"});
	upgrade_fixture($node, $db, $schema);
	my $answers = upgrade_answers($node, $db);
	my $definition = upgrade_definition($node, $db);
	my $files = upgrade_files($node, $db);

	# A client that is there all the time.
	my $client = $node->background_psql($db);
	my $prepared = 'EXECUTE p; SELECT * FROM nearest; SELECT sum FROM sums;';
	$client->query_safe("PREPARE p AS SELECT id FROM items WHERE id < 400 ORDER BY v <-> '[7.1,3.2,4.3]', id LIMIT 5");
	my $seen = $client->query_safe($prepared);

	# Rolled back, and on in the same session.
	my $out = $node->safe_psql($db, <<"X");
BEGIN;
$migrate
SELECT 'ours: ' || count(*) FROM index_status() WHERE status = 'ready';
SELECT 'theirs: ' || count(*) FROM pg_extension WHERE extname = 'vector';
ROLLBACK;
SELECT 'theirs: ' || count(*) FROM pg_extension WHERE extname = 'vector';
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[7,3,4]', id LIMIT 1;
INSERT INTO items (id) VALUES (-1);
DELETE FROM items WHERE id = -1;
X
	like($out, qr/^ours: 1\d\ntheirs: 0\ntheirs: 1\n48$/, "$db: rolled back");
	is(upgrade_answers($node, $db), $answers, "$db: which leaves what clients see");
	is(upgrade_definition($node, $db), $definition, "$db: and definitions");
	is(upgrade_files($node, $db), $files, "$db: and files");

	# Done.
	$node->safe_psql($db, "BEGIN; $migrate COMMIT;");
	is($node->safe_psql($db, "SELECT string_agg(extname, ',' ORDER BY extname) FROM pg_extension"),
		'hnsw_rebuild,plpgsql', "$db: migrated");
	is($client->query_safe($prepared), $seen, "$db: a session with prepared statements goes on");
	$client->quit;
	is(upgrade_answers($node, $db), $answers, "$db: what clients see");
	is(upgrade_definition($node, $db), $definition, "$db: definitions, indexes and privileges are the same");
	is(upgrade_files($node, $db), $files, "$db: nothing is written anew but hnsw indexes");
	is(upgrade_check($node, $db), '', "$db: indexes are whole");
	is(upgrade_catalog($node, $db), upgrade_catalog($node, 'fresh'), "$db: the extension is as if created");
	is($node->safe_psql($db, "SELECT count(*) FROM pg_depend d WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
			AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.oid = refobjid)"), '0', "$db: nothing is left of the other");
	is($node->safe_psql($db, "SELECT rebuild_index('items_l2', m => 20) > 0; CALL wait_for_rebuild('items_l2');
			SELECT m FROM index_status('items_l2')"), "t\n20", "$db: a rebuild");
	is($node->safe_psql($db, 'DROP EXTENSION hnsw_rebuild CASCADE;
			SELECT count(*) FROM pg_type WHERE typname IN (\'vector\', \'halfvec\', \'sparsevec\')'), '0', "$db: dropped with all that depends on it");
}

# What is in the way.
$node->safe_psql('postgres', 'CREATE DATABASE obstacles');
like(error_of('obstacles', "CREATE EXTENSION hnsw_rebuild VERSION 'pgvector'"),
	qr/ERROR:  42704: this database does not have the extension "vector"/, 'nothing to migrate');
$node->safe_psql('obstacles', <<'X');
CREATE SCHEMA s;
CREATE EXTENSION vector SCHEMA s;
SET search_path = s, public;
CREATE TABLE public.items (id int, v vector(3), h halfvec(2));
INSERT INTO public.items SELECT i, ARRAY[i, 1, 2], ARRAY[1, i] FROM generate_series(1, 100) i;
CREATE INDEX items_ivf ON public.items USING ivfflat (v vector_l2_ops) WITH (lists = 2);
CREATE INDEX items_hnsw ON public.items USING hnsw (v vector_l2_ops);
CREATE OPERATOR CLASS public.my_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 vector_l2_squared_distance(vector, vector);
CREATE FUNCTION public.mine(vector) RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION public.mine(vector) DEPENDS ON EXTENSION vector;
CREATE TABLE public.added (i int);
ALTER EXTENSION vector ADD TABLE public.added;
X
like(error_of('obstacles', "CREATE EXTENSION hnsw_rebuild VERSION 'pgvector' SCHEMA public"),
	qr/ERROR:  55000: .*another schema, s\n.*HINT:  Use CREATE EXTENSION hnsw_rebuild SCHEMA s VERSION 'pgvector'/s, 'another schema');
my $create = "CREATE EXTENSION hnsw_rebuild VERSION 'pgvector' SCHEMA s";
my $error = error_of('obstacles', $create);
like($error, qr/ERROR:  2BP01: extension "vector" cannot be taken over/, 'refused');
like($error, qr/$_/, "because of: $_")
  for ('index (public\.)?items_ivf uses access method ivfflat', 'operator class (public\.)?my_ops .*is not part of it',
	'function (public\.)?mine\(.*vector\) depends on it', 'table (public\.)?added has been added to it',
	'HINT:  doc/migrating-from-pgvector.md');
$node->safe_psql('obstacles', <<'X');
SET search_path = s, public;
ALTER FUNCTION mine(s.vector) NO DEPENDS ON EXTENSION vector;
ALTER EXTENSION vector DROP TABLE added;
DROP OPERATOR FAMILY my_ops USING hnsw;
-- what only the update comes to: there is no counterpart of the function
CREATE FUNCTION s.other(internal) RETURNS internal AS '$libdir/vector', 'hnsw_bit_support' LANGUAGE C;
ALTER EXTENSION vector ADD FUNCTION s.other(internal);
CREATE INDEX items_ivf_half ON items USING ivfflat (h halfvec_cosine_ops) WITH (lists = 1) WHERE id > 10;
CREATE TABLE parts (id int, v vector(2)) PARTITION BY LIST (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE INDEX parts_ivf ON parts USING ivfflat (v vector_l2_ops) WITH (lists = 1);
CREATE INDEX parts_hnsw ON parts USING hnsw (v vector_l2_ops);
COMMENT ON INDEX public.items_ivf IS 'that''s it';
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE apart LOCATION '';
ALTER INDEX items_ivf_half SET TABLESPACE apart;
X

# As the document says.
my $document = slurp_file('doc/migrating-from-pgvector.md');
my ($ivfflat) = $document =~ /^## IVFFlat\n.*?```sql\n(.*?)```/ms or die 'no such section';
$node->safe_psql('obstacles', "SET search_path = s, public; $ivfflat");
is($node->safe_psql('obstacles', q{
	SET search_path = s, public;
	SELECT count(*) FROM pg_proc WHERE proname = 'other';
	SET enable_seqscan = off;
	SELECT id FROM items ORDER BY v <-> '[7,1,2]' LIMIT 1;
	SELECT count(*) FROM added;
	SELECT pg_get_indexdef(c.oid) FROM pg_class c JOIN pg_am a ON a.oid = relam AND amname = 'hnsw' ORDER BY relname COLLATE "C"}),
	q{0
7
0
CREATE INDEX items_hnsw ON public.items USING hnsw (v vector_l2_ops)
CREATE INDEX items_ivf ON public.items USING hnsw (v vector_l2_ops)
CREATE INDEX items_ivf_half ON public.items USING hnsw (h halfvec_cosine_ops) WHERE (id > 10)
CREATE INDEX parts_1_v_idx ON s.parts_1 USING hnsw (v vector_l2_ops)
CREATE INDEX parts_1_v_idx1 ON s.parts_1 USING hnsw (v vector_l2_ops)
CREATE INDEX parts_hnsw ON ONLY s.parts USING hnsw (v vector_l2_ops)
CREATE INDEX parts_ivf ON ONLY s.parts USING hnsw (v vector_l2_ops)},
	'migrated when nothing is in the way, ivfflat indexes as hnsw');
my $kept = q{SELECT string_agg(concat_ws('|', relname, obj_description(c.oid, 'pg_class'), spcname), ', ' ORDER BY relname)
	FROM pg_class c JOIN pg_am a ON a.oid = relam AND amname = 'hnsw' LEFT JOIN pg_tablespace s ON s.oid = reltablespace
	WHERE relname LIKE 'items%'};
is($node->safe_psql('obstacles', $kept), q{items_hnsw, items_ivf|that's it, items_ivf_half|apart}, 'with comments and tablespaces');

# Indexes afterwards.
$node->safe_psql('postgres', 'CREATE DATABASE afterwards');
$node->safe_psql('afterwards', <<'X');
CREATE EXTENSION vector;
CREATE TABLE items AS SELECT i AS id, ARRAY[i, 1, 2]::vector(3) AS v FROM generate_series(1, 100) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 8);
CREATE INDEX items_w ON items USING hnsw (v vector_l2_ops) TABLESPACE apart WHERE id > 7;
COMMENT ON INDEX items_w IS 'that''s it';
X
my ($later) = $document =~ /^### Indexes later\n.*?```sql\n(.*?)```/ms or die 'no such section';
$node->safe_psql('afterwards', $later);
is($node->safe_psql('afterwards', "SELECT name, m FROM index_status() ORDER BY 1"), "items_v|8\nitems_w|16", 'indexes are built afterwards');
is($node->safe_psql('afterwards', $kept), q{items_v, items_w|that's it|apart}, 'with comments and tablespaces');

# Others may create objects in the extension's schema: nothing of theirs is run or taken over.
$node->safe_psql('postgres', 'CREATE DATABASE shared');
$node->safe_psql('shared', <<'X');
CREATE SCHEMA s;
CREATE EXTENSION vector SCHEMA s;
CREATE TABLE items AS SELECT i AS id, ARRAY[i, 1, 2]::s.vector(3) AS v FROM generate_series(1, 100) i;
CREATE INDEX items_v ON items USING hnsw (v s.vector_l2_ops);
CREATE ROLE mallory;
GRANT CREATE, USAGE ON SCHEMA s TO mallory;
SET ROLE mallory;
CREATE TABLE s.hnsw_rebuild_migrated (index text, oid oid, parent oid, depth bigint, definition text,
	tablespace text, comment text, statistics text[]);
INSERT INTO s.hnsw_rebuild_migrated VALUES ('items_v', 1, NULL, 1, 'ALTER ROLE mallory SUPERUSER', NULL, NULL, '{}');
GRANT ALL ON s.hnsw_rebuild_migrated TO PUBLIC;
CREATE FUNCTION s.seize() RETURNS boolean LANGUAGE plpgsql AS
	'BEGIN ALTER ROLE mallory SUPERUSER; RETURN true; EXCEPTION WHEN insufficient_privilege THEN RETURN true; END';
CREATE FUNCTION s.eq(oid, regclass) RETURNS boolean LANGUAGE sql AS 'SELECT s.seize() AND $1 = $2::oid';
CREATE FUNCTION s.eq(oid, regnamespace) RETURNS boolean LANGUAGE sql AS 'SELECT s.seize() AND $1 = $2::oid';
CREATE FUNCTION s.ne(oid, regclass) RETURNS boolean LANGUAGE sql AS 'SELECT s.seize() AND $1 <> $2::oid';
CREATE FUNCTION s.ne(regnamespace, regnamespace) RETURNS boolean LANGUAGE sql AS 'SELECT s.seize() AND $1::oid <> $2::oid';
CREATE FUNCTION s.cat(text[], text[]) RETURNS text[] LANGUAGE sql AS 'SELECT array_cat($1, $2) WHERE s.seize()';
CREATE OPERATOR s.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = s.eq);
CREATE OPERATOR s.= (LEFTARG = oid, RIGHTARG = regnamespace, FUNCTION = s.eq);
CREATE OPERATOR s.<> (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = s.ne);
CREATE OPERATOR s.<> (LEFTARG = regnamespace, RIGHTARG = regnamespace, FUNCTION = s.ne);
CREATE OPERATOR s.|| (LEFTARG = text[], RIGHTARG = text[], FUNCTION = s.cat);
X
my $take = "CREATE EXTENSION hnsw_rebuild SCHEMA s VERSION 'pgvector'; ALTER EXTENSION hnsw_rebuild UPDATE;";
$node->safe_psql('shared', "BEGIN; $take COMMIT;");
is($node->safe_psql('shared', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"), 'f', "nobody's code is run");
is($node->safe_psql('shared', 'SELECT name FROM s.index_status()'), 'items_v', 'migrated where others create objects');
$node->safe_psql('shared', 'DROP EXTENSION hnsw_rebuild CASCADE');
$node->safe_psql('shared', <<'X');
CREATE EXTENSION vector SCHEMA s;
ALTER EXTENSION vector DROP OPERATOR s.<#> (s.halfvec, s.halfvec);
X
like(error_of('shared', $take), qr/ERROR:  42710: operator s\.<#>\(s\.halfvec,s\.halfvec\) already exists and is not part of extension "vector"/,
	'an operator of somebody else is in the way');

# As old versions of pgvector have it: without what came later, and with other properties of what
# there was.
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', <<'X');
CREATE EXTENSION vector;
DO $$
DECLARE
	r record;
BEGIN
	CREATE TEMP TABLE later AS SELECT i.type, i.identity FROM pg_depend d JOIN pg_extension e ON e.oid = refobjid AND extname = 'vector',
			pg_identify_object(classid, objid, objsubid) i
		WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass AND (i.identity ~ 'halfvec|sparsevec|bit|binary|l1_|l2_normalize|subvector'
			OR i.identity ~ 'vector_(mul|concat)|\.(\*|<\+>|\|\|)\(');
	FOR r IN SELECT * FROM later LOOP
		EXECUTE format('ALTER EXTENSION vector DROP %s %s', r.type, r.identity);
	END LOOP;
	DROP TYPE halfvec, sparsevec CASCADE;
	FOR r IN SELECT * FROM later WHERE type <> 'cast' ORDER BY type DESC LOOP
		EXECUTE format('DROP %s IF EXISTS %s CASCADE', r.type, r.identity);
	END LOOP;
END $$;
ALTER TYPE vector SET (STORAGE = extended);
ALTER OPERATOR <= (vector, vector) SET (RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
ALTER OPERATOR >= (vector, vector) SET (RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
UPDATE pg_operator SET oprcom = oid WHERE oid = '-(vector, vector)'::regoperator;
CREATE TABLE items AS SELECT i AS id, ARRAY[i, 1, 2]::vector(3) AS v FROM generate_series(1, 100) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
CREATE INDEX items_order ON items (v);
CREATE VIEW differences AS SELECT id, v - '[1,1,1]' AS d FROM items WHERE v <= '[9]';
X
is($node->safe_psql('old', "SELECT count(*) FROM pg_type WHERE typname IN ('halfvec', 'sparsevec')
		UNION ALL SELECT count(*) FROM pg_opclass WHERE opcintype = 'bit'::regtype AND opcname ~ 'jaccard'"), "0\n0", 'an old version');
$node->safe_psql('old', "BEGIN; CREATE EXTENSION hnsw_rebuild VERSION 'pgvector'; ALTER EXTENSION hnsw_rebuild UPDATE; COMMIT;");
$node->safe_psql('postgres', 'DROP DATABASE fresh');
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION hnsw_rebuild');
is(upgrade_catalog($node, 'old'), upgrade_catalog($node, 'fresh'), 'an old version: the extension is as if created');
is($node->safe_psql('old', "SELECT count(*), sum(d) FROM differences; SELECT name, status FROM index_status()"),
	"8|[28,0,8]\nitems_v|ready", 'an old version: views and indexes');

# Left half-way, where the launcher comes to indexes that are not ours.
$node->safe_psql('postgres', 'CREATE DATABASE halfway');
$node->safe_psql('halfway', <<'X');
CREATE EXTENSION vector;
CREATE TABLE items AS SELECT i AS id, ARRAY[i, 1, 2]::vector(3) AS v FROM generate_series(1, 100) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 8);
CREATE EXTENSION hnsw_rebuild VERSION 'pgvector';
X
# a launcher that starts looks at each database once
my $checks = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'halfway'";
my $before = $node->safe_psql('postgres', $checks);
$node->restart;
ok($node->poll_query_until('postgres', "SELECT ($checks) > $before"), 'the launcher has been there');
$node->safe_psql('halfway', 'ALTER EXTENSION hnsw_rebuild UPDATE');
is($node->safe_psql('halfway', "SELECT name, m, status FROM index_status()"), 'items_v|8|ready', 'the rest of the way');

unlike(slurp_file($node->logfile), qr/redefine|TRAP|PANIC|terminated by signal|hnsw_rebuild\.job/, 'nothing in the log');
$node->stop;
done_testing();
