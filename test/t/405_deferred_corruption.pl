# Pending rows' pages damaged on purpose: check_index() names the damage, and whatever else uses
# the index works or raises an error of corruption, but never ends the server or hangs.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest qw(read_file write_file);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'X');
autovacuum = off
restart_after_crash = on
fsync = off
shared_buffers = 32MB
max_parallel_maintenance_workers = 0
statement_timeout = 60s
hnsw_rebuild.merge_workers = 0
X
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION hnsw_rebuild');

# Offsets, see src/am/page.h; of pages from their contents on.
use constant BLCKSZ => 8192;
use constant CONTENTS => 32;
use constant {
	KIND => 26 - CONTENTS,
	META_HEAD => 40,
	META_TAIL => 44,
	META_SERIAL => 48,
	META_FREE => 60,
	META_HEAD_SERIAL => 64,
	SERIAL => 0,
	NEXT => 8,
	DATA => 16,
	FIRST_DATA => 20,
	COUNT => 24,
	USED => 26,
	CENTER_SIZE => 30,
	ENTRY_TID => 0,
	ENTRY_DATA => 8,
	ENTRY_OFFSET => 12,
	ENTRY_FLAGS => 14,
	ENTRY_SIZE => 16,
	ENTRY_ERROR => 28,
	ENTRY_VERTEX => 36,
};
my ($GROUND, $PENDING, $VECTORS, $FREE) = (2, 7, 8, 9);
my $INVALID = 0xFFFFFFFF;
my $BEYOND = 70000;

# A table of a type with pending rows on several pages and others that have been used; its index.
my %value_of = (
	vector => [ 200, 'vector_l2_ops', '<->', 'ARRAY(SELECT sin(i * j) FROM generate_series(1, 200) j)::vector' ],
	sparsevec => [ 2000, 'sparsevec_l2_ops', '<->',
		"(SELECT '{' || string_agg(j || ':' || sin(i * j), ',') || '}/2000' FROM generate_series(1, 20 + i % 200) j)::sparsevec" ],
	wide => [ 4096, 'vector_l2_ops', '<->', 'ARRAY(SELECT sin(i * j) FROM generate_series(1, 4096) j)::vector', 'vector' ],
);
my %type_of;

sub rows_of
{
	my ($name, $from, $to) = @_;
	return "INSERT INTO $name SELECT i, $value_of{$type_of{$name}}[3] FROM generate_series($from, $to) i";
}

sub make_table
{
	my ($name, $type) = @_;
	my ($dims, $class, undef, undef, $sql) = @{ $value_of{ $type ||= 'vector' } };
	my $n = $type eq 'wide' ? 1 / 5 : 1;

	$type_of{$name} = $type;
	$sql ||= $type;
	$node->safe_psql('postgres', join ';',
		"CREATE TABLE $name (id int, e $sql($dims)) WITH (autovacuum_enabled = off)",
		"CREATE INDEX ${name}_e ON $name USING hnsw (e $class) WITH (m = 4, ef_construction = 16, deferred = on)",
		rows_of($name, 1, 180 * $n), "SELECT flush_index('${name}_e')", rows_of($name, 1 + 180 * $n, 270 * $n));
	return $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${name}_e')");
}

# The file of an index, and what stands where in it.
my $bytes;
sub at { my ($block, $offset) = @_; return $block * BLCKSZ + CONTENTS + $offset; }
sub number { my ($block, $offset) = @_; return unpack('L', substr($bytes, at($block, $offset), 4)); }
sub of_kind
{
	my ($kind) = @_;
	my ($block) = grep { unpack('S', substr($bytes, at($_, KIND), 2)) == $kind } 1 .. length($bytes) / BLCKSZ - 1;
	return $block;
}
sub head { return number(0, META_HEAD); }
sub tail { return number(0, META_TAIL); }
sub vectors { return number(head(), DATA); }
sub entry
{
	my ($offset) = @_;
	my $center = unpack('S', substr($bytes, at(head(), CENTER_SIZE), 2));
	return at(head(), 40 + ($center + 3 & ~3) + $offset);
}
sub tid { return pack('SSS', $_[0] >> 16, $_[0] & 0xFFFF, $_[1]); }

