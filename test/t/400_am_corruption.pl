# Pages damaged on purpose: check_index() names the damage, and whatever else uses
# the index works or raises an error of corruption, but never ends the server, hangs
# or writes to the table.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AmTest qw(read_file write_file);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\nrestart_after_crash = on\nfsync = off\nshared_buffers = 32MB\nmax_parallel_maintenance_workers = 0\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION hnsw_rebuild');

# In graphs of so few links some vertices may be out of reach from the start: a matter
# of chance, which no test here is about but one.

# Offsets on a page, see src/am/page.h.
use constant BLCKSZ => 8192;
use constant CONTENTS => 32;
use constant {
	KIND => 26,
	PAGE_ID => 24,
	UNUSED => 28,
	STATE => 0,
	LEVEL => 1,
	DEGREE => 2,
	NTIDS => 4,
	EXPONENT => 5,
	VERTEX_UNUSED => 7,
	GENERATION => 8,
	ERROR => 12,
	LINK => 16,
	TIDS => 22,
	VECTOR => 40,
	CHUNK => 116,
	PIECE => 1020,
	CHUNK_NEXT => 6,
	CHUNK_NTIDS => 12,
	CHUNK_UNUSED => 14,
	CHUNK_GENERATION => 16,
	CHUNK_TIDS => 20,
	META_MAGIC => CONTENTS,
	META_VERSION => CONTENTS + 4,
	META_DIMS => CONTENTS + 8,
	META_METRIC => CONTENTS + 10,
	META_ELEMENT => CONTENTS + 11,
	META_BITS => CONTENTS + 12,
	META_ENCODING => CONTENTS + 13,
	META_M => CONTENTS + 14,
	META_EF => CONTENTS + 16,
	META_SLOTS => CONTENTS + 18,
	META_SLOTS_UPPER => CONTENTS + 20,
	META_SEED => CONTENTS + 24,
	META_PENDING => CONTENTS + 40,
	META_ROOM => CONTENTS + 56,
	META_RESERVED => CONTENTS + 100,
};
my $slots = VECTOR + 4 * 8;		# of a vertex of 8 dimensions

sub tid { return pack('SSS', $_[0] >> 16, $_[0] & 0xFFFF, $_[1]); }

# By type: the operator and its class, what one in each so many coordinates of a row is, and
# how a vector becomes a value.
my %of_type = (
	vector => [ '<->', 'vector_l2_ops', 1, sub { $_[0] } ],
	sparsevec => [ '<->', 'sparsevec_l2_ops', 97, sub { "$_[0]::sparsevec" } ],
	bit => [ '<~>', 'bit_hamming_ops', 1, sub { "binary_quantize($_[0])::bit($_[1])" } ],
);
my %table_of;

# A value of the table's type, from an expression of i and j.
sub value_of
{
	my ($name, $coordinate) = @_;
	my ($type, $dims) = @{ $table_of{$name} };
	return $of_type{$type}[3]->("ARRAY(SELECT $coordinate FROM generate_series(1, $dims) j)::vector", $dims);
}

# Of a row i, of which a sparse vector has few coordinates.
sub row_of
{
	my ($name, $function) = @_;
	my $each = $of_type{ $table_of{$name}[0] }[2];
	return value_of($name, "CASE WHEN (i + j) % $each = 0 THEN $function(i * j) ELSE 0 END");
}

# A table like all others here, and its index.  The vector of many rows has all coordinates.
sub make_table
{
	my ($name, %table) = @_;
	my $dims = $table{dims} || 8;
	my $rows = $table{rows} || 200;
	my $type = $table{type} || 'vector';

	$table_of{$name} = [ $type, $dims ];
	my ($row, $many) = (row_of($name, 'sin'), value_of($name, '2'));
	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE $name (id int, e $type($dims)) WITH (autovacuum_enabled = off);
		INSERT INTO $name SELECT i, $row FROM generate_series(1, $rows) i;
		INSERT INTO $name SELECT 1000 + i, $many FROM generate_series(1, 60) i;
		CREATE INDEX ${name}_e ON $name USING hnsw (e $of_type{$type}[1]) WITH (m = 4, ef_construction = 16);
	});
}

# The index file's pages, read or changed while the server is down.
sub index_file
{
	my ($name) = @_;
	return $node->data_dir . '/'
	  . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${name}_e')");
}

# The first block of a kind; where vertex or chunk `pos` of a block stands, and the
# size of a vertex, from where its page ends.
sub block_of_kind
{
	my ($bytes, $kind) = @_;
	for (my $block = 0; $block * BLCKSZ < length $bytes; $block++)
	{
		return $block if unpack('S', substr($bytes, $block * BLCKSZ + KIND, 2)) == $kind;
	}
	die "no page of kind $kind";
}

