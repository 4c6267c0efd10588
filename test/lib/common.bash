# common.bash - a private place to build, install and run, for the scripts of
# `make test` and `make demo`.
#
# prepare KIND		packages, an unprivileged user, a copy of the tree to build in,
#					a temporary installation directory; traps that stop and remove it all
# in_group COMMAND	runs a command as that user, in a process group of its own
# build_and_install MAKEVARS…	builds the copy, installs it into the temporary installation
#
# The server refuses root, and a checkout may be unreadable to others, so the
# work is done in a copy that belongs to the unprivileged user: build/KIND-USER-…
# below the checkout where that user can reach it (objects stay there for the
# next run), else a temporary directory.  The extension is installed into a copy
# of the server's directories (the server finds its files relative to its own
# binary), so that no system directory is written to.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CHILD=
WORK=
RUN=
WORK_IS_TEMPORARY=

say() { echo "# $*"; }
die() { echo "error: $*" >&2; exit 1; }

. "$TOP/test/lib/setup.bash"

as_user()
{
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid "$RUN_AS" --regid "$(id -g "$RUN_AS")" --init-groups -- "$@"
	else
		"$@"
	fi
}

# As the user, in a process group of its own, so that a signal to this script
# can end all of it at once.
in_group()
{
	local status=0

	set -m
	as_user "$@" </dev/null 9>&- &
	CHILD=$!
	set +m
	wait "$CHILD" || status=$?
	CHILD=
	return $status
}

# Every process that runs a binary of our temporary installation.
our_processes()
{
	local exe

	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe" 2>/dev/null) in
			"$WORK"/tmp_install/*) exe=${exe%/exe}; echo "${exe#/proc/}" ;;
		esac
	done
}

cleanup()
{
	local status=$? tries pids

	trap '' INT TERM HUP
	remove_setup_files
	if [ -n "$CHILD" ]; then
		kill -TERM -- "-$CHILD" 2>/dev/null
		wait "$CHILD" 2>/dev/null
	fi
	if [ -n "$WORK" ]; then
		for tries in 1 2 3 4 5 6 7 8 9 10; do
			pids=$(our_processes)
			[ -n "$pids" ] || break
			if [ "$tries" = 10 ]; then
				kill -KILL $pids 2>/dev/null
			elif [ "$tries" = 1 ]; then
				kill -QUIT $pids 2>/dev/null
			fi
			sleep 0.5
		done
	fi
	[ -z "$RUN" ] || rm -rf "$RUN"
	[ -z "$WORK_IS_TEMPORARY" ] || rm -rf "$WORK"
	exit $status
}

choose_user()
{
	if [ "$(id -u)" != 0 ]; then
		RUN_AS=$(id -un)
	elif id postgres >/dev/null 2>&1; then
		RUN_AS=postgres
	else
		RUN_AS=nobody
	fi
}

# Makes "$1" a directory of the unprivileged user's that it can reach, and locks
# it against a second run beside this one.
claim_directory()
{
	mkdir -p "$1" || return 1
	chown --reference="$TOP" "${1%/*}"
	[ "$(id -u)" != 0 ] || chown "$RUN_AS" "$1" 2>/dev/null || return 1
	as_user test -w "$1" -a -x "$1" 2>/dev/null || return 1
	exec 9>"$1.lock" || return 1
	flock -n 9
}

choose_work_directory()
{
	local key

	key=$("$PG_CONFIG" --version --bindir | cksum | cut -d ' ' -f 1)
	WORK=$TOP/build/$1-$RUN_AS-$key
	if ! claim_directory "$WORK" 2>/dev/null; then
		WORK=$(mktemp -d "${TMPDIR:-/tmp}/hnsw_rebuild.XXXXXX")
		WORK_IS_TEMPORARY=1
		[ "$(id -u)" != 0 ] || chown "$RUN_AS" "$WORK"
	fi
	# Socket paths must be short.
	RUN=$(mktemp -d /tmp/hnr.XXXXXX)
	[ "$(id -u)" != 0 ] || chown "$RUN_AS" "$RUN"
}

# Objects stay, everything else is as in the checkout; times are kept, so make
# compiles what changed.
copy_tree()
{
	as_user mkdir -p "$WORK/tree"
	as_user find "$WORK/tree" -type f ! -name '*.o' ! -path "$WORK/tree/build/flags" -delete
	tar -C "$TOP" -cf - --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' --exclude=./results --exclude=./tmp_check . |
		as_user tar -C "$WORK/tree" -xf -
}

link_all_but()
{
	local from=$1 to=$2 but=$3 file files=()

	for file in "$from"/*; do
		[[ ${file##*/} == $but ]] || files+=("$file")
	done
	as_user mkdir -p "$to"
	as_user ln -s "${files[@]}" "$to/"
}