# What to damage: a name, what check_index finds, the place and the bytes to write there; of what type.
my @damages = (
	[ 'no head', qr/metapage: .*no beginning/, sub { (at(0, META_HEAD), pack('L', $INVALID)) } ],
	[ 'head beyond', qr/pending_row: .*leads to a page/, sub { (at(0, META_HEAD), pack('L', $BEYOND)) } ],
	[ 'head a vertex', qr/pending_row: .*leads to a page/, sub { (at(0, META_HEAD), pack('L', of_kind($GROUND))) } ],
	[ 'head another', qr/pending_row: .*leads to a page/, sub { (at(0, META_HEAD), pack('L', tail())) } ],
	[ 'head serial', qr/pending_row: .*leads to a page/, sub { (at(0, META_HEAD_SERIAL), pack('Q', 3)) } ],
	[ 'head serial beyond', qr/metapage: .*no beginning/, sub { (at(0, META_HEAD_SERIAL), pack('Q', 1 << 40)) } ],
	[ 'no tail', qr/metapage: .*no beginning/, sub { (at(0, META_TAIL), pack('L', $INVALID)) } ],
	[ 'tail beyond', qr/pending_row: .*does not end/, sub { (at(0, META_TAIL), pack('L', $BEYOND)) } ],
	[ 'tail a vertex', qr/pending_row: .*does not end/, sub { (at(0, META_TAIL), pack('L', of_kind($GROUND))) } ],
	[ 'tail another', qr/pending_row: .*does not end/, sub { (at(0, META_TAIL), pack('L', head())) } ],
	[ 'tail free', qr/pending_row: .*does not end/, sub { (at(0, META_TAIL), pack('L', of_kind($FREE))) } ],
	[ 'serial', qr/pending_row: .*does not end/, sub { (at(0, META_SERIAL), pack('Q', 99)) } ],
	[ 'free beyond', qr/pending_row: .*free/, sub { (at(0, META_FREE), pack('L', $BEYOND)) } ],
	[ 'free a vertex', qr/pending_row: .*free/, sub { (at(0, META_FREE), pack('L', of_kind($GROUND))) } ],
	[ 'free in the list', qr/pending_row: .*free/, sub { (at(0, META_FREE), pack('L', head())) } ],
	[ 'free with vectors', qr/pending_row: .*free/, sub { (at(0, META_FREE), pack('L', vectors())) } ],
	[ 'free in a circle', qr/pending_row: .*free/, sub { (at(of_kind($FREE), NEXT), pack('L', of_kind($FREE))) } ],
	[ 'list cut', qr/pending_row: .*does not end/, sub { (at(head(), NEXT), pack('L', $INVALID)) } ],
	[ 'circle', qr/pending_row: .*leads to a page/, sub { (at(head(), NEXT), pack('L', head())) } ],
	[ 'end in a circle', qr/pending_row: .*(leads to a page|does not end)/, sub { (at(tail(), NEXT), pack('L', head())) } ],
	[ 'next beyond', qr/pending_row: .*leads to a page/, sub { (at(head(), NEXT), pack('L', $BEYOND)) } ],
	[ 'next a vertex', qr/pending_row: .*leads to a page/, sub { (at(head(), NEXT), pack('L', of_kind($GROUND))) } ],
	[ 'page serial', qr/pending_row: .*leads to a page/, sub { (at(head(), SERIAL), pack('Q', 77)) } ],
	[ 'count', qr/page_header: .*more pending rows/, sub { (at(head(), COUNT), pack('S', 60000)) } ],
	[ 'fewer', qr/row_missing: /, sub { (at(head(), COUNT), pack('S', 3)) } ],
	[ 'centre', qr/page_header: .*centre of another size/, sub { (at(head(), CENTER_SIZE), pack('S', 8000)) } ],
	[ 'no vectors', qr/page_header: .*beginning or end only/, sub { (at(head(), DATA), pack('L', $INVALID)) } ],
	[ 'other vectors', qr/pending_row: .*pages of vectors/, sub { (at(head(), DATA), pack('L', number(tail(), DATA))) } ],
	[ 'vectors of the tail', qr/pending_row: .*pages of vectors/, sub { (at(tail(), DATA), pack('L', vectors())) } ],
	[ 'vectors nowhere', qr/pending_row: .*pages of vectors/, sub { (at(head(), DATA), pack('L', $BEYOND)) } ],
	[ 'vectors on a vertex', qr/pending_row: .*pages of vectors/, sub { (at(head(), DATA), pack('L', of_kind($GROUND))) } ],
	[ 'first vectors nowhere', qr/pending_row: .*pages of vectors/, sub { (at(head(), FIRST_DATA), pack('L', $BEYOND)) } ],
	[ 'first vectors others', qr/pending_row: .*pages of vectors/, sub { (at(head(), FIRST_DATA), pack('L', vectors())) } ],
	[ 'vectors in a circle', qr/pending_row: .*pages of vectors/, sub { (at(vectors(), NEXT), pack('L', vectors())) } ],
	[ 'used', qr/page_header: .*more than it has room/, sub { (at(vectors(), USED), pack('S', 60000)) } ],
	[ 'vectors freed', qr/page_header|pending_row: /, sub { (at(number(head(), FIRST_DATA), KIND), pack('S', $FREE)) } ],
	[ 'vectors serial', qr/pending_row: /, sub { (at(number(head(), FIRST_DATA), SERIAL), pack('Q', 1)) } ],
	[ 'heap TID', qr/pending_row: .*invalid heap TID/, sub { (entry(ENTRY_TID), tid(0, 0)) } ],
	[ 'heap TID nowhere', qr/tid_without_row: /, sub { (entry(ENTRY_TID), tid(99999, 1)) } ],
	[ 'vector beyond', qr/pending_row: .*no page of vectors/, sub { (entry(ENTRY_DATA), pack('L', $BEYOND)) } ],
	[ 'vector nowhere', qr/pending_row: .*no page of vectors/, sub { (entry(ENTRY_DATA), pack('L', $INVALID)) } ],
	[ 'vector on a vertex', qr/pending_row: .*no page of vectors/, sub { (entry(ENTRY_DATA), pack('L', of_kind($GROUND))) } ],
	[ 'vector on its page', qr/pending_row: .*not on its page/, sub { (entry(ENTRY_DATA), pack('L', head())) } ],
	[ 'offset', qr/pending_row: .*impossible/, sub { (entry(ENTRY_OFFSET), pack('S', 60000)) } ],
	[ 'offset before the end', qr/pending_row: .*impossible/, sub { (entry(ENTRY_OFFSET), pack('S', 8100)) } ],
	[ 'offset in the head', qr/pending_row: .*impossible/, sub { (entry(ENTRY_OFFSET), pack('S', 8)) } ],
	[ 'size', qr/pending_row: .*no page of vectors/, sub { (entry(ENTRY_SIZE), pack('L', 0x7FFFFFFF)) } ],
	[ 'no size', qr/pending_row: .*impossible/, sub { (entry(ENTRY_SIZE), pack('L', 0)) } ],
	[ 'flags', qr/pending_row: .*value where/, sub { (entry(ENTRY_FLAGS), pack('S', 0xFFFF)) } ],
	[ 'done', qr/pending_row: .*not in the graph/, sub { (entry(ENTRY_FLAGS), pack('S', 4)) } ],
	[ 'no vertex', qr/pending_row: .*no vertex/, sub { (entry(ENTRY_FLAGS), pack('S', 2)) } ],
	[ 'error', qr/pending_row: .*no number/, sub { (entry(ENTRY_ERROR), pack('f', 'nan')) } ],
	[ 'sparse size', qr/pending_row: .*impossible/, sub { (entry(ENTRY_SIZE), pack('L', 7)) }, 'sparsevec' ],
	[ 'coordinates', qr/pending_row: .*impossible/, sub { (at(number(head(), FIRST_DATA), 40), pack('L', 0x80000003)) }, 'sparsevec' ],
	[ 'sparse offset', qr/pending_row: .*impossible/, sub { (entry(ENTRY_OFFSET), pack('S', 8150)) }, 'sparsevec' ],
	[ 'wide cut', qr/pending_row: /, sub { (at(number(head(), FIRST_DATA) , SERIAL), pack('Q', 1)) }, 'wide' ],
	[ 'wide in a circle', qr/pending_row: .*pages of vectors/, sub { (at(vectors(), NEXT), pack('L', vectors())) }, 'wide' ],
	[ 'wide offset', qr/pending_row: .*impossible/, sub { (entry(ENTRY_OFFSET), pack('S', 56)) }, 'wide' ],
);

