# suite_parts.bash - the suites of `make test`; sourced by suite.

LOG=$WORK/log
SERVER=

say() { echo "# $*"; }

# result STATUS NAME: counts and prints one test.
result()
{
	if [ "$1" = 0 ]; then
		PASSED=$((PASSED + 1))
		echo "ok      $2"
	else
		FAILED=$((FAILED + 1))
		echo "FAILED  $2"
	fi
}

# check NAME COMMAND…: one test that prints what it has to say when it fails.
check()
{
	local name=$1 status=0
	shift

	"$@" >"$LOG/check" 2>&1 || status=$?
	[ "$status" = 0 ] || head -n 60 "$LOG/check"
	result "$status" "$name"
	return "$status"
}

build_extension()
{
	local make=(make -s PG_CONFIG="$PG_CONFIG" with_llvm=no DEBUG_POINTS=1)

	"${make[@]}" -j"$(nproc)" && "${make[@]}" DESTDIR="$INSTALL" install
}

build()
{
	check "build: gcc, with debug points" build_extension
}

# The release build's flags with clang; the server's compiler options that only
# gcc knows are left out.
compile_with_clang()
{
	local clang include

	clang=$(ls /usr/bin/clang /usr/bin/clang-[0-9]* 2>/dev/null | head -n 1)
	include=$("$PG_CONFIG" --includedir-server)
	printf '%s\n' src/*.c src/*/*.c |
		xargs -P "$(nproc)" -I FILE "$clang" -fsyntax-only -D_GNU_SOURCE -Isrc -I"$include" \
			-Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
			-Wno-missing-field-initializers -Wno-ignored-attributes FILE
}

# On PostgreSQL 15 libraries share one name space of symbols.
symbols_have_prefix()
{
	local strangers

	strangers=$(nm -D --defined-only hnsw_rebuild.so |
		awk '$2 ~ /[A-Z]/ && $3 !~ /^(hnr_|Hnr|pg_finfo_hnr_|_PG_init$|Pg_magic_func$|_init$|_fini$)/ {print $3}')
	echo "$strangers"
	[ -z "$strangers" ]
}

source_suite()
{
	local name

	for name in $(test/lib/check_source --list); do
		check "source: $name" test/lib/check_source "$name"
	done
	check "source: symbols have our prefix" symbols_have_prefix
	! ls /usr/bin/clang* >/dev/null 2>&1 || check "build: clang, release" compile_with_clang
}

# TAP files in one harness: one test per assertion of the file, one failed test
# for a file that dies or does not keep its plan.
tap()
{
	local counts

	perl test/lib/tap_harness.pl "$LOG/tap_counts" "$@"
	read -r -a counts <"$LOG/tap_counts"
	PASSED=$((PASSED + counts[0]))
	FAILED=$((FAILED + counts[1]))
}

unit_suite()
{
	local name commands=()

	for name in $(test/unit/run --list); do
		commands+=("test/unit/run $name")
	done
	tap "${commands[@]}"
}

tap_suite()
{
	[ -e "${1:-}" ] || return 0
	export PG_REGRESS="$(dirname "$("$PG_CONFIG" --pgxs)")/../test/regress/pg_regress"
	export PATH="$BINDIR:$PATH" TESTDIR="$WORK" TESTDATADIR="$WORK/tmp_check" \
		TESTLOGDIR="$WORK/tmp_check/log" PG_TEST_TIMEOUT_DEFAULT="${PG_TEST_TIMEOUT_DEFAULT:-180}"
	export PERL5LIB="$(dirname "$("$PG_CONFIG" --pgxs)")/../test/perl:$PWD/test/lib"
	mkdir -p "$TESTLOGDIR"
	# plans with enable_* = off have costs for which each statement would be compiled
	export TEMP_CONFIG="$WORK/tap.conf"
	echo "jit = off" >"$TEMP_CONFIG"
	HNR_TAP_JOBS=${HNR_TAP_JOBS:-2} tap "$@"
	rm -rf "$WORK"/tmp_check/t_*_data
}

