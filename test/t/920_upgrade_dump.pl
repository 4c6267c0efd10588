# A dump of a database with pgvector restores into one with this extension, by the ways
# that doc/migrating-from-pgvector.md gives.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use UpgradeTest;

my $node = upgrade_node('dump');
my $dir = PostgreSQL::Test::Utils::tempdir;

# A shell command as a user would type it, on this node.
sub shell
{
	my ($command) = @_;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, DIR => $dir);

	return system('bash', '-c', "set -e -o pipefail; $command") == 0;
}

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION hnsw_rebuild');

# The commands are those of the document.
my ($pipe, $list) = slurp_file('doc/migrating-from-pgvector.md') =~ /^```sh\n(.*?)\n```/msg;
my ($filter) = $list =~ /\| (grep .*) >list/;

for my $schema ('public', 'Their Place')
{
	my $old = $schema eq 'public' ? 'old' : 'old_elsewhere';
	my @new = map { "$old$_" } '_pipe', '_list';

	upgrade_fixture($node, $old, $schema);
	for my $db (@new)
	{
		$node->safe_psql('postgres', "CREATE DATABASE $db");
		$node->safe_psql('postgres', qq{ALTER DATABASE $db SET search_path = public, "$schema"});
		$node->safe_psql('postgres', "ALTER DATABASE $db SET hnsw.ef_search = 60");
	}
	(my $command = $pipe) =~ s/pg_dump old\b/pg_dump $old/ or die;
	$command =~ s/ new$/ $new[0] >\$DIR\/out/ or die;
	ok(shell($command), "$schema: through a pipe");
	$node->safe_psql($new[1], qq{CREATE SCHEMA "$schema"}) if $schema ne 'public';
	$node->safe_psql($new[1], qq{CREATE EXTENSION hnsw_rebuild SCHEMA "$schema"});
	ok(shell("pg_dump -Fc -f \$DIR/dump $old;
			pg_restore -l \$DIR/dump | $filter | grep -v ' SCHEMA - $schema ' >\$DIR/list;
			pg_restore -e -j 2 -L \$DIR/list -d $new[1] \$DIR/dump"), "$schema: by a list");
	my $answers = upgrade_answers($node, $old);
	my $definition = upgrade_definition($node, $old);
	for my $db (@new)
	{
		is(upgrade_answers($node, $db), $answers, "$db: what clients see");
		is(upgrade_definition($node, $db), $definition, "$db: definitions, indexes and privileges are the same");
		is(upgrade_check($node, $db), '', "$db: indexes are whole");
	}

	# A dump of this extension's, on into the next.
	$node->safe_psql('postgres', "CREATE DATABASE ${old}_again");
	$node->safe_psql('postgres', qq{ALTER DATABASE ${old}_again SET search_path = public, "$schema"});
	ok(shell("pg_dump $new[0] | psql -X -q -v ON_ERROR_STOP=1 -1 ${old}_again >\$DIR/out"), "$schema: again");
	is(upgrade_definition($node, "${old}_again"), $definition, "$schema: the same definitions");

	# After the way in place, too.
	$node->safe_psql($old, qq{BEGIN; CREATE EXTENSION hnsw_rebuild SCHEMA "$schema" VERSION 'pgvector';
		ALTER EXTENSION hnsw_rebuild UPDATE; COMMIT;});
	$node->safe_psql('postgres', "DROP DATABASE ${old}_again");
	$node->safe_psql('postgres', "CREATE DATABASE ${old}_again");
	$node->safe_psql('postgres', qq{ALTER DATABASE ${old}_again SET search_path = public, "$schema"});
	ok(shell("pg_dump $old | psql -X -q -v ON_ERROR_STOP=1 -1 ${old}_again >\$DIR/out"), "$schema: after the way in place");
	is(upgrade_definition($node, "${old}_again"), $definition, "$schema: the same definitions");
	is(upgrade_answers($node, "${old}_again"), $answers, "$schema: and contents");
}

$node->stop;
done_testing();