my $random = $ENV{HNR_TEST_ROUNDS} || 6;
srand($ENV{HNR_TEST_SEED} || 1);
my %path = map { ("d$_" => make_table("d$_", $damages[$_][3])) } 0 .. $#damages;
$path{"r$_"} = make_table("r$_", (qw(vector sparsevec wide))[ $_ % 3 ]) for 1 .. $random;
my @names = ((map { "d$_" } 0 .. $#damages), (map { "r$_" } 1 .. $random));
is($node->safe_psql('postgres', join ' UNION ALL ', map { "SELECT * FROM check_index('${_}_e', true) WHERE finding <> 'unreachable'" } @names),
	'', 'nothing is wrong before');
$node->stop;

for my $i (0 .. $#damages)
{
	$bytes = read_file($path{"d$i"});
	my ($at, $value) = $damages[$i][2]->();
	substr($bytes, $at, length $value) = $value;
	write_file($path{"d$i"}, $bytes);
}

# Some bytes anywhere on the pages of the list, or in what the metapage says of it.
for my $i (1 .. $random)
{
	$bytes = read_file($path{"r$i"});
	my @blocks = grep { unpack('S', substr($bytes, at($_, KIND), 2)) >= $PENDING } 1 .. length($bytes) / BLCKSZ - 1;
	for (1 .. 1 + int(rand(8)))
	{
		my $at = rand() < 0.2 ? at(0, META_HEAD + int(rand(36))) :
		  at($blocks[ int(rand(@blocks)) ], int(rand(rand() < 0.7 ? 80 : BLCKSZ - CONTENTS)));
		substr($bytes, $at, 1) = pack('C', int(rand(256)));
	}
	write_file($path{"r$i"}, $bytes);
}
$node->start;

my $crashed = 0;

# Runs statements, each whatever became of the others; returns what errors they met but
# those of corruption.
sub errors_of
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 0);

	if ($status != 0)
	{
		$crashed++;
		$node->poll_query_until('postgres', 'SELECT true');
	}
	return join ' ', $status || (), grep { !/index returned tuples in wrong order/ && !/^XX00[12]/ } $stderr =~ /ERROR:  (.*)/g;
}

# Uses an index in every way.
sub use_index
{
	my ($name) = @_;
	my ($operator, $value) = @{ $value_of{ $type_of{$name} } }[ 2, 3 ];
	my $n = $type_of{$name} eq 'wide' ? 15 : 80;

	return errors_of(join "\n",
		"SET enable_seqscan = off; SELECT id FROM $name ORDER BY e $operator (SELECT $value FROM (VALUES (1)) v (i)) LIMIT 300;",
		"SELECT * FROM index_status('${name}_e');",
		rows_of($name, 1001, 1001) . ';',
		"BEGIN; DELETE FROM $name WHERE id % 3 = 1; COMMIT; VACUUM $name;",
		rows_of($name, 2001, 2000 + $n) . ';',
		"SELECT flush_index('${name}_e');",
		rows_of($name, 3001, 3000 + $n) . ';',
		"ALTER INDEX ${name}_e SET (merge_threshold = 100); " . rows_of($name, 4001, 4010) . ';',
		"SELECT count(*) FROM check_index('${name}_e', true);",
		"ALTER INDEX ${name}_e SET (deferred = off);");
}

for my $i (0 .. $#damages)
{
	my ($name, $message) = @{ $damages[$i] };
	like($node->safe_psql('postgres', "SELECT finding || ': ' || message FROM check_index('d${i}_e', true)"),
		qr/^$message/m, "$name: found");
	is(use_index("d$i"), '', "$name: errors are of corruption only");
}
is(join('', map { errors_of("SELECT count(*) FROM check_index('r${_}_e', true);") . use_index("r$_") } 1 .. $random), '', "random damage: errors are of corruption only");

# A worker that cannot merge the rows of damaged indexes merges those of others.
$node->append_conf('postgresql.conf', 'hnsw_rebuild.merge_workers = 1');
$node->reload;
make_table('sound');
$node->poll_query_until('postgres', "SELECT pending_rows = 0 FROM index_status('sound_e')") or fail 'merged';
ok(slurp_file($node->logfile) =~ /hnsw_rebuild merge.*exited with exit code 1/ ? 0 : 1, 'no worker ends by the error');

# Whatever the damage, a rebuild cures it.
my @bad = map
{
	my $error = errors_of("SELECT rebuild_index('${_}_e', measure => false, online => false);");
	$error || $node->safe_psql('postgres', "SELECT message FROM check_index('${_}_e', true) WHERE finding <> 'unreachable'");
} map { "d$_" } grep { $_ % 8 == 0 } 0 .. $#damages;
is(join('', @bad), '', 'a rebuild makes it good');
is($crashed, 0, 'no crash');
ok(slurp_file($node->logfile) !~ /terminated by signal|TRAP/, 'no crash in the log');
$node->stop;
done_testing();
