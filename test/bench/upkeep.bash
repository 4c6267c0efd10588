# upkeep.bash - what the index does for itself, ours only: deferred insertions and
# optimize_index(); sourced by bench.

upkeep_steps()
{
	local EXTS=ours

	deferred_steps
	optimize_steps
}

index_of_items()
{
	in_db ours -c "CREATE INDEX items_hnsw ON items USING hnsw (embedding $OPCLASS)
		WITH (m = $M, ef_construction = $EF_CONSTRUCTION)"
}

# insert_one_by_one KIND TABLE FIRST
insert_one_by_one()
{
	measure ours "$1" '' '' "SELECT id, v FROM source WHERE id >= $3 AND id < $3 + $INSERTS ORDER BY id" \
		"INSERT INTO $2 VALUES (\$1, \$2)"
}

# No worker merges, so that what is measured is the insertion, and stays pending.
deferred_steps()
{
	local OPTIONS="-c hnsw_rebuild.merge_workers=0" n=$WRITTEN

	tell "deferred insertions"
	make_items "$n"
	index_of_items
	insert_one_by_one "deferred: no index" plain "$n"
	insert_one_by_one "deferred: off" items "$n"
	in_db ours -c "ALTER INDEX items_hnsw SET (deferred = on, merge_threshold = 1000000)"
	insert_one_by_one "deferred: on" items "$((n + INSERTS))"
	PGOPTIONS=$OPTIONS in_db ours \
		-c "INSERT INTO items SELECT id, v FROM source WHERE id >= $n + 2 * $INSERTS ORDER BY id LIMIT 10000"
	keep ours "rows pending" '' '' "$(value_in ours "SELECT pending_rows FROM index_status('items_hnsw')")"
	search ours "rows pending" 40 '' -w "$WARM" -s "$PERIOD"
	measure_once ours "flush" '' "SELECT flush_index('items_hnsw')"
	search ours "rows merged" 40 '' -w "$WARM" -s "$PERIOD"
}

# do_job STATEMENT: starts one, waits for its end.
do_job()
{
	in_db ours -c "$1" -c "CALL wait_for_rebuild('items_hnsw')" >/dev/null
}

ms_of_job() { value_in ours "SELECT phase_ms->>'$1' FROM rebuild_history ORDER BY id DESC LIMIT 1"; }

# After three rounds in which three tenths of the rows go and others come.
optimize_steps()
{
	local round

	tell "optimize_index()"
	make_items "$WRITTEN"
	index_of_items
	for round in 1 2 3; do
		churn 0.3 "$((100 + round))"
	done
	truth
	recall_of "worn"
	do_job "SELECT optimize_index('items_hnsw', measure => false)"
	keep ours "ms of job" 1 '' "$(ms_of_job optimizing)"
	recall_of "optimized"
	do_job "SELECT rebuild_index('items_hnsw', measure => false, warm_start => false)"
	keep ours "ms of job" 2 '' "$(ms_of_job building)"
	recall_of "rebuilt"
}
