# parts.bash - what the demo is made of; sourced by demo.

K=10
QUIET_SECONDS=5

heading() { printf '\n== %s\n\n' "$*"; }
note() { printf '   %s\n' "$@"; }
now() { date +%s.%6N; }

sql() { "$BINDIR/psql" -X -q -v ON_ERROR_STOP=1 "$@"; }
value() { sql -At -c "$1"; }
of_index() { value "SELECT $1 FROM pg_class WHERE oid = '$INDEX'::regclass"; }
options() { value "SELECT m || ', ' || ef_construction FROM index_status('$INDEX')"; }

# Shows a statement, does it, says how long it took.
run()
{
	local start=$(date +%s%N)

	note "=> $1"
	sql -At -c "$1" >/dev/null || exit 1
	note "   $(seconds $(($(date +%s%N) - start)))"
}

# Shows a query and its answer.
show()
{
	note "=> $(tr -s '\n\t' ' ' <<<"$1")"
	sql -P footer=off -x -c "$1" | sed -n '/|/s/^/      /p'
}

# Nanoseconds, printed as seconds.
seconds() { printf '%d.%02d s' $(($1 / 1000000000)) $(($1 % 1000000000 / 10000000)); }

# ---- the server ----

start_server()
{
	rm -rf "$WORK/demo"
	"$BINDIR/initdb" -D "$WORK/demo" -A trust -U postgres --no-locale -E UTF8 >"$RUN/initdb.log" || exit 1
	cat >>"$WORK/demo/postgresql.conf" <<-X
		listen_addresses = ''
		unix_socket_directories = '$RUN'
		shared_preload_libraries = 'hnsw_rebuild'
		hnsw_rebuild.naptime = 1s
		hnsw_rebuild.auto_cooldown = 0
		jit = off
		${SERVER_SETTINGS:-}
	X
	"$BINDIR/pg_ctl" -D "$WORK/demo" -l "$RUN/server.log" -w start >/dev/null || exit 1
	export PGHOST=$RUN PGUSER=postgres PGDATABASE=postgres
}

stop_server()
{
	local status=$?

	[ "$status" = 0 ] || grep -E 'ERROR|FATAL|PANIC|TRAP|terminated by' "$RUN/server.log" | tail -n 20
	kill $CLIENTS 2>/dev/null
	"$BINDIR/pg_ctl" -D "$WORK/demo" -m immediate -w stop >/dev/null 2>&1
	rm -rf "$WORK/demo"
	exit $status
}

# ---- the data ----

# Tables source (id from 0, v) and query (id from 0, v); sets ROWS and DIMS.
load()
{
	local npy="perl test/lib/npy.pl" queries=100

	sql -c "SET client_min_messages = warning" -c "CREATE EXTENSION hnsw_rebuild" \
		-c "CREATE TABLE source (id int PRIMARY KEY, v vector)" \
		-c "CREATE TABLE query (id int PRIMARY KEY, v vector)"
	$npy "$RUN/npy/base.npy" | sql -c "COPY source FROM STDIN"
	if [ -e "$RUN/npy/query.npy" ]; then
		$npy "$RUN/npy/query.npy" 0 $queries | sql -c "COPY query FROM STDIN"
	else
		sql -c "WITH q AS (DELETE FROM source
				WHERE id >= (SELECT count(*) FROM source) - $queries RETURNING *)
			INSERT INTO query SELECT row_number() OVER (ORDER BY id) - 1, v FROM q"
	fi
	sql -c "VACUUM ANALYZE source, query"
	ROWS=$(value "SELECT count(*) FROM source")
	DIMS=$(value "SELECT vector_dims(v) FROM source LIMIT 1")
}

# nearest FROM COUNT: the median distance of vectors in FROM from their nearest row.
nearest()
{
	value "SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY distance))::numeric, 2)
		FROM (SELECT id, v FROM $1 ORDER BY hashint4(id) LIMIT $2) f,
			LATERAL (SELECT s.v <-> f.v AS distance FROM source s
				WHERE '$1' = 'query' OR s.id <> f.id ORDER BY 1 LIMIT 1) n"
}

# Sets ROW_DISTANCE and QUERY_DISTANCE.
compare_queries_with_rows()
{
	ROW_DISTANCE=$(nearest source 50)
	QUERY_DISTANCE=$(nearest query 50)
	note "median distance from the nearest row: of a row $ROW_DISTANCE, of a query $QUERY_DISTANCE"
}

# Why index_degradation(), which asks with rows, may find less amiss than recall is.
explain_queries()
{
	awk -v q="$QUERY_DISTANCE" -v r="$ROW_DISTANCE" 'BEGIN { exit !(q > 1.2 * r) }' ||
		return 0
	echo
	note "These queries are unlike the rows: they lie further from them than rows do from each" \
		"other. index_degradation() asks with rows, so it finds fewer neighbours missed."
}