# A server for the regression and isolation tests.
start_server()
{
	[ -z "$SERVER" ] || return 0
	rm -rf "$WORK/server"
	"$BINDIR/initdb" -D "$WORK/server" -N -A trust -U postgres --no-locale -E UTF8 >"$LOG/initdb.log" || return 1
	cat >>"$WORK/server/postgresql.conf" <<-X
		listen_addresses = ''
		unix_socket_directories = '$RUN'
		fsync = off
		autovacuum = off
		max_connections = 40
		max_worker_processes = 16
		max_prepared_transactions = 2
		jit = off
		hnsw_rebuild.nice = 0
		log_line_prefix = '%m %b[%p] %q%a '
	X
	"$BINDIR/pg_ctl" -D "$WORK/server" -l "$LOG/server.log" -w -t 60 start >/dev/null || return 1
	SERVER=$WORK/server
}

stop_server()
{
	[ -n "$SERVER" ] || return 0
	"$BINDIR/pg_ctl" -D "$SERVER" -m fast -w -t 60 stop >/dev/null 2>&1 ||
		"$BINDIR/pg_ctl" -D "$SERVER" -m immediate stop >/dev/null 2>&1
	rm -rf "$SERVER"
	SERVER=
}

# run_pg_regress SUITE PROGRAM INPUTDIR TEST…
run_pg_regress()
{
	local suite=$1 program=$2 input=$3 status=0 out="$LOG/$1" before=$FAILED
	shift 3

	mkdir -p "$out/results"
	if start_server; then
		timeout 1200 "$(dirname "$("$PG_CONFIG" --pgxs)")/../test/$program" \
			--bindir="$BINDIR" --inputdir="$input" --outputdir="$out" \
			--host="$RUN" --port=5432 --user=postgres --dbname="hnr_$suite" \
			--load-extension=hnsw_rebuild "$@" >"$out/output" 2>&1 || status=$?
	else
		status=1
		cp "$LOG/server.log" "$out/output"
	fi
	# "test a ... ok", since PostgreSQL 16 "ok 1 - a"
	while read -r verdict name; do
		result "$([ "$verdict" = ok ]; echo $?)" "$suite: $name"
	done < <(sed -nE -e 's/^test +([^ ]+) +\.\.\. +(ok|FAILED).*/\2 \1/p' \
		-e 's/^(not )?(ok) +[0-9]+ +[-+] +([^ ]+).*/\1\2 \3/p' "$out/output" | sed 's/^not ok/FAILED/')
	if [ "$status" != 0 ]; then
		cat "$out/regression.diffs" 2>/dev/null | head -n 200
		if [ "$before" = "$FAILED" ]; then
			tail -n 30 "$out/output"
			result 1 "$suite: $program"
		fi
		grep -E 'TRAP|PANIC|FATAL|terminated by' "$LOG/server.log" | tail -n 20
	fi
}

regress_suite()
{
	[ -e "${1:-}" ] || return 0
	run_pg_regress regress regress/pg_regress . $(basename -s .sql -a "$@")
}

isolation_suite()
{
	[ -e "${1:-}" ] || return 0
	run_pg_regress isolation isolation/pg_isolation_regress test/isolation $(basename -s .spec -a "$@")
}

# The bench is no test, but it has to run.
bench_suite()
{
	stop_server		# its socket has the name of the bench's
	. test/bench/settings.bash
	export ROWS=500 ROUNDS=1 PERIOD=0.05 WARM=0.01 COLD_QUERIES=1 INSERTS=20 CHURN_ROUNDS=1 \
		EFS=10,400 QUERIES=20
	settings 1
	mkdir "$RUN/npy"
	cp test/data/sift5k-128.base.npy "$RUN/npy/base.npy"
	cp test/data/sift5k-128.query.npy "$RUN/npy/query.npy"
	check "bench: runs" test/bench/bench sift5k-128 l2
}
