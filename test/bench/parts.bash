# parts.bash - what the bench is made of; sourced by bench.
#
# The extension is measured in a database "ours", an installed peer in one named
# "peer" of the same cluster, with the same statements.  What was measured goes
# to tables in "ours", see functions.sql.

. test/demo/parts.bash

CLIENT=$RUN/client
PATH_OF_INDEX="-c enable_seqscan=off -c plan_cache_mode=force_generic_plan"
ALL_QUERIES="SELECT v FROM query ORDER BY id"
SEARCH="SELECT id FROM items ORDER BY embedding $OPERATOR \$1 LIMIT $K"

in_db() { local db=$1; shift; PGDATABASE=$db sql "$@" || exit 1; }
value_in() { in_db "$1" -At -c "$2"; }
tell() { echo "# $(date +%T) $*" >&2; }

compile_client()
{
	local libdir=$("$PG_CONFIG" --libdir)

	${CC:-gcc} -O2 -Wall -I"$("$PG_CONFIG" --includedir)" -o "$CLIENT" test/bench/client.c \
		-L"$libdir" -Wl,-rpath,"$libdir" -lpq -lpthread || exit 1
}

peer_is_installed()
{
	[ "$PEER" != none ] &&
		[ "$(value "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")" = 1 ]
}

# Fills source and query of every database: rows that can be had, and queries.
make_databases()
{
	local ext npy="perl test/lib/npy.pl"

	for ext in $EXTS; do
		sql -c "CREATE DATABASE $ext" || exit 1
	done
	in_db ours -c "CREATE EXTENSION hnsw_rebuild"
	[ "$EXTS" = ours ] || in_db peer -c "CREATE EXTENSION vector"
	for ext in $EXTS; do
		in_db "$ext" -c "CREATE TABLE source (id bigint PRIMARY KEY, v vector)" \
			-c "CREATE TABLE query (id int PRIMARY KEY, v vector)"
	done
	in_db ours -c "ALTER TABLE source ALTER v SET STORAGE $1"
	$npy "$RUN/npy/base.npy" 0 "$ROWS_WANTED" | in_db ours -c "COPY source FROM STDIN"
	if [ -e "$RUN/npy/query.npy" ]; then
		$npy "$RUN/npy/query.npy" 0 "$QUERIES" | in_db ours -c "COPY query FROM STDIN"
	else
		in_db ours -c "WITH q AS (DELETE FROM source WHERE id >= (SELECT count(*) FROM source) - $QUERIES
			RETURNING *) INSERT INTO query SELECT row_number() OVER (ORDER BY id) - 1, v FROM q"
	fi
	for table in source query; do
		[ "$EXTS" = ours ] || in_db ours -c "COPY $table TO STDOUT (FORMAT binary)" |
			in_db peer -c "COPY $table FROM STDIN (FORMAT binary)"
	done
	ROWS=$(value_in ours "SELECT count(*) FROM source")
	QUERIES=$(value_in ours "SELECT count(*) FROM query")
	for ext in $EXTS; do
		[ "$ROWS $QUERIES" = "$(value_in "$ext" "SELECT (SELECT count(*) FROM source) || ' ' || (SELECT count(*) FROM query)")" ] || exit 1
	done
}

# The first rows of source as a table, without an index.
make_items()
{
	local ext

	for ext in $EXTS; do
		in_db "$ext" -c "SET client_min_messages = warning" -c "DROP TABLE IF EXISTS items, plain" \
			-c "CREATE TABLE items (id bigint, embedding vector($DIMS))" \
			-c "CREATE TABLE plain (LIKE items)" \
			-c "INSERT INTO items SELECT id, v FROM source WHERE id < $1 ORDER BY id" \
			-c "VACUUM (FREEZE, ANALYZE) items"
	done
}

# ---- measuring ----

# client EXT EF CLIENT-ARGUMENTS…
client()
{
	local ext=$1 ef=$2
	shift 2

	PGDATABASE=$ext PGOPTIONS="${ef:+-c hnsw.ef_search=$ef }${OPTIONS:-}" \
		exec "$CLIENT" -i "SELECT '[1]'::vector" "$@"
}

# keep_run EXT KIND EF ROUND WHAT-THE-CLIENT-SAID
keep_run()
{
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "${3:-\\N}" "${4:-\\N}" "$5" |
		in_db ours -c "COPY run FROM STDIN"
}

# measure EXT KIND EF ROUND CLIENT-ARGUMENTS…
measure()
{
	local ext=$1 kind=$2 ef=$3 round=$4 line
	shift 4

	line=$(client "$ext" "$ef" "$@") || exit 1
	keep_run "$ext" "$kind" "$ef" "$round" "$line"
}

keep() { in_db ours -c "INSERT INTO measured VALUES ('$1', '$2', ${3:-NULL}, ${4:-NULL}, $5)"; }

# One statement, once.
measure_once()
{
	measure "$1" "$2" '' "$3" "SELECT" "$4"
}

build()
{
	local ext

	for ext in $EXTS; do
		measure_once "$ext" "$1" '' "CREATE INDEX items_hnsw ON items USING hnsw (embedding $OPCLASS)
			WITH (m = $M, ef_construction = $EF_CONSTRUCTION)"
		keep "$ext" "size of $1" '' '' "$(value_in "$ext" "SELECT pg_relation_size('items_hnsw')")"
	done
}

check_plan()
{
	local ext plan

	for ext in $EXTS; do
		plan=$(PGOPTIONS=$PATH_OF_INDEX in_db "$ext" <<-X
			SELECT v FROM query LIMIT 1 \gset
			PREPARE s AS $SEARCH;
			EXPLAIN EXECUTE s(:'v');
		X
		) || exit 1
		[[ $plan == *"Index Scan using items_hnsw"* ]] || { echo "$plan"; exit 1; }
	done
}

# search EXT KIND EF ROUND CLIENT-ARGUMENTS…
search()
{
	OPTIONS=$PATH_OF_INDEX measure "$@" "$ALL_QUERIES" "$SEARCH"
}

# Recall at an ef, and the pages asked for per query; a pass over all queries.
measure_recall()
{
	local ext=$1 kind=$2 ef=$3 before

	before=$(value_in "$ext" "SELECT asked FROM pages_read()")
	search "$ext" pass "$ef" '' -o "$RUN/found"
	keep "$ext" "pages of $kind" "$ef" '' \
		"$(value_in "$ext" "SELECT (asked - $before) / $QUERIES FROM pages_read()")"
	in_db ours -c "TRUNCATE found" -c "COPY found FROM STDIN" <"$RUN/found"
	keep "$ext" "recall of $kind" "$ef" '' "recall_of_found()"
}

truth() { in_db ours -c "CALL take_truth($QUERIES)"; }

# The ef that reaches a recall, between two of the sweep; nothing if none does.
ef_for()
{
	value_in ours "SELECT ceil(at_recall($2, array_agg(value), array_agg(ef::float8)))
		FROM measured WHERE ext = '$1' AND kind = 'recall of fresh'"
}