# Sets RECALL, the mean recall@K of the queries, and DEGRADATION.  The exact
# answers come from sequential scans; a row as near as the K-th of them counts
# as found.
measure()
{
	RECALL=$(sql -At <<-X
		SET enable_indexscan = off;
		CREATE TEMP TABLE truth AS
			SELECT q.id, q.v, max(n.distance) AS furthest
			FROM query q, LATERAL (SELECT embedding <-> q.v AS distance
				FROM items ORDER BY 1 LIMIT $K) n
			GROUP BY q.id, q.v;
		SET enable_indexscan = on;
		SET enable_seqscan = off;
		SELECT round(avg((SELECT count(*) FROM (SELECT embedding <-> t.v AS distance
				FROM items ORDER BY embedding <-> t.v LIMIT $K) n
			WHERE n.distance <= t.furthest * (1 + 1e-6))) / $K, 3) FROM truth t;
		X
	)
	DEGRADATION=$(value "SELECT round(index_degradation('$INDEX')::numeric, 3)")
	note "recall@$K of the queries   $RECALL" "index_degradation()       $DEGRADATION"
}

# ---- clients ----

CLIENTS=
CLIENT_ERRORS=0

# Two readers and two writers, each 50 transactions per second.
start_clients()
{
	cat >"$RUN/read.sql" <<-X
		\\set q random(0, 99)
		SELECT id FROM items ORDER BY embedding <-> (SELECT v FROM query WHERE id = :q) LIMIT $K;
	X
	cat >"$RUN/write.sql" <<-X
		\\set s random(0, $ROWS - 1)
		\\set i random(1, $ROWS)
		INSERT INTO items (embedding) SELECT v FROM source WHERE id = :s;
		UPDATE items SET embedding = (SELECT v FROM source WHERE id = :s) WHERE id = :i;
		DELETE FROM items WHERE id = (SELECT id FROM items WHERE id >= :i ORDER BY id LIMIT 1);
	X
	for kind in read write; do
		"$BINDIR/pgbench" -n -M prepared -c 2 -T 86400 -R 100 -f "$RUN/$kind.sql" \
			-l --log-prefix="$RUN/$kind" >"$RUN/$kind.out" 2>&1 &
		CLIENTS="$CLIENTS $!"
	done
}

# SIGALRM is how pgbench learns that its time is over.
stop_clients()
{
	kill -ALRM $CLIENTS
	wait $CLIENTS
	CLIENTS=
	CLIENT_ERRORS=$(cat "$RUN"/read.out "$RUN"/write.out | grep -c 'ERROR\|aborted in')
}

# latencies FROM TO: the longest transaction that ended between, which time 99 of
# 100 kept below, and their number.  The time that pgbench was late itself does
# not count.
latencies()
{
	cat "$RUN"/read.[0-9]* "$RUN"/write.[0-9]* | awk -v from="$1" -v to="$2" '
		{ ended = $5 + $6 / 1e6 }
		ended >= from && ended <= to { print ($3 - $7) / 1000 }' | sort -n | awk '
		{ ms[NR] = $1 }
		END { printf "%8.1f ms %8.1f ms %8d", ms[NR], ms[int((NR * 99 + 99) / 100)], NR }'
}

# ---- the rebuild ----

# watch_rebuild JOB: prints a line whenever index_status() has something new,
# until a rebuild newer than JOB is over; gives up when none starts.
watch_rebuild()
{
	local line last= start=$(date +%s%N) status phase pct eta done total blocked state
	local query="SELECT status, coalesce(phase, ''), coalesce(round(progress_pct)::text, ''),
			coalesce(round(eta_seconds::numeric, 1) || ' s', ''), tuples_done, tuples_total,
			array_to_string(blocked_by, ' '),
			(SELECT state FROM rebuild_history WHERE id > $1 ORDER BY id DESC LIMIT 1)
		FROM index_status('$INDEX');"

	coproc STATUS { sql -At -F '|' -v ON_ERROR_STOP=0 2>&1; }
	printf '   %8s  %-12s %-24s %4s %7s  %s\n' time status phase % ETA tuples
	while :; do
		echo "$query" >&"${STATUS[1]}"
		IFS= read -r line <&"${STATUS[0]}" || break
		if [ "$line" != "$last" ]; then
			last=$line
			IFS='|' read -r status phase pct eta done total blocked state <<<"$line"
			printf '   %8s  %-12s %-24s %4s %7s  %s%s\n' "$(seconds $(($(date +%s%N) - start)))" \
				"$status" "$phase" "$pct" "$eta" "${total:+$done of $total}" \
				"${blocked:+  waits for $blocked}"
		fi
		case $state in
			done|failed|cancelled) break ;;
			'') [ $((($(date +%s%N) - start) / 1000000000)) -lt 60 ] || break ;;
		esac
		# The longer it takes, the fewer lines.
		sleep "$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN {print 0.1 + ns / 2e10}')"
	done
	kill "$STATUS_PID"
	wait "$STATUS_PID" 2>/dev/null
	[ "$state" = done ] || { note "no rebuild was done"; exit 1; }
}
