# UpgradeTest.pm - what the tests of the way over from pgvector share.
#
# A database of pgvector's with everything that can depend on its types; what its
# clients see; its definition as pg_dump writes it.

package UpgradeTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(upgrade_node upgrade_fixture upgrade_answers upgrade_definition upgrade_files
  upgrade_catalog upgrade_check);

# A started node; without pgvector, the test ends here.
sub upgrade_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', <<'X');
autovacuum = off
fsync = off
max_worker_processes = 12
allow_in_place_tablespaces = on
hnsw_rebuild.nice = 0
X
	$node->append_conf('postgresql.conf', $conf) if $conf;
	$node->start;
	plan skip_all => 'pgvector is not installed for this server'
	  if $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") eq '0';
	$node->safe_psql('postgres', <<'X');
CREATE ROLE alice;
CREATE ROLE bob;
CREATE TABLESPACE elsewhere LOCATION '';
X
	return $node;
}

# Database $db with pgvector in schema $schema, which the search_path has.
sub upgrade_fixture
{
	my ($node, $db, $schema) = @_;

	$node->safe_psql('postgres', qq{CREATE DATABASE $db});
	$node->safe_psql('postgres', qq{ALTER DATABASE $db SET search_path = public, "$schema"});
	$node->safe_psql('postgres', "ALTER DATABASE $db SET hnsw.ef_search = 60");
	$node->safe_psql($db, qq{CREATE SCHEMA IF NOT EXISTS "$schema"; GRANT USAGE ON SCHEMA "$schema" TO PUBLIC; CREATE EXTENSION vector SCHEMA "$schema"; } . <<'X');
GRANT CREATE, USAGE ON SCHEMA public TO alice;
REVOKE EXECUTE ON FUNCTION l1_distance(vector, vector) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION l1_distance(vector, vector) TO alice;
GRANT USAGE ON TYPE halfvec TO bob WITH GRANT OPTION;

CREATE DOMAIN short AS vector(3) DEFAULT '[1,1,1]' CHECK (vector_norm(VALUE) < 1000);
CREATE TYPE pair AS (a vector(2), b sparsevec);
CREATE FUNCTION near(vector, vector, real DEFAULT 5) RETURNS boolean LANGUAGE sql IMMUTABLE
	BEGIN ATOMIC SELECT $1 <-> $2 < $3; END;
CREATE FUNCTION doubled(v vector) RETURNS vector LANGUAGE sql IMMUTABLE
	BEGIN ATOMIC SELECT v + v; END;
CREATE FUNCTION halved(v vector) RETURNS vector LANGUAGE plpgsql STABLE AS 'BEGIN RETURN v * ''[0.5,0.5,0.5]''; END';
CREATE FUNCTION first_of(v vector) RETURNS real LANGUAGE sql IMMUTABLE AS 'SELECT ($1::real[])[1]';
CREATE AGGREGATE total(vector) (SFUNC = vector_add, STYPE = vector);
CREATE OPERATOR ~~> (LEFTARG = vector, RIGHTARG = vector, FUNCTION = l2_distance);
CREATE CAST (vector AS integer) WITH FUNCTION vector_dims(vector);

CREATE TABLE items (
	id int PRIMARY KEY,
	v vector(3) NOT NULL DEFAULT '[0,0,0]',
	h halfvec(3) GENERATED ALWAYS AS (v::halfvec(3)) STORED,
	s sparsevec(5) DEFAULT '{2:1.5}/5',
	b bit(16),
	d short,
	p pair,
	list vector[],
	wide vector,
	CHECK (v <> '[9,9,9]'));
COMMENT ON COLUMN items.v IS 'of the picture';
ALTER TABLE items ALTER COLUMN wide SET STORAGE EXTENDED;
INSERT INTO items (id, v, s, b, d, p, list, wide)
	SELECT i, ARRAY[i % 20, i / 20, i % 7 - 3], ARRAY[0, i % 5, 0, i, -0.5]::vector::sparsevec, i::bit(16),
		ARRAY[i, -i, 0.25], ROW(ARRAY[i, 2]::vector, '{}/3')::pair, ARRAY[ARRAY[i]::vector, '[1,2]'],
		array_fill(i::real, ARRAY[CASE WHEN i % 50 = 0 THEN 3000 ELSE 3 END])::vector
	FROM generate_series(1, 400) i;
INSERT INTO items (id, v) VALUES (401, '[-1,-0,1e-40]'), (402, '[6e4,-1,0]');
CREATE INDEX items_l2 ON items USING hnsw (v vector_l2_ops);
CREATE INDEX items_ip ON items USING hnsw (v vector_ip_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX "Items Cosine" ON items USING hnsw (v vector_cosine_ops) TABLESPACE elsewhere WHERE id < 300;
CREATE INDEX items_l1 ON items USING hnsw ((doubled(v)::vector(3)) vector_l1_ops);
ALTER INDEX items_l1 ALTER COLUMN 1 SET STATISTICS 17;
COMMENT ON INDEX items_ip IS 'it''s for inner products';
CREATE INDEX items_s ON items USING hnsw (s sparsevec_cosine_ops);
CREATE INDEX items_b ON items USING hnsw (b bit_hamming_ops);
CREATE INDEX items_h ON items USING hnsw (h halfvec_l2_ops);
CREATE INDEX items_cast ON items USING hnsw ((v::halfvec(3)) halfvec_cosine_ops);
CREATE UNIQUE INDEX items_unique ON items (v, id);
CREATE INDEX items_order ON items (wide);
CREATE INDEX items_h_order ON items (h);
CREATE INDEX items_s_order ON items (s);
CREATE STATISTICS items_stats ON v, h FROM items;
ANALYZE items;
GRANT SELECT ON items TO bob;
GRANT UPDATE (v) ON items TO bob;
ALTER TABLE items OWNER TO alice;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE POLICY near_ones ON items FOR SELECT TO bob USING (near(v, '[3,3,0]', 4));

CREATE TABLE changes (who text, v vector);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO changes VALUES (TG_OP, NEW.v); RETURN NEW; END';
CREATE TRIGGER note AFTER UPDATE ON items FOR EACH ROW
	WHEN (OLD.v <> NEW.v) EXECUTE FUNCTION note();
CREATE VIEW nearest AS SELECT id, v <-> '[7,3,4]' AS distance, v::real[] AS a FROM items
	WHERE v > '[1,0,0]' AND near(v, '[7,3,4]', 100) ORDER BY v <-> '[7,3,4]', id LIMIT 10;
CREATE VIEW sums AS SELECT sum(v) AS sum, avg(h), total(v), count(DISTINCT v) FROM items WHERE id <= 400;
GRANT SELECT ON nearest TO bob;
CREATE MATERIALIZED VIEW norms AS SELECT id, l2_normalize(v) AS n, subvector(v, 1, 2)::vector(2) AS part FROM items WHERE id <= 400;
CREATE INDEX norms_part ON norms USING hnsw (part vector_l2_ops);

CREATE TABLE parts (id int, v vector(2)) PARTITION BY LIST (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2) PARTITION BY RANGE (v);
CREATE TABLE parts_2_low PARTITION OF parts_2 FOR VALUES FROM (MINVALUE) TO ('[5,0]');
CREATE TABLE parts_2_high PARTITION OF parts_2 FOR VALUES FROM ('[5,0]') TO (MAXVALUE);
INSERT INTO parts SELECT 1 + i % 2, ARRAY[i % 10, i] FROM generate_series(1, 100) i;
CREATE INDEX parts_v ON parts USING hnsw (v vector_l2_ops) WITH (m = 6, ef_construction = 32);
CREATE INDEX parts_half ON ONLY parts USING hnsw (v vector_ip_ops);
CREATE INDEX parts_1_half ON parts_1 USING hnsw (v vector_ip_ops);
ALTER INDEX parts_half ATTACH PARTITION parts_1_half;
CREATE TABLE child (extra text) INHERITS (items);
X
}

# What clients see.
sub upgrade_answers
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, <<'X');
SELECT * FROM items ORDER BY id;
SELECT * FROM nearest;
SELECT * FROM sums;
SELECT halved(doubled(v)) = v FROM items WHERE id < 5;
SELECT md5(string_agg(n::text || part::text, ',' ORDER BY id)) FROM norms;
SELECT tableoid::regclass, * FROM parts ORDER BY v, id LIMIT 20;
SET ROLE bob;
SELECT id, v, h FROM items ORDER BY v, id;
SELECT has_function_privilege('l1_distance(vector, vector)', 'execute'), has_type_privilege('halfvec', 'usage with grant option');
RESET ROLE;
SELECT id, '[1,2,3]'::vector ~~> v AS far, v::integer, first_of(d), (p).a FROM items WHERE near(v, '[3,3,3]') ORDER BY v;
SELECT count(*), sum((a.v = b.v)::int), sum((a.v < b.v)::int), sum((a.h > b.h)::int), sum((a.s < b.s)::int), sum((a.wide < b.wide)::int)
	FROM items a, items b;