# Programs must be copies (the server looks behind symbolic links for its
# directory); everything else is linked.  Directories that an installation
# writes to are real ones.
make_tmp_install()
{
	local bindir sharedir pkglibdir

	bindir=$("$PG_CONFIG" --bindir)
	sharedir=$("$PG_CONFIG" --sharedir)
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	INSTALL=$WORK/tmp_install
	BINDIR=$INSTALL$bindir
	as_user rm -rf "$INSTALL"
	as_user mkdir -p "$BINDIR"
	as_user cp -L "$bindir"/* "$BINDIR/"
	link_all_but "$sharedir" "$INSTALL$sharedir" extension
	link_all_but "$sharedir/extension" "$INSTALL$sharedir/extension" 'hnsw_rebuild*'
	link_all_but "$pkglibdir" "$INSTALL$pkglibdir" '@(hnsw_rebuild*|bitcode)'
	export BINDIR INSTALL
}

# After a failure: says where the logs are, and saves them from a directory that
# is about to go.
keep_logs()
{
	local logs=$WORK

	if [ -n "$WORK_IS_TEMPORARY" ]; then
		logs=$TOP/build/failed
		mkdir -p "$TOP/build" 2>/dev/null && rm -rf "$logs" 2>/dev/null || return 0
		mkdir -p "$logs/tmp_check"
		cp -R "$WORK/log" "$logs/"
		cp -R "$WORK/tmp_check/log" "$logs/tmp_check/" 2>/dev/null
	fi
	say "logs: $logs/log and $logs/tmp_check/log"
}

prepare()
{
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	setup
	choose_user
	choose_work_directory "$1"
	unset MAKEFLAGS MFLAGS MAKELEVEL PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGDATA PGPASSFILE
	export PG_CONFIG WORK RUN HOME="$RUN" TMPDIR="$RUN" LC_ALL=C.UTF-8
	cd "$WORK" || exit 1
	say "$("$PG_CONFIG" --version), as user $RUN_AS, in $WORK"
	copy_tree
	make_tmp_install
	cd "$WORK/tree" || exit 1
}

# Of the vectors in a NumPy file; fails, and says why, where npy.pl cannot read it.
dimensions()
{
	local row

	row=$(perl "$TOP/test/lib/npy.pl" "$1" 0 1) || return 1
	[ -n "$row" ] || die "$1: no rows"
	tr -cd , <<<"$row," | wc -c
}

# vectors_from [BASE.npy[,QUERY.npy]]: what demo and bench work on, by default
# the files in test/data.  Sets VECTORS, their name.
vectors_from()
{
	local file dims of_base=

	BASE_FILE=$TOP/test/data/sift5k-128.base.npy
	QUERY_FILE=$TOP/test/data/sift5k-128.query.npy
	if [ -n "$1" ]; then
		BASE_FILE=${1%%,*}
		QUERY_FILE=
		[[ $1 != *,* ]] || QUERY_FILE=${1#*,}
		for file in "$BASE_FILE" ${QUERY_FILE:+"$QUERY_FILE"}; do
			[ -r "$file" ] || die "cannot read $file"
			dims=$(dimensions "$file") || exit 1
			[ "${of_base:=$dims}" = "$dims" ] ||
				die "$BASE_FILE has $of_base dimensions, $file has $dims"
		done
		BASE_FILE=$(realpath "$BASE_FILE")
		QUERY_FILE=${QUERY_FILE:+$(realpath "$QUERY_FILE")}
	fi
	VECTORS=$(basename "$BASE_FILE" .npy)
	VECTORS=${VECTORS%.base}
}

# Copies them to $RUN/npy: the unprivileged user may not be able to read them
# where they are.
take_vectors()
{
	mkdir "$RUN/npy"
	cp "$BASE_FILE" "$RUN/npy/base.npy"
	[ -z "$QUERY_FILE" ] || cp "$QUERY_FILE" "$RUN/npy/query.npy"
	chmod -R a+rX "$RUN/npy"
}

build_and_install()
{
	in_group make -s -j"$(nproc)" PG_CONFIG="$PG_CONFIG" with_llvm=no "$@" &&
		in_group make -s PG_CONFIG="$PG_CONFIG" with_llvm=no DESTDIR="$INSTALL" "$@" install
}
