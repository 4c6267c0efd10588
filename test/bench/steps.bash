# steps.bash - what is measured, in order; sourced by bench.

# Build, size, recall, time, pages, two clients.
search_steps()
{
	local ext ef round

	tell "build"
	make_items "$ROWS"
	build build
	check_plan
	tell "recall"
	truth
	for ef in $EFS; do
		for ext in $EXTS; do
			measure_recall "$ext" fresh "$ef"
		done
	done
	tell "time, $ROUNDS rounds"
	for round in $(seq "$ROUNDS"); do
		for ef in $EFS; do
			for ext in $EXTS; do
				search "$ext" search "$ef" "$round" -w "$WARM" -s "$PERIOD"
			done
		done
	done
	for ext in $EXTS; do
		OPTIONS="-c enable_indexscan=off" measure "$ext" exact '' '' \
			"SELECT v FROM query WHERE id < 10" "$SEARCH"
	done
	two_clients
	cold_pages
}

# At the ef for .95, or the largest.
two_clients()
{
	local ext ef round clients

	[ "$(nproc)" -gt 1 ] || return 0
	tell "two clients"
	for round in $(seq "$ROUNDS"); do
		for ext in $EXTS; do
			ef=$(ef_for "$ext" 0.95)
			for clients in 1 2; do
				search "$ext" "$clients clients" "${ef:-400}" "$round" -c "$clients" -w "$WARM" -s "$PERIOD"
			done
		done
	done
}

# What one query reads where nothing is cached: the server restarts before each.
cold_pages()
{
	local ext ef i before=()

	tell "cold pages"
	for ext in $EXTS; do
		before+=("$(value_in "$ext" "SELECT missed FROM pages_read()")")
	done
	for i in $(seq "$COLD_QUERIES"); do
		"$BINDIR/pg_ctl" -D "$WORK/demo" -l "$RUN/server.log" -w -m fast restart >/dev/null || exit 1
		for ext in $EXTS; do
			ef=$(ef_for "$ext" 0.95)
			OPTIONS=$PATH_OF_INDEX measure "$ext" cold "${ef:-400}" '' "SELECT v FROM query WHERE id = $i" "$SEARCH"
		done
	done
	set -- "${before[@]}"
	for ext in $EXTS; do
		keep "$ext" "cold pages" '' '' "$(value_in "$ext" "SELECT (missed - $1) / $COLD_QUERIES FROM pages_read()")"
		shift
	done
}

# ---- writes: a smaller table, a fifth of the rows in reserve ----

write_steps()
{
	local ext n=$((ROWS < WRITE_ROWS ? ROWS : WRITE_ROWS)) round

	tell "inserts"
	INSERTS=$((n / 20 < INSERTS ? n / 20 : INSERTS))
	n=$((n * 4 / 5))
	WRITTEN=$n
	make_items "$n"
	build "write build"
	insert_rows insert off 1 "$n"
	insert_rows "insert with images" on 1 "$((n + INSERTS))"
	[ "$(nproc)" = 1 ] || insert_rows "insert by two" off 2 "$((n + 2 * INSERTS))"
	# Same rows again for everybody.
	for ext in $EXTS; do
		in_db "$ext" -c "DELETE FROM items WHERE id >= $n" -c "VACUUM items"
	done
	tell "vacuum, churn"
	truth
	recall_of "before churn"
	churn 0.1 1
	for round in $(seq "$CHURN_ROUNDS"); do
		churn 0.2 $((round + 1))
	done
	truth
	recall_of "after churn"
	for ext in $EXTS; do
		keep "$ext" "size after churn" '' '' "$(value_in "$ext" "SELECT pg_relation_size('items_hnsw')")"
		measure_once "$ext" reindex '' "REINDEX INDEX items_hnsw"
		keep "$ext" "size of reindex" '' '' "$(value_in "$ext" "SELECT pg_relation_size('items_hnsw')")"
	done
	recall_of "reindex"
}

recall_of()
{
	local ext ef

	for ext in $EXTS; do
		for ef in 40 $CHURN_EF; do
			measure_recall "$ext" "$1" "$ef"
		done
	done
}

# insert_rows KIND FULL_PAGE_WRITES CLIENTS FIRST: single-row statements, each
# committed; into the table with the index, and into one without.  From a
# checkpoint on, so that full page images, where on, are those of so many rows.
insert_rows()
{
	local ext table lsn

	sql -c "ALTER SYSTEM SET full_page_writes = $2" -c "SELECT pg_reload_conf()" >/dev/null
	for ext in $EXTS; do
		for table in items plain; do
			in_db "$ext" -c "CHECKPOINT"
			lsn=$(value "SELECT pg_current_wal_insert_lsn()")
			measure "$ext" "$1, $table" '' '' -c "$3" \
				"SELECT id, v FROM source WHERE id >= $4 AND id < $4 + $INSERTS ORDER BY id" \
				"INSERT INTO $table VALUES (\$1, \$2)"
			keep "$ext" "WAL of $1, $table" '' '' \
				"$(value "SELECT pg_current_wal_insert_lsn() - '$lsn'::pg_lsn") / $INSERTS"
		done
	done
	sql -c "ALTER SYSTEM RESET full_page_writes" -c "SELECT pg_reload_conf()" >/dev/null
}

# churn SHARE ROUND: deletes rows, vacuums, lets as many new ones in.
churn()
{
	local ext

	for ext in $EXTS; do
		in_db "$ext" -c "SET client_min_messages = warning" -c "CALL churn_choose($1, $2)" \
			-c "DELETE FROM items USING leaving l WHERE items.id = l.id"
		measure_once "$ext" "vacuum of $1" "$2" "VACUUM items"
		in_db "$ext" -c "INSERT INTO items SELECT id, v FROM source JOIN coming USING (id) ORDER BY id"
	done
}

# ---- searches beside an online rebuild, ours only ----

rebuild_steps()
{
	local state="SELECT state FROM rebuild_history ORDER BY id DESC LIMIT 1"

	tell "searches beside a rebuild"
	make_items "$ROWS"
	in_db ours -c "CREATE INDEX items_hnsw ON items USING hnsw (embedding $OPCLASS) WITH (m = $M, ef_construction = $EF_CONSTRUCTION)"
	search ours "before rebuild" 40 '' -w "$WARM" -s "$PERIOD"
	(OPTIONS=$PATH_OF_INDEX client ours 40 -s 3600 "$ALL_QUERIES" "$SEARCH") >"$RUN/beside" &
	CLIENTS=$!
	value_in ours "SELECT rebuild_index('items_hnsw', measure => false)" >/dev/null
	while [[ $(value_in ours "$state") == @(queued|running) ]]; do
		sleep 0.1
	done
	kill -TERM "$CLIENTS"
	wait "$CLIENTS" || exit 1
	CLIENTS=
	keep_run ours "beside rebuild" 40 '' "$(cat "$RUN/beside")"
	[ "$(value_in ours "$state")" = done ] || exit 1
}