SET enable_seqscan = off;
SELECT v FROM items WHERE v BETWEEN '[4,4,0]' AND '[6]' ORDER BY v, id;
SET hnsw.ef_search = 400;
SELECT id FROM items WHERE id < 400 ORDER BY v <-> '[7.1,3.2,4.3]' LIMIT 5;
SELECT id FROM norms ORDER BY part <-> '[3.1,3.3]', id LIMIT 3;
BEGIN;
INSERT INTO items (id, list) VALUES (1000, '{"[1,2]",NULL}') RETURNING *;
UPDATE items SET v = v + '[1,0,0]' WHERE id = 7 RETURNING v, h;
SELECT * FROM changes;
REFRESH MATERIALIZED VIEW norms;
ROLLBACK;
X
}

# As pg_dump writes it, but for the extension; and settings of the database.
sub upgrade_definition
{
	my ($node, $db) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'pg_dump', '-s', '-d', $node->connstr($db) ], '>', \$out, '2>', \$err)
	  or die "pg_dump: $err";
	return join "\n", grep { !/EXTENSION|^\\(un)?restrict |^-- Dumped/ && /\S/ } split /\n/, $out;
}

# What must not be written anew: tables, and their indexes of other access methods.
sub upgrade_files
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, <<'X');
SELECT c.oid, relname, relfilenode FROM pg_class c LEFT JOIN pg_am a ON a.oid = relam
WHERE c.oid >= 16384 AND relkind IN ('r', 't', 'm', 'i') AND amname IS DISTINCT FROM 'hnsw'
	AND relnamespace <> coalesce(to_regnamespace('hnsw_rebuild'), 0)
	AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_temp')
	AND NOT EXISTS (SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace AND nspname = 'hnsw_rebuild'
		WHERE c.oid = t.reltoastrelid OR c.oid = (SELECT indexrelid FROM pg_index WHERE indrelid = t.reltoastrelid))
