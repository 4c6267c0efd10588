# Pages damaged on purpose: check_index() names the damage, and whatever else uses
# the index works or raises an error of corruption, but never ends the server, hangs
# or writes to the table.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\nrestart_after_crash = on\nfsync = off\nshared_buffers = 32MB\nmax_parallel_maintenance_workers = 0\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION hnsw_rebuild');

# Offsets on a page, see src/am/page.h.
use constant BLCKSZ => 8192;
use constant CONTENTS => 32;
use constant {
	KIND => 26,
	PAGE_ID => 24,
	STATE => 0,
	LEVEL => 1,
	DEGREE => 2,
	NTIDS => 4,
	GENERATION => 8,
	LINK => 16,
	TIDS => 22,
	VECTOR => 40,
	CHUNK => 116,
	CHUNK_NEXT => 6,
	CHUNK_NTIDS => 12,
	CHUNK_TIDS => 20,
	META_MAGIC => CONTENTS,
	META_DIMS => CONTENTS + 8,
	META_M => CONTENTS + 14,
};
my $slots = VECTOR + 4 * 8;		# of a vertex of 8 dimensions

sub tid { return pack('SSS', $_[0] >> 16, $_[0] & 0xFFFF, $_[1]); }

# A table like all others here, and its index.
sub make_table
{
	my ($name, %table) = @_;
	my $dims = $table{dims} || 8;
	my $rows = $table{rows} || 200;

	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE $name (id int, e vector($dims)) WITH (autovacuum_enabled = off);
		INSERT INTO $name SELECT i, ARRAY(SELECT sin(i * j) FROM generate_series(1, $dims) j)::vector
			FROM generate_series(1, $rows) i;
		INSERT INTO $name SELECT 1000 + i, ARRAY(SELECT 2 FROM generate_series(1, $dims))::vector
			FROM generate_series(1, 60) i;
		CREATE INDEX ${name}_e ON $name USING hnsw (e vector_l2_ops) WITH (m = 4, ef_construction = 16);
	});
}

# The index file's pages, read or changed while the server is down.
sub index_file
{
	my ($name) = @_;
	return $node->data_dir . '/'
	  . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${name}_e')");
}

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

my ($GROUND, $UPPER, $PART, $TIDS) = (2, 3, 4, 5);

