#!/usr/bin/perl
# npy.pl FILE [FIRST [COUNT]] - prints rows of a two-dimensional NumPy file as
# lines "id<TAB>[x,y,...]" for COPY into a table (id int, v vector); ids count
# from 0.  Nothing but Perl is needed.

use strict;
use warnings FATAL => 'all';

# Type codes of NumPy, each with a template for unpack and its size in bytes.
my %TYPES = (
	'|u1' => [ 'C', 1 ],
	'|i1' => [ 'c', 1 ],
	'<u2' => [ 'S<', 2 ],
	'<i2' => [ 's<', 2 ],
	'<i4' => [ 'l<', 4 ],
	'<u4' => [ 'L<', 4 ],
	'<f4' => [ 'f<', 4 ],
	'<f8' => [ 'd<', 8 ]);

my ($file, $first, $count) = @ARGV;
die "usage: npy.pl FILE [FIRST [COUNT]]\n" unless defined $file;

open my $fh, '<:raw', $file or die "$file: $!\n";

sub read_bytes
{
	my ($size) = @_;
	my $bytes;
	my $got = read $fh, $bytes, $size;
	die "$file: ends too early\n" unless defined $got && $got == $size;
	return $bytes;
}

read_bytes(6) eq "\x93NUMPY" or die "$file: not a NumPy file\n";
my ($major) = unpack 'C2', read_bytes(2);
my $header = read_bytes($major == 1 ? unpack('v', read_bytes(2)) : unpack('V', read_bytes(4)));

my ($descr) = $header =~ /'descr':\s*'([^']+)'/ or die "$file: no type in the header\n";
my $type = $TYPES{$descr} or die "$file: type $descr is none of " . join(' ', sort keys %TYPES) . "\n";
$header =~ /'fortran_order':\s*False/ or die "$file: columns before rows (Fortran order)\n";
my ($rows, $columns) = $header =~ /'shape':\s*\((\d+),\s*(\d+)\)/
  or die "$file: not two-dimensional\n";

$first //= 0;
$count //= $rows - $first;
my ($template, $size) = @$type;
my $row_size = $columns * $size;
seek $fh, $first * $row_size, 1 or die "$file: $!\n";
for my $id ($first .. $first + $count - 1)
{
	last if $id >= $rows;
	print $id, "\t[", join(',', unpack "($template)*", read_bytes($row_size)), "]\n";
}
