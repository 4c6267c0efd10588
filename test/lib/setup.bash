# setup.bash - find a PostgreSQL to build against; on Debian install what is
# missing.  Sourced by common.bash.
#
# Nothing that is installed is upgraded, no cluster is created, started, stopped
# or changed.  Sets PG_CONFIG.

# The majors that src/compat.h knows, the preferred one first.
MAJORS="15 17 18 16"

# What is to be removed when the setup ends.
SETUP_LOG=
DROPIN=

# Whether this pg_config belongs to an installation with server, PGXS and the
# server's headers: Debian has PGXS in the client's package, the headers in another.
usable_pg_config()
{
	[ -x "$1" ] || return 1
	[ -x "$("$1" --bindir)/postgres" ] && [ -f "$("$1" --pgxs)" ] &&
		[ -f "$("$1" --includedir-server)/postgres.h" ]
}

# Sets PG_CONFIG to the user's wish, or to the installed one of the best major.
find_pg_config()
{
	local major candidate

	if [ -n "${PG_CONFIG:-}" ]; then
		candidate=$(command -v "$PG_CONFIG") && usable_pg_config "$candidate" ||
			die "PG_CONFIG=$PG_CONFIG has no server, no PGXS or no server headers beside it"
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

# Says what to install where we cannot.
need_root_for()
{
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "these packages are missing and sudo is not there, please install them as root:" "$@"
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
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

# The packages of the server of a major.  One that is installed keeps its version,
# and the headers are of the same where apt still has them.
server_packages()
{
	local major=$1 version

	version=$(dpkg-query -W -f '${db:Status-Abbrev}${Version}' "postgresql-$major" 2>/dev/null |
		sed -n 's/^ii *//p')
	if [ -z "$version" ]; then
		echo "postgresql-$major postgresql-server-dev-$major"
		return
	fi
	echo "postgresql-$major=$version postgresql-client-$major=$version"
	if apt-cache madison "postgresql-server-dev-$major" | grep -qF " $version "; then
		echo "postgresql-server-dev-$major=$version"
	else
		echo "postgresql-server-dev-$major"
	fi
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

# At the end, also of a script that a signal or an error ends in the middle.
remove_setup_files()
{
	[ -z "$DROPIN" ] || as_root rm -f "$DROPIN"
	[ -z "$SETUP_LOG" ] || rm -f "$SETUP_LOG"
	DROPIN=
	SETUP_LOG=
}

# Installs packages.  A new server package would create and start a cluster
# "main": a drop-in file, there only meanwhile, keeps it from that.
install_packages()
{
	local status=0

	refuse_server_upgrade "$@"
	say "installing: $*"
	DROPIN=/etc/postgresql-common/createcluster.d/hnsw_rebuild.conf
	as_root mkdir -p "${DROPIN%/*}"
	echo "create_main_cluster = false" | as_root tee "$DROPIN" >/dev/null
	apt install -q -y --no-upgrade --no-install-recommends "$@" >"$SETUP_LOG" 2>&1 || status=$?
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
		major=$(choose_major) || major=${MAJORS%% *}
		need_root_for $packages "postgresql-$major postgresql-server-dev-$major"
		apt update -q >"$SETUP_LOG" 2>&1 || true
		major=$(choose_major) || die "apt offers none of PostgreSQL $MAJORS"
		packages="$packages $(server_packages "$major")"
	fi
	if [ -n "$packages" ]; then
		[ -e /etc/debian_version ] || die "please install:" $packages
		need_root_for $packages
		[ -n "${major:-}" ] || apt update -q >"$SETUP_LOG" 2>&1 || true
		install_packages $packages
		find_pg_config || die "no PostgreSQL found after the installation"
	fi
	remove_setup_files
}