my ($GROUND, $UPPER, $PART, $TIDS, $TAIL) = (2, 3, 4, 5, 6);
my @sparse = (type => 'sparsevec', dims => 2000);
my @bit = (type => 'bit', dims => 75);

# What to damage: a name, what check_index finds and says, and a function that gives the
# place in the file and the bytes to write there.
my $vertex_size;
my @damages = (
	[ 'page id', qr/page_header: .*not one of an hnsw index/, sub { (BLCKSZ + PAGE_ID, pack('S', 7)) } ],
	[ 'page kind', qr/page_header: .*no known kind/, sub { (BLCKSZ + KIND, pack('S', 77)) } ],
	[ 'other kind', qr/page_header: .*does not end where/, sub { (BLCKSZ + KIND, pack('S', $UPPER)) } ],
	[ 'magic', qr/metapage: .*magic number/, sub { (META_MAGIC, pack('L', 1)) } ],
	[ 'dimensions', qr/metapage: .*contradicts the operator class/, sub { (META_DIMS, pack('S', 60000)) } ],
	[ 'other dimensions', qr/metapage: .*other dimensions than the column/, sub { (META_DIMS, pack('S', 9)) } ],
	[ 'm', qr/metapage: .*parameters that no index has/, sub { (META_M, pack('S', 0)) } ],
	[ 'version', qr/format_version: /, sub { (META_VERSION, pack('L', 99)) } ],
	[ 'metric', qr/metapage: .*contradicts the operator class/, sub { (META_METRIC, pack('C', 3)) } ],
	[ 'element', qr/metapage: .*contradicts the operator class/, sub { (META_ELEMENT, pack('C', 2)) } ],
	[ 'bits', qr/metapage: .*another code/, sub { (META_BITS, pack('C', 1)) } ],
	[ 'encoding', qr/metapage: .*encoding/, sub { (META_ENCODING, pack('C', 9)) } ],
	[ 'ef_construction', qr/metapage: .*parameters/, sub { (META_EF, pack('S', 0)) } ],
	[ 'slots', qr/metapage: .*parameters/, sub { (META_SLOTS, pack('S', 1)) } ],
	[ 'upper slots', qr/metapage: .*parameters/, sub { (META_SLOTS_UPPER, pack('S', 1)) } ],
	[ 'seed', qr/code: /, sub { (META_SEED, pack('Q', 5)) } ],
	[ 'pending', qr/metapage: .*pending/, sub { (META_PENDING, pack('L', 5)) } ],
	[ 'reserved', qr/metapage: .*value where/, sub { (META_RESERVED, pack('L', 5)) } ],
	[ 'page unused', qr/page_header: .*value where/, sub { (BLCKSZ + UNUSED, pack('L', 5)) } ],
	[ 'page bounds', qr/page_header: .*(bounds|does not end)/, sub { (BLCKSZ + 12, pack('S', 4000)) } ],
	[ 'entry point', qr/entry_point: .*entry point is no vertex/, sub { (CONTENTS + 32, tid(70000, 9)) } ],
	[ 'entry level', qr/entry_point: .*entry point/, sub { (CONTENTS + 22, pack('s', 12)) } ],
	[ 'state', qr/vertex_header: .*state that does not exist/, sub { (BLCKSZ + CONTENTS + STATE, pack('C', 9)) } ],
	[ 'level', qr/vertex_header: .*level that does not belong/, sub { (BLCKSZ + CONTENTS + LEVEL, pack('C', 3)) } ],
	[ 'degree', qr/vertex_header: .*more neighbors than/, sub { (BLCKSZ + CONTENTS + DEGREE, pack('S', 60000)) } ],
	[ 'rows', qr/vertex_header: .*more rows than/, sub { (BLCKSZ + CONTENTS + NTIDS, pack('C', 200)) } ],
	[ 'generation', qr/vertex_header: .*no generation/, sub { (BLCKSZ + CONTENTS + GENERATION, pack('L', 0)) } ],
	[ 'removed', qr/vertex_header: .*not in use has/, sub { (BLCKSZ + CONTENTS + STATE, pack('C', 3)) } ],
	[ 'vertex unused', qr/vertex_header: .*value where/, sub { (BLCKSZ + CONTENTS + VERTEX_UNUSED, pack('C', 0x80)) } ],
	[
		'number of the future', qr/vertex_header: .*of the future/,
		sub { (BLCKSZ + CONTENTS, pack('CCSCcSLfx6Q', 3, 0, 0, 0, 0, 0, 1, 0, 1 << 50)) }
	],
	[ 'exponent', qr/vector: .*scale/, sub { (BLCKSZ + CONTENTS + EXPONENT, pack('c', 5)) } ],
	[ 'error', qr/rounding_error: /, sub { (BLCKSZ + CONTENTS + ERROR, pack('f', 'nan')) } ],
	[ 'error of shorts', qr/rounding_error: .*lost more/, sub { (BLCKSZ + CONTENTS + ERROR, pack('f', 0)) }, dims => 40 ],
	[ 'error too great', qr/rounding_error: .*cannot have/, sub { (BLCKSZ + CONTENTS + ERROR, pack('f', 9)) }, dims => 40 ],
	[ 'short', qr/tid_of_other_vector: /, sub { (BLCKSZ + CONTENTS + VECTOR, pack('S', 0x3C00)) }, dims => 40 ],
	[ 'no links', qr/no_links: /, sub { (BLCKSZ + CONTENTS + DEGREE, pack('S', 0)) } ],
	# the entry point is a vertex of the ground that leads nowhere
	[
		'no way there', qr/unreachable: .*cannot be reached/,
		sub {
			my ($bytes) = @_;
			my $meta = substr($bytes, 0, BLCKSZ);
			substr($meta, CONTENTS + 22, 2) = pack('s', 0);
			substr($meta, CONTENTS + 32, 6) = tid(1, 1);
			my $block = substr($bytes, BLCKSZ, BLCKSZ);
			substr($block, CONTENTS + DEGREE, 2) = pack('S', 0);
			return (0, $meta . $block);
		}
	],
	# upper levels lead everywhere, but a scan that goes on does so at the ground
	[ 'no way at the ground', qr/unreachable: 200 of 201 vertices/, sub { without_ground_links($_[0]) } ],
	[ 'NaN', qr/vector: .*not a finite number/, sub { (BLCKSZ + CONTENTS + VECTOR, pack('L', 0x7FC00000)) } ],
	[ 'coordinate', qr/code: .*does not agree with the vectors/, sub { (BLCKSZ + CONTENTS + VECTOR, pack('f', 11)) } ],
	[ 'self link', qr/link: .*link to itself/, sub { (BLCKSZ + CONTENTS + $slots, tid(1, 1)) } ],
	[ 'link beyond', qr/link: .*beyond the end/, sub { (BLCKSZ + CONTENTS + $slots, tid(70000, 1)) } ],
	[ 'link nowhere', qr/link: .*beyond the end/, sub { (BLCKSZ + CONTENTS + $slots, tid(0xFFFFFFFF, 0)) } ],
	[ 'link position', qr/link: .*position that the page does not have/, sub { (BLCKSZ + CONTENTS + $slots, tid(1, 999)) } ],
	[ 'link kind', qr/link: .*page of another kind/, sub { (BLCKSZ + CONTENTS + $slots, tid(0, 1)) } ],
	[
		'double link', qr/link: .*two links/,
		sub {
			my ($bytes) = @_;
			my $at = BLCKSZ + CONTENTS + $slots;
			return ($at + slot_size($bytes), substr($bytes, $at, 6));
		}
	],
	[ 'factor', qr/code: .*code of neighbor .* does not agree/, sub { (BLCKSZ + CONTENTS + $slots + 6, pack('S', 0xC47A)) } ],
	[ 'constant', qr/code: .*code of neighbor .* does not agree/, sub { (BLCKSZ + CONTENTS + $slots + 8, pack('f', 'nan')) } ],
	[
		'code', qr/code: .*does not agree/,
		sub {
			my ($bytes) = @_;
			my $at = BLCKSZ + CONTENTS + $slots + 12;
			return ($at, chr(ord(substr($bytes, $at, 1)) ^ 0x88));
		}
	],
	[ 'heap block', qr/tid_without_row: .*names block 99999/, sub { (BLCKSZ + CONTENTS + TIDS, tid(99999, 1)) } ],
	[ 'heap block nowhere', qr/tid_without_row: .*names block 4294967295/, sub { (BLCKSZ + CONTENTS + TIDS, tid(0xFFFFFFFF, 1)) } ],
	[ 'no row', qr/tid_without_row: .*leads to no row/, sub { (BLCKSZ + CONTENTS + TIDS, tid(0, 250)) } ],
	[
		'row twice', qr/tid_twice: .*is in the index 2 times/,
		sub {
			my ($bytes) = @_;
			my $next = BLCKSZ + CONTENTS + vertex_size($bytes);
			return (BLCKSZ + CONTENTS + TIDS, substr($bytes, $next + TIDS, 6));
		}
	],
	[
		'rows of each other', qr/tid_of_other_vector: .*row with another vector/,
		sub {
			my ($bytes) = @_;
			my $first = BLCKSZ + CONTENTS + TIDS;
			my $size = vertex_size($bytes);
			return ($first, substr($bytes, $first + $size, 6) . substr($bytes, $first + 6, $size - 6) . substr($bytes, $first, 6));
		}
	],
	[ 'row missing', qr/row_missing: .*is not in the index/, sub { (BLCKSZ + CONTENTS + TIDS, tid(0, 2)) } ],
	[ 'marked dead', qr/marked_dead: .*a row that is seen/, sub { (BLCKSZ + CONTENTS + VERTEX_UNUSED, pack('C', 1)) } ],
	[ 'upper ground', qr/levels: .*(not a vertex of that level|another vector)/, sub { upper($_[0], TIDS, another_ground($_[0])) } ],
	[ 'upper link', qr/levels: .*(leads down|another vector)/, sub { upper($_[0], LINK, tid(70000, 7)) } ],
	[ 'upper vector', qr/levels: .*another vector/, sub { upper($_[0], VECTOR, pack('f', 3)) } ],
	[ 'chunk owner', qr/tid_list: .*not belong to the vertex/, sub { chunk($_[0], 0, 0, tid(1, 2)) } ],
	[ 'chunk freed', qr/tid_list: .*not belong to the vertex/, sub { chunk($_[0], 0, 0, tid(0, 0)) } ],
	[ 'chunk count', qr/chunk: .*more heap TIDs than/, sub { chunk($_[0], 0, CHUNK_NTIDS, pack('S', 5000)) } ],
	[ 'chunk unused', qr/chunk: .*value where/, sub { chunk($_[0], 0, CHUNK_UNUSED, pack('S', 5)) } ],
	[ 'chunk generation', qr/tid_list: .*does not belong/, sub { chunk($_[0], 0, CHUNK_GENERATION, pack('L', 99)) } ],
	[ 'chunk TID', qr/chunk: .*invalid heap TID/, sub { chunk($_[0], 0, CHUNK_TIDS, tid(0, 0)) } ],
	[ 'chunk circle', qr/tid_list: .*in a circle/, sub { chunk($_[0], 1, CHUNK_NEXT, tid(block_of_kind($_[0], $TIDS), 1)) } ],
	[ 'chunk lost', qr/chunk: .*not in its owner's list/, sub { chunk($_[0], 0, CHUNK_NEXT, tid(0, 0)) } ],
	# the vertex of the many rows; an insertion has that page locked when it follows the link
	[ 'chunk on the vertex', qr/tid_list: .*not a chunk/, sub { many_rows($_[0], LINK) } ],
	[ 'chunk nowhere', qr/tid_list: .*not a chunk/, sub { chunk($_[0], 0, CHUNK_NEXT, tid(0xFFFFFFFF, 1)) } ],
	[ 'part generation', qr/vertex_part: .*another generation/, sub { part($_[0], 0, pack('L', 9)) }, dims => 5000, rows => 20 ],
	[ 'part number', qr/vertex_part: .*not in order/, sub { part($_[0], 4, pack('S', 2)) }, dims => 5000, rows => 20 ],
	[ 'part kind', qr/vertex_part: .*part of a vertex is missing/, sub { (block_of_kind($_[0], $PART) * BLCKSZ + KIND, pack('S', $UPPER)) }, dims => 5000, rows => 20 ],
	[ 'room', qr/metapage: .*room/, sub { (META_ROOM, pack('L', 5)) } ],
	[ 'no room', qr/metapage: .*room/, sub { (META_ROOM, pack('L', 0)) }, @sparse ],
	[ 'fewer coordinates', qr/tid_of_other_vector: /, sub { (BLCKSZ + CONTENTS + VECTOR + 8, pack('L', 2)) }, @sparse ],
	[ 'index', qr/vector: .*not ascending/, sub { (BLCKSZ + CONTENTS + VECTOR + 12, pack('L', 0xFFFFFFFF)) }, @sparse ],
	[ 'sparse error', qr/rounding_error: /, sub { (BLCKSZ + CONTENTS + ERROR, pack('f', 0)) }, @sparse ],
	[ 'bits', qr/vector: .*behind its end/, sub { (BLCKSZ + CONTENTS + VECTOR + 11, pack('C', 1)) }, @bit ],
);

# The second vertex of block 1 begins where the first one's bytes end.
sub vertex_size
{
	my ($bytes) = @_;
	my $used = unpack('S', substr($bytes, BLCKSZ + 12, 2)) - CONTENTS;
	my $slot = slot_size($bytes);
	my $size = ($slots + 8 * $slot + 7) & ~7;
	die "vertex of $size bytes in $used" if $used % $size;
	return $size;
}

# The whole file, where no vertex of the ground has a link.
sub without_ground_links
{
	my ($bytes) = @_;
	my $size = vertex_size($bytes);

	for (my $at = 0; $at < length $bytes; $at += BLCKSZ)
	{
		next if unpack('S', substr($bytes, $at + KIND, 2)) != $GROUND;
		my $end = unpack('S', substr($bytes, $at + 12, 2));
		for (my $vertex = CONTENTS; $vertex < $end; $vertex += $size)
		{
			substr($bytes, $at + $vertex + DEGREE, 2) = pack('S', 0);
		}
	}
	return (0, $bytes);
}

# 12 bytes and the code: 4 bits for each of 8 dimensions, rotated into 16.
sub slot_size { return 12 + 8; }

# A ground vertex that is not that of the first upper vertex; levels are drawn.
sub another_ground
{
	my ($bytes) = @_;
	my ($at) = upper($bytes, TIDS, '');
	return substr($bytes, $at, 6) eq tid(1, 7) ? tid(1, 8) : tid(1, 7);
}

# A link of the vertex that has chunks, to its own page.
sub many_rows
{
	my ($bytes, $offset) = @_;
	my ($high, $low, $pos) = unpack('SSS', substr($bytes, block_of_kind($bytes, $TIDS) * BLCKSZ + CONTENTS, 6));
	return ($low * BLCKSZ + CONTENTS + ($pos - 1) * vertex_size($bytes) + $offset, tid($low, 1));
}

sub upper
{
	my ($bytes, $offset, $value) = @_;
	return (block_of_kind($bytes, $UPPER) * BLCKSZ + CONTENTS + $offset, $value);
}

sub chunk
{
	my ($bytes, $n, $offset, $value) = @_;
	return (block_of_kind($bytes, $TIDS) * BLCKSZ + CONTENTS + $n * CHUNK + $offset, $value);
}

sub part
{
	my ($bytes, $offset, $value) = @_;
	return (block_of_kind($bytes, $PART) * BLCKSZ + CONTENTS + $offset, $value);
}

my $random = $ENV{HNR_TEST_ROUNDS} || 20;
my $seed = $ENV{HNR_TEST_SEED} || 1;
srand($seed);
note("HNR_TEST_SEED=$seed");
make_table("d$_", @{ $damages[$_] }[ 3 .. $#{ $damages[$_] } ]) for 0 .. $#damages;
make_table("r$_", $_ % 5 == 0 ? (dims => 5000, rows => 20) : $_ % 5 == 1 ? @sparse : $_ % 5 == 2 ? @bit : ())
  for 1 .. $random;
my @names = ((map { "d$_" } 0 .. $#damages), (map { "r$_" } 1 .. $random));
my %path = map { $_ => index_file($_) } @names;

is($node->safe_psql('postgres', join ' UNION ALL ', map { "SELECT * FROM check_index('${_}_e', true) WHERE finding <> 'unreachable'" } @names),
	'', 'nothing is wrong before');
$node->stop;

for my $i (0 .. $#damages)
{
	my $bytes = read_file($path{"d$i"});
	my ($at, $value) = $damages[$i][2]->($bytes);
	substr($bytes, $at, length $value) = $value;
	write_file($path{"d$i"}, $bytes);
}

# Some bytes anywhere but in the header that the server checks by itself.
for my $i (1 .. $random)
{
	my $bytes = read_file($path{"r$i"});
	my $blocks = length($bytes) / BLCKSZ;
	for (1 .. 1 + int(rand(20)))
	{
		my $at = int(rand($blocks)) * BLCKSZ + CONTENTS + int(rand(rand() < 0.5 ? 200 : BLCKSZ - CONTENTS));
		substr($bytes, $at, 1) = pack('C', int(rand(256)));
	}
	write_file($path{"r$i"}, $bytes);
}
$node->start;

my $crashed = 0;

# Runs SQL; returns the SQLSTATE of its error, or ''.
sub state_of
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", timeout => 60);
	if ($status == 2)
	{
		$crashed++;
		$node->poll_query_until('postgres', 'SELECT true');
	}
	return $status == 0 ? '' :
	  # what the executor says of a damaged vector, or of what rounding cost it
	  $stderr =~ /index returned tuples in wrong order/ ? 'XX002' :
	  $stderr =~ /ERROR:  (\w{5}): (.*)/ ? "$1 $2" : "status $status: $stderr";
}

# Uses an index in every way; returns the states that are no honest answer.
sub use_index
{
	my ($name) = @_;
	my $operator = $of_type{ $table_of{$name}[0] }[0];
	my ($half, $many, $row) = (value_of($name, '0.5'), value_of($name, '2'), row_of($name, 'cos'));
	my @states = (
		state_of("SET enable_seqscan = off; SELECT id FROM $name ORDER BY e $operator $half LIMIT 300;"),
		state_of("INSERT INTO $name VALUES (2000, $many);"),
		state_of("INSERT INTO $name SELECT 3000 + i, $row FROM generate_series(1, 5) i;"),
		state_of("DELETE FROM $name WHERE id % 3 = 1 OR id > 1030; VACUUM $name;"),
		state_of("SELECT optimize_index('${name}_e', 1, false); CALL wait_for_rebuild('${name}_e');"),
		state_of("SELECT count(*) FROM check_index('${name}_e', true);\nSELECT count(*) FROM index_health('${name}_e', 5);"));
	# 0A000: a damaged version number
	return grep { $_ ne '' && !/^(XX00[12]|0A000)/ } @states;
}

# Whatever the damage, a rebuild cures it.
sub rebuild
{
	my ($name) = @_;
	my $error = state_of("SELECT rebuild_index('${name}_e'); CALL wait_for_rebuild('${name}_e');");
	return $error if $error ne '';
	return $node->safe_psql('postgres', "SELECT message FROM check_index('${name}_e', true) WHERE finding <> 'unreachable'");
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM index_status()'), scalar(@names),
	'index_status() lists all');
like($node->safe_psql('postgres', 'SELECT DISTINCT status FROM index_status() ORDER BY 1'),
	qr/^damaged\nready$/, 'and says which cannot be read');

# as a partition, beside one that is sound
my $damaged = $node->safe_psql('postgres', "SELECT table_name FROM index_status() JOIN pg_attribute a ON attrelid = table_name::regclass
	WHERE status = 'damaged' AND attname = 'e' AND format_type(atttypid, atttypmod) = 'vector(8)' ORDER BY index_oid LIMIT 1");
$node->safe_psql('postgres', qq{
	CREATE TABLE whole (id int, e vector(8)) PARTITION BY RANGE (id);
	CREATE TABLE sound PARTITION OF whole FOR VALUES FROM (1000000) TO (2000000);
	INSERT INTO whole SELECT 1000000 + i, array_fill(i, ARRAY[8])::vector FROM generate_series(1, 30) i;
	ALTER TABLE whole ATTACH PARTITION $damaged DEFAULT;
	CREATE INDEX whole_e ON ONLY whole USING hnsw (e vector_l2_ops);
	CREATE INDEX sound_e ON sound USING hnsw (e vector_l2_ops);
	ALTER INDEX whole_e ATTACH PARTITION sound_e;
	ALTER INDEX whole_e ATTACH PARTITION ${damaged}_e;
});
is($node->safe_psql('postgres', "SELECT status, phase FROM index_status('whole_e')"),
	"damaged|1 of 2 partitions, among them ${damaged}_e", 'index_status() of a partitioned index names the worst partition');
like($node->safe_psql('postgres', "SELECT DISTINCT message FROM check_index('whole_e', true)"),
	qr/^${damaged}_e: [^\n]+$/, 'check_index() of a partitioned index says what is found in which');
$node->safe_psql('postgres', "ALTER TABLE whole DETACH PARTITION $damaged; DROP TABLE whole");

# The last block number there is would have the server extend the table.
my ($nowhere) = grep { $damages[$_][0] eq 'heap block nowhere' } 0 .. $#damages;
my $size = $node->safe_psql('postgres', "SELECT pg_relation_size('d$nowhere')");
like(state_of("SET enable_seqscan = off; SELECT id FROM d$nowhere ORDER BY e <-> (SELECT e FROM d$nowhere WHERE id = 1) LIMIT 10;"),
	qr/^XX002/, 'a heap TID beyond all blocks is an error');
is($node->safe_psql('postgres', "SELECT pg_relation_size('d$nowhere')"), $size, 'the table is as long as before');

for my $i (0 .. $#damages)
{
	my ($name, $message) = @{ $damages[$i] };
	like($node->safe_psql('postgres', "SELECT finding || ': ' || message FROM check_index('d${i}_e', true)"),
		qr/^$message/m, "$name: found");
	is(join(' ', use_index("d$i")), '', "$name: errors are of corruption only");
	is(rebuild("d$i"), '', "$name: rebuild_index() makes it good");
}

my @strange = map { my $name = "r$_"; map { "$name: $_" } use_index($name) } 1 .. $random;
is("@strange", '', "random damage: errors are of corruption only");
is(join("\n", grep { $_ ne '' } map { rebuild("r$_") } 1 .. $random), '', 'random damage: rebuild_index() makes it good');

# A list that has a vertex twice, as a crash between two pages of a list may leave it.
make_table('l', rows => 600);
$node->safe_psql('postgres', 'CHECKPOINT');
my $list = index_file('l');
my ($vertex, $slot) = map { ($_->(read_file($list))) } \&vertex_size, \&slot_size;
$node->safe_psql('postgres', 'DELETE FROM l WHERE id % 3 = 1');
$node->safe_psql('postgres', 'VACUUM l');
$node->stop;
my $lists = read_file($list);
my ($suffered) = grep
{
	my ($state, $degree, $flags) = unpack('Cx1Sx3C', substr($lists, BLCKSZ + CONTENTS + $_ * $vertex, 8));
	$state == 1 && $degree > 2 && $flags > 1;
} 0 .. (BLCKSZ - CONTENTS) / $vertex - 1;
ok(defined $suffered, 'double link: a vertex that a vacuum has taken links from');
my $first = BLCKSZ + CONTENTS + $suffered * $vertex + $slots;
substr($lists, $first + $slot, $slot) = substr($lists, $first, $slot);
write_file($list, $lists);
$node->start;
my $links = "SELECT finding, message FROM check_index('l_e', true) WHERE finding <> 'unreachable'";
like($node->safe_psql('postgres', $links), qr/^link.*two links to the same neighbor$/, 'double link: found');
is(state_of("SELECT optimize_index('l_e', 1); CALL wait_for_rebuild('l_e');"), '', 'double link: optimize_index()');
is($node->safe_psql('postgres', $links), '', 'double link: made one');

# Links that lead nowhere: an optimisation leaves them, and says that it could not measure.
make_table('w', rows => 600);
$node->safe_psql('postgres', 'CHECKPOINT');
my $wild_file = index_file('w');
$node->stop;
my $wild = read_file($wild_file);
for my $block (1 .. length($wild) / BLCKSZ - 1)
{
	for my $i (0 .. (BLCKSZ - CONTENTS) / $vertex - 1)
	{
		my $at = $block * BLCKSZ + CONTENTS + $i * $vertex;
		my ($state, $degree) = unpack('Cx1S', substr($wild, $at, 4));
		substr($wild, $at + $slots, 6) = tid(0x7FFFFFF0, 1) if $state == 1 && $degree > 0;
	}
}
write_file($wild_file, $wild);
$node->start;
is(state_of("SELECT optimize_index('w_e', 1); CALL wait_for_rebuild('w_e');"), '', 'links that lead nowhere: optimize_index()');
like($node->safe_psql('postgres', "SELECT method_reason FROM rebuild_history WHERE index_name = 'public.w_e'"),
	qr/^recall could not be measured: index "w_e" is corrupted at block/, 'it tells that recall is not known, and why');

# The free space map lost: known, and made good by the next vacuum.
make_table('f', rows => 3000);
$node->safe_psql('postgres', 'DELETE FROM f WHERE id % 10 > 0');
$node->safe_psql('postgres', 'VACUUM f');
$node->safe_psql('postgres', 'SELECT txid_current()');
my $space = "SELECT severity, finding FROM check_index('f_e', true) WHERE finding <> 'unreachable'";
is($node->safe_psql('postgres', $space), '', 'free places: the map knows them');
my $map = index_file('f') . '_fsm';
$node->stop;
ok(unlink($map), 'the map is removed');
$node->start;
is($node->safe_psql('postgres', $space), 'warning|free_space', 'free places: found that the map does not know them');
$node->safe_psql('postgres', 'VACUUM f');
is($node->safe_psql('postgres', $space), '', 'free places: known after a vacuum that has nothing to delete');

# Vectors of type sparsevec, and their tails.
my @tails = (
	[ 'coordinates', qr/vertex_part: .*impossible number/, sub { varying($_[0], 8, pack('L', 0x80000003)) } ],
	[ 'too many coordinates', qr/vertex_part: .*impossible number/, sub { varying($_[0], 8, pack('L', 901)) } ],
	[ 'tail nowhere', qr/vertex_part: .*piece of a vector is missing/, sub { varying($_[0], 0, tid(0xFFFFFFFF, 1)) } ],
	[ 'no tail', qr/vertex_part: .*piece of a vector is missing/, sub { varying($_[0], 0, tid(0, 0)) } ],
	[ 'tail on the vertex', qr/vertex_part: .*piece of a vector is missing/, sub { varying($_[0], 0, tid(1, 1)) } ],
	[ 'piece position', qr/vertex_part: .*piece of a vector is missing/, sub { varying($_[0], 0, tid(block_of_kind($_[0], $TAIL), 9)) } ],
	[ 'piece owner', qr/vertex_part: .*of another vertex/, sub { piece($_[0], 0, tid(1, 99)) } ],
	[ 'piece freed', qr/vertex_part: .*of another vertex/, sub { piece($_[0], 0, tid(0, 0)) } ],
	[ 'piece generation', qr/vertex_part: .*of another vertex/, sub { piece($_[0], 12, pack('L', 7)) } ],
	[ 'piece number', qr/vertex_part: .*of another vertex/, sub { piece($_[0], 16, pack('S', 60000)) } ],
	[ 'piece after the last', qr/vertex_part: .*goes on after/, sub { piece($_[0], last_piece($_[0]) * PIECE + 6, tid(1, 1)) } ],
	[ 'value', qr/vector: .*not a finite number/, sub { piece($_[0], 20, pack('L', 0x7FC00000) x 250) } ],
	[ 'room', qr/metapage: .*room for vectors/, sub { (CONTENTS + 56, pack('L', 60000)) } ]);

# Of the first vertex of the ground; of the piece that stands first; which is the last of its tail.
sub varying { return (BLCKSZ + CONTENTS + VECTOR + $_[1], $_[2]); }
sub piece { return (block_of_kind($_[0], $TAIL) * BLCKSZ + CONTENTS + $_[1], $_[2]); }
sub last_piece
{
	my ($bytes) = @_;
	for my $n (0 .. 7)
	{
		my (undef, undef, $owner, undef, undef, $next) = unpack('S6', substr($bytes, (piece($bytes, $n * PIECE, ''))[0], 12));
		return $n if $owner && !$next;
	}
	die 'no piece is the last';
}

for my $i (0 .. $#tails)
{
	$node->safe_psql('postgres', qq{
		CREATE TABLE t$i (id int, e sparsevec(900)) WITH (autovacuum_enabled = off);
		INSERT INTO t$i SELECT i, (SELECT '{' || string_agg(j || ':' || sin(i * j), ',') || '}/900'
			FROM generate_series(1, CASE i % 3 WHEN 0 THEN 20 ELSE 300 END) j)::sparsevec FROM generate_series(1, 40) i;
		CREATE INDEX t${i}_e ON t$i USING hnsw (e sparsevec_l2_ops) WITH (m = 4, ef_construction = 16);
	});
	$path{"t$i"} = index_file("t$i");
}
$node->stop;
for my $i (0 .. $#tails)
{
	my $bytes = read_file($path{"t$i"});
	my ($at, $value) = $tails[$i][2]->($bytes);
	substr($bytes, $at, length $value) = $value;
	write_file($path{"t$i"}, $bytes);
}
$node->start;
for my $i (0 .. $#tails)
{
	my ($name, $message) = @{ $tails[$i] };
	my $vector = "(SELECT e FROM t$i WHERE id = 40)";
	like($node->safe_psql('postgres', "SELECT finding || ': ' || message FROM check_index('t${i}_e', true)"),
		qr/^$message/m, "$name: found");
	my @states = grep { $_ ne '' && !/^XX00[12]/ } (
		state_of("SET enable_seqscan = off; SELECT id FROM t$i ORDER BY e <-> $vector LIMIT 300;"),
		state_of("INSERT INTO t$i SELECT id + 100, e FROM t$i;"),
		state_of("INSERT INTO t$i SELECT id + 200, l2_normalize(e) FROM t$i WHERE id < 100;"),
		state_of("DELETE FROM t$i WHERE id % 3 = 1; VACUUM t$i;"));
	is("@states", '', "$name: errors are of corruption only");
}
is(join("\n", grep { $_ ne '' } map { rebuild("t$_") } 0 .. 2), '', 'tails: rebuild_index() makes them good');

is($crashed, 0, 'no crash');
ok(slurp_file($node->logfile) !~ /terminated by signal|TRAP/, 'no crash in the log');

$node->stop;
done_testing();