# What to damage: a name, what check_index says, and a function that gives the
# place in the file and the bytes to write there.
my $vertex_size;
my @damages = (
	[ 'page id', qr/not one of an hnsw index/, sub { (BLCKSZ + PAGE_ID, pack('S', 7)) } ],
	[ 'page kind', qr/no known kind/, sub { (BLCKSZ + KIND, pack('S', 77)) } ],
	[ 'other kind', qr/does not end where/, sub { (BLCKSZ + KIND, pack('S', $UPPER)) } ],
	[ 'magic', qr/magic number/, sub { (META_MAGIC, pack('L', 1)) } ],
	[ 'dimensions', qr/contradicts the operator class/, sub { (META_DIMS, pack('S', 60000)) } ],
	[ 'other dimensions', qr/other dimensions than the column/, sub { (META_DIMS, pack('S', 9)) } ],
	[ 'm', qr/parameters that no index has/, sub { (META_M, pack('S', 0)) } ],
	[ 'entry point', qr/entry point is no vertex/, sub { (CONTENTS + 32, tid(70000, 9)) } ],
	[ 'entry level', qr/entry point/, sub { (CONTENTS + 22, pack('s', 12)) } ],
	[ 'state', qr/state that does not exist/, sub { (BLCKSZ + CONTENTS + STATE, pack('C', 9)) } ],
	[ 'level', qr/level that does not belong/, sub { (BLCKSZ + CONTENTS + LEVEL, pack('C', 3)) } ],
	[ 'degree', qr/more neighbors than/, sub { (BLCKSZ + CONTENTS + DEGREE, pack('S', 60000)) } ],
	[ 'rows', qr/more rows than/, sub { (BLCKSZ + CONTENTS + NTIDS, pack('C', 200)) } ],
	[ 'generation', qr/no generation/, sub { (BLCKSZ + CONTENTS + GENERATION, pack('L', 0)) } ],
	[ 'removed', qr/not in use has/, sub { (BLCKSZ + CONTENTS + STATE, pack('C', 3)) } ],
	[ 'NaN', qr/not a finite number/, sub { (BLCKSZ + CONTENTS + VECTOR, pack('L', 0x7FC00000)) } ],
	[ 'coordinate', qr/does not agree with the vectors/, sub { (BLCKSZ + CONTENTS + VECTOR, pack('f', 11)) } ],
	[ 'self link', qr/link to itself/, sub { (BLCKSZ + CONTENTS + $slots, tid(1, 1)) } ],
	[ 'link beyond', qr/beyond the end/, sub { (BLCKSZ + CONTENTS + $slots, tid(70000, 1)) } ],
	[ 'link nowhere', qr/beyond the end/, sub { (BLCKSZ + CONTENTS + $slots, tid(0xFFFFFFFF, 0)) } ],
	[ 'link position', qr/position that the page does not have/, sub { (BLCKSZ + CONTENTS + $slots, tid(1, 999)) } ],
	[ 'link kind', qr/page of another kind/, sub { (BLCKSZ + CONTENTS + $slots, tid(0, 1)) } ],
	[
		'double link', qr/two links/,
		sub {
			my ($bytes) = @_;
			my $at = BLCKSZ + CONTENTS + $slots;
			return ($at + slot_size($bytes), substr($bytes, $at, 6));
		}
	],
	[ 'factor', qr/code of neighbor .* does not agree/, sub { (BLCKSZ + CONTENTS + $slots + 6, pack('S', 0xC47A)) } ],
	[ 'constant', qr/code of neighbor .* does not agree/, sub { (BLCKSZ + CONTENTS + $slots + 8, pack('f', 'nan')) } ],
	[ 'heap block', qr/names block 99999/, sub { (BLCKSZ + CONTENTS + TIDS, tid(99999, 1)) } ],
	[ 'heap block nowhere', qr/names block 4294967295/, sub { (BLCKSZ + CONTENTS + TIDS, tid(0xFFFFFFFF, 1)) } ],
	[ 'no row', qr/leads to no row/, sub { (BLCKSZ + CONTENTS + TIDS, tid(0, 250)) } ],
	[
		'row twice', qr/is in the index 2 times/,
		sub {
			my ($bytes) = @_;
			my $next = BLCKSZ + CONTENTS + vertex_size($bytes);
			return (BLCKSZ + CONTENTS + TIDS, substr($bytes, $next + TIDS, 6));
		}
	],
	[
		'rows of each other', qr/row with another vector/,
		sub {
			my ($bytes) = @_;
			my $first = BLCKSZ + CONTENTS + TIDS;
			my $size = vertex_size($bytes);
			return ($first, substr($bytes, $first + $size, 6) . substr($bytes, $first + 6, $size - 6) . substr($bytes, $first, 6));
		}
	],
	[ 'row missing', qr/is not in the index/, sub { (BLCKSZ + CONTENTS + TIDS, tid(0, 2)) } ],
	[ 'upper ground', qr/not a vertex of that level|another vector/, sub { upper($_[0], TIDS, another_ground($_[0])) } ],
	[ 'upper link', qr/leads down|another vector/, sub { upper($_[0], LINK, tid(70000, 7)) } ],
	[ 'upper vector', qr/another vector/, sub { upper($_[0], VECTOR, pack('f', 3)) } ],
	[ 'chunk owner', qr/not belong to the vertex/, sub { chunk($_[0], 0, 0, tid(1, 2)) } ],
	[ 'chunk freed', qr/not belong to the vertex/, sub { chunk($_[0], 0, 0, tid(0, 0)) } ],
	[ 'chunk count', qr/more heap TIDs than/, sub { chunk($_[0], 0, CHUNK_NTIDS, pack('S', 5000)) } ],
	[ 'chunk TID', qr/invalid heap TID/, sub { chunk($_[0], 0, CHUNK_TIDS, tid(0, 0)) } ],
	[ 'chunk circle', qr/in a circle/, sub { chunk($_[0], 1, CHUNK_NEXT, tid(block_of_kind($_[0], $TIDS), 1)) } ],
	[ 'chunk lost', qr/not in its owner's list/, sub { chunk($_[0], 0, CHUNK_NEXT, tid(0, 0)) } ],
	# the vertex of the many rows; an insertion has that page locked when it follows the link
	[ 'chunk on the vertex', qr/not a chunk/, sub { many_rows($_[0], LINK) } ],
	[ 'chunk nowhere', qr/not a chunk/, sub { chunk($_[0], 0, CHUNK_NEXT, tid(0xFFFFFFFF, 1)) } ],
	[ 'part generation', qr/another generation/, sub { part($_[0], 0, pack('L', 9)) }, dims => 5000, rows => 20 ],
	[ 'part number', qr/not in order/, sub { part($_[0], 4, pack('S', 2)) }, dims => 5000, rows => 20 ],
	[ 'part kind', qr/part of a vertex is missing/, sub { (block_of_kind($_[0], $PART) * BLCKSZ + KIND, pack('S', $UPPER)) }, dims => 5000, rows => 20 ],
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
srand($ENV{HNR_TEST_SEED} || 1);
make_table("d$_", @{ $damages[$_] }[ 3 .. $#{ $damages[$_] } ]) for 0 .. $#damages;
make_table("r$_", $_ % 5 == 0 ? (dims => 5000, rows => 20) : ()) for 1 .. $random;
my @names = ((map { "d$_" } 0 .. $#damages), (map { "r$_" } 1 .. $random));
my %path = map { $_ => index_file($_) } @names;

is($node->safe_psql('postgres', join ' UNION ALL ', map { "SELECT * FROM check_index('${_}_e', true)" } @names),
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
	my $dims = $node->safe_psql('postgres', "SELECT vector_dims(e) FROM $name LIMIT 1");
	my $vector = "ARRAY(SELECT 0.5 FROM generate_series(1, $dims))::vector";
	my @states = (
		state_of("SET enable_seqscan = off; SELECT id FROM $name ORDER BY e <-> $vector LIMIT 300;"),
		state_of("INSERT INTO $name VALUES (2000, ARRAY(SELECT 2 FROM generate_series(1, $dims))::vector);"),
		state_of("INSERT INTO $name SELECT 3000 + i, ARRAY(SELECT cos(i * j) FROM generate_series(1, $dims) j)::vector FROM generate_series(1, 5) i;"),
		state_of("DELETE FROM $name WHERE id % 3 = 1 OR id > 1030; VACUUM $name;"),
		state_of("SELECT count(*) FROM check_index('${name}_e', true);"));
	# 0A000: a damaged version number
	return grep { $_ ne '' && !/^(XX00[12]|0A000)/ } @states;
}

# Whatever the damage, a rebuild cures it.
sub rebuild
{
	my ($name) = @_;
	my $error = state_of("SELECT rebuild_index('${name}_e'); CALL wait_for_rebuild('${name}_e');");
	return $error if $error ne '';
	return $node->safe_psql('postgres', "SELECT message FROM check_index('${name}_e', true)");
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM index_status()'), scalar(@names),
	'index_status() lists all');
like($node->safe_psql('postgres', 'SELECT DISTINCT status FROM index_status() ORDER BY 1'),
	qr/^damaged\nready$/, 'and says which cannot be read');

# The last block number there is would have the server extend the table.
my ($nowhere) = grep { $damages[$_][0] eq 'heap block nowhere' } 0 .. $#damages;
my $size = $node->safe_psql('postgres', "SELECT pg_relation_size('d$nowhere')");
like(state_of("SET enable_seqscan = off; SELECT id FROM d$nowhere ORDER BY e <-> (SELECT e FROM d$nowhere WHERE id = 1) LIMIT 10;"),
	qr/^XX002/, 'a heap TID beyond all blocks is an error');
is($node->safe_psql('postgres', "SELECT pg_relation_size('d$nowhere')"), $size, 'the table is as long as before');

for my $i (0 .. $#damages)
{
	my ($name, $message) = @{ $damages[$i] };
	like($node->safe_psql('postgres', "SELECT message FROM check_index('d${i}_e', true) WHERE severity = 'error'"),
		$message, "$name: found");
	is(join(' ', use_index("d$i")), '', "$name: errors are of corruption only");
	is(rebuild("d$i"), '', "$name: rebuild_index() makes it good");
}

my @strange = map { my $name = "r$_"; map { "$name: $_" } use_index($name) } 1 .. $random;
is("@strange", '', "random damage: errors are of corruption only");
is(join("\n", grep { $_ ne '' } map { rebuild("r$_") } 1 .. $random), '', 'random damage: rebuild_index() makes it good');
is($crashed, 0, 'no crash');
ok(slurp_file($node->logfile) !~ /terminated by signal|TRAP/, 'no crash in the log');

$node->stop;
done_testing();
