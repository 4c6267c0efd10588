# setup.bash - find a PostgreSQL to build against; on Debian install what is
# missing.  Sourced by common.bash.
#
# Nothing that is installed is upgraded, no cluster is created, started, stopped
# or changed.  Sets PG_CONFIG.

# The majors that src/compat.h knows, the preferred one first.
MAJORS="15 17 18 16"

# Whether this pg_config belongs to an installation with server and PGXS.
usable_pg_config()
{
	[ -x "$1" ] || return 1
	[ -x "$("$1" --bindir)/postgres" ] && [ -f "$("$1" --pgxs)" ]
}

# Sets PG_CONFIG to the user's wish, or to the installed one of the best major.
find_pg_config()
{
	local major candidate

	if [ -n "${PG_CONFIG:-}" ]; then
		candidate=$(command -v "$PG_CONFIG") && usable_pg_config "$candidate" ||
			die "PG_CONFIG=$PG_CONFIG has no server or no PGXS beside it"
		PG_CONFIG=$(cd "$(dirname "$candidate")" && pwd)/${candidate##*/}
		return 0
	fi
	for major in $MAJORS; do
		candidate=/usr/lib/postgresql/$major/bin/pg_config
		if usable_pg_config "$candidate"; then
			PG_CONFIG=$candidate
			return 0
		fi
	done
	# Not Debian's layout: whatever is in PATH.
	if [ ! -e /etc/debian_version ] && candidate=$(command -v pg_config) &&
		usable_pg_config "$candidate"; then
		PG_CONFIG=$candidate
		return 0
	fi
	return 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "root is needed for: $*"
	fi
}

apt()
{
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
		apt-get -o DPkg::Lock::Timeout=300 "$@"
}

has_candidate()
{
	apt-cache policy "$1" 2>/dev/null | grep -q '^ *Candidate: [0-9]'
}

# The newest major that can be had, the preferred one first.
choose_major()
{
	local major

	for major in $MAJORS; do
		if [ -x "/usr/lib/postgresql/$major/bin/postgres" ]; then
			echo "$major"
			return 0
		fi
	done
	for major in $MAJORS; do
		if has_candidate "postgresql-server-dev-$major"; then
			echo "$major"
			return 0
		fi
	done
	return 1
}

# Refuses an installation that would upgrade, and thereby restart, a server.
refuse_server_upgrade()
{
	local upgrades

	upgrades=$(apt-get -s install --no-upgrade --no-install-recommends "$@" 2>/dev/null |
		sed -nE 's/^Inst (postgresql-[0-9]+|libc6) \[.*/\1/p')
	[ -z "$upgrades" ] || die "installing $* would upgrade" $upgrades \
		"and restart servers on this machine; please install these packages yourself"
}

# Installs packages.  A new server package would create and start a cluster
# "main": a drop-in file, there only meanwhile, keeps it from that.
install_packages()
{
	local dropin=/etc/postgresql-common/createcluster.d/hnsw_rebuild.conf status=0

	refuse_server_upgrade "$@"
	say "installing: $*"
	as_root mkdir -p "${dropin%/*}"
	echo "create_main_cluster = false" | as_root tee "$dropin" >/dev/null
	apt install -q -y --no-upgrade --no-install-recommends "$@" >"$SETUP_LOG" 2>&1 || status=$?
	as_root rm -f "$dropin"
	if [ "$status" != 0 ]; then
		tail -n 20 "$SETUP_LOG" >&2
		die "apt-get install failed"
	fi
}

# The packages of the tools that are missing, PostgreSQL apart.
missing_tools()
{
	command -v make >/dev/null || echo make
	command -v "${CC:-gcc}" >/dev/null || echo gcc
	[ -e /usr/include/stdio.h ] || echo libc6-dev
	perl -MTAP::Harness -e 1 2>/dev/null || echo perl
	perl -MIPC::Run -e 1 2>/dev/null || echo libipc-run-perl
}

# Makes sure that everything is there; sets PG_CONFIG.
setup()
{
	local major= packages

	SETUP_LOG=$(mktemp)
	packages=$(missing_tools)
	if ! find_pg_config; then
		[ -e /etc/debian_version ] ||
			die "no PostgreSQL with server and development files found; set PG_CONFIG"
		apt update -q >"$SETUP_LOG" 2>&1 || true
		major=$(choose_major) || die "apt offers none of PostgreSQL $MAJORS"
		packages="$packages postgresql-$major postgresql-server-dev-$major"
	fi
	if [ -n "$packages" ]; then
		[ -e /etc/debian_version ] || die "please install:" $packages
		[ -n "${major:-}" ] || apt update -q >"$SETUP_LOG" 2>&1 || true
		install_packages $packages
		find_pg_config || die "no PostgreSQL found after the installation"
	fi
	rm -f "$SETUP_LOG"
}
