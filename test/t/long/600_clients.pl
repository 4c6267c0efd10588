# Clients in use, see test/clients: values of every type as text and in binary, prepared
# searches, COPY, an index that is created, rebuilt and watched.  A client whose packages
# are not there is skipped, and the reason said; test/lib/clients.bash gets them.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = (grep { -x } '/usr/bin/python3')[0] || 'python3';
my @clients = (
	[ 'node_pg.js', 'node', 'pg', 'pgvector' ],
	[ 'node_postgres.js', 'node', 'postgres', 'pgvector' ],
	[ 'python_psycopg.py', $python, 'psycopg' ],
	[ 'python_psycopg2.py', $python, 'psycopg2' ],
	[ 'python_sqlalchemy.py', $python, 'sqlalchemy', 'psycopg2' ]);

local $ENV{NODE_PATH} = "$ENV{TESTDIR}/clients/node_modules";
local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

my $node = PostgreSQL::Test::Cluster->new('clients');
$node->init;
$node->append_conf('postgresql.conf', <<'X');
fsync = off
max_worker_processes = 12
hnsw_rebuild.nice = 0
X
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE clients');
$node->safe_psql('clients', 'CREATE EXTENSION hnsw_rebuild');

local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'clients',
	PGUSER => scalar getpwuid($<));
for my $client (@clients)
{
	my ($file, $interpreter, @packages) = @$client;

	SKIP:
	{
		for my $package (@packages)
		{
			my @try = $interpreter eq 'node' ? ('-e', "require('$package')") : ('-c', "import $package");
			my $found = eval { IPC::Run::run([ $interpreter, @try ], '>', \my $out, '2>', \my $err) };

			skip "$file: $interpreter or its package $package is not there", 1 unless $found;
		}
		my ($out, $err) = ('', '');
		my $done = IPC::Run::run([ $interpreter, "test/clients/$file" ], '<', \undef, '>', \$out, '2>', \$err,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

		ok($1 eq 'ok', "$file: $2") while $out =~ /^(not ok|ok) (.*)/mg;
		ok($done && $out =~ /^ok SQLSTATE$/m, "$file: to the end") or diag("$out$err");
	}
}
$node->stop;
done_testing();