ORDER BY c.oid
X
}

# Every object of the extension with its properties, in names.
sub upgrade_catalog
{
	my ($node, $db) = @_;
	my $catalog = $node->safe_psql($db, <<'X');
WITH m AS (
	SELECT d.classid, d.objid, i.type, i.identity, obj_description(d.objid, d.classid::regclass::text::name) AS comment
	FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
		AND d.deptype = 'e' AND e.extname = 'hnsw_rebuild',
		pg_identify_object(d.classid, d.objid, d.objsubid) i)
SELECT type, identity, comment FROM m
UNION ALL SELECT 'function', identity, row(prorettype::regtype, provolatile, proisstrict, proparallel, prokind, proretset,
		procost, proargnames, pronargdefaults, prosrc, probin, proconfig)::text
	FROM m JOIN pg_proc p ON p.oid = objid WHERE classid = 'pg_proc'::regclass
UNION ALL SELECT 'aggregate', identity, row(aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggtranstype::regtype, agginitval)::text
	FROM m JOIN pg_aggregate a ON a.aggfnoid = objid WHERE classid = 'pg_proc'::regclass
UNION ALL SELECT 'operator', identity, row(oprcode, oprcom::regoperator, oprnegate::regoperator, oprrest, oprjoin, oprcanmerge, oprcanhash)::text
	FROM m JOIN pg_operator o ON o.oid = objid WHERE classid = 'pg_operator'::regclass
UNION ALL SELECT 'type', identity, row(typlen, typtype, typcategory, typinput, typoutput, typreceive, typsend, typmodin, typmodout,
		typanalyze, typalign, typstorage, typarray::regtype)::text
	FROM m JOIN pg_type t ON t.oid = objid WHERE classid = 'pg_type'::regclass
UNION ALL SELECT 'cast', identity, row(castfunc::regprocedure, castcontext, castmethod)::text
	FROM m JOIN pg_cast c ON c.oid = objid WHERE classid = 'pg_cast'::regclass
UNION ALL SELECT 'class', identity, row(opcdefault, opcfamily, opckeytype::regtype)::text
	FROM m JOIN (SELECT o.oid AS o, opcdefault, opfname AS opcfamily, opckeytype FROM pg_opclass o JOIN pg_opfamily f ON f.oid = opcfamily) c
	ON c.o = objid WHERE classid = 'pg_opclass'::regclass
UNION ALL SELECT 'amop', identity, row(amoplefttype::regtype, amoprighttype::regtype, amopstrategy, amoppurpose, amopopr::regoperator)::text
	FROM m JOIN pg_amop o ON amopfamily = objid WHERE classid = 'pg_opfamily'::regclass
UNION ALL SELECT 'amproc', identity, row(amproclefttype::regtype, amprocrighttype::regtype, amprocnum, amproc::regprocedure)::text
	FROM m JOIN pg_amproc o ON amprocfamily = objid WHERE classid = 'pg_opfamily'::regclass
ORDER BY 1, 2, 3
X
	return $catalog;
}

# Whether the indexes are whole; btree's by amcheck where it is installed.
sub upgrade_check
{
	my ($node, $db) = @_;
	my $bad = $node->safe_psql($db, <<'X');
SELECT c.oid::regclass, f.* FROM pg_class c JOIN pg_am a ON a.oid = relam AND amname = 'hnsw',
	check_index(c.oid, true) f WHERE relkind = 'i'
X
	return $bad
	  if $node->safe_psql($db, "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'") eq '0';
	return $bad . $node->safe_psql($db, <<'X');
CREATE EXTENSION amcheck;
SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am a ON a.oid = relam AND amname = 'btree'
	JOIN pg_namespace n ON n.oid = relnamespace AND nspname = 'public'
	WHERE relkind = 'i' ORDER BY relname \g /dev/null
DROP EXTENSION amcheck;
X
}

1;
