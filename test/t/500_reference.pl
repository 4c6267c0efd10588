# doc/reference.md names every object of the extension, every option, setting and error,
# with the right default and range, or SQLSTATE, and its examples give what it says.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reference = slurp_file('doc/reference.md');
my $type = qr/vector|halfvec|sparsevec|bit/;

my $node = PostgreSQL::Test::Cluster->new('reference');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nmax_worker_processes = 12");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION hnsw_rebuild');

# The rows of all tables, by section and by what stands in backquotes in their first cell;
# of functions, the name.
my (%rows, %section, $heading);
for my $line (split /\n/, $reference)
{
	$heading = $1 if $line =~ /^#+ (.*)/;
	next unless $line =~ /^\| /;
	my @cells = map { s/\\\|/|/gr } split /\s*(?<!\\)\|\s*/, $line =~ s/^\|\s*//r;
	for my $name ($cells[0] =~ /`([^`]+)`/g)
	{
		$name =~ s/\(.*//;
		push @{ $rows{$name} }, \@cells;
		push @{ $section{$heading}{$name} }, \@cells;
	}
}

# Whether a row of the name mentions all of these words.
sub has_row
{
	my ($name, @words) = @_;

	for my $cells (@{ $rows{$name} || [] })
	{
		my $text = join ' ', @$cells;
		return 1 unless grep { $text !~ /\b\Q$_\E\b/ } @words;
	}
	return 0;
}

# ---- objects ----

my (@missing, @views);
for (split /\n/, $node->safe_psql('postgres', q{
	SELECT concat_ws(E'\t', i.type, coalesce(p.proname, o.oprname, i.name, i.identity),
		regexp_replace(i.identity, 'public\.|pg_catalog\.', '', 'g'))
	FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hnsw_rebuild'
		CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
		LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
		LEFT JOIN pg_operator o ON d.classid = 'pg_operator'::regclass AND o.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND i.type <> 'sequence'}))
{
	my ($kind, $name, $identity) = split /\t/;
	my ($arguments) = $identity =~ /\((.*)\)/;
	my @types = ($arguments // '') =~ /\b($type)\b/g;
	my $found;

	if ($kind =~ /^(function|procedure|aggregate)$/)
	{
		my $template = $name =~ s/$type/TYPE/gr;
		$found = has_row($name, @types)
		  || has_row($template, @types, $name =~ /(?<![a-z])($type)(?![a-z])/g);
	}
	elsif ($kind eq 'operator') { $found = has_row($name, @types) }
	elsif ($kind eq 'cast')
	{
		my ($from, $to) = $identity =~ /^\((.*) AS (.*)\)$/;
		$found = grep { "|$_->[1]|" =~ /`\Q$to\E`\|$/ } @{ $section{Casts}{$from} };
	}
	elsif ($kind =~ /^operator (class|family)$/) { $found = has_row($identity =~ s/ USING .*//r) }
	elsif ($kind eq 'access method') { $found = $reference =~ /access method `\Q$identity\E`/ }
	elsif ($kind eq 'view') { push @views, $identity; $found = $reference =~ /view `\Q$identity\E`/ }
	else { $found = has_row($identity) }
	push @missing, "$kind $identity" unless $found;
}
is(join("\n", @missing), '', 'every object is in the reference');

my $views = join ', ', map { "'$_'::regclass" } @views;
@missing = grep { my ($s, $column) = split /\|/; !$section{$s}{$column} } split /\n/, $node->safe_psql('postgres', qq{
	SELECT attrelid::regclass::text, attname FROM pg_attribute
	WHERE attrelid IN ($views) AND attnum > 0
	UNION ALL
	SELECT p.proname, a.name FROM pg_proc p, unnest(proargnames, proargmodes) a (name, mode)
	WHERE proname IN ('index_status', 'index_health', 'check_index', 'vacuum_progress') AND a.mode = 'o'});
is(join("\n", @missing), '', 'every column');
is($node->safe_psql('postgres', qq{
	SELECT attname FROM pg_attribute
	WHERE attrelid IN ($views) AND attnum > 0
		AND col_description(attrelid, attnum) IS NULL}), '', 'every column of a view has a comment');

# ---- options and settings ----

my @options = slurp_file('src/am/options.c') =~ /add_\w+_reloption\(options_kind, "(\w+)"/g;
cmp_ok(@options, '>=', 3, 'options are found');
is(join("\n", grep { !$section{Options}{$_} } @options), '', 'every option');

# A range's ends are accepted; what lies a little beyond, rounded where numbers are whole, is not.
my ($ranges, @out) = (0);
for my $option (@options)
{
	my ($min, $max) = $section{Options}{$option}[0][2] =~ /([\d.]+) to ([\d.]+)$/ or next;

	$ranges++;
	for my $value ($min, $max, $min - 0.9, $max + 0.9)
	{
		my %with = (m => 2, ef_construction => 1000, $option => $value);
		my ($status, $out, $err) = $node->psql('postgres', 'BEGIN; CREATE TABLE t (v vector(2));
			CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (' . join(', ', map { "$_ = $with{$_}" } keys %with) . ')');
		push @out, "$option = $value: $err" if ($status != 0 xor $value < $min || $value > $max);
	}
}
cmp_ok($ranges, '>=', 5, 'ranges of options are found');
is(join("\n", @out), '', 'options have these ranges');

my $settings = $node->safe_psql('postgres', q{
	CREATE TABLE t (v vector(2)); CREATE INDEX ON t USING hnsw (v vector_l2_ops);
	SELECT name, current_setting(name), short_desc = '',
		coalesce(array_to_string(enumvals, ', '), min_val || ' to ' || max_val || coalesce(' ' || unit, ''), 'on, off')
	FROM pg_settings WHERE name ~ '^hnsw' AND name !~ 'debug'; DROP TABLE t});
my (%default, %range);
for (split /\n/, $settings)
{
	my ($name, $value, $silent, $range) = split /\|/;

	($default{$name}, $range{$name}) = ($value, $range) if $silent ne 't';
}
cmp_ok(keys %default, '>=', 19, 'settings are found');
is(join("\n", grep { ($section{Settings}{$_} || [ [ 0, '' ] ])->[0][1] ne $default{$_} } sort keys %default),
	'', 'every setting with its default');
is(join("\n", grep { ($section{Settings}{$_} || [ [ 0, '', '' ] ])->[0][2] ne $range{$_} } sort keys %range),
	'', 'and its range');
is(join("\n", grep { /\./ && !exists $default{$_} } sort keys %{ $section{Settings} }), '', 'and no other');

# ---- errors ----

my $include = `$ENV{PG_CONFIG} --includedir-server`;
chomp $include;
my %sqlstate = slurp_file("$include/utils/errcodes.h") =~ /ERRCODE_(\w+) MAKE_SQLSTATE\((.*)\)/g;
s/[', ]//g for values %sqlstate;
my (%raised, %documented);

# As the reference has it.
sub message
{
	my ($format) = @_;

	$format =~ s/\\"/"/g;
	return $format =~ s/%[.*\d]*[lzh]*[a-z]/…/gr;
}

for my $file (glob('src/*.c src/*/*.[ch] src/sql/*'))
{
	my $source = slurp_file($file) =~ s/" INT64_FORMAT "/%d/gr;

	next if $file =~ m{/debug_};
	while ($source =~ /(?:ereport\(ERROR|ereturn\(|errsave\()(.*?)\);\n/sg)
	{
		my $call = $1;
		my ($code) = $call =~ /errcode\((\w+)\)/ or next;

		while ($call =~ /errmsg\(((?:\s*"(?:[^"\\]|\\.)*")+)/sg)
		{
			my $message = message(join '', $1 =~ /"((?:[^"\\]|\\.)*)"/g);
			$raised{$message} = $code eq 'code' ? 'as its own' : $sqlstate{ $code =~ s/^ERRCODE_//r };
		}
	}
	while ($source =~ /RAISE EXCEPTION '([^']*)'(.*?);\n/sg)
	{
		my ($message, $rest) = ($1, $2);
		my ($code) = $rest =~ /ERRCODE = '(\w+)'/;
		$raised{ $message =~ s/%/…/gr } = $sqlstate{ uc $code };
	}
	# what ends a rebuild without being raised as such
	while ($file =~ /outcome/ && $source =~ /sqlerrcode = ERRCODE_(\w+);\s*error->message = \w+\("((?:[^"\\]|\\.)*)"/g)
	{
		$raised{ message($2) } = $sqlstate{$1};
	}
	while ($source =~ /ERRCODE_(\w+)\)\);[^;]*?job->error_message = psprintf\("((?:[^"\\]|\\.)*)"/g)
	{
		$raised{ message($2) } = $sqlstate{$1};
	}
	$raised{ message($1) } = 'as its own' if $source =~ /parent->error_message = psprintf\("((?:[^"\\]|\\.)*)"/;
	$raised{$1} = $2 if $source =~ /hnr_param_text\(&a, "(\w[^"]+)"\);.*?error_sqlstate = '(\w{5})'/s;
}
ok($raised{$_}, "found: $_") foreach 'canceled on request', 'canceled before it began',
  'interrupted: the worker process ended during "…"';
# caught: a rebuild gives way and goes on
delete $raised{'another session waits for the lock on the table'};
delete $raised{'no more shared memory at debug point'};
delete $raised{'invalid binary form of type sparsevec'};
while ($reference =~ /^\| (\w{5}|as its own) \| `([^`]+)` \| (.+) \|$/mg)
{
	$documented{$2} = $1;
}
cmp_ok(keys %raised, '>=', 60, 'errors are found');
is(join("\n", map { "$_: $raised{$_}" } grep { ($documented{$_} // '') ne $raised{$_} } sort keys %raised),
	'', 'every error with its SQLSTATE');
is(join("\n", grep { !$raised{$_} } sort keys %documented), '', 'and no other');

# ---- examples ----

my ($examples, @wrong) = (0);
while ($reference =~ /`([^`\n]+)` → `([^`\n]*)`/g)
{
	my ($expression, $expected) = ($1, $2);
	$expression =~ s/\\\|/|/g;
	my ($status, $value) = $node->psql('postgres', "SELECT $expression");

	$examples++;
	push @wrong, "$expression → $value" if $status != 0 || $value ne $expected;
}
cmp_ok($examples, '>=', 60, 'examples are found');
is(join("\n", @wrong), '', 'examples give what the reference says');
while ($reference =~ /^```sql\n(.*?)^```/msg)
{
	my $sql = $1;
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 1);

	is($err, '', 'statements: ' . ($sql =~ /^(.{1,40})/)[0]);
}
@wrong = ();
while ($reference =~ /`((?:SET|ALTER SYSTEM SET) [^`]+)`/g)
{
	my ($status, $out, $err) = $node->psql('postgres', "LOAD 'hnsw_rebuild';\n$1");
	push @wrong, "$1: $err" if $err;
}
is(join("\n", @wrong), '', 'settings can be set');

$node->stop;
done_testing();
